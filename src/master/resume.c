/* SPDX-License-Identifier: MIT */
/*
 * The program that takes over in an upgrade: reads the state of the one before (saved.h) and becomes that master.
 * And, before anything has happened, the check whether it could. The way there is saving.c.
 */
#include "base/fd.h"
#include "base/log.h"
#include "config/try.h"
#include "master/saved.h"
#include "master/state.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { STATE_MAX = 64 << 20 };

struct saved *resume_read(int fd, char reason[RESUME_REASON_MAX])
{
	char why[SAVED_REASON_MAX];
	struct saved *saved = NULL;
	size_t len;
	char *data = fd_read_all(fd, STATE_MAX, &len);

	if (data)
		saved = saved_decode(data, len, why);
	if (!saved)
		snprintf(reason, RESUME_REASON_MAX, "%s", data ? why : strerror(errno));
	free(data);
	return saved;
}

static const struct service_conf *find_service(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->services; i++) {
		if (strcmp(config->service[i]->name, name) == 0)
			return config->service[i];
	}
	return NULL;
}

static void free_configs(struct config **config, size_t n)
{
	for (size_t i = 0; config && i < n; i++)
		config_unref(config[i]);
	free(config);
}

/* -1: the state has none. */
static int find_output(const struct saved *saved, size_t pool, const char *path)
{
	for (size_t i = 0; i < saved->outputs; i++) {
		const struct saved_output *output = &saved->output[i];

		if ((size_t)output->pool == pool && strcmp(output->path, path) == 0)
			return output->fd;
	}
	return -1;
}

/* What the pool's service appends to is all there, and nothing else. */
static bool has_outputs(const struct saved *saved, size_t pool, const struct service_conf *service)
{
	size_t n = 0;

	for (size_t i = 0; i < saved->outputs; i++)
		n += (size_t)saved->output[i].pool == pool;
	for (size_t i = 0; i < service->outputs; i++)
		if (find_output(saved, pool, service->output[i].path) < 0)
			return false;
	return n == service->outputs;
}

/*
 * The configurations of the state, and each pool's service in them. malloc'd array; NULL with the reason, and the
 * errors of the configuration.
 */
static struct config **restore_configs(const struct saved *saved,
				       const struct mu_module *const *modules,
				       struct conf_errors *errors, char reason[RESUME_REASON_MAX])
{
	struct config **config = calloc(saved->configs, sizeof(*config));

	snprintf(reason, RESUME_REASON_MAX, "no memory for its configurations");
	if (!config)
		return NULL;
	for (size_t i = 0; i < saved->configs; i++) {
		config[i] = config_restore(saved->config[i].capture, modules, errors);
		if (!config[i]) {
			snprintf(reason, RESUME_REASON_MAX,
				 "a running configuration is not valid for it");
			goto fail;
		}
	}
	for (size_t i = 0; i < saved->pools; i++) {
		const struct saved_pool *pool = &saved->pool[i];
		const struct service_conf *service =
			find_service(config[pool->config], pool->service);

		if (!service || !has_outputs(saved, i, service)) {
			snprintf(reason, RESUME_REASON_MAX, "service %s %s", pool->service,
				 service ? "would write to other files than it does"
					 : "is in no configuration");
			goto fail;
		}
	}
	return config;
fail:
	free_configs(config, saved->configs);
	return NULL;
}

/* -------------------------------------------------------------------------------- the check ---- */

static int is_good(const struct config *config)
{
	(void)config;
	return EX_OK;
}

/* Whether these running configurations and the one in the file are good for this program. */
static int check_configs(const struct saved *saved, const struct master_options *options)
{
	struct conf_errors errors = { 0 };
	char reason[RESUME_REASON_MAX];
	struct config **running = restore_configs(saved, options->modules, &errors, reason);

	if (!running) {
		printf("%s\n", reason);
		conf_errors_print(&errors, stdout);
		conf_errors_cleanup(&errors);
		return EX_DATAERR;
	}
	free_configs(running, saved->configs);
	return config_try(saved->master->conf_path, options->modules, is_good, stdout);
}

