/* SPDX-License-Identifier: MIT */
/* Deadlines, as deadlines.h says. */
#include "master/deadlines.h"

#include <bsd/sys/queue.h>
#include <stddef.h>

void deadlines_init(struct deadlines *deadlines)
{
	TAILQ_INIT(&deadlines->set);
	deadlines->running = 0;
}

void deadline_init(struct deadline *deadline, void (*fire)(void *owner, int64_t now), void *owner)
{
	deadline->at = 0;
	deadline->fire = fire;
	deadline->owner = owner;
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at)
{
	struct deadline *before;

	deadline_clear(deadlines, deadline);
	deadline->at = at > deadlines->running ? at : deadlines->running + 1;
	TAILQ_FOREACH_REVERSE(before, &deadlines->set, deadline_list, link)
	{
		if (before->at <= deadline->at)
			break;
	}
	if (before)
		TAILQ_INSERT_AFTER(&deadlines->set, before, deadline, link);
	else
		TAILQ_INSERT_HEAD(&deadlines->set, deadline, link);
}

void deadline_clear(struct deadlines *deadlines, struct deadline *deadline)
{
	if (!deadline->at)
		return;
	TAILQ_REMOVE(&deadlines->set, deadline, link);
	deadline->at = 0;
}

int64_t deadlines_next(const struct deadlines *deadlines)
{
	const struct deadline *first = TAILQ_FIRST(&deadlines->set);

	return first ? first->at : 0;
}

void deadlines_run(struct deadlines *deadlines, int64_t now)
{
	struct deadline *deadline;

	deadlines->running = now;
	while ((deadline = TAILQ_FIRST(&deadlines->set)) && deadline->at <= now) {
		deadline_clear(deadlines, deadline);
		deadline->fire(deadline->owner, now);
	}
	deadlines->running = 0;
}
