/* SPDX-License-Identifier: MIT */
/*
 * What a connection in serve can have beside itself: tasks, connections of our own, waits for foreign descriptors,
 * things to be undone at the end. All of it ends with serve.
 */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TASK_PLACES = 64 };

/* Of the client; NULL with ENOMEM. */
static struct family *family_of(struct mu_conn *client)
{
	if (!client->family) {
		client->family = mu_alloc(client, sizeof(*client->family));
		if (client->family)
			client->family->moved = client->worker->now;
	}
	return client->family;
}

void family_moved(struct mu_conn *conn)
{
	struct family *family = conn_client(conn)->family;

	family->moved = conn->worker->now;
	family->limited = false;
}

static void hurry(struct waiter *waiter, int64_t limit_at)
{
	struct timers *timers = &waiter->conn->worker->timers;

	if (!waiter->woken && clock_earlier(waiter->timer.deadline, limit_at) == limit_at)
		timer_set(timers, &waiter->timer, limit_at);
}

void family_limit(struct mu_conn *client)
{
	const struct family *family = client->family;

	if (!client->limit_at || !family->tasks)
		return;
	for (const struct task *task = family->tasks; task; task = task->next)
		if (task->waiter)
			hurry(task->waiter, client->limit_at);
	if (family->waiter)
		hurry(family->waiter, client->limit_at);
}

/* ---- tasks ---- */

struct start {
	struct mu_conn *conn;
	void (*run)(struct mu_conn *conn, void *arg);
	void *arg;
};

void task_run(struct mu_conn *conn, void (*run)(struct mu_conn *conn, void *arg), void *arg)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn *client = conn_client(conn);
	struct family *family = client->family;
	/* What a task starts that is to end has to end too. */
	struct task self = { .next = family->tasks,
			     .cancelled = worker->task && worker->task->cancelled };
	struct task **place = &family->tasks;

	family->tasks = &self;
	worker->task = &self;
	run(conn, arg);
	while (*place != &self)
		place = &(*place)->next;
	*place = self.next;
	worker->tasks--;
	worker->task = NULL;
	conn_wake(client, CONN_JOINED, 0);
}

static void task_main(void *arg)
{
	struct start start = *(struct start *)arg;

	task_run(start.conn, start.run, start.arg);
}

int task_reserve(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (!family_of(conn_client(conn)))
		return -1;
	if (worker->tasks == worker->task_places) {
		if (timers_reserve(&worker->timers, worker->timers.room + TASK_PLACES) < 0)
			return -1;
		worker->task_places += TASK_PLACES;
	}
	worker->tasks++;
	return 0;
}

int mu_go(struct mu_conn *conn, void (*run)(struct mu_conn *conn, void *arg), void *arg)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn *client = conn_client(conn);
	struct start start = { conn, run, arg };
	struct task *self = worker->task;
	bool failed;

	if (conn_stop_blocking(client) < 0 || task_reserve(client) < 0)
		return -1;
	coroutine_start(&worker->pool, task_main, &start, &failed);
	worker->task = self;
	if (!failed)
		return 0;
	worker->tasks--;
	return -1;
}

static bool has_others(const struct family *family, const struct task *self)
{
	return family->tasks && (family->tasks != self || self->next);
}

int mu_join(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn *client = conn_client(conn);
	struct family *family = client->family;
	const struct task *self = worker->task;

	/* Two tasks that wait for each other. Serve may wait for one that waits. */
	if (family && self && family->joins) {
		errno = EDEADLK;
		return -1;
	}
	while (family && has_others(family, self)) {
		if (self && conn_is_cancelled(worker)) {
			errno = ECANCELED;
			return -1;
		}
		/* In serve, what ends this wait has ended theirs too. */
		family->joins = family->joins || self;
		conn_suspend(client, CONN_JOINED, 0);
		if (self)
			family->joins = false;
	}
	return 0;
}

void mu_cancel(struct mu_conn *conn)
{
	const struct family *family = conn_client(conn)->family;
	const struct task *self = conn->worker->task;

	for (struct task *task = family ? family->tasks : NULL; task; task = task->next) {
		if (task == self)
			continue;
		task->cancelled = true;
		if (task->waiter && !task->waiter->woken)
			waiter_wake(task->waiter, ECANCELED);
	}
}

void mu_notify(struct mu_conn *conn)
{
	struct mu_conn *client = conn_client(conn);

	client->ready |= CONN_NOTIFIED;
	conn_wake(client, CONN_NOTIFIED, 0);
}

int mu_wait_notify(struct mu_conn *conn, int64_t ms)
{
	struct mu_conn *client = conn_client(conn);
	int notified = conn_wait_for(client, CONN_NOTIFIED, ms);

	if (notified > 0)
		client->ready &= (uint8_t)~CONN_NOTIFIED;
	return notified;
}