int master_check_state(const struct master_options *options, int fd)
{
	char reason[RESUME_REASON_MAX];
	struct saved *saved = resume_read(fd, reason);
	int status;

	if (!saved) {
		printf("%s\n", reason);
		return EX_DATAERR;
	}
	status = check_configs(saved, options);
	if (status == EX_OK)
		printf(UPGRADE_CAN "\n", options->version, state_version);
	saved_free(saved);
	return status;
}

/* ------------------------------------------------------------------------------ the taking over ---- */

static void adopt_plain(struct master *master, const struct saved_master *from)
{
	master->daemon.on = from->daemon;
	master->daemon.error_file = from->error_file;
	master->hangup_ignored = from->hangup_ignored;
	master->generation = (unsigned)from->generation;
	master->serving = (unsigned)from->serving;
	master->started_at = from->started_at;
	master->killed = (unsigned)from->killed;
	master->tickets = (unsigned)from->tickets;
	master->upgrade.ticket = (unsigned)from->ticket;
	master->upgrade.queued = (unsigned)from->queued;
	master->pidfile = PIDFILE_NONE;
	if (from->pidfile >= 0)
		master->pidfile =
			(struct pidfile){ .fd = from->pidfile, .path = strdup(from->pidfile_path) };
}

static int adopt_totals(struct master *master, const struct saved *saved)
{
	/* The last comes first in the list, as it was. */
	for (size_t i = saved->services; i-- > 0;) {
		const struct saved_totals *from = &saved->totals[i];
		struct totals *totals = totals_of(master, from->service);

		if (!totals)
			return -1;
		totals->accepted = (uint64_t)from->accepted;
		totals->requests = (uint64_t)from->requests;
		totals->limited = (uint64_t)from->limited;
		totals->cut = (uint64_t)from->cut;
		totals->refused = (uint64_t)from->refused;
		totals->waits = (uint64_t)from->waits;
		totals->deaths = (uint64_t)from->deaths;
		totals->shown.accepted = (uint64_t)from->shown_accepted;
		totals->shown.requests = (uint64_t)from->shown_requests;
		totals->shown.limited = (uint64_t)from->shown_limited;
		totals->shown.cut = (uint64_t)from->shown_cut;
		totals->shown.refused = (uint64_t)from->shown_refused;
	}
	return 0;
}

/* malloc'd array, by index; NULL (logged). */
static struct open_listener **adopt_listeners(struct master *master, const struct saved *saved)
{
	struct open_listener **listener = calloc(saved->listeners + 1, sizeof(*listener));
	char *error = NULL;

	for (size_t i = 0; listener && i < saved->listeners; i++) {
		listener[i] = listeners_adopt(&master->listeners, &saved->listener[i], &error);
		if (listener[i])
			continue;
		log_err("listener %s%s: %s", saved->listener[i].asked,
			saved->listener[i].systemd_name, error ? error : strerror(ENOMEM));
		free(error);
		free(listener);
		return NULL;
	}
	return listener;
}

/* Not reaped yet, whether it lives or not: then its id cannot have been given to another. */
static bool is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void adopt_health(struct worker *worker, const struct saved_worker *from)
{
	worker->stopped = from->stopped;
	worker->stopped_at = from->stopped_at;
	worker->fresh_since = from->fresh_since;
	worker->stuck_since = from->stuck_since;
	worker->stuck_until = from->stuck_until;
	worker->slow_since = from->slow_since;
	worker->slow_said_at = from->slow_said_at;
	worker->tracer = (pid_t)from->tracer;
	worker->awaits_trace = from->awaits_trace;
	worker->asked_at = from->asked_at;
	worker->traced_at = from->traced_at;
	worker->trace = from->trace[0] ? strdup(from->trace) : NULL;
}

