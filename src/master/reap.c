/* SPDX-License-Identifier: MIT */
/*
 * Children that ended, stopped or went on: found by waitid, logged once and truthfully (death.c), and
 * handed to who has to know: the pool, the reload.
 */
#include "base/log.h"
#include "master/death.h"
#include "master/state.h"
#include "master/trace.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

/* When a whole pool was killed the first replacements must not wait until all have been buried. */
enum { REAP_BATCH = 4 };

/* ------------------------------------------------------------------- what is told of deaths ---- */

static void on_tally_end(void *owner, int64_t now)
{
	struct totals *totals = owner;
	char text[TALLY_TEXT_MAX];

	while (tally_take(&totals->tally, now, text))
		log_warning("service %s: %s", totals->service, text);
}

void reap_init_totals(struct totals *totals)
{
	deadline_init(&totals->tally_end, on_tally_end, totals);
}

void reap_tell_rest(struct master *master)
{
	struct totals *totals;

	SLIST_FOREACH (totals, &master->totals, link) {
		deadline_clear(&master->loop.deadlines, &totals->tally_end);
		on_tally_end(totals, master->loop.now);
	}
}

static struct death describe(const struct worker *worker, const siginfo_t *info, int64_t now)
{
	struct oom *oom = &worker->pool->master->oom;
	struct death death = {
		.oom_known = oom_is_known(oom),
		.service = worker->pool->service->name,
		.number = worker->number,
		.pid = worker->pid,
		.code = info->si_code,
		.status = info->si_status,
		.told = worker->phase == WORKER_ENDING && !worker->signalled,
		.signalled = worker->signalled,
		.because = worker->because,
		.given_up = !worker->pool->served && worker->pool->phase == POOL_ENDING,
		.was_ready = worker->was_ready,
		.age = now - worker->started_at,
	};

	worker_view(worker, &death.slot, now);
	if (death.code == CLD_KILLED && death.status == SIGKILL && !death_was_ours(&death))
		death.oom = oom_is_to_blame(oom, now);
	return death;
}

/* Ends in order are no news and are not counted. */
static void tell(const struct worker *worker, const struct death *death, const char *text,
		 int64_t now)
{
	struct totals *totals = worker->pool->totals;
	struct death_kind kind = death_kind_of(death);
	int level = death_level(death);

	if (level <= LOG_WARNING && !tally_add(&totals->tally, &kind, now)) {
		if (!totals->tally_end.at)
			deadline_set(&worker->pool->master->loop.deadlines, &totals->tally_end,
				     tally_due(&totals->tally));
		return;
	}
	log_line(level, "%s", text);
	if (worker->trace && death->code != CLD_EXITED && kind.cause == DEATH_FOREIGN)
		trace_log(worker->trace, level, death->service, death->number, death->pid);
}

/* Who never served, as in a paused pool, harmed nobody by being killed. */
static bool had_begun(const struct death *death)
{
	return death->was_ready && death->slot.state != SLOT_READY;
}

static void worker_died(struct worker *worker, const siginfo_t *info, int64_t now)
{
	struct pool *pool = worker->pool;
	bool starting = pool->phase == POOL_STARTING;
	char text[DEATH_TEXT_MAX];
	struct death death;
	bool expected;

	worker_last_words(worker, now);
	expected = worker->phase == WORKER_ENDING && !worker->failed;
	death = describe(worker, info, now);
	tell(worker, &death, death_text(&death, text), now);
	if (death.code != CLD_EXITED) {
		pool->cut += death.slot.connections;
		pool->totals->cut += death.slot.connections;
	}
	if (pool->phase == POOL_ENDING && pool->served && had_begun(&death) &&
	    death_was_ours(&death))
		pool->killed++;
	if (!expected)
		pool->totals->deaths++;
	/* Who leaves in order, but too soon and for no reason of ours, would do so again and again. */
	if (!expected || worker->unasked) {
		if (!death_was_foreign_will(&death))
			policy_died(worker_policy(worker), worker->round, worker->was_ready,
				    death.age, now);
	}
	worker_clear(worker);
	if (starting)
		reload_refuse(pool->master,
			      info->si_code == CLD_EXITED && info->si_status ? info->si_status
									     : EX_SOFTWARE,
			      "%s", text);
	else if (!expected)
		pool->bereft = true;
}

/* ----------------------------------------------------------------------- stopped, and going on ---- */

static void worker_paused(struct worker *worker, const siginfo_t *info, int64_t now)
{
	const char *name = worker->pool->service->name;

	worker->stopped = info->si_code != CLD_CONTINUED;
	worker->pool->dirty = true;
	if (!worker->stopped) {
		/* What it could not do meanwhile is not its fault. */
		worker->fresh_since = now;
		log_notice("worker %s %d (pid %d) goes on", name, worker->number, (int)worker->pid);
		return;
	}
	worker->stopped_at = now;
	log_warning("worker %s %d (pid %d) was stopped by SIG%s: its clients wait until it is "
		    "continued (kill -CONT %d)",
		    name, worker->number, (int)worker->pid, sigabbrev_np(info->si_status),
		    (int)worker->pid);
	worker->pool->bereft = true;
}

/* ------------------------------------------------------------------------------ children ---- */

static struct worker *find_worker(struct master *master, pid_t pid)
{
	struct pool *pool;
	struct worker *worker = NULL;

	TAILQ_FOREACH (pool, &master->pools, link) {
		worker = pool_find(pool, pid);
		if (worker)
			break;
	}
	return worker;
}

static void child_changed(struct master *master, const siginfo_t *info)
{
	bool ended = info->si_code == CLD_EXITED || info->si_code == CLD_KILLED ||
		     info->si_code == CLD_DUMPED;
	struct worker *worker;

	if (info->si_pid == master->reload.checker.pid) {
		if (ended)
			reload_checked(master, info);
		return;
	}
	if (info->si_pid == master->upgrade.checker) {
		if (ended)
			upgrade_checked(master, info);
		return;
	}
	worker = find_worker(master, info->si_pid);
	if (!worker) {
		/* As process 1 of a container we inherit orphans. */
		log_debug("reaped a stranger, pid %d", (int)info->si_pid);
		return;
	}
	if (ended)
		worker_died(worker, info, master->loop.now);
	else
		worker_paused(worker, info, master->loop.now);
}

/* False: there is none any more. */
static bool reap_one(struct master *master)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) < 0) {
		if (errno != EINTR)
			return false; /* ECHILD: there are none at all */
	}
	if (info.si_pid == 0)
		return false;
	child_changed(master, &info);
	return true;
}

void reap_children(struct master *master)
{
	struct pool *pool;
	int n = 0;

	while (n < REAP_BATCH && reap_one(master))
		n++;
	master->more_to_reap = n == REAP_BATCH;
	/* Only now is it known who is left to ask. */
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->bereft)
			pool_try_accept(pool);
		pool->bereft = false;
	}
}
