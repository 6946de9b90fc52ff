/* SPDX-License-Identifier: MIT */
#include "master/policy.h"

#include "unit.h"

#include <limits.h>

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

START_TEST(a_static_pool_is_filled_and_then_left_alone)
{
	struct policy policy = policy_of(64, 64, 0, 0);
	struct policy_decision decision = decide(&policy, 0, 0, 0, 1000);

	ck_assert_int_eq(decision.start, POLICY_FIRST);
	ck_assert_int_eq(decision.retire, 0);
	ck_assert_int_eq(decision.again_at, 1000 + POLICY_FIRST_MS);
	decision = decide(&policy, POLICY_FIRST, 0, 0, decision.again_at);
	ck_assert_int_eq(decision.start, 64 - POLICY_FIRST);
	ck_assert_int_eq(decision.again_at, 0);
	decision = decide(&policy, 64, 0, 0, 1006);
	ck_assert_int_eq(decision.start, 0);
	decision = decide(&policy, 0, 64, 64, 90000);
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.retire, 0);
	ck_assert_int_eq(decision.again_at, 0);
}
END_TEST

START_TEST(the_first_of_many_are_alone_for_a_moment)
{
	struct policy policy = policy_of(8, 8, 0, 0);

	ck_assert_int_eq(decide(&policy, 0, 4, 4, 1000).start, POLICY_FIRST);
	ck_assert_int_eq(decide(&policy, POLICY_FIRST, 0, 0, 1001).start, 0);
	ck_assert_int_eq(decide(&policy, POLICY_FIRST - 1, 1, 0, 1002).start, 1);
	ck_assert_int_eq(decide(&policy, 0, POLICY_FIRST, 0, 1003).start, POLICY_FIRST);
	/* Then all, also where the first ones serve by then, or there is no room for the others. */
	for (int i = 0; i < 3; i++) {
		struct policy_decision decision =
			decide(&policy, i % 2, POLICY_FIRST, 0, 1000 + POLICY_FIRST_MS + i);

		ck_assert_int_eq(decision.start, 8 - i % 2 - POLICY_FIRST);
		ck_assert_int_eq(decision.again_at, 0);
	}
	/* Nor are so few held back. */
	ck_assert_int_eq(decide(&policy, 0, 8, 8, 1500).start, 0);
	ck_assert_int_eq(decide(&policy, 0, 7, 7, 2000).start, 1);
	ck_assert_int_eq(decide(&policy, 1, 7, 7, 2000).again_at, 0);
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
	decide(&policy, 0, 16, 16, 1500);
	for (int i = 0; i < 16; i++)
		ck_assert(!policy_died(&policy, round, true, 900, 1900));
	ck_assert_int_eq(decide(&policy, 0, 0, 0, 1900).start, POLICY_FIRST);
	ck_assert_int_eq(decide(&policy, POLICY_FIRST, 0, 0, 1900 + POLICY_FIRST_MS).start,
			 16 - POLICY_FIRST);
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
	ck_assert_int_eq(decide(&policy, 0, 1, 1, now + 20).start, POLICY_FIRST);
	now += 20 + POLICY_FIRST_MS;
	ck_assert_int_eq(decide(&policy, POLICY_FIRST, 1, 1, now).start, 7 - POLICY_FIRST);
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

/* As that of a worker which said that it leaves, and then died young. */
START_TEST(a_pool_recovers_when_the_replacement_is_older_than_the_failure)
{
	struct policy policy = policy_of(2, 2, 0, 0);
	unsigned round;
	int64_t now;

	fail_round(&policy, 1000);
	round = policy.round;
	policy_died(&policy, round, true, 100, 1200);
	policy_ready(&policy, round, 1201);
	ck_assert(policy_is_degraded(&policy));
	now = decide(&policy, 0, 2, 2, 1201).again_at;
	ck_assert_int_eq(now, policy.retry_at);
	ck_assert(policy_is_degraded(&policy));
	now = decide(&policy, 0, 2, 2, now).again_at;
	ck_assert_int_eq(now, policy.retry_at + POLICY_EARLY_MS);
	ck_assert(policy_is_degraded(&policy));
	decide(&policy, 0, 2, 2, now);
	ck_assert(!policy_is_degraded(&policy));
}
END_TEST

/* Those that serve do not speak for those that are missing. */
START_TEST(a_pool_that_lacks_workers_stays_degraded)
{
	struct policy policy = policy_of(1, 8, 1, 2);
	struct policy_counts counts = { .serving = 2, .waiting = true };

	fail_round(&policy, fail_round(&policy, 1000));
	for (int64_t now = 2000; now < 60000; now += 10) {
		if (policy_decide(&policy, &counts, now).start)
			policy_died(&policy, policy.round, false, 1, now);
		ck_assert(policy_is_degraded(&policy));
	}
	counts = (struct policy_counts){ .serving = 2, .idle = 1, .spare = 1 };
	policy_decide(&policy, &counts, 100000);
	policy_decide(&policy, &counts, 100000 + POLICY_EARLY_MS);
	ck_assert(!policy_is_degraded(&policy));
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

START_TEST(a_quiet_dynamic_pool_is_left_alone_and_a_grown_one_looked_at)
{
	struct policy policy = policy_of(2, 16, 1, 4);

	ck_assert_int_eq(decide(&policy, 0, 2, 2, 5000).again_at, 0);
	ck_assert_int_eq(decide(&policy, 0, 2, 0, 6000).again_at, 6000 + POLICY_GROW_EVERY_MS);
	/* One of them is busy: when it has finished there is one too many, and nobody says so. */
	ck_assert_int_eq(decide(&policy, 0, 4, 3, 8000).again_at, 8000 + POLICY_LOOK_MS);
	ck_assert_int_eq(decide(&policy, 0, 4, 4, 9000).again_at, 0);
}
END_TEST

/* ---------------------------------------------------------------------------- on demand ---- */

START_TEST(a_pool_on_demand_starts_nobody_before_a_client_waits)
{
	struct policy policy = policy_of(0, 8, 0, 4);
	struct policy_counts counts = { 0 };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert(policy_is_on_demand(&policy));
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.again_at, 0);
	counts.waiting = true;
	ck_assert_int_eq(policy_decide(&policy, &counts, 2000).start, 1);
}
END_TEST

START_TEST(a_pool_on_demand_keeps_no_spare_worker)
{
	struct policy policy = policy_of(0, 8, 0, 4);

	ck_assert_int_eq(decide(&policy, 0, 3, 0, 1000).start, 0);
}
END_TEST

START_TEST(a_pool_on_demand_lets_rested_workers_go_one_after_another_down_to_none)
{
	struct policy policy = policy_of(0, 8, 0, 4);
	struct policy_counts counts = { .serving = 3, .idle = 3, .spare = 3, .next_at = 109000 };
	struct policy_decision decision = policy_decide(&policy, &counts, 100000);
	int64_t now = 109000;

	ck_assert_int_eq(decision.retire, 0);
	ck_assert_int_eq(decision.again_at, 109000);
	counts.next_at = 0;
	for (int n = 3; n > 0; n--) {
		counts.serving = counts.idle = counts.rested = counts.spare = n;
		decision = policy_decide(&policy, &counts, now);
		ck_assert_int_eq(decision.retire, 1);
		ck_assert(decision.only_idle);
		ck_assert_int_eq(policy_decide(&policy, &counts, now + 1).retire, 0);
		ck_assert_int_eq(decision.again_at, now + POLICY_SHRINK_EVERY_MS);
		now = decision.again_at;
	}
	counts = (struct policy_counts){ 0 };
	ck_assert_int_eq(policy_decide(&policy, &counts, now).again_at, 0);
}
END_TEST

START_TEST(rested_workers_stay_where_spare_ones_are_wanted)
{
	struct policy policy = policy_of(2, 8, 1, 4);
	struct policy_counts counts = { .serving = 3, .idle = 3, .rested = 3, .spare = 3 };

	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).retire, 0);
}
END_TEST

