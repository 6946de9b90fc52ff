/* SPDX-License-Identifier: MIT */
/*
 * A pool: the workers of one service under one generation of the configuration. This is the mechanics:
 * it starts and retires workers (worker.h), as policy.h decides how many (pool_size.c), by what the workers hold and
 * who waits in the queue (queue.h). Deaths are noticed by reap.c; whether a whole generation starts or goes is
 * decided by reload.c and stop.c.
 *
 *     POOL_STARTING -- all READY, pool_commit --> POOL_SERVING -- pool_drain --> POOL_ENDING -- empty: freed
 *           \----------------------- pool_kill --------------------------------------^
 */
#ifndef MASTER_POOL_H
#define MASTER_POOL_H

#include "base/scoreboard.h"
#include "config/config.h"
#include "master/listeners.h"
#include "master/loop.h"
#include "master/policy.h"
#include "master/queue.h"
#include "master/queue_watch.h"
#include "master/tally.h"
#include "master/worker.h"

#include <bsd/sys/queue.h>

struct master;

enum {
	POOL_SPAWN_BATCH =
		4, /* forks in one turn of the loop: between them those that are READY get their GO */
	POOL_REFUSER_STAYS_MS = 5000 /* after the pool was full: it may be full again soon */
};

enum pool_phase { POOL_STARTING, POOL_SERVING, POOL_ENDING };

/* What all workers of a service ever did, over generations; kept while the master lives. */
struct totals {
	SLIST_ENTRY(totals) link;
	char *service;
	uint64_t accepted, requests, limited, cut;
	uint64_t refused; /* clients, by `overflow refuse` */
	uint64_t waits;   /* times that the pool was full */
	uint64_t deaths;  /* not in order */
	struct tally tally;
	struct deadline tally_end;
	struct {
		uint64_t accepted, requests, limited, cut, refused;
	} shown; /* in the last status, with live slots */
};

struct pool {
	TAILQ_ENTRY(pool) link;
	struct master *master;
	enum pool_phase phase;
	bool served; /* it was committed, ever */
	unsigned generation;
	struct config *config; /* counted: the service is part of it */
	const struct service_conf *service;
	struct totals *totals;

	struct open_listener **listener; /* given back when the pool leaves them */
	int *listener_fd;
	size_t listeners;
	int *output; /* the file open for each of service->output */

	struct board board;
	struct worker *worker; /* worker[0 .. board.slots) */
	struct policy policy;
	struct queue queue;
	struct queue_watch queue_watch;
	bool woken;              /* the watch has fired since the queue was looked at */
	bool blind;              /* the listeners cannot be watched, as last logged */
	struct worker *refuser;  /* the last place; NULL: clients wait when the pool is full */
	struct policy refusing;  /* of this worker alone */
	int64_t refuse_until;    /* it is wanted until then */
	uint64_t refused_before; /* clients, when it became full */
	bool paused;             /* no worker accepts */
	bool full;               /* all its workers are busy, as last logged */
	struct deadline look;    /* the policy asked to be asked again */
	struct deadline watch;   /* over the health of its workers: watch.h */
	bool dirty;              /* something happened: ask the policy in this turn */
	bool degraded;           /* as last logged */
	bool bereft;             /* a worker died or was stopped: another looks at the queue */
	unsigned cut;            /* connections that the end of its workers cut */
	unsigned killed;         /* workers that had to be killed while it ended */
	int64_t ending_at;
};

TAILQ_HEAD(pool_list, pool);
SLIST_HEAD(totals_list, totals);

/* Takes (binds) the listeners. In the master's list from here on. NULL with *error_r malloc'd. */
struct pool *pool_new(struct master *master, struct config *config,
		      const struct service_conf *service, unsigned generation, char **error_r);
