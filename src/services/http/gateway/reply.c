/* SPDX-License-Identifier: MIT */
/*
 * The parser of replies. It goes through the bytes once, part by part; where the bytes end it
 * remembers the part and the place, and goes on there.
 *
 * What RFC 9112 lets a recipient repair is refused, as in request.c. Two things are not, because
 * nobody can read them in two ways and servers do them: a status line that ends behind the status,
 * and Content-Length: 0 where there is no content anyway (204).
 */
#include "services/http/gateway/reply.h"

#include "services/http/field.h"
#include "services/http/octet.h"

#include <string.h>

/* What the next byte belongs to. */
enum phase {
	PHASE_VERSION = 0, /* and the status */
	PHASE_PHRASE,
	PHASE_NAME, /* of a field, or the empty line that ends the head */
	PHASE_VALUE
};

enum { STATUS_DIGITS = 3 };

#define TRY(text, field) (octets_match(name, text, sizeof(text) - 1) ? (field) : REPLY_OTHER)

/* As in request.c: the length and, where two share it, one letter leave one candidate. */
static enum reply_field field_find(const char *name, size_t len)
{
	switch (len) {
	case 4:
		return TRY("date", REPLY_DATE);
	case 6:
		if ((name[1] | 0x20) == 't')
			return TRY("status", REPLY_STATUS);
		return TRY("server", REPLY_SERVER);
	case 7:
		return TRY("upgrade", REPLY_UPGRADE);
	case 8:
		return TRY("location", REPLY_LOCATION);
	case 10:
		return TRY("connection", REPLY_CONNECTION);
	case 12:
		return TRY("content-type", REPLY_CONTENT_TYPE);
	case 14:
		return TRY("content-length", REPLY_CONTENT_LENGTH);
	case 17:
		return TRY("transfer-encoding", REPLY_TRANSFER_ENCODING);
	default:
		return REPLY_OTHER;
	}
}

#undef TRY

void reply_init(struct reply *reply, enum reply_kind kind, enum request_method method,
		bool may_upgrade)
{
	memset(reply, 0, sizeof *reply);
	reply->kind = (uint8_t)kind;
	reply->method = (uint8_t)method;
	reply->may_upgrade = may_upgrade;
	if (kind == REPLY_CGI) {
		reply->phase = PHASE_NAME;
		reply->minor = 1;
		reply->status = 200;
	}
}

static enum reply_state bad(struct reply *reply, const char *error)
{
	reply->error = error;
	return REPLY_BAD;
}

static enum reply_state bad_byte(struct reply *reply, char byte, const char *otherwise)
{
	return bad(reply, octet_fault(byte, otherwise));
}

/* The bytes end at p, where the next call goes on. */
static enum reply_state more(struct reply *reply, const char *data, const char *p)
{
	reply->scanned = (uint32_t)(p - data);
	return REPLY_MORE;
}

