/* SPDX-License-Identifier: MIT */
/*
 * Children of connections. A loop test runs with _i 0 and 1: direct and multiplexed. What a handler sees it tells
 * its client; what programs hold open (life) tells the test whether they live.
 */
#include "worker_fixture.h"

#include "base/fd.h"
#include "runtime/runtime.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct worker_fixture fixture;
/* life[1] is what some programs have as standard input: when nobody has it any more, life[0] is at its end. */
static int life[2];

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 64 : 1);
	ck_assert_int_eq(pipe2(life, O_CLOEXEC), 0);
}

static void go(void)
{
	worker_fixture_go(&fixture);
	close(life[1]);
}

static void end(void)
{
	char byte;

	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	/* No program is left that the test knows of. */
	ck_assert_int_eq(read(life[0], &byte, 1), 0);
	close(life[0]);
}

/* What the handler tells, in words, and that nothing else comes; and what the log has then. */
static void serves_logging(const struct mu_module *module, int mode, const char *told,
			   const char *const *lines)
{
	int fd;

	begin(module, mode);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, told);
	client_expect_end(fd);
	for (size_t i = 0; lines[i]; i++)
		worker_fixture_wait_log(&fixture, lines[i]);
	end();
}

static void serves(const struct mu_module *module, int mode, const char *told)
{
	serves_logging(module, mode, told, (const char *const[]){ NULL });
}

/* ---- what the handlers run ---- */

static const char *const no_env[] = { NULL };

static struct mu_child *spawn_shell(struct mu_conn *conn, const char *script, int in, int out,
				    int err)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct mu_command command = { .file = "/bin/sh",
				      .argv = argv,
				      .env = no_env,
				      .name = "script",
				      .in = in,
				      .out = out,
				      .err = err };

	return mu_spawn(conn, &command);
}

static void tell_end(struct mu_conn *conn, struct mu_child *child)
{
	int status;

	if (!child || mu_wait_child(conn, child, -1, &status) != 1)
		mu_printf(conn, "%s\n", strerrorname_np(errno));
	else if (WIFEXITED(status))
		mu_printf(conn, "exit %d\n", WEXITSTATUS(status));
	else
		mu_printf(conn, "signal %d\n", WTERMSIG(status));
}

/* ---- pipes ---- */

static int serve_pipes(struct mu_conn *conn, void *state)
{
	struct mu_child *child =
		spawn_shell(conn, "tr a-z A-Z; echo oops >&2; exit 5", MU_PIPE, MU_PIPE, MU_PIPE);
	char *line;
	ssize_t n;

	(void)state;
	mu_write(child->in, "hello\n", 6);
	mu_close(child->in);
	while ((n = mu_readline(child->out, &line)) > 0)
		mu_write(conn, line, (size_t)n);
	while ((n = mu_readline(child->err, &line)) > 0)
		mu_write(conn, line, (size_t)n);
	tell_end(conn, child);
	tell_end(conn, child);
	return MU_DONE;
}

START_TEST(pipes_lead_to_the_child_and_back)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_pipes };

	serves(&module, _i, "HELLO\noops\nexit 5\nexit 5\n");
}
END_TEST

/* ---- the log ---- */

#define SAYING                                                                     \
	"echo first; echo second >&2; printf 'nul\\000within\\r\\n\\033\\n' >&2; " \
	"printf 'without end'; exit 3"

static int serve_log(struct mu_conn *conn, void *state)
{
	(void)state;
	tell_end(conn, spawn_shell(conn, SAYING, MU_NULL, MU_LOG, MU_LOG));
	return MU_DONE;
}

START_TEST(what_children_say_is_logged_in_lines)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_log };
	static const char *const lines[] = { ": script: first\n",          ": script: second\n",
					     ": script: nul\\x00within\n", ": script: \\x1b\n",
					     ": script: without end\n",    NULL };

	serves_logging(&module, _i, "exit 3\n", lines);
}
END_TEST

#define LONG_LINE                                                                               \
	"dd if=/dev/zero bs=1000 count=40 2>/dev/null | tr '\\000' x >&2; echo >&2; echo 'the " \
	"end' >&2"

static int serve_long_line(struct mu_conn *conn, void *state)
{
	(void)state;
	tell_end(conn, spawn_shell(conn, LONG_LINE, MU_NULL, MU_NULL, MU_LOG));
	return MU_DONE;
}

