/* SPDX-License-Identifier: MIT */
#include "master/policy.h"

#include "unit.h"

static struct policy policy_of(int min, int max, int spare_min, int spare_max)
{
	struct policy_limits limits = { .min = min,
					.max = max,
					.spare_min = spare_min,
					.spare_max = spare_max,
					.most = max + 16 };
	struct policy policy;

	policy_init(&policy, &limits);
	return policy;
}

static struct policy_decision decide(struct policy *policy, int starting, int serving, int idle,
				     int64_t now)
{
	struct policy_counts counts = {
		.starting = starting, .serving = serving, .idle = idle, .spare = idle
	};

	return policy_decide(policy, &counts, now);
}

START_TEST(a_static_pool_is_filled_at_once_and_then_left_alone)
{
	struct policy policy = policy_of(64, 64, 0, 0);
	struct policy_decision decision = decide(&policy, 0, 0, 0, 1000);

	ck_assert_int_eq(decision.start, 64);
	ck_assert_int_eq(decision.retire, 0);
	decision = decide(&policy, 64, 0, 0, 1001);
	ck_assert_int_eq(decision.start, 0);
	decision = decide(&policy, 0, 64, 64, 90000);
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.retire, 0);
	ck_assert_int_eq(decision.again_at, 0);
}
END_TEST

START_TEST(a_worker_that_lived_is_replaced_at_once)
{
	struct policy policy = policy_of(4, 4, 0, 0);

	decide(&policy, 0, 0, 0, 1000);
	for (int64_t now = 10000; now < 20000; now += 10) {
		ck_assert(!policy_died(&policy, policy.round, true, POLICY_EARLY_MS, now));
		ck_assert_int_eq(decide(&policy, 0, 3, 3, now).start, 1);
	}
	ck_assert(!policy_is_degraded(&policy));
}
END_TEST

START_TEST(a_whole_pool_killed_in_its_first_second_is_replaced_at_once)
{
	struct policy policy = policy_of(16, 16, 0, 0);
	unsigned round = policy.round;

	decide(&policy, 0, 0, 0, 1000);
	for (int i = 0; i < 16; i++)
		ck_assert(!policy_died(&policy, round, true, 900, 1900));
	ck_assert_int_eq(decide(&policy, 0, 0, 0, 1900).start, 16);
	ck_assert(!policy_is_degraded(&policy));
}
END_TEST

/* Lets each replacement die as it starts; gives the time of the next start. */
static int64_t fail_round(struct policy *policy, int64_t now)
{
	policy_died(policy, policy->round, false, 1, now);
	while (decide(policy, 0, 0, 0, now).start == 0) {
		struct policy_decision decision = decide(policy, 0, 0, 0, now);

		ck_assert_int_gt(decision.again_at, now);
		now = decision.again_at;
	}
	return now;
}

START_TEST(a_crash_loop_is_backed_off_exponentially_and_never_given_up)
{
	struct policy policy = policy_of(4, 4, 0, 0);
	int64_t now = 1000, delay = POLICY_DELAY_MS;

	decide(&policy, 0, 0, 0, now);
	ck_assert_int_eq(fail_round(&policy, now), now); /* the first replacement is immediate */
	ck_assert(!policy_is_degraded(&policy));
	for (int i = 0; i < 100; i++) {
		int64_t next = fail_round(&policy, now);

		ck_assert_int_eq(next - now, delay);
		ck_assert(policy_is_degraded(&policy));
		delay = delay * 2 < POLICY_DELAY_MAX_MS ? delay * 2 : POLICY_DELAY_MAX_MS;
		now = next;
	}
	ck_assert_int_eq(delay, POLICY_DELAY_MAX_MS);
}
END_TEST

START_TEST(a_degraded_pool_tries_with_one_worker_until_one_is_ready)
{
	struct policy policy = policy_of(8, 8, 0, 0);
	int64_t now = fail_round(&policy, fail_round(&policy, 1000));

	ck_assert(policy_is_degraded(&policy));
	ck_assert_int_eq(decide(&policy, 0, 0, 0, now).start, 1);
	ck_assert_int_eq(decide(&policy, 1, 0, 0, now + 1).start, 0);
	policy_ready(&policy, policy.round, now + 20);
	ck_assert_int_eq(decide(&policy, 0, 1, 1, now + 20).start, 7);
}
END_TEST

