/* SPDX-License-Identifier: MIT */
/* The status, as status.h says. */
#include "master/status.h"

#include "autoconf.h"
#include "base/clock.h"
#include "master/state.h"

#include <inttypes.h>
#include <string.h>

/* ------------------------------------------------------------------------------ the lines ---- */

enum { SECONDS_MAX = 32 };

static const char *seconds(int64_t milliseconds, char buffer[SECONDS_MAX])
{
	if (milliseconds < 0)
		return "-";
	snprintf(buffer, SECONDS_MAX, "%" PRId64 ".%" PRId64 "s", milliseconds / 1000,
		 milliseconds % 1000 / 100);
	return buffer;
}

/* In one line, whatever it says. */
static void write_flat(const char *text, FILE *out)
{
	bool blank = false;

	for (; *text; text++) {
		if ((unsigned char)*text > ' ')
			fprintf(out, "%s%c", blank ? " " : "", *text);
		blank = (unsigned char)*text <= ' ';
	}
}

void status_write_head(const struct status_head *head, FILE *out)
{
	char uptime[SECONDS_MAX], age[SECONDS_MAX];

	fprintf(out, "musterd %s pid %d state %s uptime %s generation %u", head->version,
		(int)head->pid, head->state, seconds(head->uptime, uptime), head->generation);
	fprintf(out, " reload %s reload-age %s configuration ", head->reload,
		seconds(head->reload_age, age));
	write_flat(head->conf_path, out);
	fputc('\n', out);
	if (!*head->reload_reason)
		return;
	fputs("reload-reason ", out);
	write_flat(head->reload_reason, out);
	fputc('\n', out);
}

void status_write_service(const struct status_service *service, FILE *out)
{
	char next[SECONDS_MAX];

	fprintf(out, "service %s state %s next-try %s generation %u", service->name, service->state,
		seconds(service->next_try, next), service->generation);
	fprintf(out, " workers %d range %d..%d idle %d busy %d connections %" PRId64,
		service->alive, service->lowest, service->highest, service->idle, service->busy,
		service->connections);
	fprintf(out, " accepted %" PRIu64 " requests %" PRIu64 " limited %" PRIu64 " cut %" PRIu64,
		service->accepted, service->requests, service->limited, service->cut);
	fprintf(out, " refused %" PRIu64 " waits %" PRIu64 " lost %" PRIu64 "\n", service->refused,
		service->waits, service->lost);
}

void status_write_worker(const struct status_worker *worker, FILE *out)
{
	char since[SECONDS_MAX];

	fprintf(out, "worker %s %d pid %d generation %u state %s for %s", worker->service,
		worker->number, (int)worker->pid, worker->generation, worker->state,
		seconds(worker->since, since));
	fprintf(out, " connections %d requests %" PRIu64, worker->connections, worker->requests);
	if (worker->memory)
		fprintf(out, " memory %" PRIu64, worker->memory);
	else
		fputs(" memory -", out);
	fprintf(out, " peer %s\n", worker->peer);
}

/* ----------------------------------------------------------------------------- collecting ---- */

static void write_head(const struct master *master, FILE *out)
{
	const struct reload_outcome *last = &master->reload.last;
	int64_t now = master->loop.now;
	struct status_head head = {
		.version = PACKAGE_VERSION,
		.pid = getpid(),
		.uptime = now - master->started_at,
		.generation = master->config ? master->serving : 0,
		.reload = last->at ? last->ok ? "ok" : "refused" : "none",
		.reload_age = last->at ? now - last->at : -1,
		.reload_reason = last->at && !last->ok ? last->text : "",
		.conf_path = master->conf_path,
	};

	if (master->phase == MASTER_CLOSING)
		head.state = "closing";
	else if (master->phase == MASTER_STOPPING)
		head.state = "stopping";
	else if (master->phase == MASTER_BOOTING)
		head.state = "starting";
	else
		head.state = master->reload.phase == RELOAD_NONE ? "serving" : "reloading";
	status_write_head(&head, out);
}

static const char *pool_state(const struct pool *pool)
{
	if (pool->phase != POOL_SERVING)
		return pool->phase == POOL_STARTING ? "starting" : "draining";
	if (pool->paused)
		return "paused";
	if (policy_is_degraded(&pool->policy))
		return "degraded";
	return pool->full ? "full" : "serving";
}

/* What its slot has counted, and its totals know nothing of yet. */
static void add_worker(struct status_service *service, const struct worker *worker)
{
	struct slot_view view;

	worker_view(worker, &view, clock_ms());
	service->accepted += view.accepted;
	service->requests += view.requests;
	service->limited += view.limited;
	service->cut += view.cut;
	service->refused += view.refused;
}

