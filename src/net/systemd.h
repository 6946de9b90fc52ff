/* SPDX-License-Identifier: MIT */
/*
 * What systemd and we say to each other, spoken by hand: notifications (sd_notify(3)) and passed
 * sockets (sd_listen_fds(3)). Without systemd all of it does nothing.
 */
#ifndef NET_SYSTEMD_H
#define NET_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYSTEMD_FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

struct systemd {
	int notify;          /* datagram socket connected to NOTIFY_SOCKET, or -1 */
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
 * One datagram: "READY=1\nSTATUS=..." (printf). True if it was sent; never waits, errors are
 * debug lines: systemd that does not listen is no reason to fail. A newline in an argument would begin
 * another assignment: the caller sees to it that there is none.
 */
bool systemd_notify(const struct systemd *systemd, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
/* RELOADING=1 with MONOTONIC_USEC in the same datagram, as Type=notify-reload wants it. */
bool systemd_notify_reloading(const struct systemd *systemd);

#endif