START_TEST(a_line_that_is_too_long_is_logged_in_pieces)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_long_line };
	size_t n = 0;

	serves_logging(&module, _i, "exit 0\n",
		       (const char *const[]){ ": script: the end\n", NULL });
	for (const char *p = fixture.logged; (p = strchr(p, 'x')); p++)
		n += p[1] == 'x' || p[-1] == 'x';
	ck_assert_uint_eq(n, 40000);
}
END_TEST

static int serve_raw(struct mu_conn *conn, void *state)
{
	(void)state;
	tell_end(conn, spawn_shell(conn, "echo as it is", MU_NULL, MU_RAW, MU_LOG));
	return MU_DONE;
}

START_TEST(the_log_itself_can_be_had)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_raw };

	serves_logging(&module, _i, "exit 0\n", (const char *const[]){ "as it is\n", NULL });
	ck_assert_ptr_null(strstr(fixture.logged, "script: as"));
}
END_TEST

/* More than a pipe holds, while serve waits for something else than the child. Empty lines are not logged. */
static int serve_flood(struct mu_conn *conn, void *state)
{
	struct mu_child *child = spawn_shell(conn, "yes '' | head -n 300000 >&2; echo done",
					     MU_NULL, MU_PIPE, MU_LOG);
	char *line;
	ssize_t n = mu_readline(child->out, &line);

	(void)state;
	mu_write(conn, line, n > 0 ? (size_t)n : 0);
	tell_end(conn, child);
	return MU_DONE;
}

START_TEST(a_child_that_says_much_is_held_up_by_nobody)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_flood };

	serves(&module, _i, "done\nexit 0\n");
}
END_TEST

/* ---- ends ---- */

/* The grandchild holds the log and the pipe. */
static int serve_grandchild(struct mu_conn *conn, void *state)
{
	struct mu_child *child =
		spawn_shell(conn, "sleep 1000 & echo $! >&2; exit 4", life[1], MU_PIPE, MU_LOG);

	(void)state;
	tell_end(conn, child);
	return MU_DONE;
}

START_TEST(a_grandchild_holds_up_nothing)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_grandchild };
	const char *at;
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "exit 4\n");
	client_expect_end(fd);
	worker_fixture_wait_log(&fixture, ": script: ");
	at = strstr(fixture.logged, ": script: ");
	ck_assert_int_eq(kill(atoi(at + 10), SIGKILL), 0);
	end();
}
END_TEST

/* Once parked, and again: the pipe that is logged still must not change how a direct worker waits for its clients. */
static int serve_and_park(struct mu_conn *conn, void *state)
{
	char *line;
	ssize_t n = mu_readline(conn, &line);

	(void)state;
	if (n <= 0)
		return MU_DONE;
	mu_write(conn, line, (size_t)n);
	if (!mu_word(conn))
		tell_end(conn, spawn_shell(conn, "sleep 1000 & echo $! >&2; exit 4", MU_NULL,
					   MU_NULL, MU_LOG));
	mu_set_word(conn, 1);
	return mu_park(conn);
}

START_TEST(clients_are_waited_for_beside_a_grandchild)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .flags = MU_CLIENT_FIRST | MU_REQUESTS,
						 .serve = serve_and_park };
	const char *at;

	begin(&module, _i);
	go();
	for (int i = 0; i < 2; i++) {
		int fd = client_connect(&fixture);

		worker_fixture_settle(&fixture);
		client_send(fd, "first\n");
		client_expect(fd, "first\nexit 4\n");
		worker_fixture_settle(&fixture);
		client_send(fd, "second\n");
		client_expect(fd, "second\n");
		close(fd);
	}
	at = fixture.logged;
	for (int i = 0; i < 2; i++) {
		worker_fixture_wait_log(&fixture, ": script: ");
		at = strstr(at, ": script: ");
		ck_assert_ptr_nonnull(at);
		at += 10;
		ck_assert_int_eq(kill(atoi(at), SIGKILL), 0);
	}
	end();
}
END_TEST