/* --------------------------------------------------------------------- growth by queue ---- */

START_TEST(waiting_clients_double_the_pool_as_soon_as_what_was_started_serves)
{
	struct policy policy = policy_of(0, 16, 0, 4);
	struct policy_counts counts = { .waiting = true };
	int expected[] = { 1, 2, 4, 8, 1, 0 };
	int64_t now = 1000;

	for (int i = 0; i < 6; i++, now += 12) {
		int start = policy_decide(&policy, &counts, now).start;

		ck_assert_int_eq(start, expected[i]);
		counts.starting = start;
		ck_assert_int_eq(policy_decide(&policy, &counts, now + 1).start, 0);
		counts.starting = 0;
		counts.serving += start;
		/* For a moment the new ones have room. */
		counts.waiting = false;
		counts.idle = counts.spare = start;
		ck_assert_int_eq(policy_decide(&policy, &counts, now + 2).start, 0);
		counts.waiting = true;
		counts.idle = counts.spare = 0;
	}
	ck_assert_int_eq(counts.serving, 16);
}
END_TEST

START_TEST(workers_that_start_slowly_are_not_waited_for)
{
	struct policy policy = policy_of(0, 8, 0, 4);
	struct policy_counts counts = { .waiting = true };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert_int_eq(decision.start, 1);
	counts.starting = 1;
	ck_assert_int_eq(policy_decide(&policy, &counts, 1050).start, 0);
	ck_assert_int_eq(policy_decide(&policy, &counts, 1000 + POLICY_GROW_EVERY_MS).start, 2);
}
END_TEST

