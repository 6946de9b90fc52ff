/* SPDX-License-Identifier: MIT */
/*
 * CGI (RFC 3875): a program for each request, which reads the content from its standard input and
 * writes the reply to its standard output. What it says on its standard error goes into the log.
 *
 * The program is the one of the configuration, the path never names it; no part of the request
 * becomes an argument (RFC 3875 section 4.4 would have queries do that). Programs that write the
 * whole of an HTTP reply by themselves ("nph-") are not supported.
 *
 * What was started has ended before the connection goes on with another request: by itself, or, its
 * time being over or nobody being left who wants its reply, on demand.
 */
#include "services/command.h"
#include "services/http/gateway/application.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* From the demand to end until it is killed, with all that it has started. */
enum { KILL_AFTER_MS = 2000 };

struct cgi {
	struct mu_child *child; /* NULL: it was not run */
	char ends_by[GATEWAY_TIME_MAX + 8];
};

/* 0, or a status to answer with. */
static int may_run(const struct relay *relay)
{
	const struct gateway *gateway = relay->gateway;

	if (*gateway->programs < gateway->conf->limit)
		return 0;
	mu_log(relay->x->conn, MU_INFO,
	       "%s is not run: %" PRId64 " of it run in this worker, its `limit`", gateway->name,
	       *gateway->programs);
	return 503;
}

static int begin(struct relay *relay)
{
	int status = may_run(relay);

	return status ? status : application_begin(relay);
}

static const char *const *make_argv(const struct relay *relay)
{
	const struct mu_words *words = &relay->gateway->conf->argument;
	const char **argv = mu_alloc(relay->x->conn, (words->n + 2) * sizeof *argv);

	if (!argv)
		return NULL;
	argv[0] = relay->gateway->program;
	for (size_t i = 0; i < words->n; i++)
		argv[i + 1] = words->word[i];
	return argv;
}

static const char *const *make_env(const struct relay *relay)
{
	const struct params_source source = application_source(relay);
	const size_t size = packet_size(&source);
	char *memory = mu_alloc(relay->x->conn, size);

	return memory ? packet_environment(&source, COMMAND_PATH, memory, size) : NULL;
}

/* That of the program: RFC 3875 section 7.2. */
static const char *make_folder(const struct relay *relay)
{
	const char *program = relay->gateway->program;
	size_t len = (size_t)(strrchr(program, '/') - program);
	char *folder = mu_alloc(relay->x->conn, len + 2);

	if (folder)
		memcpy(folder, program, len ? len : 1);
	return folder;
}

/* 0, or a status to answer with. */
static int spawn(struct relay *relay, struct cgi *cgi)
{
	struct mu_conn *conn = relay->x->conn;
	struct mu_command command = {
		.file = relay->gateway->program,
		.argv = make_argv(relay),
		.env = make_env(relay),
		.folder = make_folder(relay),
		.name = relay->gateway->name,
		.in = relay->has_content ? MU_PIPE : MU_NULL,
		.out = MU_PIPE,
		.err = MU_LOG,
	};
	int error;

	if (!command.argv || !command.env || !command.folder)
		return 503;
	cgi->child = mu_spawn(conn, &command);
	if (cgi->child)
		return 0;
	error = errno;
	command_log_unable(conn, command.file, command.folder, error);
	return command_is_shortage(error) ? 503 : 502;
}

static int open_program(struct relay *relay)
{
	const struct gateway_conf *conf = relay->gateway->conf;
	struct cgi *cgi = relay->state;
	int status = may_run(relay); /* others may have begun since it was asked */
	char time[GATEWAY_TIME_MAX];

	if (!status)
		status = spawn(relay, cgi);
	if (status)
		return status;
	++*relay->gateway->programs;
	relay->up = cgi->child->in;
	relay->down = cgi->child->out;
	relay->label = relay->gateway->name;
	relay->deadline = mu_now_ms(mu_worker_of(relay->x->conn)) + conf->timeout_ms;
	snprintf(cgi->ends_by, sizeof cgi->ends_by, "timeout %s",
		 gateway_time(conf->timeout_ms, time));
	relay->ends_by = cgi->ends_by;
	return 0;
}

/* There is no head: all of it is in the environment. */
static int write_head(struct relay *relay)
{
	relay->head_len = 0;
	return 0;
}

/* So that it finds the end of its input. */
static void sent(struct relay *relay)
{
	if (relay->up)
		mu_close(relay->up);
	relay->up = NULL;
}

static void log_end(const struct relay *relay, int status, bool was_told)
{
	bool obeyed = was_told && WIFSIGNALED(status) &&
		      (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGKILL);
	char text[COMMAND_STATUS_MAX];

	mu_log(relay->x->conn, status == 0 || obeyed ? MU_DEBUG : MU_NOTICE, "%s: %s", relay->label,
	       command_status_text(status, text));
}

/*
 * All that its client wanted has come. What it writes beside (the content of a HEAD) is dropped: it
 * may have something to do behind that. Waits for its end, for as long as it may run. True: it has
 * ended.
 */
static bool has_finished(const struct relay *relay, struct cgi *cgi, int *status_r)
{
	struct mu_conn *conn = relay->x->conn;
	struct mu_worker *worker = mu_worker_of(conn);
	const char *data;
	int64_t left;
	int ended;

	if (relay->reply_content.state != CONTENT_DONE)
		return false;
	do {
		mu_consume(relay->down, mu_buffered(relay->down, &data));
		left = relay->deadline - mu_now_ms(worker);
	} while (left > 0 && mu_wait_input(relay->down, left) > 0 && mu_fill(relay->down) > 0);
	left = relay->deadline - mu_now_ms(worker);
	ended = mu_wait_child(conn, cgi->child, left > 0 ? left : 0, status_r);
	if (ended == 0)
		mu_log(conn, MU_WARNING, "%s has given its reply but does not end", relay->label);
	return ended > 0;
}

static void end(struct relay *relay)
{
	struct cgi *cgi = relay->state;
	bool has_ended, is_told;
	int status;

	if (!cgi->child)
		return;
	sent(relay);
	has_ended = relay->down && has_finished(relay, cgi, &status);
	is_told = !has_ended;
	if (is_told)
		has_ended = command_end(relay->x->conn, cgi->child, SIGTERM, true, KILL_AFTER_MS,
					&status) > 0;
	/* Else nobody may wait any more: it is killed when serve returns, at once. */
	if (has_ended)
		log_end(relay, status, is_told);
	--*relay->gateway->programs;
}

const struct relay_kind cgi_kind = {
	.protocol = "CGI",
	.reply = REPLY_CGI,
	.needs_length = true,
	.state_size = sizeof(struct cgi),
	.begin = begin,
	.open = open_program,
	.write_head = write_head,
	.sent = sent,
	.end = end,
};