static int serve_and_leave(struct mu_conn *conn, void *state)
{
	struct mu_child *child =
		spawn_shell(conn, "trap '' TERM; sleep 1000 & echo ready; sleep 1000; wait",
			    life[1], MU_PIPE, MU_LOG);
	char *line;
	ssize_t n = mu_readline(child->out, &line);

	(void)state;
	mu_write(conn, line, n > 0 ? (size_t)n : 0);
	return MU_DONE;
}

START_TEST(what_is_left_when_serve_returns_is_killed)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_and_leave };

	serves(&module, _i, "ready\n");
}
END_TEST

static int serve_signals(struct mu_conn *conn, void *state)
{
	struct mu_child *child =
		spawn_shell(conn, "trap 'exit 9' TERM; echo; while :; do sleep 1; done", life[1],
			    MU_PIPE, MU_NULL);
	char *line;
	int status = 0;

	(void)state;
	mu_readline(child->out, &line);
	mu_printf(conn, "%d\n", mu_wait_child(conn, child, 10, &status));
	mu_signal_child(child, SIGTERM, true);
	tell_end(conn, child);
	mu_signal_child(child, SIGTERM, true);
	child = spawn_shell(conn, "kill -STOP $$", life[1], MU_NULL, MU_NULL);
	mu_signal_child(child, SIGKILL, false);
	tell_end(conn, child);
	return MU_DONE;
}

START_TEST(children_are_waited_for_and_sent_signals)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_signals };

	serves(&module, _i, "0\nexit 9\nsignal 9\n");
}
END_TEST

/* ---- what cannot be run; what is left behind ---- */

static const char *spawn_nothing(struct mu_conn *conn, const char *file, const char *folder, int in)
{
	const char *const argv[] = { "x", NULL };
	struct mu_command command = { .file = file,
				      .argv = argv,
				      .env = no_env,
				      .folder = folder,
				      .name = "x",
				      .in = in,
				      .out = MU_PIPE,
				      .err = MU_LOG };

	errno = 0;
	return mu_spawn(conn, &command) ? "?" : strerrorname_np(errno);
}

static int serve_failures(struct mu_conn *conn, void *state)
{
	int files, more;

	(void)state;
	spawn_nothing(conn, "/", NULL, MU_NULL);
	files = open_files();
	for (int i = 0; i < 20; i++)
		spawn_nothing(conn, "/nonexistent", NULL, MU_PIPE);
	more = open_files() - files;
	mu_printf(conn, "%s %s %s %s\n", spawn_nothing(conn, "/nonexistent", NULL, MU_PIPE),
		  spawn_nothing(conn, "/usr", NULL, MU_NULL),
		  spawn_nothing(conn, "/bin/cat", "/nonexistent", MU_NULL),
		  spawn_nothing(conn, "/bin/cat", NULL, MU_LOG));
	mu_printf(conn, "%d more, %s\n", more,
		  waitpid(-1, NULL, WNOHANG) < 0 ? strerrorname_np(errno) : "a child");
	return MU_DONE;
}

START_TEST(what_cannot_be_run_leaves_nothing_behind)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_failures };

	serves(&module, _i, "ENOENT EACCES ENOENT EINVAL\n0 more, ECHILD\n");
}
END_TEST

static int files_at_first;

static int serve_many(struct mu_conn *conn, void *state)
{
	char script[128], *line;
	struct mu_child *child;

	(void)state;
	if (mu_readline(conn, &line) <= 0)
		return MU_DONE;
	if (*line == 'c') {
		mu_printf(conn, "%d more, %s\n", open_files() - files_at_first,
			  waitpid(-1, NULL, WNOHANG) < 0 ? strerrorname_np(errno) : "a child");
		return MU_DONE;
	}
	/* Waits for its input, so that all of them run at once. */
	snprintf(script, sizeof(script), "echo started; echo %d says so >&2; read x; exit %d",
		 atoi(line), atoi(line));
	child = spawn_shell(conn, script, MU_PIPE, MU_PIPE, MU_LOG);
	mu_readline(child->out, &line);
	mu_write(conn, "started\n", 8);
	mu_readline(conn, &line);
	mu_write(child->in, "\n", 1);
	tell_end(conn, child);
	return MU_DONE;
}

static int start_many(struct mu_worker *worker, const void *config, void **state)
{
	(void)worker;
	(void)config;
	(void)state;
	files_at_first = open_files() + 1; /* the client that asks */
	return 0;
}

