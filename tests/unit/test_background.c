/* SPDX-License-Identifier: MIT */
/*
 * What a worker does on behalf of no client, in a real worker. Loop tests run with _i 0 and 1, direct and multiplexed. What
 * the coroutines do is told in the log.
 */
#include "worker_fixture.h"

#include "base/clock.h"
#include "runtime/runtime.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { EVER_MS = 1000000, TICKS = 5 };

static struct worker_fixture fixture;
static int target; /* listens, for connections of the worker's */
static char target_address[TARGET_ADDRESS_MAX];
static int gate[2];
/* In the worker. */
static struct mu_pool *pool;
static struct mu_conn *standing;

/* ---- the module ---- */

static void tell(struct mu_conn *conn, const char *what, const char *result)
{
	mu_worker_log(mu_worker_of(conn), MU_INFO, "%s: %s", what, result);
}

static void sleep_for_ever(struct mu_conn *conn, void *arg)
{
	tell(conn, *(const char **)arg, outcome(mu_sleep(conn, EVER_MS)));
}

static void tick(struct mu_conn *conn, void *arg)
{
	(void)arg;
	for (int i = 0; i < TICKS; i++)
		if (mu_sleep(conn, 5) < 0)
			return;
	tell(conn, "ticks", "done");
}

/* Answers each line of the target with the same. */
static void talk(struct mu_conn *conn, void *arg)
{
	struct mu_conn *other = mu_connect(conn, target_address, 0);
	char *line;
	ssize_t n = -1;

	(void)arg;
	while (other && (n = mu_wait_input(other, EVER_MS)) > 0 &&
	       (n = mu_readline(other, &line)) > 0 && mu_write(other, line, (size_t)n) == 0)
		;
	tell(conn, "talk", outcome(n));
}

/* With a task of its own, and one that it ends. */
static void use_tasks(struct mu_conn *conn, void *arg)
{
	static const char *cancelled = "cancelled", *own = "its task", *late = "late task";

	(void)arg;
	mu_go(conn, sleep_for_ever, &cancelled);
	mu_cancel(conn);
	tell(conn, "join", outcome(mu_join(conn)));
	tell(conn, "sleep", outcome(mu_sleep(conn, 1)));
	mu_go(conn, sleep_for_ever, &own);
	tell(conn, "itself", outcome(mu_sleep(conn, EVER_MS)));
	mu_go(conn, sleep_for_ever, &late);
}

/* Leaves a connection to the clients. */
static void warm_up(struct mu_conn *conn, void *arg)
{
	struct mu_conn *other = mu_connect(conn, target_address, 0);

	(void)arg;
	tell(conn, "warm", outcome(other ? mu_pool_put(pool, other) : -1));
}

static void write_to_itself(struct mu_conn *conn, void *arg)
{
	char byte;

	(void)arg;
	tell(conn, "write", outcome(mu_write(conn, "x", 1)));
	tell(conn, "read", outcome(mu_read(conn, &byte, 1)));
	tell(conn, "word", mu_alloc(conn, 1000) && !mu_word(conn) ? "none" : "some");
}

/* Returns when it is notified, while its task waits. */
static void leave_a_task(struct mu_conn *conn, void *arg)
{
	static const char *name = "left task";

	(void)arg;
	standing = conn;
	mu_go(conn, sleep_for_ever, &name);
	mu_wake_after(mu_worker_of(conn), 0);
	tell(conn, "notified", outcome(mu_wait_notify(conn, -1)));
}

/* Holds the worker up until the test has told it to finish. */
static void wake(void *state)
{
	char byte;

	(void)state;
	if (read(gate[0], &byte, 1) == 1)
		mu_notify(standing);
}

static void (*wanted[3])(struct mu_conn *conn, void *arg);

