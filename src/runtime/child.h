/* SPDX-License-Identifier: MIT */
/*
 * Within the runtime: what a child has beside what modules see of it. child.c starts and ends children, child_log.c
 * turns what they write into lines of the log.
 */
#ifndef RUNTIME_CHILD_H
#define RUNTIME_CHILD_H

#include "runtime/runtime.h"

struct child {
	struct mu_child seen; /* first */
	struct at_end end;
	struct mu_conn *client; /* whose serve has it */
	const char *name;
	struct mu_conn *logged[2]; /* out and err, or both in one; NULL: not logged, or over */
	int pidfd;
	int status;
	bool runs;
	bool is_told; /* to end, with its group: none of that may outlive it */
};

/*
 * A connection for our end of a pipe (given, non-blocking; closed on failure), whose lines are logged by the loop
 * itself, at level notice, until the end of the stream. NULL with errno.
 */
struct mu_conn *child_log_begin(struct child *child, int fd);
/*
 * The child has ended, or will never run: logs what is in the pipe, without waiting for more. Who else has it, left
 * behind by the child, goes on to be logged; but only so many at once. NULL: nothing.
 */
void child_log_end(struct mu_conn *pipe);
/* The worker ends: logs what is in its pipes, and closes them. */
void child_log_stop(struct mu_worker *worker);

/* For the loop: the pipe can be read, or has ended. */
void child_log_event(struct mu_conn *pipe);

#endif
