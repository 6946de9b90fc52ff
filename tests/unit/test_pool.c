/* SPDX-License-Identifier: MIT */
/*
 * Connections of our own that rest in a pool, and waits for their input with a time, in a real worker. Loop tests run
 * with _i 0 and 1, direct and multiplexed. The module of the test does what its client says, line by line.
 */
#include "worker_fixture.h"

#include "base/clock.h"
#include "runtime/runtime.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, LONG_MS = 60000, MANY = 24 };

static struct worker_fixture fixture;
static int target; /* listens, for connections of the worker's */
static char target_address[TARGET_ADDRESS_MAX];
static int gate[2]; /* the handler of "block" waits for a byte, and its worker with it */

/* What the pool has; to be changed before begin(). */
static size_t pool_max;
static int64_t pool_idle;
static struct mu_pool *pool; /* in the worker */

/* ---- the module ---- */

struct session {
	struct mu_conn *conn;
	struct mu_conn *other; /* the one that was opened or taken last */
};

static void do_open(struct session *session)
{
	session->other = mu_connect(session->conn, target_address, 0);
	mu_printf(session->conn, "open %s\n", outcome(session->other ? 0 : -1));
}

static void do_put(struct session *session)
{
	mu_set_word(session->other, 4711);
	mu_printf(session->conn, "put %s\n", outcome(mu_pool_put(pool, session->other)));
}

static void do_take(struct session *session)
{
	session->other = mu_pool_take(pool, session->conn);
	if (session->other)
		mu_printf(session->conn, "take %lu\n", (unsigned long)mu_word(session->other));
	else
		mu_printf(session->conn, "take %s\n", outcome(-1));
}

/* What the target answers to "hello". */
static void do_ask(struct session *session)
{
	char empty[] = "", *line = empty;
	ssize_t n = -1;

	if (mu_write(session->other, "hello\n", 6) == 0)
		n = mu_readline(session->other, &line);
	mu_printf(session->conn, "answer %.*s\n", n > 0 ? (int)n - 1 : 0, line);
}

static void do_wait(struct session *session, int64_t ms)
{
	int64_t began = clock_ms();
	const char *result = outcome(mu_wait_input(session->other, ms));

	mu_printf(session->conn, "wait %s after %d\n", result, (int)(clock_ms() - began));
}

/* Waits so long for nothing, and says whether the worker used the time. */
static void do_idle(struct session *session, int64_t ms)
{
	struct timespec before, after;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	mu_wait_input(session->conn, ms);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	mu_printf(session->conn, "%s\n",
		  (after.tv_sec - before.tv_sec) * 1000 +
					  (after.tv_nsec - before.tv_nsec) / 1000000 <
				  ms / 4
			  ? "idle"
			  : "busy");
}

static void task_reads(struct mu_conn *conn, void *arg)
{
	struct session *session = arg;
	char byte;

	mu_printf(session->conn, "read %s\n", outcome(mu_read(session->other, &byte, 1)));
	(void)conn;
}

static void do_block(void)
{
	char byte;

	(void)!read(gate[0], &byte, 1);
}

static void do_line(struct session *session, const char *line)
{
	struct mu_conn *conn = session->conn;

	if (strcmp(line, "open") == 0)
		do_open(session);
	else if (strcmp(line, "put") == 0)
		do_put(session);
	else if (strcmp(line, "take") == 0)
		do_take(session);
	else if (strcmp(line, "close") == 0)
		mu_close(session->other);
	else if (strcmp(line, "ask") == 0)
		do_ask(session);
	else if (strcmp(line, "read in a task") == 0)
		mu_go(conn, task_reads, session);
	else if (strcmp(line, "block") == 0)
		do_block();
	else if (strncmp(line, "wait ", 5) == 0)
		do_wait(session, atoi(line + 5));
	else if (strncmp(line, "idle ", 5) == 0)
		do_idle(session, atoi(line + 5));
	else if (strcmp(line, "fill") == 0)
		mu_printf(conn, "fill %s\n", outcome(mu_fill(session->other)));
	else if (strcmp(line, "files") == 0)
		mu_printf(conn, "files %d\n", open_files());
	else if (strcmp(line, "echo") == 0)
		mu_printf(conn, "echo\n");
}

