/* SPDX-License-Identifier: MIT */
/*
 * Children that ended, stopped or went on: found by waitid, logged once and truthfully (death.c), and
 * handed to who has to know: the pool, the reload.
 */
#include "base/log.h"
#include "master/death.h"
#include "master/state.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

/* How long ago; -1: what stands in the slot is no time of ours. */
static int64_t age_of(int64_t since, int64_t now)
{
	return since >= 0 && since <= now ? now - since : -1;
}

static struct death describe(const struct worker *worker, const siginfo_t *info, int64_t now)
{
	const struct slot *slot = &worker->pool->board.slot[worker->number - 1];

	return (struct death){
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
		.state = atomic_load_explicit(&slot->state, memory_order_relaxed),
		.state_for =
			age_of(atomic_load_explicit(&slot->since_ms, memory_order_relaxed), now),
		.connections = (uint32_t)worker_connections(worker),
		.peer = slot->peer,
	};
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
	death_text(&death, text);
	log_line(death_level(&death), "%s", text);
	if (death.code != CLD_EXITED) {
		pool->cut += death.connections;
		pool->totals->cut += death.connections;
	}
	/* Who never served harmed nobody by that. */
	if (pool->phase == POOL_ENDING && pool->served && death.was_ready && death_was_ours(&death))
		pool->killed++;
	if (!expected) {
		pool->totals->deaths++;
		policy_died(&pool->policy, worker->round, worker->was_ready, death.age, now);
	}
	worker_clear(worker);
	if (starting)
		reload_refuse(pool->master,
			      info->si_code == CLD_EXITED && info->si_status ? info->si_status
									     : EX_SOFTWARE,
			      "%s", text);
	else if (!expected)
		pool_try_accept(pool);
}

static void worker_paused(struct worker *worker, const siginfo_t *info)
{
	const char *name = worker->pool->service->name;

	worker->stopped = info->si_code != CLD_CONTINUED;
	worker->pool->dirty = true;
	if (!worker->stopped) {
		log_notice("worker %s %d (pid %d) goes on", name, worker->number, (int)worker->pid);
		return;
	}
	log_warning("worker %s %d (pid %d) was stopped by SIG%s: its clients wait until it is "
		    "continued (kill -CONT %d)",
		    name, worker->number, (int)worker->pid, sigabbrev_np(info->si_status),
		    (int)worker->pid);
	pool_try_accept(worker->pool);
}

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
	worker = find_worker(master, info->si_pid);
	if (!worker) {
		/* As process 1 of a container we inherit orphans. */
		log_debug("reaped a stranger, pid %d", (int)info->si_pid);
		return;
	}
	if (ended)
		worker_died(worker, info, master->loop.now);
	else
		worker_paused(worker, info);
}

void reap_children(struct master *master)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) < 0) {
			if (errno == EINTR)
				continue;
			return; /* ECHILD: there are none */
		}
		if (info.si_pid == 0)
			return;
		child_changed(master, &info);
	}
}
