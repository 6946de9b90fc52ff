/* SPDX-License-Identifier: MIT */
#include "master/health.h"

#include "unit.h"

enum { NOW = 1000000 };

static const struct health_limits multiplexed = { .stall_ms = 10000, .request_ms = 500 };
static const struct health_limits direct = { .direct = true, .stall_ms = 10, .request_ms = 5000 };

static struct health judge(const struct health_limits *limits, struct health_facts facts)
{
	return health_judge(limits, &facts, NOW);
}

START_TEST(who_waits_is_well)
{
	struct health health = judge(&multiplexed, (struct health_facts){ 0 });

	ck_assert_int_eq(health.verdict, HEALTH_WELL);
	ck_assert_int_eq(health.since, 0);
	ck_assert_int_eq(health.again_at, 0);
}
END_TEST

START_TEST(a_multiplexed_worker_is_stuck_by_its_turn)
{
	struct health_facts facts = { .running_since = NOW - 9999, .request_since = 1 };
	struct health health = judge(&multiplexed, facts);

	ck_assert_int_eq(health.verdict, HEALTH_WELL);
	ck_assert_int_eq(health.since, NOW - 9999);
	/* 1 ms is left, but looks keep their pace. */
	ck_assert_int_eq(health.again_at, NOW + HEALTH_PACE_MS);
	facts.running_since = NOW - 4000;
	ck_assert_int_eq(judge(&multiplexed, facts).again_at, NOW + 6000);
	facts.running_since = NOW - 10000;
	ck_assert_int_eq(judge(&multiplexed, facts).verdict, HEALTH_STUCK);
}
END_TEST

START_TEST(a_direct_worker_is_stuck_by_its_request_and_a_moment)
{
	struct health_facts facts = { .running_since = NOW - 10,
				      .request_since = NOW - 5000 - HEALTH_GRACE_MS + 100 };

	ck_assert_int_eq(judge(&direct, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&direct, facts).again_at, NOW + 100);
	facts.request_since -= 100;
	ck_assert_int_eq(judge(&direct, facts).verdict, HEALTH_STUCK);
	/* One whose handler announces no request. */
	facts = (struct health_facts){ .running_since = NOW - 6000 };
	ck_assert_int_eq(judge(&direct, facts).verdict, HEALTH_STUCK);
}
END_TEST

START_TEST(without_limits_nobody_is_ever_stuck)
{
	static const struct health_limits none = { 0 }, none_direct = { .direct = true };
	struct health_facts facts = { .running_since = 1, .request_since = 1, .stopped_since = 1 };

	ck_assert_int_eq(judge(&none, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&none_direct, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&none, facts).again_at, 0);
	ck_assert_int_eq(health_next_look(&none, NOW), 0);
	ck_assert_int_eq(health_next_look(&none_direct, NOW), 0);
}
END_TEST

START_TEST(slow_comes_before_stuck)
{
	static const struct health_limits limits = { .stall_ms = 10000, .slow_ms = 3000 };
	struct health_facts facts = { .running_since = NOW - 2000 };

	ck_assert_int_eq(judge(&limits, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&limits, facts).again_at, NOW + 1000);
	facts.running_since = NOW - 3000;
	ck_assert_int_eq(judge(&limits, facts).verdict, HEALTH_SLOW);
	ck_assert_int_eq(judge(&limits, facts).again_at, NOW + 7000);
	facts.running_since = NOW - 10000;
	ck_assert_int_eq(judge(&limits, facts).verdict, HEALTH_STUCK);
}
END_TEST

START_TEST(slow_alone_needs_no_other_limit)
{
	static const struct health_limits limits = { .direct = true, .slow_ms = 3000 };
	struct health_facts facts = { .request_since = NOW - 60000 };

	ck_assert_int_eq(judge(&limits, facts).verdict, HEALTH_SLOW);
	ck_assert_int_eq(judge(&limits, facts).again_at, 0);
}
END_TEST

START_TEST(a_stopped_worker_is_judged_by_its_stop)
{
	struct health_facts facts = { .running_since = NOW - 60000, .stopped_since = NOW - 9000 };

	ck_assert_int_eq(judge(&multiplexed, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&multiplexed, facts).again_at, NOW + 1000);
	facts = (struct health_facts){ .stopped_since = NOW - 10000 };
	ck_assert_int_eq(judge(&multiplexed, facts).verdict, HEALTH_STUCK);
}
END_TEST

START_TEST(a_stopped_worker_is_never_slow)
{
	static const struct health_limits limits = { .slow_ms = 1 };
	struct health_facts facts = { .running_since = 1, .stopped_since = NOW - 10 };

	ck_assert_int_eq(judge(&limits, facts).verdict, HEALTH_WELL);
}
END_TEST

START_TEST(what_was_before_it_went_on_is_not_held_against_it)
{
	struct health_facts facts = { .running_since = NOW - 60000, .fresh_since = NOW - 100 };

	ck_assert_int_eq(judge(&multiplexed, facts).verdict, HEALTH_WELL);
	ck_assert_int_eq(judge(&multiplexed, facts).since, NOW - 100);
}
END_TEST

START_TEST(times_that_are_none_are_survived)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, NOW + 1, INT64_MAX };

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct health_facts facts = { .running_since = times[i],
					      .request_since = times[i] };

		ck_assert_int_eq(judge(&multiplexed, facts).verdict, HEALTH_WELL);
		ck_assert_int_eq(judge(&direct, facts).verdict, HEALTH_WELL);
		facts.fresh_since = times[i];
		facts.running_since = facts.request_since = NOW - 100;
		ck_assert_int_eq(judge(&multiplexed, facts).since, NOW - 100);
	}
}
END_TEST

START_TEST(looks_come_before_any_limit_can_pass_unseen)
{
	struct health_limits limits = { .stall_ms = 10000 };
	int64_t at = health_next_look(&limits, NOW);

	ck_assert_int_gt(at, NOW);
	ck_assert_int_le(at, NOW + 5000);
	ck_assert_int_eq(at % 5000, 0);
	limits.slow_ms = 1000;
	ck_assert_int_le(health_next_look(&limits, NOW), NOW + 500);
	limits.slow_ms = 1;
	ck_assert_int_ge(health_next_look(&limits, NOW - 1), NOW);
	/* That of the other kind of worker does not count. */
	limits = (struct health_limits){ .direct = true, .stall_ms = 10, .request_ms = 4000 };
	ck_assert_int_eq(health_next_look(&limits, NOW) % 2000, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("health");

	tcase_add_test(tcase, who_waits_is_well);
	tcase_add_test(tcase, a_multiplexed_worker_is_stuck_by_its_turn);
	tcase_add_test(tcase, a_direct_worker_is_stuck_by_its_request_and_a_moment);
	tcase_add_test(tcase, without_limits_nobody_is_ever_stuck);
	tcase_add_test(tcase, slow_comes_before_stuck);
	tcase_add_test(tcase, slow_alone_needs_no_other_limit);
	tcase_add_test(tcase, a_stopped_worker_is_judged_by_its_stop);
	tcase_add_test(tcase, a_stopped_worker_is_never_slow);
	tcase_add_test(tcase, what_was_before_it_went_on_is_not_held_against_it);
	tcase_add_test(tcase, times_that_are_none_are_survived);
	tcase_add_test(tcase, looks_come_before_any_limit_can_pass_unseen);
	return unit_main("health", tcase);
}
