/* SPDX-License-Identifier: MIT */
/* What is said of a worker's death: made from plain facts, so that it can be tested. Used by reap.c. */
#ifndef MASTER_DEATH_H
#define MASTER_DEATH_H

#include "master/slot_view.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum death_cause {
	DEATH_FOREIGN = 0, /* its own doing, or somebody else's */
	DEATH_OURS,        /* of the signal that we sent */
	DEATH_OOM          /* the kernel's, for want of memory */
};

/* Deaths that are alike. */
struct death_kind {
	int code, status; /* si_code, si_status of SIGCHLD; code 0: of any other kind */
	enum death_cause cause;
};

struct death {
	const char *service;
	int number;
	pid_t pid;
	int code, status;    /* si_code, si_status of SIGCHLD */
	bool told;           /* it had been told to go */
	int signalled;       /* the last signal that we sent to end it; 0: none */
	bool oom;            /* the kernel killed for want of memory just now */
	const char *because; /* why it had to go; NULL */
	bool oom_known;      /* if it was for want of memory, `oom` says so */
	bool given_up;       /* its generation never served: said already, and why */
	bool was_ready;
	int64_t age; /* milliseconds */
	struct slot_view slot;
};

/* It died of the signal that we sent. */
bool death_was_ours(const struct death *death);
/*
 * Somebody ended a worker that was well: SIGKILL or SIGTERM, neither ours nor the kernel's for want of memory. That
 * says nothing of the worker, so it is no failure that the pool should back off for.
 */
bool death_was_foreign_will(const struct death *death);
struct death_kind death_kind_of(const struct death *death);

#define DEATH_KIND_TEXT_MAX 96
/*
 * "was killed by SIGSEGV (core dumped), not sent by us", "exited with status 71 (its set-up failed)". n: how
 * many ended so; of several "were killed by SIGSEGV (core dumped)". Returns buffer.
 */
const char *death_kind_text(const struct death_kind *kind, unsigned n,
			    char buffer[DEATH_KIND_TEXT_MAX]);

#define DEATH_TEXT_MAX 1024
/* "worker www 2 (pid 4711) was killed by SIGSEGV, core dumped, after 3s; ...". Returns buffer. */
const char *death_text(const struct death *death, char buffer[DEATH_TEXT_MAX]);
/* LOG_DEBUG for an end in order, LOG_ERR for a crash, LOG_WARNING for what is between. */
int death_level(const struct death *death);

#endif
