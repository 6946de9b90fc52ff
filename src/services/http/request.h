/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1 request (RFC 9112): a strict parser that copies nothing. What is found is
 * kept as slices, offsets into the bytes that were given, so that the buffer may move between two
 * calls. It judges syntax and framing; what is served, and whether the method fits, is decided
 * elsewhere.
 */
#ifndef SERVICES_HTTP_REQUEST_H
#define SERVICES_HTTP_REQUEST_H

#include "services/http/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A longer target is answered with 414 (RFC 9112 section 3 asks for 8,000 at least). */
	REQUEST_TARGET_MAX = 8192,
	/* More field lines are answered with 431. Browsers behind proxies send some thirty. */
	REQUEST_FIELDS_MAX = 128
};

enum request_state {
	REQUEST_MORE = 0, /* not complete: call again when more bytes have come */
	REQUEST_DONE = 1, /* complete: head_len bytes, then the content if there is any */
	REQUEST_BAD = 2   /* status and reason say why; the connection cannot go on */
};

enum request_method {
	METHOD_OTHER = 0, /* a valid token that we do not know */
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_CONNECT,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_PATCH
};

enum request_form { FORM_ORIGIN = 0, FORM_ABSOLUTE, FORM_AUTHORITY, FORM_ASTERISK };

/* The fields that somebody looks at. */
enum request_field {
	FIELD_HOST = 0,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_EXPECT,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_ACCEPT_ENCODING,
	FIELD_RANGE,
	FIELD_IF_RANGE,
	FIELD_IF_MATCH,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_REFERER,
	FIELD_USER_AGENT,
	FIELD_OTHER /* all the others; also their number */
};

struct request {
	uint8_t method;  /* enum request_method */
	uint8_t form;    /* enum request_form */
	uint8_t minor;   /* of HTTP/1.x: 0, or 1 for all above */
	bool persistent; /* the client would go on with this connection afterwards */
	bool chunked;    /* content follows in chunks */
	bool expects;    /* the client waits for 100 (Continue) before it sends content */
	uint16_t status; /* REQUEST_BAD: 400, 414, 417, 421, 431, 501 or 505 */
	uint32_t fields; /* where they begin; 0: there is no request line yet, or a bad one */
	uint32_t head_len;
	uint64_t length;     /* of the content when it is not chunked; 0: none */
	struct slice target; /* as sent */
	struct slice path;   /* of the target, as sent; empty: "/" or "*", see form and method */
	struct slice query;  /* with its "?"; empty: none */
	struct slice host;   /* host and port, from an absolute target or from the Host field */
	const char *reason;  /* REQUEST_BAD: static text for the log */

	uint32_t seen, repeated;         /* bits 1 << enum request_field */
	struct slice field[FIELD_OTHER]; /* value of the first such field, valid if seen */

	/* The parser's own: between two calls it stands in the middle of a line. */
	uint8_t phase, blank_lines;
	uint8_t name;   /* enum request_field: of the line whose value has begun */
	uint16_t lines; /* of fields */
	bool wants_close, wants_keep_alive;
	uint32_t at;      /* where the line begins */
	uint32_t scanned; /* where to go on in it */
	uint32_t value;   /* what follows the colon */
};

/* To be called before the first request_parse of each request. */
void request_init(struct request *request);

/*
 * data: all bytes received since the beginning of this request, len of them; the ones of an earlier
 * call again in front. A call goes on where the one before it stopped, so each byte is looked at
 * once however they arrive, and what is found does not depend on how. Does not yield.
 */
enum request_state request_parse(struct request *request, const char *data, size_t len);

/* Nothing arrived yet but the empty lines that may precede a request. */
bool request_is_blank(const struct request *request, size_t len);

/* The head did not fit into the buffer: makes it a bad one, 414 or 431. */
void request_too_large(struct request *request);

static inline bool request_has(const struct request *request, enum request_field field)
{
	return request->seen >> field & 1;
}

/* So there is more of it than request->field has. */
static inline bool request_repeats(const struct request *request, enum request_field field)
{
	return request->repeated >> field & 1;
}

/*
 * The value of the next line with this name behind `value`, of a whole head, with the blanks around
 * it; false: there is none. The parser keeps the first only, and a list may be spread over several
 * lines (RFC 9110 section 5.3).
 */
bool request_next_value(const char *data, const char *name, struct slice *value);

/* "GET", ...; "-" for METHOD_OTHER. */
const char *request_method_name(enum request_method method);

#endif
