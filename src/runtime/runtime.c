/* SPDX-License-Identifier: MIT */
/* The turns of a multiplexed worker's loop, seen from its connections; and what both modes set up. */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "runtime/child.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* AddressSanitizer's redzones make frames several times as large. */
#if WITH_ASAN
enum { STACK_BYTES = 4 * STACK_SIZE };
#else
enum { STACK_BYTES = STACK_SIZE };
#endif

int runtime_init(struct mu_worker *worker)
{
	runtime_tick(worker);
	worker->runnable = NULL;
	worker->runnable_end = &worker->runnable;
	worker->woken = NULL;
	worker->woken_end = &worker->woken;
	worker->task = NULL;
	worker->turn_left = TURN_BYTES;
	worker->tasks = worker->task_places = 0;
	worker->foreign = NULL;
	worker->pools = NULL;
	worker->resting = worker->resting_max = 0;
	worker->backgrounds = NULL;
	worker->background = 0;
	worker->background_began = false;
	worker->logged = worker->left = 0;
	worker->left_full = false;
	worker->slabs = NULL;
	worker->free = worker->doomed = NULL;
	worker->buffers = NULL;
	worker->idle_buffers = worker->unused_buffers = 0;
	worker->cool_at = 0;
	timers_init(&worker->timers);
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll < 0)
		return -1;
	if (coroutine_pool_init(&worker->pool, STACK_BYTES) < 0) {
		fd_close(&worker->epoll);
		return -1;
	}
	return 0;
}

void runtime_cleanup(struct mu_worker *worker)
{
	child_log_stop(worker);
	background_free(worker);
	pool_free_all(worker);
	fd_close(&worker->null);
	coroutine_pool_cleanup(&worker->pool);
	fd_close(&worker->epoll);
	memory_free(worker);
	timers_cleanup(&worker->timers);
}

void runtime_tick(struct mu_worker *worker)
{
	struct timespec ts;

	worker->now = clock_ms();
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	worker->time = ts.tv_sec;
}

int runtime_timeout(const struct mu_worker *worker, int64_t other)
{
	int64_t at = timers_next(&worker->timers);

	if (worker->runnable || worker->woken)
		return 0;
	at = clock_earlier(clock_earlier(at, other), worker->wake_at);
	at = clock_earlier(at, worker->cool_at);
	if (!at)
		return -1;
	if (at <= worker->now)
		return 0;
	return at - worker->now > INT_MAX ? INT_MAX : (int)(at - worker->now);
}

void runtime_wake(struct mu_worker *worker)
{
	if (!worker->wake_at || worker->now < worker->wake_at)
		return;
	worker->wake_at = 0;
	worker->module->wake(worker->state);
}

void runtime_note(struct mu_conn *conn, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		conn->hung_up = true;
		conn->ready |= CONN_IN;
	}
	if (events & EPOLLIN)
		conn->ready |= CONN_IN;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		conn->ready |= CONN_OUT;
}

void runtime_event(struct mu_conn *conn, uint32_t events)
{
	if (conn->state == CONN_FREE)
		return;
	if (conn->state >= CONN_LOGGED) {
		if (conn->state == CONN_RESTING)
			pool_event(conn);
		else
			child_log_event(conn);
		return;
	}
	runtime_note(conn, events);
	if (conn->queued)
		return;
	/* A direct worker waits for one that is not in serve too. */
	if (conn->state >= CONN_SERVING || conn->waiters)
		conn_wake(conn, conn->ready, 0);
	else if (conn->ready & CONN_IN)
		conn_enter(conn);
}

static void run_queue(struct mu_worker *worker)
{
	struct mu_conn *conn = worker->runnable, *next;

	/* Those that are queued again meanwhile have their turn next time, after new events. */
	worker->runnable = NULL;
	worker->runnable_end = &worker->runnable;
	for (; conn; conn = next) {
		next = conn->next;
		conn->queued = false;
		conn_enter(conn);
	}
}

static void run_woken(struct mu_worker *worker)
{
	struct waiter *waiter = worker->woken, *next;

	worker->woken = NULL;
	worker->woken_end = &worker->woken;
	for (; waiter; waiter = next) {
		next = waiter->next;
		worker->slot->peer = conn_client(waiter->conn)->peer;
		coroutine_resume(&worker->pool, waiter->coroutine);
	}
	worker->task = NULL;
}

static void run_timers(struct mu_worker *worker)
{
	struct timer *timer;

	while ((timer = timers_expired(&worker->timers, worker->now))) {
		struct mu_conn *conn = (struct mu_conn *)timer;

		if (timer->waits) {
			waiter_wake((struct waiter *)timer, ETIMEDOUT);
		} else if (conn->state == CONN_RESTING) {
			pool_close(conn);
		} else if (!conn->queued) {
			conn_log_limit(conn);
			conn_close(conn);
		}
	}
}

void runtime_finish_turn(struct mu_worker *worker)
{
	struct mu_conn *conn;

	if (worker->timers.n && timers_next(&worker->timers) <= worker->now)
		run_timers(worker);
	if (worker->runnable)
		run_queue(worker);
	if (worker->woken)
		run_woken(worker);
	if (worker->wake_at)
		runtime_wake(worker);
	while ((conn = worker->doomed)) {
		worker->doomed = conn->next;
		conn->next = worker->free;
		worker->free = conn;
	}
	memory_cool(worker);
}

static void cut(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (conn->state < CONN_SERVING) {
		/* A direct worker waits for it and closes it; one in the queue comes to its serve, and no further. */
		if (conn->waiters)
			conn_wake(conn, -1, ECANCELED);
		else if (!conn->queued)
			conn_close(conn);
		return;
	}
	if (conn->state == CONN_SERVING && !conn->lingering &&
	    !(worker->module->flags & MU_TENDS)) {
		worker->cut++;
		slot_count(&worker->slot->cut);
		mu_log(conn, MU_INFO, "drain limit ran out, cut off in a request");
	}
	conn_wake(conn, -1, ECANCELED);
}

void runtime_cut(struct mu_worker *worker)
{
	worker->cutting = true;
	memory_each_conn(worker, cut);
}
