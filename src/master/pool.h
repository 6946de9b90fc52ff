/* SPDX-License-Identifier: MIT */
/*
 * A pool: the workers of one service under one generation of the configuration. This is the mechanics:
 * it starts and retires workers (worker.h), as policy.h decides how many. Deaths are noticed by reap.c;
 * whether a whole generation starts or goes is decided by reload.c and stop.c.
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
#include "master/worker.h"

#include <bsd/sys/queue.h>

struct master;

enum { POOL_SPAWN_BATCH = 64 }; /* forks in one turn of the loop */

enum pool_phase { POOL_STARTING, POOL_SERVING, POOL_ENDING };

/* What all workers of a service ever did, over generations; kept while the master lives. */
struct totals {
	SLIST_ENTRY(totals) link;
	char *service;
	uint64_t accepted, requests, limited, cut;
	uint64_t deaths; /* not in order */
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

	struct board board;
	struct worker *worker; /* worker[0 .. board.slots) */
	struct policy policy;
	struct deadline look; /* the policy asked to be asked again */
	bool dirty;           /* something happened: ask the policy in this turn */
	bool degraded;        /* as last logged */
	bool paused;          /* its workers accept nothing until it is resumed */
	unsigned cut;         /* connections that the end of its workers cut */
	unsigned killed;      /* workers that had to be killed while it ended */
	int64_t ending_at;
};

TAILQ_HEAD(pool_list, pool);
SLIST_HEAD(totals_list, totals);

/* Takes (binds) the listeners. In the master's list from here on. NULL with *error_r malloc'd. */
struct pool *pool_new(struct master *master, struct config *config,
		      const struct service_conf *service, unsigned generation, char **error_r);
/* The pool has no worker any more. */
void pool_free(struct pool *pool);

/* What must be done now: start and retire workers. True: not all of it was done, call again next turn. */
bool pool_settle(struct pool *pool, int64_t now);

int pool_alive(const struct pool *pool); /* workers not yet reaped */
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
/* Ends all of its workers by a signal; because: static text for the log. */
void pool_kill(struct pool *pool, int signal, const char *because, int64_t now);
/* TTIN (1), TTOU (-1); logs what came of it. */
void pool_move(struct pool *pool, int by);
/* All workers log to this target from now on, by this descriptor (borrowed). */
void pool_reopen(struct pool *pool, const struct log_target *target, int fd);

/* Sends all that serve a record that has nothing to say but its type. */
void pool_tell(struct pool *pool, enum record_type type);

/* The worker of this process, in this pool; NULL. */
struct worker *pool_find(struct pool *pool, pid_t pid);
/* A worker does not turn (died, was stopped): another looks at the listeners, for what it was woken for. */
void pool_try_accept(struct pool *pool);
#endif
