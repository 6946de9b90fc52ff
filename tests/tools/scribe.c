/* SPDX-License-Identifier: MIT */
/*
 * The program with a module of the tests' own: `handler scribe` appends each line that a client sends to a file. With
 * `hold` it keeps lines that long, and writes them when it is woken or stops. src/main.c finds the list here
 * in place of that of src/services.
 */
#include "services/builtin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scribe_conf {
	const char *record, *other;
	int64_t hold;
};

static const struct mu_directive directives[] = {
	{ "record", MU_OUTPUT, offsetof(struct scribe_conf, record), .required = true,
	  .help = "where lines go" },
	{ "other", MU_OUTPUT, offsetof(struct scribe_conf, other),
	  .help = "where those go that begin with `other`" },
	{ "hold", MU_TIME, offsetof(struct scribe_conf, hold), "0",
	  .help = "how long they may be kept" },
	{ NULL },
};

struct scribe {
	struct mu_worker *worker;
	int record, other;
	int64_t hold;
	char held[65536];
	size_t len;
};

static int prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	const struct scribe_conf *conf = config;
	struct scribe *scribe = calloc(1, sizeof(*scribe));

	if (!scribe)
		return -1;
	scribe->worker = worker;
	scribe->record = mu_output(worker, conf->record);
	scribe->other = conf->other ? mu_output(worker, conf->other) : scribe->record;
	scribe->hold = conf->hold;
	*state_r = scribe;
	return scribe->record < 0 || scribe->other < 0 ? -1 : 0;
}

static void append(struct scribe *scribe, int fd, const char *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		mu_worker_log(scribe->worker, MU_ERR, "cannot write: %s", strerror(errno));
}

static void flush(void *state)
{
	struct scribe *scribe = state;

	if (scribe->len)
		append(scribe, scribe->record, scribe->held, scribe->len);
	scribe->len = 0;
}

static void take(struct scribe *scribe, const char *line, size_t len)
{
	bool other = len > 5 && memcmp(line, "other", 5) == 0;

	if (!scribe->hold || other || len > sizeof(scribe->held)) {
		append(scribe, other ? scribe->other : scribe->record, line, len);
		return;
	}
	if (len > sizeof(scribe->held) - scribe->len)
		flush(scribe);
	if (!scribe->len)
		mu_wake_after(scribe->worker, scribe->hold);
	memcpy(scribe->held + scribe->len, line, len);
	scribe->len += len;
}

static int serve(struct mu_conn *conn, void *state)
{
	char *line;
	ssize_t n = mu_readline(conn, &line);

	if (n <= 0)
		return MU_DONE;
	take(state, line, (size_t)n);
	mu_count_request(conn);
	return mu_write(conn, "ok\n", 3) < 0 ? MU_DONE : mu_park(conn);
}

static void stop(void *state)
{
	flush(state);
	free(state);
}

static const struct mu_module scribe = {
	.abi = MU_ABI,
	.name = "scribe",
	.help = "appends lines to a file",
	.flags = MU_CLIENT_FIRST,
	.directives = directives,
	.config_size = sizeof(struct scribe_conf),
	.prepare = prepare,
	.serve = serve,
	.stop = stop,
	.wake = flush,
};

const struct mu_module *const builtin_modules[] = { &scribe, &mu_echo, NULL };
