/* SPDX-License-Identifier: MIT */
/*
 * The transaction that makes a new configuration the running one; the start is the first. A checker
 * process reads and checks the file, its result is read back, what is new is bound and opened, a new
 * generation of workers sets itself up. Only when all are READY it is committed: they accept, the old ones
 * drain. Whatever fails before is undone, and nothing the clients see has changed.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "master/limits.h"
#include "master/spawn.h"
#include "master/state.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

enum {
	CHECK_LIMIT_MS = 30000,  /* a name service that does not answer */
	ERRORS_MAX = 64 << 10,   /* bytes of text */
	DRAINING_GENERATIONS = 8 /* more than these are waited for before the next one starts */
};

/* ------------------------------------------------------------------------------ the checker ---- */

/* For who asked for the reload: in place of what config_capture writes. */
static void report_errors(const struct conf_errors *errors, int fd)
{
	FILE *file = fdopen(dup(fd), "w");

	if (!file)
		return;
	conf_errors_print(errors, file);
	fclose(file);
}

/* In the child. Errors go where a person looks: to the terminal at the start, later to the log. */
static int checker_main(void *arg)
{
	struct master *master = arg;
	struct conf_errors errors = { 0 };
	struct config *config;
	int status = 0;

	log_set_name("checker");
	config = config_load(master->conf_path, master->options->modules, &errors);
	if (!config) {
		if (master->phase == MASTER_BOOTING)
			conf_errors_print(&errors, stderr);
		else if (!master->reload.plan)
			conf_errors_log(&errors);
		report_errors(&errors, master->reload.captured);
		conf_errors_cleanup(&errors);
		return EX_CONFIG;
	}
	if (config_capture(config, master->reload.captured) < 0) {
		log_err("cannot hand over the configuration: %s", strerror(errno));
		status = EX_OSERR;
	}
	config_unref(config);
	return status;
}

static void on_check_limit(void *owner, int64_t now)
{
	struct master *master = owner;

	(void)now;
	master->reload.timed_out = true;
	kill(master->reload.checker, SIGKILL);
}

static void begin(struct master *master)
{
	struct reload *reload = &master->reload;
	int keep[2];

	reload->phase = RELOAD_CHECKING;
	reload->timed_out = false;
	reload->plan = reload->plan_ticket != 0;
	reload->ticket = reload->plan ? reload->plan_ticket : reload->queued_ticket;
	if (reload->plan)
		reload->plan_ticket = 0;
	else
		reload->queued = false;
	reload->began_at = master->loop.now;
	if (master->phase == MASTER_RUNNING && !reload->plan)
		systemd_notify_reloading(&master->systemd);
	reload->captured = memfd_create("musterd configuration", MFD_CLOEXEC);
	if (reload->captured < 0) {
		reload_refuse(master, EX_OSERR, "memfd_create: %s", strerror(errno));
		return;
	}
	keep[0] = reload->captured;
	keep[1] = log_fd();
	reload->checker = spawn(checker_main, master, keep, 2, false);
	if (reload->checker < 0) {
		reload_refuse(master, EX_OSERR, "fork: %s", strerror(errno));
		return;
	}
	deadline_set(&master->loop.deadlines, &reload->limit, master->loop.now + CHECK_LIMIT_MS);
}

/* ------------------------------------------------------------------------------- undoing ---- */

/* The errors that the checker has found, as text: malloc'd, NULL when there are none. */
static char *read_errors(int fd)
{
	char *text = calloc(1, ERRORS_MAX + 1);

	if (text && pread(fd, text, ERRORS_MAX, 0) > 0)
		return text;
	free(text);
	return NULL;
}

/* It is over: tells who asked for it, and remembers it for the status. */
static void answer(struct master *master, bool ok, const char *text)
{
	struct reload *reload = &master->reload;
	char *errors = !ok && reload->refused_by_checker ? read_errors(reload->captured) : NULL;
	char *all = NULL;

	if (!reload->plan && master->serving) {
		reload->last = (struct reload_outcome){ .at = master->loop.now, .ok = ok };
		strlcpy(reload->last.text, text, sizeof(reload->last.text));
	}
	if (errors && asprintf(&all, "%s\n%s", text, errors) < 0)
		all = NULL;
	control_answer(master, reload->ticket, ok, all ? all : text);
	free(all);
	free(errors);
	reload->ticket = 0;
	reload->refused_by_checker = false;
}

/* What both outcomes leave behind. */
static void finish(struct master *master)
{
	struct reload *reload = &master->reload;

	deadline_clear(&master->loop.deadlines, &reload->limit);
	fd_close(&reload->captured);
	fd_close(&reload->log_fd);
	control_discard(&reload->control, &master->control.socket);
	pidfile_remove_own(&reload->pidfile);
	config_unref(reload->config);
	reload->config = NULL;
	reload->phase = RELOAD_NONE;
}

