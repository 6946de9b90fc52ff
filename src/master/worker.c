/* SPDX-License-Identifier: MIT */
/* One worker as the master sees it, from its fork until its place is free again, as worker.h says. */
#include "master/worker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "master/spawn.h"
#include "master/state.h"
#include "master/trace.h"
#include "master/watch.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sysexits.h>

enum {
	RECORDS_AT_ONCE = 16,
	LAST_WORDS_MAX =
		1024, /* more than a socket holds: a child that it has left behind may go on */
	TRACE_PACE_MS = 1000 /* between two traces that nobody asked for */
};

/* The worker says nothing that we could wait for any more: it ends by itself, or is made to. */
static void expect_end(struct worker *worker, int64_t at)
{
	deadline_set(&worker->pool->master->loop.deadlines, &worker->deadline, at);
}

void worker_signal(struct worker *worker, int signal, const char *because, int64_t now)
{
	/* Not reaped yet, so the process id is still this worker's. */
	if (kill(worker->pid, signal) < 0)
		log_warning("cannot send SIG%s to worker %s %d (pid %d): %s", sigabbrev_np(signal),
			    worker->pool->service->name, worker->number, (int)worker->pid,
			    strerror(errno));
	worker->phase = WORKER_ENDING;
	worker->signalled = signal;
	worker->because = because;
	expect_end(worker, now + WORKER_GRACE_MS);
}

/* "the boot limit passed (10s)", in the worker's `reason`. */
static const char *passed(struct worker *worker, const char *limit, int64_t value)
{
	char text[CLOCK_TEXT_MAX];

	snprintf(worker->reason, sizeof(worker->reason), "the %s limit passed (%s)", limit,
		 clock_text(value, text));
	return worker->reason;
}

static const char *limit_of(struct worker *worker)
{
	const struct service_conf *service = worker->pool->service;

	if (worker->control.fd < 0 && worker->phase != WORKER_ENDING)
		return "it closed its end of the control socket";
	if (worker->phase == WORKER_STARTING)
		return passed(worker, "boot", service->boot_ms);
	if (worker->because)
		return worker->because;
	return passed(worker, "drain", service->drain_ms);
}

static void refuse_reload(struct worker *worker, const char *because, int64_t now)
{
	struct slot_view view;

	worker_view(worker, &view, now);
	reload_refuse(worker->pool->master, EX_TEMPFAIL, "worker %s %d (pid %d): %s%s%s",
		      worker->pool->service->name, worker->number, (int)worker->pid, because,
		      view.error[0] ? "; its last error: " : "", view.error);
}

static void on_deadline(void *owner, int64_t now)
{
	struct worker *worker = owner;
	const char *because = limit_of(worker);
	const char *name = worker->pool->service->name;

	if (worker->pool->phase == POOL_STARTING) {
		refuse_reload(worker, because, now);
		return;
	}
	if (worker->signalled == SIGKILL) {
		log_err("worker %s %d (pid %d) does not die of SIGKILL: the kernel holds it", name,
			worker->number, (int)worker->pid);
		return;
	}
	log_warning("worker %s %d (pid %d): %s: sending SIG%s", name, worker->number,
		    (int)worker->pid, because, worker->signalled ? "KILL" : "TERM");
	worker->failed |= worker->phase != WORKER_ENDING;
	worker_signal(worker, worker->signalled ? SIGKILL : SIGTERM, because, now);
}

void worker_init(struct worker *worker, struct pool *pool, int number)
{
	*worker = (struct worker){
		.pool = pool,
		.number = number,
		.refuses = pool->service->overflow_refuse && number == (int)pool->board.slots,
		.control.fd = -1,
		.most = pool->service->connections,
	};
	deadline_init(&worker->deadline, on_deadline, worker);
}

/* ------------------------------------------------------------------------ what workers say ---- */

void worker_go(struct worker *worker)
{
	worker->phase = WORKER_SERVING;
	/* Who has hung up since it was READY does not hear it, and is expected to end. */
	if (worker->control.fd >= 0)
		deadline_clear(&worker->pool->master->loop.deadlines, &worker->deadline);
	/* A failure means that it has died, which is noticed elsewhere. After GO it may serve before it hears more. */
	if (worker->pool->master->phase == MASTER_CLOSING)
		record_send(worker->control.fd, RECORD_CLOSING, 0, 0, -1);
	record_send(worker->control.fd, RECORD_GO, 0, 0, -1);
	watch_begin(worker->pool);
}

/*
 * Of a signal that ends it (the value) it is kept, to be logged with its death. Any other was asked for, by us or by
 * whoever sent SIGUSR2, and is logged now. Who sends many finds them unread.
 */
