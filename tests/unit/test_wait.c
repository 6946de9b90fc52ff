/* SPDX-License-Identifier: MIT */
/*
 * Waits on connections of our own: for output with a time, and what becomes of any wait when another task closes the
 * connection. A loop test runs with _i 0 and 1: direct and multiplexed. What a handler sees it tells its client.
 */
#include "worker_fixture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "runtime/runtime.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, BIG = 4 * 1024 * 1024, PIECE = 1024 };

static struct worker_fixture fixture;

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 16 : 1);
}

/* What the handler tells its client, and nothing else. */
static void tells(const char *told)
{
	int fd;

	worker_fixture_go(&fixture);
	fd = client_connect(&fixture);
	client_expect(fd, told);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	close(fd);
}

static void serves(const struct mu_module *module, int mode, const char *told)
{
	begin(module, mode);
	tells(told);
}

/* One of our own, and the descriptor of its far end. */
static struct mu_conn *open_own(struct mu_conn *conn, int *far_r)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	*far_r = pair[1];
	return conn_open_other(conn, pair[0], false);
}

/* Until it takes no more. */
static void fill(struct mu_conn *other)
{
	static const char piece[PIECE];

	while (mu_try_write(other, piece, PIECE, 0) > 0)
		;
}

/* The other way round; false: the end has not come yet. */
static bool ends(int far)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(far, bytes, sizeof(bytes))) > 0)
		;
	return n == 0;
}

/* ---- what is closed while somebody waits ---- */

static ssize_t call_fill(struct mu_conn *other)
{
	return mu_fill(other);
}

static ssize_t call_wait_input(struct mu_conn *other)
{
	return mu_wait_input(other, -1);
}

static ssize_t call_wait_input_timed(struct mu_conn *other)
{
	return mu_wait_input(other, PATIENCE_MS);
}

static ssize_t call_write(struct mu_conn *other)
{
	static const char bytes[BIG];

	return mu_write(other, bytes, BIG);
}

static ssize_t call_wait_room(struct mu_conn *other)
{
	fill(other);
	return mu_wait_room(other);
}

static ssize_t call_wait_output(struct mu_conn *other)
{
	fill(other);
	return mu_wait_output(other, -1);
}

static ssize_t call_wait_output_timed(struct mu_conn *other)
{
	fill(other);
	return mu_wait_output(other, PATIENCE_MS);
}

static ssize_t call_sleep(struct mu_conn *other)
{
	return mu_sleep(other, PATIENCE_MS);
}

/* It gives way, for its turn is spent; neither bytes nor room are waited for. */
static ssize_t call_spent(struct mu_conn *other)
{
	other->worker->turn_left = 0;
	return mu_write(other, "x", 1);
}

static ssize_t (*const calls[])(struct mu_conn *other) = {
	call_fill,      call_wait_input,  call_wait_input_timed,  call_write,
	call_wait_room, call_wait_output, call_wait_output_timed, call_sleep,
	call_spent,
};

enum { CALLS = sizeof(calls) / sizeof(*calls) };

struct wait {
	struct mu_conn *other;
	size_t call;
	ssize_t result;
	int error;
};

static void task_waits(struct mu_conn *conn, void *arg)
{
	struct wait *wait = arg;

	(void)conn;
	wait->result = calls[wait->call](wait->other);
	wait->error = errno;
}

/* What the wait came to, and whether the struct is still that of a connection. */
static void tell(struct mu_conn *conn, const struct wait *wait, bool ended)
{
	bool stays = wait->other->state == CONN_OTHER && wait->other->parent == conn;

	if (wait->result == -1 && wait->error == ECANCELED && ended && stays)
		mu_printf(conn, "+");
	else
		mu_printf(conn, "(%zu: %zd %s%s%s)", wait->call, wait->result,
			  strerrorname_np(wait->error), ended ? "" : ", open",
			  stays ? "" : ", freed");
}

