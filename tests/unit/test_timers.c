/* SPDX-License-Identifier: MIT */
#include "runtime/timers.h"

#include "unit.h"

#include <string.h>

enum { N = 500 };

static struct timers timers;
static struct timer timer[N];

static void set_up(void)
{
	timers_init(&timers);
	ck_assert_int_eq(timers_reserve(&timers, N), 0);
	memset(timer, 0, sizeof(timer));
}

static void tear_down(void)
{
	timers_cleanup(&timers);
}

START_TEST(they_expire_in_order_and_not_before)
{
	int64_t before = 0;
	struct timer *next;

	for (int i = 0; i < N; i++)
		timer_set(&timers, &timer[i], 1 + (i * 7919) % 1000);
	ck_assert_int_eq(timers_next(&timers), 1);
	for (int64_t now = 0; now <= 1000; now += 10) {
		while ((next = timers_expired(&timers, now))) {
			int i = (int)(next - timer);
			int64_t deadline = 1 + (i * 7919) % 1000;

			ck_assert_int_ge(deadline, before);
			ck_assert_int_le(deadline, now);
			ck_assert_int_gt(deadline, now - 10);
			before = deadline;
		}
	}
	ck_assert_uint_eq(timers.n, 0);
	ck_assert_int_eq(timers_next(&timers), 0);
}
END_TEST

START_TEST(a_later_deadline_is_only_a_store)
{
	timer_set(&timers, &timer[0], 100);
	timer_set(&timers, &timer[0], 300);
	ck_assert_int_eq(timers.entry[1].at, 100);
	ck_assert_ptr_null(timers_expired(&timers, 200));
	ck_assert_int_eq(timers_next(&timers), 300);
	ck_assert_ptr_eq(timers_expired(&timers, 300), &timer[0]);
	ck_assert_ptr_null(timers_expired(&timers, 1000));
}
END_TEST

START_TEST(an_earlier_deadline_moves_forward)
{
	for (int i = 0; i < 20; i++)
		timer_set(&timers, &timer[i], 100 + i);
	timer_set(&timers, &timer[19], 5);
	ck_assert_int_eq(timers_next(&timers), 5);
	ck_assert_ptr_eq(timers_expired(&timers, 5), &timer[19]);
}
END_TEST

START_TEST(a_cleared_one_does_not_fire_and_can_be_set_again)
{
	timer_set(&timers, &timer[0], 10);
	timer_clear(&timer[0]);
	ck_assert_ptr_null(timers_expired(&timers, 10));
	timer_set(&timers, &timer[0], 20);
	ck_assert_ptr_eq(timers_expired(&timers, 20), &timer[0]);
}
END_TEST

START_TEST(removal_anywhere_keeps_the_order)
{
	struct timer *next;
	int64_t before = 0;
	int left = 0;

	for (int i = 0; i < N; i++)
		timer_set(&timers, &timer[i], 1 + (i * 104729) % 997);
	for (int i = 0; i < N; i += 3)
		timer_remove(&timers, &timer[i]);
	timer_remove(&timers, &timer[0]);
	while ((next = timers_expired(&timers, 1000))) {
		int64_t deadline = 1 + ((next - timer) * 104729) % 997;

		ck_assert_int_ne((next - timer) % 3, 0);
		ck_assert_int_ge(deadline, before);
		before = deadline;
		left++;
	}
	ck_assert_int_eq(left, N - (N + 2) / 3);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("timers");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, they_expire_in_order_and_not_before);
	tcase_add_test(tcase, a_later_deadline_is_only_a_store);
	tcase_add_test(tcase, an_earlier_deadline_moves_forward);
	tcase_add_test(tcase, a_cleared_one_does_not_fire_and_can_be_set_again);
	tcase_add_test(tcase, removal_anywhere_keeps_the_order);
	return unit_main("timers", tcase);
}
