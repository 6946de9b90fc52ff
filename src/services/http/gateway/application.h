/* SPDX-License-Identifier: MIT */
/*
 * What the kinds fastcgi, uwsgi, scgi and cgi have in common: the request as an application is told
 * of it. How that is written is packet.h's, what comes of it relay.h's.
 */
#ifndef SERVICES_HTTP_GATEWAY_APPLICATION_H
#define SERVICES_HTTP_GATEWAY_APPLICATION_H

#include "services/http/gateway/packet.h"
#include "services/http/gateway/relay.h"
#include "services/http/gateway/script.h"

/* What application_begin leaves in relay->found. */
struct application {
	struct script script;
	struct sockaddr_storage peer, local;
};

/* For `begin` of a kind: finds the script. */
int application_begin(struct relay *relay);

/* All of it is borrowed from the relay. Does not yield. */
struct params_source application_source(const struct relay *relay);

/* For `write_head` of a kind; write: see packet.h. */
int application_write_head(struct relay *relay, size_t (*write)(const struct params_source *source,
								char *out, size_t size));

#endif
