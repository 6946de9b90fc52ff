/* SPDX-License-Identifier: MIT */
/*
 * The transaction that makes a new configuration the running one; the start is the first. A checker
 * process reads and checks the file, its result is compared with what runs (the plan), what is new is bound and
 * opened, and each service that is new or changed starts one worker, its canary. When that is READY the others
 * follow, and only when all are it is committed: they accept, the old ones drain. A service that did not change keeps
 * its pool. Whatever fails before is undone, and nothing the clients see has changed.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/diff.h"
#include "master/limits.h"
#include "master/state.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
	REASON_MAX = 1024,
	DRAINING_GENERATIONS = 8, /* more than these are waited for before the next one starts */
	BIND_PATIENCE_MS = 1000,
	BIND_AGAIN_MS = 10,
};

static int draining_generations(const struct master *master)
{
	const struct pool *pool;
	unsigned last = 0;
	int n = 0;

	/* Pools of one generation stand together. */
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_ENDING && pool->generation != last) {
			last = pool->generation;
			n++;
		}
	}
	return n;
}

static bool may_reload(const struct master *master)
{
	return master->reload.next && draining_generations(master) < DRAINING_GENERATIONS;
}

static void begin(struct master *master)
{
	struct reload *reload = &master->reload;

	reload->phase = RELOAD_CHECKING;
	reload->began_at = master->loop.now;
	reload->start = master->phase == MASTER_BOOTING;
	reload->dry = !may_reload(master);
	reload->roll = reload->next_roll;
	if (reload->dry) {
		reload->ticket = reload->next_plan;
		reload->next_plan = 0;
	} else {
		reload->ticket = reload->next;
		reload->next = 0;
		reload->next_roll = false;
	}
	if (master->phase == MASTER_RUNNING && !reload->dry)
		systemd_notify_reloading(&master->systemd);
	if (checker_start(master, reload->dry) < 0)
		reload_refuse(master, EX_OSERR, "the checker cannot be started: %s",
			      strerror(errno));
}

/* -------------------------------------------------------------------------- both outcomes ---- */

/* For the status. */
static void remember(struct master *master, bool ok, const char *text)
{
	struct reload *reload = &master->reload;

	if (reload->start)
		return;
	reload->last.at = master->loop.now;
	reload->last.ok = ok;
	strlcpy(reload->last.text, text, sizeof(reload->last.text));
}

void reload_finish(struct master *master, bool ok, const char *text)
{
	struct reload *reload = &master->reload;
	unsigned ticket = reload->ticket;

	if (!reload->dry) {
		remember(master, ok, text);
		/* Before who has asked is told: systemd may be waiting for both. */
		if (master->phase == MASTER_RUNNING)
			notify_status(master, true);
	}
	checker_stop(master);
	deadline_clear(&master->loop.deadlines, &reload->bind);
	fd_close(&reload->log_fd);
	control_socket_discard(&reload->control, &master->control.socket);
	pidfile_remove_own(&reload->pidfile);
	plan_free(reload->plan);
	reload->plan = NULL;
	config_unref(reload->config);
	reload->config = NULL;
	reload->phase = RELOAD_NONE;
	reload->ticket = 0;
	reload->dry = reload->roll = false;
	control_answer(master, ticket, ok, text);
}

static void kill_new_pools(struct master *master)
{
	struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase != POOL_STARTING)
			continue;
		if (service_is_tended(pool->service))
			pool_drain(pool, false, master->loop.now);
		else
			pool_kill(pool, SIGTERM, "its generation was given up", master->loop.now);
	}
}

