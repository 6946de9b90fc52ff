/* SPDX-License-Identifier: MIT */
/*
 * What the values of those fields mean that say how a request is to be read: where its content
 * ends, whom it is for, what becomes of the connection. What several fields mean together is
 * request.c's, which alone calls this.
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

#endif
