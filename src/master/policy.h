/* SPDX-License-Identifier: MIT */
/*
 * How many workers a pool should have now: the decision, apart from the forking and killing (pool.c).
 * Pure: it sees numbers and the time, in milliseconds of clock_ms(), and asks nobody.
 *
 * Sizing. A static pool has min == max workers. A dynamic one grows when less than spare_min workers' worth
 * of room is left, or when clients wait and nobody takes them (queue.h), twice as fast each time. It shrinks by one idle
 * worker at a time when there is more than spare_max; where spare_min is 0, also by those that were idle for long,
 * down to min, which may be 0: on demand. Of those that are missing POLICY_FIRST start alone, the others POLICY_FIRST_MS
 * later; until none is missing there are no other first ones.
 *
 * Recycling. An expired worker serves on, but is not counted as one that the pool needs, so another is
 * started; once that serves, the expired one may go. At most a quarter of the pool, or one, is on
 * this way at once. A pool that cannot start workers keeps its expired ones.
 *
 * Back-off. Deaths are counted in rounds: the first worker that fails (dies before it was READY, or in
 * its first seconds) ends a round, and only the failure of one that was started after that ends the next;
 * a whole pool that is killed at once is one failure. The first replacements are immediate. From the second
 * round on the pool is degraded: it waits, doubling up to POLICY_DELAY_MAX_MS, and tries with one
 * worker until one is READY. It never gives up. A worker that lives ends it, and so does a pool that lacks none.
 */
#ifndef MASTER_POLICY_H
#define MASTER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	POLICY_EARLY_MS = 5000, /* a death before this age is a failure */
	POLICY_DELAY_MS = 250,
	POLICY_DELAY_MAX_MS = 30000,
	POLICY_FIRST = 2,           /* of those that are missing so many start at once, */
	POLICY_FIRST_MS = 5,        /* for so long */
	POLICY_GROW_EVERY_MS = 100, /* sooner when clients wait and what was started serves */
	POLICY_GROW_MOST = 32,
	POLICY_SHRINK_EVERY_MS = 1000,
	POLICY_LOOK_MS = 1000,  /* how often a grown pool with busy workers is looked at */
	POLICY_IDLE_MS = 10000, /* an idle worker above spare_min 0 goes after this */
	POLICY_JITTER_PERCENT = 10
};

struct policy_limits {
	int min, max;
	int spare_min, spare_max;
	int most; /* what TTIN can raise max to */
};

struct policy {
	struct policy_limits limits;
	int offset;        /* moved by TTIN, TTOU, `workers` */
	unsigned round;    /* number of failures that counted */
	int failures;      /* the same, in a row */
	int64_t retry_at;  /* no start before; 0: any time */
	int64_t proven_at; /* a worker of this round was READY, or none was missing; 0: not yet */
	int64_t first_until; /* the first of those that are missing are alone until then; 0: none is missing */
	int grow;            /* how many to start next time */
	int64_t grow_at, shrink_at;
};

struct policy_counts {
	int starting; /* alive, not accepting yet */
	int serving;
	int expired;     /* of those that serve: should be replaced */
	int leaving;     /* replaced ones that still drain */
	int idle;        /* serving, not expired, without a connection */
	int rested;      /* of those: for POLICY_IDLE_MS */
	int spare;       /* room that is left in those that serve and are not expired, in workers */
	bool waiting;    /* clients wait in the queue, and nobody takes them */
	bool paused;     /* nobody is to accept */
	int64_t next_at; /* when the next worker expires or has rested; 0: none does */
};

struct policy_decision {
	int start;
	int retire;       /* so many that are not expired */
	int recycle;      /* so many that are */
	bool only_idle;   /* retire: only such as have no connection */
	int64_t again_at; /* ask again then, even when nothing happens; 0: need not */
};

void policy_init(struct policy *policy, const struct policy_limits *limits);

/* How many there must be at least: those that a new generation starts with. */
int policy_lowest(const struct policy *policy);
int policy_highest(const struct policy *policy);
/* More (above 0) or fewer, both ends of a range. False: that is beyond the limits, nothing changed. */
bool policy_move(struct policy *policy, int by);
/* It starts workers only for clients, and lets the last idle one go. */
bool policy_is_on_demand(const struct policy *policy);

/* More can be started, if they are needed, now. */
bool policy_can_grow(const struct policy *policy, const struct policy_counts *counts, int64_t now);
struct policy_decision policy_decide(struct policy *policy, const struct policy_counts *counts,
				     int64_t now);

/* A worker is READY; round: policy->round when it was started. */
void policy_ready(struct policy *policy, unsigned round, int64_t now);
/*
 * A worker died that had not been told to. age: since its start. True when this failure counted and made
 * the pool wait: retry_at says until when.
 */
bool policy_died(struct policy *policy, unsigned round, bool was_ready, int64_t age, int64_t now);
/* The system refused to start one (no process, descriptor, memory): the pool waits. */
void policy_refused(struct policy *policy, int64_t now);

bool policy_is_degraded(const struct policy *policy);

/*
 * At what age a worker expires by max-lifetime: up to POLICY_JITTER_PERCENT earlier, by any number that differs
 * from worker to worker, so that those that started together do not go together.
 */
int64_t policy_lifetime(int64_t max_ms, uint32_t seed);

#endif