static void handle_trace(struct worker *worker, int64_t signal, int fd, int64_t now)
{
	char *text;

	if (!worker->awaits_trace && worker->traced_at && now - worker->traced_at < TRACE_PACE_MS)
		return;
	worker->traced_at = now;
	text = trace_read(fd);
	if (!text)
		return;
	if (signal == SIGUSR2) {
		watch_traced(worker, text);
		return;
	}
	free(worker->trace);
	worker->trace = text;
}

static bool handle_record(struct worker *worker, const struct record *record, int fd, int64_t now)
{
	struct pool *pool = worker->pool;

	switch (record->type) {
	case RECORD_READY:
		if (worker->phase != WORKER_STARTING)
			return worker->phase == WORKER_ENDING;
		worker->phase = WORKER_READY;
		worker->was_ready = true;
		if (record->value > 0 && record->value < pool->service->connections)
			worker->most = (int)record->value;
		policy_ready(worker_policy(worker), worker->round, now);
		pool->dirty = true;
		if (pool->phase == POOL_SERVING && !pool->paused)
			worker_go(worker);
		else
			deadline_clear(&pool->master->loop.deadlines, &worker->deadline);
		return true;
	case RECORD_EXPIRED:
		if (record->value != EXPIRY_REQUESTS && record->value != EXPIRY_MEMORY)
			return false;
		worker->expired = (enum expiry)record->value;
		pool->dirty = true;
		return true;
	case RECORD_GOODBYE:
		/* Once: each gives it time to leave. */
		if (worker->said_goodbye)
			return false;
		worker->said_goodbye = true;
		if (record->value > 0 && record->value <= pool->service->connections)
			pool->cut += (unsigned)record->value;
		if (worker->phase != WORKER_ENDING) {
			worker->because = "it said goodbye";
			worker->unasked = true;
		}
		worker->phase = WORKER_ENDING;
		expect_end(worker, now + WORKER_GRACE_MS);
		if (pool->phase == POOL_ENDING && record->flags & RECORD_LAST_CALL)
			pool_end_last_call(pool);
		return true;
	case RECORD_TRACE:
		handle_trace(worker, record->value, fd, now);
		return true;
	default:
		return false;
	}
}

/* 1: a record was handled; 0: the worker is gone; -1: nothing to read, or nothing that makes sense (errno). */
static int take_record(struct worker *worker, int64_t now)
{
	struct record record;
	bool handled;
	int fd, n = record_receive(worker->control.fd, &record, &fd);

	if (n <= 0)
		return n;
	handled = handle_record(worker, &record, fd, now);
	fd_close(&fd);
	if (handled)
		return 1;
	errno = EPROTO;
	return -1;
}

static void hang_up(struct worker *worker)
{
	int fd = worker->control.fd;

	loop_remove(&worker->pool->master->loop, &worker->control);
	fd_close(&fd);
}

void worker_last_words(struct worker *worker, int64_t now)
{
	for (int i = 0; i < LAST_WORDS_MAX && worker->control.fd >= 0; i++) {
		if (take_record(worker, now) <= 0)
			return;
	}
}

static void on_control(void *owner)
{
	struct worker *worker = owner;
	int64_t now = worker->pool->master->loop.now;
	int n = 1;

	for (int i = 0; i < RECORDS_AT_ONCE && n > 0; i++)
		n = take_record(worker, now);
	if (n > 0 || (n < 0 && errno != EPROTO))
		return;
	hang_up(worker);
	if (n < 0) {
		worker->failed |= worker->phase != WORKER_ENDING;
		worker_signal(worker, SIGKILL, "it sent what is no record of ours", now);
		return;
	}
	/* Mostly it has died, and SIGCHLD is next. */
	if (!worker->signalled)
		expect_end(worker, now + WORKER_GRACE_MS);
}

int worker_watch(struct worker *worker, int control)
{
	return loop_add(&worker->pool->master->loop, &worker->control, control, on_control, worker);
}

/* ----------------------------------------------------------------------------- starting ---- */

struct birth {
	struct pool *pool;
	struct worker_args args;
};

/* In the child. */
static int worker_main_of(void *arg)
{
	struct birth *birth = arg;
	struct pool *pool = birth->pool, *other;
	struct master *master = pool->master;
	char name[64];

	TAILQ_FOREACH (other, &master->pools, link) {
		if (other != pool)
			munmap(other->board.slot, other->board.slots * sizeof(struct slot));
	}
	pool->board.fd = -1;
	if (pool->phase == POOL_STARTING && master->reload.log_fd >= 0)
		log_use(&master->reload.log_target, master->reload.log_fd);
	snprintf(name, sizeof(name), "%s %d", pool->service->name, birth->args.number);
	log_set_name(name);
	setproctitle("-musterd: worker %s starting", name);
	return master->options->run(&birth->args);
}

