/* SPDX-License-Identifier: MIT */
/*
 * How many workers a pool has, as pool.h says: counts what they hold, watches the queue while nobody else could
 * take from it, and does what policy.c and queue.c decide. An order to end is pool.c's.
 */
#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* ----------------------------------------------------------------------------- counting ---- */

enum { WHOLE = 1 << 16 }; /* the room of an idle worker, in parts */

struct crowd {
	struct policy_counts counts;
	bool room; /* somebody could take a client */
};

/* When the worker had its last connection; what stands in its slot may be anything. */
static int64_t idle_since(const struct worker *worker)
{
	const struct slot *slot = &worker->pool->board.slot[worker->number - 1];
	int64_t since = atomic_load_explicit(&slot->since_ms, memory_order_relaxed);

	return since > worker->started_at && since <= worker->pool->master->loop.now
		       ? since
		       : worker->started_at;
}

static void look_at_age(struct worker *worker, struct policy_counts *counts, int64_t now)
{
	int64_t lifetime = worker->pool->service->max_lifetime_ms;
	int64_t expires_at;

	if (!lifetime || worker->expired)
		return;
	expires_at = worker->started_at + policy_lifetime(lifetime, (uint32_t)worker->pid);
	if (now >= expires_at)
		worker->expired = EXPIRY_LIFETIME;
	else
		counts->next_at = clock_earlier(counts->next_at, expires_at);
}

static void count_idle(const struct worker *worker, struct policy_counts *counts, int64_t now)
{
	int64_t rested_at = idle_since(worker) + POLICY_IDLE_MS;

	counts->idle++;
	if (!policy_is_on_demand(&worker->pool->policy))
		return;
	if (now >= rested_at)
		counts->rested++;
	else
		counts->next_at = clock_earlier(counts->next_at, rested_at);
}

static struct crowd count_workers(const struct pool *pool, int64_t now)
{
	struct crowd crowd = { .counts.paused = pool->paused };
	struct policy_counts *counts = &crowd.counts;
	int64_t room = 0;

	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];
		int64_t free;

		if (worker->refuses)
			continue;
		counts->starting +=
			worker->phase == WORKER_STARTING || worker->phase == WORKER_READY;
		counts->leaving += worker->phase == WORKER_ENDING && worker->expired;
		/* A stuck one is replaced at once. */
		if (worker->phase != WORKER_SERVING || worker->stuck_since)
			continue;
		counts->serving++;
		look_at_age(worker, counts, now);
		counts->expired += worker->expired != EXPIRY_NONE;
		if (!worker_is_serving(worker))
			continue;
		free = worker->most - worker_connections(worker);
		crowd.room |= free > 0;
		if (worker->expired)
			continue;
		room += free * WHOLE / worker->most;
		if (free == worker->most)
			count_idle(worker, counts, now);
	}
	counts->spare = (int)(room / WHOLE);
	return crowd;
}

/* -------------------------------------------------------------------- starting, retiring ---- */

/* Starts up to n, a batch at most, in free places. True: the rest of them can be started in the next turn. */
static bool start_workers(struct pool *pool, int n, int64_t now)
{
	int left = n > POOL_SPAWN_BATCH ? POOL_SPAWN_BATCH : n;

	for (size_t i = 0; i < pool->board.slots && left > 0; i++) {
		if (pool->worker[i].phase != WORKER_NONE || pool->worker[i].refuses)
			continue;
		if (worker_start(&pool->worker[i], now) < 0) {
			log_err("cannot start a worker for service %s: %s", pool->service->name,
				strerror(errno));
			policy_refused(&pool->policy, now);
			if (pool->phase == POOL_STARTING)
				reload_refuse(pool->master, EX_OSERR,
					      "service %s: not all of its workers could be started",
					      pool->service->name);
			return false;
		}
		left--;
	}
	/* Where those that drain hold all places, the end of one of them is waited for. */
	return n > POOL_SPAWN_BATCH && left == 0;
}

static bool is_idler(const struct worker *a, const struct worker *b)
{
	int held_a = worker_connections(a), held_b = worker_connections(b);

	if (held_a != held_b)
		return held_a < held_b;
	/* Who is as idle as another is later in the queue of those who accept: the coldest. */
	return held_a > 0 || idle_since(a) <= idle_since(b);
}

static struct worker *idlest(const struct pool *pool, bool expired)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];

		if (!worker_is_serving(worker) || worker->refuses ||
		    (worker->expired != EXPIRY_NONE) != expired)
			continue;
		if (!best || is_idler(worker, best))
			best = worker;
	}
	return best;
}

struct worker *pool_idlest(const struct pool *pool)
{
	struct worker *worker = idlest(pool, false);

	return worker ? worker : idlest(pool, true);
}

