/* SPDX-License-Identifier: MIT */
/* Accepting, as acceptor.h says. */
#include "worker/acceptor.h"

#include "base/log.h"
#include "worker/life.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { STARVED_MS = 50, AHEAD_MS = 1 };

void acceptor_init(struct acceptor *acceptor, int epoll, const int *listener, size_t listeners)
{
	memset(acceptor, 0, sizeof(*acceptor));
	acceptor->epoll = epoll;
	acceptor->listener = listener;
	acceptor->listeners = listeners;
}

void acceptor_disarm(struct acceptor *acceptor)
{
	if (!acceptor->armed)
		return;
	for (size_t i = 0; i < acceptor->listeners; i++)
		epoll_ctl(acceptor->epoll, EPOLL_CTL_DEL, acceptor->listener[i], NULL);
	acceptor->armed = false;
}

void acceptor_step_back(struct acceptor *acceptor, int64_t until)
{
	acceptor_disarm(acceptor);
	acceptor->back_at = until;
}

void acceptor_pause(struct acceptor *acceptor, bool paused)
{
	acceptor->paused = paused;
	acceptor->ahead = false;
	acceptor_step_back(acceptor, 0);
}

static void starve(struct acceptor *acceptor, int error, int64_t now)
{
	const char *limit = error == EMFILE   ? " (the worker's open-file limit, nofile)"
			    : error == ENOSPC ? " (the user's limit fs.epoll.max_user_watches)"
					      : "";

	if (!acceptor->starved)
		log_warning("cannot accept: %s%s; connections wait until some of ours have ended",
			    strerror(error), limit);
	acceptor->starved = true;
	/* The listener stays readable: left in epoll it would make the worker spin. */
	acceptor_step_back(acceptor, now + STARVED_MS);
}

void acceptor_time_receives(struct acceptor *acceptor, int ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	for (size_t i = 0; i < acceptor->listeners && i < 64; i++) {
		int fd = acceptor->listener[i], family = 0;
		socklen_t len = sizeof(family);

		/* Connections of a Unix listener inherit nothing. */
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 &&
		    family != AF_UNIX &&
		    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
			acceptor->timed |= (uint64_t)1 << i;
	}
}

void acceptor_arm(struct acceptor *acceptor, int64_t now)
{
	uint32_t events = EPOLLIN | (acceptor->shared ? 0 : EPOLLEXCLUSIVE);

	if (acceptor->armed || !acceptor_may_take(acceptor))
		return;
	acceptor->back_at = 0;
	acceptor->ahead = false;
	acceptor->armed = true;
	for (size_t i = 0; i < acceptor->listeners; i++) {
		struct epoll_event event = { .events = events, .data.u64 = EVENT_LISTENER + 2 * i };

		if (epoll_ctl(acceptor->epoll, EPOLL_CTL_ADD, acceptor->listener[i], &event) == 0)
			continue;
		if (!acceptor->over)
			starve(acceptor, errno, now);
		return;
	}
}

void acceptor_end(struct acceptor *acceptor)
{
	if (acceptor->over)
		return;
	/*
	 * First of all: a signal handler that comes in between has nothing left to do. One that came before
	 * has closed them, and nothing can have taken their numbers since.
	 */
	acceptor->over = true;
	for (size_t i = 0; i < acceptor->listeners; i++)
		epoll_ctl(acceptor->epoll, EPOLL_CTL_DEL, acceptor->listener[i], NULL);
	/* A listener refuses only once nobody holds it any more, so a draining worker must not. */
	for (size_t i = 0; i < acceptor->listeners; i++)
		close(acceptor->listener[i]);
	acceptor->armed = false;
	acceptor->back_at = 0;
	acceptor->ahead = false;
}

bool acceptor_has_waiting(const struct acceptor *acceptor)
{
	for (size_t i = 0; i < acceptor->listeners && acceptor_may_take(acceptor); i++) {
		struct pollfd queue = { .fd = acceptor->listener[i], .events = POLLIN };

		if (poll(&queue, 1, 0) == 1)
			return true;
	}
	return false;
}

int acceptor_take(struct acceptor *acceptor, size_t i, struct sockaddr_storage *peer, int64_t now)
{
	socklen_t len = sizeof(*peer);
	int fd;

	if (i >= acceptor->listeners || !acceptor_may_take(acceptor))
		return -1;
	peer->ss_family = AF_UNSPEC;
	fd = accept4(acceptor->listener[i], (struct sockaddr *)peer, &len,
		     SOCK_CLOEXEC | (acceptor_is_timed(acceptor, i) ? 0 : SOCK_NONBLOCK));
	if (fd >= 0) {
		if (acceptor->starved)
			log_notice("accepting again");
		acceptor->starved = false;
		return fd;
	}
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		starve(acceptor, errno, now);
		break;
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
		break; /* a sibling was faster, or the client has gone */
	default:
		/* accept(2): errors of the network that were waiting on the new socket. */
		log_debug("accept: %s", strerror(errno));
	}
	return -1;
}

/* The mean of what the accepting workers of the pool hold, ours among them. */
static size_t mean_held(const struct board *board, size_t *workers_r)
{
	size_t held = 0, workers = 0;

	for (size_t i = 0; i < board->slots; i++) {
		const struct slot *slot = &board->slot[i];
		uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

		if (state != SLOT_IDLE && state != SLOT_BUSY)
			continue;
		workers++;
		held += atomic_load_explicit(&slot->connections, memory_order_relaxed);
	}
	*workers_r = workers;
	return workers ? held / workers : 0;
}

void acceptor_balance(struct acceptor *acceptor, const struct board *board, size_t own, int64_t now)
{
	size_t workers, mean;

	if (board->slots < 2 || own <= 2 || !acceptor->armed)
		return;
	mean = mean_held(board, &workers);
	if (workers < 2 || own <= mean + 2 + mean / 16)
		return;
	if (own > mean + 4 + mean / 8) {
		acceptor->ahead = true;
		acceptor_step_back(acceptor, now + AHEAD_MS);
	} else {
		acceptor_disarm(acceptor);
		acceptor_arm(acceptor, now);
	}
}

void acceptor_turn(struct acceptor *acceptor, const struct board *board, size_t own, bool full,
		   int64_t now)
{
	size_t workers;

	if (!acceptor_may_take(acceptor))
		return;
	if (full) {
		acceptor_step_back(acceptor, 0);
		return;
	}
	if (acceptor->armed || now < acceptor->back_at) {
		if (!acceptor->ahead || own > mean_held(board, &workers))
			return;
	}
	acceptor_arm(acceptor, now);
}