static void kill_new_pools(struct master *master)
{
	struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_STARTING)
			pool_kill(pool, SIGTERM, "its generation was given up", master->loop.now);
	}
}

void reload_refuse(struct master *master, int exit_status, const char *format, ...)
{
	struct reload *reload = &master->reload;
	char reason[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	/* A checker that still runs is reaped as a stranger. */
	if (reload->checker > 0)
		kill(reload->checker, SIGKILL);
	reload->checker = 0;
	kill_new_pools(master);
	answer(master, false, reason);
	finish(master);
	if (reload->plan)
		return;
	if (master->phase == MASTER_BOOTING) {
		log_err("start failed: %s", reason);
		master->exit_status = exit_status;
		master->phase = MASTER_STOPPING;
		reload->queued = false;
		return;
	}
	log_err("reload refused, the running configuration goes on: %s", reason);
	systemd_notify(&master->systemd, "READY=1\nSTATUS=Reload refused: %s", reason);
}

/* ----------------------------------------------------------------------------- preparing ---- */

/* The path of the pid file under this configuration; NULL: none. */
static const char *pidfile_path(const struct master *master, const struct config *config)
{
	return master->options->pidfile ? master->options->pidfile : config->pidfile;
}

static bool take_pidfile(struct master *master)
{
	struct reload *reload = &master->reload;
	const char *path = pidfile_path(master, reload->config);
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

static bool open_control(struct master *master)
{
	struct reload *reload = &master->reload;
	char *error;

	if (control_open(&reload->control, &master->control.socket, &reload->config->control,
			 &error) == 0)
		return true;
	reload_refuse(master, EX_UNAVAILABLE, "control socket: %s",
		      error ? error : strerror(ENOMEM));
	free(error);
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
		      strerror(errno));
	return false;
}

static bool make_pools(struct master *master)
{
	struct config *config = master->reload.config;
	struct pool *pool;
	char *error;
	size_t descriptors = 0;

	master->generation++;
	for (size_t i = 0; i < config->services; i++) {
		const struct service_conf *service = config->service[i];

		pool = pool_new(master, config, service, master->generation, &error);
		if (!pool) {
			reload_refuse(master, EX_UNAVAILABLE, "service %s: %s", service->name,
				      error ? error : strerror(ENOMEM));
			free(error);
			return false;
		}
	}
	TAILQ_FOREACH (pool, &master->pools, link)
		descriptors += (size_t)pool->service->workers_max;
	limits_need_files(descriptors + listeners_count(&master->listeners));
	return true;
}

static bool has_service(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->services; i++) {
		if (strcmp(config->service[i]->name, name) == 0)
			return true;
	}
	return false;
}

/* Which services come and go. */
static void end_plan(struct master *master)
{
	const struct config *old = master->config, *new = master->reload.config;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; out && i < new->services; i++)
		fprintf(out, "service %s: %s\n", new->service[i]->name,
			has_service(old, new->service[i]->name) ? "stays" : "added");
	for (size_t i = 0; out && i < old->services; i++) {
		if (!has_service(new, old->service[i]->name))
			fprintf(out, "service %s: removed\n", old->service[i]->name);
	}
	if (out && fclose(out) == 0)
		answer(master, true, text);
	else
		answer(master, false, strerror(ENOMEM));
	free(text);
	finish(master);
}

static void restore(struct master *master)
{
	struct reload *reload = &master->reload;
	struct conf_errors errors = { 0 };

	reload->config = config_restore(reload->captured, master->options->modules, &errors);
	if (!reload->config) {
		conf_errors_log(&errors);
		conf_errors_cleanup(&errors);
		reload_refuse(master, EX_SOFTWARE, "what the checker found cannot be read back");
		return;
	}
	if (reload->plan)
		end_plan(master);
	else if (take_pidfile(master) && open_log(master) && open_control(master) &&
		 make_pools(master))
		reload->phase = RELOAD_STARTING;
}

void reload_checked(struct master *master, const siginfo_t *info)
{
	struct reload *reload = &master->reload;

	reload->checker = 0;
	reload->refused_by_checker = info->si_code == CLD_EXITED && info->si_status == EX_CONFIG;
	deadline_clear(&master->loop.deadlines, &reload->limit);
	if (info->si_code == CLD_EXITED && info->si_status == 0)
		restore(master);
	else if (info->si_code == CLD_EXITED && info->si_status == EX_CONFIG)
		reload_refuse(master, EX_CONFIG, "the configuration %s cannot be used",
			      master->conf_path);
	else if (info->si_code == CLD_EXITED)
		reload_refuse(master, info->si_status, "the checker exited with status %d",
			      info->si_status);
	else if (reload->timed_out)
		reload_refuse(master, EX_TEMPFAIL, "checking %s took longer than %d s",
			      master->conf_path, CHECK_LIMIT_MS / 1000);
	else
		reload_refuse(master, EX_SOFTWARE, "the checker was killed by SIG%s",
			      sigabbrev_np(info->si_status));
}