static void retire(struct pool *pool, const struct policy_decision *decision, int64_t now)
{
	static const char *const reasons[] = { [EXPIRY_REQUESTS] = "max-requests",
					       [EXPIRY_MEMORY] = "max-memory",
					       [EXPIRY_LIFETIME] = "max-lifetime" };
	struct worker *worker;

	for (int i = 0; i < decision->recycle && (worker = idlest(pool, true)); i++) {
		log_info("worker %s %d (pid %d): %s reached: it is replaced", pool->service->name,
			 worker->number, (int)worker->pid, reasons[worker->expired]);
		worker_drain(worker, 0, now);
	}
	for (int i = 0; i < decision->retire && (worker = idlest(pool, false)); i++) {
		if (decision->only_idle && worker_connections(worker))
			return;
		log_debug("worker %s %d (pid %d) is not needed any more", pool->service->name,
			  worker->number, (int)worker->pid);
		worker_drain(worker, 0, now);
	}
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
	if (degraded == pool->degraded)
		return;
	pool->degraded = degraded;
	if (pool->phase == POOL_SERVING)
		notify_status(pool->master, false);
}

/* ----------------------------------------------------------------------------- the queue ---- */

static void on_waiting(void *owner)
{
	struct pool *pool = owner;

	pool->woken = pool->dirty = true;
}

static uint64_t refused(const struct pool *pool)
{
	uint64_t n = pool->totals->refused;

	if (pool->refuser)
		n += worker_refused(pool->refuser);
	return n;
}

static void begin_full(struct pool *pool, int serving)
{
	char who[64] = "its worker is";

	pool->full = true;
	pool->totals->waits++;
	pool->refused_before = refused(pool);
	if (serving > 1)
		snprintf(who, sizeof(who), "all %d workers are", serving);
	log_warning("service %s is full: %s busy, clients %s; `workers` or `connections` sets the "
		    "limit",
		    pool->service->name, who, pool->refuser ? "are refused" : "wait in the queue");
}

static void log_free(struct pool *pool, int64_t lasted)
{
	char text[CLOCK_TEXT_MAX];
	uint64_t n = refused(pool);

	/* It may have scribbled over its slot. */
	n = n > pool->refused_before ? n - pool->refused_before : 0;
	pool->full = false;
	clock_text(lasted, text);
	if (pool->refuser)
		log_notice("service %s is no longer full, after %s; %" PRIu64
			   " connection%s refused",
			   pool->service->name, text, n, n == 1 ? " was" : "s were");
	else
		log_notice("service %s is no longer full, after %s", pool->service->name, text);
}

void pool_end_full(struct pool *pool)
{
	if (pool->full)
		log_free(pool, pool->master->loop.now - pool->queue.full_since);
	queue_stop(&pool->queue);
}

static void stop_watching(struct pool *pool)
{
	pool_end_full(pool);
	queue_watch_end(&pool->queue_watch, &pool->master->loop);
	pool->woken = false;
}

static bool is_refusing(const struct pool *pool)
{
	return pool->refuser && worker_is_serving(pool->refuser);
}

static void watch_queue(struct pool *pool)
{
	struct loop *loop = &pool->master->loop;
	bool blind = queue_watch_arm(&pool->queue_watch, loop, pool->listener_fd, pool->listeners,
				     on_waiting, pool) < 0;

	if (blind && !pool->blind)
		log_warning("service %s: cannot watch its listeners, and looks at them instead: %s",
			    pool->service->name, strerror(errno));
	pool->blind = blind;
	/* As if a client had come: we look for ourselves, now and then. */
	if (blind)
		queue_turn(&pool->queue, &(struct queue_facts){ .woken = true }, loop->now);
}

/* Clients wait, and nobody takes them. */
static bool look_at_queue(struct pool *pool, const struct crowd *crowd, int64_t now)
{
	const struct policy_counts *counts = &crowd->counts;
	struct queue *queue = &pool->queue;
	enum queue_state before = queue->state;
	int64_t full_since = queue->full_since;
	struct queue_facts facts = {
		.woken = pool->woken,
		.starting = counts->starting,
		.serving = counts->serving,
		.room = crowd->room,
		.can_grow = policy_can_grow(&pool->policy, counts, now),
		.refusing = is_refusing(pool),
	};

	/* Who accepts by itself is not seen to be busy, so nobody can say that a client is left waiting. */
	if (pool->paused || service_is_tended(pool->service)) {
		stop_watching(pool);
		return false;
	}
	if (queue_asks(queue, pool->woken))
		facts.readable = queue_watch_readable(pool->listener_fd, pool->listeners);
	pool->woken = false;
	if (queue_turn(queue, &facts, now))
		pool_try_accept(pool);
	if (queue->state == QUEUE_WATCHED && before != QUEUE_WATCHED)
		watch_queue(pool);
	if (queue_is_full(queue) && !pool->full)
		begin_full(pool, counts->serving);
	else if (!queue_is_full(queue) && pool->full)
		log_free(pool, queue->full_seen - full_since);
	return queue_is_waiting(queue);
}

