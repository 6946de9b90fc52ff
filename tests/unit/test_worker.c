/* SPDX-License-Identifier: MIT */
/*
 * Workers as a whole: the module interface in both run modes, limits, draining, the records. A loop test
 * runs with _i 0 and 1: direct and multiplexed.
 */
#include "worker_fixture.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BIG = 5 * 1024 * 1024 };

static struct worker_fixture fixture;

static int connections(int mode)
{
	return mode ? 64 : 1;
}

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, connections(mode));
}

static char pattern(size_t i)
{
	return (char)('a' + (i * 7 + i / 1000) % 26);
}

/* ---- streams ---- */

static int serve_echo(struct mu_conn *conn, void *state)
{
	char data[100];
	ssize_t n;

	(void)state;
	while ((n = mu_read(conn, data, sizeof(data))) > 0)
		if (mu_write(conn, data, (size_t)n) < 0)
			break;
	return MU_DONE;
}

static const struct mu_module echo = { MU_ABI, .name = "echo", .flags = MU_CLIENT_FIRST,
				       .serve = serve_echo };

START_TEST(bytes_go_back_until_the_client_has_finished)
{
	int fd;

	begin(&echo, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "hello");
	client_expect(fd, "hello");
	for (int i = 0; i < 1000; i++)
		client_send(fd, "0123456789");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 1000; i++)
		client_expect(fd, "0123456789");
	client_expect_end(fd);
	ck_assert_uint_eq(fixture.board.slot[0].accepted, 1);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_client_that_says_nothing_or_resets_harms_nobody)
{
	struct linger reset = { 1, 0 };
	int fd;

	begin(&echo, _i);
	worker_fixture_go(&fixture);
	close(client_connect(&fixture));
	fd = client_connect(&fixture);
	client_send(fd, "x");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	fd = client_connect(&fixture);
	client_send(fd, "y");
	client_expect(fd, "y");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_lines(struct mu_conn *conn, void *state)
{
	char *line;
	ssize_t n;

	(void)state;
	while ((n = mu_readline(conn, &line)) > 0)
		if (mu_printf(conn, "%zd:%.*s", n, (int)n, line) < 0)
			break;
	if (n < 0 && errno == ENOBUFS)
		mu_printf(conn, "too long, more than %zu", mu_buffer_size(conn));
	return MU_DONE;
}

static const struct mu_module lines = { MU_ABI, .name = "lines", .serve = serve_lines };

START_TEST(lines_are_whole_however_they_are_cut)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "o");
	client_send(fd, "ne\ntwo\nthr");
	client_expect(fd, "4:one\n4:two\n");
	client_send(fd, "ee\n\nlast");
	shutdown(fd, SHUT_WR);
	client_expect(fd, "6:three\n1:\n4:last");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_line_longer_than_the_buffer_is_an_error)
{
	char big[20000], answer[64];
	int fd;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	memset(big, 'x', sizeof(big));
	client_send(fd, "a\n");
	client_expect(fd, "2:a\n");
	/* Exactly what the buffer holds, so that nothing unread makes the kernel reset. */
	ck_assert_int_eq(send(fd, big, 16384, 0), 16384);
	client_read(fd, answer, 20);
	ck_assert_str_eq(answer, "too long, more than ");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_big(struct mu_conn *conn, void *state)
{
	static char data[BIG];
	char path[] = "/tmp/musterd-test-worker-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	for (size_t i = 0; i < BIG; i++)
		data[i] = pattern(i);
	if (write(fd, data, BIG) == BIG && mu_write(conn, data, BIG) == 0 &&
	    mu_sendfile(conn, fd, 0, BIG) == 0 && mu_sendfile(conn, fd, BIG - 10, 20) < 0)
		mu_printf(conn, "%s", errno == ENODATA ? "short" : "?");
	close(fd);
	return MU_DONE;
}

static const struct mu_module big = { MU_ABI, .name = "big", .serve = serve_big };

START_TEST(a_slow_reader_gets_every_byte)
{
	static char got[2 * BIG + 64];
	size_t wrong = 0;
	int fd;

	begin(&big, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	ck_assert_uint_eq(client_read(fd, got, sizeof(got) - 1), 2 * BIG + 15);
	for (size_t i = 0; i < BIG; i++)
		wrong += got[i] != pattern(i) || got[BIG + i] != pattern(i);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_str_eq(got + 2 * BIG + 10, "short");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- parking ---- */

static int serve_count(struct mu_conn *conn, void *state)
{
	char *line;
	ssize_t n = mu_readline(conn, &line);

	(void)state;
	if (n <= 0)
		return MU_DONE;
	mu_set_word(conn, mu_word(conn) + 1);
	mu_count_request(conn);
	if (mu_printf(conn, "%u%.*s%s", (unsigned)mu_word(conn), (int)n, line,
		      mu_draining(conn) ? "bye" : "") < 0 ||
	    mu_draining(conn))
		return MU_DONE;
	return mu_park(conn);
}

static const struct mu_module count = { MU_ABI, .name = "count",
					.flags = MU_CLIENT_FIRST | MU_REQUESTS,
					.serve = serve_count };

START_TEST(a_parked_connection_goes_on_where_it_was)
{
	int fd;

	begin(&count, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "a\n");
	client_expect(fd, "1a\n");
	client_send(fd, "b\nc\nd\ne");
	client_expect(fd, "2b\n3c\n4d\n");
	client_send(fd, "\n");
	client_expect(fd, "5e\n");
	shutdown(fd, SHUT_WR);
	client_expect_end(fd);
	ck_assert_uint_eq(fixture.board.slot[0].requests, 5);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_busy_client_gives_way_to_those_who_wait)
{
	char answer[8];
	int one, two;

	begin(&count, 0);
	fixture.service.park_ms = 1000;
	worker_fixture_go(&fixture);
	one = client_connect(&fixture);
	client_send(one, "a\n");
	client_expect(one, "1a\n");
	two = client_connect(&fixture);
	client_send(two, "b\n");
	/* The first goes on and on, until it is told. */
	do {
		client_send(one, "x\n");
		while (client_read(one, answer, 1) && answer[0] != 'x')
			;
		client_read(one, answer, 1);
		ck_assert_str_eq(answer, "\n");
	} while (recv(one, answer, 1, MSG_DONTWAIT) < 0);
	ck_assert_int_eq(answer[0], 'b');
	close(one);
	client_expect(two, "1b\n");
	close(two);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(many_connections_take_turns)
{
	enum { MANY = 60 };
	int fd[MANY];

	begin(&count, 1);
	worker_fixture_go(&fixture);
	for (int i = 0; i < MANY; i++)
		fd[i] = client_connect(&fixture);
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < MANY; i++)
			client_send(fd[i], "x");
		for (int i = MANY - 1; i >= 0; i--) {
			char answer[16];

			client_send(fd[i], "\n");
			snprintf(answer, sizeof(answer), "%dx\n", round);
			client_expect(fd[i], answer);
		}
	}
	ck_assert_uint_eq(fixture.board.slot[0].connections, MANY);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_full_worker_leaves_the_rest_waiting)
{
	int one, two, three;

	worker_fixture_init(&fixture, &count, 2);
	worker_fixture_go(&fixture);
	one = client_connect(&fixture);
	client_send(one, "a\n");
	client_expect(one, "1a\n");
	two = client_connect(&fixture);
	client_send(two, "b\n");
	client_expect(two, "1b\n");
	three = client_connect(&fixture);
	client_send(three, "c\n");
	/* The others are still served, and the third only when there is room. */
	client_send(one, "d\n");
	client_expect(one, "2d\n");
	ck_assert_uint_eq(fixture.board.slot[0].accepted, 2);
	close(two);
	client_expect(three, "1c\n");
	close(one);
	close(three);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- limits ---- */

START_TEST(the_idle_limit_ends_a_silent_client_and_says_so)
{
	int fd;

	begin(&echo, _i);
	fixture.service.idle_ms = 50;
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	client_expect(fd, "x");
	client_expect_end(fd);
	worker_fixture_wait_log(&fixture, ": idle limit of 50ms ran out");
	ck_assert_uint_eq(fixture.board.slot[0].limited, 1);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_much(struct mu_conn *conn, void *state)
{
	static char data[BIG];

	(void)state;
	mu_write(conn, data, sizeof(data));
	return MU_DONE;
}

static const struct mu_module much = { MU_ABI, .name = "much", .serve = serve_much };

/* Slow, but never still: about 3 MB a second, while the kernel asks for a megabyte before it says "writable". */
START_TEST(a_slow_reader_is_not_an_idle_one)
{
	static char data[65536];
	struct timespec pace = { 0, 20000000 };
	size_t total = 0;
	ssize_t n;
	int fd;

	begin(&much, _i);
	fixture.service.idle_ms = 150;
	worker_fixture_go(&fixture);
	fd = client_connect_small(&fixture, sizeof(data));
	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		total += (size_t)n;
		nanosleep(&pace, NULL);
	}
	ck_assert_uint_eq(total, BIG);
	close(fd);
	ck_assert_uint_eq(fixture.board.slot[0].limited, 0);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_new_client_is_under_the_header_limit)
{
	begin(&count, _i);
	fixture.service.header_ms = 50;
	fixture.service.idle_ms = 20000;
	worker_fixture_go(&fixture);
	client_expect_end(client_connect(&fixture));
	worker_fixture_wait_log(&fixture, ": header limit of 50ms ran out");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_request(struct mu_conn *conn, void *state)
{
	char byte;
	ssize_t n;

	(void)state;
	mu_set_limit(conn, MU_REQUEST);
	while ((n = mu_read(conn, &byte, 1)) > 0)
		if (mu_write(conn, &byte, 1) < 0)
			return MU_DONE;
	if (n < 0 && errno == ETIMEDOUT) {
		mu_try_write(conn, "late", 4, 0);
		mu_linger(conn); /* the client is still sending */
	}
	return MU_DONE;
}

static const struct mu_module request = { MU_ABI, .name = "request", .serve = serve_request };

START_TEST(the_request_limit_counts_from_its_beginning_whatever_moves)
{
	char last[5] = "", byte[2];
	int fd;

	begin(&request, _i);
	fixture.service.request_ms = 100;
	fixture.service.idle_ms = 20000;
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	/* Bytes keep moving, which is no help against this limit; the last thing said is "late". */
	while (client_read(fd, byte, 1)) {
		memmove(last, last + 1, 3);
		last[3] = byte[0];
		send(fd, "x", 1, MSG_NOSIGNAL);
	}
	ck_assert_str_eq(last, "late");
	worker_fixture_wait_log(&fixture, ": request limit of 100ms ran out");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_sleep(struct mu_conn *conn, void *state)
{
	struct mu_worker *worker = mu_worker_of(conn);
	int64_t before = mu_now_ms(worker);

	(void)state;
	if (mu_sleep(conn, 50) == 0)
		mu_printf(conn, "%s", mu_now_ms(worker) - before >= 50 ? "slept" : "early");
	return MU_DONE;
}

static const struct mu_module sleeper = { MU_ABI, .name = "sleep", .serve = serve_sleep };

START_TEST(a_sleep_lasts_and_is_not_idleness)
{
	int fd;

	begin(&sleeper, _i);
	fixture.service.idle_ms = 10;
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_expect(fd, "slept");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_refusal(struct mu_conn *conn, void *state)
{
	char data[16];

	(void)state;
	mu_read(conn, data, sizeof(data));
	mu_write(conn, "refused", 7);
	mu_linger(conn);
	return MU_DONE;
}

static const struct mu_module refusal = { MU_ABI, .name = "refusal", .flags = MU_CLIENT_FIRST,
					  .serve = serve_refusal };

START_TEST(a_lingering_close_lets_the_answer_arrive)
{
	char data[1000];
	int fd;

	begin(&refusal, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	memset(data, 'x', sizeof(data));
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(send(fd, data, sizeof(data), MSG_NOSIGNAL), sizeof(data));
	client_expect(fd, "refused");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- the master's word ---- */

START_TEST(nothing_is_accepted_before_go)
{
	int fd;

	begin(&count, _i);
	ck_assert_int_eq(worker_fixture_start(&fixture), connections(_i));
	fd = client_connect(&fixture);
	client_send(fd, "a\n");
	ck_assert_uint_eq(fixture.board.slot[0].accepted, 0);
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	client_expect(fd, "1a\n");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(draining_answers_the_next_request_of_a_parked_client)
{
	int fd;

	begin(&count, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "a\n");
	client_expect(fd, "1a\n");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 20000);
	worker_fixture_wait_state(&fixture, SLOT_DRAINING);
	client_send(fd, "b\n");
	client_expect(fd, "2b\nbye");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(the_drain_limit_cuts_and_counts)
{
	int fd;

	begin(&echo, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	client_expect(fd, "x");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	worker_fixture_wait_log(&fixture, "drain limit ran out");
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(a_last_call_takes_what_still_waits)
{
	int fd[5];

	begin(&count, _i);
	worker_fixture_start(&fixture);
	for (int i = 0; i < 5; i++) {
		fd[i] = client_connect(&fixture);
		client_send(fd[i], "a\n");
	}
	/* Both records are there before it reads the first. */
	kill(fixture.pid, SIGSTOP);
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	worker_fixture_send(&fixture, RECORD_DRAIN, RECORD_LAST_CALL, 20000);
	kill(fixture.pid, SIGCONT);
	for (int i = 0; i < 5; i++) {
		client_expect(fd[i], "1a\nbye");
		client_expect_end(fd[i]);
	}
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(without_its_master_a_worker_finishes_and_goes)
{
	int fd;

	begin(&echo, _i);
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	client_expect(fd, "x");
	shutdown(fixture.control, SHUT_RDWR);
	worker_fixture_wait_log(&fixture, "the master is gone");
	/* Work in hand goes on for its moment. */
	client_send(fd, "y");
	client_expect(fd, "y");
	close(fd);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(a_try_accept_without_a_client_is_nothing)
{
	int fd;

	begin(&echo, _i);
	worker_fixture_go(&fixture);
	worker_fixture_send(&fixture, RECORD_TRY_ACCEPT, 0, 0);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	client_expect(fd, "x");
	worker_fixture_send(&fixture, RECORD_TRY_ACCEPT, 0, 0);
	client_send(fd, "y");
	client_expect(fd, "y");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_new_log_descriptor_is_used)
{
	const struct log_target target = { .kind = LOG_TO_FILE, .level = LOG_INFO };
	int fd, log[2];
	char text[4096];
	ssize_t n;

	begin(&request, _i);
	fixture.service.request_ms = 30;
	worker_fixture_go(&fixture);
	ck_assert_int_eq(pipe(log), 0);
	ck_assert_int_eq(
		record_send(fixture.control, RECORD_REOPEN, 0, log_target_encode(&target), log[1]),
		0);
	close(log[1]);
	fd = client_connect(&fixture);
	client_expect(fd, "late");
	close(fd);
	n = read(log[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "request limit"));
	close(log[0]);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int refuse_to_start(struct mu_worker *worker, const void *config, void **state)
{
	(void)config;
	(void)state;
	mu_worker_log(worker, MU_ERR, "no database");
	return -1;
}

static const struct mu_module broken = { MU_ABI, .name = "broken", .start = refuse_to_start,
					 .serve = serve_echo };

START_TEST(a_module_that_does_not_start_ends_the_worker_before_ready)
{
	worker_fixture_init(&fixture, &broken, 1);
	worker_fixture_fork(&fixture);
	worker_fixture_wait_log(&fixture, "no database");
	worker_fixture_wait_log(&fixture, "broken did not start");
	ck_assert_int_eq(WEXITSTATUS(worker_fixture_reap(&fixture)), WORKER_EXIT_MODULE);
}
END_TEST

START_TEST(out_of_descriptors_means_waiting_not_spinning)
{
	enum { CLIENTS = 40 };
	int fd[CLIENTS];

	if (skipped_under_valgrind("a limit of open files"))
		return;
	worker_fixture_init(&fixture, &count, 30);
	fixture.service.nofile = 20;
	ck_assert_int_lt(worker_fixture_start(&fixture), 20);
	worker_fixture_wait_log(&fixture, "limit { nofile }");
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	for (int i = 0; i < CLIENTS; i++) {
		fd[i] = client_connect(&fixture);
		client_send(fd[i], "a\n");
	}
	for (int i = 0; i < CLIENTS; i++) {
		client_expect(fd[i], "1a\n");
		close(fd[i]);
	}
	ck_assert_uint_eq(fixture.board.slot[0].accepted, CLIENTS);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

int main(int argc, char *argv[], char *envp[])
{
	TCase *tcase = tcase_create("worker");

	setproctitle_init(argc, argv, envp);
	tcase_add_loop_test(tcase, bytes_go_back_until_the_client_has_finished, 0, 2);
	tcase_add_loop_test(tcase, a_client_that_says_nothing_or_resets_harms_nobody, 0, 2);
	tcase_add_loop_test(tcase, lines_are_whole_however_they_are_cut, 0, 2);
	tcase_add_loop_test(tcase, a_line_longer_than_the_buffer_is_an_error, 0, 2);
	tcase_add_loop_test(tcase, a_slow_reader_gets_every_byte, 0, 2);
	tcase_add_loop_test(tcase, a_parked_connection_goes_on_where_it_was, 0, 2);
	tcase_add_test(tcase, a_busy_client_gives_way_to_those_who_wait);
	tcase_add_test(tcase, many_connections_take_turns);
	tcase_add_test(tcase, a_full_worker_leaves_the_rest_waiting);
	tcase_add_loop_test(tcase, the_idle_limit_ends_a_silent_client_and_says_so, 0, 2);
	tcase_add_loop_test(tcase, a_slow_reader_is_not_an_idle_one, 0, 2);
	tcase_add_loop_test(tcase, a_new_client_is_under_the_header_limit, 0, 2);
	tcase_add_loop_test(tcase, the_request_limit_counts_from_its_beginning_whatever_moves, 0,
			    2);
	tcase_add_loop_test(tcase, a_sleep_lasts_and_is_not_idleness, 0, 2);
	tcase_add_loop_test(tcase, a_lingering_close_lets_the_answer_arrive, 0, 2);
	tcase_add_loop_test(tcase, nothing_is_accepted_before_go, 0, 2);
	tcase_add_loop_test(tcase, draining_answers_the_next_request_of_a_parked_client, 0, 2);
	tcase_add_loop_test(tcase, the_drain_limit_cuts_and_counts, 0, 2);
	tcase_add_loop_test(tcase, a_last_call_takes_what_still_waits, 0, 2);
	tcase_add_loop_test(tcase, without_its_master_a_worker_finishes_and_goes, 0, 2);
	tcase_add_loop_test(tcase, a_try_accept_without_a_client_is_nothing, 0, 2);
	tcase_add_loop_test(tcase, a_new_log_descriptor_is_used, 0, 2);
	tcase_add_test(tcase, a_module_that_does_not_start_ends_the_worker_before_ready);
	tcase_add_test(tcase, out_of_descriptors_means_waiting_not_spinning);
	return unit_main("worker", tcase);
}
