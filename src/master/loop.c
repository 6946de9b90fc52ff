/* SPDX-License-Identifier: MIT */
/* The event loop, as loop.h says. */
#include "master/loop.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int loop_init(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	deadlines_init(&loop->deadlines);
	loop->now = clock_ms();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -1 : 0;
}

void loop_cleanup(struct loop *loop)
{
	fd_close(&loop->epoll);
}

static int add(struct loop *loop, struct source *source, int fd, uint32_t events,
	       void (*ready)(void *owner), void *owner)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	source->fd = -1;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	source->fd = fd;
	source->ready = ready;
	source->owner = owner;
	return 0;
}

int loop_change(struct loop *loop, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

int loop_add(struct loop *loop, struct source *source, int fd, void (*ready)(void *owner),
	     void *owner)
{
	return add(loop, source, fd, EPOLLIN, ready, owner);
}

int loop_add_once(struct loop *loop, struct source *source, int fd, void (*ready)(void *owner),
		  void *owner)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = source };

	if (source->fd < 0)
		return add(loop, source, fd, event.events, ready, owner);
	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
}

void loop_remove(struct loop *loop, struct source *source)
{
	if (source->fd < 0)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	/* The memory behind it may be gone before the rest of this batch is handled. */
	for (int i = loop->current + 1; i < loop->events; i++) {
		if (loop->event[i].data.ptr == source)
			loop->event[i].data.ptr = NULL;
	}
}

static int timeout_until(int64_t at, int64_t now)
{
	if (!at)
		return -1;
	if (at <= now)
		return 0;
	return at - now > INT_MAX ? INT_MAX : (int)(at - now);
}

void loop_turn(struct loop *loop, bool busy)
{
	int timeout = busy ? 0 : timeout_until(deadlines_next(&loop->deadlines), clock_ms());

	loop->events = epoll_wait(loop->epoll, loop->event, LOOP_BATCH, timeout);
	/* We may have been stopped: what has come meanwhile is seen before a deadline that has passed meanwhile. */
	if (loop->events < 0)
		loop->events = epoll_wait(loop->epoll, loop->event, LOOP_BATCH, 0);
	loop->now = clock_ms();
	if (loop->events < 0 && errno != EINTR)
		log_err("epoll_wait: %s", strerror(errno));
	for (loop->current = 0; loop->current < loop->events; loop->current++) {
		struct source *source = loop->event[loop->current].data.ptr;

		if (source)
			source->ready(source->owner);
	}
	loop->events = 0;
	deadlines_run(&loop->deadlines, loop->now);
}
