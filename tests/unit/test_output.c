/* SPDX-License-Identifier: MIT */
/*
 * What a module writes beside its connections: the outputs that the master hands it, and the wake-up that it asks
 * for to write in time. A loop test runs with _i 0 and 1: direct and multiplexed.
 */
#include "worker_fixture.h"

#include "base/clock.h"
#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, WAKE_MS = 10 };

static struct worker_fixture fixture;

/* What is appended to can be read here. */
static int output_pipe(int *read_r)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	*read_r = ends[0];
	return ends[1];
}

static const struct conf_output outputs[] = { { .path = "/log/a" }, { .path = "/log/b" } };

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 64 : 1);
	fixture.service.output = outputs;
	fixture.service.outputs = 2;
}

static void expect_bytes(int fd, const char *text)
{
	char data[64] = "";
	size_t len = strlen(text);

	for (size_t have = 0; have < len;) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
		n = read(fd, data + have, len - have);
		ck_assert_int_gt(n, 0);
		have += (size_t)n;
	}
	ck_assert_str_eq(data, text);
}

/* A byte of the client, "a" or "b", is written to that output and answered with the number it has. */
struct numbers {
	int a, b;
};

static int find_numbers(struct mu_worker *worker, const void *config, void **state_r)
{
	static struct numbers numbers;

	(void)config;
	numbers.a = mu_output(worker, "/log/a");
	numbers.b = mu_output(worker, "/log/b");
	errno = 0;
	if (mu_output(worker, "/log/c") != -1 || errno != EINVAL || mu_output(worker, NULL) != -1)
		return -1;
	*state_r = &numbers;
	return 0;
}

static int serve_numbers(struct mu_conn *conn, void *state)
{
	const struct numbers *numbers = state;
	char byte[1];
	int fd;

	if (mu_read(conn, byte, 1) != 1)
		return MU_DONE;
	fd = byte[0] == 'a' ? numbers->a : numbers->b;
	if (write(fd, byte, 1) == 1)
		mu_printf(conn, "%d\n", fd);
	return MU_DONE;
}

static const struct mu_module numbered = { MU_ABI, .name = "numbered", .flags = MU_CLIENT_FIRST,
					   .prepare = find_numbers, .serve = serve_numbers };

static void write_by_worker(const char *byte, int number)
{
	char answer[16];
	int fd = client_connect(&fixture);

	snprintf(answer, sizeof(answer), "%d\n", number);
	client_send(fd, byte);
	client_expect(fd, answer);
	close(fd);
}

static void replace(uint32_t flags, int fd)
{
	ck_assert_int_eq(record_send(fixture.control, RECORD_REOPEN, flags, 0, fd), 0);
	close(fd);
	worker_fixture_settle(&fixture);
}

