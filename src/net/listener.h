/* SPDX-License-Identifier: MIT */
/*
 * Listeners: bound sockets. The master owns them; they outlive workers and reloads. Binding and
 * listening are two steps, because a reload binds first and listens only when it is sure
 * (a connection to a socket that is only bound is refused).
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/address.h"

#include <stdbool.h>
#include <sys/types.h>

struct listener_options {
	int backlog; /* for listen(2); the kernel caps it at net.core.somaxconn */
	mode_t mode; /* of a Unix socket */
	uid_t owner; /* of a Unix socket; (uid_t)-1: as created */
	gid_t group;
	bool defer_accept; /* TCP_DEFER_ACCEPT 1 s: the client speaks first */
	bool tended;       /* who accepts there says whether accept(2) waits: that is left alone */
};

struct listener {
	int fd; /* CLOEXEC; non-blocking but where it is tended */
	struct address address;
	bool listening;
	bool adopted; /* came from systemd: never unlinked, not ours to close for good */
	dev_t dev;    /* of the Unix socket file that we made; 0: none */
	ino_t ino;
};

/*
 * Creates and binds. A stale Unix socket file (nobody listens behind it) is replaced; a live one, or
 * a file that is no socket, is an error. 0, or -1 with errno and *error_r malloc'd: names the address, the reason
 * and what to do ("cannot bind 0.0.0.0:80: Permission denied: ports below 1024 need root or
 * CAP_NET_BIND_SERVICE"). After -1 there is nothing to close. listener->address holds the port that the
 * kernel chose where port 0 was asked for.
 */
int listener_bind(struct listener *listener_r, const struct address *address,
		  const struct listener_options *options, char **error_r);
/*
 * listen(2), with the options that act from here on (backlog, defer_accept, tended; mode, owner and group of a
 * file that is ours); again to change them while it listens. 0, or -1 with *error_r malloc'd.
 */
int listener_listen(struct listener *listener, const struct listener_options *options,
		    char **error_r);
/*
 * Takes over a listening stream socket, checked with getsockopt; others may be at it: whether it blocks is for
 * listener_listen. 0, or -1 with *error_r malloc'd (and fd
 * still the caller's).
 */
int listener_adopt(struct listener *listener_r, int fd, char **error_r);
/* The Unix socket file that we made is still there, and still that very file. */
bool listener_has_file(const struct listener *listener);
/* Closes; removes the Unix socket file if we made it and it is still that very file. */
void listener_close(struct listener *listener);

#endif
