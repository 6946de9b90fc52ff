/* SPDX-License-Identifier: MIT */
/*
 * The one way in which the running master makes a child (daemon.c forks before it runs). What the
 * child then does is the caller's.
 */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The child's life. What it returns is the exit status. */
typedef int spawn_main(void *arg);

/*
 * Forks. The child has default dispositions (but ignores SIGPIPE and what a terminal sends: HUP, INT,
 * QUIT), an empty mask, and of the descriptors only 0, 1, 2 and keep[0..n); it never returns from here.
 * detached: 0, 1, 2 are /dev/null in it. Process id, or -1 with errno.
 */
pid_t spawn(spawn_main *main, void *arg, int *keep, size_t n, bool detached);

#endif
