/* SPDX-License-Identifier: MIT */
/*
 * The plan of a reload: what differs between two configurations, of which both were loaded or restored. Pure.
 *
 * What counts is the effect: a default that is written out, a comment, another order or file, another name for
 * the same address or user changes nothing; a name that has another address, a user who has other groups
 * or a regular file in a module's block that was written to or replaced does.
 */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "config/config.h"

enum plan_action { PLAN_ADDED = 1, PLAN_CHANGED = 2, PLAN_UNCHANGED = 3, PLAN_REMOVED = 4 };

struct plan_service {
	enum plan_action action;
	const char *name;
	const struct service_conf *old_service; /* NULL: added */
	const struct service_conf *new_service; /* NULL: removed */
	const char
		*changes; /* "connections 512 -> 1024; user anna (uid 7) -> (not set)"; or NULL */
};

/* Of the addresses only: sockets that systemd passes are neither opened nor closed by us. */
struct plan_listener {
	bool opened; /* else closed */
	const struct address *address;
};

/* A directive of the top level. */
struct plan_change {
	const char *name;   /* "control { mode }" */
	const char *change; /* "0600 -> 0660" */
};

struct plan {
	struct arena *arena;
	bool nothing; /* changes */
	struct plan_service
		*service; /* the new ones in the order of the file, then the removed ones */
	size_t services;
	struct plan_listener
		*listener; /* the opened ones first. One that changes its service stays open */
	size_t listeners;
	struct plan_change *change; /* none when old is NULL */
	size_t changes;
};

/*
 * From old (NULL: the first start) to new. Both are borrowed for the plan's life. NULL: out of memory.
 */
struct plan *plan_new(const struct config *old, const struct config *new);
void plan_free(struct plan *plan);

/*
 * The plan in words, malloc'd, a fact a line, each ended by '\n'. With roll, services that did not change get new
 * workers too. NULL: out of memory.
 */
char *plan_text(const struct plan *plan, bool roll);

#endif