/* ---------------------------------------------------------------------------- committing ---- */

static bool listen_all(struct master *master)
{
	struct pool *pool;
	char *error = NULL;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase != POOL_STARTING || pool_listen(pool, &error) == 0)
			continue;
		reload_refuse(master, EX_UNAVAILABLE, "service %s: %s", pool->service->name,
			      error ? error : strerror(ENOMEM));
		free(error);
		return false;
	}
	return true;
}

static bool listen_control(struct master *master)
{
	char *error;

	if (control_listen(&master->reload.control, &master->control.socket, &error) == 0)
		return true;
	reload_refuse(master, EX_UNAVAILABLE, "control socket: %s",
		      error ? error : strerror(ENOMEM));
	free(error);
	return false;
}

static void swap_pidfile(struct master *master)
{
	struct reload *reload = &master->reload;

	if (reload->pidfile.fd < 0 && pidfile_path(master, reload->config))
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

/* The pools that served until now are those before the first new one. Returns how many workers are new. */
static int swap_pools(struct master *master)
{
	struct pool *pool, *fresh = NULL;
	int workers = 0;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase != POOL_STARTING)
			continue;
		fresh = fresh ? fresh : pool;
		pool_commit(pool);
		log_pool(pool);
		workers += pool_alive(pool);
	}
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool == fresh)
			break;
		if (pool->phase == POOL_SERVING)
			pool_drain(pool, pool_leaves_listeners(pool), master->loop.now);
	}
	return workers;
}

static void commit(struct master *master)
{
	struct reload *reload = &master->reload;
	struct config *old = master->config;
	char took[CLOCK_TEXT_MAX], text[256];
	bool first = master->phase == MASTER_BOOTING;
	size_t services = reload->config->services;
	int workers;

	if (!listen_control(master) || !listen_all(master))
		return;
	log_use(&reload->log_target, reload->log_fd);
	reload->log_fd = -1;
	swap_pidfile(master);
	control_commit(master, &reload->control);
	workers = swap_pools(master);
	master->config = config_ref(reload->config);
	config_unref(old);
	master->phase = MASTER_RUNNING;
	clock_text(clock_ms() - reload->began_at, took);
	snprintf(text, sizeof(text),
		 "%s: generation %u serves: %zu service%s, %d worker%s, after %s",
		 first ? "ready" : "reloaded", master->generation, services, plural((long)services),
		 workers, plural(workers), took);
	log_notice("%s", text);
	answer(master, true, text);
	master->serving = master->generation;
	finish(master);
	systemd_notify(&master->systemd,
		       "READY=1\nMAINPID=%d\nSTATUS=Serving: %zu service%s, generation %u",
		       (int)getpid(), services, plural((long)services), master->generation);
	if (first)
		daemon_report(&master->daemon, 0);
}

/* ---------------------------------------------------------------------------- from outside ---- */

void reload_init(struct master *master)
{
	struct reload *reload = &master->reload;

	*reload = (struct reload){
		.captured = -1, .log_fd = -1, .pidfile = PIDFILE_NONE, .control = control_none()
	};
	deadline_init(&reload->limit, on_check_limit, master);
}

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

unsigned reload_request(struct master *master)
{
	struct reload *reload = &master->reload;
	bool queued = reload->queued;

	if (master->phase == MASTER_STOPPING)
		return 0;
	reload->queued = true;
	if (!queued)
		reload->queued_ticket = ++master->tickets;
	if (reload->phase != RELOAD_NONE)
		log_notice("a reload is under way: the next one follows it%s",
			   queued ? " (one is waiting already)" : "");
	else if (draining_generations(master) >= DRAINING_GENERATIONS)
		log_notice("%d old generations still drain: the reload waits for one of them",
			   DRAINING_GENERATIONS);
	return reload->queued_ticket;
}

unsigned plan_request(struct master *master)
{
	struct reload *reload = &master->reload;

	if (master->phase == MASTER_STOPPING)
		return 0;
	if (!reload->plan_ticket)
		reload->plan_ticket = ++master->tickets;
	return reload->plan_ticket;
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

bool reload_settle(struct master *master)
{
	struct reload *reload = &master->reload;

	if (reload->phase == RELOAD_STARTING && all_are_ready(master))
		commit(master);
	else if (reload->phase == RELOAD_NONE &&
		 (reload->plan_ticket ||
		  (reload->queued && draining_generations(master) < DRAINING_GENERATIONS)))
		begin(master);
	else
		return false;
	return true;
}
