/* SPDX-License-Identifier: MIT */
/* The policy of a pool's size, as policy.h says. */
#include "master/policy.h"

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
	int highest = policy_highest(policy);

	policy->offset += by;
	if (policy_highest(policy) != highest)
		return true;
	policy->offset -= by;
	return false;
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

/* How many a dynamic pool wants beyond its minimum. */
static int growth(struct policy *policy, const struct policy_counts *counts, int64_t now)
{
	const struct policy_limits *limits = &policy->limits;
	int alive = counts->starting + counts->serving;
	int spare = counts->starting + counts->spare;
	int wanted;

	if (now < policy->grow_at)
		return 0;
	if (spare >= limits->spare_min || alive >= policy_highest(policy)) {
		policy->grow = 1;
		return 0;
	}
	wanted = least(policy->grow, policy_highest(policy) - alive);
	wanted = least(wanted, limits->spare_max - spare);
	if (wanted <= 0)
		return 0;
	policy->grow = least(policy->grow * 2, POLICY_GROW_MOST);
	policy->grow_at = now + POLICY_GROW_EVERY_MS;
	return wanted;
}

static int shrinkage(struct policy *policy, const struct policy_counts *counts, int64_t now)
{
	if (counts->serving > policy_highest(policy))
		return counts->serving - policy_highest(policy);
	if (counts->serving <= policy_lowest(policy) || counts->starting || !counts->idle)
		return 0;
	if (counts->spare <= policy->limits.spare_max || now < policy->shrink_at)
		return 0;
	policy->shrink_at = now + POLICY_SHRINK_EVERY_MS;
	return 1;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static int64_t ask_again_at(const struct policy *policy, int64_t now)
{
	int64_t at = 0;

	if (policy->retry_at > now)
		at = policy->retry_at;
	if (policy->failures && policy->proven_at)
		at = earlier(at, policy->proven_at + POLICY_EARLY_MS);
	if (policy_lowest(policy) < policy_highest(policy))
		at = earlier(at, policy->grow_at > now ? policy->grow_at : now + POLICY_SAMPLE_MS);
	return at;
}

struct policy_decision policy_decide(struct policy *policy, const struct policy_counts *counts,
				     int64_t now)
{
	struct policy_decision decision = { 0 };
	int alive = counts->starting + counts->serving;
	int wanted;

	if (policy->proven_at && now - policy->proven_at >= POLICY_EARLY_MS) {
		policy->failures = 0;
		policy->retry_at = 0;
	}
	wanted = policy_lowest(policy) - alive;
	if (wanted < 0)
		wanted = 0;
	if (!wanted && policy_lowest(policy) < policy_highest(policy))
		wanted = growth(policy, counts, now);
	decision.start = hold_back(policy, counts, wanted, now);
	if (decision.start)
		policy->shrink_at = now + POLICY_SHRINK_EVERY_MS;
	else
		decision.retire = shrinkage(policy, counts, now);
	decision.again_at = ask_again_at(policy, now);
	return decision;
}
