/* SPDX-License-Identifier: MIT */
/* Pools and their workers, as pool.h says. Their making and unmaking is pool_new.c. */
#include "master/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

/* Starts up to n, in free places. */
static void start_workers(struct pool *pool, int n, int64_t now)
{
	for (size_t i = 0; i < pool->board.slots && n > 0; i++) {
		if (pool->worker[i].phase != WORKER_NONE)
			continue;
		if (worker_start(&pool->worker[i], now) < 0) {
			log_err("cannot start a worker for service %s: %s", pool->service->name,
				strerror(errno));
			policy_refused(&pool->policy, now);
			if (pool->phase == POOL_STARTING)
				reload_refuse(pool->master, EX_OSERR,
					      "service %s: not all of its workers could be started",
					      pool->service->name);
			return;
		}
		n--;
	}
}

/* -------------------------------------------------------------------- before it serves ---- */

static int count_phase(const struct pool *pool, enum worker_phase phase)
{
	int n = 0;

	for (size_t i = 0; i < pool->board.slots; i++)
		n += pool->worker[i].phase == phase;
	return n;
}

int pool_alive(const struct pool *pool)
{
	return (int)pool->board.slots - count_phase(pool, WORKER_NONE);
}

/* At the start there is nothing to protect, so all start at once. */
static int first_workers(const struct pool *pool)
{
	int lowest = policy_lowest(&pool->policy);
	bool proven = pool->master->phase == MASTER_BOOTING || count_phase(pool, WORKER_READY);

	return proven && lowest > 1 ? lowest : 1;
}

/* A generation that is not committed is not sized by the policy yet. */
static bool settle_start(struct pool *pool, int64_t now)
{
	int missing = first_workers(pool) - pool_alive(pool);
	bool more = missing > POOL_SPAWN_BATCH;

	start_workers(pool, more ? POOL_SPAWN_BATCH : missing, now);
	pool->dirty = more && pool->phase == POOL_STARTING;
	return pool->dirty;
}

/* ------------------------------------------------------------------------ the decision ---- */

static struct policy_counts count_workers(const struct pool *pool)
{
	struct policy_counts counts = { 0 };
	int64_t room = 0;

	for (size_t i = 0; i < pool->board.slots; i++) {
		const struct worker *worker = &pool->worker[i];
		int held;

		if (worker->phase == WORKER_STARTING || worker->phase == WORKER_READY)
			counts.starting++;
		if (worker->phase != WORKER_SERVING)
			continue;
		counts.serving++;
		if (!worker_is_serving(worker))
			continue;
		held = worker_connections(worker);
		counts.idle += held == 0;
		room += pool->service->connections - held;
	}
	counts.spare = (int)(room / pool->service->connections);
	return counts;
}

/* The one that holds the fewest connections; of those the youngest, which is the coldest. */
static struct worker *idlest(struct pool *pool)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		if (!worker_is_serving(worker))
			continue;
		if (!best || worker_connections(worker) <= worker_connections(best))
			best = worker;
	}
	return best;
}

static void log_degraded(struct pool *pool, int64_t now)
{
	bool degraded = policy_is_degraded(&pool->policy);
	char next[CLOCK_TEXT_MAX], most[CLOCK_TEXT_MAX];

	if (degraded && !pool->degraded)
		log_warning("service %s is degraded: its workers cannot start or do not live; the "
			    "next try comes in %s, later ones at most %s apart",
			    pool->service->name, clock_text(pool->policy.retry_at - now, next),
			    clock_text(POLICY_DELAY_MAX_MS, most));
	if (!degraded && pool->degraded)
		log_notice("service %s is no longer degraded", pool->service->name);
	pool->degraded = degraded;
}

bool pool_settle(struct pool *pool, int64_t now)
{
	struct deadlines *deadlines = &pool->master->loop.deadlines;
	struct policy_counts counts;
	struct policy_decision decision;
	struct worker *worker;
	bool more;

	if (!pool->dirty || pool->phase == POOL_ENDING)
		return false;
	pool->dirty = false;
	if (pool->phase == POOL_STARTING)
		return settle_start(pool, now);
	counts = count_workers(pool);
	decision = policy_decide(&pool->policy, &counts, now);
	more = decision.start > POOL_SPAWN_BATCH;
	start_workers(pool, more ? POOL_SPAWN_BATCH : decision.start, now);
	while (decision.retire-- > 0 && (worker = idlest(pool)))
		worker_drain(worker, 0, now);
	log_degraded(pool, now);
	deadline_clear(deadlines, &pool->look);
	if (policy_is_degraded(&pool->policy) && pool->policy.retry_at > now)
		deadline_set(deadlines, &pool->look, pool->policy.retry_at);
	else if (decision.again_at)
		deadline_set(deadlines, &pool->look, decision.again_at);
	pool->dirty = more;
	return more;
}

void pool_move(struct pool *pool, int by)
{
	const struct policy *policy = &pool->policy;

	if (!policy_move(&pool->policy, by)) {
		log_notice("service %s stays at %d worker%s: that is the limit",
			   pool->service->name, policy_highest(policy),
			   plural(policy_highest(policy)));
		return;
	}
	pool->dirty = true;
	if (policy_lowest(policy) == policy_highest(policy))
		log_notice("service %s: %d worker%s from now on", pool->service->name,
			   policy_highest(policy), plural(policy_highest(policy)));
	else
		log_notice("service %s: %d to %d workers from now on", pool->service->name,
			   policy_lowest(policy), policy_highest(policy));
}

/* -------------------------------------------------------------------- the life of a pool ---- */

bool pool_is_ready(const struct pool *pool)
{
	int lowest = policy_lowest(&pool->policy);

	return count_phase(pool, WORKER_READY) >= (lowest > 1 ? lowest : 1);
}

void pool_commit(struct pool *pool)
{
	pool->phase = POOL_SERVING;
	pool->served = true;
	pool->dirty = true;
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase == WORKER_READY)
			worker_go(&pool->worker[i]);
	}
}

static void begin_end(struct pool *pool, int64_t now)
{
	pool->phase = POOL_ENDING;
	pool->ending_at = now;
	deadline_clear(&pool->master->loop.deadlines, &pool->look);
	for (size_t i = 0; i < pool->listeners; i++)
		listeners_release(&pool->master->listeners, pool->listener[i]);
	/* Our descriptors may be closed now; a socket lives until its last worker has left it. */
	pool->listeners = 0;
}

void pool_drain(struct pool *pool, bool last_call, int64_t now)
{
	if (pool->phase == POOL_ENDING)
		return;
	for (size_t i = 0; i < pool->board.slots; i++)
		worker_drain(&pool->worker[i], last_call ? RECORD_LAST_CALL : 0, now);
	begin_end(pool, now);
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

void pool_reopen(struct pool *pool, const struct log_target *target, int fd)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		if (worker->control.fd < 0 || record_send(worker->control.fd, RECORD_REOPEN, 0,
							  log_target_encode(target), fd) == 0)
			continue;
		/* It may have died already, and is reaped next. */
		if (errno != EPIPE && errno != ECONNRESET)
			log_warning("cannot hand the new log to worker %s %d (pid %d): %s",
				    pool->service->name, worker->number, (int)worker->pid,
				    strerror(errno));
	}
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
	struct worker *worker = pool->phase == POOL_SERVING ? idlest(pool) : NULL;

	if (worker)
		record_send(worker->control.fd, RECORD_TRY_ACCEPT, 0, 0, -1);
}
