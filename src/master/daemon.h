/* SPDX-License-Identifier: MIT */
/*
 * Going into the background the classical way. The process that was started waits until the daemon is ready or
 * has failed, and exits with its status; until then errors go to the terminal.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include <stdbool.h>

struct daemon {
	bool on;
	int report;     /* pipe to the process that waits; -1: nobody waits */
	int error_file; /* standard error as it was, if it is a file; -1 */
};

void daemon_init(struct daemon *daemon);
void daemon_cleanup(struct daemon *daemon);

/*
 * fork, setsid, fork, chdir /. 0 in the daemon; in the process that was started *status_r is what it
 * has to exit with and the result is 1; -1 with errno.
 */
int daemon_enter(struct daemon *daemon, int *status_r);
/* The start succeeded (0) or failed: tells who waits. On success 0, 1, 2 become /dev/null. */
void daemon_report(struct daemon *daemon, int status);

#endif
