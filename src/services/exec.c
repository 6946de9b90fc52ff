/* SPDX-License-Identifier: MIT */
/*
 * A program for each connection, as under inetd, xinetd and tcpserver: it has the socket as its standard input and output, and
 * is told by its environment (UCSPI) who is there. Which program, and how, is command.h's; who is admitted, access.h's. All that is done here is to
 * start it and to wait for its end.
 */
#include "services/command.h"

#include "services/access.h"
#include "services/ucspi.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many run at once in one worker, as under tcpserver. */
enum { CONNECTIONS = 40 };

enum errors_to { ERRORS_LOG = 0, ERRORS_CLIENT = 1, ERRORS_NULL = 2 };

struct exec_conf {
	struct command_conf command;
	int errors_to; /* enum errors_to */
	bool lookup;
	struct mu_words allow, deny;
};

static const struct mu_directive directives[] = {
	COMMAND_DIRECTIVES(struct exec_conf, command),
	{ "stderr", MU_ENUM, offsetof(struct exec_conf, errors_to), "log",
	  .words = "log|client|null", .help = "where the program's standard error goes" },
	{ "lookup", MU_BOOL, offsetof(struct exec_conf, lookup), "no",
	  .help = "asks the name servers for the client's name" },
	{ "allow", MU_WORDS, offsetof(struct exec_conf, allow),
	  .help = "who is admitted: addresses, networks, all, unix" },
	{ "deny", MU_WORDS, offsetof(struct exec_conf, deny),
	  .help = "who is closed at once: addresses, networks, all, unix" },
	{ NULL },
};

/* One program that runs, on the stack of its serve. */
struct run {
	struct run *next, **place;
	struct mu_conn *conn;
	struct mu_child *child;
};

struct exec {
	const struct exec_conf *conf;
	struct mu_worker *worker;
	struct command command;
	const char *name; /* for the log */
	struct run *runs;
	struct access *access;
};

static void check_access(const struct mu_words *words, struct mu_report *report)
{
	char error[ACCESS_ERROR_MAX];

	for (size_t i = 0; i < words->n; i++)
		if (!access_check(words->word[i], error))
			mu_error_word(report, words->word[i], "%s", error);
}

static void check(void *config, struct mu_report *report)
{
	const struct exec_conf *conf = config;

	command_check(&conf->command, report);
	check_access(&conf->allow, report);
	check_access(&conf->deny, report);
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	struct exec *exec = calloc(1, sizeof(*exec));
	const char *slash;

	if (!exec)
		return -1;
	exec->conf = config;
	exec->worker = worker;
	exec->access = access_new(&exec->conf->allow, &exec->conf->deny);
	if (!exec->access || command_init(&exec->command, &exec->conf->command, worker) < 0) {
		access_free(exec->access);
		free(exec);
		return -1;
	}
	slash = strrchr(exec->command.file, '/');
	exec->name = slash + 1;
	*state = exec;
	return 0;
}

static void stop(void *state)
{
	struct exec *exec = state;

	command_cleanup(&exec->command);
	access_free(exec->access);
	free(exec);
}

/* ---- one connection ---- */

static bool is_admitted(const struct exec *exec, struct mu_conn *conn)
{
	struct sockaddr_storage peer;

	mu_peer_address(conn, &peer);
	if (access_admits(exec->access, &peer))
		return true;
	mu_log(conn, MU_INFO, "is not admitted: `allow` and `deny`");
	return false;
}

/* Its environment stands on this stack until it runs. */
static struct mu_child *spawn(struct exec *exec, struct mu_conn *conn, const struct ucspi *ucspi,
			      int fd)
{
	static const int errors[] = { [ERRORS_LOG] = MU_LOG, [ERRORS_NULL] = MU_NULL };
	int errors_to = exec->conf->errors_to;
	struct mu_command command = {
		.file = exec->command.file,
		.argv = exec->command.argv,
		.env = command_env(&exec->command, conn, ucspi->variable, ucspi->n),
		.folder = exec->conf->command.folder,
		.name = exec->name,
		.in = fd,
		.out = fd,
		.err = errors_to == ERRORS_CLIENT ? fd : errors[errors_to],
	};

	return command.env ? mu_spawn(conn, &command) : NULL;
}

static struct mu_child *begin(struct exec *exec, struct mu_conn *conn)
{
	struct mu_child *child = NULL;
	struct ucspi ucspi;
	int fd;

	ucspi_init(&ucspi, conn);
	if (exec->conf->lookup)
		ucspi_look_up(&ucspi, conn);
	fd = mu_detach(conn);
	if (fd >= 0) {
		ucspi_add_credentials(&ucspi, fd);
		child = spawn(exec, conn, &ucspi, fd);
	}
	if (!child)
		command_log_failure(&exec->command, conn, errno);
	if (fd >= 0)
		close(fd);
	return child;
}

static void log_end(const struct exec *exec, struct mu_conn *conn, int status)
{
	char text[COMMAND_STATUS_MAX];

	mu_log(conn, status == 0 ? MU_DEBUG : MU_NOTICE, "%s: %s", exec->name,
	       command_status_text(status, text));
}

/* Until the program has ended, or must not be waited for any more. */
static void wait_for_end(const struct exec *exec, const struct run *run)
{
	int status, ended;

	ended = mu_wait_child(run->conn, run->child, -1, &status);
	if (ended < 0 && errno == ETIMEDOUT)
		ended = command_end(run->conn, run->child, SIGTERM, true,
				    exec->conf->command.kill_after_ms, &status);
	if (ended > 0)
		log_end(exec, run->conn, status);
}

static int serve(struct mu_conn *conn, void *state)
{
	struct exec *exec = state;
	struct run run = { .next = exec->runs, .place = &exec->runs, .conn = conn };

	if (!is_admitted(exec, conn))
		return MU_DONE;
	mu_set_limit(conn, MU_REQUEST);
	run.child = begin(exec, conn);
	if (!run.child)
		return MU_DONE;
	run.next = exec->runs;
	if (run.next)
		run.next->place = &run.next;
	exec->runs = &run;
	wait_for_end(exec, &run);
	*run.place = run.next;
	if (run.next)
		run.next->place = run.place;
	mu_count_request(conn);
	return MU_DONE;
}

/* ---- the end of the worker ---- */

/*
 * When the drain limit is over nobody may wait any more: what runs then is killed. So that programs have the time that
 * kill-after gives them, they are asked to end so much earlier.
 */
static void drain(void *state)
{
	const struct exec *exec = state;
	int64_t left = mu_drain_left(exec->worker), ahead = exec->conf->command.kill_after_ms;

	if (left < 0)
		return;
	if (ahead > left / 2)
		ahead = left / 2;
	mu_wake_after(exec->worker, left - ahead);
}

static void wake(void *state)
{
	const struct exec *exec = state;

	for (const struct run *run = exec->runs; run; run = run->next) {
		mu_log(run->conn, MU_INFO, "%s: told to end, before the drain limit", exec->name);
		mu_signal_child(run->child, SIGTERM, true);
		mu_signal_child(run->child, SIGCONT, true);
	}
}

const struct mu_module mu_exec = {
	.abi = MU_ABI,
	.name = "exec",
	.help = "runs a program for each connection",
	.flags = MU_NAMES,
	.directives = directives,
	.config_size = sizeof(struct exec_conf),
	.check = check,
	.start = start,
	.serve = serve,
	.stop = stop,
	.wake = wake,
	.drain = drain,
	.connections = CONNECTIONS,
};
