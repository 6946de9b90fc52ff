/* SPDX-License-Identifier: MIT */
/*
 * The running master as plain structs (saved.h), for an upgrade. Only while no reload is under way: then every
 * pool serves or ends. The way back is resume.c; what is added to one is added to the other.
 */
#include "base/arena.h"
#include "base/fd.h"
#include "base/log.h"
#include "master/saved.h"
#include "master/state.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* ------------------------------------------------------------------------- configurations ---- */

/* Each pool's, and the running one, once. The captures are by index; `config` says what they are of. */
struct configs {
	struct config **config;
	size_t n;
};

static int64_t index_of_config(struct configs *configs, struct config *config)
{
	size_t i = 0;

	while (i < configs->n && configs->config[i] != config)
		i++;
	if (i == configs->n)
		configs->config[configs->n++] = config;
	return (int64_t)i;
}

static int capture(struct saved *saved, const struct configs *configs)
{
	saved->config = arena_alloc(saved->arena, configs->n * sizeof(*saved->config));
	if (!saved->config)
		return -1;
	for (size_t i = 0; i < configs->n; i++) {
		int fd = memfd_create("musterd configuration", MFD_CLOEXEC);

		if (fd < 0)
			return -1;
		saved->config[saved->configs++].capture = fd;
		if (config_capture(configs->config[i], fd) < 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------------------- the rest ---- */

static int save_master(struct saved *saved, const struct master *master)
{
	struct saved_master *to = arena_alloc(saved->arena, sizeof(*to));
	struct log_target log;

	if (!to)
		return -1;
	log_target_in_use(&log);
	*to = (struct saved_master){
		.version = text_of(master->options->version),
		.program = text_of(master->options->program->path),
		.conf_path = master->conf_path,
		.pidfile_arg = text_of(master->options->pidfile),
		.pidfile = master->pidfile.fd,
		.pidfile_path = text_of(master->pidfile.path),
		.log_kind = log.kind,
		.log_facility = log.facility,
		.log_level = log.level,
		.log = log_fd() > STDERR_FILENO ? log_fd() : -1,
		.daemon = master->daemon.on,
		.error_file = master->daemon.error_file,
		.hangup_ignored = master->hangup_ignored,
		.generation = master->generation,
		.serving = master->serving,
		.started_at = master->started_at,
		.killed = master->killed,
		.tickets = master->tickets,
		.ticket = master->upgrade.ticket,
		.queued = master->upgrade.queued,
	};
	saved->master = to;
	saved->masters = 1;
	return 0;
}

static int save_listeners(struct saved *saved, const struct listeners *listeners)
{
	const struct open_listener *listener;
	char text[ADDRESS_TEXT_MAX];
	struct saved_listener *to;

	to = arena_alloc(saved->arena, listeners_count(listeners) * sizeof(*to));
	if (!to)
		return -1;
	saved->listener = to;
	TAILQ_FOREACH (listener, &listeners->open, link) {
		*to = (struct saved_listener){
			.fd = listener->socket.fd,
			.asked = "",
			.systemd_name = text_of(listener->systemd_name),
			.generation = listener->generation,
			.adopted = listener->socket.adopted,
			.dev = (int64_t)listener->socket.dev,
			.ino = (int64_t)listener->socket.ino,
			.stored = text_of(listener->stored),
		};
		if (!listener->systemd_name)
			to->asked =
				arena_strdup(saved->arena, address_text(&listener->asked, text));
		if (!to++->asked)
			return -1;
		saved->listeners++;
	}
	return 0;
}

/* No counter of ours gets there; but what workers scribble adds up. */
static int64_t counted(uint64_t count)
{
	return count < INT64_MAX ? (int64_t)count : INT64_MAX;
}

static int save_totals(struct saved *saved, const struct totals_list *list)
{
	const struct totals *totals;
	size_t n = 0;

	SLIST_FOREACH (totals, list, link)
		n++;
	saved->totals = arena_alloc(saved->arena, (n + 1) * sizeof(*saved->totals));
	if (!saved->totals)
		return -1;
	SLIST_FOREACH (totals, list, link)
		saved->totals[saved->services++] = (struct saved_totals){
			.service = totals->service,
			.accepted = counted(totals->accepted),
			.requests = counted(totals->requests),
			.limited = counted(totals->limited),
			.cut = counted(totals->cut),
			.refused = counted(totals->refused),
			.waits = counted(totals->waits),
			.deaths = counted(totals->deaths),
			.shown_accepted = counted(totals->shown.accepted),
			.shown_requests = counted(totals->shown.requests),
			.shown_limited = counted(totals->shown.limited),
			.shown_cut = counted(totals->shown.cut),
			.shown_refused = counted(totals->shown.refused),
		};
	return 0;
}

static int64_t index_of_listener(const struct listeners *listeners,
				 const struct open_listener *listener)
{
	const struct open_listener *other;
	int64_t i = 0;

	TAILQ_FOREACH (other, &listeners->open, link) {
		if (other == listener)
			break;
		i++;
	}
	return i;
}

static void save_worker(struct saved *saved, const struct worker *worker, size_t pool)
{
	saved->worker[saved->workers++] = (struct saved_worker){
		.pool = (int64_t)pool,
		.number = worker->number,
		.phase = worker->phase,
		.pid = worker->pid,
		.control = worker->control.fd,
		.deadline = worker->deadline.at,
		.started_at = worker->started_at,
		.round = worker->round,
		.was_ready = worker->was_ready,
		.said_goodbye = worker->said_goodbye,
		.failed = worker->failed,
		.most = worker->most,
		.expired = worker->expired,
		.signalled = worker->signalled,
		.because = text_of(worker->because),
		.reason = worker->reason,
		.stopped = worker->stopped,
		.stopped_at = worker->stopped_at,
		.fresh_since = worker->fresh_since,
		.stuck_since = worker->stuck_since,
		.stuck_until = worker->stuck_until,
		.slow_since = worker->slow_since,
		.slow_said_at = worker->slow_said_at,
		.tracer = worker->tracer,
		.awaits_trace = worker->awaits_trace,
		.asked_at = worker->asked_at,
		.traced_at = worker->traced_at,
		.trace = text_of(worker->trace),
	};
}

static void save_pool(struct saved *saved, const struct pool *pool, int64_t config)
{
	const struct policy *policy = &pool->policy;
	const struct queue *queue = &pool->queue;
	size_t index = saved->pools++;

	saved->pool[index] = (struct saved_pool){
		.config = config,
		.service = pool->service->name,
		.generation = pool->generation,
		.ending = pool->phase == POOL_ENDING,
		.served = pool->served,
		.board = pool->board.fd,
		.slots = (int64_t)pool->board.slots,
		.offset = policy->offset,
		.round = policy->round,
		.failures = policy->failures,
		.retry_at = policy->retry_at,
		.proven_at = policy->proven_at,
		.grow = policy->grow,
		.grow_at = policy->grow_at,
		.shrink_at = policy->shrink_at,
		.queue_state = queue->state,
		.queue_at = queue->at,
		.waiting_since = queue->waiting_since,
		.full_since = queue->full_since,
		.full_seen = queue->full_seen,
		.full = pool->full,
		.refused_before = counted(pool->refused_before),
		.refuse_until = pool->refuse_until,
		.paused = pool->paused,
		.watch_at = pool->watch.at,
		.degraded = pool->degraded,
		.cut = pool->cut,
		.killed = pool->killed,
		.ending_at = pool->ending_at,
	};
	for (size_t i = 0; i < pool->listeners; i++)
		saved->use[saved->uses++] =
			(struct saved_use){ (int64_t)index,
					    index_of_listener(&pool->master->listeners,
							      pool->listener[i]) };
	for (size_t i = 0; i < pool->service->outputs; i++)
		saved->output[saved->outputs++] =
			(struct saved_output){ (int64_t)index, pool->service->output[i].path,
					       pool->output[i] };
	for (size_t i = 0; i < pool->board.slots; i++) {
		if (pool->worker[i].phase != WORKER_NONE)
			save_worker(saved, &pool->worker[i], index);
	}
}

static int save_pools(struct saved *saved, const struct master *master)
{
	size_t pools = 0, uses = 0, workers = 0, outputs = 0;
	struct configs configs = { 0 };
	const struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		pools++;
		uses += pool->listeners;
		workers += (size_t)pool_alive(pool);
		outputs += pool->service->outputs;
	}
	saved->pool = arena_alloc(saved->arena, (pools + 1) * sizeof(*saved->pool));
	saved->use = arena_alloc(saved->arena, (uses + 1) * sizeof(*saved->use));
	saved->worker = arena_alloc(saved->arena, (workers + 1) * sizeof(*saved->worker));
	saved->output = arena_alloc(saved->arena, (outputs + 1) * sizeof(*saved->output));
	configs.config = arena_alloc(saved->arena, (pools + 1) * sizeof(*configs.config));
	if (!saved->pool || !saved->use || !saved->worker || !saved->output || !configs.config)
		return -1;
	saved->master->config = index_of_config(&configs, master->config);
	TAILQ_FOREACH (pool, &master->pools, link)
		save_pool(saved, pool, index_of_config(&configs, pool->config));
	return capture(saved, &configs);
}

/* What a client sent ends where it is no text: then it is no request either. */
static int save_client(struct saved *saved, const struct control_client *client)
{
	const char *line =
		arena_strndup(saved->arena, client->line, strnlen(client->line, client->got));

	if (!line)
		return -1;
	saved->client[saved->clients++] = (struct saved_client){
		.fd = client->fd,
		.phase = client->phase,
		.ticket = client->ticket,
		.pid = client->pid,
		.uid = client->uid,
		.allowed = client->allowed,
		.line = line,
		.answer = client->answer ? client->answer + client->sent : "",
	};
	return 0;
}

static int save_control(struct saved *saved, const struct control *control)
{
	const struct listener *listener = &control->socket.listener;

	saved->control = arena_alloc(saved->arena, sizeof(*saved->control));
	saved->client = arena_alloc(saved->arena, CONTROL_CLIENTS * sizeof(*saved->client));
	if (!saved->control || !saved->client)
		return -1;
	if (listener->fd >= 0)
		saved->control[saved->controls++] =
			(struct saved_control){ listener->fd, (int64_t)listener->dev,
						(int64_t)listener->ino };
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->client[i].phase != CONTROL_FREE &&
		    save_client(saved, &control->client[i]) < 0)
			return -1;
	}
	return 0;
}

struct saved *master_save(struct master *master)
{
	struct saved *saved = saved_new();

	if (!saved)
		return NULL;
	if (save_master(saved, master) == 0 && save_listeners(saved, &master->listeners) == 0 &&
	    save_totals(saved, &master->totals) == 0 && save_pools(saved, master) == 0 &&
	    save_control(saved, &master->control) == 0)
		return saved;
	saved_discard(saved);
	return NULL;
}

void saved_discard(struct saved *saved)
{
	for (size_t i = 0; saved && i < saved->configs; i++)
		fd_close(&saved->config[i].capture);
	saved_free(saved);
}
