/* SPDX-License-Identifier: MIT */
/*
 * What the files of worker/ share: the worker as it stands between the master (control), the listeners
 * (acceptor) and its connections (the runtime).
 */
#ifndef WORKER_LIFE_H
#define WORKER_LIFE_H

#include "base/clock.h"
#include "base/contract.h"
#include "runtime/runtime.h"
#include "worker/acceptor.h"
#include "worker/expiry.h"
#include "worker/title.h"

#include <stdbool.h>

struct worker {
	struct mu_worker rt; /* first: a runtime is its worker */
	const struct worker_args *args;
	struct acceptor acceptor;
	struct expiry_state expiry;
	struct title title;
	struct rlimit files; /* as it was before ours was raised */
	bool go;             /* the master said GO */
	bool orphan;         /* the master is gone */
	bool last_call;      /* DRAIN said that the listeners go away for good */
	bool took_all;       /* direct: nobody waited in them any more when it left them */
	int64_t look_at; /* direct: when to see whether others wait for the worker that a client holds */
	int64_t left_since, left_at; /* refusing: clients are left to a sibling, since and last */
	bool try_accept;             /* the master asked for it */
	bool expired;                /* and the master knows */

	/* Of a module that accepts by itself: tending.c. */
	struct {
		int signals;     /* a signalfd for SIGTERM */
		bool ready;      /* the master knows */
		bool going;      /* READY and GO */
		int64_t warn_at; /* just before the boot limit; 0: that has been done */
		bool over;       /* serve has returned */
		int result;      /* what */
	} tending;
};

/*
 * epoll_event.data of what is no connection. Connections are pointers, which are even and not small.
 */
enum {
	EVENT_CONTROL = 1,
	EVENT_LISTENER = 3,         /* + 2 * index */
	EVENT_TERM = EVENT_LISTENER /* where nobody listens: tending.c */
};

static inline bool event_is_connection(const struct epoll_event *event)
{
	return !(event->data.u64 & 1);
}
static inline bool event_is_listener(const struct epoll_event *event)
{
	return event->data.u64 & 1 && event->data.u64 >= EVENT_LISTENER;
}
static inline size_t event_listener(const struct epoll_event *event)
{
	return (size_t)(event->data.u64 - EVENT_LISTENER) / 2;
}

/* ---- control.c ---- */

/* Puts the control socket into epoll. 0 or -1. */
int control_watch(struct worker *worker);
/* Reads and obeys all records that are there. The end of the stream means: the master died. */
void control_read(struct worker *worker);
/* Waits for the first record and whatever it brings: before GO there is nothing else to do. */
void control_wait(struct worker *worker);

/* As if the master had said DRAIN, so many milliseconds (0: no limit). */
void control_drain(struct worker *worker, int64_t ms);

/* Tells the master, once, when this worker should be replaced; in every turn and between requests. */
void control_expire(struct worker *worker);

/* For the title: what the worker is at. */
static inline const char *title_state(const struct worker *worker)
{
	if (worker->rt.draining)
		return "draining";
	if (worker->rt.refuses)
		return "refusing";
	if (worker->title.tended)
		return worker->tending.ready ? "serving" : "starting";
	if (worker->rt.connections)
		return "busy";
	return worker->acceptor.paused ? "paused" : "idle";
}

/* When a loop's turn must come although no event did; 0: never. */
static inline int64_t next_look(const struct worker *worker)
{
	int64_t at = title_due(&worker->title, title_state(worker), worker->rt.connections);

	at = clock_earlier(at, worker->acceptor.back_at);
	return clock_earlier(at, expiry_due(&worker->expiry, worker->rt.slot));
}

/*
 * The one wait of a loop. While it lasts the slot says that the worker is at nothing. How many events; -1: a signal, and
 * none: after SIGCONT what has come meanwhile is seen before a limit that has passed meanwhile.
 */
static inline int wait_events(struct worker *worker, struct epoll_event *events, int max,
			      int timeout)
{
	struct mu_worker *rt = &worker->rt;
	int n;

	atomic_store_explicit(&rt->slot->running_since, 0, memory_order_relaxed);
	n = epoll_wait(rt->epoll, events, max, timeout);
	if (n < 0)
		n = epoll_wait(rt->epoll, events, max, 0);
	runtime_tick(rt);
	atomic_store_explicit(&rt->slot->running_since, rt->now, memory_order_relaxed);
	return n;
}

/* ---- tending.c: from before READY until the module's serve has returned. The exit status ---- */

int run_tending(struct worker *worker);

/* ---- direct.c, multiplexed.c: until the drain is over ---- */

void run_direct(struct worker *worker);
void run_multiplexed(struct worker *worker);
/* The runtime's waits in direct mode (struct mu_worker). */
void direct_wait(struct waiter *waiter, int64_t deadline);
void direct_turn(struct waiter *waiter);

#endif
