/* SPDX-License-Identifier: MIT */
/*
 * Connections: their states. How they wait is in wait.c, their memory in memory.c, their time limits in limits.c,
 * what they have beside themselves in family.c, what modules call on them in stream.c and api.c; which of them has
 * something to do is found out by runtime.c.
 */
#include "runtime/runtime.h"

#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_input(const struct mu_conn *conn)
{
	return conn->in && conn->in->start < conn->in->end;
}

void conn_release_buffer(struct mu_conn *conn)
{
	if (!has_input(conn))
		memory_put_buffer(conn);
}

static void count_connection(struct mu_worker *worker, int by)
{
	size_t before = worker->connections;

	worker->connections = before + (size_t)by;
	atomic_store_explicit(&worker->slot->connections, (uint32_t)worker->connections,
			      memory_order_relaxed);
	if (!worker->draining && (before == 0) != (worker->connections == 0))
		slot_set_state(worker->slot, worker->connections ? worker->busy : worker->idle,
			       worker->now);
}

/* ---- opening and closing ---- */

struct mu_conn *conn_take(struct mu_worker *worker, enum conn_state state)
{
	struct mu_conn *conn;

	if (!worker->free && memory_more_conns(worker) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	conn = worker->free;
	worker->free = conn->next;
	conn->state = (uint8_t)state;
	return conn;
}

void conn_put(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn **list = conn->watched ? &worker->doomed : &worker->free;

	memory_put_buffer(conn);
	/* Events of this batch may still name it, if any can: then it is reused only after the batch. */
	memset(conn, 0, sizeof(*conn));
	conn->fd = -1;
	conn->worker = worker;
	conn->next = *list;
	*list = conn;
}

struct mu_conn *conn_open(struct mu_worker *worker, int fd, const struct sockaddr *peer)
{
	struct mu_conn *conn = conn_take(worker, CONN_FRESH);

