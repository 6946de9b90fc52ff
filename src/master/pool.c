/* SPDX-License-Identifier: MIT */
/*
 * The life of pools and what is said to all of their workers, as pool.h says. Their making and unmaking is
 * pool_new.c, their size pool_size.c's.
 */
#include "master/pool.h"

#include "base/fd.h"
#include "base/log.h"
#include "master/state.h"

#include <errno.h>
#include <string.h>

/* -------------------------------------------------------------------- the life of a pool ---- */

int pool_count(const struct pool *pool, enum worker_phase phase)
{
	int n = 0;

	for (size_t i = 0; i < pool->board.slots; i++)
		n += pool->worker[i].phase == phase;
	return n;
}

int pool_alive(const struct pool *pool)
{
	return (int)pool->board.slots - pool_count(pool, WORKER_NONE);
}

bool pool_is_ready(const struct pool *pool)
{
	int lowest = policy_lowest(&pool->policy);

	return pool_count(pool, WORKER_READY) >= (lowest > 1 ? lowest : 1);
}

void pool_commit(struct pool *pool)
{
	pool->phase = POOL_SERVING;
	pool->served = true;
	pool->dirty = true;
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase == WORKER_READY && !pool->paused)
			worker_go(&pool->worker[i]);
	}
}

bool pool_pause(struct pool *pool, bool paused)
{
	if (pool->paused == paused)
		return false;
	pool->paused = paused;
	pool->dirty = true;
	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		if (worker->phase == WORKER_READY && !paused)
			worker_go(worker);
		else if (worker->phase == WORKER_SERVING)
			record_send(worker->control.fd, paused ? RECORD_PAUSE : RECORD_GO, 0, 0,
				    -1);
	}
	log_notice("service %s %s", pool->service->name,
		   paused ? "is paused: its workers serve whom they have, others wait in the queue"
			  : "goes on: its workers accept again");
	return true;
}

static void begin_end(struct pool *pool, int64_t now)
{
	pool->phase = POOL_ENDING;
	pool->ending_at = now;
	deadline_clear(&pool->master->loop.deadlines, &pool->look);
	pool_end_full(pool);
	queue_watch_end(&pool->queue_watch, &pool->master->loop);
	for (size_t i = 0; i < pool->listeners; i++)
		listeners_release(&pool->master->listeners, pool->listener[i]);
	/* Our descriptors may be closed now; a socket lives until its last worker has left it. */
	pool->listeners = 0;
}

void pool_drain(struct pool *pool, bool last_call, int64_t now)
{
	if (pool->phase == POOL_ENDING)
		return;
	for (size_t i = 0; i < pool->board.slots; i++) {
		/* Who could be served must not be refused in the last moment. */
		bool take = last_call && !pool->worker[i].refuses;

		worker_drain(&pool->worker[i], take ? RECORD_LAST_CALL : 0, now);
	}
	begin_end(pool, now);
}

void pool_end_last_call(struct pool *pool)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		/* No limit: a second DRAIN changes only what it names. */
		if (worker->phase == WORKER_ENDING && !worker->said_goodbye &&
		    worker->control.fd >= 0)
			record_send(worker->control.fd, RECORD_DRAIN, 0, 0, -1);
	}
}

void pool_kill(struct pool *pool, int signal, const char *because, int64_t now)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase != WORKER_NONE)
			worker_signal(&pool->worker[i], signal, because, now);
	}
	if (pool->phase != POOL_ENDING)
		begin_end(pool, now);
}

/* what: for the log, "the new log". */
static void hand_out(struct pool *pool, const char *what, uint32_t flags, int64_t value, int fd)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		if (worker->control.fd < 0 ||
		    record_send(worker->control.fd, RECORD_REOPEN, flags, value, fd) == 0)
			continue;
		/* It may have died already, and is reaped next. */
		if (errno != EPIPE && errno != ECONNRESET)
			log_warning("cannot hand %s to worker %s %d (pid %d): %s", what,
				    pool->service->name, worker->number, (int)worker->pid,
				    strerror(errno));
	}
}

void pool_reopen(struct pool *pool, const struct log_target *target, int fd)
{
	hand_out(pool, "the new log", 0, log_target_encode(target), fd);
}

void pool_replace_output(struct pool *pool, size_t i, int fd)
{
	hand_out(pool, pool->service->output[i].path, (uint32_t)i + 1, 0, fd);
	fd_close(&pool->output[i]);
	pool->output[i] = fd;
}

void pool_tell(struct pool *pool, enum record_type type)
{
	/* A failure means that it has died, which is noticed elsewhere. */
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase == WORKER_SERVING)
			record_send(pool->worker[i].control.fd, type, 0, 0, -1);
	}
}

struct worker *pool_find(struct pool *pool, pid_t pid)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase != WORKER_NONE && pool->worker[i].pid == pid)
			return &pool->worker[i];
	}
	return NULL;
}

void pool_try_accept(struct pool *pool)
{
	struct worker *worker = pool_idlest(pool);

	if (worker && pool->phase == POOL_SERVING && !pool->paused &&
	    !service_is_tended(pool->service))
		record_send(worker->control.fd, RECORD_TRY_ACCEPT, 0, 0, -1);
}
