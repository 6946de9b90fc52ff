/* SPDX-License-Identifier: MIT */
/*
 * How many workers a pool should have now: the decision, apart from the forking and killing (pool.c).
 * Pure: it sees numbers and the time, in milliseconds of clock_ms(), and asks nobody.
 *
 * Sizing. A static pool has min == max workers. A dynamic one grows when less than spare_min workers' worth
 * of room is left, twice as fast each time, and shrinks by one idle worker at a time when there is more than spare_max.
 *
 * Back-off. Deaths are counted in rounds: the first worker that fails (dies before it was READY, or in
 * its first seconds) ends a round, and only the failure of one that was started after that ends the next;
 * a whole pool that is killed at once is one failure. The first replacements are immediate. From the second
 * round on the pool is degraded: it waits, doubling up to POLICY_DELAY_MAX_MS, and tries with one
 * worker until one is READY. It never gives up. A worker that lives ends it.
 */
#ifndef MASTER_POLICY_H
#define MASTER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	POLICY_EARLY_MS = 5000, /* a death before this age is a failure */
	POLICY_DELAY_MS = 250,
	POLICY_DELAY_MAX_MS = 30000,
	POLICY_GROW_EVERY_MS = 100,
	POLICY_GROW_MOST = 32,
	POLICY_SHRINK_EVERY_MS = 1000,
	POLICY_SAMPLE_MS = 250, /* how often a dynamic pool is looked at */
};

struct policy_limits {
	int min, max;
	int spare_min, spare_max;
	int most; /* what TTIN can raise max to */
};

struct policy {
	struct policy_limits limits;
	int offset;        /* moved by TTIN and TTOU */
	unsigned round;    /* number of failures that counted */
	int failures;      /* the same, in a row */
	int64_t retry_at;  /* no start before; 0: any time */
	int64_t proven_at; /* a worker of this round was READY; 0: none */
	int grow;          /* how many to start next time */
	int64_t grow_at, shrink_at;
};

struct policy_counts {
	int starting; /* alive, not accepting yet */
	int serving;
	int idle;  /* of those: without a connection */
	int spare; /* room that is left in all of them, in workers */
};

struct policy_decision {
	int start;
	int retire;
	int64_t again_at; /* ask again then, even when nothing happens; 0: need not */
};

void policy_init(struct policy *policy, const struct policy_limits *limits);

/* How many there must be at least: those that a new generation starts with. */
int policy_lowest(const struct policy *policy);
int policy_highest(const struct policy *policy);
/* One more (1) or one fewer (-1). False: the limit is reached, nothing changed. */
bool policy_move(struct policy *policy, int by);

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

#endif
