/* SPDX-License-Identifier: MIT */
/* Making and unmaking pools, as pool.h says: listeners, scoreboard, places for workers. */
#include "base/fd.h"
#include "base/log.h"
#include "master/outputs.h"
#include "master/saved.h"
#include "master/state.h"
#include "master/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Places beyond what the service asks for: for what TTIN adds; and as many again for workers that drain
 * while their replacements serve.
 */
enum { EXTRA_WORKERS = 16 };

static struct listener_options options_of(const struct service_conf *service)
{
	return (struct listener_options){
		.backlog = service->backlog,
		.mode = service->socket_mode,
		.owner = service->socket_owner,
		.group = service->socket_group,
		.defer_accept = service->module->flags & MU_CLIENT_FIRST,
		.tended = service_is_tended(service),
	};
}

static void on_look(void *owner, int64_t now)
{
	struct pool *pool = owner;

	(void)now;
	pool->dirty = true;
}

struct totals *totals_of(struct master *master, const char *service)
{
	struct totals *totals;

	SLIST_FOREACH (totals, &master->totals, link) {
		if (strcmp(totals->service, service) == 0)
			return totals;
	}
	totals = calloc(1, sizeof(*totals));
	if (!totals)
		return NULL;
	totals->service = strdup(service);
	if (!totals->service) {
		free(totals);
		return NULL;
	}
	reap_init_totals(totals);
	SLIST_INSERT_HEAD(&master->totals, totals, link);
	return totals;
}

static int add_listener(struct pool *pool, struct open_listener *listener)
{
	struct open_listener **all;

	all = reallocarray(pool->listener, pool->listeners + 1, sizeof(*all));
	if (!all) {
		listeners_release(&pool->master->listeners, listener);
		return -1;
	}
	pool->listener = all;
	all[pool->listeners++] = listener;
	return 0;
}

static int take_passed(struct pool *pool, const char *name, char **error_r)
{
	struct listeners *listeners = &pool->master->listeners;
	struct open_listener *listener = NULL;
	int n = 0;

	while ((listener = listeners_take_passed(listeners, name, listener))) {
		if (add_listener(pool, listener) < 0)
			return -1;
		n++;
	}
	if (n)
		return 0;
	if (asprintf(error_r, "systemd has passed no socket of the name %s", name) < 0)
		*error_r = NULL;
	return -1;
}

static bool names_address(const struct service_conf *service, const struct address *address)
{
	for (size_t i = 0; i < service->listens; i++) {
		const struct conf_listen *listen = &service->listen[i];

		for (size_t j = 0; j < listen->addresses; j++) {
			if (address_equal(&listen->address[j], address) ||
			    address_overlaps(&listen->address[j], address))
				return true;
		}
	}
	return false;
}

/*
 * We have closed what an old generation listened on, but a direct worker that is busy holds it until it has
 * served those who wait there. Then the kernel's "address in use" is true and of no help.
 */
static void blame_draining(const struct pool *pool, const struct address *address, char **error_r)
{
	const struct pool *old;
	char text[ADDRESS_TEXT_MAX];

	TAILQ_FOREACH (old, &pool->master->pools, link) {
		if (old->phase == POOL_ENDING && names_address(old->service, address))
			break;
	}
	if (!old)
		return;
	free(*error_r);
	if (asprintf(error_r,
		     "cannot bind %s: generation %u of service %s had it and still drains: reload "
		     "again when it has left",
		     address_text(address, text), old->generation, old->service->name) < 0)
		*error_r = NULL;
}

static struct open_listener *take_address(struct pool *pool, const struct address *address,
					  const struct listener_options *options, char **error_r)
{
	struct open_listener *listener = listeners_take(&pool->master->listeners, address, options,
							pool->generation, error_r);

	if (!listener && errno == EADDRINUSE)
		blame_draining(pool, address, error_r);
	return listener;
}

static int note_descriptors(struct pool *pool)
{
	pool->listener_fd = calloc(pool->listeners + 1, sizeof(*pool->listener_fd));
	for (size_t i = 0; pool->listener_fd && i < pool->listeners; i++)
		pool->listener_fd[i] = pool->listener[i]->socket.fd;
	return pool->listener_fd ? 0 : -1;
}

static int take_listeners(struct pool *pool, char **error_r)
{
	const struct service_conf *service = pool->service;
	struct listener_options options = options_of(service);

	for (size_t i = 0; i < service->listens; i++) {
		const struct conf_listen *listen = &service->listen[i];

		if (listen->kind == LISTEN_SYSTEMD) {
			if (take_passed(pool, listen->systemd_name, error_r) < 0)
				return -1;
			continue;
		}
		for (size_t j = 0; j < listen->addresses; j++) {
			struct open_listener *listener =
				take_address(pool, &listen->address[j], &options, error_r);

			if (!listener || add_listener(pool, listener) < 0)
				return -1;
		}
	}
	return note_descriptors(pool);
}

