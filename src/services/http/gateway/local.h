/* SPDX-License-Identifier: MIT */
/*
 * A program may name another path of ours in place of a reply (RFC 3875 section 6.2.2): the client
 * gets what a request for that would have been answered with, and does not learn of it. Here the
 * head of that request is made.
 */
#ifndef SERVICES_HTTP_GATEWAY_LOCAL_H
#define SERVICES_HTTP_GATEWAY_LOCAL_H

#include "services/http/request.h"

#include <stddef.h>

/* Of what local_head writes, at most. */
size_t local_head_size(const struct request *request, size_t location_len);

/*
 * A request for location, a path with or without a query, by who sent `request`, a complete one
 * whose slices are of data: GET, or HEAD if it was that; with its fields but for those of its
 * content, which it has none of. Returns how much was written to out.
 */
size_t local_head(const struct request *request, const char *data, const char *location,
		  size_t location_len, char *out);

#endif
