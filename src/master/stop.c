/* SPDX-License-Identifier: MIT */
/*
 * Going down. Gracefully: the shutdown delay, in which all goes on but calls itself not ready; then nobody
 * accepts any more, and each service's clients have its drain limit. At once: all workers are killed. The
 * master leaves when its last worker has been reaped.
 */
#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#include <inttypes.h>
#include <sysexits.h>

bool is_stopping(const struct master *master)
{
	return master->phase == MASTER_CLOSING || master->phase == MASTER_STOPPING;
}

/*
 * What is still in the backlog of a listener that goes is lost with it. Workers take from those that stay, too, then: who
 * waits there is served now or by the next master.
 */
static bool is_last_call(const struct pool *pool)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		if (!listener_outlives_us(&pool->master->listeners, pool->listener[i]))
			return true;
	}
	return false;
}

static void begin_drain(struct master *master)
{
	struct pool *pool;

	deadline_clear(&master->loop.deadlines, &master->closed);
	master->phase = MASTER_STOPPING;
	listeners_hold(&master->listeners);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING)
			pool_drain(pool, is_last_call(pool), master->loop.now);
	}
	notify_stopping(master);
}

static void on_closed(void *owner, int64_t now)
{
	struct master *master = owner;

	(void)now;
	log_notice("the shutdown delay is over: draining");
	begin_drain(master);
}

static void begin_delay(struct master *master, int64_t delay)
{
	struct pool *pool;
	char text[CLOCK_TEXT_MAX];

	master->phase = MASTER_CLOSING;
	clock_text(delay, text);
	log_notice("not ready any more; serving on for the shutdown delay of %s", text);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING)
			pool_tell(pool, RECORD_CLOSING);
	}
	deadline_set(&master->loop.deadlines, &master->closed, master->loop.now + delay);
	notify_stopping(master);
}

void stop_init(struct master *master)
{
	deadline_init(&master->closed, on_closed, master);
}

void stop_gracefully(struct master *master)
{
	int64_t delay = master->config ? master->config->shutdown_delay_ms : 0;

	if (is_stopping(master))
		return;
	if (master->reload.phase != RELOAD_NONE)
		reload_refuse(master, EX_TEMPFAIL, "told to stop");
	reload_forget(master);
	/* A start that was given up has its end already. */
	if (delay && master->phase == MASTER_RUNNING)
		begin_delay(master, delay);
	else
		begin_drain(master);
}

void stop_at_once(struct master *master, const char *because)
{
	struct pool *pool;

	deadline_clear(&master->loop.deadlines, &master->closed);
	master->phase = MASTER_STOPPING;
	listeners_hold(&master->listeners);
	/* Who accepts by itself may have started others, which only its worker can end: it has a moment for that. */
	TAILQ_FOREACH (pool, &master->pools, link)
		pool_kill(pool, service_is_tended(pool->service) ? SIGTERM : SIGKILL, because,
			  master->loop.now);
}

static void log_totals(const struct master *master)
{
	const struct totals *totals;

	SLIST_FOREACH (totals, &master->totals, link)
		log_info("service %s in all: connections %" PRIu64 ", requests %" PRIu64
			 ", ended by a time limit %" PRIu64 ", cut %" PRIu64 ", refused %" PRIu64
			 ", times full %" PRIu64 ", workers lost %" PRIu64,
			 totals->service, totals->accepted, totals->requests, totals->limited,
			 totals->cut, totals->refused, totals->waits, totals->deaths);
}

bool stop_settle(struct master *master)
{
	if (master->phase != MASTER_STOPPING || !TAILQ_EMPTY(&master->pools))
		return false;
	reap_tell_rest(master);
	if (!master->config)
		return true; /* it never served, and has said why */
	log_totals(master);
	if (master->killed)
		log_warning("stopped; %u workers had to be killed", master->killed);
	else
		log_notice("stopped");
	return true;
}
