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

/* The chunked transfer coding (RFC 9112 section 7.1), fed in pieces. */
enum chunked_state {
	CHUNKED_SIZE = 0,
	CHUNKED_BLANK,     /* after the size: only an extension may follow */
	CHUNKED_EXTENSION, /* passed over */
	CHUNKED_QUOTED,    /* in a quoted string of it */
	CHUNKED_ESCAPED,   /* behind a backslash there */
	CHUNKED_SIZE_LF,
	CHUNKED_DATA,
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER, /* at the beginning of a line of the trailer section */
	CHUNKED_TRAILER_NAME,
	CHUNKED_TRAILER_VALUE,
	CHUNKED_TRAILER_LF,
	CHUNKED_END_LF,
	CHUNKED_DONE,
	CHUNKED_BAD,      /* 400 */
	CHUNKED_TOO_LARGE /* 413: content, extensions or trailers beyond the limits */
};

struct chunked {
	enum chunked_state state;
	unsigned digits;
	uint64_t left;     /* of this chunk */
	uint64_t total;    /* content seen */
	uint32_t overhead; /* bytes of extensions and trailers */
};

/* Takes bytes until the end of the coding or a fault: how many. Start with a zeroed struct. */
size_t chunked_feed(struct chunked *chunked, const char *data, size_t len);

/*
 * Reads the content and drops it; the head has been consumed. 0, or the status to answer with
 * before the connection is closed: 400, 408, 413; -1: nobody is left to be answered.
 */
int body_discard(struct mu_conn *conn, bool is_chunked, uint64_t length);

#endif
