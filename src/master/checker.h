/* SPDX-License-Identifier: MIT */
/*
 * The process that reads and checks a configuration for the master: all that may block, fail or crash
 * happens in it. What it found comes back in a memfd: the captured configuration, or the errors as text.
 */
#ifndef MASTER_CHECKER_H
#define MASTER_CHECKER_H

#include "master/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct config;
struct master;
struct plan;

enum { CHECKER_LIMIT_MS = 30000 }; /* a name service that does not answer */

struct checker {
	pid_t pid;   /* 0: none runs */
	int found;   /* memfd; -1 */
	char *step;  /* conf_errors.step; NULL */
	bool silent; /* errors are for who asked, not for the log */
	struct deadline limit;
	bool timed_out; /* it was killed for that */
};

void checker_init(struct checker *checker, struct master *master);
/* Starts one. 0, or -1 with errno. */
int checker_start(struct master *master, bool silent);
/* Ends one that still runs (it is reaped as a stranger) and forgets what was found. */
void checker_stop(struct master *master);

/*
 * It was reaped. The configuration, with one reference; or NULL with *exit_status_r, what the master exits with if
 * this was the start, and in reason why.
 */
struct config *checker_finish(struct master *master, const siginfo_t *info, int *exit_status_r,
			      char *reason, size_t size);
/* What the checker wrote for people about its errors, malloc'd; NULL: nothing. */
char *checker_errors(const struct checker *checker);

#endif
