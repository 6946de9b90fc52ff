/* SPDX-License-Identifier: MIT */
/*
 * Whether clients wait in a pool's queue and nobody takes them; and whether that is for good: the pool is
 * full. Pure: what is seen and the time (milliseconds of clock_ms()) are passed in. Who watches the listeners is
 * queue_watch.h, who acts on it is pool_size.c.
 *
 *     OFF --> WATCHED --> WOKEN -- taken, or a worker has room --> RESTING --> WATCHED
 *                           ^  \-- nobody takes it --> WAITING -- taken --> RESTING
 *                           \------ a worker has room ----/
 *
 * The listeners are watched for one event. It says that a client has come, nothing else: mostly a worker takes
 * it. So we look a moment later, and then leave the listeners alone for a while: under any load the
 * master wakes up a few times a second, without clients never.
 */
#ifndef MASTER_QUEUE_H
#define MASTER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	QUEUE_MOMENT_MS = 5,      /* a worker that has room takes a client within this */
	QUEUE_PACE_MS = 10,       /* between looks while clients wait for workers that start */
	QUEUE_REST_MS = 100,      /* between watches; between looks while nothing can be done */
	QUEUE_FULL_MS = 100,      /* full is who could not take clients for so long */
	QUEUE_FULL_LOOK_MS = 250, /* between looks while it is full */
	QUEUE_FREE_MS = 1000      /* full ends after so long without */
};

enum queue_state {
	QUEUE_OFF = 0,
	QUEUE_WATCHED, /* until a client comes */
	QUEUE_WOKEN,   /* one came */
	QUEUE_WAITING, /* nobody takes it */
	QUEUE_RESTING
};

struct queue {
	enum queue_state state;
	int64_t at; /* look again then; 0: when something happens */
	int64_t waiting_since;
	int64_t full_since; /* 0: not full */
	int64_t full_seen;  /* the last time */
};

struct queue_facts {
	bool woken;    /* the watch has fired */
	bool readable; /* a client waits now; of interest only if queue_asks */
	int starting, serving;
	bool room;     /* one that serves could take a client */
	bool can_grow; /* more can be started */
	bool refusing; /* a worker refuses those who come: the queue is always empty */
};

/* It has to be told, in `readable`, whether somebody waits now. */
bool queue_asks(const struct queue *queue, bool woken);
/*
 * Goes on. In the state WATCHED the listeners are to be watched for one event, until it comes. True: a client has waited
 * for a moment though a worker has room: perhaps it was woken for this one and died, so one should look.
 */
bool queue_turn(struct queue *queue, const struct queue_facts *facts, int64_t now);
/* Nobody is to look any more: WATCHED follows with the next turn. It is not full. */
void queue_stop(struct queue *queue);
/* What watched the listeners is gone (after an upgrade): they are watched anew after a rest. */
void queue_rest(struct queue *queue, int64_t now);
/* When queue_turn is to be called even if nothing happens; 0: never. */
int64_t queue_next(const struct queue *queue, int64_t now);

static inline bool queue_is_waiting(const struct queue *queue)
{
	return queue->state == QUEUE_WAITING;
}

static inline bool queue_is_full(const struct queue *queue)
{
	return queue->full_since != 0;
}

#endif