static int serve_lines(struct mu_conn *conn, void *state)
{
	struct session session = { .conn = conn, .other = conn };
	char line[64];

	(void)state;
	while (next_line(conn, line, sizeof(line)))
		do_line(&session, line);
	return MU_DONE;
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	(void)config;
	(void)state;
	pool = mu_pool_new(worker, pool_max, pool_idle);
	return pool ? 0 : -1;
}

static const struct mu_module module = { MU_ABI, .name = "lines", .flags = MU_CLIENT_FIRST,
					 .start = start, .serve = serve_lines };

/* ---- the test's side ---- */

static void setup(void)
{
	pool_max = 8;
	pool_idle = LONG_MS;
	target = target_listen(target_address);
	ck_assert_int_eq(pipe(gate), 0);
}

static void teardown(void)
{
	close(target);
	close(gate[0]);
	close(gate[1]);
}

static void prepare(int mode)
{
	worker_fixture_init(&fixture, &module, mode ? 16 : 1);
}

static int begin(int mode)
{
	prepare(mode);
	worker_fixture_go(&fixture);
	return client_connect(&fixture);
}

static void end(int client)
{
	close(client);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}

static void say(int client, const char *line, const char *answer)
{
	client_send(client, line);
	client_send(client, "\n");
	if (answer)
		client_expect(client, answer);
}

static int open_one(int client)
{
	say(client, "open", "open 0\n");
	return target_accept(target);
}

static int rest_one(int client)
{
	int fd = open_one(client);

	say(client, "put", "put 0\n");
	return fd;
}

/* After how many milliseconds. */
static int waits(int client, const char *ms, const char *result)
{
	char line[64];
	size_t n = 0;

	snprintf(line, sizeof(line), "wait %s", ms);
	say(client, line, "wait ");
	client_expect(client, result);
	client_expect(client, " after ");
	while (n < sizeof(line) - 1 && recv(client, line + n, 1, 0) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return atoi(line);
}

/* The connection that the session has is the one that leads here. */
static void asks(int client, int fd, const char *text)
{
	char line[64];

	say(client, "ask", NULL);
	client_expect(fd, "hello\n");
	snprintf(line, sizeof(line), "%s\n", text);
	client_send(fd, line);
	client_expect(client, "answer ");
	client_expect(client, line);
}

/* It was closed, with a reset if bytes were on their way. */
static void expect_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	ck_assert_msg(n == 0 || (n < 0 && errno == ECONNRESET), "%zd, errno %d", n, errno);
	close(fd);
}

