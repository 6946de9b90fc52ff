/* SPDX-License-Identifier: MIT */
/*
 * CPUs, as cpus.h says. In a container the cgroup file may name a path that is not mounted inside; then
 * the top of the mount, which is always looked at too, is the container's own group.
 */
#include "config/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int affinity(void)
{
	/* The kernel refuses a mask that is smaller than its own. */
	for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 4) {
		size_t size = CPU_ALLOC_SIZE(cpus);
		cpu_set_t *set = CPU_ALLOC(cpus);
		int n = 0;

		if (!set)
			break;
		if (sched_getaffinity(0, size, set) == 0)
			n = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (n > 0)
			return n;
	}
	return 1;
}

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(line, size, file);

	if (file)
		fclose(file);
	return ok;
}

static int whole_cpus(long long quota, long long period)
{
	long long cpus;

	if (quota <= 0 || period <= 0)
		return 0;
	cpus = quota / period + (quota % period != 0);
	return cpus > INT_MAX ? INT_MAX : (int)cpus;
}

/* The quota set for one group, whose folder this is. */
static int folder_quota(const char *folder, bool v2)
{
	char path[PATH_MAX], line[128];
	long long quota, period;

	snprintf(path, sizeof(path), "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
	if (!read_line(path, line, sizeof(line)))
		return 0;
	if (v2)
		return sscanf(line, "%lld %lld", &quota, &period) == 2 ? whole_cpus(quota, period)
								       : 0;
	quota = strtoll(line, NULL, 10);
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
	if (!read_line(path, line, sizeof(line)))
		return 0;
	return whole_cpus(quota, strtoll(line, NULL, 10));
}

/* The smallest quota from the group up to the mount's top. */
static int tree_quota(const char *mount, const char *group, bool v2)
{
	char folder[PATH_MAX - 32];
	int least = 0, quota;
	size_t top = strlen(mount);

	if (snprintf(folder, sizeof(folder), "%s%s", mount, group) >= (int)sizeof(folder))
		return 0;
	for (;;) {
		char *slash;

		quota = folder_quota(folder, v2);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
		slash = strrchr(folder, '/');
		if (!slash || (size_t)(slash - folder) < top)
			return least;
		*slash = '\0';
	}
}

static bool has_controller(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
		if (strcspn(p, ",") == len && strncmp(p, name, len) == 0)
			return true;
	return false;
}

int cpus_quota(const char *root)
{
	char path[PATH_MAX / 4], line[PATH_MAX];
	int least = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* Lines are "ID:CONTROLLERS:PATH"; the one of v2 has no controllers. */
	while (fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *group;
		bool v2;
		int quota;

		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*controllers++ = '\0';
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		v2 = !*controllers;
		if (!v2 && !has_controller(controllers, "cpu"))
			continue;
		snprintf(path, sizeof(path), "%s/sys/fs/cgroup%s", root, v2 ? "" : "/cpu");
		quota = tree_quota(path, group, v2);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
	}
	fclose(file);
	return least;
}

int cpus_usable(void)
{
	int cpus = affinity(), quota = cpus_quota("");

	return quota > 0 && quota < cpus ? quota : cpus;
}
