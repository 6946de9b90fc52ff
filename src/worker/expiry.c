/* SPDX-License-Identifier: MIT */
/* The end of a worker's usefulness, as expiry.h says. */
#include "worker/expiry.h"

#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Up to this part of max-requests earlier. */
enum { JITTER_PART = 10 };

void expiry_init(struct expiry_state *expiry, const struct service_conf *service, uint32_t random)
{
	uint64_t most = (uint64_t)service->max_requests;

	*expiry = (struct expiry_state){ .statm = -1 };
	expiry->max_requests = most - random % (most / JITTER_PART + 1);
	if (!service->max_memory)
		return;
	expiry->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (expiry->statm < 0)
		log_warning("cannot open /proc/self/statm: %s; max-memory has no effect",
			    strerror(errno));
	else
		expiry->max_memory = (uint64_t)service->max_memory;
}

void expiry_measure(struct expiry_state *expiry, pid_t pid)
{
	char path[64] = "/proc/self/statm";

	if (!expiry->max_memory)
		return;
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd_close(&expiry->statm);
	expiry->statm = open(path, O_RDONLY | O_CLOEXEC);
	expiry->is_foreign = pid;
	if (expiry->statm < 0)
		log_warning("cannot open %s: %s; max-memory has no effect%s", path, strerror(errno),
			    errno == ENOENT ? ": in a chroot it needs a /proc of its own" : "");
}

uint64_t expiry_work(const struct slot *slot)
{
	uint64_t accepted = atomic_load_explicit(&slot->accepted, memory_order_relaxed);
	uint64_t requests = atomic_load_explicit(&slot->requests, memory_order_relaxed);

	return accepted > requests ? accepted : requests;
}

/* Resident bytes; 0: not to be had. */
static uint64_t resident(int statm)
{
	char text[128];
	ssize_t n = pread(statm, text, sizeof(text) - 1, 0);
	uint64_t pages;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

enum expiry expiry_look(struct expiry_state *expiry, struct slot *slot, int64_t now)
{
	bool too_large = false;

	if (expiry->max_memory && now >= expiry->look_at) {
		uint64_t memory = resident(expiry->statm);

		atomic_store_explicit(&slot->memory, memory, memory_order_relaxed);
		too_large = memory > expiry->max_memory;
		expiry->look_at = now + EXPIRY_LOOK_MS;
		expiry->seen = expiry_work(slot);
	}
	if (expiry->max_requests && expiry_work(slot) >= expiry->max_requests)
		return EXPIRY_REQUESTS;
	return too_large ? EXPIRY_MEMORY : EXPIRY_NONE;
}

int64_t expiry_due(const struct expiry_state *expiry, const struct slot *slot)
{
	if (!expiry->max_memory)
		return 0;
	/* What another process does is not seen here. */
	if (expiry->is_foreign)
		return expiry->look_at;
	return expiry_work(slot) == expiry->seen ? 0 : expiry->look_at;
}