/* ---- other connections ---- */

static void adopt(struct family *family, struct mu_conn *client, struct mu_conn *other)
{
	other->parent = client;
	other->next = family->others;
	family->others = other;
}

struct mu_conn *conn_open_other(struct mu_conn *parent, int fd, bool is_pipe)
{
	struct mu_conn *client = conn_client(parent), *other = NULL;
	struct family *family = family_of(client);
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	if (family)
		other = conn_take(client->worker, is_pipe ? CONN_PIPE : CONN_OTHER);
	if (!other) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	other->fd = fd;
	other->ready = CONN_OUT;
	if (!is_pipe)
		getpeername(fd, (struct sockaddr *)&peer, &len);
	slot_peer_set(&other->peer, (struct sockaddr *)&peer);
	adopt(family, client, other);
	return other;
}

int family_adopt(struct mu_conn *client, struct mu_conn *other)
{
	struct family *family = family_of(client);

	if (!family)
		return -1;
	adopt(family, client, other);
	return 0;
}

void family_release(struct mu_conn *other)
{
	struct mu_conn **place = &other->parent->family->others;

	while (*place != other)
		place = &(*place)->next;
	*place = other->next;
}

static void close_other(struct mu_conn *other)
{
	family_release(other);
	fd_close(&other->fd);
	conn_put(other);
}

bool family_awaits(const struct mu_conn *other)
{
	const struct family *family = other->parent->family;

	if (family->waiter && family->waiter->conn == other)
		return true;
	for (const struct task *task = family->tasks; task; task = task->next)
		if (task->waiter && task->waiter->conn == other)
			return true;
	return false;
}

void mu_close(struct mu_conn *other)
{
	assert(other->state == CONN_OTHER || other->state == CONN_PIPE);
	if (!family_awaits(other)) {
		close_other(other);
		return;
	}
	/* Who waits for it comes back to the struct, which stays as long as its parent's serve. */
	fd_close(&other->fd);
	other->ready = CONN_IN | CONN_OUT;
	conn_wake(other, -1, ECANCELED);
}

int conn_at_end(struct mu_conn *conn, struct at_end *end)
{
	struct family *family = family_of(conn_client(conn));

	if (!family)
		return -1;
	end->next = family->ends;
	family->ends = end;
	return 0;
}

void family_end(struct mu_conn *conn)
{
	struct family *family = conn->family;
	struct at_end *end;

	mu_join(conn);
	while ((end = family->ends)) {
		family->ends = end->next;
		end->run(end);
	}
	while (family->others)
		close_other(family->others);
	conn->family = NULL;
}

/* ---- descriptors of others ---- */

int conn_wait_fd(struct mu_conn *conn, int fd, int events, int64_t ms)
{
	struct mu_worker *worker = conn->worker;
	struct mu_conn *foreign, **place = &worker->foreign;
	int waited;

	events &= CONN_IN | CONN_OUT;
	if (fd < 0 || !events) {
		errno = fd < 0 ? EBADF : EINVAL;
		return -1;
	}
	foreign = conn_take(worker, CONN_FOREIGN);
	if (!foreign)
		return -1;
	foreign->fd = fd;
	foreign->parent = conn_client(conn);
	foreign->next = worker->foreign;
	worker->foreign = foreign;
	waited = conn_wait_for(foreign, events, ms);
	if (waited > 0)
		waited = foreign->ready & events;
	while (*place != foreign)
		place = &(*place)->next;
	*place = foreign->next;
	if (foreign->watched && foreign->fd >= 0)
		epoll_ctl(worker->epoll, EPOLL_CTL_DEL, foreign->fd, NULL);
	conn_put(foreign);
	return waited;
}

int mu_wait_fd(struct mu_conn *conn, int fd, int events, int64_t ms)
{
	return conn_wait_fd(conn, fd, events, ms);
}

/* Receives that wait by themselves would hold up tasks, and whoever the descriptor is given to. */
int mu_detach(struct mu_conn *conn)
{
	const struct timeval none = { 0 };
	int fd = conn->fd;

	if (conn->state != CONN_SERVING || fd < 0 || conn->in) {
		errno = EINVAL;
		return -1;
	}
	for (const struct waiter *other = conn->waiters; other; other = other->next)
		if (other->events & (CONN_IN | CONN_OUT | CONN_READS | CONN_WRITES)) {
			errno = EBUSY;
			return -1;
		}
	if (conn->watched && epoll_ctl(conn->worker->epoll, EPOLL_CTL_DEL, fd, NULL) < 0)
		return -1;
	if (fd_set_nonblocking(fd, false) < 0)
		return -1;
	if (conn->worker->direct)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	conn->blocking = false;
	conn->fd = -1;
	conn->ready |= CONN_IN | CONN_OUT; /* to fail, in place of a wait */
	return fd;
}