/* The one more that answers those for whom there is no room. When to look at it again; 0: need not. */
static int64_t settle_refuser(struct pool *pool, int64_t now)
{
	struct worker *refuser = pool->refuser;
	struct policy_counts counts = { 0 };
	struct policy_decision decision;

	if (!refuser)
		return 0;
	if (pool->full)
		pool->refuse_until = now + POOL_REFUSER_STAYS_MS;
	if (pool->paused || now >= pool->refuse_until) {
		worker_drain(refuser, 0, now);
		return 0;
	}
	/* One that still leaves holds the place. */
	counts.serving = refuser->phase == WORKER_SERVING;
	counts.starting = !counts.serving && refuser->phase != WORKER_NONE;
	decision = policy_decide(&pool->refusing, &counts, now);
	if (decision.start && worker_start(refuser, now) < 0) {
		log_err("cannot start the worker of service %s that refuses clients: %s",
			pool->service->name, strerror(errno));
		policy_refused(&pool->refusing, now);
		decision.again_at = pool->refusing.retry_at;
	}
	return clock_earlier(decision.again_at, pool->refuse_until);
}

/* -------------------------------------------------------------------------- the decision ---- */

/* At the start there is nothing to protect, so all start at once. */
static int first_workers(const struct pool *pool)
{
	int lowest = policy_lowest(&pool->policy);
	bool proven = pool->master->phase == MASTER_BOOTING || pool_count(pool, WORKER_READY);

	return proven && lowest > 1 ? lowest : 1;
}

/* A generation that is not committed is not sized by the policy yet. */
static bool settle_start(struct pool *pool, int64_t now)
{
	pool->dirty = start_workers(pool, first_workers(pool) - pool_alive(pool), now);
	return pool->dirty;
}

bool pool_settle(struct pool *pool, int64_t now)
{
	struct deadlines *deadlines = &pool->master->loop.deadlines;
	struct policy_decision decision;
	struct crowd crowd;
	int64_t again_at;
	bool more;

	if (!pool->dirty || pool->phase == POOL_ENDING)
		return false;
	pool->dirty = false;
	if (pool->phase == POOL_STARTING)
		return settle_start(pool, now);
	crowd = count_workers(pool, now);
	crowd.counts.waiting = look_at_queue(pool, &crowd, now);
	decision = policy_decide(&pool->policy, &crowd.counts, now);
	more = start_workers(pool, decision.start, now);
	retire(pool, &decision, now);
	log_degraded(pool, now);
	again_at = clock_earlier(decision.again_at, queue_next(&pool->queue, now));
	again_at = clock_earlier(again_at, settle_refuser(pool, now));
	if (policy_is_degraded(&pool->policy) && pool->policy.retry_at > now)
		again_at = clock_earlier(again_at, pool->policy.retry_at);
	deadline_clear(deadlines, &pool->look);
	if (again_at)
		deadline_set(deadlines, &pool->look, again_at);
	pool->dirty = more;
	return more;
}

/* --------------------------------------------------------------------------- from outside ---- */

static void log_size(const struct pool *pool, const char *verb, const char *how)
{
	int low = policy_lowest(&pool->policy), high = policy_highest(&pool->policy);

	if (low == high)
		log_notice("service %s%s %d worker%s%s", pool->service->name, verb, high,
			   plural(high), how);
	else
		log_notice("service %s%s %d to %d workers%s", pool->service->name, verb, low, high,
			   how);
}

void pool_move(struct pool *pool, int by)
{
	if (!policy_move(&pool->policy, by)) {
		log_size(pool, " stays at", ": that is the limit");
		return;
	}
	pool->dirty = true;
	log_size(pool, ":", " from now on");
}

bool pool_set_workers(struct pool *pool, int by_or_n, bool absolute, char *reason, size_t size)
{
	int64_t highest = policy_highest(&pool->policy);
	int64_t n = absolute ? by_or_n : highest + by_or_n;

	if (n < 1) {
		snprintf(reason, size, "service %s needs 1 worker at least%s", pool->service->name,
			 absolute ? "" : " to be left");
		return false;
	}
	if (n > pool->policy.limits.most) {
		snprintf(reason, size,
			 "service %s has places for %d workers, not %" PRId64
			 ": `workers` in the configuration and a reload change that",
			 pool->service->name, pool->policy.limits.most, n);
		return false;
	}
	pool_move(pool, (int)(n - highest));
	return true;
}

void pool_reset(struct pool *pool)
{
	if (!pool->policy.offset)
		return;
	policy_move(&pool->policy, -pool->policy.offset);
	pool->dirty = true;
	log_size(pool, ":", " again, as configured");
}