START_TEST(an_output_keeps_its_number_when_the_file_is_another_one)
{
	int a, b, new_b;

	begin(&numbered, _i);
	fixture.output[0] = output_pipe(&a);
	fixture.output[1] = output_pipe(&b);
	worker_fixture_go(&fixture);
	write_by_worker("a", fixture.output[0]);
	write_by_worker("b", fixture.output[1]);
	expect_bytes(a, "a");
	expect_bytes(b, "b");
	replace(2, output_pipe(&new_b));
	write_by_worker("b", fixture.output[1]);
	write_by_worker("a", fixture.output[0]);
	expect_bytes(new_b, "b");
	expect_bytes(a, "a");
	/* The old one is closed: only the test's own end is left. */
	close(fixture.output[1]);
	ck_assert_int_eq(read(b, &(char){ 0 }, 1), 0);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(an_output_that_the_service_has_not_is_refused)
{
	int a, b, other;

	begin(&numbered, _i);
	fixture.output[0] = output_pipe(&a);
	fixture.output[1] = output_pipe(&b);
	worker_fixture_go(&fixture);
	replace(3, output_pipe(&other));
	worker_fixture_wait_log(&fixture, "the master sent a file for output 3 of 2");
	ck_assert_int_eq(read(other, &(char){ 0 }, 1), 0);
	worker_fixture_send(&fixture, RECORD_REOPEN, 1, 0);
	worker_fixture_wait_log(&fixture, "the master sent a file for output 1 of 2");
	write_by_worker("a", fixture.output[0]);
	expect_bytes(a, "a");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- wake-ups ---- */

struct sleeper {
	struct mu_worker *worker;
	int fd;
};

static int start_sleeper(struct mu_worker *worker, const void *config, void **state)
{
	static struct sleeper sleeper;

	(void)config;
	sleeper = (struct sleeper){ worker, mu_output(worker, "/log/a") };
	*state = &sleeper;
	/* The earlier one counts, in either order. */
	mu_wake_after(worker, 1000000);
	mu_wake_after(worker, WAKE_MS);
	mu_wake_after(worker, 1000000);
	return 0;
}

static void wake_sleeper(void *state)
{
	struct sleeper *sleeper = state;

	if (write(sleeper->fd, "w", 1) == 1)
		mu_wake_after(sleeper->worker, WAKE_MS);
}

static void wake_once(void *state)
{
	struct sleeper *sleeper = state;

	if (write(sleeper->fd, "w", 1) != 1)
		mu_worker_log(sleeper->worker, MU_ERR, "cannot write");
}

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

/* A request is a byte. */
static int serve_bytes(struct mu_conn *conn, void *state)
{
	char byte[1];

	(void)state;
	if (mu_read(conn, byte, 1) != 1 || mu_write(conn, byte, 1) < 0)
		return MU_DONE;
	return mu_park(conn);
}

static const struct mu_module echo = { MU_ABI,
				       .name = "echo",
				       .flags = MU_CLIENT_FIRST,
				       .start = start_sleeper,
				       .serve = serve_echo,
				       .wake = wake_sleeper };

static const struct mu_module bytes = { MU_ABI,
					.name = "bytes",
					.flags = MU_CLIENT_FIRST,
					.start = start_sleeper,
					.serve = serve_bytes,
					.wake = wake_sleeper };

static const struct mu_module once = { MU_ABI,
				       .name = "once",
				       .flags = MU_CLIENT_FIRST,
				       .start = start_sleeper,
				       .serve = serve_echo,
				       .wake = wake_once };

static int begin_sleeper(const struct mu_module *module, int mode)
{
	int woken, unused;

	begin(module, mode);
	fixture.output[0] = output_pipe(&woken);
	fixture.output[1] = output_pipe(&unused);
	close(unused);
	return woken;
}

START_TEST(a_module_is_woken_where_nobody_comes)
{
	int woken = begin_sleeper(&echo, _i);

	worker_fixture_start(&fixture);
	expect_bytes(woken, "ww"); /* before GO, too */
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	expect_bytes(woken, "wwwwwwww");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* It comes on a module's own time: not earlier than asked for. */
START_TEST(a_module_is_not_woken_too_early)
{
	int woken = begin_sleeper(&echo, _i);
	int64_t began;

	began = clock_ms();
	worker_fixture_go(&fixture);
	expect_bytes(woken, "wwwwww");
	ck_assert_int_ge(clock_ms() - began, 6 * WAKE_MS);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_module_is_woken_while_a_client_is_silent)
{
	int woken = begin_sleeper(&echo, _i), fd;

	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_send(fd, "x");
	client_expect(fd, "x");
	for (int i = 0; i < 30; i++)
		expect_bytes(woken, "w");
	client_send(fd, "y");
	client_expect(fd, "y");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* The client has its next byte there before the worker could wait: `how` sends some and reads them back. */
static void keep_busy(int woken, int fd, const char *text)
{
	int64_t end = clock_ms() + PATIENCE_MS;

	for (int wakes = 0; wakes < 20;) {
		struct pollfd pollfd = { .fd = woken, .events = POLLIN };

		client_send(fd, text);
		client_expect(fd, text);
		if (poll(&pollfd, 1, 0) == 1 && read(woken, &(char){ 0 }, 1) == 1)
			wakes++;
		ck_assert_int_lt(clock_ms(), end);
	}
}

START_TEST(a_module_is_woken_while_a_client_never_rests)
{
	int woken = begin_sleeper(_i < 2 ? &echo : &bytes, _i % 2), fd;
	char many[1001];

	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	keep_busy(woken, fd, "x");
	keep_busy(woken, fd, many);
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_wake_up_comes_once)
{
	int woken = begin_sleeper(&once, _i), fd;

	worker_fixture_go(&fixture);
	expect_bytes(woken, "w");
	fd = client_connect(&fixture);
	for (int i = 0; i < 20; i++) {
		client_send(fd, "x");
		client_expect(fd, "x");
	}
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	close(fixture.output[0]);
	ck_assert_int_eq(read(woken, &(char){ 0 }, 1), 0);
}
END_TEST

int main(int argc, char *argv[], char *envp[])
{
	TCase *tcase = tcase_create("output");

	setproctitle_init(argc, argv, envp);
	tcase_add_loop_test(tcase, an_output_keeps_its_number_when_the_file_is_another_one, 0, 2);
	tcase_add_loop_test(tcase, an_output_that_the_service_has_not_is_refused, 0, 2);
	tcase_add_loop_test(tcase, a_module_is_woken_where_nobody_comes, 0, 2);
	tcase_add_loop_test(tcase, a_module_is_not_woken_too_early, 0, 2);
	tcase_add_loop_test(tcase, a_module_is_woken_while_a_client_is_silent, 0, 2);
	tcase_add_loop_test(tcase, a_module_is_woken_while_a_client_never_rests, 0, 4);
	tcase_add_loop_test(tcase, a_wake_up_comes_once, 0, 2);
	return unit_main("output", tcase);
}
