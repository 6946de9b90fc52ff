/* SPDX-License-Identifier: MIT */
/* Watching listeners, as queue_watch.h says. */
#include "master/queue_watch.h"

#include <poll.h>
#include <stdlib.h>

int queue_watch_arm(struct queue_watch *watch, struct loop *loop, const int *listener, size_t n,
		    void (*ready)(void *owner), void *owner)
{
	if (!watch->source) {
		watch->source = calloc(n, sizeof(*watch->source));
		if (!watch->source)
			return -1;
		watch->sources = n;
		for (size_t i = 0; i < n; i++)
			watch->source[i].fd = -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (loop_add_once(loop, &watch->source[i], listener[i], ready, owner) < 0)
			return -1;
	}
	return 0;
}

void queue_watch_end(struct queue_watch *watch, struct loop *loop)
{
	for (size_t i = 0; i < watch->sources; i++)
		loop_remove(loop, &watch->source[i]);
	free(watch->source);
	*watch = (struct queue_watch){ 0 };
}

bool queue_watch_readable(const int *listener, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pollfd queue = { .fd = listener[i], .events = POLLIN };

		if (poll(&queue, 1, 0) == 1)
			return true;
	}
	return false;
}
