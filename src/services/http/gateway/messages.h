/* SPDX-License-Identifier: MIT */
/*
 * What an application says beside its reply (FastCGI's STDERR): comes in pieces of any size, goes
 * into the log line by line, each with the client and the name of the server in front. What is too
 * long for the log goes in several lines.
 */
#ifndef SERVICES_HTTP_GATEWAY_MESSAGES_H
#define SERVICES_HTTP_GATEWAY_MESSAGES_H

#include "musterd/module.h"

#include <stddef.h>

enum { MESSAGES_LINE_MAX = 1024 };

/* Start with a zeroed one but for conn and name, which are borrowed. */
struct messages {
	struct mu_conn *conn;
	const char *name;
	size_t len;
	char line[MESSAGES_LINE_MAX]; /* what there is of it */
};

/* Logs what becomes complete by this, at level notice. Does not yield. */
void messages_add(struct messages *messages, const char *data, size_t len);
/* The last line need not have an end. */
void messages_end(struct messages *messages);

#endif
