/* SPDX-License-Identifier: MIT */
/* Content that is dropped; see body.h. */
#include "services/http/body.h"

#include "services/http/octet.h"

#include "musterd/module.h"

#include <errno.h>

enum { OVERHEAD_MAX = 8192, SIZE_DIGITS_MAX = 15 };

static bool is_control(char byte)
{
	return !octet_is(byte, OCTET_VALUE);
}

static enum chunked_state after_size(const struct chunked *chunked, char byte)
{
	if (!chunked->digits)
		return CHUNKED_BAD;
	if (byte == '\r')
		return CHUNKED_SIZE_LF;
	if (byte == ';')
		return CHUNKED_EXTENSION;
	return octet_is_blank(byte) ? CHUNKED_BLANK : CHUNKED_BAD;
}

static enum chunked_state in_size(struct chunked *chunked, char byte)
{
	int value = octet_hex(byte);

	if (value < 0)
		return after_size(chunked, byte);
	if (++chunked->digits > SIZE_DIGITS_MAX)
		return CHUNKED_BAD;
	chunked->left = chunked->left << 4 | (unsigned)value;
	return CHUNKED_SIZE;
}

/* Behind the ";": nobody reads what stands there, but where it ends must be beyond doubt. */
static enum chunked_state in_extension(char byte)
{
	if (byte == '\r')
		return CHUNKED_SIZE_LF;
	if (byte == '"')
		return CHUNKED_QUOTED;
	return octet_is(byte, OCTET_TOKEN) || octet_is_blank(byte) || byte == ';' || byte == '='
		       ? CHUNKED_EXTENSION
		       : CHUNKED_BAD;
}

static enum chunked_state in_quoted(char byte)
{
	if (byte == '"')
		return CHUNKED_EXTENSION;
	if (byte == '\\')
		return CHUNKED_ESCAPED;
	return is_control(byte) ? CHUNKED_BAD : CHUNKED_QUOTED;
}

static enum chunked_state size_end(struct chunked *chunked)
{
	chunked->digits = 0;
	if (!chunked->left)
		return CHUNKED_TRAILER;
	chunked->total += chunked->left;
	return body_is_too_large(chunked->total) ? CHUNKED_TOO_LARGE : CHUNKED_DATA;
}

static enum chunked_state expect(char byte, char wanted, enum chunked_state next)
{
	return byte == wanted ? next : CHUNKED_BAD;
}

/* Anything but data bytes, one at a time. */
static enum chunked_state step(struct chunked *chunked, char byte)
{
	switch (chunked->state) {
	case CHUNKED_SIZE:
		return in_size(chunked, byte);
	case CHUNKED_BLANK:
		if (byte == ';')
			return CHUNKED_EXTENSION;
		return octet_is_blank(byte) ? CHUNKED_BLANK : CHUNKED_BAD;
	case CHUNKED_EXTENSION:
		return in_extension(byte);
	case CHUNKED_QUOTED:
		return in_quoted(byte);
	case CHUNKED_ESCAPED:
		return is_control(byte) ? CHUNKED_BAD : CHUNKED_QUOTED;
	case CHUNKED_SIZE_LF:
		return byte == '\n' ? size_end(chunked) : CHUNKED_BAD;
	case CHUNKED_DATA_CR:
		return expect(byte, '\r', CHUNKED_DATA_LF);
	case CHUNKED_DATA_LF:
		return expect(byte, '\n', CHUNKED_SIZE);
	case CHUNKED_TRAILER:
		if (byte == '\r')
			return CHUNKED_END_LF;
		return octet_is(byte, OCTET_TOKEN) ? CHUNKED_TRAILER_NAME : CHUNKED_BAD;
	case CHUNKED_TRAILER_NAME:
		if (byte == ':')
			return CHUNKED_TRAILER_VALUE;
		return octet_is(byte, OCTET_TOKEN) ? CHUNKED_TRAILER_NAME : CHUNKED_BAD;
	case CHUNKED_TRAILER_VALUE:
		if (byte == '\r')
			return CHUNKED_TRAILER_LF;
		return is_control(byte) ? CHUNKED_BAD : CHUNKED_TRAILER_VALUE;
	case CHUNKED_TRAILER_LF:
		return expect(byte, '\n', CHUNKED_TRAILER);
	default: /* CHUNKED_END_LF; chunked_feed asks about no other */
		return expect(byte, '\n', CHUNKED_DONE);
	}
}

static bool is_overhead(enum chunked_state state)
{
	return (state >= CHUNKED_BLANK && state <= CHUNKED_ESCAPED) || state >= CHUNKED_TRAILER;
}

size_t chunked_feed(struct chunked *chunked, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && chunked->state < CHUNKED_DONE) {
		if (chunked->state == CHUNKED_DATA) {
			size_t n = len - at;

			if (n > chunked->left)
				n = (size_t)chunked->left;
			at += n;
			chunked->left -= n;
			if (!chunked->left)
				chunked->state = CHUNKED_DATA_CR;
			continue;
		}
		if (is_overhead(chunked->state) && ++chunked->overhead > OVERHEAD_MAX) {
			chunked->state = CHUNKED_TOO_LARGE;
			break;
		}
		chunked->state = step(chunked, data[at++]);
	}
	return at;
}

/* Takes what is buffered: true when the content is complete or *status_r is set. */
static bool take(struct mu_conn *conn, struct chunked *chunked, uint64_t *left, int *status_r)
{
	const char *data;
	size_t len = mu_buffered(conn, &data);

	if (!chunked) {
		if (len > *left)
			len = (size_t)*left;
		*left -= len;
		mu_consume(conn, len);
		return !*left;
	}
	mu_consume(conn, chunked_feed(chunked, data, len));
	if (chunked->state == CHUNKED_BAD)
		*status_r = 400;
	if (chunked->state == CHUNKED_TOO_LARGE)
		*status_r = 413;
	return chunked->state >= CHUNKED_DONE;
}

int body_discard(struct mu_conn *conn, bool is_chunked, uint64_t length)
{
	struct chunked chunked = { 0 };
	int status = 0;

	while (!take(conn, is_chunked ? &chunked : NULL, &length, &status)) {
		ssize_t n = mu_fill(conn);

		if (n == 0)
			return 400;
		if (n < 0)
			return errno == ETIMEDOUT ? 408 : -1;
	}
	return status;
}
