/* SPDX-License-Identifier: MIT */
/* Watching over workers, as watch.h says. */
#include "master/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/health.h"
#include "master/state.h"
#include "master/trace.h"

#include <stdio.h>
#include <stdlib.h>

enum { TRACE_EVERY_MS = 1000, TRACED_MS = 500 };

static struct health_limits limits_of(const struct service_conf *service)
{
	return (struct health_limits){ .direct = service->connections == 1,
				       .stall_ms = service->stall_ms,
				       .request_ms = service->request_ms,
				       .slow_ms = service->slow_ms };
}

/* Those that are not ready, or that we have signalled, have a deadline of their own. */
static bool is_watched(const struct worker *worker)
{
	if (worker->phase == WORKER_ENDING)
		return !worker->signalled && !worker->said_goodbye && worker->was_ready;
	return worker->phase == WORKER_SERVING;
}

static struct health judge(const struct worker *worker, const struct health_limits *limits,
			   struct slot_view *view_r, int64_t now)
{
	struct health_facts facts = { .stopped_since = worker->stopped ? worker->stopped_at : 0,
				      .fresh_since = worker->fresh_since };

	worker_view(worker, view_r, now);
	facts.running_since = view_r->running_since;
	facts.request_since = view_r->request_since;
	return health_judge(limits, &facts, now);
}

/* ------------------------------------------------------------------------------ traces ---- */

static void ask_for_trace(struct worker *worker, int64_t now)
{
	if (worker->asked_at && now - worker->asked_at < TRACE_EVERY_MS)
		return;
	worker->asked_at = now;
	worker->awaits_trace = kill(worker->pid, SIGUSR2) == 0;
}

void watch_traced(struct worker *worker, char *text)
{
	struct pool *pool = worker->pool;
	int64_t now;

	worker->awaits_trace = false;
	trace_log(text, LOG_WARNING, pool->service->name, worker->number, worker->pid);
	free(text);
	if (!worker->stuck_since)
		return;
	/* Being asked has woken it if it only waited; its slot says so in a moment. */
	now = pool->master->loop.now + TRACED_MS;
	if (now < worker->stuck_until)
		worker->stuck_until = now;
	if (!pool->watch.at || worker->stuck_until < pool->watch.at)
		deadline_set(&pool->master->loop.deadlines, &pool->watch, worker->stuck_until);
}

static const char *what_it_does(const struct worker *worker)
{
	if (worker->stopped)
		return "it has been stopped for";
	return worker->pool->service->connections == 1 ? "its request has taken"
						       : "its handler has not waited for";
}

/* -------------------------------------------------------------------------------- slow ---- */

/* Once for each request: the next one that is slow cannot be so before the limit has passed again. */
static void warn_slow(struct worker *worker, const struct health *health,
		      const struct slot_view *view, int64_t now)
{
	const struct service_conf *service = worker->pool->service;
	char age[CLOCK_TEXT_MAX], slow[CLOCK_TEXT_MAX], slot[SLOT_VIEW_TEXT_MAX];
	struct process process;

	if (worker->slow_since == health->since ||
	    (worker->slow_said_at && now - worker->slow_said_at < service->slow_ms))
		return;
	worker->slow_since = health->since;
	worker->slow_said_at = now;
	log_warning("worker %s %d (pid %d) is slow (more than %s): %s %s; %s", service->name,
		    worker->number, (int)worker->pid, clock_text(service->slow_ms, slow),
		    what_it_does(worker), clock_text(now - health->since, age),
		    slot_view_text(view, slot));
	process_look(&process, worker->pid);
	if (process.catches_trace && !process.tracer)
		ask_for_trace(worker, now);
}

/* ------------------------------------------------------------------------------- stuck ---- */

static void end_stuck(struct worker *worker, int64_t now)
{
	/* TERM does not reach who is stopped. */
	int signal = worker->stopped ? SIGKILL : SIGTERM;

	log_notice("worker %s %d (pid %d): %s: sending SIG%s", worker->pool->service->name,
		   worker->number, (int)worker->pid, worker->reason, sigabbrev_np(signal));
	worker->failed |= worker->phase != WORKER_ENDING;
	worker_signal(worker, signal, worker->reason, now);
	worker->pool->dirty = true;
}

