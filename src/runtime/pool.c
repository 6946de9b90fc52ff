/* SPDX-License-Identifier: MIT */
/*
 * Pools: connections of our own that rest between the clients that use them. A resting one belongs to no family, holds
 * no buffer, is in epoll and has its place in the timers; runtime.c says when something came for it or its time is over.
 * What comes for it can only be its end: nobody has asked it anything.
 */
#include "runtime/runtime.h"

#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* All that rest in a worker have this part of its open files at most: clients come first. */
enum { FILES_PART = 4 };

struct mu_pool {
	struct mu_pool *next; /* of the worker */
	struct mu_worker *worker;
	struct mu_conn *newest, *oldest; /* by their `next`, and back by `newer` */
	size_t n, max;
	int64_t idle_ms;
};

static size_t most_resting(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return files.rlim_cur / FILES_PART;
}

struct mu_pool *mu_pool_new(struct mu_worker *worker, size_t max, int64_t idle_ms)
{
	struct mu_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->worker = worker;
	pool->max = max;
	pool->idle_ms = idle_ms;
	pool->next = worker->pools;
	worker->pools = pool;
	worker->resting_max = most_resting();
	return pool;
}

static void link_newest(struct mu_pool *pool, struct mu_conn *conn)
{
	conn->pool = pool;
	conn->next = pool->newest;
	conn->newer = NULL;
	if (pool->newest)
		pool->newest->newer = conn;
	else
		pool->oldest = conn;
	pool->newest = conn;
	pool->n++;
	pool->worker->resting++;
}

static void unlink_resting(struct mu_conn *conn)
{
	struct mu_pool *pool = conn->pool;

	if (conn->newer)
		conn->newer->next = conn->next;
	else
		pool->newest = conn->next;
	if (conn->next)
		conn->next->newer = conn->newer;
	else
		pool->oldest = conn->newer;
	conn->newer = NULL;
	pool->n--;
	pool->worker->resting--;
	/* Not left there until its time: a direct worker that polls would find it over again and again. */
	timer_remove(&pool->worker->timers, &conn->timer);
}

void pool_close(struct mu_conn *conn)
{
	unlink_resting(conn);
	fd_close(&conn->fd);
	conn_put(conn);
}

/* Neither bytes nor an end have come. */
static bool is_silent(const struct mu_conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void pool_event(struct mu_conn *conn)
{
	/* It may be about room for output, or about what was read before it came to rest. */
	if (!is_silent(conn))
		pool_close(conn);
}

void pool_close_all(struct mu_worker *worker)
{
	for (struct mu_pool *pool = worker->pools; pool; pool = pool->next)
		while (pool->oldest)
			pool_close(pool->oldest);
}

void pool_free_all(struct mu_worker *worker)
{
	struct mu_pool *pool;

	pool_close_all(worker);
	while ((pool = worker->pools)) {
		worker->pools = pool->next;
		free(pool);
	}
}

static bool is_at_rest(const struct mu_conn *conn)
{
	if (conn->ended || conn->hung_up || conn->lingering)
		return false;
	if (conn->in && conn->in->start < conn->in->end)
		return false;
	return !(conn->ready & CONN_IN) || is_silent(conn);
}

/* For one more; the one that was used longest ago may have to go. */
static bool has_room(struct mu_pool *pool)
{
	bool full = pool->n >= pool->max || pool->worker->resting >= pool->worker->resting_max;

	if (full && pool->oldest) {
		pool_close(pool->oldest);
		full = !pool->max;
	}
	return !full;
}

/* Why it cannot rest: an errno; 0: it can, and is in epoll. */
static int why_not(struct mu_pool *pool, struct mu_conn *other)
{
	if (pool->worker->draining)
		return ECANCELED;
	if (family_awaits(other))
		return EBUSY;
	if (!is_at_rest(other))
		return ENOTCONN;
	if (!has_room(pool))
		return ENOSPC;
	return conn_watch(other, CONN_IN);
}

int mu_pool_put(struct mu_pool *pool, struct mu_conn *other)
{
	struct mu_worker *worker = pool->worker;
	int error;

	assert(other->state == CONN_OTHER);
	error = why_not(pool, other);
	if (error) {
		mu_close(other);
		errno = error;
		return -1;
	}
	family_release(other);
	memory_put_buffer(other);
	other->state = CONN_RESTING;
	other->ready = CONN_OUT;
	link_newest(pool, other);
	if (pool->idle_ms > 0)
		timer_set(&worker->timers, &other->timer, worker->now + pool->idle_ms);
	return 0;
}

struct mu_conn *mu_pool_take(struct mu_pool *pool, struct mu_conn *conn)
{
	struct mu_conn *resting;

	/* A direct worker has not heard of an end while it was busy, and the others may be about to. */
	while ((resting = pool->newest) && !is_silent(resting))
		pool_close(resting);
	if (!resting) {
		errno = ENOENT;
		return NULL;
	}
	unlink_resting(resting);
	resting->state = CONN_OTHER;
	if (family_adopt(conn_client(conn), resting) == 0)
		return resting;
	fd_close(&resting->fd);
	conn_put(resting);
	errno = ENOMEM;
	return NULL;
}