struct saved_pool;
/*
 * Takes over a pool that the program before us had: its board (given), its counters, these listeners, each with a
 * reference, and the outputs (given: malloc'd, in the service's order). Its workers are the caller's to fill in.
 * NULL with *error_r malloc'd: what was taken over already is not given back, the master has to end.
 */
struct pool *pool_adopt(struct master *master, struct config *config,
			const struct service_conf *service, const struct saved_pool *saved,
			struct open_listener *const *listener, size_t listeners, int *output,
			char **error_r);
/* What all workers of this service did; made where there is none yet. NULL with ENOMEM. */
struct totals *totals_of(struct master *master, const char *service);
/* The pool has no worker any more. */
void pool_free(struct pool *pool);

/* What must be done now: start and retire workers. True: not all of it was done, call again next turn. */
bool pool_settle(struct pool *pool, int64_t now);

int pool_alive(const struct pool *pool); /* workers not yet reaped */
int pool_count(const struct pool *pool, enum worker_phase phase);
/* All that a new generation starts with are READY. The first, the canary, starts alone. */
bool pool_is_ready(const struct pool *pool);
/*
 * Those of the pool's listeners that listen already (or those that do not) listen with its options from now on. 0 or
 * -1 with *error_r malloc'd.
 */
int pool_listen(struct pool *pool, bool already, char **error_r);
/* One of the listeners of this old pool is in none of this configuration: it goes away for good. */
bool pool_leaves_listeners(const struct pool *pool, const struct config *config);
/* A reload did not change its service: it goes on as part of the new configuration. */
void pool_keep(struct pool *pool, struct config *config, const struct service_conf *service);
/* All its READY workers accept from now on. */
void pool_commit(struct pool *pool);
/* No worker accepts any more; each may take drain_ms. last_call: its listeners go away for good. */
void pool_drain(struct pool *pool, bool last_call, int64_t now);
/* One of its workers took all that waited: the busy ones leave the listeners, too, and whoever comes is refused. */
void pool_end_last_call(struct pool *pool);
/* Ends all of its workers by a signal; because: static text for the log. */
void pool_kill(struct pool *pool, int signal, const char *because, int64_t now);
/* TTIN (1), TTOU (-1); logs what came of it. */
void pool_move(struct pool *pool, int by);
/*
 * `workers` of the control socket: by so many more or fewer, or absolute: a static pool has so many, a range
 * moves as a whole so that its upper end is there. Logged. False with a reason, nothing changed: it is out of bounds.
 */
bool pool_set_workers(struct pool *pool, int by_or_n, bool absolute, char *reason, size_t size);
/* The numbers of the configuration again; logged if others were in force. */
void pool_reset(struct pool *pool);
/*
 * Nobody accepts (true), or all do again; those who come wait in the queue meanwhile. In the state SERVING. Logged.
 * False: it was so already.
 */
bool pool_pause(struct pool *pool, bool paused);
/* It is not full any more, or does not matter any more: logs that. */
void pool_end_full(struct pool *pool);
/* All workers log to this target from now on, by this descriptor (borrowed). */
void pool_reopen(struct pool *pool, const struct log_target *target, int fd);
/* All workers write to this file (given) as output i of the service from now on. */
void pool_replace_output(struct pool *pool, size_t i, int fd);

/* Sends all that serve a record that has nothing to say but its type. */
void pool_tell(struct pool *pool, enum record_type type);

/* The worker of this process, in this pool; NULL. */
struct worker *pool_find(struct pool *pool, pid_t pid);
/* A worker does not turn (died, was stopped): another looks at the listeners, for what it was woken for. */
void pool_try_accept(struct pool *pool);
/* The one that holds the fewest connections, and of idle ones that which is idle longest. NULL. */
struct worker *pool_idlest(const struct pool *pool);

/* Which policy hears of the worker's failures: a fault of the one that refuses is none of the pool's. */
static inline struct policy *worker_policy(const struct worker *worker)
{
	return worker->refuses ? &worker->pool->refusing : &worker->pool->policy;
}

#endif
