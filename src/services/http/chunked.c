/* SPDX-License-Identifier: MIT */
/* The chunked coding; see chunked.h. */
#include "services/http/chunked.h"

#include "services/http/octet.h"

#include <stdbool.h>

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
	bool is_too_large;

	chunked->digits = 0;
	if (!chunked->left)
		return CHUNKED_TRAILER;
	is_too_large = chunked->left > chunked->limit - chunked->total;
	chunked->total += chunked->left;
	return is_too_large ? CHUNKED_TOO_LARGE : CHUNKED_DATA;
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
	default: /* CHUNKED_END_LF; chunked_next asks about no other */
		return expect(byte, '\n', CHUNKED_DONE);
	}
}

static bool is_overhead(enum chunked_state state)
{
	return (state >= CHUNKED_BLANK && state <= CHUNKED_ESCAPED) || state >= CHUNKED_TRAILER;
}

/* Of the content: how much. */
static size_t take_data(struct chunked *chunked, size_t len)
{
	if (len > chunked->left)
		len = (size_t)chunked->left;
	chunked->left -= len;
	if (!chunked->left)
		chunked->state = CHUNKED_DATA_CR;
	return len;
}

size_t chunked_next(struct chunked *chunked, const char *data, size_t len, size_t *content_r)
{
	size_t at = 0;

	*content_r = 0;
	while (at < len && chunked->state < CHUNKED_DONE) {
		bool is_size_end = chunked->state == CHUNKED_SIZE_LF;

		if (chunked->state == CHUNKED_DATA) {
			*content_r = take_data(chunked, len - at);
			return at + *content_r;
		}
		if (is_overhead(chunked->state) && ++chunked->overhead > OVERHEAD_MAX) {
			chunked->state = CHUNKED_TOO_LARGE;
			break;
		}
		chunked->state = step(chunked, data[at++]);
		if (is_size_end && chunked->state == CHUNKED_TRAILER)
			break;
	}
	return at;
}

size_t chunked_feed(struct chunked *chunked, const char *data, size_t len)
{
	size_t at = 0, content;

	while (at < len && chunked->state < CHUNKED_DONE)
		at += chunked_next(chunked, data + at, len - at, &content);
	return at;
}