static void refuse(struct master *master, int exit_status, const char *reason)
{
	struct reload *reload = &master->reload;
	char *errors = checker_errors(&reload->checker), *text = NULL;
	bool dry = reload->dry;

	kill_new_pools(master);
	/* The workers of the program before this one are still to be replaced. */
	reload->next_roll |= reload->roll;
	if (asprintf(&text, "%s%s%s%s",
		     master->upgrade.phase == UPGRADE_ROLLING && !dry ? UPGRADE_HALF : "", reason,
		     errors ? "\n" : "", errors ? errors : "") < 0)
		text = NULL;
	reload_finish(master, false, text ? text : reason);
	free(text);
	free(errors);
	if (master->phase == MASTER_BOOTING) {
		log_err("start failed: %s", reason);
		master->exit_status = exit_status;
		master->phase = MASTER_STOPPING;
		reload_forget(master);
		return;
	}
	if (dry) {
		log_info("no plan: %s", reason);
		return;
	}
	log_err("reload refused, the running configuration goes on: %s", reason);
}

void reload_refuse(struct master *master, int exit_status, const char *format, ...)
{
	char reason[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	refuse(master, exit_status, reason);
}

/* ----------------------------------------------------------------------------- preparing ---- */

static bool take_pidfile(struct master *master)
{
	struct reload *reload = &master->reload;
	const char *path = reload_pidfile_path(master, reload->config);
	pid_t other;

	if (!path || (master->pidfile.fd >= 0 && strcmp(path, master->pidfile.path) == 0))
		return true;
	if (pidfile_take(&reload->pidfile, path, &other) == 0)
		return true;
	if (errno != EEXIST)
		reload_refuse(master, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
	else if (other)
		reload_refuse(master, EX_UNAVAILABLE, "pid file %s: musterd runs already, pid %d",
			      path, (int)other);
	else
		reload_refuse(master, EX_UNAVAILABLE, "pid file %s: another process has locked it",
			      path);
	return false;
}

static const char *name_of(const struct log_target *target)
{
	if (target->kind == LOG_TO_FILE)
		return target->path;
	return target->kind == LOG_TO_SYSLOG ? "syslog" : "stderr";
}

static bool open_log(struct master *master)
{
	struct reload *reload = &master->reload;

	reload->log_fd = logs_open(master, reload->config, &reload->log_target);
	if (reload->log_fd >= 0)
		return true;
	reload_refuse(master, EX_CANTCREAT, "log %s: %s", name_of(&reload->config->log),
		      log_open_error(errno));
	return false;
}

static bool open_control(struct master *master)
{
	struct reload *reload = &master->reload;
	char *error;

	if (control_socket_open(&reload->control, &master->control.socket, &reload->config->control,
				&error) == 0)
		return true;
	reload_refuse(master, EX_UNAVAILABLE, "control socket: %s",
		      error ? error : strerror(ENOMEM));
	free(error);
	return false;
}

/*
 * When a master was killed, its workers leave the listeners as soon as they notice. Who starts the next one at once
 * may be faster than they.
 */
static bool may_bind_later(const struct master *master, const struct service_conf *service)
{
	int64_t patience = BIND_PATIENCE_MS;

	/* A program has the listeners until it has finished, for which the workers of a dead master give it a limit. */
	if (service_is_tended(service))
		patience += service->orphan_ms;
	return master->phase == MASTER_BOOTING &&
	       master->loop.now - master->reload.began_at < patience;
}

static void bind_later(struct master *master)
{
	struct reload *reload = &master->reload;

	kill_new_pools(master); /* those that were made hold listeners */
	reload->phase = RELOAD_BINDING;
	deadline_set(&master->loop.deadlines, &reload->bind, master->loop.now + BIND_AGAIN_MS);
}

static bool make_pool(struct master *master, const struct plan_service *planned)
{
	const struct service_conf *service = planned->new_service;
	char *error;

	if (pool_new(master, master->reload.config, service, master->generation, &error))
		return true;
	if (errno == EADDRINUSE && may_bind_later(master, service))
		bind_later(master);
	else
		reload_refuse(master, EX_UNAVAILABLE, "service %s: %s", service->name,
			      error ? error : strerror(ENOMEM));
	free(error);
	return false;
}

static void make_pools(struct master *master)
{
	const struct plan *plan = master->reload.plan;
	const struct pool *pool;
	size_t descriptors = 0;

	for (size_t i = 0; i < plan->services; i++) {
		const struct plan_service *service = &plan->service[i];

		if (service->action == PLAN_REMOVED || reload_keeps(master, service))
			continue;
		if (!make_pool(master, service))
			return;
	}
	TAILQ_FOREACH (pool, &master->pools, link)
		descriptors += (size_t)pool->service->workers_max + pool->service->outputs;
	limits_need_files(descriptors + listeners_count(&master->listeners));
	master->reload.phase = RELOAD_STARTING;
}

static void on_bind_again(void *owner, int64_t now)
{
	(void)now;
	make_pools(owner);
}

/* One line in the log for each of the text. */
static void log_lines(const char *what, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		log_info("%s: %.*s", what, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static bool make_plan(struct master *master)
{
	struct reload *reload = &master->reload;
	char *text;

	reload->plan = plan_new(master->config, reload->config);
	text = reload->plan ? plan_text(reload->plan, reload->roll) : NULL;
	if (!text) {
		reload_refuse(master, EX_OSERR, "%s", strerror(ENOMEM));
		return false;
	}
	if (reload->dry)
		reload_finish(master, true, text);
	else if (master->phase != MASTER_BOOTING)
		log_lines("plan", text);
	free(text);
	return reload->plan;
}

void reload_checked(struct master *master, const siginfo_t *info)
{
	struct reload *reload = &master->reload;
	char reason[REASON_MAX];
	int exit_status;

	reload->config = checker_finish(master, info, &exit_status, reason, sizeof(reason));
	if (!reload->config) {
		refuse(master, exit_status, reason);
		return;
	}
	if (!make_plan(master) || !take_pidfile(master) || !open_log(master) ||
	    !open_control(master))
		return;
	if (master->phase == MASTER_BOOTING)
		listeners_drop_unnamed(&master->listeners, reload->config);
	master->generation++;
	make_pools(master);
}

/* ---------------------------------------------------------------------------- from outside ---- */

void reload_init(struct master *master)
{
	struct reload *reload = &master->reload;

	*reload = (struct reload){ .log_fd = -1,
				   .pidfile = PIDFILE_NONE,
				   .control = control_socket_none() };
	checker_init(&reload->checker, master);
	deadline_init(&reload->bind, on_bind_again, master);
}

/* One that waits is the one that whoever asks now gets as well: it has not read anything yet. */
static unsigned ask(struct master *master, unsigned *waiting)
{
	if (is_stopping(master))
		return 0;
	if (!*waiting)
		*waiting = ++master->tickets;
	return *waiting;
}

unsigned reload_request(struct master *master)
{
	struct reload *reload = &master->reload;
	bool queued = reload->next;
	unsigned ticket = ask(master, &reload->next);

	if (!ticket)
		log_notice("no reload: the master is about to stop");
	else if (reload->phase != RELOAD_NONE)
		log_notice("a reload is under way: the next one follows it%s",
			   queued ? " (one is waiting already)" : "");
	else if (draining_generations(master) >= DRAINING_GENERATIONS)
		log_notice("%d old generations still drain: the reload waits for one of them",
			   DRAINING_GENERATIONS);
	return ticket;
}

unsigned reload_request_roll(struct master *master)
{
	unsigned ticket = reload_request(master);

	master->reload.next_roll = ticket;
	return ticket;
}

unsigned plan_request(struct master *master)
{
	return ask(master, &master->reload.next_plan);
}

static bool all_are_ready(const struct master *master)
{
	const struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_STARTING && !pool_is_ready(pool))
			return false;
	}
	return true;
}

static void forget(struct master *master, unsigned *waiting)
{
	if (*waiting)
		control_answer(master, *waiting, false, "the master is about to stop");
	*waiting = 0;
}

void reload_forget(struct master *master)
{
	forget(master, &master->reload.next);
	forget(master, &master->reload.next_plan);
}

bool reload_settle(struct master *master)
{
	if (master->reload.phase == RELOAD_STARTING && all_are_ready(master))
		reload_commit(master);
	else if (master->reload.phase == RELOAD_NONE &&
		 (master->reload.next_plan || may_reload(master)))
		begin(master);
	else
		return false;
	return true;
}
