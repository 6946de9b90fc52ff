/* SPDX-License-Identifier: MIT */
/*
 * A worker's side of the listeners: in its epoll (EPOLLEXCLUSIVE, level-triggered) while it wants
 * connections, out of it while it is full, short of descriptors, ahead of its siblings or draining.
 *
 * Exclusive waiters are woken in the order in which they were added, so without help the first
 * worker gets all. A multiplexed worker that holds more than its share moves to the queue's tail.
 */
#ifndef WORKER_ACCEPTOR_H
#define WORKER_ACCEPTOR_H

#include "base/scoreboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct acceptor {
	int epoll;
	const int *listener; /* borrowed */
	size_t listeners;
	uint64_t
		timed; /* bit i: a receive on a connection of listener i waits RECEIVE_MS at most */
	bool armed;    /* the listeners are in epoll */
	bool paused;   /* not before the master says so */
	bool shared;   /* woken beside the siblings, not in place of one */
	volatile bool over; /* never again; a signal handler may have said so */
	bool starved;       /* descriptors or memory ran out: said so in the log */
	bool ahead;         /* out of epoll because the siblings hold less */
	int64_t back_at;    /* clock_ms() at which to arm again; 0: when somebody asks */
};

void acceptor_init(struct acceptor *acceptor, int epoll, const int *listener, size_t listeners);
/*
 * For direct workers: where connections inherit a receive time limit from their listener (TCP), they are
 * left blocking, so that a receive can be the wait.
 */
void acceptor_time_receives(struct acceptor *acceptor, int ms);
static inline bool acceptor_is_timed(const struct acceptor *acceptor, size_t i)
{
	return i < 64 && acceptor->timed >> i & 1;
}
static inline bool acceptor_may_take(const struct acceptor *acceptor)
{
	return !acceptor->over && !acceptor->paused;
}
/*
 * Into epoll; nothing if they are there, it is paused or over. Where that fails (logged once) it is
 * tried again soon.
 */
void acceptor_arm(struct acceptor *acceptor, int64_t now);
void acceptor_disarm(struct acceptor *acceptor);
/* Leaves the listeners alone until then. */
void acceptor_step_back(struct acceptor *acceptor, int64_t until);
/* Leaves the listeners until it is called with false; then they have to be armed. */
void acceptor_pause(struct acceptor *acceptor, bool paused);
/*
 * Leaves the listeners for good and closes its descriptors of them. A signal handler may call it, at
 * any moment.
 */
void acceptor_end(struct acceptor *acceptor);

/* Does a client wait in one of the listeners' queues? */
bool acceptor_has_waiting(const struct acceptor *acceptor);

/*
 * One accept4 on listener i. The descriptor (CLOEXEC; non-blocking unless the listener is timed) and the peer's address, or -1: somebody
 * else took it, or it went away, or we are out of descriptors (logged once; disarmed for a moment).
 */
int acceptor_take(struct acceptor *acceptor, size_t i, struct sockaddr_storage *peer, int64_t now);

/*
 * After an accept in a multiplexed worker that now holds `own`: rotates or steps back by the
 * measured rule (ARCHITECTURE.md, "Spreading connections").
 */
void acceptor_balance(struct acceptor *acceptor, const struct board *board, size_t own,
		      int64_t now);
/* In every turn: arms again when it is time, or when the siblings have caught up. */
void acceptor_turn(struct acceptor *acceptor, const struct board *board, size_t own, bool full,
		   int64_t now);

#endif
