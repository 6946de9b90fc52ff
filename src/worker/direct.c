/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker that serves one connection at a time on its own stack, and the waits that its
 * connections do: a poll that also listens to the master, or turns of the loop while there are tasks, logged pipes or
 * connections that rest.
 */
#include "base/clock.h"
#include "base/log.h"
#include "worker/life.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { LAST_CALL_MAX = 64 };

/* Drain limit over: from now on every wait fails. */
static void cut_if_over(struct mu_worker *rt)
{
	if (rt->draining && !rt->cutting && rt->drain_deadline && rt->now >= rt->drain_deadline)
		runtime_cut(rt);
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

/* When a wait in a serve has to be looked at although nothing happened; 0: never. */
static int64_t next_look_while_serving(const struct worker *worker)
{
	const struct mu_worker *rt = &worker->rt;
	int64_t at = title_due(&worker->title, title_state(worker), rt->connections);

	return rt->draining && !rt->cutting ? clock_earlier(at, rt->drain_deadline) : at;
}

static void begin_sleep(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
	atomic_store_explicit(&rt->slot->running_since, 0, memory_order_relaxed);
}

static void end_sleep(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	runtime_tick(rt);
	atomic_store_explicit(&rt->slot->running_since, rt->now, memory_order_relaxed);
}

/* What the poll has found is done, in the order in which it counts. */
static void look_at_poll(struct waiter *waiter, int64_t deadline, short found)
{
	struct mu_conn *conn = waiter->conn;
	struct mu_worker *rt = conn->worker;

	if (found & POLLNVAL) {
		waiter_wake(waiter, EBADF);
		return;
	}
	if (found) {
		runtime_note(conn, (uint32_t)found);
		waiter_wake(waiter, 0);
		return;
	}
	cut_if_over(rt);
	if (!waiter->woken && deadline && rt->now >= deadline)
		waiter_wake(waiter, ETIMEDOUT);
}

void direct_wait(struct waiter *waiter, int64_t deadline)
{
	struct mu_conn *conn = waiter->conn;
	struct worker *worker = (struct worker *)conn->worker;
	struct mu_worker *rt = &worker->rt;
	struct pollfd fds[2] = {
		{ .fd = waiter->events & (CONN_IN | CONN_OUT) ? conn->fd : -1,
		  .events = poll_events(waiter->events) },
		{ .fd = worker->args->control, .events = POLLIN },
	};

	if (conn->state == CONN_PARKED)
		look_at_queue(worker);
	while (!waiter->woken) {
		int64_t until = clock_earlier(deadline, next_look_while_serving(worker));

		if (conn->state == CONN_PARKED) {
			control_expire(worker);
			until = clock_earlier(until, expiry_due(&worker->expiry, rt->slot));
		}
		if (worker->orphan)
			fds[1].fd = -1;
		begin_sleep(worker);
		int n = poll(fds, 2, runtime_timeout(rt, until));
		if (n < 0)
			n = poll(fds, 2, 0);
		end_sleep(worker);
		if (n < 0 && errno != EINTR) {
			waiter_wake(waiter, errno);
			return;
		}
		runtime_wake(rt);
		if (n > 0 && fds[1].revents)
			control_read(worker);
		if (!waiter->woken)
			look_at_poll(waiter, deadline, n > 0 ? fds[0].revents : 0);
	}
}

void direct_turn(struct waiter *waiter)
{
	struct worker *worker = (struct worker *)waiter->conn->worker;
	struct mu_worker *rt = &worker->rt;
	struct epoll_event events[EVENTS_MAX];
	int64_t until = next_look_while_serving(worker);
	int n;

	/* Their siblings take the others. */
	acceptor_disarm(&worker->acceptor);
	if (waiter->conn->state == CONN_PARKED) {
		look_at_queue(worker);
		control_expire(worker);
		until = clock_earlier(until, expiry_due(&worker->expiry, rt->slot));
	}
	title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
	n = wait_events(worker, events, EVENTS_MAX, runtime_timeout(rt, until));
	for (int i = 0; i < n; i++) {
		if (event_is_connection(&events[i]))
			runtime_event(events[i].data.ptr, events[i].events);
		else if (!event_is_listener(&events[i]))
			control_read(worker);
	}
	cut_if_over(rt);
	runtime_finish_turn(rt);
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
		runtime_finish_turn(rt);
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
	/* One at a time: while it is served its siblings take the others. */
	int n = wait_events(worker, &event, 1, runtime_timeout(rt, next_look(worker)));

	if (n > 0 && event_is_listener(&event))
		serve_one(worker, event_listener(&event));
	else if (n > 0 && !event_is_connection(&event))
		control_read(worker);
	else if (n > 0) /* what was left behind, rests, or is of the background */
		runtime_event(event.data.ptr, event.events);
	if (worker->try_accept)
		serve_waiting(worker, 1);
	worker->try_accept = false;
	runtime_finish_turn(rt);
	control_expire(worker);
	acceptor_turn(&worker->acceptor, worker->args->board, 0, false, rt->now);
	title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
}

/* Its waits have all been ended. */
static void end_background(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	while (rt->background) {
		struct epoll_event event;
		int n = wait_events(worker, &event, 1,
				    runtime_timeout(rt, next_look_while_serving(worker)));

		if (n > 0 && event_is_connection(&event))
			runtime_event(event.data.ptr, event.events);
		else if (n > 0)
			control_read(worker);
		cut_if_over(rt);
		runtime_finish_turn(rt);
	}
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
	end_background(worker);
}
