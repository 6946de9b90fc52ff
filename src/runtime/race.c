/* SPDX-License-Identifier: MIT */
/* The order and the times of connection attempts, as race.h says. */
#include "runtime/race.h"

#include <string.h>

void race_init(struct race *race)
{
	memset(race, 0, sizeof(*race));
}

static bool has(const struct race *race, enum race_family family, const struct address *address)
{
	for (size_t i = 0; i < race->n[family]; i++)
		if (address_equal(&race->address[family][i], address))
			return true;
	return false;
}

void race_answer(struct race *race, enum race_family family, const struct address *address,
		 size_t n, int64_t now)
{
	race->answered[family] = true;
	for (size_t i = 0; i < n && race->n[family] < RACE_ADDRESSES_MAX; i++)
		if (!has(race, family, &address[i]))
			race->address[family][race->n[family]++] = address[i];
	if (race->begun)
		return;
	/* Section 3: IPv6 is used at once, and so is IPv4 when it is known that there is no IPv6. */
	if (race->answered[RACE_IPV6])
		race->next_at = 0;
	else if (race->n[RACE_IPV4])
		race->next_at = now + RACE_RESOLUTION_MS;
}

void race_failed(struct race *race)
{
	race->next_at = 0;
}

static bool is_left(const struct race *race, enum race_family family)
{
	return race->tried[family] < race->n[family];
}

const struct address *race_next(struct race *race, int64_t now)
{
	/* Section 4 with a First Address Family Count of 1: the families take turns. */
	enum race_family family = race->begun && race->last == RACE_IPV6 ? RACE_IPV4 : RACE_IPV6;

	if (now < race->next_at)
		return NULL;
	if (!is_left(race, family))
		family = family == RACE_IPV6 ? RACE_IPV4 : RACE_IPV6;
	if (!is_left(race, family))
		return NULL;
	race->begun = true;
	race->last = family;
	race->next_at = now + RACE_ATTEMPT_MS;
	return &race->address[family][race->tried[family]++];
}

int64_t race_due(const struct race *race)
{
	return is_left(race, RACE_IPV6) || is_left(race, RACE_IPV4) ? race->next_at : 0;
}

bool race_is_over(const struct race *race)
{
	return race->answered[RACE_IPV6] && race->answered[RACE_IPV4] &&
	       !is_left(race, RACE_IPV6) && !is_left(race, RACE_IPV4);
}
