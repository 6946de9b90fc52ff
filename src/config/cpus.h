/* SPDX-License-Identifier: MIT */
/* How many CPUs this process may really use: for `workers auto`. Reads files; the checker's business. */
#ifndef CONFIG_CPUS_H
#define CONFIG_CPUS_H

/* The CPUs of the affinity mask, but no more than the cgroup's quota, rounded up. At least 1. */
int cpus_usable(void);

/*
 * The quota of the cgroup (v2 or v1) that `root`/proc/self/cgroup names, and of those above it, in whole
 * CPUs, rounded up; 0 when there is none. root: "" for the real one.
 */
int cpus_quota(const char *root);

#endif
