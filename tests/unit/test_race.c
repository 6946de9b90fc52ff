/* SPDX-License-Identifier: MIT */
#include "runtime/race.h"

#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

static struct race race;
/* Addresses of the test are told apart by their port: 600 + i are IPv6, 400 + i IPv4. */
static struct address six[40], four[40];

static void set_up(void)
{
	race_init(&race);
	memset(six, 0, sizeof(six));
	memset(four, 0, sizeof(four));
	for (int i = 0; i < 40; i++) {
		six[i].len = sizeof(six[i].u.in6);
		six[i].u.in6.sin6_family = AF_INET6;
		six[i].u.in6.sin6_port = htons((uint16_t)(600 + i));
		four[i].len = sizeof(four[i].u.in);
		four[i].u.in.sin_family = AF_INET;
		four[i].u.in.sin_port = htons((uint16_t)(400 + i));
	}
}

/* What is tried at this time; 0: nothing. */
static int next(int64_t now)
{
	const struct address *address = race_next(&race, now);

	if (!address)
		return 0;
	return address->u.sa.sa_family == AF_INET6 ? ntohs(address->u.in6.sin6_port)
						   : ntohs(address->u.in.sin_port);
}

START_TEST(nothing_is_tried_before_an_answer)
{
	ck_assert_int_eq(next(1000), 0);
	ck_assert_int_eq(race_due(&race), 0);
	ck_assert(!race_is_over(&race));
}
END_TEST

START_TEST(ipv6_is_tried_without_waiting_for_ipv4)
{
	race_answer(&race, RACE_IPV6, six, 1, 1000);
	ck_assert_int_eq(next(1000), 600);
	ck_assert_int_eq(next(1000), 0);
	ck_assert(!race_is_over(&race));
}
END_TEST

START_TEST(ipv4_waits_50_ms_for_ipv6)
{
	race_answer(&race, RACE_IPV4, four, 1, 1000);
	ck_assert_int_eq(race_due(&race), 1050);
	ck_assert_int_eq(next(1049), 0);
	ck_assert_int_eq(next(1050), 400);
	ck_assert_int_eq(race_due(&race), 0);
	ck_assert(!race_is_over(&race));
}
END_TEST