static void count_workers(struct status_service *service, const struct pool *pool)
{
	for (size_t i = 0; i < pool->board.slots; i++) {
		const struct worker *worker = &pool->worker[i];
		int held;

		/* Who refuses clients serves none. */
		if (worker->phase == WORKER_NONE || worker->refuses)
			continue;
		held = worker_connections(worker);
		service->alive++;
		service->connections += held;
		if (worker->phase != WORKER_SERVING)
			continue;
		if (held == 0 && worker_is_serving(worker))
			service->idle++;
		else
			service->busy++;
	}
}

/* A worker may have scribbled a lower count over a higher one: what was said stays true. */
static void keep(uint64_t *shown, uint64_t *count)
{
	if (*count < *shown)
		*count = *shown;
	*shown = *count;
}

static void write_totals(struct status_service *service, struct pool *pool)
{
	struct totals *totals = pool->totals;
	struct pool *other;

	service->accepted = totals->accepted;
	service->requests = totals->requests;
	service->limited = totals->limited;
	service->cut = totals->cut;
	service->refused = totals->refused;
	service->waits = totals->waits;
	service->lost = totals->deaths;
	TAILQ_FOREACH (other, &pool->master->pools, link) {
		for (size_t i = 0; other->totals == totals && i < other->board.slots; i++) {
			if (other->worker[i].phase != WORKER_NONE)
				add_worker(service, &other->worker[i]);
		}
	}
	keep(&totals->shown.accepted, &service->accepted);
	keep(&totals->shown.requests, &service->requests);
	keep(&totals->shown.limited, &service->limited);
	keep(&totals->shown.cut, &service->cut);
	keep(&totals->shown.refused, &service->refused);
}

static void write_service(struct pool *pool, FILE *out)
{
	int64_t now = pool->master->loop.now;
	struct status_service service = {
		.name = pool->service->name,
		.state = pool_state(pool),
		.generation = pool->generation,
		.next_try = -1,
		.lowest = policy_lowest(&pool->policy),
		.highest = policy_highest(&pool->policy),
	};
	char text[ADDRESS_TEXT_MAX];

	if (policy_is_degraded(&pool->policy))
		service.next_try = pool->policy.retry_at > now ? pool->policy.retry_at - now : 0;
	count_workers(&service, pool);
	write_totals(&service, pool);
	status_write_service(&service, out);
	for (size_t i = 0; i < pool->listeners; i++)
		fprintf(out, "listener %s %s\n", pool->service->name,
			address_text(&pool->listener[i]->socket.address, text));
}

/* What the master knows goes before what the slot says. */
static const char *worker_state(const struct worker *worker, const struct slot_view *view)
{
	if (worker->stopped)
		return "stopped";
	switch (worker->phase) {
	case WORKER_STARTING:
		return "starting";
	case WORKER_READY:
		return "ready";
	case WORKER_ENDING:
		return "draining";
	default:
		if (worker->stuck_since)
			return "stuck";
		if (service_is_tended(worker->pool->service))
			return "serving";
		return worker->refuses ? "refusing" : slot_state_name(view->state);
	}
}

static void write_worker(const struct worker *worker, FILE *out)
{
	int64_t now = clock_ms();
	struct slot_view view;
	struct status_worker line = { .service = worker->pool->service->name,
				      .number = worker->number,
				      .pid = worker->pid,
				      .generation = worker->pool->generation,
				      .peer = "-" };

	worker_view(worker, &view, now);
	line.state = worker_state(worker, &view);
	line.since = worker->stopped ? now - worker->stopped_at : view.state_for;
	line.connections = (int)view.connections;
	line.requests = view.requests;
	line.memory = view.memory;
	if (view.connections)
		slot_peer_text(&view.peer, line.peer);
	status_write_worker(&line, out);
}

/* Of the pools of a service: the one that serves, or else the newest. */
static const struct pool *speaker(const struct pool *pool)
{
	const struct pool *other, *best = pool;

	TAILQ_FOREACH (other, &pool->master->pools, link) {
		if (other->totals != pool->totals)
			continue;
		best = other;
		if (other->phase == POOL_SERVING)
			break;
	}
	return best;
}

static void write_draining(const struct pool *pool, FILE *out)
{
	struct status_service service = { 0 };

	count_workers(&service, pool);
	fprintf(out, "%s %s generation %u workers %d connections %" PRId64 "\n", pool_state(pool),
		pool->service->name, pool->generation, service.alive, service.connections);
}

void status_write(struct master *master, FILE *out)
{
	struct pool *pool;

	write_head(master, out);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (speaker(pool) == pool)
			write_service(pool, out);
	}
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (speaker(pool) != pool)
			write_draining(pool, out);
	}
	TAILQ_FOREACH (pool, &master->pools, link) {
		for (size_t i = 0; i < pool->board.slots; i++) {
			if (pool->worker[i].phase != WORKER_NONE)
				write_worker(&pool->worker[i], out);
		}
	}
}