START_TEST(growth_begins_slowly_again_after_a_while)
{
	struct policy policy = policy_of(0, 64, 0, 4);
	struct policy_counts counts = { .serving = 1, .waiting = true };

	for (int64_t now = 1000; now < 1050; now += 10)
		policy_decide(&policy, &counts, now);
	ck_assert_int_gt(policy_decide(&policy, &counts, 1060).start, 8);
	ck_assert_int_eq(policy_decide(&policy, &counts, 60000).start, 1);
}
END_TEST

START_TEST(waiting_clients_do_not_lift_the_maximum_or_the_back_off)
{
	struct policy policy = policy_of(1, 4, 1, 1);
	struct policy_counts counts = { .serving = 4, .waiting = true };
	int64_t now;

	ck_assert(!policy_can_grow(&policy, &counts, 1000));
	ck_assert_int_eq(policy_decide(&policy, &counts, 1000).start, 0);
	now = fail_round(&policy, fail_round(&policy, 2000));
	policy_died(&policy, policy.round, false, 1, now);
	counts.serving = 0;
	ck_assert(!policy_can_grow(&policy, &counts, now));
	ck_assert_int_eq(policy_decide(&policy, &counts, now).start, 0);
	ck_assert(policy_can_grow(&policy, &counts, policy.retry_at));
	ck_assert_int_eq(policy_decide(&policy, &counts, policy.retry_at).start, 1);
}
END_TEST

START_TEST(a_paused_pool_keeps_its_minimum_and_no_more)
{
	struct policy policy = policy_of(2, 8, 1, 2);
	struct policy_counts counts = { .serving = 1, .waiting = true, .paused = true };

	ck_assert_int_eq(policy_decide(&policy, &counts, 1000).start, 1);
	counts = (struct policy_counts){
		.serving = 6, .idle = 6, .spare = 6, .expired = 0, .paused = true
	};
	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).retire, 0);
	counts.idle = counts.spare = 0;
	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).start, 0);
	counts.serving = 9;
	ck_assert_int_eq(policy_decide(&policy, &counts, 100000).retire, 1);
}
END_TEST

