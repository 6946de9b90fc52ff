/* SPDX-License-Identifier: MIT */
/*
 * Waiting. Whoever waits in a serve, for whatever it is, has a struct waiter on its own stack and ends in conn_suspend:
 * a coroutine yields to the loop, the process's own stack (direct) polls or turns the loop. Who wakes a waiter
 * (runtime.c, family.c) only puts it into a queue; the loop alone resumes, so nothing runs within something else.
 */
#include "runtime/runtime.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * Somebody closed a foreign descriptor while it was waited for, and we have its number now: what is in epoll under it is
 * no longer theirs to be removed.
 */
static void disown(struct mu_worker *worker, const struct mu_conn *owner)
{
	for (struct mu_conn *conn = worker->foreign; conn; conn = conn->next)
		if (conn->fd == owner->fd && conn != owner) {
			conn->fd = -1;
			conn_wake(conn, -1, EBADF);
		}
}

int conn_watch_more(struct mu_conn *conn, int events)
{
	struct mu_worker *worker = conn->worker;
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn };
	bool out = events & CONN_OUT;
	int error;

	if (conn->state == CONN_FOREIGN && !(events & CONN_IN))
		event.events = EPOLLET;
	if (out)
		event.events |= EPOLLOUT;
	if (epoll_ctl(worker->epoll, conn->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, conn->fd,
		      &event) < 0) {
		error = errno;
		if (conn->state == CONN_FOREIGN)
			return error == EEXIST ? EBUSY : error;
		mu_log(conn, MU_WARNING, "cannot watch the connection: %s (epoll_ctl)",
		       strerror(error));
		return error;
	}
	if (worker->foreign && !conn->watched)
		disown(worker, conn);
	conn->watched = true;
	conn->watched_out = out;
	return 0;
}

void waiter_wake(struct waiter *waiter, int wake)
{
	struct mu_worker *worker = waiter->conn->worker;
	struct waiter **place = &waiter->conn->waiters;

	while (*place != waiter)
		place = &(*place)->next;
	*place = waiter->next;
	if (waiter->timer.place)
		timer_remove(&worker->timers, &waiter->timer);
	waiter->wake = wake;
	waiter->woken = true;
	if (!waiter->coroutine)
		return; /* it looks by itself */
	waiter->next = NULL;
	*worker->woken_end = waiter;
	worker->woken_end = &waiter->next;
}

void conn_wake(struct mu_conn *conn, int events, int wake)
{
	struct waiter *waiter, *next;

	for (waiter = conn->waiters; waiter; waiter = next) {
		next = waiter->next;
		if (events < 0 || waiter->events & events)
			waiter_wake(waiter, wake);
	}
}

/* Where it is noted that what runs now waits; NULL where nobody would look. */
static struct waiter **noted(struct mu_conn *conn)
{
	struct task *task = conn->worker->task;
	struct family *family = conn_client(conn)->family;

	if (task)
		return &task->waiter;
	return family ? &family->waiter : NULL;
}

int conn_suspend(struct mu_conn *conn, int events, int64_t deadline)
{
	struct mu_worker *worker = conn->worker;
	struct waiter waiter = { .timer.waits = true,
				 .conn = conn,
				 .next = conn->waiters,
				 .coroutine = worker->pool.current,
				 .task = worker->task,
				 .events = events };
	struct waiter **note = noted(conn);
	bool polls = !waiter.coroutine && !worker->tasks && !worker->logged && !worker->resting;
	int error;

	if (events & (CONN_IN | CONN_OUT) && !polls && (error = conn_watch(conn, events)) != 0)
		return error;
	/* cppcheck-suppress autoVariables; its stack lives until it is out of the list again */
	conn->waiters = &waiter;
	if (note)
		*note = &waiter;
	if (deadline && !polls)
		timer_set(&worker->timers, &waiter.timer, deadline);
	if (polls)
		worker->direct_wait(&waiter, deadline);
	else if (waiter.coroutine)
		coroutine_yield(&worker->pool);
	else
		while (!waiter.woken)
			worker->direct_turn(&waiter);
	worker->task = waiter.task;
	worker->turn_left = TURN_BYTES;
	if (note)
		*note = NULL;
	return waiter.wake;
}

