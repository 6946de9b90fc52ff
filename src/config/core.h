/* SPDX-License-Identifier: MIT */
/* The directives of musterd itself: the table for the top level, and what it fills. */
#ifndef CONFIG_CORE_H
#define CONFIG_CORE_H

#include "config/schema.h"

struct core_service {
	struct conf_item item;
	struct conf_words listen;
	int64_t backlog;
	struct {
		int64_t mode;
		const char *owner, *group;
	} socket;
	struct conf_handler handler;
	struct conf_range workers, spare;
	int64_t connections;
	int overflow; /* 0: wait, 1: refuse */
	int64_t max_requests, max_lifetime, max_memory;
	int64_t slow;
	struct {
		int64_t header, idle, request, drain, park, boot, stall, orphan;
	} timeout;
	const char *user, *group, *chroot;
	int64_t umask;
	bool no_new_privileges;
	struct {
		int64_t nofile, core, as;
	} limit;
};

struct core {
	const char *user, *group;
	struct log_target log;
	const char *pidfile;
	struct {
		const char *path;
		int64_t mode;
		const char *owner, *group;
	} control;
	int64_t shutdown_delay;
	struct mu_blocks services; /* of struct core_service */
};

extern const struct mu_directive core_directives[];

/* The service's module accepts by itself (MU_TENDS). */
static inline bool core_is_tended(const struct core_service *core)
{
	return core->handler.module && core->handler.module->flags & MU_TENDS;
}
/* Why this directive of a service, or of its timeouts, means nothing there; NULL: it does mean something. */
const char *core_why_not_tended(const char *name);

/*
 * Applies the table to the tree; then the services have what they take over from the top level and from their
 * handlers, and a pool that can grow has its spare workers.
 */
void core_apply(const struct schema *schema, const struct conf_node *root, struct core *core_r);

#endif
