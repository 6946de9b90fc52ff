/* SPDX-License-Identifier: MIT */
/*
 * One worker as the master sees it: forked, spoken to over its socketpair, ended. How many there are is
 * decided by pool.c; that one has died is noticed by reap.c. What a worker does is none of the master's business.
 */
#ifndef MASTER_WORKER_H
#define MASTER_WORKER_H

#include "base/contract.h"
#include "master/loop.h"
#include "master/slot_view.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;

enum worker_phase {
	WORKER_NONE = 0, /* nobody in this slot */
	WORKER_STARTING, /* forked */
	WORKER_READY,    /* waits for GO */
	WORKER_SERVING,
	WORKER_ENDING /* told to drain, or signalled by us */
};

struct worker {
	struct pool *pool;
	int number; /* from 1 on: slot number - 1 */
	bool refuses; /* its place is that of the one that refuses clients: the policy counts it not */
	enum worker_phase phase;
	pid_t pid;
	struct source control;
	struct deadline deadline; /* to be READY, to be drained, to die of a signal */
	int64_t started_at;
	unsigned round; /* of the policy, as it was started */
	bool was_ready;
	bool said_goodbye;
	bool unasked;        /* ... and nobody had told it to go */
	int most;            /* connections that it may hold, as it said */
	enum expiry expired; /* why it should be replaced */
	bool failed;         /* it is ended for a fault of its own, and nobody had told it to go */
	int signalled;       /* the last signal that we sent to end it; 0: none */
	const char *because; /* why */
	char reason[96];     /* where that is not static text */

	/* Its health: reap.c sees it stop, the rest is watch.c's. */
	bool stopped;
	int64_t stopped_at;
	int64_t fresh_since;  /* what lies before is not held against it */
	int64_t stuck_since;  /* 0: it is not, as far as we know */
	int64_t stuck_until;  /* how long we wait for its trace then */
	int64_t slow_since;   /* the request that was called slow last */
	int64_t slow_said_at; /* 0: never */
	pid_t tracer;         /* whom it was left to; 0: nobody */
	bool awaits_trace;
	int64_t asked_at;  /* for a trace; 0: never */
	int64_t traced_at; /* when one came; 0: never */
	char *trace;       /* of what it is dying of; NULL */
};

/* An empty place. */
void worker_init(struct worker *worker, struct pool *pool, int number);
/* Listens to a worker over our end of its socketpair (given), which is not watched yet. 0 or -1 with errno. */
int worker_watch(struct worker *worker, int control);
/* Forks it, into an empty place. 0, or -1 with errno: the place is still empty. */
int worker_start(struct worker *worker, int64_t now);
/* It is READY and accepts from now on. */
void worker_go(struct worker *worker);
/* It serves, and turns: not stopped, not stuck, and we can speak to it. */
bool worker_is_serving(const struct worker *worker);
/* What its slot says now. */
void worker_view(const struct worker *worker, struct slot_view *view_r, int64_t now);
/* What the worker holds now, as its slot says; never more than it may. */
int worker_connections(const struct worker *worker);
/* How many clients it refused, as its slot says. */
uint64_t worker_refused(const struct worker *worker);
/* Tells it to finish, within the drain limit of its service; flags: RECORD_* of DRAIN. */
void worker_drain(struct worker *worker, uint32_t flags, int64_t now);
/* Sends a signal that is meant to end it; because: for the log, static text or the worker's `reason`. */
void worker_signal(struct worker *worker, int signal, const char *because, int64_t now);
/* Takes what a worker that has died said before. */
void worker_last_words(struct worker *worker, int64_t now);
/* It was reaped: folds its slot into the totals and frees its place. */
void worker_clear(struct worker *worker);

#endif
