/* SPDX-License-Identifier: MIT */
/*
 * Content on its way through the gateway: taken out of the framing that it arrives in, in pieces of
 * any size and without a copy, and framed again for the other side. Pure: whoever reads and writes
 * the connections calls this. How content is framed is decided by the heads, see reply.h.
 */
#ifndef SERVICES_HTTP_GATEWAY_CONTENT_H
#define SERVICES_HTTP_GATEWAY_CONTENT_H

#include "services/http/chunked.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum content_framing {
	CONTENT_NONE = 0, /* there is none */
	CONTENT_LENGTH,
	CONTENT_CHUNKED,
	CONTENT_UNTIL_END, /* of the stream */
	CONTENT_TUNNEL     /* bytes of another protocol, both ways, until the end */
};

enum content_state {
	CONTENT_MORE = 0, /* more bytes are needed, or the end of the stream */
	CONTENT_DONE,     /* complete: what follows is not its */
	CONTENT_BAD,      /* error says why; the connection cannot go on */
	CONTENT_TOO_LARGE /* more than the limit, or trailers or extensions without end: likewise */
};

struct content {
	uint8_t framing;   /* enum content_framing */
	uint8_t state;     /* enum content_state */
	uint64_t left;     /* CONTENT_LENGTH: what is still to come */
	uint64_t limit;    /* more is too large */
	uint64_t total;    /* bytes of content taken */
	const char *error; /* CONTENT_BAD, CONTENT_TOO_LARGE: static text for the log */

	char *trailers;         /* from content_keep_trailers */
	uint32_t trailers_size; /* of that */
	uint32_t trailers_len;  /* CONTENT_DONE: lines that may be passed on, each with CRLF */

	struct chunked chunked; /* CONTENT_CHUNKED */
};

/* length: for CONTENT_LENGTH. limit: UINT64_MAX for none. Sets the state, as all below. */
void content_init(struct content *content, enum content_framing framing, uint64_t length,
		  uint64_t limit);

/*
 * Trailers are dropped unless there is room for them, borrowed until the content is no longer used.
 * Where they do not fit the content is too large. Fields that say how a message is framed, routed
 * or to be read have no business there (RFC 9110 section 6.5.1) and are left out.
 */
void content_keep_trailers(struct content *content, char *room, size_t size);

/*
 * Takes bytes off the stream, up to the end of one run of content: how many. Of these the last
 * *piece_r are content; they stay where they are. At least one is taken if there are any and the
 * state is CONTENT_MORE.
 */
size_t content_take(struct content *content, const char *data, size_t len, size_t *piece_r);

/* The stream has ended: content that needs more is bad, or complete, as it is framed. */
void content_end(struct content *content);

/*
 * How content that arrives in one framing leaves for an HTTP/1.x peer: it keeps its length; without
 * one it is chunked, or in HTTP/1.0 ends with the connection.
 */
enum content_framing content_passed_on(enum content_framing framing, unsigned minor);

/* The most that stands before a piece, or behind the last one. */
enum { CONTENT_MARK_MAX = 2 + 16 + 2 };

/* The framing of what is sent. Start with a zeroed one and is_chunked. */
struct content_marks {
	bool is_chunked; /* else nothing is put around content */
	bool has_begun;
};

/*
 * What is to be sent before a piece of len > 0 bytes: its length, 0 being possible. Writes at most
 * CONTENT_MARK_MAX bytes.
 */
size_t content_mark(struct content_marks *marks, uint64_t len, char *out);

/*
 * What completes the pieces so far, for who would wait for it: to be sent where it may be a while
 * until the next one. May be left out, for the next mark makes up for it. Writes at most
 * CONTENT_MARK_MAX bytes.
 */
size_t content_mark_pause(struct content_marks *marks, char *out);

/*
 * What is to be sent behind the last piece. If chunked, trailer lines and CRLF must follow, at once
 * or later.
 */
size_t content_mark_last(struct content_marks *marks, char *out);

#endif
