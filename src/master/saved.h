/* SPDX-License-Identifier: MIT */
/*
 * The state of a running master as bytes, for the program that takes its place in an upgrade: plain structs of
 * numbers, texts and descriptors; what refers to another names its index. Pure: nothing here touches a descriptor,
 * a process or the master (saving.c fills the structs, resume.c makes a master of them).
 *
 * Another version may read what this one wrote. So every record has a tag and a length, every value a type:
 * records of a tag that is not known, and values behind those that are, are skipped; a value that came up
 * after the version that wrote is zero or empty. `oldest` in the header says which versions that is enough for.
 * The reader trusts nothing: see saved_decode.
 */
#ifndef MASTER_SAVED_H
#define MASTER_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tests build a program that is one version ahead, and one that also leaves this one behind. */
#ifndef MUSTERD_STATE_AHEAD
#define MUSTERD_STATE_AHEAD 0
#endif
#ifndef MUSTERD_STATE_APART
#define MUSTERD_STATE_APART 0
#endif

/* The version that is written, and the oldest one that can do with it. How to raise them: HACKING.md. */
enum { STATE_VERSION = 1 + MUSTERD_STATE_AHEAD, STATE_OLDEST = 1 + MUSTERD_STATE_APART };

/* STATE_VERSION of the saved.c that is linked. */
extern const int state_version;

struct arena;

/* Numbers are int64_t, whatever they are elsewhere; descriptors -1 or above 2; texts never NULL, "" is none. */

struct saved_master {
	const char *version;     /* of the program that wrote, as people know it */
	int64_t state_version;   /* of the bytes; set by saved_decode */
	const char *program;     /* see program.h */
	const char *conf_path;   /* absolute */
	const char *pidfile_arg; /* of -p; absolute */
	int pidfile;
	const char *pidfile_path;
	int64_t log_kind, log_facility, log_level;
	int log; /* -1: standard error */
	int64_t daemon;
	int error_file;
	int64_t hangup_ignored;
	int64_t generation, serving;
	int64_t config; /* the running one */
	int64_t started_at;
	int64_t killed;  /* see struct master */
	int64_t tickets; /* the last one given out */
	int64_t ticket;  /* of this upgrade */
	int64_t queued;  /* of the one that was asked for meanwhile; 0: none */
};

struct saved_config {
	int capture; /* memfd of config_capture */
};

struct saved_listener {
	int fd;
	const char *asked;        /* address_text; "" for systemd's */
	const char *systemd_name; /* "": bound by us */
	int64_t generation;
	int64_t adopted;
	int64_t dev, ino;   /* of the Unix socket's file that is ours */
	const char *stored; /* the name under which systemd keeps it; "": it does not */
};

struct saved_totals {
	const char *service;
	int64_t accepted, requests, limited, cut, refused, waits, deaths;
	int64_t shown_accepted, shown_requests, shown_limited, shown_cut, shown_refused;
};

struct saved_pool {
	int64_t config;
	const char *service;
	int64_t generation;
	int64_t ending; /* else it serves */
	int64_t served;
	int board;
	int64_t slots;
	int64_t offset, round, failures, retry_at, proven_at, grow, grow_at, shrink_at; /* policy */
	int64_t queue_state, queue_at, waiting_since, full_since, full_seen; /* struct queue */
	int64_t full, refused_before, refuse_until, paused;
	int64_t watch_at;
	int64_t degraded, cut, killed, ending_at;
};

/* A pool listens there; in the pool's order. */
struct saved_use {
	int64_t pool, listener;
};

/* A file that the pool's workers append to. */
struct saved_output {
	int64_t pool;
	const char *path; /* as its configuration has it */
	int fd;
};

struct saved_worker {
	int64_t pool, number;
	int64_t phase; /* enum worker_phase */
	int64_t pid;
	int control;
	int64_t deadline; /* 0: none */
	int64_t started_at, round;
	int64_t was_ready, said_goodbye, failed;
	int64_t most;
	int64_t expired; /* enum expiry */
	int64_t signalled;
	const char *because, *reason;
	/* Its health. */
	int64_t stopped, stopped_at, fresh_since, stuck_since, stuck_until;
	int64_t slow_since, slow_said_at;
	int64_t tracer, awaits_trace, asked_at, traced_at;
	const char *trace;
};

/* The control socket, and those who ask there. */
struct saved_control {
	int fd;
	int64_t dev, ino;
};

struct saved_client {
	int fd;
	int64_t phase;    /* enum control_phase */
	int64_t ticket;   /* that it waits for */
	int64_t pid, uid; /* who it is */
	int64_t allowed;
	const char *line;   /* what it has sent of its request */
	const char *answer; /* what it has not taken of its answer */
};

struct saved {
	struct arena *arena; /* all that follows is in it, and what is added */
	struct saved_master *master;
	struct saved_config *config;
	struct saved_listener *listener;
	struct saved_totals *totals;
	struct saved_pool *pool;
	struct saved_use *use;
	struct saved_worker *worker;
	struct saved_control *control;
	struct saved_client *client;
	struct saved_output *output;
	/* How many of each there are; one master, at most one control. */
	size_t masters, configs, listeners, services, pools, uses, workers, controls, clients,
		outputs;
};

/* An empty state: the caller makes the arrays in its arena. NULL with ENOMEM. */
struct saved *saved_new(void);
void saved_free(struct saved *saved);

/* malloc'd bytes, or NULL with errno. */
char *saved_encode(const struct saved *saved, size_t *len_r);

#define SAVED_REASON_MAX 256
/*
 * Reads bytes of any origin. What comes back holds together: each number is in its range and fits an int where it is
 * one there, each index names something, no descriptor and no process stands there twice. NULL with the
 * reason: no state at all, not for this version, or damaged.
 */
struct saved *saved_decode(const void *data, size_t len, char reason[SAVED_REASON_MAX]);

/* Calls it for each descriptor in the state that is not -1, until it does not return 0; what it returned. */
int saved_each_fd(const struct saved *saved, int (*call)(int fd, void *arg), void *arg);

#endif