	if (!conn) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	conn->fd = fd;
	/* Where the client speaks first the first receive is tried before any wait. */
	conn->ready = CONN_OUT | (worker->module->flags & MU_CLIENT_FIRST ? CONN_IN : 0);
	slot_peer_set(&conn->peer, peer);
	if (worker->module->flags & MU_REQUESTS)
		conn_set_limit(conn, MU_HEADER, worker->limits.header_ms);
	else
		conn_set_limit(conn, MU_IDLE, 0);
	slot_count(worker->refuses ? &worker->slot->refused : &worker->slot->accepted);
	count_connection(worker, 1);
	return conn;
}

void conn_close(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	assert(!conn->queued);
	conn_set_limit(conn, MU_IDLE, 0);
	if (conn->fd >= 0)
		close(conn->fd);
	timer_remove(&worker->timers, &conn->timer);
	arena_free(conn->arena);
	conn_put(conn);
	count_connection(worker, -1);
}

/* ---- receiving ---- */

int conn_stop_blocking(struct mu_conn *conn)
{
	if (conn->blocking && fd_set_nonblocking(conn->fd, true) < 0)
		return -1;
	conn->blocking = false;
	return 0;
}

bool conn_may_receive(const struct mu_conn *conn)
{
	const struct mu_worker *worker = conn->worker;
	int64_t deadline;

	if (conn->ready & CONN_IN)
		return true;
	/* While it waits so the worker hears neither its master nor a limit nor tasks: only when they can wait. */
	if (!conn->blocking || conn->waited || worker->draining || worker->tasks)
		return false;
	deadline = conn_deadline(conn);
	return !deadline || deadline - worker->now > 2 * RECEIVE_MS;
}

static void note_received(struct mu_conn *conn, ssize_t n, size_t room)
{
	conn->waited = n < 0;
	conn_spend(conn, n);
	if (conn->family && n > 0)
		family_moved(conn);
	if (n == 0)
		conn->ended = true;
	else if (n < 0 ? errno == EAGAIN : (size_t)n < room && !conn->hung_up)
		conn->ready &= (uint8_t)~CONN_IN;
}

ssize_t conn_recv(struct mu_conn *conn, void *data, size_t len)
{
	struct mu_worker *worker = conn->worker;
	bool waits = conn->blocking && !(conn->ready & CONN_IN);
	ssize_t n;

	if (waits)
		atomic_store_explicit(&worker->slot->running_since, 0, memory_order_relaxed);
	do
		n = conn->state == CONN_PIPE ? read(conn->fd, data, len)
					     : recv(conn->fd, data, len, waits ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	note_received(conn, n, len);
	if (waits) {
		int error = errno;

		runtime_tick(worker);
		atomic_store_explicit(&worker->slot->running_since, worker->now,
				      memory_order_relaxed);
		runtime_wake(worker);
		errno = error;
	}
	return n;
}

ssize_t conn_receive(struct mu_conn *conn)
{
	struct buffer *in;
	size_t room;
	ssize_t n;

	if (!conn->in && memory_take_buffer(conn) < 0)
		return -1;
	in = conn->in;
	if (in->start == in->end) {
		in->start = in->end = 0;
	} else if (in->start && in->end > BUFFER_SIZE / 2) {
		memmove(in->data, in->data + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	room = BUFFER_SIZE - in->end;
	if (!room) {
		errno = ENOBUFS;
		return -1;
	}
	n = conn_recv(conn, in->data + in->end, room);
	if (n > 0)
		in->end += (uint32_t)n;
	return n;
}

/* ---- serving ---- */

/* What is left after serve: a closed connection, or a parked one. */
static int finish(struct mu_conn *conn, int result)
{
	if (conn->family)
		family_end(conn);
	conn->ready &= (uint8_t)~CONN_NOTIFIED;
	if (result != MU_PARKED || conn->lingering || (conn->ended && !has_input(conn))) {
		conn_close(conn);
		return MU_DONE;
	}
	arena_free(conn->arena);
	conn->arena = NULL;
	conn_release_buffer(conn);
	conn->state = CONN_PARKED;
	if (conn->limit != MU_IDLE || conn->limit_at)
		conn_set_limit(conn, MU_IDLE, 0);
	return MU_PARKED;
}

static void refuse_task(void *arg)
{
	struct mu_conn *conn = arg;
	struct mu_worker *worker = conn->worker;

	worker->module->refuse(conn, worker->state);
	finish(conn, MU_DONE);
}

static void serve_task(void *arg)
{
	struct mu_conn *conn = arg;
	struct mu_worker *worker = conn->worker;

	if (finish(conn, worker->module->serve(conn, worker->state)) == MU_PARKED)
		conn_rest(conn);
}

static void queue(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	conn->queued = true;
	conn->next = NULL;
	*worker->runnable_end = conn;
	worker->runnable_end = &conn->next;
}

/* FRESH or PARKED: waits without a stack for bytes, or has a turn soon if it has them already. */
void conn_rest(struct mu_conn *conn)
{
	int64_t deadline;

	/* Its serve may have been in the middle of something when the rest was cut, and have ended in order. */
	if (conn->worker->cutting) {
		conn_close(conn);
		return;
	}
	if (has_input(conn) || conn->ready & CONN_IN) {
		queue(conn);
		return;
	}
	if (conn_watch(conn, CONN_IN) != 0) {
		conn_close(conn);
		return;
	}
	deadline = conn_deadline(conn);
	if (deadline)
		timer_set(&conn->worker->timers, &conn->timer, deadline);
}

/* Bytes to begin with? 1: serve. 0: not yet. -1: the connection is of no use any more. */
static int first_bytes(struct mu_conn *conn)
{
	const struct mu_worker *worker = conn->worker;
	ssize_t n;

	if (has_input(conn))
		return 1;
	if (conn->state == CONN_FRESH && !(worker->module->flags & MU_CLIENT_FIRST))
		return 1;
	if (!(conn->ready & CONN_IN))
		return 0;
	n = conn_receive(conn);
	if (n > 0)
		return 1;
	if (n < 0 && errno == EAGAIN) {
		conn_release_buffer(conn);
		return 0;
	}
	if (n < 0)
		mu_log(conn, MU_DEBUG, "closed: %s", strerror(errno));
	return -1;
}

/* From its first byte on, on a coroutine. */
static void start_task(struct mu_conn *conn, coroutine_task *task)
{
	struct mu_worker *worker = conn->worker;
	bool failed;

	conn->state = CONN_SERVING;
	conn->began = (uint32_t)worker->now;
	worker->slot->peer = conn->peer;
	worker->task = NULL;
	worker->turn_left = TURN_BYTES;
	coroutine_start(&worker->pool, task, conn, &failed);
	if (failed) {
		mu_log(conn, MU_WARNING, "closed: no memory for a stack: %s", strerror(errno));
		conn_close(conn);
	}
}

void conn_refuse(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (!worker->module->refuse) {
		conn_close(conn);
		return;
	}
	/* As at a lingering close: one short limit for all of it, which is no news when it runs out. */
	conn_set_limit(conn, MU_IDLE, worker->limits.request_ms);
	conn->lingering = true;
	start_task(conn, refuse_task);
}

void conn_enter(struct mu_conn *conn)
{
	switch (first_bytes(conn)) {
	case 0:
		conn_rest(conn);
		return;
	case -1:
		conn_close(conn);
		return;
	}
	timer_clear(&conn->timer);
	start_task(conn, serve_task);
}

/* A direct connection's wait for its first bytes, or the next request's. 0 or an errno. */
static int wait_here(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	int64_t deadline;
	int error;

	runtime_tick(worker);
	deadline = conn_deadline(conn);
	if (conn_has_park_limit(conn))
		deadline = worker->now + worker->limits.park_ms;
	if (worker->cutting)
		return ECANCELED;
	error = conn_suspend(conn, CONN_IN, deadline);
	if (error == ETIMEDOUT)
		conn_log_limit(conn);
	return error;
}

int conn_serve_here(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	int bytes;

	worker->slot->peer = conn->peer;
	while ((bytes = first_bytes(conn)) == 0)
		if (wait_here(conn) != 0)
			break;
	if (bytes <= 0) {
		conn_close(conn);
		return MU_DONE;
	}
	/* Who has its next request here already never lets us wait. */
	if (worker->wake_at) {
		runtime_tick(worker);
		runtime_wake(worker);
	}
	conn->state = CONN_SERVING;
	conn->began = (uint32_t)worker->now;
	worker->task = NULL;
	worker->turn_left = TURN_BYTES;
	return finish(conn, worker->module->serve(conn, worker->state));
}
