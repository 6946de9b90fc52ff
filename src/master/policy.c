/* SPDX-License-Identifier: MIT */
/* The policy of a pool's size, as policy.h says. */
#include "master/policy.h"

#include "base/clock.h"

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int clamp(int value, int low, int high)
{
	return value < low ? low : least(value, high);
}

void policy_init(struct policy *policy, const struct policy_limits *limits)
{
	*policy = (struct policy){ .limits = *limits, .grow = 1 };
}

int policy_lowest(const struct policy *policy)
{
	const struct policy_limits *limits = &policy->limits;

	return clamp(limits->min + policy->offset, least(limits->min, 1), limits->most);
}

int policy_highest(const struct policy *policy)
{
	const struct policy_limits *limits = &policy->limits;

	return clamp(limits->max + policy->offset, 1, limits->most);
}

bool policy_move(struct policy *policy, int by)
{
	const struct policy_limits *limits = &policy->limits;
	int64_t highest = (int64_t)policy_highest(policy) + by;

	if (highest < 1 || highest > limits->most)
		return false;
	policy->offset = (int)highest - limits->max;
	return true;
}

bool policy_is_on_demand(const struct policy *policy)
{
	return policy->limits.spare_min == 0 && policy_lowest(policy) < policy_highest(policy);
}

bool policy_is_degraded(const struct policy *policy)
{
	return policy->failures > 1;
}

static void wait_longer(struct policy *policy, int64_t now)
{
	int64_t delay = POLICY_DELAY_MS;

	for (int i = 2; i < policy->failures && delay < POLICY_DELAY_MAX_MS; i++)
		delay *= 2;
	if (delay > POLICY_DELAY_MAX_MS)
		delay = POLICY_DELAY_MAX_MS;
	policy->retry_at = now + delay;
}

void policy_ready(struct policy *policy, unsigned round, int64_t now)
{
	if (round == policy->round && !policy->proven_at)
		policy->proven_at = now;
}

bool policy_died(struct policy *policy, unsigned round, bool was_ready, int64_t age, int64_t now)
{
	if (was_ready && age >= POLICY_EARLY_MS)
		return false;
	if (round != policy->round)
		return false;
	policy->round++;
	policy->failures++;
	policy->proven_at = 0;
	if (!policy_is_degraded(policy))
		return false;
	wait_longer(policy, now);
	return true;
}

void policy_refused(struct policy *policy, int64_t now)
{
	policy->round++;
	policy->failures = policy->failures < 2 ? 2 : policy->failures + 1;
	policy->proven_at = 0;
	wait_longer(policy, now);
}

/* How many of the wanted ones may be started now, after failures. */
static int hold_back(const struct policy *policy, const struct policy_counts *counts, int wanted,
		     int64_t now)
{
	if (!policy_is_degraded(policy))
		return wanted;
	if (now < policy->retry_at)
		return 0;
	if (policy->proven_at)
		return wanted;
	return counts->starting ? 0 : least(wanted, 1);
}

/*
 * How many of the missing ones, for a moment. Where a whole pool has died clients wait for the first
 * one, who would be ready later if all the others started beside it.
 */
static int first_few(struct policy *policy, const struct policy_counts *counts, int missing,
		     int64_t now)
{
	if (!missing)
		policy->first_until = 0;
	else if (!policy->first_until)
		policy->first_until = counts->starting ? now : now + POLICY_FIRST_MS;
	if (now >= policy->first_until)
		return missing;
	return clamp(POLICY_FIRST - counts->starting, 0, missing);
}

/* So many expired ones are not counted any more, and are replaced. */
static int replaced(const struct policy *policy, const struct policy_counts *counts)
{
	int size = clamp(counts->serving, policy_lowest(policy), policy_highest(policy));
	int quarter = size < 8 ? 1 : size / 4;

	if (counts->paused || counts->leaving >= quarter)
		return 0;
	return least(counts->expired, quarter - counts->leaving);
}

bool policy_can_grow(const struct policy *policy, const struct policy_counts *counts, int64_t now)
{
	int alive = counts->starting + counts->serving - replaced(policy, counts);

	return alive < policy_highest(policy) &&
	       (!policy_is_degraded(policy) || now >= policy->retry_at);
}

/* How much room there must be, in workers: an expired one needs another in its place before it goes. */
static int spare_needed(const struct policy *policy, const struct policy_counts *counts)
{
	int needed = policy->limits.spare_min;

	return needed < 1 && counts->expired ? 1 : needed;
}

static bool is_dynamic(const struct policy *policy)
{
	return policy_lowest(policy) < policy_highest(policy);
}

/*
 * Nobody is missing, so nobody will be started to prove that workers live: those that serve do. Else a replacement that was
 * started before the failure was counted, for one that was about to leave, would leave the pool degraded for ever.
 */
static bool is_whole(const struct policy *policy, const struct policy_counts *counts, int alive)
{
	if (counts->starting || !counts->serving || alive < policy_lowest(policy))
		return false;
	return !is_dynamic(policy) || alive >= policy_highest(policy) ||
	       (!counts->waiting && counts->spare >= spare_needed(policy, counts));
}

