/* SPDX-License-Identifier: MIT */
/* The master's making, turning and unmaking, as master.h says. What it does in its turns is in its parts. */
#include "master/master.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "master/saved.h"
#include "master/state.h"

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Half the interval, and only from a loop that turns: a master that hangs is to be noticed. */
static void on_watchdog(void *owner, int64_t now)
{
	struct master *master = owner;

	systemd_notify(&master->systemd, "WATCHDOG=1");
	deadline_set(&master->loop.deadlines, &master->watchdog,
		     now + master->systemd.watchdog_ms / 2);
}

static int master_init(struct master *master, const struct master_options *options)
{
	master->options = options;
	master->signal_fd = -1;
	master->pidfile = PIDFILE_NONE;
	TAILQ_INIT(&master->pools);
	SLIST_INIT(&master->totals);
	oom_init(&master->oom);
	reload_init(master);
	stop_init(master);
	control_init(master);
	upgrade_init(master);
	notify_init(master);
	if (loop_init(&master->loop) < 0 || signals_init(master) < 0 ||
	    listeners_init(&master->listeners, &master->systemd) < 0)
		return -1;
	master->started_at = master->loop.now;
	if (master->systemd.watchdog_ms > 0) {
		deadline_init(&master->watchdog, on_watchdog, master);
		on_watchdog(master, master->loop.now);
	}
	return 0;
}

static void master_cleanup(struct master *master)
{
	struct totals *totals;

	listeners_cleanup(&master->listeners);
	while ((totals = SLIST_FIRST(&master->totals))) {
		SLIST_REMOVE_HEAD(&master->totals, link);
		free(totals->service);
		free(totals);
	}
	config_unref(master->config);
	upgrade_cleanup(master);
	pidfile_remove_own(&master->pidfile);
	control_cleanup(master);
	signals_cleanup(master);
	loop_cleanup(&master->loop);
}

static void pool_left(struct master *master, struct pool *pool)
{
	char took[CLOCK_TEXT_MAX];
	int level = pool->cut || pool->killed ? LOG_NOTICE : LOG_INFO;

	clock_text(master->loop.now - pool->ending_at, took);
	log_line(pool->served ? level : LOG_DEBUG,
		 "service %s: generation %u has left after %s, %u connection%s cut, %u worker%s "
		 "killed",
		 pool->service->name, pool->generation, took, pool->cut, plural(pool->cut),
		 pool->killed, plural(pool->killed));
	if (master->phase == MASTER_STOPPING) {
		master->killed += pool->killed;
		master->cut += pool->cut;
	}
	pool_free(pool);
}

/* After each turn: what follows from all that happened in it. True: there is more to do at once. */
static bool settle(struct master *master)
{
	struct pool *pool, *next;
	bool busy;

	if (master->more_to_reap)
		reap_children(master);
	busy = master->more_to_reap;
	TAILQ_FOREACH_SAFE (pool, &master->pools, link, next) {
		busy |= pool_settle(pool, master->loop.now);
		if (pool->phase == POOL_ENDING && pool_alive(pool) == 0)
			pool_left(master, pool);
	}
	upgrade_settle(master);
	return reload_settle(master) || busy;
}

static void supervise(struct master *master)
{
	if (master->resumed) {
		/* A SIGCHLD may have got lost on the way; who died has not. */
		reap_children(master);
		listeners_store(&master->listeners);
		upgrade_roll(master);
	} else {
		reload_request(master);
	}
	for (;;) {
		bool busy = settle(master);

		if (stop_settle(master))
			return;
		notify_settle(master);
		loop_turn(&master->loop, busy);
	}
}

