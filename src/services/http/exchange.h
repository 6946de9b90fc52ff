/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer. http.c receives the request and decides what becomes of the
 * connection; answer.c answers it.
 */
#ifndef SERVICES_HTTP_EXCHANGE_H
#define SERVICES_HTTP_EXCHANGE_H

#include "services/http/request.h"
#include "services/http/response.h"
#include "services/http/site.h"

#include "musterd/module.h"

#include <stdbool.h>

struct exchange {
	struct mu_conn *conn;
	struct site *site;
	struct request request;
	const char *data; /* what the request's slices are of */
	struct response response;
	struct found found;
	enum response_end end; /* what becomes of the connection */
	const char *encoding;  /* of the content that was sent; NULL: as it is */
	int64_t start;         /* for the access log: when the request had come, in ns */
	bool unlogged;         /* the configuration wants no line for it */
	bool unread;           /* input may follow that nobody will read: linger */
};

/*
 * Answers a request that is complete and valid. May yield. 0, or -1: the connection cannot go on.
 * -400: its path means nothing, nothing was answered, and the request is to be refused.
 */
int answer(struct exchange *x);

#endif
