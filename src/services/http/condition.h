/* SPDX-License-Identifier: MIT */
/* Conditional requests (RFC 9110 section 13): whether the client has the file already. */
#ifndef SERVICES_HTTP_CONDITION_H
#define SERVICES_HTTP_CONDITION_H

#include "services/http/file.h"
#include "services/http/request.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * True if one of the entity tags of an If-None-Match value is `etag` (weak comparison), or it is
 * "*".
 */
bool condition_etag_matches(const char *value, size_t len, const char *etag, size_t etag_len);

/*
 * True: answer 304. For GET and HEAD, in the order of RFC 9110 section 13.2.2. data: the bytes that
 * the request's slices are of; now: seconds since 1970.
 */
bool condition_is_fresh(const struct request *request, const char *data, const struct file *file,
			int64_t now);

/* The same question, with its answer at hand for the many requests without any condition. */
static inline bool condition_not_modified(const struct request *request, const char *data,
					  const struct file *file, int64_t now)
{
	const uint32_t conditions = 1U << FIELD_IF_NONE_MATCH | 1U << FIELD_IF_MODIFIED_SINCE;

	return (request->seen & conditions) && condition_is_fresh(request, data, file, now);
}

#endif
