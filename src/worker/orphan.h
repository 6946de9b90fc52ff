/* SPDX-License-Identifier: MIT */
/*
 * The master's death, for a worker that does not read the end of its control socket because it
 * spins, blocks or was stopped: a signal handler leaves the listeners at once, so that the
 * addresses are free for a new master, and arms the kernel to end the process when it is not gone
 * within its limit. Whoever still reads is told by control.c.
 */
#ifndef WORKER_ORPHAN_H
#define WORKER_ORPHAN_H

#include "worker/acceptor.h"

#include <stdint.h>
#include <sys/types.h>

enum { ORPHAN_GRACE_MS = 500 };

/*
 * Of the orphan limit, at whose end all workers are gone, what the work in hand may take: the rest, a
 * tenth, is for leaving in order.
 */
static inline int64_t orphan_work_ms(int64_t limit_ms)
{
	int64_t grace = limit_ms / 10;

	return limit_ms - (grace < ORPHAN_GRACE_MS ? grace : ORPHAN_GRACE_MS);
}

/*
 * After the last change of user, which would undo it. acceptor: borrowed for good; master 0: its
 * death goes unnoticed here. Problems are logged.
 */
void orphan_watch(struct acceptor *acceptor, pid_t master, int64_t limit_ms);
/* The master is dead: the kernel's clock runs. */
void orphan_begin(void);

#endif