/* woken: with what the wait has ended already before the close; -1: it has not. */
static void close_under(struct mu_conn *conn, size_t call, int woken)
{
	struct wait wait = { .call = call };
	bool ended;
	int far;

	wait.other = open_own(conn, &far);
	mu_go(conn, task_waits, &wait);
	if (woken >= 0)
		conn_wake(wait.other, -1, woken);
	mu_close(wait.other);
	ended = ends(far);
	mu_join(conn);
	tell(conn, &wait, ended);
	close(far);
}

static int serve_closes(struct mu_conn *conn, void *state)
{
	(void)state;
	for (size_t call = 0; call < CALLS; call++) {
		close_under(conn, call, -1);
		close_under(conn, call, 0);
		close_under(conn, call, ETIMEDOUT);
	}
	return MU_DONE;
}

START_TEST(a_task_that_waits_on_what_serve_closes_is_cancelled)
{
	static const struct mu_module module = { MU_ABI, .name = "closes", .serve = serve_closes };

	serves(&module, _i, "+++++++++++++++++++++++++++");
	/* Nor has a limit ended that nobody waited for any more. */
	ck_assert_ptr_null(strstr(fixture.logged, "limit"));
}
END_TEST

static void task_closes(struct mu_conn *conn, void *arg)
{
	struct wait *wait = arg;

	mu_wait_notify(conn, -1);
	mu_close(wait->other);
}

static int serve_is_closed(struct mu_conn *conn, void *state)
{
	(void)state;
	for (size_t call = 0; call < CALLS; call++) {
		struct wait wait = { .call = call };
		int far;

		wait.other = open_own(conn, &far);
		mu_go(conn, task_closes, &wait);
		/* It goes on when serve waits, and not before. */
		mu_notify(conn);
		task_waits(conn, &wait);
		tell(conn, &wait, ends(far));
		mu_join(conn);
		close(far);
	}
	return MU_DONE;
}

START_TEST(serve_that_waits_on_what_a_task_closes_is_cancelled)
{
	static const struct mu_module module = { MU_ABI, .name = "closed",
						 .serve = serve_is_closed };

	serves(&module, _i, "+++++++++");
}
END_TEST

static int serve_closes_both(struct mu_conn *conn, void *state)
{
	struct wait in = { .call = 0 }, out = { .call = 3 };
	bool ended;
	int far;

	(void)state;
	in.other = out.other = open_own(conn, &far);
	mu_go(conn, task_waits, &in);
	mu_go(conn, task_waits, &out);
	mu_close(in.other);
	ended = ends(far);
	mu_join(conn);
	tell(conn, &in, ended);
	tell(conn, &out, ended);
	close(far);
	/* What comes next is another one. */
	mu_printf(conn, "%d", open_own(conn, &far) != in.other);
	close(far);
	return MU_DONE;
}

START_TEST(who_reads_and_who_writes_are_both_cancelled)
{
	static const struct mu_module module = { MU_ABI, .name = "both",
						 .serve = serve_closes_both };

	serves(&module, _i, "++1");
}
END_TEST

/* ---- mu_wait_output ---- */

/* Within a limit that does not count. */
static const char *wait_output(struct mu_conn *other, int64_t ms)
{
	int64_t began = clock_ms();
	const char *result = outcome(mu_wait_output(other, ms));

	if (ms > 0 && strcmp(result, "0") == 0 && clock_ms() - began < ms)
		return "early";
	return result;
}

static int serve_waits(struct mu_conn *conn, void *state)
{
	int far;
	struct mu_conn *other = open_own(conn, &far);

	(void)state;
	mu_printf(conn, "%s ", wait_output(other, -1));
	mu_printf(conn, "%s ", wait_output(other, 0));
	fill(other);
	mu_printf(conn, "%s ", wait_output(other, 0));
	mu_printf(conn, "%s ", wait_output(other, 300));
	ends(far);
	mu_printf(conn, "%s ", wait_output(other, PATIENCE_MS));
	fill(other);
	close(far);
	mu_printf(conn, "%s ", wait_output(other, -1));
	mu_printf(conn, "%s", outcome(mu_write(other, "x", 1)));
	return MU_DONE;
}

