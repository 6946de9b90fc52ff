/* SPDX-License-Identifier: MIT */
/*
 * The listeners of a pool in the master's own loop, for one event: a client has come. The master never
 * accepts it. When to watch, and what follows, is queue.h's.
 */
#ifndef MASTER_QUEUE_WATCH_H
#define MASTER_QUEUE_WATCH_H

#include "master/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct queue_watch {
	struct source *source; /* one for each listener; NULL: never watched */
	size_t sources;
};

/*
 * Calls ready(owner) once for each of the n listeners (borrowed) on which a client waits, now or later. While one
 * is still watched this changes nothing for it. 0, or -1 with errno.
 */
int queue_watch_arm(struct queue_watch *watch, struct loop *loop, const int *listener, size_t n,
		    void (*ready)(void *owner), void *owner);
/* Ends it, before the listeners are closed: what others still hold stays in an epoll otherwise. */
void queue_watch_end(struct queue_watch *watch, struct loop *loop);
/* A client waits on one of the listeners now. */
bool queue_watch_readable(const int *listener, size_t n);

#endif
