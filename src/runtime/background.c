/* SPDX-License-Identifier: MIT */
/*
 * What a worker does on behalf of no client: connections that stand for the worker, and the coroutines of
 * mu_background, each of which is the first task of such a connection. worker/ says when they begin and when they are to
 * end; its loop turns until the last of them has.
 */
#include "runtime/runtime.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct background {
	struct background *next;
	struct mu_worker *worker;
	struct mu_conn *conn; /* NULL: it does not run */
	void (*run)(struct mu_conn *conn, void *arg);
	void *arg;
};

struct mu_conn *conn_stand(struct mu_worker *worker)
{
	struct mu_conn *conn = conn_take(worker, CONN_SERVING);

	if (!conn)
		return NULL;
	conn->lingering = true;           /* no limit counts, and none is logged */
	conn->ready = CONN_IN | CONN_OUT; /* to fail, in place of a wait */
	return conn;
}

void conn_stand_down(struct mu_conn *conn)
{
	if (conn->family)
		family_end(conn);
	arena_free(conn->arena);
	conn_put(conn);
}

int mu_background(struct mu_worker *worker, void (*run)(struct mu_conn *conn, void *arg), void *arg)
{
	struct background **place = &worker->backgrounds, *self;

	if (worker->background_began) {
		errno = EINVAL;
		return -1;
	}
	self = calloc(1, sizeof(*self));
	if (!self)
		return -1;
	self->worker = worker;
	self->run = run;
	self->arg = arg;
	while (*place)
		place = &(*place)->next;
	*place = self;
	return 0;
}

static void background_main(void *arg)
{
	struct background *self = arg;

	task_run(self->conn, self->run, self->arg);
	conn_stand_down(self->conn);
	self->conn = NULL;
	self->worker->background--;
}

/* 0 or -1 with errno. */
static int begin(struct background *self)
{
	struct mu_worker *worker = self->worker;
	struct mu_conn *conn = conn_stand(worker);
	bool failed = true;

	if (!conn)
		return -1;
	if (task_reserve(conn) == 0) {
		self->conn = conn;
		worker->background++;
		worker->turn_left = TURN_BYTES;
		coroutine_start(&worker->pool, background_main, self, &failed);
		worker->task = NULL;
		if (!failed)
			return 0;
		worker->background--;
		worker->tasks--;
		self->conn = NULL;
	}
	conn_stand_down(conn);
	errno = ENOMEM; /* nothing else can be */
	return -1;
}

void background_begin(struct mu_worker *worker)
{
	worker->background_began = true;
	if (worker->refuses || worker->draining)
		return;
	for (struct background *self = worker->backgrounds; self; self = self->next)
		if (begin(self) < 0)
			log_err("cannot do what %s has to do in the background: %s",
				worker->module->name, strerror(errno));
}

void background_end(struct mu_worker *worker)
{
	for (struct background *self = worker->backgrounds; self; self = self->next)
		if (self->conn)
			mu_cancel(self->conn);
}

void background_free(struct mu_worker *worker)
{
	struct background *self;

	while ((self = worker->backgrounds)) {
		worker->backgrounds = self->next;
		free(self);
	}
}
