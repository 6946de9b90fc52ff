/* SPDX-License-Identifier: MIT */
/*
 * The chunked transfer coding (RFC 9112 section 7.1), taken apart as it comes, in pieces of any
 * size; nothing is copied. What becomes of the content and of the trailers is the caller's.
 */
#ifndef SERVICES_HTTP_CHUNKED_H
#define SERVICES_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

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
	CHUNKED_BAD,
	CHUNKED_TOO_LARGE /* content, extensions or trailers beyond the limits */
};

/* Start with a zeroed one and `limit`. */
struct chunked {
	enum chunked_state state;
	unsigned digits;
	uint64_t left;     /* of this chunk */
	uint64_t total;    /* content announced so far */
	uint64_t limit;    /* more content than that is too large */
	uint32_t overhead; /* bytes of extensions and trailers */
};

/*
 * Takes bytes up to the next content and then what is there of it: the last *content_r bytes of
 * those taken. Stops where the trailer section begins too, so that all that is taken from
 * CHUNKED_TRAILER on belongs to it, the empty line included; and at the end of the coding or at a
 * fault. How many were taken: at least one if there are any and the state is before CHUNKED_DONE.
 */
size_t chunked_next(struct chunked *chunked, const char *data, size_t len, size_t *content_r);

/* Takes bytes until the end of the coding or a fault: how many. */
size_t chunked_feed(struct chunked *chunked, const char *data, size_t len);

#endif