static void adopt_worker(struct pool *pool, const struct saved_worker *from)
{
	struct worker *worker = &pool->worker[from->number - 1];
	struct deadlines *deadlines = &pool->master->loop.deadlines;
	int control = from->control;

	if (!is_child((pid_t)from->pid)) {
		log_err("worker %s %d (pid %d) is no child of ours", pool->service->name,
			worker->number, (int)from->pid);
		fd_close(&control);
		return;
	}
	worker->phase = (enum worker_phase)from->phase;
	worker->pid = (pid_t)from->pid;
	worker->started_at = from->started_at;
	worker->round = (unsigned)from->round;
	worker->was_ready = from->was_ready;
	worker->said_goodbye = from->said_goodbye;
	worker->failed = from->failed;
	worker->signalled = (int)from->signalled;
	worker->because = from->because[0] ? from->because : NULL;
	worker->most = (int)from->most;
	worker->expired = (enum expiry)from->expired;
	strlcpy(worker->reason, from->reason, sizeof(worker->reason));
	adopt_health(worker, from);
	if (from->deadline)
		deadline_set(deadlines, &worker->deadline, from->deadline);
	if (control < 0 || worker_watch(worker, control) == 0)
		return;
	log_err("cannot hear worker %s %d (pid %d): %s", pool->service->name, worker->number,
		(int)worker->pid, strerror(errno));
	fd_close(&control);
	worker_signal(worker, SIGTERM, "it could not be taken over", pool->master->loop.now);
}

static int adopt_pool(struct master *master, const struct saved *saved, size_t index,
		      struct config *const *config, struct open_listener *const *listener)
{
	const struct saved_pool *from = &saved->pool[index];
	const struct service_conf *service = find_service(config[from->config], from->service);
	struct open_listener **used = calloc(saved->uses + 1, sizeof(*used));
	int *output = calloc(service->outputs + 1, sizeof(*output));
	struct pool *pool = NULL;
	char *error = NULL;
	size_t n = 0;

	for (size_t i = 0; used && i < saved->uses; i++) {
		if ((size_t)saved->use[i].pool == index)
			used[n++] = listener[saved->use[i].listener];
	}
	for (size_t i = 0; output && i < service->outputs; i++)
		output[i] = find_output(saved, index, service->output[i].path);
	if (used && output)
		pool = pool_adopt(master, config[from->config], service, from, used, n, output,
				  &error);
	else
		free(output);
	if (!pool)
		log_err("%s", error ? error : strerror(ENOMEM));
	free(error);
	free(used);
	for (size_t i = 0; pool && i < saved->workers; i++) {
		if ((size_t)saved->worker[i].pool == index)
			adopt_worker(pool, &saved->worker[i]);
	}
	return pool ? 0 : -1;
}

static int adopt_pools(struct master *master, const struct saved *saved)
{
	struct conf_errors errors = { 0 };
	char reason[RESUME_REASON_MAX];
	struct config **config = restore_configs(saved, master->options->modules, &errors, reason);
	struct open_listener **listener = NULL;
	int result = -1;

	if (!config) {
		conf_errors_log(&errors);
		conf_errors_cleanup(&errors);
		log_err("%s", reason);
		return -1;
	}
	listener = adopt_listeners(master, saved);
	if (listener) {
		master->config = config_ref(config[saved->master->config]);
		result = 0;
	}
	for (size_t i = 0; result == 0 && i < saved->pools; i++)
		result = adopt_pool(master, saved, i, config, listener);
	free(listener);
	free_configs(config, saved->configs);
	for (size_t i = 0; i < saved->configs; i++)
		fd_close(&saved->config[i].capture);
	return result;
}

/* Who asks is heard on, or would wait for ever; the socket itself comes back with the next reload. */
static void adopt_control(struct master *master, const struct saved *saved)
{
	const struct conf_control *conf = &master->config->control;
	char *error = NULL;

	if (saved->controls && control_adopt_socket(master, saved->control, conf, &error) < 0) {
		log_err("control: %s", error ? error : strerror(ENOMEM));
		close(saved->control->fd);
	}
	free(error);
	for (size_t i = 0; i < saved->clients; i++)
		control_adopt(master, &saved->client[i]);
}

static int close_at_exec(int fd, void *arg)
{
	(void)arg;
	return fd_set_cloexec(fd, true);
}

int master_adopt(struct master *master, const struct saved *saved)
{
	adopt_plain(master, saved->master);
	if ((master->pidfile.fd >= 0 && !master->pidfile.path) ||
	    saved_each_fd(saved, close_at_exec, NULL) < 0 || adopt_totals(master, saved) < 0) {
		log_err("what the program before us had cannot be taken over: %s", strerror(errno));
		return -1;
	}
	if (adopt_pools(master, saved) < 0)
		return -1;
	adopt_control(master, saved);
	master->phase = MASTER_RUNNING;
	return 0;
}
