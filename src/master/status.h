/* SPDX-License-Identifier: MIT */
/*
 * The status of a running master as text: lines of a kind, a name and then keys with values, for
 * people and for grep. musterd(8) documents them: keys are added, never renamed.
 *
 * It is made from the master's own data and the scoreboards, so no worker is waited for. What stands in a
 * slot is untrusted: counters are cut to what is believable, and totals never fall.
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include "base/scoreboard.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct master;

/* The whole of it. Counts of live slots enter master->totals as what was shown last. */
void status_write(struct master *master, FILE *out);

/* --- the lines, pure. Times in milliseconds, negative: unknown, which is shown as "-" --- */

struct status_head {
	const char *version;
	pid_t pid;
	const char *state; /* starting, serving, reloading, closing, stopping */
	int64_t uptime;
	unsigned generation;
	const char *reload; /* none, ok, refused: the last one that is over */
	int64_t reload_age;
	const char *reload_reason; /* "": none. Shown in one line */
	const char *conf_path;
};

struct status_service {
	const char *name;
	const char *state; /* starting, serving, paused, degraded, full, draining */
	unsigned generation;
	int64_t next_try; /* degraded: until workers are started again */
	int alive, lowest, highest, idle, busy;
	int64_t connections; /* held now */
	uint64_t accepted, requests, limited, cut, refused, waits, lost;
};

struct status_worker {
	const char *service;
	int number;
	pid_t pid;
	unsigned generation;
	const char *state;
	int64_t since; /* how long it is in that state */
	int connections;
	uint64_t requests;
	uint64_t memory; /* 0: unknown */
	char peer[SLOT_PEER_TEXT_MAX];
};

void status_write_head(const struct status_head *head, FILE *out);
void status_write_service(const struct status_service *service, FILE *out);
void status_write_worker(const struct status_worker *worker, FILE *out);

#endif