static bool has_listener(const struct pool *pool, const struct open_listener *listener)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		if (pool->listener[i] == listener)
			return true;
	}
	return false;
}

static const struct open_listener *shared_listener(const struct pool *pool,
						   const struct pool *other)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		if (has_listener(other, pool->listener[i]))
			return pool->listener[i];
	}
	return NULL;
}

/*
 * Whether accept(2) waits belongs to the socket and not to who calls it: what suits programs that accept by
 * themselves would block our workers, and the reverse would fail there.
 */
static int check_company(const struct pool *pool, char **error_r)
{
	bool tended = service_is_tended(pool->service);
	const struct open_listener *shared;
	char text[ADDRESS_TEXT_MAX];
	const struct pool *other;

	TAILQ_FOREACH (other, &pool->master->pools, link) {
		if (service_is_tended(other->service) == tended)
			continue;
		shared = shared_listener(pool, other);
		if (!shared)
			continue;
		if (asprintf(error_r,
			     "%s is now served by the handler `%s` of service %s: a socket cannot "
			     "change between handlers that accept by themselves and others while "
			     "it is in use; remove it in one reload and add it in the next, or "
			     "restart",
			     address_text(&shared->socket.address, text),
			     other->service->module->name, other->service->name) < 0)
			*error_r = NULL;
		errno = EBUSY;
		return -1;
	}
	return 0;
}

static bool is_anothers(const struct pool *pool, const struct open_listener *listener)
{
	const struct pool *other;

	TAILQ_FOREACH (other, &pool->master->pools, link) {
		if (other != pool && has_listener(other, listener))
			return true;
	}
	return false;
}

/*
 * Who accepts by itself finds a socket on which accept(2) waits, and may have made another of it since: then it relies
 * on that, whoever is started beside it.
 */
static int make_blocking(const struct pool *pool, char **error_r)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		const struct open_listener *listener = pool->listener[i];

		if (is_anothers(pool, listener) ||
		    fd_set_nonblocking(listener->socket.fd, false) == 0)
			continue;
		if (asprintf(error_r, "cannot prepare a socket: %s", strerror(errno)) < 0)
			*error_r = NULL;
		return -1;
	}
	return 0;
}

/* It does so before it can be told not to: it must find a socket that listens. */
static int listen_early(struct pool *pool, char **error_r)
{
	if (check_company(pool, error_r) < 0)
		return -1;
	if (!service_is_tended(pool->service))
		return 0;
	return make_blocking(pool, error_r) < 0 ? -1 : pool_listen(pool, false, error_r);
}

static int open_outputs(struct pool *pool, char **error_r)
{
	pool->output = outputs_open(pool->service, error_r);
	return pool->output ? 0 : -1;
}

static int make_workers(struct pool *pool)
{
	pool->worker = calloc(pool->board.slots, sizeof(*pool->worker));
	if (!pool->worker)
		return -1;
	for (size_t i = 0; i < pool->board.slots; i++)
		worker_init(&pool->worker[i], pool, (int)i + 1);
	if (pool->service->overflow_refuse)
		pool->refuser = &pool->worker[pool->board.slots - 1];
	return 0;
}

static void init_policy(struct pool *pool)
{
	const struct service_conf *service = pool->service;
	struct policy_limits limits = { .min = service->workers_min,
					.max = service->workers_max,
					.spare_min = service->spare_min,
					.spare_max = service->spare_max,
					.most = service->workers_max + EXTRA_WORKERS };

	policy_init(&pool->policy, &limits);
	policy_init(&pool->refusing, &(struct policy_limits){ .min = 1, .max = 1, .most = 1 });
}

static int make_places(struct pool *pool)
{
	size_t places = (size_t)pool->policy.limits.most * 2 + pool->service->overflow_refuse;

	if (board_init(&pool->board, places) < 0)
		return -1;
	return make_workers(pool);
}

/* A pool in the master's list, with nothing that has to be asked of the system. NULL with ENOMEM. */
static struct pool *pool_make(struct master *master, struct config *config,
			      const struct service_conf *service, unsigned generation)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->master = master;
	pool->generation = generation;
	pool->service = service;
	pool->config = config_ref(config);
	pool->board.fd = -1;
	pool->dirty = true;
	init_policy(pool);
	deadline_init(&pool->look, on_look, pool);
	deadline_init(&pool->watch, watch_fire, pool);
	TAILQ_INSERT_TAIL(&master->pools, pool, link);
	pool->totals = totals_of(master, service->name);
	return pool;
}

