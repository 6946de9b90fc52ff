/* SPDX-License-Identifier: MIT */
/* Active checks; see health.h. */
#include "services/http/gateway/health.h"

#include "services/http/hash.h"

/* 0 to below the limit, which is 1 at least. */
static int64_t draw(struct health_check *check, int64_t limit)
{
	check->random = hash_mix(check->random, 1);
	return (int64_t)((check->random >> 1) % (uint64_t)limit);
}

void health_init(struct health_check *check, const struct health_rules *rules, int64_t now,
		 uint64_t seed)
{
	*check = (struct health_check){ .rules = rules, .random = seed };
	check->next_at = now + draw(check, rules->every_ms);
}

int64_t health_wait(const struct health_check *check, int64_t now)
{
	return check->next_at > now ? check->next_at - now : 0;
}

void health_begin(struct health_check *check, int64_t now)
{
	int64_t every = check->rules->every_ms, tenth = every / 10;

	check->next_at = now + every - tenth + draw(check, 2 * tenth + 1);
}

static bool is_good(const struct health_rules *rules, int status)
{
	if (rules->status)
		return status == rules->status;
	return status >= 200 && status <= 399;
}

enum health_change health_end(struct health_check *check, int status)
{
	const struct health_rules *rules = check->rules;

	if (is_good(rules, status) != check->ill) {
		check->streak = 0;
		return HEALTH_SAME;
	}
	if (++check->streak < (check->ill ? rules->rise : rules->fall))
		return HEALTH_SAME;
	check->streak = 0;
	check->ill = !check->ill;
	return check->ill ? HEALTH_ILL : HEALTH_WELL_AGAIN;
}
