/* SPDX-License-Identifier: MIT */
/*
 * The content of a request that nobody wants: it is read and dropped, so that what follows it on
 * the connection is taken for what it is, the next request.
 */
#ifndef SERVICES_HTTP_BODY_H
#define SERVICES_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mu_conn;
struct request;

/* More than this is not worth reading: the connection is closed instead. */
enum { BODY_DISCARD_MAX = 256 * 1024 };

static inline bool body_is_too_large(uint64_t length)
{
	return length > BODY_DISCARD_MAX;
}

/*
 * Reads the content and drops it; the head has been consumed. 0, or the status to answer with
 * before the connection is closed: 400, 408, 413; -1: nobody is left to be answered.
 */
int body_discard(struct mu_conn *conn, bool is_chunked, uint64_t length);

#endif
