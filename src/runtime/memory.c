/* SPDX-License-Identifier: MIT */
/*
 * The memory of a worker's connections: their structs in slabs that are never given back while it runs, and
 * input buffers. What a burst has needed of these and of stacks stays until nobody has needed it for a while: a
 * gateway has as many of them in use as requests in hand, and pages that come and go with each cost more than it does.
 */
#include "runtime/runtime.h"

#include <stdlib.h>

enum { CONNS_PER_SLAB = 64, KEPT = 32, COOL_MS = 1000 };

struct conn_slab {
	struct conn_slab *next;
	struct mu_conn conn[CONNS_PER_SLAB];
};

int memory_more_conns(struct mu_worker *worker)
{
	struct conn_slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return -1;
	/* One of its own, which may stay in the heap for a while, and one for its serve's wait. */
	if (timers_reserve(&worker->timers, worker->timers.room + 2 * CONNS_PER_SLAB) < 0) {
		free(slab);
		return -1;
	}
	for (size_t i = 0; i < CONNS_PER_SLAB; i++) {
		slab->conn[i].fd = -1;
		slab->conn[i].worker = worker;
		slab->conn[i].next = worker->free;
		worker->free = &slab->conn[i];
	}
	slab->next = worker->slabs;
	worker->slabs = slab;
	return 0;
}

void memory_each_conn(struct mu_worker *worker, void (*visit)(struct mu_conn *conn))
{
	for (struct conn_slab *slab = worker->slabs; slab; slab = slab->next)
		for (size_t i = 0; i < CONNS_PER_SLAB; i++)
			if (slab->conn[i].state != CONN_FREE)
				visit(&slab->conn[i]);
}

void memory_free(struct mu_worker *worker)
{
	struct conn_slab *slab;
	struct buffer *buffer;

	while ((slab = worker->slabs)) {
		worker->slabs = slab->next;
		free(slab);
	}
	while ((buffer = worker->buffers)) {
		worker->buffers = buffer->next;
		free(buffer);
	}
	worker->free = worker->doomed = NULL;
	worker->idle_buffers = worker->unused_buffers = 0;
}

int memory_take_buffer(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	struct buffer *buffer = worker->buffers;

	if (buffer) {
		worker->buffers = buffer->next;
		worker->idle_buffers--;
		if (worker->unused_buffers > worker->idle_buffers)
			worker->unused_buffers = worker->idle_buffers;
	} else {
		buffer = malloc(sizeof(*buffer));
		if (!buffer)
			return -1;
	}
	buffer->start = buffer->end = 0;
	conn->in = buffer;
	return 0;
}

void memory_put_buffer(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	struct buffer *buffer = conn->in;

	conn->in = NULL;
	if (!buffer)
		return;
	buffer->next = worker->buffers;
	worker->buffers = buffer;
	worker->idle_buffers++;
}

/* The ones used last stay: they are the first. */
static void free_unused_buffers(struct mu_worker *worker)
{
	size_t stay = worker->idle_buffers - worker->unused_buffers;
	struct buffer **end = &worker->buffers, *buffer;

	for (size_t n = stay < KEPT ? KEPT : stay; n && *end; n--)
		end = &(*end)->next;
	while ((buffer = *end)) {
		*end = buffer->next;
		free(buffer);
		worker->idle_buffers--;
	}
	worker->unused_buffers = worker->idle_buffers;
}

static bool has_spare(const struct mu_worker *worker)
{
	return worker->idle_buffers > KEPT || (worker->pool.warm > KEPT && !WITH_ASAN);
}

void memory_cool(struct mu_worker *worker)
{
	if (worker->cool_at && worker->now < worker->cool_at)
		return;
	if (worker->cool_at) {
		free_unused_buffers(worker);
		coroutine_pool_cool(&worker->pool, KEPT);
	}
	worker->cool_at = has_spare(worker) ? worker->now + COOL_MS : 0;
}