START_TEST(readiness_of_a_worker_from_before_the_failure_proves_nothing)
{
	struct policy policy = policy_of(8, 8, 0, 0);
	int64_t now = fail_round(&policy, fail_round(&policy, 1000));

	policy_ready(&policy, policy.round - 1, now);
	ck_assert_int_eq(decide(&policy, 0, 1, 1, now).start, 1);
}
END_TEST

START_TEST(a_pool_recovers_when_a_worker_lives)
{
	struct policy policy = policy_of(2, 2, 0, 0);
	int64_t now = fail_round(&policy, fail_round(&policy, 1000));
	struct policy_decision decision;

	policy_ready(&policy, policy.round, now);
	decision = decide(&policy, 0, 2, 2, now);
	ck_assert(policy_is_degraded(&policy));
	ck_assert_int_eq(decision.again_at, now + POLICY_EARLY_MS);
	decision = decide(&policy, 0, 2, 2, decision.again_at);
	ck_assert(!policy_is_degraded(&policy));
	ck_assert_int_eq(decision.again_at, 0);
}
END_TEST

START_TEST(a_refused_fork_makes_the_pool_wait)
{
	struct policy policy = policy_of(4, 4, 0, 0);

	decide(&policy, 0, 0, 0, 1000);
	policy_refused(&policy, 1000);
	ck_assert_int_eq(decide(&policy, 0, 0, 0, 1001).start, 0);
	ck_assert_int_eq(decide(&policy, 0, 0, 0, 1000 + POLICY_DELAY_MS).start, 1);
	policy_refused(&policy, 2000);
	ck_assert_int_eq(decide(&policy, 0, 0, 0, 2000).again_at, 2000 + 2 * POLICY_DELAY_MS);
}
END_TEST

START_TEST(a_busy_dynamic_pool_grows_twice_as_fast_each_time_up_to_its_maximum)
{
	struct policy policy = policy_of(2, 16, 1, 16);
	int64_t now = 1000;
	int alive = decide(&policy, 0, 0, 0, now).start, expected[] = { 1, 2, 4, 7, 0 };

	ck_assert_int_eq(alive, 2);
	for (int i = 0; i < 5; i++) {
		int start = decide(&policy, 0, alive, 0, now).start;

		ck_assert_int_eq(start, expected[i]);
		ck_assert_int_eq(decide(&policy, start, alive, 0, now + 1).start, 0);
		alive += start;
		now += POLICY_GROW_EVERY_MS;
	}
	ck_assert_int_eq(alive, 16);
}
END_TEST

START_TEST(growth_stops_at_spare_max_and_begins_slowly_the_next_time)
{
	struct policy policy = policy_of(4, 64, 2, 3);
	int64_t now = 1000;

	decide(&policy, 0, 0, 0, now);
	for (int i = 0; i < 4; i++, now += POLICY_GROW_EVERY_MS)
		ck_assert_int_le(decide(&policy, 0, 8, 0, now).start, 3);
	ck_assert_int_eq(decide(&policy, 0, 11, 3, now).start, 0);
	now += POLICY_GROW_EVERY_MS;
	ck_assert_int_eq(decide(&policy, 0, 11, 1, now).start, 1);
}
END_TEST

START_TEST(a_quiet_dynamic_pool_shrinks_one_at_a_time_and_not_below_its_minimum)
{
	struct policy policy = policy_of(2, 16, 1, 4);
	int64_t now = 100000;

	ck_assert_int_eq(decide(&policy, 0, 10, 10, now).retire, 1);
	ck_assert_int_eq(decide(&policy, 0, 9, 9, now + 1).retire, 0);
	now += POLICY_SHRINK_EVERY_MS;
	ck_assert_int_eq(decide(&policy, 0, 9, 9, now).retire, 1);
	now += POLICY_SHRINK_EVERY_MS;
	ck_assert_int_eq(decide(&policy, 0, 4, 4, now).retire, 0);
	ck_assert_int_eq(decide(&policy, 0, 2, 2, now).retire, 0);
}
END_TEST