int conn_unsent(const struct mu_conn *conn)
{
	int bytes = 0;

	return ioctl(conn->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/*
 * Idle is who moves nothing: when an idle limit that has passed is to be looked at again; 0: it is really over, or
 * it was another limit.
 */
static int64_t later(const struct mu_conn *conn, int events, int *queued)
{
	int before = *queued;

	if (conn_limit_is_over(conn))
		return 0;
	/*
	 * The kernel calls a socket writable only when a good part of its buffer is free, which a slow
	 * reader may not manage within the idle limit. It is idle only if it took nothing at all.
	 */
	if (events & CONN_OUT && (*queued = conn_unsent(conn)) < before)
		return conn_deadline(conn);
	return conn_deadline_moved(conn);
}

/* The directions that are one waiter's. */
static int directions(int events)
{
	return (events | events >> 4) & (CONN_IN | CONN_OUT);
}

/* Of one connection, one may wait for input and one for output. */
static bool is_awaited(const struct mu_conn *conn, int events)
{
	for (const struct waiter *waiter = conn->waiters; waiter; waiter = waiter->next)
		if (directions(waiter->events) & directions(events))
			return true;
	return false;
}

/*
 * One of our own that another task has closed meanwhile: so the wait has ended, even where something else had ended it
 * already and its turn has not come before.
 */
static int suspend(struct mu_conn *conn, int events, int64_t deadline)
{
	int error = conn_suspend(conn, events, deadline);
	bool is_own = conn->state == CONN_OTHER || conn->state == CONN_PIPE;

	return is_own && conn->fd < 0 ? ECANCELED : error;
}

static int wait_until(struct mu_conn *conn, int events, int64_t deadline)
{
	const struct mu_worker *worker = conn->worker;

	if (conn_is_cancelled(worker))
		return ECANCELED;
	if (deadline && deadline <= worker->now)
		return ETIMEDOUT;
	if (is_awaited(conn, events))
		return EBUSY;
	return suspend(conn, events, deadline);
}

int conn_wait(struct mu_conn *conn, int events)
{
	int queued = events & CONN_OUT ? conn_unsent(conn) : 0;
	int64_t deadline;
	int error;

	/* Blocking code may have run on this stack for a while. */
	if (conn->worker->direct)
		runtime_tick(conn->worker);
	deadline = conn_deadline(conn);
	do
		error = wait_until(conn, events, deadline);
	while (error == ETIMEDOUT && (deadline = later(conn, events, &queued)) != 0);
	if (error == ETIMEDOUT)
		conn_log_limit(conn);
	if (!error)
		return 0;
	errno = error;
	return -1;
}

/* Without the check for a deadline that has passed: who waits for no time at all lets others run. */
static int wait_for(struct mu_conn *conn, int events, int64_t deadline)
{
	if (conn_is_cancelled(conn->worker))
		return ECANCELED;
	if (is_awaited(conn, events))
		return EBUSY;
	if (conn->ready & events)
		return 0;
	return suspend(conn, events, deadline);
}

int conn_wait_for(struct mu_conn *conn, int events, int64_t ms)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn *client = conn_client(conn);
	int64_t until = 0;
	int error;

	if (worker->direct)
		runtime_tick(worker);
	if (ms >= 0 && ms < INT64_MAX - worker->now)
		until = worker->now + ms;
	do {
		error = wait_for(conn, events, clock_earlier(until, client->limit_at));
		if (!error)
			return 1;
		if (error == ETIMEDOUT && conn_limit_is_over(client))
			conn_log_limit(client);
		else if (error == ETIMEDOUT && until && until <= worker->now)
			return 0;
		else if (error == ETIMEDOUT)
			error = 0; /* a limit that counted as the wait began, and does no more */
	} while (!error);
	errno = error;
	return -1;
}

int conn_pause(struct mu_conn *conn, int64_t ms)
{
	return conn_wait_for(conn, 0, ms) < 0 ? -1 : 0;
}

int conn_give_way(struct mu_conn *conn, int event)
{
	uint8_t had = conn->ready & (uint8_t)event;
	int waited;

	/* Whoever else tries meanwhile finds that he has to wait, and so that somebody is in the middle of it. */
	conn->ready &= (uint8_t)~event;
	waited = conn_wait_for(conn, event << 4, 0);
	conn->ready |= had;
	return waited < 0 ? -1 : 0;
}
