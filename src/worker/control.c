/* SPDX-License-Identifier: MIT */
/* The worker's end of the conversation with the master (base/contract.h). */
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "worker/life.h"
#include "worker/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int control_watch(struct worker *worker)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_CONTROL };

	return epoll_ctl(worker->rt.epoll, EPOLL_CTL_ADD, worker->args->control, &event);
}

/* Does a sibling without a connection answer the last call? */
static bool has_idle_sibling(const struct worker *worker)
{
	const struct board *board = worker->args->board;

	for (size_t i = 0; i < board->slots; i++) {
		const struct slot *slot = &board->slot[i];
		uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

		if (slot != worker->rt.slot && (state == SLOT_IDLE || state == SLOT_DRAINING) &&
		    !atomic_load_explicit(&slot->connections, memory_order_relaxed))
			return true;
	}
	return false;
}

static void drain(struct worker *worker, int64_t ms, bool last_call, bool orphan)
{
	struct mu_worker *rt = &worker->rt;
	int64_t deadline = ms > 0 ? rt->now + ms : 0;

	/* A second DRAIN may only hurry. */
	if (!rt->draining || !rt->drain_deadline || (deadline && deadline < rt->drain_deadline))
		rt->drain_deadline = deadline;
	if (!rt->draining) {
		slot_set_state(rt->slot, SLOT_DRAINING, rt->now);
		rt->draining = true;
		background_end(rt);
		pool_close_all(rt);
		if (rt->module->drain)
			rt->module->drain(rt->state);
	}
	worker->last_call = last_call && worker->go && !worker->acceptor.paused && !rt->refuses &&
			    !worker->title.tended;
	/* A busy direct worker could serve those who wait, if there are any, only later. */
	if (rt->direct && rt->connections &&
	    (has_idle_sibling(worker) || !acceptor_has_waiting(&worker->acceptor)))
		worker->last_call = false;
	if (orphan || !worker->last_call)
		acceptor_end(&worker->acceptor);
}

void control_drain(struct worker *worker, int64_t ms)
{
	drain(worker, ms, false, false);
}

/* The slot says whether clients may come to it. */
static void set_paused(struct worker *worker, bool paused)
{
	struct mu_worker *rt = &worker->rt;

	acceptor_pause(&worker->acceptor, paused);
	if (rt->refuses)
		return;
	rt->idle = paused ? SLOT_READY : SLOT_IDLE;
	if (worker->go && !rt->connections && !rt->draining)
		slot_set_state(rt->slot, rt->idle, rt->now);
}

/* Whoever has the number goes on with it. */
static void replace_output(const struct worker *worker, size_t n, int fd)
{
	const struct service_conf *service = worker->args->service;

	if (fd < 0 || n >= service->outputs)
		log_warning("the master sent a file for output %zu of %zu", n + 1,
			    service->outputs);
	else if (dup3(fd, worker->args->output[n], O_CLOEXEC) < 0)
		log_err("cannot go on with the new %s: %s", service->output[n].path,
			strerror(errno));
}

static void obey(struct worker *worker, const struct record *record, int *fd)
{
	switch ((enum record_type)record->type) {
	case RECORD_GO:
		worker->go = true;
		if (worker->acceptor.paused)
			set_paused(worker, false);
		break;
	case RECORD_DRAIN:
		drain(worker, record->value, record->flags & RECORD_LAST_CALL, false);
		break;
	case RECORD_TRY_ACCEPT:
		worker->try_accept = true;
		break;
	case RECORD_REOPEN:
		if (record->flags) {
			replace_output(worker, record->flags - 1, *fd);
			break;
		}
		if (*fd >= 0)
			log_use_encoded(record->value, *fd);
		*fd = -1;
		break;
	case RECORD_PAUSE:
		if (!worker->acceptor.paused)
			set_paused(worker, true);
		break;
	case RECORD_CLOSING:
		worker->rt.closing = true;
		break;
	case RECORD_READY:
	case RECORD_EXPIRED:
	case RECORD_TRACE:
	case RECORD_GOODBYE:
		log_warning("the master sent record %u, which only a worker sends", record->type);
	}
	fd_close(fd);
}

void control_read(struct worker *worker)
{
	struct record record;
	int fd, got;

	while ((got = record_receive(worker->args->control, &record, &fd)) == 1)
		obey(worker, &record, &fd);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got < 0)
		log_err("cannot understand the master: %s; leaving", strerror(errno));
	else
		log_warning("the master is gone; leaving");
	/* Nothing more will come from there, and an ended stream is always readable. */
	epoll_ctl(worker->rt.epoll, EPOLL_CTL_DEL, worker->args->control, NULL);
	worker->orphan = true;
	orphan_begin();
	drain(worker, orphan_work_ms(worker->args->service->orphan_ms), false, true);
}

void control_expire(struct worker *worker)
{
	enum expiry why = expiry_look(&worker->expiry, worker->rt.slot, worker->rt.now);

	if (why == EXPIRY_NONE || worker->expired || worker->rt.draining)
		return;
	/* A master that does not read now is told in a later turn. */
	worker->expired = record_send(worker->args->control, RECORD_EXPIRED, 0, why, -1) == 0;
}

void control_wait(struct worker *worker)
{
	struct pollfd pollfd = { .fd = worker->args->control, .events = POLLIN };

	if (poll(&pollfd, 1, runtime_timeout(&worker->rt, 0)) < 0 && errno != EINTR)
		log_err("poll: %s", strerror(errno));
	runtime_tick(&worker->rt);
	runtime_wake(&worker->rt);
	control_read(worker);
}
