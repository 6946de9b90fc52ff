/* SPDX-License-Identifier: MIT */
/* The turns of a multiplexed worker's loop, seen from its connections; and what both modes set up. */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

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
	worker->slabs = NULL;
	worker->free = worker->doomed = NULL;
	worker->buffers = NULL;
	worker->idle_buffers = 0;
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

	if (worker->runnable)
		return 0;
	at = clock_earlier(clock_earlier(at, other), worker->wake_at);
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

void runtime_event(struct mu_conn *conn, uint32_t events)
{
	if (conn->state == CONN_FREE)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		conn->hung_up = true;
		conn->ready |= CONN_IN | CONN_OUT;
	}
	if (events & EPOLLIN)
		conn->ready |= CONN_IN;
	if (events & EPOLLOUT)
		conn->ready |= CONN_OUT;
	if (conn->queued)
		return;
	if (conn->state != CONN_SERVING) {
		if (conn->ready & CONN_IN)
			conn_enter(conn);
	} else if (conn->waiting & conn->ready) {
		conn_resume(conn, 0);
	}
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
		if (conn->state == CONN_SERVING)
			conn_resume(conn, worker->cutting ? ECANCELED : 0);
		else
			conn_enter(conn);
	}
}

static void run_timers(struct mu_worker *worker)
{
	struct timer *timer;

	while ((timer = timers_expired(&worker->timers, worker->now))) {
		struct mu_conn *conn = (struct mu_conn *)timer;

		if (conn->queued)
			continue;
		if (conn->state == CONN_SERVING) {
			conn_resume(conn, ETIMEDOUT);
		} else {
			conn_log_limit(conn);
			conn_close(conn);
		}
	}
}

void runtime_finish_turn(struct mu_worker *worker)
{
	struct mu_conn *conn;

	if (worker->runnable)
		run_queue(worker);
	if (worker->timers.n && timers_next(&worker->timers) <= worker->now)
		run_timers(worker);
	runtime_wake(worker);
	while ((conn = worker->doomed)) {
		worker->doomed = conn->next;
		conn->next = worker->free;
		worker->free = conn;
	}
}

static void cut(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (conn->state == CONN_SERVING && !conn->lingering) {
		worker->cut++;
		slot_count(&worker->slot->cut);
		mu_log(conn, MU_INFO, "drain limit ran out, cut off in a request");
	}
	if (conn->queued)
		return; /* run_queue tells it, in the next turn */
	if (conn->state == CONN_SERVING)
		conn_resume(conn, ECANCELED);
	else
		conn_close(conn);
}

void runtime_cut(struct mu_worker *worker)
{
	worker->cutting = true;
	memory_each_conn(worker, cut);
}
