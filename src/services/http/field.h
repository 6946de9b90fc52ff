/* SPDX-License-Identifier: MIT */
/*
 * What the values of those fields mean that say how a message is to be read: where its content
 * ends, whom it is for, what becomes of the connection. What several fields mean together is for
 * request.c and, of what a server behind us sends, gateway/reply.c.
 */
#ifndef SERVICES_HTTP_FIELD_H
#define SERVICES_HTTP_FIELD_H

#include "services/http/request.h"

static inline enum request_state request_bad(struct request *request, int status,
					     const char *reason)
{
	request->status = (uint16_t)status;
	request->reason = reason;
	return REQUEST_BAD;
}

/*
 * Takes the value of one line, which ends at `to` and has no blanks around it; data: what slices
 * are of. REQUEST_DONE or REQUEST_BAD.
 */
enum request_state field_set(struct request *request, enum request_field field, const char *data,
			     const char *from, const char *to);

/*
 * What follows takes a value without the blanks around it, of a request or of a reply. NULL: it is
 * good; else static text for the log that says why not.
 */

/* Content-Length: 1*DIGIT and nothing else: no sign, no list (RFC 9112 section 6.3). */
const char *field_length(const char *p, const char *end, uint64_t *length_r);

/*
 * Transfer-Encoding, RFC 9112 sections 6.1, 6.3 and 7.1: chunked and nothing else is implemented
 * here. *is_unknown_r: the fault is that there are other codings before it.
 */
const char *field_coding(const char *p, const char *end, bool *is_unknown_r);

enum { CONNECTION_CLOSE = 1 << 0, CONNECTION_KEEP_ALIVE = 1 << 1, CONNECTION_UPGRADE = 1 << 2 };

/* Connection (RFC 9110 section 7.6.1): the options that are known here, CONNECTION_ bits. */
unsigned field_connection(const char *p, const char *end);

#endif
