/* SPDX-License-Identifier: MIT */
/*
 * The state of a running master, and what the parts of master/ call of each other on it. Private to
 * master/: the program sees master.h.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "master/daemon.h"
#include "master/listeners.h"
#include "master/loop.h"
#include "master/master.h"
#include "master/pidfile.h"
#include "master/pool.h"
#include "master/upgrade.h"

#include "net/systemd.h"

#include <signal.h>

enum master_phase {
	MASTER_BOOTING, /* the first generation does not serve yet */
	MASTER_RUNNING,
	MASTER_STOPPING
};

enum reload_phase {
	RELOAD_NONE,
	RELOAD_CHECKING, /* the checker runs */
	RELOAD_STARTING  /* the workers of the new generation set themselves up */
};

/* The transaction that makes a new configuration the running one. The start is the first. */
struct reload {
	enum reload_phase phase;
	bool queued; /* another one was asked for meanwhile */
	int64_t began_at;
	pid_t checker;
	int captured;          /* memfd that the checker writes */
	struct deadline limit; /* of the checker */
	bool timed_out;        /* it was killed for that */
	struct config *config;
	struct log_target log_target;
	int log_fd; /* opened, not in use yet */
	struct pidfile pidfile;
	bool roll_all; /* for an upgrade: the next one counts all services as changed */
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
	struct pidfile pidfile;

	struct config *config; /* the running one; NULL before the first */
	unsigned generation;   /* the newest number given */
	struct listeners listeners;
	struct pool_list pools; /* of all generations, the oldest first */
	struct totals_list totals;
	struct reload reload;
	struct upgrade upgrade;
	struct saved *
		resumed; /* we took over from another program: what it said; texts are borrowed from it */
	unsigned
		tickets; /* the last one given out, to who is answered when what was asked for is over */
	unsigned killed; /* workers killed while stopping */
};

/* signals.c: blocks and watches what we handle. 0 or -1 with errno. */
int signals_init(struct master *master);
void signals_cleanup(struct master *master);

/* reap.c: all children that ended, stopped or went on. */
void reap_children(struct master *master);

/* reload.c */
void reload_init(struct master *master);
void reload_request(struct master *master);
/* The checker has ended. */
void reload_checked(struct master *master, const siginfo_t *info);
/* Undoes what was begun. */
void reload_refuse(struct master *master, int exit_status, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
/* Goes on as far as it can. True: it did, so there may be more to do at once. */
bool reload_settle(struct master *master);

/* stop.c */
void stop_gracefully(struct master *master);
void stop_at_once(struct master *master, const char *because);
/* True: all is gone. */
bool stop_settle(struct master *master);

/* logs.c: the descriptor for a configuration's log; what it became in *target_r. -1 with errno. */
int logs_open(const struct master *master, const struct config *config,
	      struct log_target *target_r);
void logs_reopen(struct master *master);

#endif