START_TEST(forty_at_once_are_told_apart)
{
	static const struct mu_module module = {
		.abi = MU_ABI, .name = "test", .start = start_many, .serve = serve_many
	};
	enum { MANY = 40 };
	int fd[MANY];
	char text[64];

	begin(&module, 1);
	go();
	for (int i = 0; i < MANY; i++) {
		fd[i] = client_connect(&fixture);
		snprintf(text, sizeof(text), "%d\n", i + 1);
		client_send(fd[i], text);
	}
	for (int i = 0; i < MANY; i++)
		client_expect(fd[i], "started\n");
	for (int i = 0; i < MANY; i++)
		client_send(fd[i], "\n");
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "exit %d\n", i + 1);
		client_expect(fd[i], text);
		client_expect_end(fd[i]);
		snprintf(text, sizeof(text), ": script: %d says so\n", i + 1);
		worker_fixture_wait_log(&fixture, text);
	}
	fd[0] = client_connect(&fixture);
	client_send(fd[0], "count\n");
	client_expect(fd[0], "0 more, ECHILD\n");
	client_expect_end(fd[0]);
	end();
}
END_TEST

/* ---- the drain limit ---- */

static int serve_long(struct mu_conn *conn, void *state)
{
	struct mu_child *child =
		spawn_shell(conn, "trap '' TERM; echo; sleep 1000 & wait; sleep 1000", life[1],
			    MU_PIPE, MU_LOG);
	char *line;
	int status;

	(void)state;
	mu_readline(child->out, &line);
	mu_write(conn, "started\n", 8);
	mu_wait_child(conn, child, -1, &status);
	return MU_DONE;
}

START_TEST(the_drain_limit_ends_them)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_long };
	char byte;
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "started\n");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
	ck_assert_int_eq(read(life[0], &byte, 1), 0);
}
END_TEST

/* ---- limits of open files ---- */

static int serve_limit(struct mu_conn *conn, void *state)
{
	struct mu_child *child = spawn_shell(conn, "ulimit -Sn", MU_NULL, MU_PIPE, MU_LOG);
	char *line;
	ssize_t n = mu_readline(child->out, &line);

	(void)state;
	mu_write(conn, line, n > 0 ? (size_t)n : 0);
	return MU_DONE;
}

START_TEST(the_workers_limit_of_open_files_is_its_own)
{
	static const struct mu_module module = { .abi = MU_ABI,
						 .name = "test",
						 .serve = serve_limit };
	struct rlimit limit;
	char told[32];

	if (skipped_under_valgrind("a limit of open files"))
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &limit);
	worker_fixture_init(&fixture, &module, 300);
	ck_assert_int_eq(pipe2(life, O_CLOEXEC), 0);
	if (_i)
		fixture.service.nofile = 400;
	go();
	int fd = client_connect(&fixture);
	snprintf(told, sizeof(told), "%d\n", _i ? 400 : 200);
	client_expect(fd, told);
	client_expect_end(fd);
	end();
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("child");

	tcase_add_loop_test(tcase, pipes_lead_to_the_child_and_back, 0, 2);
	tcase_add_loop_test(tcase, what_children_say_is_logged_in_lines, 0, 2);
	tcase_add_loop_test(tcase, a_line_that_is_too_long_is_logged_in_pieces, 0, 2);
	tcase_add_loop_test(tcase, the_log_itself_can_be_had, 0, 2);
	tcase_add_loop_test(tcase, a_child_that_says_much_is_held_up_by_nobody, 0, 2);
	tcase_add_loop_test(tcase, a_grandchild_holds_up_nothing, 0, 2);
	tcase_add_loop_test(tcase, clients_are_waited_for_beside_a_grandchild, 0, 2);
	tcase_add_loop_test(tcase, what_is_left_when_serve_returns_is_killed, 0, 2);
	tcase_add_loop_test(tcase, children_are_waited_for_and_sent_signals, 0, 2);
	tcase_add_loop_test(tcase, what_cannot_be_run_leaves_nothing_behind, 0, 2);
	tcase_add_test(tcase, forty_at_once_are_told_apart);
	tcase_add_loop_test(tcase, the_drain_limit_ends_them, 0, 2);
	tcase_add_loop_test(tcase, the_workers_limit_of_open_files_is_its_own, 0, 2);
	return unit_main("child", tcase);
}
