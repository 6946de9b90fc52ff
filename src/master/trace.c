/* SPDX-License-Identifier: MIT */
/* Traces of workers, as trace.h says. */
#include "master/trace.h"

#include "base/fd.h"
#include "base/log.h"
#include "master/slot_view.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAME_MAX = 256 };

/* What stands behind "NAME:" at the beginning of a line; NULL. */
static const char *field(const char *status, const char *name)
{
	size_t len = strlen(name);
	const char *line = status;

	while (line && (strncmp(line, name, len) != 0 || line[len] != ':')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line ? line + len + 1 : NULL;
}

void process_parse(struct process *process, const char *status)
{
	const char *tracer = field(status, "TracerPid");
	const char *caught = field(status, "SigCgt");
	uint64_t signals = caught ? strtoull(caught, NULL, 16) : 0;

	process->tracer = tracer ? (pid_t)strtol(tracer, NULL, 10) : 0;
	process->catches_trace = signals >> (SIGUSR2 - 1) & 1;
}

void process_look(struct process *process, pid_t pid)
{
	char path[64], text[8192] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		/* hidepid (ProtectProc=invisible) hides processes of other users from root without CAP_SYS_PTRACE. */
		*process = (struct process){ .catches_trace = true };
		return;
	}
	n = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	process_parse(process, text);
}

char *trace_read(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	/*
	 * Only files in memory have seals; to ask for them is a look into the kernel's memory, where even an
	 * fstat on what a worker may hand us (a file of a FUSE of its own) could wait for ever.
	 */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > TRACE_FILE_MAX)
		return NULL;
	text = malloc(TRACE_TEXT_MAX + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, TRACE_TEXT_MAX, 0);
	if (n <= 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* The frames are numbered by us; a number that is there already would be said twice. */
static const char *skip_number(const char *line)
{
	size_t digits = line[0] == '#' ? strspn(line + 1, "0123456789") : 0;

	return digits ? line + 1 + digits + strspn(line + 1 + digits, " ") : line;
}

bool trace_frame(const char **text, char *frame, size_t size)
{
	while (**text) {
		const char *line = skip_number(*text);
		size_t len = strcspn(line, "\n");

		*text = line[len] ? line + len + 1 : line + len;
		if (clean_text(frame, size, line, len) > 0)
			return true;
	}
	return false;
}

void trace_log(const char *text, int level, const char *service, int number, pid_t pid)
{
	char frame[FRAME_MAX];

	for (int i = 0; i < TRACE_FRAMES_MAX && trace_frame(&text, frame, sizeof(frame)); i++)
		log_line(level, "worker %s %d (pid %d) was here: #%d %s", service, number, (int)pid,
			 i, frame);
}
