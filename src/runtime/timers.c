/* SPDX-License-Identifier: MIT */
/* Timers, as timers.h says. */
#include "runtime/timers.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

void timers_init(struct timers *timers)
{
	timers->entry = NULL;
	timers->n = timers->room = 0;
}

void timers_cleanup(struct timers *timers)
{
	free(timers->entry);
	timers_init(timers);
}

int timers_reserve(struct timers *timers, size_t n)
{
	struct timer_entry *entry;

	if (n <= timers->room)
		return 0;
	entry = realloc(timers->entry, (n + 1) * sizeof(*entry));
	if (!entry)
		return -1;
	timers->entry = entry;
	timers->room = n;
	return 0;
}

static void put(struct timers *timers, size_t place, struct timer_entry entry)
{
	timers->entry[place] = entry;
	entry.timer->place = (uint32_t)place;
}

static void move_up(struct timers *timers, size_t place, struct timer_entry entry)
{
	while (place > 1 && timers->entry[place / 2].at > entry.at) {
		put(timers, place, timers->entry[place / 2]);
		place /= 2;
	}
	put(timers, place, entry);
}

static void move_down(struct timers *timers, size_t place, struct timer_entry entry)
{
	for (;;) {
		size_t child = 2 * place;

		if (child > timers->n)
			break;
		if (child < timers->n && timers->entry[child + 1].at < timers->entry[child].at)
			child++;
		if (timers->entry[child].at >= entry.at)
			break;
		put(timers, place, timers->entry[child]);
		place = child;
	}
	put(timers, place, entry);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t deadline)
{
	struct timer_entry entry = { deadline, timer };

	timer->deadline = deadline;
	if (!timer->place) {
		assert(timers->n < timers->room);
		move_up(timers, ++timers->n, entry);
	} else if (deadline < timers->entry[timer->place].at) {
		move_up(timers, timer->place, entry);
	}
}

void timer_remove(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;
	struct timer_entry last;

	timer->deadline = 0;
	if (!place)
		return;
	timer->place = 0;
	last = timers->entry[timers->n--];
	if (place > timers->n)
		return;
	if (place > 1 && timers->entry[place / 2].at > last.at)
		move_up(timers, place, last);
	else
		move_down(timers, place, last);
}

struct timer *timers_expired(struct timers *timers, int64_t now)
{
	while (timers->n && timers->entry[1].at <= now) {
		struct timer *timer = timers->entry[1].timer;

		if (timer->deadline > now) {
			struct timer_entry entry = { timer->deadline, timer };
			move_down(timers, 1, entry);
			continue;
		}
		bool due = timer->deadline != 0;
		timer_remove(timers, timer);
		if (due)
			return timer;
	}
	return NULL;
}
