/* SPDX-License-Identifier: MIT */
/* Workers whose module accepts by itself. */
#include "worker_fixture.h"

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct worker_fixture fixture;
static struct mu_conn *served; /* in the worker */

static void begin(const struct mu_module *module)
{
	worker_fixture_init(&fixture, module, 1);
}

static void wake_up(void *state)
{
	(void)state;
	mu_notify(served);
}

/* Serves until it is told to finish. */
static int serve_patiently(struct mu_conn *conn, void *state)
{
	(void)state;
	served = conn;
	mu_ready(conn);
	while (!mu_draining(conn))
		if (mu_wait_notify(conn, -1) < 0)
			break;
	mu_worker_log(mu_worker_of(conn), MU_INFO, "finished");
	return MU_DONE;
}

static const struct mu_module patient = { MU_ABI, .name = "patient", .flags = MU_TENDS,
					  .serve = serve_patiently, .drain = wake_up };

START_TEST(it_is_ready_when_the_module_says_so_and_goes_when_it_is_told)
{
	begin(&patient);
	ck_assert_int_eq(worker_fixture_start(&fixture), 1);
	worker_fixture_wait_state(&fixture, SLOT_READY);
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	ck_assert_uint_eq(fixture.board.slot->accepted, 0);
	ck_assert_uint_eq(fixture.board.slot->connections, 0);
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	worker_fixture_wait_log(&fixture, "finished");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(it_can_be_told_to_finish_before_it_was_told_to_go_on)
{
	begin(&patient);
	worker_fixture_start(&fixture);
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	worker_fixture_wait_log(&fixture, "finished");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(a_signal_to_end_is_a_drain)
{
	begin(&patient);
	worker_fixture_go(&fixture);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	kill(fixture.pid, SIGTERM);
	worker_fixture_wait_log(&fixture, "told to finish by SIGTERM");
	worker_fixture_expect(&fixture, RECORD_GOODBYE);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

START_TEST(its_master_may_die)
{
	begin(&patient);
	worker_fixture_go(&fixture);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	shutdown(fixture.control, SHUT_RDWR);
	worker_fixture_wait_log(&fixture, "finished");
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* Waits in a task too, and reads, as if there were something. */
static void wait_in_vain(struct mu_conn *conn, void *arg)
{
	(void)arg;
	if (mu_sleep(conn, 1000000) < 0)
		mu_worker_log(mu_worker_of(conn), MU_INFO, "the task: %s", strerror(errno));
}

static int serve_stubbornly(struct mu_conn *conn, void *state)
{
	char byte;

	(void)state;
	if (mu_read(conn, &byte, 1) < 0)
		mu_worker_log(mu_worker_of(conn), MU_INFO, "the read failed");
	mu_go(conn, wait_in_vain, NULL);
	mu_ready(conn);
	mu_ready(conn);
	mu_sleep(conn, 1000000);
	mu_worker_log(mu_worker_of(conn), MU_INFO, "serve: %s", strerror(errno));
	return MU_DONE;
}

static const struct mu_module stubborn = { MU_ABI, .name = "stubborn", .flags = MU_TENDS,
					   .serve = serve_stubbornly };

START_TEST(the_drain_limit_ends_every_wait)
{
	begin(&stubborn);
	worker_fixture_go(&fixture);
	worker_fixture_wait_log(&fixture, "the read failed");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	/* No client was cut, as far as anybody knows. */
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	worker_fixture_wait_log(&fixture, "serve: Operation canceled");
	worker_fixture_wait_log(&fixture, "the task: Operation canceled");
	ck_assert_ptr_null(strstr(fixture.logged, "cut off"));
	ck_assert_uint_eq(fixture.board.slot->cut, 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

static int serve_badly(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_ready(conn);
	return -1;
}

static const struct mu_module bad = { MU_ABI, .name = "bad", .flags = MU_TENDS,
				      .serve = serve_badly };

START_TEST(a_serve_that_fails_is_no_end_in_order)
{
	struct record record;
	int fd, status;

	begin(&bad);
	worker_fixture_start(&fixture);
	/* No goodbye: the end of the stream. */
	while (record_receive(fixture.control, &record, &fd) < 0)
		poll(&(struct pollfd){ .fd = fixture.control, .events = POLLIN }, 1, -1);
	ck_assert_int_eq(record_receive(fixture.control, &record, &fd), 0);
	ck_assert_uint_ne(fixture.board.slot->state, SLOT_GONE);
	status = worker_fixture_reap(&fixture);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), WORKER_EXIT_TENDED);
}
END_TEST

static int serve_slowly(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_set_status(mu_worker_of(conn), "still loading");
	mu_sleep(conn, 1000000);
	return MU_DONE;
}

static const struct mu_module slow = { MU_ABI, .name = "slow", .flags = MU_TENDS,
				       .serve = serve_slowly };

START_TEST(what_keeps_it_from_being_ready_is_logged_before_the_boot_limit)
{
	begin(&slow);
	fixture.service.boot_ms = 1100;
	worker_fixture_fork(&fixture);
	worker_fixture_wait_log(&fixture, "not ready so far: still loading");
	ck_assert_str_eq(fixture.board.slot->error, "not ready so far: still loading");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 50);
	worker_fixture_expect(&fixture, RECORD_GOODBYE);
	worker_fixture_reap(&fixture);
}
END_TEST

static int serve_listeners(struct mu_conn *conn, void *state)
{
	struct mu_worker *worker = mu_worker_of(conn);
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	(void)state;
	mu_worker_log(worker, MU_INFO, "%zu listener, %s", mu_listeners(worker),
		      getsockname(mu_listener(worker, 0), (struct sockaddr *)&address, &len) == 0
			      ? "open"
			      : "closed");
	mu_ready(conn);
	return MU_DONE;
}

static const struct mu_module lister = { MU_ABI, .name = "lister", .flags = MU_TENDS,
					 .serve = serve_listeners };

START_TEST(it_has_the_listeners_and_may_end_by_itself)
{
	begin(&lister);
	worker_fixture_start(&fixture);
	worker_fixture_wait_log(&fixture, "1 listener, open");
	worker_fixture_expect(&fixture, RECORD_GOODBYE);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("tending");

	tcase_add_test(tcase, it_is_ready_when_the_module_says_so_and_goes_when_it_is_told);
	tcase_add_test(tcase, it_can_be_told_to_finish_before_it_was_told_to_go_on);
	tcase_add_test(tcase, a_signal_to_end_is_a_drain);
	tcase_add_test(tcase, its_master_may_die);
	tcase_add_test(tcase, the_drain_limit_ends_every_wait);
	tcase_add_test(tcase, a_serve_that_fails_is_no_end_in_order);
	tcase_add_test(tcase, what_keeps_it_from_being_ready_is_logged_before_the_boot_limit);
	tcase_add_test(tcase, it_has_the_listeners_and_may_end_by_itself);
	return unit_main("tending", tcase);
}
