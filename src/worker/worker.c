/* SPDX-License-Identifier: MIT */
/* A worker's life in its order: set up, READY, GO, serve, drain, GOODBYE. */
#include "worker/worker.h"

#include "base/arena.h"
#include "base/log.h"
#include "config/config.h"
#include "runtime/names.h"
#include "worker/life.h"
#include "worker/module.h"
#include "worker/orphan.h"
#include "worker/privileges.h"
#include "worker/trace.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of a worker that refuses: what it holds, and for how long. */
enum { REFUSED_MAX = 512, REFUSAL_MS = 1000 };

static void set_up_runtime(struct worker *worker)
{
	const struct service_conf *service = worker->args->service;
	struct mu_worker *rt = &worker->rt;

	rt->service = service->name;
	rt->number = worker->args->number;
	rt->module = worker->args->module;
	rt->slot = &worker->args->board->slot[rt->number - 1];
	rt->limits = (struct limits){ .idle_ms = service->idle_ms,
				      .header_ms = service->header_ms,
				      .request_ms = service->request_ms,
				      .park_ms = service->park_ms,
				      .slow_ms = service->slow_ms };
	rt->output = service->output;
	rt->output_fd = worker->args->output;
	rt->outputs = service->outputs;
	rt->idle = SLOT_IDLE;
	rt->busy = SLOT_BUSY;
	rt->connections_max = (size_t)service->connections;
	rt->direct = service->connections == 1 && !service_is_tended(service);
	rt->direct_wait = direct_wait;
	rt->direct_turn = direct_turn;
	rt->null = -1;
	worker->title = (struct title){ .service = service->name,
					.number = rt->number,
					.tended = service_is_tended(service) };
	if (service_is_tended(service))
		rt->limits = (struct limits){ 0 };
}

static void set_up_refusal(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	rt->refuses = true;
	rt->direct = false;
	rt->connections_max = REFUSED_MAX;
	rt->limits = (struct limits){ .idle_ms = REFUSAL_MS,
				      .header_ms = REFUSAL_MS,
				      .request_ms = REFUSAL_MS };
	/* For its siblings it is nobody who takes clients. */
	rt->idle = rt->busy = SLOT_READY;
}

/* The terminal's signals are for the master, who decides; the kernel's answer is read from errno. */
static void ignore_signals(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ, SIGUSR1, SIGWINCH
	};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
}

/*
 * What worker and programs have in different ways: we need more descriptors than select(2) can count, they may use it.
 * And a chroot need not have a /dev/null.
 */
static void set_up_programs(struct worker *worker)
{
	const struct service_conf *service = worker->args->service;
	struct mu_worker *rt = &worker->rt;

	if (service->nofile < 0 && getrlimit(RLIMIT_NOFILE, &worker->files) == 0)
		rt->program_files = &worker->files;
	if (service->chroot)
		rt->null = open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* The files that names need, which a chroot hides. Without one they are read when a name is asked for first. */
static int prepare_names(struct mu_worker *rt, bool chroots)
{
	struct names_source source = names_system;
	const char *reason;

	if (!(rt->module->flags & MU_NAMES) || !chroots)
		return 0;
	source.once = true;
	rt->names = names_new(&source, &reason);
	if (rt->names)
		return 0;
	log_err("cannot prepare to ask for names: %s (%s, %s)", reason, source.hosts,
		source.resolv_conf);
	return WORKER_EXIT_SETUP;
}

/* Everything before READY. 0 or an exit status. */
static int set_up(struct worker *worker, struct arena *arena)
{
	const struct service_conf *service = worker->args->service;
	struct mu_worker *rt = &worker->rt;
	const void *config;

	tzset(); /* reads its file, which a chroot hides */
	if (!rt->refuses)
		expiry_init(&worker->expiry, service, arc4random());
	set_up_programs(worker);
	rt->connections_max = privileges_open_files(service, rt->connections_max);
	if (!rt->connections_max)
		return WORKER_EXIT_SETUP;
	worker->title.max = rt->connections_max;
	config = module_load(worker, arena);
	if (!config || module_prepare(worker, config) < 0)
		return WORKER_EXIT_MODULE;
	if (prepare_names(rt, service->chroot) != 0 || privileges_drop(service) < 0)
		return WORKER_EXIT_SETUP;
	if (runtime_init(rt) < 0) {
		log_err("cannot set up the event loop: %s", strerror(errno));
		return WORKER_EXIT_SETUP;
	}
	acceptor_init(&worker->acceptor, rt->epoll, worker->args->listener,
		      worker->args->listeners);
	if (rt->direct)
		acceptor_time_receives(&worker->acceptor, RECEIVE_MS);
	worker->acceptor.shared = rt->refuses;
	orphan_watch(&worker->acceptor, worker->args->master, service->orphan_ms);
	if (control_watch(worker) < 0) {
		log_err("cannot watch the master's socket: %s", strerror(errno));
		return WORKER_EXIT_SETUP;
	}
	return module_start(worker, config) < 0 ? WORKER_EXIT_MODULE : 0;
}

static int serve(struct worker *worker)
{
	struct mu_worker *rt = &worker->rt;

	if (record_send(worker->args->control, RECORD_READY, 0, (int64_t)rt->connections_max, -1) <
	    0)
		log_warning("cannot tell the master READY: %s", strerror(errno));
	slot_set_state(rt->slot, SLOT_READY, rt->now);
	title_renew(&worker->title, "ready", 0, rt->now);
	while (!worker->go && !rt->draining)
		control_wait(worker);
	if (!worker->go)
		return 0;
	if (!rt->draining)
		slot_set_state(rt->slot, rt->idle, rt->now);
	background_begin(rt);
	if (rt->direct)
		run_direct(worker);
	else
		run_multiplexed(worker);
	return 0;
}

static void leave(struct worker *worker, bool in_order)
{
	struct mu_worker *rt = &worker->rt;

	if (rt->module->stop)
		rt->module->stop(rt->state);
	if (!in_order)
		return;
	slot_set_state(rt->slot, SLOT_GONE, rt->now);
	if (!worker->orphan)
		record_send(worker->args->control, RECORD_GOODBYE,
			    worker->took_all ? RECORD_LAST_CALL : 0, (int64_t)rt->cut, -1);
}

int worker_main(const struct worker_args *args)
{
	struct worker worker = { .args = args, .rt.epoll = -1 };
	struct arena *arena = arena_new(4096);
	int status;

	if (!arena)
		return WORKER_EXIT_SETUP;
	trace_start(args->control);
	ignore_signals();
	set_up_runtime(&worker);
	if (args->refuses)
		set_up_refusal(&worker);
	log_keep_errors(worker.rt.slot->error, sizeof(worker.rt.slot->error));
	runtime_tick(&worker.rt);
	slot_set_state(worker.rt.slot, SLOT_STARTING, worker.rt.now);
	status = set_up(&worker, arena);
	if (!status) {
		status = worker.title.tended ? run_tending(&worker) : serve(&worker);
		leave(&worker, !status);
	}
	if (worker.rt.epoll >= 0)
		runtime_cleanup(&worker.rt);
	names_free(worker.rt.names);
	arena_free(arena);
	return status;
}
