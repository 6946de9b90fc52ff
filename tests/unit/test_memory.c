/* SPDX-License-Identifier: MIT */
/* Input buffers: what a burst has needed stays while it is needed, and goes back when it no longer is. */
#include "runtime/runtime.h"

#include "unit.h"

#include <string.h>

enum { BURST = 48, FEW = 32 };

static struct mu_worker worker;
static struct mu_conn conn[BURST];

static void set_up(void)
{
	memset(&worker, 0, sizeof worker);
	for (int i = 0; i < BURST; i++)
		conn[i] = (struct mu_conn){ .worker = &worker };
}

static void tear_down(void)
{
	memory_free(&worker);
}

/* So many buffers at once, at this time. */
static void burst(int n, int64_t now)
{
	worker.now = now;
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(memory_take_buffer(&conn[i]), 0);
	for (int i = 0; i < n; i++)
		memory_put_buffer(&conn[i]);
	memory_cool(&worker);
}

START_TEST(a_few_stay_for_ever)
{
	burst(FEW, 1000);
	ck_assert_uint_eq(worker.idle_buffers, FEW);
	ck_assert_int_eq(worker.cool_at, 0);
}
END_TEST

START_TEST(more_stay_while_they_are_needed)
{
	burst(BURST, 1000);
	ck_assert_int_eq(worker.cool_at, 2000);
	for (int64_t now = 1001; now < 5000; now += 400) {
		burst(BURST, now);
		ck_assert_uint_eq(worker.idle_buffers, BURST);
		ck_assert_int_gt(worker.cool_at, now);
	}
}
END_TEST

START_TEST(what_nobody_needs_goes_back)
{
	burst(BURST, 1000);
	burst(40, 2000);
	burst(40, 2999);
	ck_assert_uint_eq(worker.idle_buffers, BURST);
	burst(1, 3000);
	ck_assert_uint_eq(worker.idle_buffers, 40);
	burst(0, 4000);
	ck_assert_uint_eq(worker.idle_buffers, FEW);
	ck_assert_int_eq(worker.cool_at, 0);
}
END_TEST

START_TEST(the_loop_wakes_up_for_it)
{
	burst(BURST, 1000);
	ck_assert_int_eq(runtime_timeout(&worker, 0), 1000);
	ck_assert_int_eq(runtime_timeout(&worker, 1500), 500);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_few_stay_for_ever);
	tcase_add_test(tcase, more_stay_while_they_are_needed);
	tcase_add_test(tcase, what_nobody_needs_goes_back);
	tcase_add_test(tcase, the_loop_wakes_up_for_it);
	return unit_main("memory", tcase);
}
