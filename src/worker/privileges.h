/* SPDX-License-Identifier: MIT */
/*
 * What a worker gives up and is limited to, as its service's configuration says. In this order: limits
 * that may need privilege; (the module's prepare;) chroot; groups, group, user; the check that
 * there is no way back; capabilities of who is not root; no_new_privs; the limits that could be in the way of all that.
 */
#ifndef WORKER_PRIVILEGES_H
#define WORKER_PRIVILEGES_H

#include <stddef.h>

struct service_conf;

/*
 * The open-file limit: what the configuration says, else raised to what `connections` need. How many
 * connections fit under what was had; said in the log, with the limit that is in the way, when that is
 * fewer. 0: not even one.
 */
size_t privileges_open_files(const struct service_conf *service, size_t connections);

/* All the rest. 0, or -1: logged, and the worker must not go on. */
int privileges_drop(const struct service_conf *service);

#endif