/* ---------------------------------------------------------------------------- recycling ---- */

START_TEST(an_expired_worker_goes_when_its_replacement_serves)
{
	struct policy policy = policy_of(4, 4, 0, 0);
	struct policy_counts counts = { .serving = 4, .expired = 1 };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert_int_eq(decision.start, 1);
	ck_assert_int_eq(decision.recycle, 0);
	counts.starting = 1;
	decision = policy_decide(&policy, &counts, 1010);
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.recycle, 0);
	counts.starting = 0;
	counts.serving = 5;
	decision = policy_decide(&policy, &counts, 1020);
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.recycle, 1);
	ck_assert_int_eq(decision.retire, 0);
	counts = (struct policy_counts){ .serving = 4, .leaving = 1 };
	decision = policy_decide(&policy, &counts, 1030);
	ck_assert_int_eq(decision.start + decision.recycle + decision.retire, 0);
}
END_TEST

/* A pool of n of which all have expired at once: how many of the old ones are out of it at most, at any time. */
static int recycle_all(struct policy *policy, int n)
{
	struct policy_counts counts = { .serving = n, .expired = n };
	int most = 0;

	for (int64_t now = 1000; counts.expired && now < 1000000; now += 10) {
		struct policy_decision decision = policy_decide(policy, &counts, now);

		ck_assert_int_eq(decision.retire, 0);
		counts.serving += counts.starting - decision.recycle;
		counts.spare = counts.idle = counts.serving - counts.expired + decision.recycle;
		counts.starting = decision.start;
		counts.expired -= decision.recycle;
		/* They drain for a while. */
		counts.leaving = now % 50 ? counts.leaving + decision.recycle : 0;
		ck_assert_int_ge(counts.serving, n);
		most = counts.leaving + counts.starting > most ? counts.leaving + counts.starting
							       : most;
	}
	ck_assert_int_eq(counts.expired, 0);
	return most;
}

START_TEST(never_more_than_a_quarter_is_replaced_at_once)
{
	struct policy of_one = policy_of(1, 1, 0, 0), of_seven = policy_of(7, 7, 0, 0);
	struct policy of_sixteen = policy_of(16, 16, 0, 0);

	ck_assert_int_eq(recycle_all(&of_one, 1), 1);
	ck_assert_int_eq(recycle_all(&of_seven, 7), 1);
	ck_assert_int_eq(recycle_all(&of_sixteen, 16), 4);
}
END_TEST

START_TEST(a_dynamic_pool_recycles_too_and_keeps_its_spare)
{
	struct policy policy = policy_of(2, 16, 2, 4);
	struct policy_counts counts = { .serving = 4, .expired = 1, .idle = 3, .spare = 3 };

	/* The three others have enough room. */
	ck_assert_int_eq(policy_decide(&policy, &counts, 1000).recycle, 1);
	counts.idle = counts.spare = 1;
	ck_assert_int_eq(policy_decide(&policy, &counts, 2000).start, 1);
	ck_assert_int_eq(policy_decide(&policy, &counts, 2001).recycle, 0);
}
END_TEST

START_TEST(a_dynamic_pool_at_its_maximum_recycles_busy_workers)
{
	struct policy policy = policy_of(2, 4, 1, 2);
	struct policy_counts counts = { .serving = 4, .expired = 2, .waiting = true };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert_int_eq(decision.start, 1);
	ck_assert_int_eq(decision.recycle, 0);
	counts.serving = 5;
	ck_assert_int_eq(policy_decide(&policy, &counts, 1010).recycle, 1);
}
END_TEST

