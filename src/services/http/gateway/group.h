/* SPDX-License-Identifier: MIT */
/*
 * The servers behind a gateway, in one worker: which of them a request goes to (choice.h), the
 * connections to them that rest between requests, and the checks that ask them again and again
 * (health.h). What is said to a server, and whether its answer was one, is relay.c's business,
 * which calls all of this.
 *
 * A group is made of an `upstream` block, or of a single address. Gateways that name the same one
 * share it.
 */
#ifndef SERVICES_HTTP_GATEWAY_GROUP_H
#define SERVICES_HTTP_GATEWAY_GROUP_H

#include "services/http/gateway/choice.h"
#include "services/http/gateway/conf.h"
#include "services/http/request.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stdint.h>

struct groups;
struct group;

/* For `prepare`: all groups of a site, none at first. worker is borrowed. NULL with ENOMEM. */
struct groups *groups_new(struct mu_worker *worker);
/*
 * For `prepare`: the group that a gateway with an upstream or an address asks; made if it is the
 * first to. It lives as long as the groups, what the gateway borrows has to as well. NULL with
 * ENOMEM.
 */
struct group *groups_get(struct groups *groups, const struct gateway *gateway);
/* For `start`: pools and checks begin. 0, or -1: the worker cannot serve (logged). */
int groups_start(struct groups *groups);
void groups_free(struct groups *groups);

/* One request to a group, over all its tries. */
struct group_request {
	struct group *group;
	struct choice_request choice;
	uint64_t key; /* what `balance hash` goes by */
};

/* conn: the client's; request and data: its head. Does not yield. */
void group_begin(struct group_request *what, struct group *group, struct mu_conn *conn,
		 const struct request *request, const char *data);

/* The server for the next try. False: there is none that was not tried already. Does not yield. */
bool group_take(struct group_request *what);

/* Whether there will be one, once the server that was taken has been given back. Does not yield. */
bool group_has_another(const struct group_request *what);

/* Which connections will do. */
enum group_kept {
	GROUP_NEW = 0, /* a new one */
	/*
	 * Or one that has rested for less than a second: its server, which has been seen to keep
	 * connections, has not given it up.
	 */
	GROUP_FRESH,
	GROUP_KEPT /* or any one */
};
/*
 * A connection of conn's serve to the server that was taken. *kept_r: it had rested. connect_ms:
 * for a new one. NULL with errno as mu_connect. May yield.
 */
struct mu_conn *group_connect(struct group_request *what, struct mu_conn *conn, int64_t connect_ms,
			      enum group_kept may_be, bool *kept_r);
/*
 * The connection comes to rest, or is closed: the caller's no more. The exchange on it is complete,
 * the server would go on. 0 or -1 as mu_pool_put. Does not yield.
 */
int group_keep(struct group_request *what, struct mu_conn *server);

/*
 * What became of the try, each once at most; one that has succeeded may fail yet, where its answer
 * breaks off; a server that is out or back by that is logged. Then, in any case and once for each
 * group_take: release. Do not yield.
 */
void group_succeeded(struct group_request *what, struct mu_conn *conn);
void group_failed(struct group_request *what, struct mu_conn *conn);
void group_release(struct group_request *what);

/*
 * Says in the log why group_take has no server for a request that was tried nowhere; at most once a
 * second.
 */
void group_log_none(const struct group_request *what, struct mu_conn *conn);

/*
 * Of the server that was taken last: its address as configured, and "ADDRESS (GROUP)" for the log.
 */
const char *group_address(const struct group_request *what);
const char *group_label(const struct group_request *what);

#endif
