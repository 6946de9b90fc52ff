/* SPDX-License-Identifier: MIT */
/*
 * The master's event loop: one epoll for descriptors, and the deadlines. It knows nothing of what the
 * events mean. Single-threaded; level-triggered.
 */
#ifndef MASTER_LOOP_H
#define MASTER_LOOP_H

#include "master/deadlines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

enum { LOOP_BATCH = 64 };

/* A descriptor that is watched, mostly for reading. Lives in its owner; not copied. */
struct source {
	int fd; /* -1: not watched */
	void (*ready)(void *owner);
	void *owner;
};

struct loop {
	int epoll;
	int64_t now; /* clock_ms() as this turn began */
	struct deadlines deadlines;
	struct epoll_event event[LOOP_BATCH];
	int events, current; /* of the batch that is being handled */
};

/* 0 or -1 with errno. */
int loop_init(struct loop *loop);
void loop_cleanup(struct loop *loop);

/* Calls ready(owner) in each turn in which fd can be read or has ended. 0 or -1 with errno. */
int loop_add(struct loop *loop, struct source *source, int fd, void (*ready)(void *owner),
	     void *owner);
/*
 * Calls ready(owner) for these EPOLL* events instead, and always for errors and for an end in both
 * directions. 0 or -1 with errno.
 */
int loop_change(struct loop *loop, struct source *source, uint32_t events);
/*
 * Calls ready(owner) once, in the next turn in which fd can be read; then fd waits, unheard, for the same call
 * again. 0 or -1 with errno.
 */
int loop_add_once(struct loop *loop, struct source *source, int fd, void (*ready)(void *owner),
		  void *owner);
/* Also while events of this very source are being handled. Does not close the descriptor. */
void loop_remove(struct loop *loop, struct source *source);

/* Waits for what happens next (does not wait when `busy`) and handles it: events, then deadlines. */
void loop_turn(struct loop *loop, bool busy);

#endif
