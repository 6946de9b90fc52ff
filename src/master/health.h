/* SPDX-License-Identifier: MIT */
/*
 * Whether a worker is well: the decision, apart from what is done about it (watch.c). Pure: it sees times in
 * milliseconds of clock_ms(), which a worker may have written, and asks nobody.
 *
 * A multiplexed worker is stuck when one turn of its loop takes longer than the stall limit: its other
 * clients wait. A direct one has a single client and may take its time: it is stuck when its request takes longer than the
 * request limit, and a moment, because it ends such requests itself wherever it waits. Of a handler that
 * announces no requests the time since its last wait counts. A stopped worker is judged by the time it was stopped for.
 */
#ifndef MASTER_HEALTH_H
#define MASTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HEALTH_GRACE_MS = 1000, /* for a direct worker to end its request itself */
	HEALTH_PACE_MS = 20     /* no look follows sooner, whatever a slot says */
};

struct health_limits {
	bool direct;
	int64_t stall_ms, request_ms, slow_ms; /* 0: none */
};

struct health_facts {
	int64_t running_since, request_since; /* from its slot; 0: none */
	int64_t stopped_since;                /* 0: it is not stopped */
	int64_t fresh_since; /* what lies before is not held against it: its start, its CONT */
};

enum health_verdict { HEALTH_WELL, HEALTH_SLOW, HEALTH_STUCK };

struct health {
	enum health_verdict verdict;
	int64_t since;    /* when that began which takes so long; 0: nothing is going on */
	int64_t again_at; /* the verdict gets worse then, if nothing changes; 0: it cannot */
};

/* The limit whose passing makes a worker stuck, 0: there is none; and its name. */
int64_t health_limit(const struct health_limits *limits);
const char *health_limit_name(const struct health_limits *limits);

struct health health_judge(const struct health_limits *limits, const struct health_facts *facts,
			   int64_t now);

/*
 * When to look at the workers of a pool again though nothing is going on there now: half of its shortest
 * limit from now, so what begins meanwhile is seen before a limit of its own can pass; at a multiple of that, so
 * that pools with the same limits wake the master together. 0: there are no limits.
 */
int64_t health_next_look(const struct health_limits *limits, int64_t now);

#endif