static int start(struct mu_worker *worker, const void *config, void **state)
{
	static const char *name = "background";

	(void)config;
	(void)state;
	pool = mu_pool_new(worker, 1, 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (wanted[i] && mu_background(worker, wanted[i], &name) < 0)
			return -1;
	return pool ? 0 : -1;
}

/* Answers each line with the same; "use" with what the pool has. */
static int serve(struct mu_conn *conn, void *state)
{
	char *line;
	ssize_t n;

	(void)state;
	while ((n = mu_readline(conn, &line)) > 0)
		if (strncmp(line, "use\n", (size_t)n) == 0)
			mu_printf(conn, "%s\n", mu_pool_take(pool, conn) ? "taken" : "none");
		else if (strncmp(line, "late\n", (size_t)n) == 0)
			mu_printf(conn, "%s\n",
				  outcome(mu_background(mu_worker_of(conn), tick, NULL)));
		else
			mu_write(conn, line, (size_t)n);
	return MU_DONE;
}

static void refuse(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_printf(conn, "full");
}

static const struct mu_module module = {
	.abi = MU_ABI,
	.name = "lines",
	.flags = MU_CLIENT_FIRST,
	.start = start,
	.serve = serve,
	.refuse = refuse,
	.wake = wake,
};

/* ---- the test's side ---- */

static void setup(void)
{
	memset(wanted, 0, sizeof(wanted));
	ck_assert_int_eq(pipe(gate), 0);
	target = target_listen(target_address);
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

static void begin(int mode)
{
	prepare(mode);
	worker_fixture_go(&fixture);
}

static void exchange(int fd)
{
	client_send(fd, "hello\n");
	client_expect(fd, "hello\n");
}

START_TEST(it_waits_while_there_is_no_client)
{
	wanted[0] = tick;
	begin(_i);
	worker_fixture_wait_log(&fixture, "ticks: done");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(it_goes_on_beside_clients)
{
	int fd, client;

	wanted[0] = talk;
	begin(_i);
	fd = target_accept(target);
	exchange(fd);
	for (int i = 0; i < 3; i++) {
		client = client_connect(&fixture);
		exchange(client);
		for (int n = 0; n < 3; n++)
			exchange(fd);
		exchange(client);
		close(client);
		exchange(fd);
	}
	ck_assert_uint_eq(fixture.board.slot->accepted, 3);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	client_expect_end(fd);
}
END_TEST

START_TEST(several_begin_in_their_order)
{
	wanted[0] = sleep_for_ever;
	wanted[1] = talk;
	wanted[2] = tick;
	begin(_i);
	exchange(target_accept(target));
	worker_fixture_wait_log(&fixture, "ticks: done");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	worker_fixture_wait_log(&fixture, "background: ECANCELED");
	worker_fixture_wait_log(&fixture, "talk: ECANCELED");
	worker_fixture_expect(&fixture, RECORD_GOODBYE);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(it_begins_when_the_worker_serves)
{
	wanted[0] = tick;
	prepare(_i);
	worker_fixture_start(&fixture);
	worker_fixture_settle(&fixture);
	ck_assert_ptr_null(strstr(fixture.logged, "ticks"));
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	worker_fixture_wait_log(&fixture, "ticks: done");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_worker_that_never_serves_does_nothing)
{
	wanted[0] = sleep_for_ever;
	prepare(_i);
	worker_fixture_start(&fixture);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	ck_assert_ptr_null(strstr(fixture.logged, "background"));
}
END_TEST

START_TEST(all_of_it_ends_when_the_worker_is_told_to_finish)
{
	wanted[0] = use_tasks;
	begin(_i);
	worker_fixture_wait_log(&fixture, "cancelled: ECANCELED");
	worker_fixture_wait_log(&fixture, "join: 0");
	worker_fixture_wait_log(&fixture, "sleep: 0");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	worker_fixture_wait_log(&fixture, "its task: ECANCELED");
	worker_fixture_wait_log(&fixture, "itself: ECANCELED");
	worker_fixture_wait_log(&fixture, "late task: ECANCELED");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* It returns in the turn in which its task is ended, or the one before, and has to wait for that. */
START_TEST(the_worker_ends_after_its_tasks)
{
	wanted[0] = leave_a_task;
	begin(_i);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	worker_fixture_wait_log(&fixture, "notified: ");
	worker_fixture_wait_log(&fixture, "left task: ECANCELED");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* Its clients go on. */
START_TEST(it_ends_before_the_clients)
{
	int client;

	wanted[0] = sleep_for_ever;
	begin(_i);
	client = client_connect(&fixture);
	exchange(client);
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	worker_fixture_wait_log(&fixture, "background: ECANCELED");
	exchange(client);
	close(client);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(its_connections_can_be_left_to_clients)
{
	int fd, client;

	wanted[0] = warm_up;
	begin(_i);
	fd = target_accept(target);
	worker_fixture_wait_log(&fixture, "warm: 0");
	client = client_connect(&fixture);
	client_send(client, "use\n");
	client_expect(client, "taken\n");
	close(client);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(it_stands_for_the_worker)
{
	wanted[0] = write_to_itself;
	begin(_i);
	worker_fixture_wait_log(&fixture, "write: EBADF");
	worker_fixture_wait_log(&fixture, "read: EBADF");
	worker_fixture_wait_log(&fixture, "word: none");
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(it_is_begun_in_start_alone)
{
	int client;

	begin(_i);
	client = client_connect(&fixture);
	client_send(client, "late\n");
	client_expect(client, "EINVAL\n");
	close(client);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(one_that_refuses_has_none)
{
	int client;

	wanted[0] = tick;
	prepare(1);
	fixture.refuses = true;
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	client_expect(client, "full");
	client_expect_end(client);
	worker_fixture_settle(&fixture);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	ck_assert_ptr_null(strstr(fixture.logged, "ticks"));
}
END_TEST

/* Ends in order while what is in the background would not. */
static int serve_tending(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_ready(conn);
	mu_sleep(conn, 10);
	return MU_DONE;
}

START_TEST(it_is_beside_a_serve_that_tends_and_ends_with_it)
{
	static const struct mu_module tender = { MU_ABI, .name = "tender", .flags = MU_TENDS,
						 .start = start, .serve = serve_tending };

	wanted[0] = sleep_for_ever;
	worker_fixture_init(&fixture, &tender, 1);
	worker_fixture_start(&fixture);
	worker_fixture_wait_log(&fixture, "background: ECANCELED");
	worker_fixture_expect(&fixture, RECORD_GOODBYE);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("background");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, it_waits_while_there_is_no_client, 0, 2);
	tcase_add_loop_test(tcase, it_goes_on_beside_clients, 0, 2);
	tcase_add_loop_test(tcase, several_begin_in_their_order, 0, 2);
	tcase_add_loop_test(tcase, it_begins_when_the_worker_serves, 0, 2);
	tcase_add_loop_test(tcase, a_worker_that_never_serves_does_nothing, 0, 2);
	tcase_add_loop_test(tcase, all_of_it_ends_when_the_worker_is_told_to_finish, 0, 2);
	tcase_add_loop_test(tcase, the_worker_ends_after_its_tasks, 0, 2);
	tcase_add_loop_test(tcase, it_ends_before_the_clients, 0, 2);
	tcase_add_loop_test(tcase, its_connections_can_be_left_to_clients, 0, 2);
	tcase_add_loop_test(tcase, it_stands_for_the_worker, 0, 2);
	tcase_add_loop_test(tcase, it_is_begun_in_start_alone, 0, 2);
	tcase_add_test(tcase, one_that_refuses_has_none);
	tcase_add_test(tcase, it_is_beside_a_serve_that_tends_and_ends_with_it);
	return unit_main("background", tcase);
}
