/* SPDX-License-Identifier: MIT */
/*
 * The head of what a server or program behind us replies: that of an HTTP/1 server (RFC 9112), or a
 * CGI one (RFC 3875 section 6), which has no status line and may end its lines with LF alone. As
 * strict as request.h, and for the same reason: what two parties read differently is how one
 * client's reply becomes another's. It decides where the content ends; nothing is copied. Who asks,
 * and what is passed on, is decided elsewhere.
 */
#ifndef SERVICES_HTTP_GATEWAY_REPLY_H
#define SERVICES_HTTP_GATEWAY_REPLY_H

#include "services/http/gateway/content.h"
#include "services/http/request.h"
#include "services/http/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More field lines are refused. */
enum { REPLY_FIELDS_MAX = 128 };

enum reply_kind {
	REPLY_HTTP = 0,
	REPLY_CGI /* FastCGI and SCGI too */
};

enum reply_state {
	REPLY_MORE = 0, /* not complete: call again when more bytes have come */
	REPLY_DONE = 1, /* complete: head_len bytes, then the content if there is any */
	REPLY_BAD = 2   /* error says why; whoever sent it is not to be listened to any more */
};

/* The fields that somebody looks at. */
enum reply_field {
	REPLY_STATUS = 0, /* CGI only: elsewhere it is a field as any */
	REPLY_LOCATION,
	REPLY_CONTENT_TYPE,
	REPLY_CONTENT_LENGTH,
	REPLY_TRANSFER_ENCODING,
	REPLY_CONNECTION,
	REPLY_UPGRADE,
	REPLY_DATE,
	REPLY_SERVER,
	REPLY_OTHER /* all the others; also their number */
};

struct reply {
	uint8_t kind;     /* enum reply_kind */
	uint8_t method;   /* enum request_method: of what is replied to */
	bool may_upgrade; /* that asked for another protocol */
	uint8_t minor;    /* of HTTP/1.x: 0, or 1 for all above and for CGI */
	uint8_t framing;  /* enum content_framing: REPLY_DONE */
	bool persistent;  /* the server would go on with this connection afterwards */
	bool is_local;    /* CGI: what is to be served is at Location (RFC 3875 section 6.2.2) */
	uint16_t status;  /* 100 to 599; below 200: another head follows, but for 101 */
	uint32_t fields;  /* where they begin; 0, but for CGI: no status line yet */
	uint32_t head_len;
	uint64_t length;     /* Content-Length, or 0; of the content if framing is CONTENT_LENGTH */
	struct slice phrase; /* the reason phrase; empty: none */
	const char *error;   /* REPLY_BAD: static text for the log */

	uint32_t seen, repeated;         /* bits 1 << enum reply_field */
	struct slice field[REPLY_OTHER]; /* value of the first such field, valid if seen */

	/* The parser's own: between two calls it stands in the middle of a line. */
	uint8_t phase;
	uint8_t name;     /* enum reply_field: of the line whose value has begun */
	uint8_t options;  /* of Connection */
	uint16_t lines;   /* of fields */
	uint32_t at;      /* where the line begins */
	uint32_t scanned; /* where to go on in it */
	uint32_t value;   /* what follows the colon */
};

/*
 * To be called before the first reply_parse of each head. method: of the request; may_upgrade: it
 * went there with an Upgrade field, else 101 is a fault.
 */
void reply_init(struct reply *reply, enum reply_kind kind, enum request_method method,
		bool may_upgrade);

/*
 * data: all bytes received since the beginning of this head, len of them (less than 4 GiB); the
 * ones of an earlier call again in front. A call goes on where the one before it stopped, so each
 * byte is looked at once however they arrive, and what is found does not depend on how. Does not
 * yield.
 */
enum reply_state reply_parse(struct reply *reply, const char *data, size_t len);

/* The head did not fit into the buffer: makes it a bad one. */
void reply_too_large(struct reply *reply);

static inline bool reply_has(const struct reply *reply, enum reply_field field)
{
	return reply->seen >> field & 1;
}

/* So there is more of it than reply->field has. */
static inline bool reply_repeats(const struct reply *reply, enum reply_field field)
{
	return reply->repeated >> field & 1;
}

#endif
