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
	int64_t start;         /* if site->timed: when the request had come, in ns */
	/*
	 * Bytes at the front of the client's buffer that are this request's, and are consumed when it has been
	 * answered: its head, with content where that is in the buffer as a whole. 0: the head is
	 * elsewhere.
	 */
	size_t pending;
	/*
	 * After GATEWAY_LOCAL: the head of the request that is to be answered in place of this
	 * one, in memory that lives as long as serve.
	 */
	const char *local;
	size_t local_len;
	bool is_found; /* `found` says already that the path leads to a gateway */
	bool unlogged; /* the configuration wants no line for it */
	bool unread;   /* input may follow that nobody will read: linger */
};

/*
 * Answers a request that is complete and valid. May yield. 0, or -1: the connection cannot go on.
 * -400: its path means nothing, nothing was answered, and the request is to be refused.
 */
int answer(struct exchange *x);

/*
 * True: the path leads to a gateway, who reads the content himself; `found` says which until somebody yields. May
 * be asked before `answer`, if begin_response was. Does not yield.
 */
bool answer_is_gateway(struct exchange *x);

/*
 * Answers with a status, with the page that the configuration has for it or a small one of our own. fields:
 * lines of this answer, each with CRLF, or "". May yield. 0 or -1.
 */
int answer_status(struct exchange *x, int status, const char *fields);

/*
 * What the settings say of a response with this status that is not a file: the fields they add to it (in
 * x->response), and whether it is logged. Does not yield.
 */
void answer_apply_settings(struct exchange *x, int status);

/*
 * The client's buffer is needed before the answer: the head goes on in memory that lives as long as
 * serve, and what is pending is consumed. 0, or -1 with ENOMEM. Does not yield.
 */
int exchange_keep_head(struct exchange *x);

/* The connection ends with this answer. Called before that is sent, or the client is not told. */
static inline void exchange_close(struct exchange *x)
{
	x->end = x->response.end = RESPONSE_CLOSE;
}

#endif
