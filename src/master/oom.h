/* SPDX-License-Identifier: MIT */
/*
 * Whether the kernel killed for want of memory: its counter for our control group, read when a worker died
 * of a SIGKILL that we did not send. The kernel counts before it kills. Where the counter cannot be read nothing is
 * claimed. Used by reap.c.
 */
#ifndef MASTER_OOM_H
#define MASTER_OOM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OOM_REMEMBERED_MS = 2000 };

struct oom {
	char path[PATH_MAX]; /* of the file with the counter; "": there is none */
	uint64_t kills;      /* as last seen */
	uint64_t unclaimed;  /* of those: not put down to a death yet */
	int64_t seen_at;
};

/* Finds the counter and reads it for the first time. */
void oom_init(struct oom *oom);
/* True: the death of a child by SIGKILL was one of these. The file is read once for all deaths of one moment. */
bool oom_is_to_blame(struct oom *oom, int64_t now);
/* False: no counter can be read, so that any SIGKILL may have been one of these. */
bool oom_is_known(const struct oom *oom);

/* --- the pure parts --- */

/*
 * The path of the counter's file from the text of /proc/self/cgroup: memory.events for a line "0::/PATH" of
 * the unified hierarchy, memory.oom_control for "N:memory:/PATH" of the old one, which goes first: the memory controller
 * is in one of both. The mount points are the usual ones. False: no line that fits.
 */
bool oom_counter_path(const char *cgroup, char *path_r, size_t size);
/* The number of the line "oom_kill N" of such a file. False: there is none. */
bool oom_counter_parse(const char *text, uint64_t *kills_r);
/*
 * One more death, and the counter stands at `kills`. Growth that no death has claimed is remembered for a
 * moment: several may be killed before the first one is reaped.
 */
bool oom_claim(struct oom *oom, uint64_t kills, int64_t now);

#endif