START_TEST(ipv6_that_comes_within_50_ms_goes_first)
{
	race_answer(&race, RACE_IPV4, four, 1, 1000);
	race_answer(&race, RACE_IPV6, six, 1, 1030);
	ck_assert_int_eq(next(1030), 600);
	ck_assert_int_eq(race_due(&race), 1280);
	ck_assert_int_eq(next(1279), 0);
	ck_assert_int_eq(next(1280), 400);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(ipv4_does_not_wait_where_there_is_no_ipv6)
{
	race_answer(&race, RACE_IPV6, NULL, 0, 1000);
	ck_assert(!race_is_over(&race));
	race_answer(&race, RACE_IPV4, four, 1, 1010);
	ck_assert_int_eq(next(1010), 400);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(the_news_that_there_is_no_ipv6_ends_the_wait)
{
	race_answer(&race, RACE_IPV4, four, 1, 1000);
	race_answer(&race, RACE_IPV6, NULL, 0, 1020);
	ck_assert_int_eq(next(1020), 400);
}
END_TEST

START_TEST(the_news_that_there_is_no_ipv4_starts_no_wait)
{
	race_answer(&race, RACE_IPV4, NULL, 0, 1000);
	ck_assert_int_eq(race_due(&race), 0);
	ck_assert(!race_is_over(&race));
	race_answer(&race, RACE_IPV6, six, 1, 1001);
	ck_assert_int_eq(next(1001), 600);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(without_any_address_it_is_over)
{
	race_answer(&race, RACE_IPV4, NULL, 0, 1000);
	race_answer(&race, RACE_IPV6, NULL, 0, 1000);
	ck_assert(race_is_over(&race));
	ck_assert_int_eq(next(1000), 0);
}
END_TEST

START_TEST(families_take_turns_a_delay_apart)
{
	static const int order[] = { 600, 400, 601, 401, 602 };
	int64_t now = 1000;

	race_answer(&race, RACE_IPV6, six, 3, now);
	race_answer(&race, RACE_IPV4, four, 2, now);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(next(now), order[i]);
		ck_assert_int_eq(race_due(&race), i < 4 ? now + RACE_ATTEMPT_MS : 0);
		ck_assert_int_eq(next(now + RACE_ATTEMPT_MS - 1), 0);
		now += RACE_ATTEMPT_MS;
	}
	ck_assert(race_is_over(&race));
	ck_assert_int_eq(next(now), 0);
}
END_TEST

START_TEST(the_longer_family_goes_on_alone)
{
	static const int order[] = { 600, 400, 401, 402 };
	int64_t now = 1000;

	race_answer(&race, RACE_IPV6, six, 1, now);
	race_answer(&race, RACE_IPV4, four, 3, now);
	for (size_t i = 0; i < 4; i++, now += RACE_ATTEMPT_MS)
		ck_assert_int_eq(next(now), order[i]);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(after_a_failure_the_next_one_is_tried_at_once)
{
	race_answer(&race, RACE_IPV6, six, 2, 1000);
	race_answer(&race, RACE_IPV4, four, 1, 1000);
	ck_assert_int_eq(next(1000), 600);
	race_failed(&race);
	ck_assert_int_eq(next(1001), 400);
	ck_assert_int_eq(next(1002), 0);
	race_failed(&race);
	ck_assert_int_eq(next(1002), 601);
	race_failed(&race);
	ck_assert_int_eq(next(1003), 0);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(ipv6_that_comes_late_is_the_next_one)
{
	race_answer(&race, RACE_IPV4, four, 3, 1000);
	ck_assert_int_eq(next(1050), 400);
	race_answer(&race, RACE_IPV6, six, 1, 1100);
	/* It does not shorten the delay between attempts. */
	ck_assert_int_eq(race_due(&race), 1300);
	ck_assert_int_eq(next(1299), 0);
	ck_assert_int_eq(next(1300), 600);
	ck_assert_int_eq(next(1550), 401);
	ck_assert_int_eq(next(1800), 402);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(ipv6_that_comes_after_all_ipv4_failed_is_tried_at_once)
{
	race_answer(&race, RACE_IPV4, four, 1, 1000);
	ck_assert_int_eq(next(1050), 400);
	race_failed(&race);
	ck_assert_int_eq(next(1051), 0);
	ck_assert(!race_is_over(&race));
	race_answer(&race, RACE_IPV6, six, 1, 1060);
	ck_assert_int_eq(next(1060), 600);
	ck_assert(race_is_over(&race));
}
END_TEST

START_TEST(ipv4_that_comes_late_waits_for_its_turn_only)
{
	race_answer(&race, RACE_IPV6, six, 2, 1000);
	ck_assert_int_eq(next(1000), 600);
	race_answer(&race, RACE_IPV4, four, 1, 1200);
	ck_assert_int_eq(race_due(&race), 1250);
	ck_assert_int_eq(next(1250), 400);
	ck_assert_int_eq(next(1500), 601);
}
END_TEST

START_TEST(a_delay_that_passed_long_ago_starts_one_attempt_not_several)
{
	race_answer(&race, RACE_IPV4, four, 3, 1000);
	race_answer(&race, RACE_IPV6, NULL, 0, 1000);
	ck_assert_int_eq(next(1000), 400);
	ck_assert_int_eq(next(9000), 401);
	ck_assert_int_eq(next(9000), 0);
	ck_assert_int_eq(race_due(&race), 9000 + RACE_ATTEMPT_MS);
}
END_TEST

START_TEST(doubles_are_tried_once)
{
	four[1] = four[0];
	six[2] = six[0];
	race_answer(&race, RACE_IPV6, six, 3, 1000);
	race_answer(&race, RACE_IPV4, four, 3, 1000);
	ck_assert_uint_eq(race.n[RACE_IPV6], 2);
	ck_assert_uint_eq(race.n[RACE_IPV4], 2);
}
END_TEST

START_TEST(of_too_many_the_first_ones_are_tried)
{
	int64_t now = 1000;
	int tried = 0;

	race_answer(&race, RACE_IPV6, six, 40, now);
	race_answer(&race, RACE_IPV4, four, 40, now);
	for (int port; (port = next(now)); tried++, now += RACE_ATTEMPT_MS) {
		ck_assert_int_eq(port, (tried % 2 ? 400 : 600) + tried / 2);
		ck_assert_int_lt(tried, RACE_FAMILIES * RACE_ADDRESSES_MAX);
	}
	ck_assert_int_eq(tried, RACE_FAMILIES * RACE_ADDRESSES_MAX);
	ck_assert(race_is_over(&race));
}
END_TEST

/*
 * Whatever comes when: each address is tried exactly once, none before its answer, no two at a time without a
 * failure between them, and IPv4 never within 50 ms unless IPv6 has answered.
 */
START_TEST(every_order_of_answers_and_failures_keeps_the_rules)
{
	enum { STEP = 10, END = 4000 };

	for (int a = 0; a <= 320; a += STEP)
		for (int b = 0; b <= 320; b += STEP)
			for (unsigned mask = 0; mask < 32; mask++) {
				int64_t last = -1;
				bool failed = false;
				int tried = 0;

				set_up();
				for (int64_t now = 0; now <= END; now += STEP) {
					if (now == a)
						race_answer(&race, RACE_IPV6, six, mask & 3,
							    1 + now);
					if (now == b)
						race_answer(&race, RACE_IPV4, four, mask >> 2 & 3,
							    1 + now);
					for (int port; (port = next(1 + now)); tried++) {
						bool is_six = port >= 600;

						ck_assert_int_ge(now, is_six ? a : b);
						if (!is_six && last < 0 && now < a)
							ck_assert_int_ge(now,
									 b + RACE_RESOLUTION_MS);
						if (last >= 0 && !failed)
							ck_assert_int_ge(now - last,
									 RACE_ATTEMPT_MS);
						last = now;
						failed = mask & 16;
						if (failed)
							race_failed(&race);
					}
				}
				ck_assert_int_eq(tried, (int)((mask & 3) + (mask >> 2 & 3)));
				ck_assert(race_is_over(&race));
			}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("race");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, nothing_is_tried_before_an_answer);
	tcase_add_test(tcase, ipv6_is_tried_without_waiting_for_ipv4);
	tcase_add_test(tcase, ipv4_waits_50_ms_for_ipv6);
	tcase_add_test(tcase, ipv6_that_comes_within_50_ms_goes_first);
	tcase_add_test(tcase, ipv4_does_not_wait_where_there_is_no_ipv6);
	tcase_add_test(tcase, the_news_that_there_is_no_ipv6_ends_the_wait);
	tcase_add_test(tcase, the_news_that_there_is_no_ipv4_starts_no_wait);
	tcase_add_test(tcase, without_any_address_it_is_over);
	tcase_add_test(tcase, families_take_turns_a_delay_apart);
	tcase_add_test(tcase, the_longer_family_goes_on_alone);
	tcase_add_test(tcase, after_a_failure_the_next_one_is_tried_at_once);
	tcase_add_test(tcase, ipv6_that_comes_late_is_the_next_one);
	tcase_add_test(tcase, ipv6_that_comes_after_all_ipv4_failed_is_tried_at_once);
	tcase_add_test(tcase, ipv4_that_comes_late_waits_for_its_turn_only);
	tcase_add_test(tcase, a_delay_that_passed_long_ago_starts_one_attempt_not_several);
	tcase_add_test(tcase, doubles_are_tried_once);
	tcase_add_test(tcase, of_too_many_the_first_ones_are_tried);
	tcase_add_test(tcase, every_order_of_answers_and_failures_keeps_the_rules);
	return unit_main("race", tcase);
}