/* A debugger holds it: that is somebody's will. It has its time again when that one has left. */
static void leave_to_tracer(struct worker *worker, const struct health *health, pid_t tracer,
			    int64_t now)
{
	char age[CLOCK_TEXT_MAX];

	worker->fresh_since = now;
	if (worker->tracer != tracer)
		log_notice("worker %s %d (pid %d) has been stuck for %s, but process %d traces it: "
			   "it is left alone",
			   worker->pool->service->name, worker->number, (int)worker->pid,
			   clock_text(now - health->since, age), (int)tracer);
	worker->tracer = tracer;
}

static void log_stuck(struct worker *worker, const struct health *health,
		      const struct slot_view *view, int64_t now)
{
	const struct service_conf *service = worker->pool->service;
	struct health_limits limits = limits_of(service);
	char limit[CLOCK_TEXT_MAX], age[CLOCK_TEXT_MAX], slot[SLOT_VIEW_TEXT_MAX];

	snprintf(worker->reason, sizeof(worker->reason), "the %s limit passed (%s)",
		 health_limit_name(&limits), clock_text(health_limit(&limits), limit));
	log_warning("worker %s %d (pid %d) is stuck: %s: %s %s; %s", service->name, worker->number,
		    (int)worker->pid, worker->reason, what_it_does(worker),
		    clock_text(now - health->since, age), slot_view_text(view, slot));
}

/* The time at which to go on with it; 0: it is ended or left alone. */
static int64_t begin_stuck(struct worker *worker, const struct health *health,
			   const struct slot_view *view, int64_t now)
{
	struct process process;

	process_look(&process, worker->pid);
	if (process.tracer) {
		leave_to_tracer(worker, health, process.tracer, now);
		return 0;
	}
	worker->tracer = 0;
	log_stuck(worker, health, view, now);
	worker->stuck_since = health->since;
	worker->stuck_until = now + WORKER_GRACE_MS;
	worker->pool->dirty = true;
	/* It may have been woken for a connection that it has not taken. */
	pool_try_accept(worker->pool);
	if (!worker->stopped && process.catches_trace)
		ask_for_trace(worker, now);
	if (worker->awaits_trace)
		return worker->stuck_until;
	end_stuck(worker, now);
	return 0;
}

static void let_go_on(struct worker *worker, int64_t now)
{
	char age[CLOCK_TEXT_MAX];

	log_notice("worker %s %d (pid %d) goes on after %s", worker->pool->service->name,
		   worker->number, (int)worker->pid, clock_text(now - worker->stuck_since, age));
	worker->stuck_since = 0;
	worker->pool->dirty = true;
}

/* When to look at this worker again; 0: need not. */
static int64_t look_at(struct worker *worker, const struct health_limits *limits, int64_t now)
{
	struct slot_view view;
	struct health health = judge(worker, limits, &view, now);
	bool is_stuck = health.verdict == HEALTH_STUCK;

	if (worker->stuck_since && !(is_stuck && health.since == worker->stuck_since))
		let_go_on(worker, now);
	if (worker->stuck_since) {
		if (now < worker->stuck_until)
			return worker->stuck_until;
		end_stuck(worker, now);
		return 0;
	}
	if (is_stuck)
		return begin_stuck(worker, &health, &view, now);
	if (health.verdict == HEALTH_SLOW)
		warn_slow(worker, &health, &view, now);
	return health.again_at;
}

/* ------------------------------------------------------------------------------- looks ---- */

void watch_fire(void *owner, int64_t now)
{
	struct pool *pool = owner;
	struct health_limits limits = limits_of(pool->service);
	int64_t next = health_next_look(&limits, now);
	bool any = false;

	for (size_t i = 0; i < pool->board.slots; i++) {
		struct worker *worker = &pool->worker[i];
		int64_t at;

		if (!is_watched(worker))
			continue;
		any = true;
		at = look_at(worker, &limits, now);
		if (at && at < next)
			next = at;
	}
	if (any && next)
		deadline_set(&pool->master->loop.deadlines, &pool->watch, next);
}

void watch_begin(struct pool *pool)
{
	struct health_limits limits = limits_of(pool->service);
	int64_t next = health_next_look(&limits, pool->master->loop.now);

	if (next && !pool->watch.at)
		deadline_set(&pool->master->loop.deadlines, &pool->watch, next);
}