struct pool *pool_new(struct master *master, struct config *config,
		      const struct service_conf *service, unsigned generation, char **error_r)
{
	struct pool *pool = pool_make(master, config, service, generation);
	int error;

	*error_r = NULL;
	if (!pool)
		goto out_of_memory;
	if (pool->totals && make_places(pool) == 0 && take_listeners(pool, error_r) == 0 &&
	    open_outputs(pool, error_r) == 0 && listen_early(pool, error_r) == 0)
		return pool;
	error = errno;
	for (size_t i = 0; i < pool->listeners; i++)
		listeners_release(&master->listeners, pool->listener[i]);
	pool_free(pool);
	errno = error;
out_of_memory:
	if (!*error_r)
		*error_r = strdup(strerror(errno));
	return NULL;
}

static void adopt_policy(struct policy *policy, const struct saved_pool *saved)
{
	policy->offset = (int)saved->offset;
	policy->round = (unsigned)saved->round;
	policy->failures = (int)saved->failures;
	policy->retry_at = saved->retry_at;
	policy->proven_at = saved->proven_at;
	policy->grow = (int)saved->grow;
	policy->grow_at = saved->grow_at;
	policy->shrink_at = saved->shrink_at;
}

static void adopt_queue(struct pool *pool, const struct saved_pool *saved)
{
	struct queue *queue = &pool->queue;

	queue->state = (enum queue_state)saved->queue_state;
	queue->at = saved->queue_at;
	queue->waiting_since = saved->waiting_since;
	queue->full_since = saved->full_since;
	queue->full_seen = saved->full_seen;
	/* Who watched was the program before us. */
	if (queue->state == QUEUE_WATCHED || queue->state == QUEUE_WOKEN)
		queue_rest(queue, pool->master->loop.now);
	pool->full = saved->full;
	pool->refused_before = (uint64_t)saved->refused_before;
	pool->refuse_until = saved->refuse_until;
}

struct pool *pool_adopt(struct master *master, struct config *config,
			const struct service_conf *service, const struct saved_pool *saved,
			struct open_listener *const *listener, size_t listeners, int *output,
			char **error_r)
{
	struct pool *pool = pool_make(master, config, service, (unsigned)saved->generation);

	*error_r = NULL;
	if (!pool)
		goto fail;
	pool->phase = saved->ending ? POOL_ENDING : POOL_SERVING;
	pool->output = output;
	pool->served = saved->served;
	pool->paused = saved->paused;
	pool->degraded = saved->degraded;
	pool->cut = (unsigned)saved->cut;
	pool->killed = (unsigned)saved->killed;
	pool->ending_at = saved->ending_at;
	adopt_policy(&pool->policy, saved);
	adopt_queue(pool, saved);
	if (saved->watch_at)
		deadline_set(&master->loop.deadlines, &pool->watch, saved->watch_at);
	for (size_t i = 0; i < listeners; i++) {
		listener[i]->refs++;
		if (add_listener(pool, listener[i]) < 0)
			goto fail;
	}
	if (pool->totals && note_descriptors(pool) == 0 &&
	    board_adopt(&pool->board, saved->board, (size_t)saved->slots) == 0 &&
	    make_workers(pool) == 0)
		return pool;
fail:
	if (asprintf(error_r, "service %s, generation %u: %s", saved->service,
		     (unsigned)saved->generation, strerror(errno)) < 0)
		*error_r = NULL;
	/* Its listeners keep what refers to them: they are not to be closed for good. */
	if (pool)
		pool_free(pool);
	return NULL;
}

void pool_free(struct pool *pool)
{
	deadline_clear(&pool->master->loop.deadlines, &pool->look);
	deadline_clear(&pool->master->loop.deadlines, &pool->watch);
	TAILQ_REMOVE(&pool->master->pools, pool, link);
	free(pool->worker);
	board_cleanup(&pool->board);
	outputs_close(pool->output, pool->service->outputs);
	free(pool->listener_fd);
	free(pool->listener);
	config_unref(pool->config);
	free(pool);
}

int pool_listen(struct pool *pool, bool already, char **error_r)
{
	struct listener_options options = options_of(pool->service);

	for (size_t i = 0; i < pool->listeners; i++) {
		if (pool->listener[i]->socket.listening == already &&
		    listener_listen(&pool->listener[i]->socket, &options, error_r) < 0)
			return -1;
	}
	return 0;
}

void pool_keep(struct pool *pool, struct config *config, const struct service_conf *service)
{
	config_ref(config);
	config_unref(pool->config);
	pool->config = config;
	pool->service = service;
}

static bool is_kept(const struct master *master, const struct config *config,
		    const struct open_listener *listener)
{
	const struct pool *pool;

	if (listener->socket.adopted)
		return true;
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->config == config && has_listener(pool, listener))
			return true;
	}
	return false;
}

bool pool_leaves_listeners(const struct pool *pool, const struct config *config)
{
	for (size_t i = 0; i < pool->listeners; i++) {
		if (!is_kept(pool->master, config, pool->listener[i]))
			return true;
	}
	return false;
}
