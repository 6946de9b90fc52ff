/* SPDX-License-Identifier: MIT */
/*
 * The master's deadlines: a sorted list, so setting one never needs memory. There are few (one or two for
 * each worker) and most are set further ahead than all others, which is found at once.
 * Pure: the time is passed in, in milliseconds of clock_ms(). Who waits for them is loop.c.
 */
#ifndef MASTER_DEADLINES_H
#define MASTER_DEADLINES_H

#include <stdint.h>
#include <sys/queue.h>

struct deadline {
	TAILQ_ENTRY(deadline) link;
	int64_t at; /* 0: not set */
	void (*fire)(void *owner, int64_t now);
	void *owner;
};

TAILQ_HEAD(deadlines, deadline);

void deadlines_init(struct deadlines *deadlines);
void deadline_init(struct deadline *deadline, void (*fire)(void *owner, int64_t now), void *owner);

/* Sets, or sets anew. at: not 0. */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at);
/* A deadline that is not set is fine. */
void deadline_clear(struct deadlines *deadlines, struct deadline *deadline);

/* When the first one is due; 0: none is set. */
int64_t deadlines_next(const struct deadlines *deadlines);
/*
 * Calls what is due, the earliest first; each is no longer set when it is called. What is set meanwhile
 * waits for the next run, even if it is due already: a deadline cannot hold up the loop.
 */
void deadlines_run(struct deadlines *deadlines, int64_t now);

#endif
