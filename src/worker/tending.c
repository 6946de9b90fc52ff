/* SPDX-License-Identifier: MIT */
/*
 * The life of a worker whose module accepts by itself, or has somebody accept (MU_TENDS): no acceptor, and one serve
 * from before READY to the end, with a connection that stands for the worker: no descriptor, no limits, not counted
 * in the slot. What it waits for, its tasks and its children are the runtime's as for any connection. And the calls of
 * musterd/module.h for such modules.
 *
 * SIGTERM means here what DRAIN means: to die of it would take whatever the module started with it, clients and all, and
 * leave behind what that has started. The master sends it to who has to go now, and SIGKILL soon after.
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "worker/life.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* So much before the boot limit ends, which the master sees: why, which it does not. A quarter of it at most. */
enum { WARNING_MS = 2000 };

/* ---- starting ---- */

static int watch_term(struct worker *worker)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_TERM };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	worker->tending.signals = signalfd(-1, &term, SFD_NONBLOCK | SFD_CLOEXEC);
	if (worker->tending.signals < 0)
		return -1;
	return epoll_ctl(worker->rt.epoll, EPOLL_CTL_ADD, worker->tending.signals, &event);
}

static void serve(void *arg)
{
	struct worker *worker = arg;
	struct mu_worker *rt = &worker->rt;
	struct mu_conn *conn = conn_stand(rt);

	worker->tending.result = -1;
	if (conn) {
		worker->tending.result = rt->module->serve(conn, rt->state);
		conn_stand_down(conn);
	}
	worker->tending.over = true;
}

/* ---- turns ---- */

static void hear_term(struct worker *worker)
{
	struct signalfd_siginfo info;
	bool is_masters;

	if (read(worker->tending.signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (!worker->rt.draining)
		log_notice("told to finish by SIGTERM (from pid %d, uid %d)", (int)info.ssi_pid,
			   (int)info.ssi_uid);
	is_masters = (pid_t)info.ssi_pid == worker->args->master;
	control_drain(worker, is_masters ? WORKER_GRACE_MS / 2 : worker->args->service->drain_ms);
}

static void warn_of_boot_limit(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;
	const char *status = worker->title.status;

	if (!worker->tending.warn_at || rt->now < worker->tending.warn_at)
		return;
	worker->tending.warn_at = 0;
	log_err("not ready so far%s%s", *status ? ": " : "", status);
}

static void look_after(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	if (rt->draining && !rt->cutting && rt->drain_deadline && rt->now >= rt->drain_deadline)
		runtime_cut(rt);
	if (worker->tending.ready && worker->go && !worker->tending.going && !rt->draining) {
		worker->tending.going = true;
		slot_set_state(rt->slot, rt->idle, rt->now);
	}
	control_expire(worker);
	warn_of_boot_limit(worker);
	title_renew(&worker->title, title_state(worker), 0, rt->now);
}

static int sleep_time(const struct worker *worker)
{
	const struct mu_worker *rt = &worker->rt;
	int64_t at = title_due(&worker->title, title_state(worker), 0);

	if (!rt->draining && !worker->expired)
		at = clock_earlier(at, expiry_due(&worker->expiry, rt->slot));
	if (rt->draining && !rt->cutting)
		at = clock_earlier(at, rt->drain_deadline);
	return runtime_timeout(rt, clock_earlier(at, worker->tending.warn_at));
}

static void turn(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;
	struct epoll_event events[EVENTS_MAX];
	int n = wait_events(worker, events, EVENTS_MAX, sleep_time(worker));

	for (int i = 0; i < n && !worker->tending.over; i++) {
		if (event_is_connection(&events[i]))
			runtime_event(events[i].data.ptr, events[i].events);
		else if (events[i].data.u64 == EVENT_TERM)
			hear_term(worker);
		else
			control_read(worker);
	}
	runtime_finish_turn(rt);
	look_after(worker);
}

int run_tending(struct worker *worker)
{
	const struct service_conf *service = worker->args->service;
	struct mu_worker *rt = &worker->rt;
	bool failed;

	if (watch_term(worker) < 0) {
		log_err("cannot watch for SIGTERM: %s", strerror(errno));
		return WORKER_EXIT_SETUP;
	}
	runtime_tick(rt);
	worker->tending.warn_at =
		rt->now + service->boot_ms -
		(service->boot_ms < 4 * WARNING_MS ? service->boot_ms / 4 : WARNING_MS);
	coroutine_start(&rt->pool, serve, worker, &failed);
	if (failed) {
		log_err("no memory for a stack: %s", strerror(errno));
		return WORKER_EXIT_SETUP;
	}
	background_begin(rt);
	while (!worker->tending.over)
		turn(worker);
	background_end(rt);
	while (rt->background)
		turn(worker);
	return worker->tending.result == MU_DONE ? 0 : WORKER_EXIT_TENDED;
}

/* ---- what modules call ---- */

void mu_ready(struct mu_conn *conn)
{
	struct worker *worker = (struct worker *)conn->worker;
	struct mu_worker *rt = &worker->rt;

	if (worker->tending.ready || rt->draining)
		return;
	worker->tending.ready = true;
	worker->tending.warn_at = 0;
	slot_set_state(rt->slot, SLOT_READY, rt->now);
	if (record_send(worker->args->control, RECORD_READY, 0, (int64_t)rt->connections_max, -1) <
	    0)
		log_warning("cannot tell the master READY: %s", strerror(errno));
}

size_t mu_listeners(const struct mu_worker *rt)
{
	return ((const struct worker *)rt)->args->listeners;
}

int mu_listener(const struct mu_worker *rt, size_t i)
{
	return ((const struct worker *)rt)->args->listener[i];
}

void mu_measure(struct mu_worker *rt, pid_t pid)
{
	expiry_measure(&((struct worker *)rt)->expiry, pid);
}

void mu_set_status(struct mu_worker *rt, const char *text)
{
	title_set_status(&((struct worker *)rt)->title, text);
}