static int status_of(const char *p)
{
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

/* Nobody knows what the others mean (RFC 9110 section 15). */
static bool is_status(int status)
{
	return status >= 100 && status <= 599;
}

/* "HTTP/1.1 200": 12 bytes, read again from their first one if they do not come at once. */
static enum reply_state parse_version(struct reply *reply, const char *data, const char *end)
{
	static const char shape[] = "HTTP/0.0 000";
	const char *p = data;
	int status;

	for (int i = 0; shape[i]; i++) {
		if (p + i == end)
			return REPLY_MORE;
		if (shape[i] == '0' ? !octet_is(p[i], OCTET_DIGIT) : p[i] != shape[i])
			return bad_byte(reply, p[i],
					i < 8 ? "no HTTP status line" : "invalid HTTP status");
	}
	if (p[5] != '1')
		return bad(reply, "HTTP version is not 1");
	status = status_of(p + 9);
	if (!is_status(status))
		return bad(reply, "HTTP status is out of range");
	reply->minor = p[7] == '0' ? 0 : 1;
	reply->status = (uint16_t)status;
	reply->scanned = sizeof shape - 1;
	reply->phase = PHASE_PHRASE;
	return REPLY_DONE;
}

/* From the byte behind the status to the end of the line (RFC 9112 section 4). */
static enum reply_state parse_phrase(struct reply *reply, const char *data, const char *end)
{
	const char *start = data + 12, *p = data + reply->scanned;

	if (p < end && p == start && *p != ' ' && *p != '\r')
		return bad_byte(reply, *p, "invalid HTTP status");
	p = octets_skip_value(p, end);
	if (end - p < 2 && (p == end || *p == '\r'))
		return more(reply, data, p);
	if (*p != '\r' || p[1] != '\n')
		return bad_byte(reply, *p, "control byte in the reason phrase");
	if (p > start)
		reply->phrase = slice_of(data, start + 1, p);
	reply->fields = reply->at = reply->scanned = (uint32_t)(p + 2 - data);
	reply->phase = PHASE_NAME;
	return REPLY_DONE;
}

/* Status = 3DIGIT [ SP phrase ] (RFC 3875 section 6.3.3). */
static enum reply_state set_status(struct reply *reply, const char *data, const char *p,
				   const char *end)
{
	int status;

	if (octets_skip(p, end, OCTET_DIGIT) - p != STATUS_DIGITS)
		return bad(reply, "Status does not begin with three digits");
	status = status_of(p);
	p += STATUS_DIGITS;
	if (p < end && *p != ' ')
		return bad(reply, "Status does not begin with three digits");
	/* A program replies once: there is nothing interim about it. */
	if (!is_status(status) || status < 200)
		return bad(reply, "Status is out of range");
	reply->status = (uint16_t)status;
	reply->phrase = slice_of(data, octets_skip_blanks(p, end), end);
	return REPLY_DONE;
}

/* Takes the value of one line, without the blanks around it. */
static enum reply_state set_field(struct reply *reply, enum reply_field field, const char *data,
				  const char *from, const char *to)
{
	bool repeated = reply_has(reply, field), is_unknown;
	const char *error = NULL;

	if (repeated)
		reply->repeated |= 1U << field;
	else
		reply->field[field] = slice_of(data, from, to);
	reply->seen |= 1U << field;
	switch (field) {
	case REPLY_STATUS:
		return reply->kind == REPLY_CGI && !repeated ? set_status(reply, data, from, to)
							     : REPLY_DONE;
	case REPLY_CONTENT_LENGTH:
		error = repeated ? "more than one Content-Length"
				 : field_length(from, to, &reply->length);
		break;
	case REPLY_TRANSFER_ENCODING:
		error = repeated ? "more than one Transfer-Encoding"
				 : field_coding(from, to, &is_unknown);
		break;
	case REPLY_CONNECTION:
		reply->options |= (uint8_t)field_connection(from, to);
		break;
	default:
		break;
	}
	return error ? bad(reply, error) : REPLY_DONE;
}

/* 101 makes the connection one of another protocol (RFC 9110 sections 7.8 and 15.2.2). */
static const char *judge_switch(struct reply *reply)
{
	if (!reply->may_upgrade)
		return "status 101 that nobody asked for";
	if (!reply_has(reply, REPLY_UPGRADE) || !(reply->options & CONNECTION_UPGRADE))
		return "status 101 without Upgrade";
	reply->framing = CONTENT_TUNNEL;
	return NULL;
}

/* No content, so the status says (RFC 9112 section 6.3, the first and the second case). */
static const char *judge_bodiless(struct reply *reply, bool is_tunnel)
{
	/* RFC 9112 section 6.1, RFC 9110 section 8.6. */
	if (reply_has(reply, REPLY_TRANSFER_ENCODING))
		return "Transfer-Encoding where there is no content";
	if (reply->length > 0)
		return "Content-Length where there is no content";
	if (reply->status == 101)
		return judge_switch(reply);
	reply->framing = is_tunnel ? CONTENT_TUNNEL : CONTENT_NONE;
	return NULL;
}

/* RFC 9112 section 6.3, in its order. */
static const char *judge_framing(struct reply *reply)
{
	bool is_tunnel = reply->method == METHOD_CONNECT && reply->status / 100 == 2;

	if (reply_has(reply, REPLY_TRANSFER_ENCODING)) {
		if (!reply->minor)
			return "Transfer-Encoding in HTTP/1.0";
		if (reply_has(reply, REPLY_CONTENT_LENGTH))
			return "Content-Length and Transfer-Encoding";
	}
	if (reply->status < 200 || reply->status == 204 || is_tunnel)
		return judge_bodiless(reply, is_tunnel);
	/* Here the fields say what there would be. */
	if (reply->method == METHOD_HEAD || reply->status == 304)
		reply->framing = CONTENT_NONE;
	else if (reply_has(reply, REPLY_TRANSFER_ENCODING))
		reply->framing = CONTENT_CHUNKED;
	else if (reply_has(reply, REPLY_CONTENT_LENGTH))
		reply->framing = CONTENT_LENGTH;
	else
		reply->framing = CONTENT_UNTIL_END;
	return NULL;
}

/*
 * Beside Location stands what would be lost if another reply were given: a cookie, say. A program
 * must not do that where its redirect is a local one (RFC 3875 section 6.2.2), so it is none.
 */
static bool says_more(const struct reply *reply)
{
	return reply->lines !=
	       1 + reply_has(reply, REPLY_CONTENT_TYPE) + reply_has(reply, REPLY_CONTENT_LENGTH);
}

/* RFC 3875 sections 6.2 and 6.3. */
static const char *judge_cgi(struct reply *reply, const char *data)
{
	const uint32_t fields =
		1U << REPLY_STATUS | 1U << REPLY_LOCATION | 1U << REPLY_CONTENT_TYPE;
	struct slice location = reply->field[REPLY_LOCATION];
	const char *p = data + location.at, *end = p + location.len;
	bool is_path;

	if (!(reply->seen & fields))
		return "no Content-Type, Location or Status";
	if (reply->repeated & fields)
		return "more than one Content-Type, Location or Status";
	if (reply_has(reply, REPLY_TRANSFER_ENCODING))
		return "Transfer-Encoding of a program";
	if (!reply_has(reply, REPLY_LOCATION))
		return NULL;
	if (p == end)
		return "empty Location";
	if (reply_has(reply, REPLY_STATUS))
		return NULL;
	/* "//host/" is a reference to another host, and the client's to follow. */
	is_path = *p == '/' && (end - p == 1 || p[1] != '/');
	if (is_path && octets_skip(p, end, OCTET_TARGET) != end)
		return "Location is no path";
	reply->is_local = is_path && !says_more(reply);
	if (!reply->is_local)
		reply->status = 302;
	return NULL;
}

/* The empty line ends at p. What only the whole head shows. */
static enum reply_state finish(struct reply *reply, const char *data, const char *p)
{
	const char *error = NULL;

	reply->head_len = (uint32_t)(p - data);
	if (reply->kind == REPLY_CGI)
		error = judge_cgi(reply, data);
	else if (reply->status < 200 && !reply->minor)
		error = "interim status in HTTP/1.0"; /* RFC 9110 section 15.2 */
	if (!error)
		error = judge_framing(reply);
	if (error)
		return bad(reply, error);
	/* RFC 9112 section 9.3. */
	reply->persistent = reply->kind == REPLY_HTTP && reply->framing < CONTENT_UNTIL_END &&
			    !(reply->options & CONNECTION_CLOSE) &&
			    (reply->minor || reply->options & CONNECTION_KEEP_ALIVE);
	return REPLY_DONE;
}

/*
 * The end of a line at p < end: behind it; p: the bytes end too early to know; NULL: none. Of a
 * program's lines each may end in either way.
 */
static inline const char *line_end(const struct reply *reply, const char *p, const char *end)
{
	if (*p == '\n' && reply->kind == REPLY_CGI)
		return p + 1;
	if (*p != '\r')
		return NULL;
	if (p + 1 == end)
		return p;
	return p[1] == '\n' ? p + 2 : NULL;
}

/* At a byte that is no part of a name, and no colon behind one. */
static enum reply_state parse_end(struct reply *reply, const char *data, const char *p,
				  const char *end)
{
	const char *start = data + reply->at, *next = p == start ? line_end(reply, p, end) : NULL;

	if (next == p)
		return more(reply, data, p);
	if (next)
		return finish(reply, data, next);
	if (*p == ':')
		return bad(reply, "empty field name");
	if (p > start && (*p == '\r' || *p == '\n'))
		return bad(reply, "line without a colon");
	if (!octet_is_blank(*p))
		return bad_byte(reply, *p, "invalid field name");
	if (p > start)
		return bad(reply, "blank before the colon");
	return bad(reply, reply->lines ? "folded line" : "blank before the first field");
}

/* From p, which stands in the value, to the next line. */
static enum reply_state parse_value(struct reply *reply, const char *data, const char *p,
				    const char *end)
{
	const char *value = data + reply->value, *next;
	enum reply_field field = (enum reply_field)reply->name;

	p = octets_skip_value(p, end);
	if (p == end)
		return more(reply, data, p);
	next = line_end(reply, p, end);
	if (next == p)
		return more(reply, data, p);
	if (!next)
		return bad_byte(reply, *p, "control byte in a field value");
	if (++reply->lines > REPLY_FIELDS_MAX)
		return bad(reply, "too many fields");
	reply->phase = PHASE_NAME;
	reply->at = reply->scanned = (uint32_t)(next - data);
	if (field == REPLY_OTHER)
		return REPLY_DONE;
	value = octets_skip_blanks(value, p);
	while (p > value && octet_is_blank(p[-1]))
		p--;
	return set_field(reply, field, data, value, p);
}

/* One line, or what there is of it; REPLY_DONE: head_len is set, or it is a field. */
static enum reply_state parse_line(struct reply *reply, const char *data, const char *end)
{
	const char *p = data + reply->scanned, *start = data + reply->at;

	if (reply->phase == PHASE_NAME) {
		p = octets_skip(p, end, OCTET_TOKEN);
		if (p == end)
			return more(reply, data, p);
		if (*p != ':' || p == start)
			return parse_end(reply, data, p, end);
		reply->name = (uint8_t)field_find(start, (size_t)(p - start));
		reply->phase = PHASE_VALUE;
		reply->value = (uint32_t)(++p - data);
	}
	return parse_value(reply, data, p, end);
}

enum reply_state reply_parse(struct reply *reply, const char *data, size_t len)
{
	enum reply_state state = REPLY_DONE;
	const char *end = data + len;

	if (reply->phase == PHASE_VERSION)
		state = parse_version(reply, data, end);
	if (state == REPLY_DONE && reply->phase == PHASE_PHRASE)
		state = parse_phrase(reply, data, end);
	while (state == REPLY_DONE && !reply->head_len)
		state = parse_line(reply, data, end);
	return state;
}

void reply_too_large(struct reply *reply)
{
	reply->error = "head is larger than the buffer";
}
