/* SPDX-License-Identifier: MIT */
/*
 * What a program tells its service manager, as sd_notify(3) says: one datagram of lines NAME=VALUE. Pure: the
 * socket and who may write to it are program.c's.
 */
#ifndef SERVICES_PROGRAM_NOTIFY_H
#define SERVICES_PROGRAM_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	NOTIFY_BYTES_MAX = 4096, /* of a datagram; what is longer is cut by who receives it */
	NOTIFY_STATUS_MAX = 120
};

struct notify {
	bool ready;     /* READY=1 */
	bool stopping;  /* STOPPING=1 */
	bool alive;     /* WATCHDOG=1 */
	bool triggered; /* WATCHDOG=trigger: as if its time had run out */
	pid_t main_pid; /* MAINPID; 0: not said */
	int error;      /* ERRNO; 0: not said */
	bool has_status;
	char status
		[NOTIFY_STATUS_MAX]; /* STATUS: whole characters, none that controls a terminal */
};

/* Any bytes are fine. Of a name that comes twice the last line counts; names that we do not know are passed over. */
void notify_parse(struct notify *notify_r, const char *data, size_t len);

#endif