START_TEST(a_dynamic_pool_retires_no_busy_worker)
{
	struct policy policy = policy_of(2, 16, 1, 2);
	struct policy_counts counts = { .serving = 8, .idle = 0, .spare = 6 };

	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).retire, 0);
	counts.idle = 1;
	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).retire, 1);
}
END_TEST

START_TEST(a_dynamic_pool_asks_to_be_looked_at_again)
{
	struct policy policy = policy_of(2, 16, 1, 4);

	ck_assert_int_eq(decide(&policy, 0, 2, 2, 5000).again_at, 5000 + POLICY_SAMPLE_MS);
	ck_assert_int_eq(decide(&policy, 0, 2, 0, 6000).again_at, 6000 + POLICY_GROW_EVERY_MS);
}
END_TEST

START_TEST(ttin_and_ttou_move_the_range_within_limits)
{
	struct policy policy = policy_of(2, 4, 1, 1);

	ck_assert(policy_move(&policy, 1));
	ck_assert_int_eq(policy_lowest(&policy), 3);
	ck_assert_int_eq(policy_highest(&policy), 5);
	for (int i = 0; i < 100; i++)
		policy_move(&policy, 1);
	ck_assert_int_eq(policy_highest(&policy), 20);
	ck_assert(!policy_move(&policy, 1));
	for (int i = 0; i < 100; i++)
		policy_move(&policy, -1);
	ck_assert_int_eq(policy_lowest(&policy), 1);
	ck_assert_int_eq(policy_highest(&policy), 1);
	ck_assert(policy_move(&policy, 1));
	ck_assert_int_eq(policy_highest(&policy), 2);
}
END_TEST

START_TEST(a_static_pool_follows_ttou_even_when_all_are_busy)
{
	struct policy policy = policy_of(4, 4, 0, 0);

	policy_move(&policy, -1);
	ck_assert_int_eq(decide(&policy, 0, 4, 0, 1000).retire, 1);
	ck_assert_int_eq(decide(&policy, 0, 3, 0, 1001).retire, 0);
	policy_move(&policy, 1);
	ck_assert_int_eq(decide(&policy, 0, 3, 0, 1002).start, 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("policy");

	tcase_add_test(tcase, a_static_pool_is_filled_at_once_and_then_left_alone);
	tcase_add_test(tcase, a_worker_that_lived_is_replaced_at_once);
	tcase_add_test(tcase, a_whole_pool_killed_in_its_first_second_is_replaced_at_once);
	tcase_add_test(tcase, a_crash_loop_is_backed_off_exponentially_and_never_given_up);
	tcase_add_test(tcase, a_degraded_pool_tries_with_one_worker_until_one_is_ready);
	tcase_add_test(tcase, readiness_of_a_worker_from_before_the_failure_proves_nothing);
	tcase_add_test(tcase, a_pool_recovers_when_a_worker_lives);
	tcase_add_test(tcase, a_refused_fork_makes_the_pool_wait);
	tcase_add_test(tcase, a_busy_dynamic_pool_grows_twice_as_fast_each_time_up_to_its_maximum);
	tcase_add_test(tcase, growth_stops_at_spare_max_and_begins_slowly_the_next_time);
	tcase_add_test(tcase, a_quiet_dynamic_pool_shrinks_one_at_a_time_and_not_below_its_minimum);
	tcase_add_test(tcase, a_dynamic_pool_retires_no_busy_worker);
	tcase_add_test(tcase, a_dynamic_pool_asks_to_be_looked_at_again);
	tcase_add_test(tcase, ttin_and_ttou_move_the_range_within_limits);
	tcase_add_test(tcase, a_static_pool_follows_ttou_even_when_all_are_busy);
	return unit_main("policy", tcase);
}
