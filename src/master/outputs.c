/* SPDX-License-Identifier: MIT */
/* Opening what workers append to, as outputs.h says. */
#include "master/outputs.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A FIFO without a reader is an error and no wait; of one that is full the workers hear EAGAIN. */
int output_open(const char *path, const char **reason_r)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		*reason_r = log_open_error(errno);
	return fd;
}

int *outputs_open(const struct service_conf *service, char **error_r)
{
	int *output = calloc(service->outputs + 1, sizeof(*output));

	*error_r = NULL;
	for (size_t i = 0; output && i < service->outputs; i++) {
		const struct conf_output *conf = &service->output[i];
		const char *reason;
		int error;

		output[i] = output_open(conf->path, &reason);
		if (output[i] >= 0)
			continue;
		error = errno;
		if (asprintf(error_r, "%s:%d:%d: cannot open %s %s: %s", conf->at.file,
			     conf->at.line, conf->at.column, conf->directive, conf->path,
			     reason) < 0)
			*error_r = NULL;
		outputs_close(output, i);
		errno = error;
		return NULL;
	}
	return output;
}

void outputs_close(int *output, size_t n)
{
	for (size_t i = 0; output && i < n; i++)
		fd_close(&output[i]);
	free(output);
}