static void expect_open(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

/* ---- resting and being taken ---- */

START_TEST(one_that_rests_is_the_next_clients)
{
	int client = begin(_i), fd = open_one(client);

	asks(client, fd, "one");
	say(client, "put", "put 0\n");
	close(client);
	for (int i = 0; i < 3; i++) {
		client = client_connect(&fixture);
		say(client, "take", "take 4711\n");
		asks(client, fd, "two");
		say(client, "put", "put 0\n");
		say(client, "take", "take 4711\n");
		asks(client, fd, "three");
		say(client, "put", "put 0\n");
		close(client);
	}
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	expect_closed(fd);
}
END_TEST

START_TEST(what_was_taken_ends_with_its_client)
{
	int client = begin(_i), fd = rest_one(client);

	say(client, "take", "take 4711\n");
	say(client, "take", "take ENOENT\n");
	close(client);
	expect_closed(fd);
	/* Its struct, and its place among the timers, are somebody else's now. */
	client = client_connect(&fixture);
	for (int i = 0; i < 3; i++) {
		fd = rest_one(client);
		say(client, "take", "take 4711\n");
		say(client, "close", NULL);
		expect_closed(fd);
	}
	say(client, "echo", "echo\n");
	end(client);
}
END_TEST

START_TEST(the_last_one_is_taken_first_and_the_oldest_makes_room)
{
	int client, fd[3];

	pool_max = 2;
	client = begin(_i);
	for (int i = 0; i < 3; i++)
		fd[i] = rest_one(client);
	expect_closed(fd[0]);
	expect_open(fd[1]);
	say(client, "take", "take 4711\n");
	asks(client, fd[2], "last");
	say(client, "take", "take 4711\n");
	asks(client, fd[1], "first");
	say(client, "take", "take ENOENT\n");
	end(client);
	close(fd[1]);
	close(fd[2]);
}
END_TEST

START_TEST(a_pool_may_have_no_room_at_all)
{
	int client, fd;

	pool_max = 0;
	client = begin(_i);
	fd = open_one(client);
	say(client, "put", "put ENOSPC\n");
	expect_closed(fd);
	end(client);
}
END_TEST

/* limit { nofile }: a quarter of it rests. */
START_TEST(clients_have_most_of_the_open_files)
{
	int client, fd[MANY];

	if (skipped_under_valgrind("a limit of open files"))
		return;
	pool_max = MANY;
	prepare(_i);
	fixture.service.nofile = 4 * (MANY - 4);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	for (int i = 0; i < MANY; i++)
		fd[i] = rest_one(client);
	for (int i = 0; i < MANY; i++)
		if (i < 4)
			expect_closed(fd[i]);
		else
			expect_open(fd[i]);
	end(client);
	for (int i = 4; i < MANY; i++)
		expect_closed(fd[i]);
}
END_TEST

START_TEST(nothing_is_left_of_those_that_came_and_went)
{
	char before[64] = "files ";
	int client = begin(_i);
	size_t n = strlen(before);

	say(client, "files", NULL);
	client_expect(client, before);
	while (recv(client, before + n, 1, 0) == 1 && before[n] != '\n')
		n++;
	before[n + 1] = '\0';
	for (int i = 0; i < 2 * MANY; i++) {
		int fd = rest_one(client);

		shutdown(fd, SHUT_WR);
		expect_closed(fd);
	}
	say(client, "files", before);
	end(client);
}
END_TEST

/* ---- their end ---- */

/* The rest of the answer to "take". On a slow machine its time may have been over before. */
static bool is_taken(int client, int fd)
{
	char byte;

	ck_assert_int_eq(recv(client, &byte, 1, MSG_PEEK), 1);
	if (byte == '4') {
		client_expect(client, "4711\n");
		return true;
	}
	client_expect(client, "ENOENT\n");
	expect_closed(fd);
	return false;
}

/* While the worker has a client that is quiet, and while it has none. */
START_TEST(it_is_closed_when_the_other_side_closes_or_speaks)
{
	int client = begin(_i), fd = rest_one(client);

	shutdown(fd, SHUT_WR);
	expect_closed(fd);
	fd = rest_one(client);
	client_send(fd, "x");
	expect_closed(fd);
	say(client, "take", "take ENOENT\n");
	fd = rest_one(client);
	close(client);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	shutdown(fd, SHUT_WR);
	expect_closed(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(it_is_closed_when_its_time_is_over)
{
	int client, fd;

	pool_idle = 30;
	client = begin(_i);
	fd = rest_one(client);
	expect_closed(fd);
	say(client, "take", "take ENOENT\n");
	fd = rest_one(client);
	close(client);
	expect_closed(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* Nobody waits for the time of one that does not rest any more. */
START_TEST(a_time_that_counts_no_more_wakes_nobody)
{
	int client, fd;

	pool_idle = 20;
	client = begin(_i);
	do {
		fd = rest_one(client);
		client_send(client, "take\n");
		client_expect(client, "take ");
	} while (!is_taken(client, fd));
	say(client, "idle 400", "idle\n");
	expect_open(fd);
	say(client, "put", "put 0\n");
	expect_closed(fd);
	say(client, "idle 400", "idle\n");
	end(client);
}
END_TEST

START_TEST(without_a_time_it_rests_on)
{
	int client, fd;

	pool_idle = 0;
	client = begin(_i);
	fd = rest_one(client);
	say(client, "take", "take 4711\n");
	asks(client, fd, "still");
	end(client);
	close(fd);
}
END_TEST

/* The time counts from when it came to rest last, and not while it is used. */
START_TEST(its_time_begins_anew_with_each_rest)
{
	int64_t began;
	int client, fd;

	pool_idle = 300;
	client = begin(_i);
	fd = open_one(client);
	/* Nothing lies between that could take as long. */
	client_send(client, "put\ntake\n");
	client_expect(client, "put 0\ntake 4711\n");
	waits(client, "600", "0");
	asks(client, fd, "used");
	client_send(client, "put\ntake\n");
	client_expect(client, "put 0\ntake 4711\n");
	asks(client, fd, "again");
	began = clock_ms();
	say(client, "put", "put 0\n");
	expect_closed(fd);
	ck_assert_int_ge(clock_ms() - began, pool_idle);
	end(client);
}
END_TEST

/* In the time in which the worker could not look. */
START_TEST(one_that_has_ended_unseen_is_not_taken)
{
	int client = begin(_i), old = rest_one(client), fd = rest_one(client);

	client_send(client, "block\ntake\n");
	close(fd);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	client_expect(client, "take 4711\n");
	asks(client, old, "the other");
	say(client, "put", "put 0\n");
	client_send(client, "block\ntake\n");
	client_send(old, "x");
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	client_expect(client, "take ENOENT\n");
	expect_closed(old);
	end(client);
}
END_TEST

START_TEST(all_are_closed_when_the_worker_is_told_to_finish)
{
	int client = begin(_i), fd = rest_one(client);

	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	expect_closed(fd);
	say(client, "take", "take ENOENT\n");
	fd = open_one(client);
	asks(client, fd, "still");
	say(client, "put", "put ECANCELED\n");
	expect_closed(fd);
	close(client);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* ---- those that cannot rest ---- */

START_TEST(bytes_that_are_left_are_no_rest)
{
	int client = begin(_i), fd = open_one(client);

	client_send(fd, "one\ntwo\n");
	waits(client, "20000", "1");
	say(client, "put", "put ENOTCONN\n");
	expect_closed(fd);
	fd = open_one(client);
	client_send(fd, "one\ntwo\n");
	say(client, "ask", "answer one\n");
	client_expect(fd, "hello\n");
	say(client, "put", "put ENOTCONN\n");
	expect_closed(fd);
	end(client);
}
END_TEST

START_TEST(one_that_has_ended_is_no_rest)
{
	int client = begin(_i), fd = open_one(client);

	shutdown(fd, SHUT_WR);
	say(client, "fill", "fill 0\n");
	say(client, "put", "put ENOTCONN\n");
	expect_closed(fd);
	fd = open_one(client);
	shutdown(fd, SHUT_WR);
	waits(client, "20000", "1");
	say(client, "put", "put ENOTCONN\n");
	expect_closed(fd);
	end(client);
}
END_TEST

START_TEST(one_that_somebody_waits_on_is_no_rest)
{
	int client = begin(_i), fd = open_one(client);

	say(client, "read in a task", NULL);
	say(client, "put", "put EBUSY\n");
	client_expect(client, "read ECANCELED\n");
	expect_closed(fd);
	end(client);
}
END_TEST

/* ---- mu_wait_input ---- */

START_TEST(a_wait_for_input_ends_with_its_time)
{
	int client, fd;

	prepare(_i);
	fixture.service.idle_ms = 100;
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	fd = open_one(client);
	/* Not the idle limit. */
	ck_assert_int_ge(waits(client, "300", "0"), 300);
	ck_assert_int_lt(waits(client, "0", "0"), PATIENCE_MS);
	client_send(fd, "x");
	ck_assert_int_lt(waits(client, "20000", "1"), PATIENCE_MS);
	ck_assert_int_lt(waits(client, "20000", "1"), PATIENCE_MS);
	say(client, "fill", "fill 1\n");
	/* What is buffered is not what is waited for. */
	waits(client, "1", "0");
	shutdown(fd, SHUT_WR);
	waits(client, "-1", "1");
	say(client, "fill", "fill 0\n");
	waits(client, "-1", "1");
	end(client);
	close(fd);
}
END_TEST

/* A receive that took all there was room for has not shown whether there is more. */
static int serve_guess(struct mu_conn *conn, void *state)
{
	const char *data;
	int outcomes[4];
	ssize_t n;

	(void)state;
	while (mu_buffered(conn, &data) < BUFFER_SIZE)
		if (mu_fill(conn) <= 0)
			return MU_DONE;
	outcomes[0] = mu_wait_input(conn, 30);
	mu_consume(conn, BUFFER_SIZE);
	outcomes[1] = mu_wait_input(conn, 30);
	mu_printf(conn, "full\n");
	outcomes[2] = mu_wait_input(conn, PATIENCE_MS);
	n = mu_fill(conn);
	outcomes[3] = mu_wait_input(conn, PATIENCE_MS);
	mu_printf(conn, "%d %d %d %d %d", outcomes[0], outcomes[1], outcomes[2], (int)n,
		  outcomes[3]);
	return MU_DONE;
}

START_TEST(what_is_a_guess_does_not_end_the_wait)
{
	static const struct mu_module guess = { MU_ABI, .name = "guess", .flags = MU_CLIENT_FIRST,
						.serve = serve_guess };
	char bytes[BUFFER_SIZE + 1];
	int client;

	memset(bytes, 'x', BUFFER_SIZE);
	bytes[BUFFER_SIZE] = '\0';
	worker_fixture_init(&fixture, &guess, _i ? 16 : 1);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	client_send(client, bytes);
	client_expect(client, "full\n");
	client_send(client, "more");
	shutdown(client, SHUT_WR);
	client_expect(client, "0 0 1 4 1");
	end(client);
}
END_TEST

START_TEST(a_wait_for_input_ends_with_the_drain_limit)
{
	int client = begin(_i), fd = open_one(client);

	client_send(client, "wait -1\n");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
	client_expect(client, "wait ECANCELED after ");
	close(client);
	close(fd);
}
END_TEST

/* For the worker itself, which has no input. */
static int serve_tending(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_ready(conn);
	mu_worker_log(mu_worker_of(conn), MU_INFO, "input: %s", outcome(mu_wait_input(conn, -1)));
	return MU_DONE;
}

START_TEST(a_worker_has_no_input)
{
	static const struct mu_module tender = { MU_ABI, .name = "tender", .flags = MU_TENDS,
						 .serve = serve_tending };

	worker_fixture_init(&fixture, &tender, 1);
	worker_fixture_start(&fixture);
	worker_fixture_wait_log(&fixture, "input: EBADF");
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("pool");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, one_that_rests_is_the_next_clients, 0, 2);
	tcase_add_loop_test(tcase, what_was_taken_ends_with_its_client, 0, 2);
	tcase_add_loop_test(tcase, the_last_one_is_taken_first_and_the_oldest_makes_room, 0, 2);
	tcase_add_loop_test(tcase, a_pool_may_have_no_room_at_all, 0, 2);
	tcase_add_loop_test(tcase, clients_have_most_of_the_open_files, 0, 2);
	tcase_add_loop_test(tcase, nothing_is_left_of_those_that_came_and_went, 0, 2);
	tcase_add_loop_test(tcase, it_is_closed_when_the_other_side_closes_or_speaks, 0, 2);
	tcase_add_loop_test(tcase, it_is_closed_when_its_time_is_over, 0, 2);
	tcase_add_loop_test(tcase, a_time_that_counts_no_more_wakes_nobody, 0, 2);
	tcase_add_loop_test(tcase, without_a_time_it_rests_on, 0, 2);
	tcase_add_loop_test(tcase, its_time_begins_anew_with_each_rest, 0, 2);
	tcase_add_loop_test(tcase, one_that_has_ended_unseen_is_not_taken, 0, 2);
	tcase_add_loop_test(tcase, all_are_closed_when_the_worker_is_told_to_finish, 0, 2);
	tcase_add_loop_test(tcase, bytes_that_are_left_are_no_rest, 0, 2);
	tcase_add_loop_test(tcase, one_that_has_ended_is_no_rest, 0, 2);
	tcase_add_loop_test(tcase, one_that_somebody_waits_on_is_no_rest, 0, 2);
	tcase_add_loop_test(tcase, a_wait_for_input_ends_with_its_time, 0, 2);
	tcase_add_loop_test(tcase, what_is_a_guess_does_not_end_the_wait, 0, 2);
	tcase_add_loop_test(tcase, a_wait_for_input_ends_with_the_drain_limit, 0, 2);
	tcase_add_test(tcase, a_worker_has_no_input);
	return unit_main("pool", tcase);
}
