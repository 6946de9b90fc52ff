/* SPDX-License-Identifier: MIT */
/*
 * The state of a running master, and what the parts of master/ call of each other on it. Private to
 * master/: the program sees master.h.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "master/checker.h"
#include "master/control.h"
#include "master/daemon.h"
#include "master/listeners.h"
#include "master/loop.h"
#include "master/master.h"
#include "master/oom.h"
#include "master/pidfile.h"
#include "master/pool.h"
#include "master/upgrade.h"

#include "net/systemd.h"

#include <signal.h>

struct plan;
struct plan_service;

enum master_phase {
	MASTER_BOOTING, /* the first generation does not serve yet */
	MASTER_RUNNING,
	MASTER_CLOSING, /* the shutdown delay: it serves, but calls itself not ready */
	MASTER_STOPPING
};

enum reload_phase {
	RELOAD_NONE,
	RELOAD_CHECKING, /* the checker runs */
	RELOAD_BINDING,  /* at the start: an address is still in use, it is tried again */
	RELOAD_STARTING  /* the workers of the new generation set themselves up */
};

/* How the last reload that is over has ended. */
struct reload_outcome {
	int64_t at; /* 0: there was none */
	bool ok;
	char text[1024];
};

/* The transaction that makes a new configuration the running one. The start is the first. */
struct reload {
	enum reload_phase phase;
	unsigned ticket;    /* of what is under way; 0: nobody asked */
	bool dry;           /* only the plan is wanted */
	bool start;         /* it is the first: nobody calls it a reload */
	bool roll;          /* services that did not change get new workers too */
	unsigned next;      /* the ticket of the reload that waits; 0: none does */
	bool next_roll;     /* the next one is to roll */
	unsigned next_plan; /* the ticket of the plan that waits; 0 */
	int64_t began_at;
	struct checker checker;
	struct deadline bind; /* RELOAD_BINDING: when to try again */
	struct config *config;
	struct plan *plan;
	struct log_target log_target;
	int log_fd; /* opened, not in use yet */
	struct pidfile pidfile;
	struct control_socket control;
	struct reload_outcome last;
};

/* What systemd was told, and is to be told. */
struct told {
	struct deadline tick;   /* while something goes on that it waits for */
	struct deadline status; /* the number of workers has changed */
	struct deadline again;  /* it has not heard all of it yet */
	int64_t pause;          /* until then, in ms */
	char text[1024];        /* the last status of one that serves */
};

struct master {
	const struct master_options *options;
	char *conf_path; /* absolute */
	enum master_phase phase;
	int exit_status;

	struct loop loop;
	int signal_fd;
	struct source signals;
	bool hangup_ignored; /* started by nohup */
	struct daemon daemon;
	struct systemd systemd;
	struct deadline watchdog;
	struct told told;
	struct pidfile pidfile;
	struct control control;

	struct config *config; /* the running one; NULL before the first */
	unsigned generation;   /* the newest number given */
	struct listeners listeners;
	struct pool_list pools; /* of all generations, the oldest first */
	struct totals_list totals;
	struct reload reload;
	unsigned tickets;       /* the last one given */
	struct deadline closed; /* the end of the shutdown delay */
	unsigned serving;       /* the generation that serves; 0: none yet */
	int64_t started_at;
	struct upgrade upgrade;
	struct saved *resumed; /* what the program before us said; texts are borrowed; NULL: none */
	unsigned killed, cut;  /* workers killed and connections cut while stopping */
	struct oom oom;
	bool more_to_reap;
};

/* signals.c: blocks and watches what we handle. 0 or -1 with errno. */
int signals_init(struct master *master);
void signals_cleanup(struct master *master);

/* notify.c: what systemd is told. Without systemd all of it does nothing. */
void notify_init(struct master *master);
/*
 * How the running configuration does: what serves, what is degraded, whether the last reload was refused. ready: and
 * READY=1, because a start or a reload is over.
 */
void notify_status(struct master *master, bool ready);
/* A worker was started, or has left: the status will say so. */
void notify_workers(struct master *master);
/* It goes down, which may take as long as our own limits say. */
void notify_stopping(struct master *master);
/* After each turn. */
void notify_settle(struct master *master);

/* reap.c: some of the children that ended, stopped or went on; more_to_reap: there may be others. */
void reap_children(struct master *master);
/* What must be known before the first death. */
void reap_init_totals(struct totals *totals);
/* Logs now what is still counted of deaths that were not told one by one. */
void reap_tell_rest(struct master *master);

/*
 * reload.c. A ticket names something that was asked for: who asked is answered under it when that is over.
 * 0: it was not taken, because the master is about to stop.
 */
void reload_init(struct master *master);
unsigned reload_request(struct master *master);
/* A reload in which the services that did not change get new workers too. */
unsigned reload_request_roll(struct master *master);
/* Reads and compares as a reload does, and ends there: the plan is the answer. */
unsigned plan_request(struct master *master);
/* Tells who asked, and leaves nothing behind. */
void reload_finish(struct master *master, bool ok, const char *text);
/* Nothing that waits begins any more: the master stops. */
void reload_forget(struct master *master);
/* The checker has ended. */
void reload_checked(struct master *master, const siginfo_t *info);
/* Undoes what was begun. */
void reload_refuse(struct master *master, int exit_status, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));

/* Goes on as far as it can. True: it did, so there may be more to do at once. */
bool reload_settle(struct master *master);

/* reload_commit.c: all new workers are READY. */
void reload_commit(struct master *master);
/* The pool that serves this service now; NULL. */
struct pool *reload_serving_pool(const struct master *master, const char *service);
/* The service goes on with the workers that it has. */
bool reload_keeps(const struct master *master, const struct plan_service *service);
/* The path of the pid file under this configuration; NULL: none. */
const char *reload_pidfile_path(const struct master *master, const struct config *config);

/* upgrade.c: the ticket of the upgrade. */
unsigned upgrade_request(struct master *master);

/* stop.c: nobody accepts any more; after the shutdown delay, if there is one. */
void stop_init(struct master *master);
bool is_stopping(const struct master *master);
void stop_gracefully(struct master *master);
void stop_at_once(struct master *master, const char *because);
/* True: all is gone. */
bool stop_settle(struct master *master);

/* logs.c: the descriptor for a configuration's log; what it became in *target_r. -1 with errno. */
int logs_open(const struct master *master, const struct config *config,
	      struct log_target *target_r);
/*
 * Opens anew what is written to, here and in the workers, and says so in the log and, a line each, to asked (NULL:
 * nobody asked). False: the running log or an output of what serves could not be opened, and is as it was.
 */
bool logs_reopen(struct master *master, FILE *asked);

#endif
