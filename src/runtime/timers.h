/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap of deadlines. Moving a deadline later is only a store, the heap is put right when
 * the earlier time comes: a keep-alive connection moves its idle limit with every request.
 */
#ifndef RUNTIME_TIMERS_H
#define RUNTIME_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t deadline; /* clock_ms(); 0: not set */
	uint32_t place;   /* in the heap, from 1 on; 0: not in it */
	bool waits;       /* for who sets it, to know whose it is */
};

struct timer_entry {
	int64_t at; /* never later than timer->deadline */
	struct timer *timer;
};

struct timers {
	struct timer_entry *entry; /* entry[1 .. n] */
	size_t n, room;
};

void timers_init(struct timers *timers);
void timers_cleanup(struct timers *timers);
/* Makes room for n timers in all, so that timer_set cannot fail. 0 or -1 with ENOMEM. */
int timers_reserve(struct timers *timers, size_t n);

void timer_set(struct timers *timers, struct timer *timer, int64_t deadline);
/* Unset; it may stay in the heap until its time. */
static inline void timer_clear(struct timer *timer)
{
	timer->deadline = 0;
}
/* Unset and out of the heap: before its memory goes. */
void timer_remove(struct timers *timers, struct timer *timer);

/* When to ask timers_expired again; 0: never. */
static inline int64_t timers_next(const struct timers *timers)
{
	return timers->n ? timers->entry[1].at : 0;
}
/* One timer whose deadline is not after now, out of the heap and unset; NULL: no more. */
struct timer *timers_expired(struct timers *timers, int64_t now);

#endif
