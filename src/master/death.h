/* SPDX-License-Identifier: MIT */
/* What is said of a worker's death: made from plain facts, so that it can be tested. Used by reap.c. */
#ifndef MASTER_DEATH_H
#define MASTER_DEATH_H

#include "base/scoreboard.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct death {
	const char *service;
	int number;
	pid_t pid;
	int code, status;    /* si_code, si_status of SIGCHLD */
	bool told;           /* it had been told to go */
	int signalled;       /* the last signal that we sent to end it; 0: none */
	const char *because; /* why it had to go; NULL */
	bool given_up;       /* its generation never served: said already, and why */
	bool was_ready;
	int64_t age; /* milliseconds */
	/* From its slot: anything may stand there. */
	uint32_t state;
	int64_t state_for;
	uint32_t connections;
	struct slot_peer peer;
};

/* It died of the signal that we sent. */
bool death_was_ours(const struct death *death);

#define DEATH_TEXT_MAX 512
/* "worker www 2 (pid 4711) was killed by SIGSEGV, core dumped, after 3s; ...". Returns buffer. */
const char *death_text(const struct death *death, char buffer[DEATH_TEXT_MAX]);
/* LOG_DEBUG for an end in order, LOG_ERR for a crash, LOG_WARNING for what is between. */
int death_level(const struct death *death);

#endif
