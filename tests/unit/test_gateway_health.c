/* SPDX-License-Identifier: MIT */
/* Active checks: when, and what they mean. */
#include "services/http/gateway/health.h"

#include "unit.h"

static struct health_rules rules;
static struct health_check check;

static void setup(void)
{
	rules = (struct health_rules){ .every_ms = 5000, .rise = 2, .fall = 3 };
	health_init(&check, &rules, 1000, 1);
}

/* outcomes: '+' good, '-' bad; what comes of each: '.' nothing, 'I' ill, 'W' well again */
START_TEST(so_many_in_a_row_change_it)
{
	static const struct {
		uint32_t rise, fall;
		const char *outcomes, *expected;
	} row[] = {
		{ 2, 3, "++++++", "......" },         { 2, 3, "---", "..I" },
		{ 2, 3, "--+--+---", "........I" },   { 2, 3, "-----++", "..I...W" },
		{ 2, 3, "---+-+-++", "..I.....W" },   { 2, 3, "---++---++", "..I.W..I.W" },
		{ 2, 3, "---++--+--", "..I.W....." }, { 1, 1, "+-+--+", ".IWI.W" },
		{ 3, 1, "-++-+++", "I.....W" },       { 1, 4, "----+----", "...IW...I" },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		const char *outcome = row[i].outcomes, *expected = row[i].expected;

		rules.rise = row[i].rise;
		rules.fall = row[i].fall;
		health_init(&check, &rules, 0, 0);
		for (; *outcome; outcome++, expected++) {
			enum health_change change = health_end(&check, *outcome == '+' ? 200 : 0);

			ck_assert_msg(change == (*expected == 'I'   ? HEALTH_ILL
						 : *expected == 'W' ? HEALTH_WELL_AGAIN
								    : HEALTH_SAME),
				      "%s: %d", outcome, change);
			if (change)
				ck_assert_int_eq(check.ill, change == HEALTH_ILL);
		}
	}
}
END_TEST

START_TEST(a_good_answer_has_the_status_that_is_wanted)
{
	static const struct {
		int wanted, status;
		bool good;
	} row[] = {
		{ 0, 0, false },     { 0, 199, false },  { 0, 200, true },    { 0, 204, true },
		{ 0, 302, true },    { 0, 399, true },   { 0, 400, false },   { 0, 503, false },
		{ 200, 0, false },   { 200, 200, true }, { 200, 204, false }, { 401, 401, true },
		{ 401, 200, false },
	};

	rules.fall = 1;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		rules.status = row[i].wanted;
		health_init(&check, &rules, 0, 0);
		ck_assert_int_eq(health_end(&check, row[i].status),
				 row[i].good ? HEALTH_SAME : HEALTH_ILL);
	}
}
END_TEST

START_TEST(the_first_check_is_anywhere_within_the_interval)
{
	int tenth[10] = { 0 };

	for (uint64_t seed = 0; seed < 10000; seed++) {
		int64_t wait;

		health_init(&check, &rules, 1000, seed);
		wait = health_wait(&check, 1000);
		ck_assert_int_ge(wait, 0);
		ck_assert_int_lt(wait, 5000);
		tenth[wait / 500]++;
	}
	for (int i = 0; i < 10; i++) {
		ck_assert_int_gt(tenth[i], 800);
		ck_assert_int_lt(tenth[i], 1200);
	}
}
END_TEST

START_TEST(a_tenth_less_or_more_lies_between_two_checks)
{
	int64_t now = 1000, least = INT64_MAX, most = 0, all = 0;

	for (int i = 0; i < 10000; i++) {
		int64_t wait;

		health_begin(&check, now);
		wait = health_wait(&check, now);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		all += wait;
		now += wait;
	}
	ck_assert_int_ge(least, 4500);
	ck_assert_int_lt(least, 4510);
	ck_assert_int_le(most, 5500);
	ck_assert_int_gt(most, 5490);
	ck_assert_int_gt(all, 49800000);
	ck_assert_int_lt(all, 50200000);
}
END_TEST

START_TEST(the_shortest_interval_has_no_tenth)
{
	rules.every_ms = 1;
	health_init(&check, &rules, 1000, 7);
	ck_assert_int_eq(health_wait(&check, 1000), 0);
	health_begin(&check, 1000);
	ck_assert_int_eq(health_wait(&check, 1000), 1);
}
END_TEST

START_TEST(what_was_missed_is_not_made_up_for)
{
	health_begin(&check, 1000000);
	ck_assert_int_ge(health_wait(&check, 1000000), 4500);
	/* it took longer than the interval: the next one at once, and one only */
	ck_assert_int_eq(health_wait(&check, 1060000), 0);
	health_begin(&check, 1060000);
	ck_assert_int_ge(health_wait(&check, 1060000), 4500);
}
END_TEST

START_TEST(two_workers_do_not_keep_in_step)
{
	struct health_check other;
	int same = 0;

	health_init(&other, &rules, 1000, 2);
	for (int i = 0; i < 1000; i++) {
		health_begin(&check, 0);
		health_begin(&other, 0);
		same += health_wait(&check, 0) == health_wait(&other, 0);
	}
	ck_assert_int_lt(same, 20);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("health");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, so_many_in_a_row_change_it);
	tcase_add_test(tcase, a_good_answer_has_the_status_that_is_wanted);
	tcase_add_test(tcase, the_first_check_is_anywhere_within_the_interval);
	tcase_add_test(tcase, a_tenth_less_or_more_lies_between_two_checks);
	tcase_add_test(tcase, the_shortest_interval_has_no_tenth);
	tcase_add_test(tcase, what_was_missed_is_not_made_up_for);
	tcase_add_test(tcase, two_workers_do_not_keep_in_step);
	return unit_main("gateway_health", tcase);
}
