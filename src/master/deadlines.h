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

TAILQ_HEAD(deadline_list, deadline);

struct deadlines {
	struct deadline_list set; /* the earliest first */
	int64_t running;          /* the time of the run that is under way; 0: none */
};

void deadlines_init(struct deadlines *deadlines);
void deadline_init(struct deadline *deadline, void (*fire)(void *owner, int64_t now), void *owner);

/*
 * Sets, or sets anew. at: not 0. What is set by one that fires comes after this run, even if it is due
 * already: a deadline cannot hold up the loop.
 */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at);
/* A deadline that is not set is fine. */
void deadline_clear(struct deadlines *deadlines, struct deadline *deadline);

/* When the first one is due; 0: none is set. */
int64_t deadlines_next(const struct deadlines *deadlines);
/* Calls what is due, the earliest first; each is no longer set when it is called. */
void deadlines_run(struct deadlines *deadlines, int64_t now);

#endif