/* How many a dynamic pool of so many wants beyond its minimum. */
static int growth(struct policy *policy, const struct policy_counts *counts, int alive, int64_t now)
{
	int spare = counts->starting + counts->spare;
	int places = policy_highest(policy) - alive, wanted;

	if (counts->paused || places <= 0 ||
	    (!counts->waiting && spare >= spare_needed(policy, counts))) {
		if (now >= policy->grow_at)
			policy->grow = 1;
		return 0;
	}
	if (now > policy->grow_at + POLICY_GROW_EVERY_MS)
		policy->grow = 1;
	if (now < policy->grow_at && (!counts->waiting || counts->starting))
		return 0;
	wanted = least(policy->grow, places);
	if (!counts->waiting)
		wanted = least(wanted, policy->limits.spare_max - spare);
	if (wanted <= 0)
		return 0;
	policy->grow = least(policy->grow * 2, POLICY_GROW_MOST);
	policy->grow_at = now + POLICY_GROW_EVERY_MS;
	return wanted;
}

/* A dynamic pool's expired ones that others can stand in for. */
static int recyclable(const struct policy *policy, const struct policy_counts *counts)
{
	int above = counts->serving - policy_lowest(policy);

	if (!is_dynamic(policy) || above <= 0 || counts->waiting ||
	    counts->spare < spare_needed(policy, counts))
		return 0;
	return least(replaced(policy, counts), above);
}

/* A worker without a connection that is not needed. */
static bool has_surplus(const struct policy *policy, const struct policy_counts *counts)
{
	if (counts->serving <= policy_lowest(policy) || !counts->idle)
		return false;
	return counts->spare > policy->limits.spare_max ||
	       (policy_is_on_demand(policy) && counts->rested);
}

static void shrink(struct policy *policy, const struct policy_counts *counts, int64_t now,
		   struct policy_decision *decision)
{
	int above = counts->serving - policy_highest(policy);

	if (above > 0) {
		decision->recycle = least(above, counts->expired);
		decision->retire = above - decision->recycle;
		return;
	}
	decision->recycle = recyclable(policy, counts);
	if (decision->recycle || counts->paused || counts->waiting || counts->starting ||
	    !has_surplus(policy, counts) || now < policy->shrink_at)
		return;
	policy->shrink_at = now + POLICY_SHRINK_EVERY_MS;
	decision->retire = 1;
	decision->only_idle = true;
}

/*
 * What happens to a pool we are told of, but for two things: that a busy worker has become idle, which is
 * of interest while there are more than must be; and what only time brings.
 */
static int64_t ask_again_at(const struct policy *policy, const struct policy_counts *counts,
			    int64_t now)
{
	int64_t at = policy->retry_at > now ? policy->retry_at : 0;

	if (policy->failures && policy->proven_at)
		at = clock_earlier(at, policy->proven_at + POLICY_EARLY_MS);
	if (!counts->paused)
		at = clock_earlier(at, counts->next_at);
	if (counts->paused || !is_dynamic(policy))
		return at;
	if (policy->grow > 1 && policy->grow_at > now)
		at = clock_earlier(at, policy->grow_at);
	if (counts->serving > policy_lowest(policy) && has_surplus(policy, counts))
		at = clock_earlier(at, policy->shrink_at > now ? policy->shrink_at
							       : now + POLICY_SHRINK_EVERY_MS);
	else if ((counts->serving > policy_lowest(policy) && counts->idle < counts->serving) ||
		 counts->expired)
		at = clock_earlier(at, now + POLICY_LOOK_MS);
	return at;
}

struct policy_decision policy_decide(struct policy *policy, const struct policy_counts *counts,
				     int64_t now)
{
	struct policy_decision decision = { 0 };
	int alive = counts->starting + counts->serving - replaced(policy, counts);
	int missing, wanted, first;

	if (policy->failures && !policy->proven_at && now >= policy->retry_at &&
	    is_whole(policy, counts, alive))
		policy->proven_at = now;
	if (policy->proven_at && now - policy->proven_at >= POLICY_EARLY_MS) {
		policy->failures = 0;
		policy->retry_at = 0;
	}
	missing = policy_lowest(policy) - alive;
	if (missing > 0)
		wanted = missing;
	else
		wanted = is_dynamic(policy) ? growth(policy, counts, alive, now) : 0;
	wanted = hold_back(policy, counts, wanted, now);
	first = first_few(policy, counts, missing > 0 ? wanted : 0, now);
	decision.start = missing > 0 ? first : wanted;
	if (decision.start)
		policy->shrink_at = now + POLICY_SHRINK_EVERY_MS;
	else
		shrink(policy, counts, now, &decision);
	decision.again_at = ask_again_at(policy, counts, now);
	if (decision.start < wanted)
		decision.again_at = clock_earlier(decision.again_at, policy->first_until);
	return decision;
}

int64_t policy_lifetime(int64_t max_ms, uint32_t seed)
{
	/* Neighbouring numbers, such as process ids, are spread by the multiplication (Knuth). */
	int64_t part = seed * UINT32_C(2654435761) >> 16;

	return max_ms - max_ms * POLICY_JITTER_PERCENT / 100 * part / 65536;
}
