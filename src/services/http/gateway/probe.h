/* SPDX-License-Identifier: MIT */
/*
 * One active check of a server: a request of our own, and the status of what comes back. When a
 * server is checked, and what the outcomes come to, is health.h's; group.c does both.
 */
#ifndef SERVICES_HTTP_GATEWAY_PROBE_H
#define SERVICES_HTTP_GATEWAY_PROBE_H

#include "musterd/module.h"

#include <stdint.h>

/* A final status is above. */
enum { PROBE_FAILED = 0, PROBE_REASON_MAX = 160 };

/*
 * Asks the server by GET, on a new connection of conn's, which stays closed afterwards. address:
 * for mu_connect; host: what Host says; path: as it is sent; timeout_ms: for all of it. The status
 * of the final reply, whose content is read, if it is not too much, and dropped; PROBE_FAILED:
 * there is none in time, reason says why. -1 with errno: that says nothing of the server, for we
 * could not ask (ECANCELED: the worker is to finish). May yield.
 */
int probe_server(struct mu_conn *conn, const char *address, const char *host, const char *path,
		 int64_t timeout_ms, char reason[PROBE_REASON_MAX]);

#endif
