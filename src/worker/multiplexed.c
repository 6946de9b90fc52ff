/* SPDX-License-Identifier: MIT */
/* The loop of a worker that holds many connections, each on a coroutine while it is served. */
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "worker/life.h"

#include <errno.h>
#include <string.h>

/* At a last call: what may still be taken from a listener that goes away. */
enum { LAST_CALL_MAX = 4096 };

/* How long one that refuses leaves the listeners to a sibling that has room: once, and again and again. */
enum { LEAVE_MS = 10, LEAVE_MOST_MS = 200 };

static bool is_full(const struct worker *worker)
{
	return worker->rt.connections >= worker->rt.connections_max;
}

/* Could a sibling serve the client that waits? */
static bool has_sibling_with_room(const struct worker *worker)
{
	const struct board *board = worker->args->board;
	uint32_t room = (uint32_t)worker->args->service->connections;

	for (size_t i = 0; i < board->slots; i++) {
		const struct slot *slot = &board->slot[i];
		uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

		if ((state == SLOT_IDLE || state == SLOT_BUSY) &&
		    atomic_load_explicit(&slot->connections, memory_order_relaxed) < room)
			return true;
	}
	return false;
}

/*
 * A sibling's slot can show room that nobody has: it was stopped, or its limit of open files is lower. So a
 * client is left to it for a while, and not for ever.
 */
static bool may_refuse(struct worker *worker)
{
	int64_t now = worker->rt.now;

	if (!has_sibling_with_room(worker))
		return true;
	if (now - worker->left_at > 10 * LEAVE_MS)
		worker->left_since = now;
	worker->left_at = now;
	return now - worker->left_since >= LEAVE_MOST_MS;
}

/* True if there was one. */
static bool take_one(struct worker *worker, size_t listener)
{
	struct mu_worker *rt = &worker->rt;
	struct sockaddr_storage peer;
	struct mu_conn *conn;
	int fd;

	if (is_full(worker))
		return false;
	if (rt->refuses && !may_refuse(worker)) {
		acceptor_step_back(&worker->acceptor, rt->now + LEAVE_MS);
		return false;
	}
	fd = acceptor_take(&worker->acceptor, listener, &peer, rt->now);
	if (fd < 0)
		return false;
	conn = conn_open(rt, fd, (struct sockaddr *)&peer);
	if (!conn) {
		log_warning("no memory for a connection");
		return true;
	}
	if (rt->refuses)
		conn_refuse(conn);
	else
		conn_enter(conn);
	return true;
}

static void take_last(struct worker *worker)
{
	for (size_t i = 0; i < worker->args->listeners; i++)
		for (int n = 0; n < LAST_CALL_MAX && take_one(worker, i); n++)
			;
	worker->last_call = false;
	acceptor_end(&worker->acceptor);
}

/* What is due in every turn beside the events. */
static void look_after(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	if (worker->last_call)
		take_last(worker);
	if (worker->try_accept)
		for (size_t i = 0; i < worker->args->listeners; i++)
			take_one(worker, i);
	worker->try_accept = false;
	control_expire(worker);
	acceptor_turn(&worker->acceptor, worker->args->board, rt->connections, is_full(worker),
		      rt->now);
	if (rt->draining && !rt->cutting && rt->drain_deadline && rt->now >= rt->drain_deadline)
		runtime_cut(rt);
	title_renew(&worker->title, title_state(worker), rt->connections, rt->now);
}

static int sleep_time(const struct worker *worker)
{
	const struct mu_worker *rt = &worker->rt;
	int64_t at = next_look(worker);

	if (rt->draining && !rt->cutting)
		at = clock_earlier(at, rt->drain_deadline);
	return runtime_timeout(rt, at);
}

static void turn(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;
	struct epoll_event events[EVENTS_MAX];
	int n = wait_events(worker, events, EVENTS_MAX, sleep_time(worker));

	/* Listeners first: a client that waits to be accepted does not wait for a whole batch. */
	for (int i = 0; i < n; i++) {
		if (!event_is_listener(&events[i]))
			continue;
		if (take_one(worker, event_listener(&events[i])) && !rt->refuses)
			acceptor_balance(&worker->acceptor, worker->args->board, rt->connections,
					 rt->now);
	}
	for (int i = 0; i < n; i++) {
		if (event_is_connection(&events[i]))
			runtime_event(events[i].data.ptr, events[i].events);
		else if (!event_is_listener(&events[i]))
			control_read(worker);
	}
	runtime_finish_turn(rt);
	look_after(worker);
}

void run_multiplexed(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	acceptor_arm(&worker->acceptor, worker->rt.now);
	look_after(worker);
	while (!rt->draining || rt->connections || worker->last_call || rt->background)
		turn(worker);
}