static pid_t fork_worker(struct pool *pool, struct worker *worker, int control)
{
	struct birth birth = {
		.pool = pool,
		.args = { .service = pool->service,
			  .module = pool->service->module,
			  .control = control,
			  .listener = pool->listener_fd,
			  .listeners = pool->listeners,
			  .output = pool->output,
			  .board = &pool->board,
			  .number = worker->number,
			  .generation = pool->generation,
			  .master = getpid(),
			  .refuses = worker->refuses },
	};
	struct master *master = pool->master;
	size_t n = pool->listeners, outputs = pool->service->outputs;
	int *keep = malloc((n + outputs + 3) * sizeof(*keep));
	pid_t pid;

	if (!keep)
		return -1;
	memcpy(keep, pool->listener_fd, n * sizeof(*keep));
	memcpy(keep + n, pool->output, outputs * sizeof(*keep));
	n += outputs;
	keep[n++] = control;
	keep[n++] = log_fd();
	if (pool->phase == POOL_STARTING && master->reload.log_fd >= 0)
		keep[n++] = master->reload.log_fd;
	pid = spawn(worker_main_of, &birth, keep, n, master->daemon.on);
	free(keep);
	return pid;
}

int worker_start(struct worker *worker, int64_t now)
{
	struct pool *pool = worker->pool;
	struct slot *slot = &pool->board.slot[worker->number - 1];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	if (worker_watch(worker, ends[0]) < 0)
		goto fail;
	slot_set_state(slot, SLOT_STARTING, now);
	worker->pid = fork_worker(pool, worker, ends[1]);
	if (worker->pid < 0)
		goto fail;
	fd_close(&ends[1]);
	worker->phase = WORKER_STARTING;
	worker->started_at = worker->fresh_since = now;
	worker->round = worker_policy(worker)->round;
	worker->most = pool->service->connections;
	expect_end(worker, now + pool->service->boot_ms);
	notify_workers(pool->master);
	log_debug("worker %s %d started (pid %d)", pool->service->name, worker->number,
		  (int)worker->pid);
	return 0;
fail:
	loop_remove(&pool->master->loop, &worker->control);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	slot_set_state(slot, SLOT_FREE, 0);
	worker->pid = 0;
	return -1;
}

/* ---------------------------------------------------------------------- serving and ending ---- */

bool worker_is_serving(const struct worker *worker)
{
	return worker->phase == WORKER_SERVING && !worker->stopped && !worker->stuck_since &&
	       worker->control.fd >= 0;
}

void worker_view(const struct worker *worker, struct slot_view *view, int64_t now)
{
	slot_view_take(view, &worker->pool->board.slot[worker->number - 1], (uint32_t)worker->most,
		       worker->started_at, now);
}

int worker_connections(const struct worker *worker)
{
	const struct slot *slot = &worker->pool->board.slot[worker->number - 1];
	uint32_t held = atomic_load_explicit(&slot->connections, memory_order_relaxed);
	uint32_t most = (uint32_t)worker->most;

	return (int)(held < most ? held : most);
}

uint64_t worker_refused(const struct worker *worker)
{
	struct slot_view view;

	worker_view(worker, &view, worker->pool->master->loop.now);
	return view.refused;
}

void worker_drain(struct worker *worker, uint32_t flags, int64_t now)
{
	const struct service_conf *service = worker->pool->service;

	bool waits = worker->phase == WORKER_STARTING || worker->phase == WORKER_READY;

	/* Who accepts by itself may have clients before it is told to go on. */
	if (waits && !service_is_tended(service)) {
		worker_signal(worker, SIGTERM, "it was not needed any more", now);
		return;
	}
	if (worker->phase != WORKER_SERVING && !waits)
		return;
	worker->phase = WORKER_ENDING;
	record_send(worker->control.fd, RECORD_DRAIN, flags, service->drain_ms, -1);
	if (service->drain_ms > 0)
		expect_end(worker, now + service->drain_ms + WORKER_GRACE_MS);
}

void worker_clear(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct totals *totals = pool->totals;
	struct slot_view view;

	hang_up(worker);
	deadline_clear(&pool->master->loop.deadlines, &worker->deadline);
	worker_view(worker, &view, pool->master->loop.now);
	totals->accepted += view.accepted;
	totals->requests += view.requests;
	totals->limited += view.limited;
	totals->cut += view.cut;
	totals->refused += view.refused;
	memset(&pool->board.slot[worker->number - 1], 0, sizeof(struct slot));
	free(worker->trace);
	worker_init(worker, pool, worker->number);
	pool->dirty = true;
	notify_workers(pool->master);
}
