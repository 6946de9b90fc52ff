/* SPDX-License-Identifier: MIT */
#include "services/program/life.h"

#include "unit.h"

static struct life_conf conf;
static struct life life;
static int64_t again_at;

static void begin(enum life_ready ready)
{
	conf = (struct life_conf){ .ready = ready, .after_ms = 2000, .kill_after_ms = 500 };
	life_begin(&life, &conf, 1000);
}

static enum life_action next(int64_t now)
{
	return life_next(&life, false, now, &again_at);
}

static enum life_action next_draining(int64_t now)
{
	return life_next(&life, true, now, &again_at);
}

static void say(struct notify notify, int64_t now)
{
	life_notified(&life, &notify, now);
}

START_TEST(ready_by_a_notification)
{
	begin(LIFE_BY_NOTIFY);
	ck_assert_int_eq(next(1000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
	say((struct notify){ .has_status = true }, 1100);
	ck_assert_int_eq(next(9000), LIFE_WAIT);
	say((struct notify){ .ready = true }, 9000);
	ck_assert_int_eq(next(9000), LIFE_READY);
	ck_assert_int_eq(next(9000), LIFE_WAIT);
	say((struct notify){ .ready = true }, 9100);
	ck_assert_int_eq(next(9100), LIFE_WAIT);
}
END_TEST

START_TEST(ready_on_start)
{
	begin(LIFE_ON_START);
	ck_assert_int_eq(next(1000), LIFE_READY);
	ck_assert_int_eq(next(1000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
}
END_TEST

START_TEST(ready_after_a_time_or_earlier_if_it_says_so)
{
	begin(LIFE_AFTER);
	ck_assert_int_eq(next(1000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 3000);
	ck_assert_int_eq(next(2999), LIFE_WAIT);
	ck_assert_int_eq(next(3000), LIFE_READY);

	begin(LIFE_AFTER);
	say((struct notify){ .ready = true }, 1200);
	ck_assert_int_eq(next(1200), LIFE_READY);
}
END_TEST

START_TEST(who_serves_has_the_drain_limit_to_finish)
{
	begin(LIFE_ON_START);
	conf.watchdog_ms = 100;
	next(1000);
	ck_assert_int_eq(next_draining(1050), LIFE_STOP);
	ck_assert_int_eq(next_draining(60000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
	ck_assert(!life.watchdog_bit);
}
END_TEST

START_TEST(who_does_not_serve_yet_is_killed_after_a_moment)
{
	begin(LIFE_BY_NOTIFY);
	ck_assert_int_eq(next_draining(1050), LIFE_STOP);
	ck_assert_int_eq(next_draining(1050), LIFE_WAIT);
	ck_assert_int_eq(again_at, 1550);
	say((struct notify){ .ready = true }, 1100);
	ck_assert_int_eq(next_draining(1549), LIFE_WAIT);
	ck_assert_int_eq(next_draining(1550), LIFE_KILL);
	ck_assert_int_eq(next_draining(9000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
}
END_TEST

START_TEST(the_watchdog_counts_from_ready_on)
{
	begin(LIFE_BY_NOTIFY);
	conf.watchdog_ms = 100;
	ck_assert_int_eq(next(5000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
	say((struct notify){ .ready = true }, 5000);
	ck_assert_int_eq(next(5000), LIFE_READY);
	ck_assert_int_eq(next(5099), LIFE_WAIT);
	ck_assert_int_eq(again_at, 5100);
	say((struct notify){ .alive = true }, 5099);
	ck_assert_int_eq(next(5100), LIFE_WAIT);
	ck_assert_int_eq(again_at, 5199);
	ck_assert_int_eq(next(5199), LIFE_ABORT);
	ck_assert(life.watchdog_bit);
	say((struct notify){ .alive = true }, 5200);
	ck_assert_int_eq(next(5698), LIFE_WAIT);
	ck_assert_int_eq(again_at, 5699);
	ck_assert_int_eq(next(5699), LIFE_KILL);
}
END_TEST

START_TEST(who_says_that_it_stops_needs_no_sign_of_life)
{
	begin(LIFE_ON_START);
	conf.watchdog_ms = 100;
	next(1000);
	say((struct notify){ .stopping = true }, 1050);
	ck_assert_int_eq(next(60000), LIFE_WAIT);
	ck_assert_int_eq(again_at, 0);
}
END_TEST

START_TEST(a_program_can_ask_for_its_end)
{
	begin(LIFE_ON_START);
	next(1000);
	say((struct notify){ .triggered = true }, 1050);
	ck_assert_int_eq(next(1050), LIFE_ABORT);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("program_life");

	tcase_add_test(tcase, ready_by_a_notification);
	tcase_add_test(tcase, ready_on_start);
	tcase_add_test(tcase, ready_after_a_time_or_earlier_if_it_says_so);
	tcase_add_test(tcase, who_serves_has_the_drain_limit_to_finish);
	tcase_add_test(tcase, who_does_not_serve_yet_is_killed_after_a_moment);
	tcase_add_test(tcase, the_watchdog_counts_from_ready_on);
	tcase_add_test(tcase, who_says_that_it_stops_needs_no_sign_of_life);
	tcase_add_test(tcase, a_program_can_ask_for_its_end);
	return unit_main("program_life", tcase);
}
