/* SPDX-License-Identifier: MIT */
/*
 * The pid file: locked (flock) as long as its master lives, so a file that is left over is known from
 * one that is in use. The lock, not the number, says that a master runs.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include <sys/types.h>

struct pidfile {
	int fd; /* -1: none */
	char *path;
};

#define PIDFILE_NONE     \
	(struct pidfile) \
	{                \
		.fd = -1 \
	}

/*
 * Locks the file and writes our pid. 0, or -1 with errno; EEXIST: another one holds it, whose number is
 * *other_r (0: unknown).
 */
int pidfile_take(struct pidfile *pidfile_r, const char *path, pid_t *other_r);
/* Removes the file, if it is still the one that we locked, and gives up the lock. NONE is fine. */
void pidfile_remove_own(struct pidfile *pidfile);

#endif
