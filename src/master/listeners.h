/* SPDX-License-Identifier: MIT */
/*
 * The open listeners of all generations, counted: a reload that names an address again gets the very
 * socket that is open, so nothing that waits in it is lost. New ones are bound when they are taken and
 * listen at commit. How a socket is bound is net/listener.h's; sockets that systemd passed stay with
 * us for good, whether a configuration names them or not.
 */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include "net/listener.h"
#include "net/systemd.h"

#include <bsd/sys/queue.h>

struct open_listener {
	TAILQ_ENTRY(open_listener) link;
	struct listener socket;
	struct address
		asked; /* as configured: where port 0 was asked for the socket has a real one */
	unsigned generation;      /* that took it last */
	const char *systemd_name; /* borrowed; NULL: bound by us */
	unsigned refs;            /* of pools */
};

struct listeners {
	TAILQ_HEAD(, open_listener) open;
};

/* Adopts what systemd passed; what cannot be used is logged. 0, or -1 with errno. */
int listeners_init(struct listeners *listeners, const struct systemd *systemd);
struct saved_listener;
/*
 * Takes over one that the program before us had (its descriptor is given), without a reference; the texts are
 * borrowed. NULL with *error_r malloc'd, and the descriptor is still the caller's.
 */
struct open_listener *listeners_adopt(struct listeners *listeners,
				      const struct saved_listener *saved, char **error_r);
/* Closes all of them. */
void listeners_cleanup(struct listeners *listeners);
size_t listeners_count(const struct listeners *listeners);

/*
 * The listener of this address, with one reference: the open one, or one newly bound. Port 0 in one
 * generation twice is two sockets; in two generations it is the same. NULL with errno and *error_r malloc'd; EEXIST: one of
 * ours takes in this address, or is taken in by it.
 */
struct open_listener *listeners_take(struct listeners *listeners, const struct address *address,
				     const struct listener_options *options, unsigned generation,
				     char **error_r);
/*
 * The next one of this name that systemd passed, after `after` (NULL: the first), with one
 * reference. NULL: there are no more.
 */
struct open_listener *listeners_take_passed(struct listeners *listeners, const char *name,
					    struct open_listener *after);
/* Gives a reference back; a listener that is ours and that nobody has any more is closed. */
void listeners_release(struct listeners *listeners, struct open_listener *listener);

#endif
