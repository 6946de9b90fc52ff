/* SPDX-License-Identifier: MIT */
/*
 * The folder that a website serves. Files are opened below it and nowhere else: the kernel sees to
 * that (openat2 with RESOLVE_BENEATH), or where it cannot, a walk by hand (walk.h). Takes names that path.c has cleaned, without the leading slash.
 */
#ifndef SERVICES_HTTP_ROOT_H
#define SERVICES_HTTP_ROOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct root {
	const char *path; /* borrowed */
	int fd;
	bool follows; /* the path still leads here: root_refresh makes sense */
	bool by_hand; /* no openat2 here */
	bool is_open; /* symbolic links may lead out */
	dev_t dev;
	ino_t ino;
	int64_t checked;     /* when root_refresh last looked */
	unsigned generation; /* how often the path came to name another folder */
};

/* follow_links: symbolic links may lead out of the folder, anywhere. 0 or -1 with errno. */
int root_open(struct root *root, const char *path, bool follow_links);
void root_close(struct root *root);
/* After a change of the process's root or user: can the path still be looked at? */
void root_settle(struct root *root);

/*
 * Looks, once for each value of `now`, whether the path now names another folder (a deployment that
 * switches a symbolic link), and goes on with that one: true, and the next generation; what was
 * opened before is stale.
 */
bool root_refresh(struct root *root, int64_t now);

/*
 * Opens for reading, without ever waiting for a pipe or a device; "" is the folder itself.
 * Descriptor, or -1 with errno: EXDEV for a link that leads out.
 */
int root_open_file(const struct root *root, const char *name);
/*
 * What the name stands for, below the folder as root_open_file has it, whether we may read it or not: for who names
 * it to somebody else. 0, or -1 with errno.
 */
int root_look(const struct root *root, const char *name, struct stat *st_r);
/* What the name stands for now. Good for comparing with what was opened, for nothing else. */
int root_stat(const struct root *root, const char *name, struct stat *st);

#endif
