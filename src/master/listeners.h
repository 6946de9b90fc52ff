/* SPDX-License-Identifier: MIT */
/*
 * The open listeners of all generations, counted: a reload that names an address again gets the very
 * socket that is open, so nothing that waits in it is lost. New ones are bound when they are taken and
 * listen at commit. How a socket is bound is net/listener.h's.
 *
 * A socket that is open already comes from a unit of systemd (its own, found by name or by address; it stays with us
 * for good, whether a configuration names it or not), from systemd's descriptor store (ours, of the master before us,
 * found by address), or from the program that we were before an upgrade.
 */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include "config/config.h"
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
	char *stored; /* the name under which systemd keeps it for our successor; NULL: it does not */
	unsigned refs; /* of pools */
};

struct listeners {
	TAILQ_HEAD(, open_listener) open;
	struct systemd *systemd; /* borrowed */
	bool unstored; /* something is to be stored, or the store to be found, and could not be yet */
	bool holding; /* we begin or go: what is in the store stays there, whoever gives it back */
};

/* Adopts what systemd passed; what cannot be used is logged. 0, or -1 with errno. */
int listeners_init(struct listeners *listeners, struct systemd *systemd);
struct saved_listener;
/*
 * Takes over one that the program before us had (its descriptor is given), without a reference; the texts are
 * borrowed. NULL with *error_r malloc'd, and the descriptor is still the caller's.
 */
struct open_listener *listeners_adopt(struct listeners *listeners,
				      const struct saved_listener *saved, char **error_r);
/* Closes all of them. What rests in the store stays there, and so does the file of a Unix socket that does. */
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
/*
 * Closes what came from the store and is in no `listen` of the first configuration, here and in the store: nobody
 * would serve who waits there, and its address may be needed in another form. So it comes before anything is bound, and
 * is not undone when the start fails after that.
 */
void listeners_drop_unnamed(struct listeners *listeners, const struct config *config);
/*
 * A configuration serves: what is ours and listens rests in systemd's store from now on, if it has one, until nobody
 * has it any more. What does not fit is logged. listeners_store_more: again for what systemd had no ear for.
 */
void listeners_store(struct listeners *listeners);
void listeners_store_more(struct listeners *listeners);
/* Logs which Unix sockets nobody finds any more, for their files were removed. */
void listeners_miss_files(const struct listeners *listeners);
/* We go: what rests in the store is left there, if there is one. */
void listeners_hold(struct listeners *listeners);
/* It lives on when the master has gone: who waits there is not lost. */
bool listener_outlives_us(const struct listeners *listeners, const struct open_listener *listener);
/* Gives a reference back; a listener that is ours and that nobody has any more is closed. */
void listeners_release(struct listeners *listeners, struct open_listener *listener);

#endif