static int run(struct master *master, const struct master_options *options)
{
	if (master_init(master, options) < 0) {
		log_err("start failed: %s", strerror(errno));
		master->exit_status = EX_OSERR;
	} else if (master->resumed && master_adopt(master, master->resumed) < 0) {
		log_err("the upgrade failed: the master ends, its workers finish what they have");
		master->exit_status = EX_OSERR;
	} else {
		supervise(master);
	}
	master_cleanup(master);
	daemon_report(&master->daemon, master->exit_status ? master->exit_status : EX_SOFTWARE);
	return master->exit_status;
}

/* A daemon must not hold what its starter had open: the pipe of a shell, the lock of a package tool. */
static void close_strays(const struct systemd *systemd)
{
	int *keep = calloc(systemd->fds + 1, sizeof(*keep));

	if (!keep)
		return;
	for (size_t i = 0; i < systemd->fds; i++)
		keep[i] = SYSTEMD_FIRST_FD + (int)i;
	keep[systemd->fds] = systemd->notify;
	fd_close_all_but(keep, systemd->fds + 1);
	free(keep);
}

/* In the process that goes on; its exit status, or what its starter exits with. */
static int run_on_one_side(struct master *master, const struct master_options *options)
{
	int status = EX_OSERR, side = 0;

	if (options->daemon) {
		close_strays(&master->systemd);
		side = daemon_enter(&master->daemon, &status);
	}
	if (side < 0)
		log_err("cannot become a daemon: %s", strerror(errno));
	if (side != 0)
		return status;
	setproctitle("-musterd: master [%s]", master->conf_path);
	return run(master, options);
}

/* In the program that takes over in an upgrade. */
static int resume(const struct master_options *options)
{
	struct master_options given = *options;
	struct master *master = calloc(1, sizeof(*master));
	char reason[RESUME_REASON_MAX] = "no memory";
	int state = options->resume, status = EX_OSERR;
	const struct saved_master *from;
	struct program program = *options->program;

	if (master)
		master->resumed = resume_read(state, reason);
	if (!master || !master->resumed) {
		log_err("--adopt-state is for a musterd that is upgraded; descriptor %d: %s", state,
			reason);
		free(master);
		return EX_USAGE;
	}
	fd_close(&state);
	from = master->resumed->master;
	if (from->log >= 0)
		log_use(&(struct log_target){ .kind = (enum log_kind)from->log_kind,
					      .facility = (int)from->log_facility,
					      .level = (int)from->log_level },
			from->log);
	log_set_name("master");
	master->conf_path = strdup(from->conf_path);
	/* What names us here may be relative to another folder, or be gone. */
	program.path = from->program[0] ? strdup(from->program) : NULL;
	given.program = &program;
	given.pidfile = from->pidfile_arg[0] ? from->pidfile_arg : NULL;
	daemon_init(&master->daemon);
	setproctitle("-musterd: master [%s]", from->conf_path);
	if (master->conf_path && systemd_init(&master->systemd) == 0)
		status = run(master, &given);
	daemon_cleanup(&master->daemon);
	systemd_cleanup(&master->systemd);
	free(program.path);
	free(master->conf_path);
	free(master);
	return status;
}

static int start(const struct master_options *options)
{
	struct master_options absolute = *options;
	struct master *master = calloc(1, sizeof(*master));
	char *conf_path = path_absolute(options->conf_path);
	char *pidfile = options->pidfile ? path_absolute(options->pidfile) : NULL;
	int status = EX_OSERR;

	log_set_name("master");
	if (!master || !conf_path || (options->pidfile && !pidfile) ||
	    systemd_init(&master->systemd) < 0) {
		log_err("start failed: %s", strerror(errno));
		goto out;
	}
	master->conf_path = conf_path;
	absolute.pidfile = pidfile;
	daemon_init(&master->daemon);
	status = run_on_one_side(master, &absolute);
	daemon_cleanup(&master->daemon);
	systemd_cleanup(&master->systemd);
out:
	free(conf_path);
	free(pidfile);
	free(master);
	return status;
}

int master_run(const struct master_options *options)
{
	return options->resume ? resume(options) : start(options);
}
