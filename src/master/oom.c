/* SPDX-License-Identifier: MIT */
/* The kernel's count of what it killed for want of memory, as oom.h says. */
#include "master/oom.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole of a small file of /proc or /sys, as text. */
static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The path behind the last colon of a line of this hierarchy. NULL: it is of another one. */
static const char *path_in(const char *line, const char *controller)
{
	const char *list = strchr(line, ':');
	const char *path = list ? strchr(list + 1, ':') : NULL;
	size_t len = strlen(controller);

	if (!path || path[1] != '/')
		return NULL;
	for (list++; list + len <= path; list++) {
		if (strncmp(list, controller, len) == 0 && (list[len] == ',' || list[len] == ':') &&
		    (list[-1] == ':' || list[-1] == ','))
			return path + 1;
	}
	return NULL;
}

static bool write_path(const char *mount, const char *group, const char *file, char *path,
		       size_t size)
{
	size_t len = strcspn(group, "\n");

	/* "/" is "" here: the file's name brings a slash of its own. */
	if (len == 1)
		len = 0;
	return (size_t)snprintf(path, size, "%s%.*s/%s", mount, (int)len, group, file) < size;
}

bool oom_counter_path(const char *cgroup, char *path, size_t size)
{
	const char *unified = NULL;

	for (const char *line = cgroup; line && *line; line = strchr(line, '\n')) {
		const char *group;

		line += *line == '\n';
		group = path_in(line, "memory");
		if (group)
			return write_path("/sys/fs/cgroup/memory", group, "memory.oom_control",
					  path, size);
		if (strncmp(line, "0::/", 4) == 0)
			unified = line + 3;
	}
	return unified && write_path("/sys/fs/cgroup", unified, "memory.events", path, size);
}

bool oom_counter_parse(const char *text, uint64_t *kills_r)
{
	static const char name[] = "oom_kill ";
	const char *line = text;
	char *end;

	while (line && strncmp(line, name, sizeof(name) - 1) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || line[sizeof(name) - 1] < '0' || line[sizeof(name) - 1] > '9')
		return false;
	*kills_r = strtoull(line + sizeof(name) - 1, &end, 10);
	return *end == '\n' || *end == '\0';
}

bool oom_claim(struct oom *oom, uint64_t kills, int64_t now)
{
	if (now - oom->seen_at > OOM_REMEMBERED_MS)
		oom->unclaimed = 0;
	if (kills > oom->kills)
		oom->unclaimed += kills - oom->kills;
	oom->kills = kills;
	oom->seen_at = now;
	if (!oom->unclaimed)
		return false;
	oom->unclaimed--;
	return true;
}

void oom_init(struct oom *oom)
{
	char text[4096];

	memset(oom, 0, sizeof(*oom));
	if (!read_text("/proc/self/cgroup", text, sizeof(text)) ||
	    !oom_counter_path(text, oom->path, sizeof(oom->path)) ||
	    !read_text(oom->path, text, sizeof(text)) || !oom_counter_parse(text, &oom->kills))
		oom->path[0] = '\0';
}

bool oom_is_to_blame(struct oom *oom, int64_t now)
{
	char text[4096];
	uint64_t kills;

	if (!oom->path[0])
		return false;
	if (oom->seen_at == now)
		return oom_claim(oom, oom->kills, now);
	return read_text(oom->path, text, sizeof(text)) && oom_counter_parse(text, &kills) &&
	       oom_claim(oom, kills, now);
}

bool oom_is_known(const struct oom *oom)
{
	return oom->path[0];
}
