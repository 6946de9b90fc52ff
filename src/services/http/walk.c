/* SPDX-License-Identifier: MIT */
/* A path walked by hand, as walk.h says. */
#include "services/http/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as the kernel has it */ };

struct walk {
	int flags;
	unsigned links;      /* followed so far */
	char path[PATH_MAX]; /* from the root, links that were met replaced by what they say */
	size_t at, len;      /* the segment under way: before it are folders, no links */
	bool changed;        /* path was, and is to be walked anew */
};

/* Puts text in the place of path[from] up to the end of the segment. */
static void replace(struct walk *walk, size_t from, const char *text, size_t len)
{
	char *rest = walk->path + walk->at + walk->len;
	size_t left = strlen(rest) + 1;

	if (from + len + left > sizeof(walk->path)) {
		errno = ENAMETOOLONG;
		return;
	}
	memmove(walk->path + from + len, rest, left);
	memcpy(walk->path + from, text, len);
	walk->changed = true;
}

/* Where the folder before this place begins; false: there is none. */
static bool find_above(const char *path, size_t at, size_t *begin_r)
{
	size_t begin = at, end;

	do {
		end = begin;
		while (end > 0 && path[end - 1] == '/')
			end--;
		begin = end;
		while (begin > 0 && path[begin - 1] != '/')
			begin--;
	} while (end - begin == 1 && path[begin] == '.');
	*begin_r = begin;
	return begin < end;
}

/* "..": away with it and with the folder before it. */
static void go_up(struct walk *walk)
{
	size_t from;

	if (find_above(walk->path, walk->at, &from))
		replace(walk, from, "", 0);
	else
		errno = EXDEV;
}

/* What could not be opened without following a link: was it one? errno stays where it was none. */
static void follow(struct walk *walk, int folder, const char *segment)
{
	char target[PATH_MAX];
	int saved = errno;
	ssize_t len = readlinkat(folder, segment, target, sizeof(target));

	errno = saved;
	if (len <= 0)
		return;
	if (len == sizeof(target))
		errno = ENAMETOOLONG;
	else if (target[0] == '/')
		errno = EXDEV;
	else if (walk->links++ == LINKS_MAX)
		errno = ELOOP;
	else
		replace(walk, walk->at, target, (size_t)len);
}

/* O_PATH opens the link itself. */
static bool is_link(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The next segment below folder; -1: errno, or a path to be walked anew. */
static int step(struct walk *walk, int folder, bool *last_r)
{
	const char *begin = walk->path + walk->at;
	char segment[NAME_MAX + 1];
	int fd, flags;

	walk->len = strcspn(begin, "/");
	*last_r = !begin[walk->len] || !begin[walk->len + 1];
	if (walk->len > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(segment, begin, walk->len);
	segment[walk->len] = '\0';
	if (strcmp(segment, "..") == 0) {
		go_up(walk);
		return -1;
	}
	/* A slash at the end asks for a folder. */
	flags = *last_r ? walk->flags | (begin[walk->len] ? O_DIRECTORY : 0)
			: O_PATH | O_DIRECTORY | O_CLOEXEC;
	fd = openat(folder, walk->len ? segment : ".", flags | O_NOFOLLOW);
	if (fd >= 0 && *last_r && (flags & O_PATH) && is_link(fd)) {
		close(fd);
		fd = -1;
		errno = ELOOP;
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		follow(walk, folder, segment);
	return fd;
}

static int walk_once(struct walk *walk, int root)
{
	int folder = root, fd, saved;
	bool last;

	walk->at = 0;
	walk->changed = false;
	for (;;) {
		fd = step(walk, folder, &last);
		saved = errno;
		if (folder != root)
			close(folder);
		errno = saved;
		if (fd < 0 || last)
			return fd;
		folder = fd;
		walk->at += walk->len;
		walk->at += strspn(walk->path + walk->at, "/");
	}
}

int walk_beneath(int root, const char *name, int flags)
{
	struct walk walk = { .flags = flags };
	size_t len = strlen(name);
	int fd;

	if (len >= sizeof(walk.path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(walk.path, name, len + 1);
	do
		fd = walk_once(&walk, root);
	while (fd < 0 && walk.changed);
	return fd;
}