START_TEST(on_demand_an_expired_worker_is_replaced_before_it_goes)
{
	struct policy policy = policy_of(0, 8, 0, 4);
	struct policy_counts counts = { .serving = 1, .expired = 1 };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert_int_eq(decision.start, 1);
	ck_assert_int_eq(decision.recycle, 0);
	counts = (struct policy_counts){ .serving = 2, .expired = 1, .idle = 1, .spare = 1 };
	ck_assert_int_eq(policy_decide(&policy, &counts, 1010).recycle, 1);
}
END_TEST

START_TEST(a_degraded_pool_keeps_its_expired_workers)
{
	struct policy policy = policy_of(4, 4, 0, 0);
	struct policy_counts counts = { .serving = 4, .expired = 4 };
	int64_t now = 1000;

	ck_assert_int_eq(policy_decide(&policy, &counts, now).start, 1);
	for (int i = 0; i < 5; i++) {
		struct policy_decision decision;

		policy_died(&policy, policy.round, false, 1, now);
		decision = policy_decide(&policy, &counts, now);
		ck_assert_int_eq(decision.recycle + decision.retire, 0);
		ck_assert_int_eq(decision.start, i == 0);
		if (i)
			now = decision.again_at;
	}
	ck_assert(policy_is_degraded(&policy));
	ck_assert_int_eq(policy_decide(&policy, &counts, policy.retry_at).start, 1);
}
END_TEST

START_TEST(a_paused_pool_recycles_nobody)
{
	struct policy policy = policy_of(4, 4, 0, 0);
	struct policy_counts counts = { .serving = 4, .expired = 4, .paused = true };
	struct policy_decision decision = policy_decide(&policy, &counts, 1000);

	ck_assert_int_eq(decision.start + decision.recycle + decision.retire, 0);
}
END_TEST

START_TEST(ttou_takes_expired_workers_first)
{
	struct policy policy = policy_of(8, 8, 0, 0);
	struct policy_counts counts = { .serving = 8, .expired = 1, .idle = 7 };
	struct policy_decision decision;

	ck_assert(policy_move(&policy, -3));
	decision = policy_decide(&policy, &counts, 1000);
	ck_assert_int_eq(decision.start, 0);
	ck_assert_int_eq(decision.recycle, 1);
	ck_assert_int_eq(decision.retire, 2);
	ck_assert(!decision.only_idle);
}
END_TEST

START_TEST(the_time_of_the_next_expiry_is_waited_for)
{
	struct policy policy = policy_of(4, 4, 0, 0);
	struct policy_counts counts = { .serving = 4, .next_at = 7777 };

	ck_assert_int_eq(policy_decide(&policy, &counts, 1000).again_at, 7777);
}
END_TEST

START_TEST(lifetimes_are_spread_over_a_tenth)
{
	enum { LIFE = 3600000, BIN = LIFE / 10 / 8 };
	int bins[8] = { 0 };

	for (uint32_t pid = 4000; pid < 4064; pid++) {
		int64_t life = policy_lifetime(LIFE, pid);

		ck_assert_int_le(life, LIFE);
		ck_assert_int_gt(life, LIFE - LIFE / 10);
		bins[(LIFE - life) / BIN]++;
	}
	for (int i = 0; i < 8; i++)
		ck_assert_int_ge(bins[i], 4);
	ck_assert_int_gt(policy_lifetime(INT64_C(366) * 86400 * 1000, UINT32_MAX), 0);
	ck_assert_int_gt(policy_lifetime(1, UINT32_MAX), 0);
}
END_TEST

