/* SPDX-License-Identifier: MIT */
/*
 * The records of FastCGI (specification 1.0, section 3.3): those of a request are written, those of
 * a reply are taken apart as they come, in pieces of any size and without a copy. One request at a
 * time is on a connection, with the number FASTCGI_ID. Pure; what STDOUT says is reply.h's, the
 * names and values of parameters are params.h's.
 */
#ifndef SERVICES_HTTP_GATEWAY_FASTCGI_RECORD_H
#define SERVICES_HTTP_GATEWAY_FASTCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FASTCGI_ID = 1,
	FASTCGI_HEADER = 8, /* bytes before the content of a record */
	FASTCGI_CONTENT_MAX = 65535,
	FASTCGI_BEGIN = 16,      /* bytes of the record that begins a request */
	FASTCGI_PARAMS_ROOM = 16 /* bytes around the pairs: two headers */
};

/* Section 8. */
enum fastcgi_type {
	FASTCGI_BEGIN_REQUEST = 1,
	FASTCGI_ABORT_REQUEST = 2,
	FASTCGI_END_REQUEST = 3,
	FASTCGI_PARAMS = 4,
	FASTCGI_STDIN = 5,
	FASTCGI_STDOUT = 6,
	FASTCGI_STDERR = 7
};

/*
 * Writes FASTCGI_HEADER bytes that stand before len bytes of content. STDIN: one before each piece,
 * at most FASTCGI_CONTENT_MAX; one with 0 is its end. There is no padding.
 */
void fastcgi_header(char *out, enum fastcgi_type type, size_t len);

/* Writes FASTCGI_BEGIN bytes: a request to a responder. keep: the connection stays afterwards. */
void fastcgi_begin(char *out, bool keep);

/* All parameters of a request, in one record and the empty one that ends them. */
struct fastcgi_params {
	char *out;
	size_t size, len;
	bool is_full; /* a pair was left out: what is there is not to be sent */
};

/* out: borrowed, size bytes, FASTCGI_PARAMS_ROOM at least. */
void fastcgi_params_init(struct fastcgi_params *params, char *out, size_t size);

/* Adds a pair (section 3.4). */
void fastcgi_params_add(struct fastcgi_params *params, const char *name, size_t name_len,
			const char *value, size_t value_len);

/* Completes the records: how many bytes are to be sent; 0: not all has found room. */
size_t fastcgi_params_finish(struct fastcgi_params *params);

enum fastcgi_state {
	FASTCGI_MORE = 0, /* more bytes are needed; the end of the stream is a fault */
	FASTCGI_DONE,     /* the request has ended; app_status and protocol_status say how */
	FASTCGI_BAD       /* error says why; the connection cannot go on */
};

/* Section 5.5. */
enum fastcgi_protocol_status {
	FASTCGI_REQUEST_COMPLETE = 0,
	FASTCGI_CANT_MPX_CONN = 1,
	FASTCGI_OVERLOADED = 2,
	FASTCGI_UNKNOWN_ROLE = 3
};

/* The records of one reply. Start with a zeroed one for each. */
struct fastcgi_reader {
	uint8_t state;           /* enum fastcgi_state */
	uint8_t protocol_status; /* enum fastcgi_protocol_status: FASTCGI_DONE */
	bool stdout_ended, stderr_ended;
	uint32_t app_status; /* FASTCGI_DONE: the program's exit status */
	const char *error;   /* FASTCGI_BAD: static text for the log */

	/* The reader's own. */
	uint8_t type;    /* of the record it is in */
	uint8_t have;    /* bytes of `bytes`: of a header, or of what END_REQUEST says */
	uint8_t padding; /* still to come behind the record */
	bool in_record;  /* its header has been read */
	uint16_t left;   /* of its content */
	char bytes[8];
};

/* Of which stream a piece is. */
enum fastcgi_stream { FASTCGI_STREAM_NONE = 0, FASTCGI_STREAM_OUT, FASTCGI_STREAM_ERR };

/*
 * Takes bytes off the connection, up to the end of one run of what the program writes: how many. Of
 * these the last *piece_r are content, of *stream_r; they stay where they are. At least one is
 * taken if there are any and the state is FASTCGI_MORE; none behind the end of the request.
 */
size_t fastcgi_take(struct fastcgi_reader *reader, const char *data, size_t len, size_t *piece_r,
		    enum fastcgi_stream *stream_r);

#endif
