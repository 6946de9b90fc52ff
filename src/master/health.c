/* SPDX-License-Identifier: MIT */
/* The judgement over workers, as health.h says. */
#include "master/health.h"

#include "base/clock.h"

int64_t health_limit(const struct health_limits *limits)
{
	return limits->direct ? limits->request_ms : limits->stall_ms;
}

const char *health_limit_name(const struct health_limits *limits)
{
	return limits->direct ? "request" : "stall";
}

/* 0 or what is set first. */
static int64_t begin_of(const struct health_limits *limits, const struct health_facts *facts,
			int64_t now)
{
	int64_t since = facts->running_since;

	if (limits->direct && facts->request_since)
		since = facts->request_since;
	if (facts->stopped_since)
		since = facts->stopped_since;
	if (since <= 0 || since > now)
		return 0;
	return since < facts->fresh_since && facts->fresh_since <= now ? facts->fresh_since : since;
}

struct health health_judge(const struct health_limits *limits, const struct health_facts *facts,
			   int64_t now)
{
	struct health health = { .since = begin_of(limits, facts, now) };
	int64_t limit = health_limit(limits), slow = limits->slow_ms;
	int64_t age = now - health.since;

	if (!health.since)
		return health;
	if (limit && limits->direct)
		limit += HEALTH_GRACE_MS;
	if (facts->stopped_since)
		slow = 0; /* that has been said, and why */
	if (limit && age >= limit) {
		health.verdict = HEALTH_STUCK;
		return health;
	}
	if (slow && age >= slow) {
		health.verdict = HEALTH_SLOW;
		slow = 0;
	}
	health.again_at =
		clock_earlier(limit ? health.since + limit : 0, slow ? health.since + slow : 0);
	if (health.again_at && health.again_at < now + HEALTH_PACE_MS)
		health.again_at = now + HEALTH_PACE_MS;
	return health;
}

int64_t health_next_look(const struct health_limits *limits, int64_t now)
{
	int64_t pace = clock_earlier(health_limit(limits), limits->slow_ms) / 2;

	if (!health_limit(limits) && !limits->slow_ms)
		return 0;
	if (pace < HEALTH_PACE_MS)
		pace = HEALTH_PACE_MS;
	return (now / pace + 1) * pace;
}
