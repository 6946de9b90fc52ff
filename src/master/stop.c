/* SPDX-License-Identifier: MIT */
/*
 * Going down. Gracefully: nobody accepts any more, each service's clients have its drain limit. At
 * once: all workers are killed. The master leaves when its last worker has been reaped.
 */
#include "base/log.h"
#include "master/state.h"

#include <inttypes.h>
#include <sysexits.h>

static void begin_stop(struct master *master)
{
	if (master->reload.phase != RELOAD_NONE)
		reload_refuse(master, EX_TEMPFAIL, "told to stop");
	if (master->reload.queued)
		control_answer(master, master->reload.queued_ticket, false, "told to stop");
	control_answer(master, master->reload.plan_ticket, false, "told to stop");
	master->reload.queued = false;
	master->reload.plan_ticket = 0;
	master->phase = MASTER_STOPPING;
	systemd_notify(&master->systemd, "STOPPING=1\nSTATUS=Draining");
}

/* What is still in the backlog is lost with the listener, unless somebody else has it too. */
static bool is_last_call(const struct pool *pool)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		if (pool->listener[i]->socket.adopted)
			return false;
	}
	return true;
}

void stop_gracefully(struct master *master)
{
	struct pool *pool;

	if (master->phase == MASTER_STOPPING)
		return;
	begin_stop(master);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING)
			pool_drain(pool, is_last_call(pool), master->loop.now);
	}
}

void stop_at_once(struct master *master, const char *because)
{
	struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link)
		pool_kill(pool, SIGKILL, because, master->loop.now);
}

static void log_totals(const struct master *master)
{
	const struct totals *totals;

	SLIST_FOREACH (totals, &master->totals, link)
		log_info("service %s in all: connections %" PRIu64 ", requests %" PRIu64
			 ", ended by a time limit %" PRIu64 ", cut %" PRIu64
			 ", workers lost %" PRIu64,
			 totals->service, totals->accepted, totals->requests, totals->limited,
			 totals->cut, totals->deaths);
}

bool stop_settle(struct master *master)
{
	if (master->phase != MASTER_STOPPING || !TAILQ_EMPTY(&master->pools))
		return false;
	if (!master->config)
		return true; /* it never served, and has said why */
	log_totals(master);
	if (master->killed)
		log_warning("stopped; %u workers had to be killed", master->killed);
	else
		log_notice("stopped");
	return true;
}
