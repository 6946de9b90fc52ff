/* SPDX-License-Identifier: MIT */
/*
 * What systemd and we say to each other, spoken by hand: notifications (sd_notify(3)), passed sockets
 * (sd_listen_fds(3)), and descriptors that it keeps for us while we are away (sd_pid_notify_with_fds(3)). Without
 * systemd all of it does nothing.
 */
#ifndef NET_SYSTEMD_H
#define NET_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { SYSTEMD_FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

struct notice;

struct systemd {
	/* Datagram socket connected to NOTIFY_SOCKET, or -1: there is none, or nobody listens there any more. */
	int notify;
	TAILQ_HEAD(, notice) unsent; /* systemd's queue was full: the oldest first */
	size_t waiting;              /* how many these are */
	/* How many descriptors are kept for us: FDSTORE; INT64_MAX: some; -1: not known (yet). */
	int64_t store;
	int probe;           /* not -1: its other end was stored, to find out */
	bool probe_read;     /* systemd had read of it when we looked last */
	int64_t watchdog_ms; /* WATCHDOG_USEC / 1000 if WATCHDOG_PID is us; 0: none */
	size_t fds;          /* LISTEN_FDS if LISTEN_PID is us: descriptors 3 ... 3 + fds - 1 */
	const char **name;   /* LISTEN_FDNAMES, "unknown" where none is given */
};

/*
 * Reads the environment (and removes the LISTEN_ variables); passed descriptors become CLOEXEC. 0, or -1
 * with errno when what is there is no valid offer (logged).
 */
int systemd_init(struct systemd *systemd);
/* The passed descriptors stay open: they belong to the listeners. */
void systemd_cleanup(struct systemd *systemd);

/*
 * One datagram: "READY=1\nSTATUS=..." (printf). Never waits: what finds systemd's queue full is sent by
 * systemd_flush, after what was said before. False: it is not sent. Errors are debug lines: systemd that does not
 * listen is no reason to fail. A newline in an argument would begin another assignment: the caller sees to it that
 * there is none.
 */
bool systemd_notify(struct systemd *systemd, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
/* RELOADING=1 with MONOTONIC_USEC in the same datagram, as Type=notify-reload wants it. */
bool systemd_notify_reloading(struct systemd *systemd);
/* Sends what could not be sent. True: there is still something, call again. */
bool systemd_flush(struct systemd *systemd);

/*
 * Before anything is stored: begins to find out whether it is kept, where systemd does not say so by itself. False:
 * nothing is. systemd_keeps knows later.
 */
bool systemd_begin_store(struct systemd *systemd);
/*
 * Asks it to keep a copy of fd, under a name of printable characters without ':', until it is removed or the unit is
 * stopped for good: a restart passes it to us. Whether it does is not answered. False: it was not asked; its queue may
 * be full.
 */
bool systemd_store(struct systemd *systemd, int fd, const char *name);
/* It is to close what it keeps under this name. */
void systemd_unstore(struct systemd *systemd, const char *name);
/* What was stored is kept, as far as is known by now. */
bool systemd_keeps(struct systemd *systemd);
/* The name of what is stored only to learn that; it is nothing to go on with when it is passed. */
#define SYSTEMD_PROBE "musterd-probe"

#endif