START_TEST(a_wait_for_output_ends_with_room_its_time_or_the_end)
{
	static const struct mu_module module = { MU_ABI, .name = "waits", .serve = serve_waits };

	begin(&module, _i);
	fixture.service.idle_ms = 100;
	tells("1 1 0 0 1 1 EPIPE");
}
END_TEST

/* Room was there when the runtime last heard of it. */
static int serve_guesses(struct mu_conn *conn, void *state)
{
	static const char piece[PIECE];
	int far;
	struct mu_conn *other = open_own(conn, &far);

	(void)state;
	while (send(other->fd, piece, PIECE, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	mu_printf(conn, "%d", (other->ready & CONN_OUT) != 0);
	mu_printf(conn, "%s", wait_output(other, 30));
	ends(far);
	mu_printf(conn, "%s", wait_output(other, PATIENCE_MS));
	close(far);
	return MU_DONE;
}

START_TEST(a_guess_is_no_room)
{
	static const struct mu_module module = { MU_ABI, .name = "guesses",
						 .serve = serve_guesses };

	serves(&module, _i, "101");
}
END_TEST

enum { TAKES = 30, TAKE_MS = 25, SLOW_MS = 500 };

struct taker {
	int far;
	int64_t last; /* when it took something for the last time */
};

/* Never so much that the kernel would speak of room. */
static void task_takes(struct mu_conn *conn, void *arg)
{
	struct taker *taker = arg;
	char piece[PIECE];

	for (int i = 0; i < TAKES; i++) {
		mu_sleep(conn, TAKE_MS);
		if (read(taker->far, piece, PIECE) != PIECE)
			return;
		taker->last = clock_ms();
	}
}

static int serve_slow(struct mu_conn *conn, void *state)
{
	struct taker taker = { 0 };
	struct mu_conn *other = open_own(conn, &taker.far);
	const char *result;

	(void)state;
	fill(other);
	mu_go(conn, task_takes, &taker);
	result = wait_output(other, SLOW_MS);
	mu_printf(conn, "%s %d", result, clock_ms() - taker.last >= SLOW_MS - TAKE_MS);
	mu_join(conn);
	close(taker.far);
	return MU_DONE;
}

START_TEST(who_takes_little_takes_something)
{
	static const struct mu_module module = { MU_ABI, .name = "slow", .serve = serve_slow };

	serves(&module, _i, "0 1");
}
END_TEST

static int serve_limited(struct mu_conn *conn, void *state)
{
	int far;
	struct mu_conn *other = open_own(conn, &far);

	(void)state;
	fill(other);
	mu_set_limit(conn, MU_REQUEST);
	mu_printf(conn, "%s", wait_output(other, -1));
	close(far);
	return MU_DONE;
}

START_TEST(a_wait_for_output_ends_with_the_request_limit)
{
	static const struct mu_module module = { MU_ABI, .name = "limited",
						 .serve = serve_limited };

	begin(&module, _i);
	fixture.service.request_ms = 100;
	tells("ETIMEDOUT");
}
END_TEST

static int serve_drained(struct mu_conn *conn, void *state)
{
	int far;
	struct mu_conn *other = open_own(conn, &far);
	const char *result;

	(void)state;
	fill(other);
	mu_printf(conn, "full\n");
	result = wait_output(other, -1);
	mu_try_write(conn, result, strlen(result), 0);
	close(far);
	return MU_DONE;
}

START_TEST(a_wait_for_output_ends_with_the_drain_limit)
{
	static const struct mu_module module = { MU_ABI, .name = "drained",
						 .serve = serve_drained };
	int client;

	begin(&module, _i);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	client_expect(client, "full\n");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
	client_expect(client, "ECANCELED");
	client_expect_end(client);
	close(client);
}
END_TEST

static int serve_pipe(struct mu_conn *conn, void *state)
{
	int fd[2];
	struct mu_conn *out;

	(void)state;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return MU_DONE;
	out = conn_open_other(conn, fd[1], true);
	mu_printf(conn, "%s ", wait_output(out, -1));
	fill(out);
	mu_printf(conn, "%s ", wait_output(out, 30));
	ends(fd[0]);
	mu_printf(conn, "%s ", wait_output(out, PATIENCE_MS));
	close(fd[0]);
	mu_printf(conn, "%s", wait_output(out, PATIENCE_MS));
	return MU_DONE;
}

START_TEST(a_pipe_can_be_waited_for_too)
{
	static const struct mu_module module = { MU_ABI, .name = "pipe", .serve = serve_pipe };

	serves(&module, _i, "1 0 1 1");
}
END_TEST

static int serve_twice(struct mu_conn *conn, void *state)
{
	struct wait wait = { .call = 5 };
	int far;

	(void)state;
	wait.other = open_own(conn, &far);
	mu_go(conn, task_waits, &wait);
	mu_printf(conn, "%s ", wait_output(wait.other, -1));
	ends(far);
	mu_join(conn);
	mu_printf(conn, "%d", (int)wait.result);
	close(far);
	return MU_DONE;
}

START_TEST(one_at_a_time_waits_for_output)
{
	static const struct mu_module module = { MU_ABI, .name = "twice", .serve = serve_twice };

	serves(&module, _i, "EBUSY 1");
}
END_TEST

/* Without a wait each time: the other clients have their turn all the same. */
static int serve_greedy(struct mu_conn *conn, void *state)
{
	static int clients;
	int far, seen = ++clients;
	struct mu_conn *other = open_own(conn, &far);

	(void)state;
	mu_printf(conn, "begun\n");
	while (seen == clients && clients < 2 && mu_try_write(other, "x", 1, 0) == 1 &&
	       mu_wait_output(other, -1) == 1)
		ends(far);
	close(far);
	return MU_DONE;
}

START_TEST(who_always_finds_room_lets_others_come)
{
	static const struct mu_module module = { MU_ABI, .name = "greedy", .serve = serve_greedy };
	int first, second;

	begin(&module, 1);
	worker_fixture_go(&fixture);
	first = client_connect(&fixture);
	client_expect(first, "begun\n");
	second = client_connect(&fixture);
	client_expect(second, "begun\n");
	client_expect_end(first);
	close(first);
	close(second);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_tending(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_ready(conn);
	mu_worker_log(mu_worker_of(conn), MU_INFO, "output: %s", outcome(mu_wait_output(conn, -1)));
	return MU_DONE;
}

START_TEST(a_worker_has_no_output)
{
	static const struct mu_module module = { MU_ABI, .name = "tender", .flags = MU_TENDS,
						 .serve = serve_tending };

	worker_fixture_init(&fixture, &module, 1);
	worker_fixture_start(&fixture);
	worker_fixture_wait_log(&fixture, "output: EBADF");
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("wait");

	tcase_add_loop_test(tcase, a_task_that_waits_on_what_serve_closes_is_cancelled, 0, 2);
	tcase_add_loop_test(tcase, serve_that_waits_on_what_a_task_closes_is_cancelled, 0, 2);
	tcase_add_loop_test(tcase, who_reads_and_who_writes_are_both_cancelled, 0, 2);
	tcase_add_loop_test(tcase, a_wait_for_output_ends_with_room_its_time_or_the_end, 0, 2);
	tcase_add_loop_test(tcase, a_guess_is_no_room, 0, 2);
	tcase_add_loop_test(tcase, who_takes_little_takes_something, 0, 2);
	tcase_add_loop_test(tcase, a_wait_for_output_ends_with_the_request_limit, 0, 2);
	tcase_add_loop_test(tcase, a_wait_for_output_ends_with_the_drain_limit, 0, 2);
	tcase_add_loop_test(tcase, a_pipe_can_be_waited_for_too, 0, 2);
	tcase_add_loop_test(tcase, one_at_a_time_waits_for_output, 0, 2);
	tcase_add_test(tcase, who_always_finds_room_lets_others_come);
	tcase_add_test(tcase, a_worker_has_no_output);
	return unit_main("wait", tcase);
}
