/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker that serves one connection at a time on its own stack, and the wait that its
 * connections do: a poll that also listens to the master.
 */
#include "base/clock.h"
#include "base/log.h"
#include "worker/life.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { LAST_CALL_MAX = 64 };

/* Drain limit over: from now on every wait fails. */
static bool is_cut(struct worker *worker, const struct mu_conn *conn)
{
	struct mu_worker *rt = &worker->rt;

	if (!rt->draining || !rt->drain_deadline || rt->now < rt->drain_deadline)
		return false;
	if (!rt->cutting && conn->state == CONN_SERVING && !conn->lingering) {
		rt->cut++;
		slot_count(&rt->slot->cut);
		mu_log((struct mu_conn *)(uintptr_t)conn, MU_INFO,
		       "drain limit ran out, cut off in a request");
	}
	rt->cutting = true;
	return true;
}

/*
 * A client that always has a next request would hold the worker for ever while others wait in the queue.
 * So between requests, once per park limit, we look: if somebody waits there, no sibling is free, and the
 * module is told that this client had better go (mu_draining).
 */
static void look_at_queue(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	if (!rt->limits.park_ms || rt->now < worker->look_at || rt->crowded)
		return;
	worker->look_at = rt->now + rt->limits.park_ms;
	rt->crowded = acceptor_has_waiting(&worker->acceptor);
}

static short poll_events(int events)
{
	return (short)((events & CONN_IN ? POLLIN | POLLRDHUP : 0) |
		       (events & CONN_OUT ? POLLOUT : 0));
}

int direct_wait(struct mu_conn *conn, int events, int64_t deadline)
{
	struct worker *worker = (struct worker *)conn->worker;
	struct mu_worker *rt = &worker->rt;
	struct pollfd fds[2] = {
		{ .fd = events ? conn->fd : -1, .events = poll_events(events) },
		{ .fd = worker->orphan ? -1 : worker->args->control, .events = POLLIN },
	};

	if (conn->state == CONN_PARKED)
		look_at_queue(worker);
	for (;;) {
		int64_t until = deadline;

		title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
		until = clock_earlier(
			until, title_due(&worker->title, title_state(worker), rt->connections));
		if (conn->state == CONN_PARKED) {
			control_expire(worker);
			until = clock_earlier(until, expiry_due(&worker->expiry, rt->slot));
		}
		if (rt->draining)
			until = clock_earlier(until, rt->drain_deadline);
		atomic_store_explicit(&rt->slot->running_since, 0, memory_order_relaxed);
		int n = poll(fds, 2, runtime_timeout(rt, until));
		runtime_tick(rt);
		atomic_store_explicit(&rt->slot->running_since, rt->now, memory_order_relaxed);
		if (n < 0 && errno != EINTR)
			return errno;
		runtime_wake(rt);
		if (n > 0 && fds[1].revents)
			control_read(worker);
		if (worker->orphan)
			fds[1].fd = -1;
		if (n > 0 && fds[0].revents) {
			if (fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR))
				conn->hung_up = true;
			conn->ready |= (uint8_t)(conn->hung_up ? CONN_IN | CONN_OUT : events);
			return 0;
		}
		if (is_cut(worker, conn))
			return ECANCELED;
		if (deadline && rt->now >= deadline)
			return ETIMEDOUT;
	}
}

static bool serve_one(struct worker *worker, size_t listener)
{
	struct mu_worker *rt = &worker->rt;
	struct sockaddr_storage peer;
	struct mu_conn *conn;
	int fd = acceptor_take(&worker->acceptor, listener, &peer, rt->now);

	if (fd < 0)
		return false;
	conn = conn_open(rt, fd, (struct sockaddr *)&peer);
	if (!conn) {
		log_warning("no memory for a connection");
		return true;
	}
	conn->blocking = acceptor_is_timed(&worker->acceptor, listener);
	rt->crowded = false;
	worker->look_at = rt->now + rt->limits.park_ms;
	while (conn_serve_here(conn) == MU_PARKED)
		;
	runtime_finish_turn(rt);
	return true;
}

static void serve_waiting(struct worker *worker, int most)
{
	for (size_t i = 0; i < worker->args->listeners; i++)
		for (int n = 0; n < most && serve_one(worker, i); n++)
			;
}

static void turn(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;
	struct epoll_event event;
	int n;

	atomic_store_explicit(&rt->slot->running_since, 0, memory_order_relaxed);
	/* One at a time: while it is served its siblings take the others. */
	n = epoll_wait(rt->epoll, &event, 1, runtime_timeout(rt, next_look(worker)));
	runtime_tick(rt);
	atomic_store_explicit(&rt->slot->running_since, rt->now, memory_order_relaxed);
	if (n > 0 && event_is_listener(&event))
		serve_one(worker, event_listener(&event));
	else if (n > 0)
		control_read(worker);
	if (worker->try_accept)
		serve_waiting(worker, 1);
	worker->try_accept = false;
	runtime_wake(rt);
	control_expire(worker);
	acceptor_turn(&worker->acceptor, worker->args->board, 0, false, rt->now);
	title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
}

void run_direct(struct worker *worker)
{
	acceptor_arm(&worker->acceptor, worker->rt.now);
	title_renew(&worker->title, title_state(worker), 0, worker->rt.now);
	while (!worker->rt.draining)
		turn(worker);
	if (worker->last_call && !worker->acceptor.over) {
		serve_waiting(worker, LAST_CALL_MAX);
		worker->took_all = !acceptor_has_waiting(&worker->acceptor);
		acceptor_end(&worker->acceptor);
	}
}
