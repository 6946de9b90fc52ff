/* SPDX-License-Identifier: MIT */
/* Values of fields; see field.h. */
#include "services/http/field.h"

#include "services/http/host.h"
#include "services/http/octet.h"

const char *field_length(const char *p, const char *end, uint64_t *length_r)
{
	uint64_t length = 0;

	if (p == end)
		return "empty Content-Length";
	for (; p < end; p++) {
		if (!octet_is(*p, OCTET_DIGIT))
			return "Content-Length is no number";
		if (__builtin_mul_overflow(length, 10, &length) ||
		    __builtin_add_overflow(length, (uint64_t)(*p - '0'), &length))
			return "Content-Length is out of range";
	}
	*length_r = length;
	return NULL;
}

/*
 * Where chunked is the last of several, the others are what is unknown. Empty elements are not
 * passed over as elsewhere: a party in front that takes the whole value for one word would see
 * other content than we do.
 */
const char *field_coding(const char *p, const char *end, bool *is_unknown_r)
{
	const char *from = p, *to = p;
	int codings = 0, chunked = 0;

	*is_unknown_r = false;
	if (octets_are(p, end, "chunked"))
		return NULL;
	for (; octets_next(&p, end, &from, &to); codings++)
		chunked += octets_are(from, to, "chunked");
	if (to != end || !octets_are(from, to, "chunked"))
		return "the last transfer coding is not chunked";
	if (chunked > 1)
		return "chunked more than once";
	if (codings == 1)
		return "empty element before chunked";
	*is_unknown_r = true;
	return "unknown transfer coding";
}

unsigned field_connection(const char *p, const char *end)
{
	const char *from, *to;
	unsigned options = 0;

	while (octets_next(&p, end, &from, &to)) {
		if (octets_are(from, to, "close"))
			options |= CONNECTION_CLOSE;
		else if (octets_are(from, to, "keep-alive"))
			options |= CONNECTION_KEEP_ALIVE;
		else if (octets_are(from, to, "upgrade"))
			options |= CONNECTION_UPGRADE;
	}
	return options;
}

static enum request_state set_length(struct request *request, const char *from, const char *to)
{
	const char *reason = field_length(from, to, &request->length);

	return reason ? request_bad(request, 400, reason) : REQUEST_DONE;
}

static enum request_state set_coding(struct request *request, const char *from, const char *to)
{
	bool is_unknown;
	const char *reason = field_coding(from, to, &is_unknown);

	if (reason)
		return request_bad(request, is_unknown ? 501 : 400, reason);
	request->chunked = true;
	return REQUEST_DONE;
}

/* RFC 9110 section 10.1.1. */
static enum request_state set_expectation(struct request *request, const char *p, const char *end)
{
	const char *from, *to;

	while (octets_next(&p, end, &from, &to)) {
		if (!octets_are(from, to, "100-continue"))
			return request_bad(request, 417, "unknown expectation");
		request->expects = true;
	}
	return REQUEST_DONE;
}

static void set_connection(struct request *request, const char *from, const char *to)
{
	unsigned options = field_connection(from, to);

	request->wants_close |= (options & CONNECTION_CLOSE) != 0;
	request->wants_keep_alive |= (options & CONNECTION_KEEP_ALIVE) != 0;
}

enum request_state field_set(struct request *request, enum request_field field, const char *data,
			     const char *from, const char *to)
{
	uint32_t bit = 1U << field;
	bool repeated = request->seen & bit;

	if (repeated)
		request->repeated |= bit;
	else
		request->field[field] = slice_of(data, from, to);
	request->seen |= bit;
	switch (field) {
	case FIELD_HOST:
		if (repeated)
			return request_bad(request, 400, "more than one Host");
		if (from < to && !host_is_valid(from, to, false))
			return request_bad(request, 400, "invalid Host");
		break;
	case FIELD_CONTENT_LENGTH:
		if (repeated)
			return request_bad(request, 400, "more than one Content-Length");
		return set_length(request, from, to);
	case FIELD_TRANSFER_ENCODING:
		if (repeated)
			return request_bad(request, 400, "more than one Transfer-Encoding");
		return set_coding(request, from, to);
	case FIELD_CONNECTION:
		set_connection(request, from, to);
		break;
	case FIELD_EXPECT:
		return set_expectation(request, from, to);
	default:
		break;
	}
	return REQUEST_DONE;
}
