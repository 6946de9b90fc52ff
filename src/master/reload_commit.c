/* SPDX-License-Identifier: MIT */
/*
 * The moment in which a reload becomes true, as reload.c says, which calls it when all new workers are READY. Up to
 * and including what may fail here (listen) all can be undone.
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/diff.h"
#include "master/state.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

const char *reload_pidfile_path(const struct master *master, const struct config *config)
{
	return master->options->pidfile ? master->options->pidfile : config->pidfile;
}

struct pool *reload_serving_pool(const struct master *master, const char *service)
{
	struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING && strcmp(pool->service->name, service) == 0)
			return pool;
	}
	return NULL;
}

bool reload_keeps(const struct master *master, const struct plan_service *service)
{
	return service->action == PLAN_UNCHANGED && !master->reload.roll &&
	       reload_serving_pool(master, service->name);
}

static bool listen_all(struct master *master)
{
	struct pool *pool;
	char *error = NULL;

	/* What listens already only gets other options, and that comes last: it cannot be undone. */
	for (int already = 0; already <= 1; already++) {
		TAILQ_FOREACH (pool, &master->pools, link) {
			if (pool->phase != POOL_STARTING || pool_listen(pool, already, &error) == 0)
				continue;
			reload_refuse(master, EX_UNAVAILABLE, "service %s: %s", pool->service->name,
				      error ? error : strerror(ENOMEM));
			free(error);
			return false;
		}
	}
	return true;
}

static bool listen_control(struct master *master)
{
	char *error;

	if (control_socket_listen(&master->reload.control, &master->control.socket, &error) == 0)
		return true;
	reload_refuse(master, EX_UNAVAILABLE, "control socket: %s",
		      error ? error : strerror(ENOMEM));
	free(error);
	return false;
}

static void swap_pidfile(struct master *master)
{
	struct reload *reload = &master->reload;

	if (reload->pidfile.fd < 0 && reload_pidfile_path(master, reload->config))
		return; /* the same as before */
	pidfile_remove_own(&master->pidfile);
	master->pidfile = reload->pidfile;
	reload->pidfile = PIDFILE_NONE;
}

static void log_pool(const struct pool *pool)
{
	char all[512] = "", one[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < pool->listeners; i++) {
		strlcat(all, i ? ", " : "", sizeof(all));
		strlcat(all, address_text(&pool->listener[i]->socket.address, one), sizeof(all));
	}
	log_info("service %s: %d worker%s ready on %s", pool->service->name, pool_alive(pool),
		 plural(pool_alive(pool)), all);
}

/* Pools that stay belong to the new configuration from now on, and log where it says. */
static void keep_pools(struct master *master)
{
	const struct reload *reload = &master->reload;

	for (size_t i = 0; i < reload->plan->services; i++) {
		const struct plan_service *service = &reload->plan->service[i];
		struct pool *pool;

		if (!reload_keeps(master, service))
			continue;
		pool = reload_serving_pool(master, service->name);
		pool_keep(pool, reload->config, service->new_service);
		pool_reset(pool);
		pool_reopen(pool, &reload->log_target, reload->log_fd);
	}
}

/* Returns how many workers serve now. */
static int swap_pools(struct master *master)
{
	const struct config *config = master->reload.config;
	const struct pool *old;
	struct pool *pool;
	int workers = 0;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_STARTING) {
			old = reload_serving_pool(master, pool->service->name);
			pool->paused = old && old->paused && !service_is_tended(pool->service);
			pool_commit(pool);
			log_pool(pool);
		}
		if (pool->phase == POOL_SERVING && pool->config == config)
			workers += pool_alive(pool);
	}
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING && pool->config != config)
			pool_drain(pool, pool_leaves_listeners(pool, config), master->loop.now);
	}
	return workers;
}

static void announce(struct master *master, bool first, int workers)
{
	size_t services = master->config->services;
	char *plan = plan_text(master->reload.plan, master->reload.roll), *answer;
	char took[CLOCK_TEXT_MAX], text[256];

	clock_text(clock_ms() - master->reload.began_at, took);
	snprintf(text, sizeof(text), "generation %u serves: %zu service%s, %d worker%s, after %s",
		 master->generation, services, plural((long)services), workers, plural(workers),
		 took);
	log_notice("%s: %s", first ? "ready" : "reloaded", text);
	if (asprintf(&answer, "%s\n%s", text, plan ? plan : "") < 0)
		answer = NULL;
	reload_finish(master, true, answer ? answer : text);
	free(answer);
	free(plan);
}

void reload_commit(struct master *master)
{
	struct reload *reload = &master->reload;
	bool first = master->phase == MASTER_BOOTING;
	struct config *old = master->config;
	int workers;

	if (!listen_control(master) || !listen_all(master))
		return;
	keep_pools(master);
	log_use(&reload->log_target, reload->log_fd);
	reload->log_fd = -1;
	swap_pidfile(master);
	control_commit(master, &reload->control);
	workers = swap_pools(master);
	listeners_store(&master->listeners);
	listeners_miss_files(&master->listeners);
	master->config = config_ref(reload->config);
	master->phase = MASTER_RUNNING;
	master->serving = master->generation;
	announce(master, first, workers);
	config_unref(old); /* the plan spoke of it */
	if (first)
		daemon_report(&master->daemon, 0);
}