START_TEST(a_move_by_many_is_made_or_refused_as_a_whole)
{
	struct policy policy = policy_of(2, 4, 1, 1);

	ck_assert(!policy_move(&policy, 17));
	ck_assert(!policy_move(&policy, -4));
	ck_assert(!policy_move(&policy, INT_MAX));
	ck_assert(!policy_move(&policy, INT_MIN));
	ck_assert_int_eq(policy_highest(&policy), 4);
	ck_assert(policy_move(&policy, 16));
	ck_assert_int_eq(policy_lowest(&policy), 18);
	ck_assert_int_eq(policy_highest(&policy), 20);
	ck_assert(policy_move(&policy, -19));
	ck_assert_int_eq(policy_highest(&policy), 1);
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

	tcase_add_test(tcase, a_static_pool_is_filled_and_then_left_alone);
	tcase_add_test(tcase, the_first_of_many_are_alone_for_a_moment);
	tcase_add_test(tcase, a_worker_that_lived_is_replaced_at_once);
	tcase_add_test(tcase, a_whole_pool_killed_in_its_first_second_is_replaced_at_once);
	tcase_add_test(tcase, a_crash_loop_is_backed_off_exponentially_and_never_given_up);
	tcase_add_test(tcase, a_degraded_pool_tries_with_one_worker_until_one_is_ready);
	tcase_add_test(tcase, readiness_of_a_worker_from_before_the_failure_proves_nothing);
	tcase_add_test(tcase, a_pool_recovers_when_a_worker_lives);
	tcase_add_test(tcase, a_pool_recovers_when_the_replacement_is_older_than_the_failure);
	tcase_add_test(tcase, a_pool_that_lacks_workers_stays_degraded);
	tcase_add_test(tcase, a_refused_fork_makes_the_pool_wait);
	tcase_add_test(tcase, a_busy_dynamic_pool_grows_twice_as_fast_each_time_up_to_its_maximum);
	tcase_add_test(tcase, growth_stops_at_spare_max_and_begins_slowly_the_next_time);
	tcase_add_test(tcase, a_quiet_dynamic_pool_shrinks_one_at_a_time_and_not_below_its_minimum);
	tcase_add_test(tcase, a_dynamic_pool_retires_no_busy_worker);
	tcase_add_test(tcase, a_quiet_dynamic_pool_is_left_alone_and_a_grown_one_looked_at);
	tcase_add_test(tcase, a_pool_on_demand_starts_nobody_before_a_client_waits);
	tcase_add_test(tcase, a_pool_on_demand_keeps_no_spare_worker);
	tcase_add_test(tcase,
		       a_pool_on_demand_lets_rested_workers_go_one_after_another_down_to_none);
	tcase_add_test(tcase, rested_workers_stay_where_spare_ones_are_wanted);
	tcase_add_test(tcase, waiting_clients_double_the_pool_as_soon_as_what_was_started_serves);
	tcase_add_test(tcase, workers_that_start_slowly_are_not_waited_for);
	tcase_add_test(tcase, growth_begins_slowly_again_after_a_while);
	tcase_add_test(tcase, waiting_clients_do_not_lift_the_maximum_or_the_back_off);
	tcase_add_test(tcase, a_paused_pool_keeps_its_minimum_and_no_more);
	tcase_add_test(tcase, an_expired_worker_goes_when_its_replacement_serves);
	tcase_add_test(tcase, never_more_than_a_quarter_is_replaced_at_once);
	tcase_add_test(tcase, a_dynamic_pool_recycles_too_and_keeps_its_spare);
	tcase_add_test(tcase, a_dynamic_pool_at_its_maximum_recycles_busy_workers);
	tcase_add_test(tcase, on_demand_an_expired_worker_is_replaced_before_it_goes);
	tcase_add_test(tcase, a_degraded_pool_keeps_its_expired_workers);
	tcase_add_test(tcase, a_paused_pool_recycles_nobody);
	tcase_add_test(tcase, ttou_takes_expired_workers_first);
	tcase_add_test(tcase, the_time_of_the_next_expiry_is_waited_for);
	tcase_add_test(tcase, lifetimes_are_spread_over_a_tenth);
	tcase_add_test(tcase, a_move_by_many_is_made_or_refused_as_a_whole);
	tcase_add_test(tcase, ttin_and_ttou_move_the_range_within_limits);
	tcase_add_test(tcase, a_static_pool_follows_ttou_even_when_all_are_busy);
	return unit_main("policy", tcase);
}
