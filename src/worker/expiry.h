/* SPDX-License-Identifier: MIT */
/*
 * When a worker should be replaced, as its service's max-requests and max-memory say. It only says
 * so, once; what is done about it is the master's business, and max-lifetime is found by the
 * master itself.
 */
#ifndef WORKER_EXPIRY_H
#define WORKER_EXPIRY_H

#include "base/contract.h"

#include <stdbool.h>
#include <stdint.h>

struct expiry_state {
	uint64_t max_requests; /* this worker's own; 0: none */
	uint64_t max_memory;   /* bytes; 0: none */
	int statm;             /* /proc/self/statm, or of is_foreign; -1 */
	bool is_foreign;       /* the memory of another process */
	uint64_t seen;         /* the requests when memory was looked at last */
	int64_t look_at;       /* clock_ms(): not before */
};

enum { EXPIRY_LOOK_MS = 1000 };

/* Before a chroot. random: any number; it spreads the ends of a pool's workers. */
void expiry_init(struct expiry_state *expiry, const struct service_conf *service, uint32_t random);

/* What the worker has done: connections or requests, whichever are more. */
uint64_t expiry_work(const struct slot *slot);
/*
 * Between requests: fills in slot->memory when it is time, and says why the worker should be
 * replaced; EXPIRY_NONE: it should not.
 */
enum expiry expiry_look(struct expiry_state *expiry, struct slot *slot, int64_t now);
/* When to ask although nothing happens, for what the last request took; 0: never. */
int64_t expiry_due(const struct expiry_state *expiry, const struct slot *slot);

/*
 * From now on the memory is that of this process, looked at regularly; 0: our own again. Where max-memory is not set
 * nothing happens. Problems are logged.
 */
void expiry_measure(struct expiry_state *expiry, pid_t pid);

#endif
