/* SPDX-License-Identifier: MIT */
/*
 * The request parser. It goes through the bytes once with a table of byte classes, part by part;
 * where the bytes end it remembers the part and the place, and goes on there.
 *
 * Whatever RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around the parts of the
 * request line, a list where one value is wanted) is refused: two parties that repair differently
 * are how requests are smuggled.
 */
#include "services/http/request.h"

#include "services/http/field.h"
#include "services/http/host.h"
#include "services/http/octet.h"

#include <string.h>
#include <strings.h>

/* What the next byte belongs to. */
enum phase {
	PHASE_BLANK = 0, /* the beginning: perhaps of an empty line */
	PHASE_METHOD,
	PHASE_PATH,
	PHASE_QUERY,
	PHASE_VERSION,
	PHASE_NAME, /* of a field, or the empty line that ends the head */
	PHASE_VALUE
};

enum {
	BLANK_LINES_MAX = 4,
	METHOD_MAX = 32,     /* longer than any that is registered */
	TLS_HANDSHAKE = 0x16 /* the first byte of a TLS connection, RFC 8446 section 5.1 */
};

#define TRY(text, field) (octets_match(name, text, sizeof(text) - 1) ? (field) : FIELD_OTHER)

/* A perfect hash: the length and, where two share it, one letter leave one candidate. */
static inline enum request_field field_find(const char *name, size_t len)
{
	switch (len) {
	case 4:
		return TRY("host", FIELD_HOST);
	case 5:
		return TRY("range", FIELD_RANGE);
	case 6:
		return TRY("expect", FIELD_EXPECT);
	case 7:
		return TRY("referer", FIELD_REFERER);
	case 8:
		if ((name[3] | 0x20) == 'r')
			return TRY("if-range", FIELD_IF_RANGE);
		return TRY("if-match", FIELD_IF_MATCH);
	case 10:
		if ((name[0] | 0x20) == 'u')
			return TRY("user-agent", FIELD_USER_AGENT);
		return TRY("connection", FIELD_CONNECTION);
	case 13:
		return TRY("if-none-match", FIELD_IF_NONE_MATCH);
	case 14:
		return TRY("content-length", FIELD_CONTENT_LENGTH);
	case 15:
		return TRY("accept-encoding", FIELD_ACCEPT_ENCODING);
	case 17:
		if ((name[0] | 0x20) == 'i')
			return TRY("if-modified-since", FIELD_IF_MODIFIED_SINCE);
		return TRY("transfer-encoding", FIELD_TRANSFER_ENCODING);
	case 19:
		return TRY("if-unmodified-since", FIELD_IF_UNMODIFIED_SINCE);
	default:
		return FIELD_OTHER;
	}
}

#undef TRY

static const char *const method_name[] = {
	[METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",         [METHOD_DELETE] = "DELETE", [METHOD_CONNECT] = "CONNECT",
	[METHOD_OPTIONS] = "OPTIONS", [METHOD_TRACE] = "TRACE",   [METHOD_PATCH] = "PATCH",
	[METHOD_OTHER] = "-",
};

const char *request_method_name(enum request_method method)
{
	return method_name[method];
}

static enum request_method method_find(const char *name, size_t len)
{
	if (len == 3 && !memcmp(name, "GET", 3))
		return METHOD_GET;
	for (enum request_method method = METHOD_HEAD; method <= METHOD_PATCH; method++)
		if (strlen(method_name[method]) == len && !memcmp(method_name[method], name, len))
			return method;
	return METHOD_OTHER;
}

void request_init(struct request *request)
{
	memset(request, 0, offsetof(struct request, field));
	memset(&request->phase, 0, sizeof *request - offsetof(struct request, phase));
}

/* The byte at which a line stopped making sense. */
static enum request_state bad_byte(struct request *request, char byte, const char *otherwise)
{
	return request_bad(request, 400, octet_fault(byte, otherwise));
}

/* http://host:port/path, path_end being where the query begins (RFC 9112 section 3.2.2). */
static enum request_state parse_absolute(struct request *request, const char *data,
					 const char *path_end)
{
	const char *p = data + request->target.at, *end, *slash;
	bool is_https =
		path_end - p > 8 && octets_are(p, p + 5, "https") && !memcmp(p + 5, "://", 3);

	if (!is_https &&
	    (path_end - p <= 7 || !octets_are(p, p + 4, "http") || memcmp(p + 4, "://", 3) != 0))
		return request_bad(request, 400, "invalid request target");
	p += is_https ? 8 : 7;
	slash = memchr(p, '/', (size_t)(path_end - p));
	end = slash ? slash : path_end;
	if (!host_is_valid(p, end, false))
		return request_bad(request, 400, "invalid authority in the request target");
	/* RFC 9110 section 7.4: only over a connection that is secured for that host. */
	if (is_https)
		return request_bad(request, 421, "https asked for where it is not spoken");
	request->form = FORM_ABSOLUTE;
	request->host = slice_of(data, p, end);
	request->path = slice_of(data, end, path_end);
	return REQUEST_DONE;
}

/* RFC 9112 section 3.2: which of the four forms it is, and whether the method may have it. */
static enum request_state judge_target(struct request *request, const char *data)
{
	const char *p = data + request->target.at, *end = p + request->target.len;
	const char *path_end = data + request->query.at;

	if (request->method == METHOD_CONNECT) {
		if (!host_is_valid(p, end, true))
			return request_bad(request, 400, "CONNECT without host and port");
		request->form = FORM_AUTHORITY;
		request->host = request->target;
		return REQUEST_DONE;
	}
	if (*p == '/') {
		request->form = FORM_ORIGIN;
		request->path = slice_of(data, p, path_end);
		return REQUEST_DONE;
	}
	if (*p == '*' && request->target.len == 1) {
		if (request->method != METHOD_OPTIONS)
			return request_bad(request, 400,
					   "request target * with another method than OPTIONS");
		request->form = FORM_ASTERISK;
		return REQUEST_DONE;
	}
	return parse_absolute(request, data, path_end);
}

/* The bytes end at p, where the next call goes on. */
static enum request_state more(struct request *request, const char *data, const char *p)
{
	request->scanned = (uint32_t)(p - data);
	return REQUEST_MORE;
}

/* Past the empty lines that some clients send behind the content before (RFC 9112 section 2.2). */
static inline enum request_state parse_blank(struct request *request, const char *data,
					     const char *end)
{
	const char *p = data + request->at;

	for (; p < end && *p == '\r'; p += 2) {
		request->at = (uint32_t)(p - data);
		if (p + 1 == end)
			return REQUEST_MORE;
		if (p[1] != '\n')
			return bad_byte(request, *p, NULL);
		if (++request->blank_lines > BLANK_LINES_MAX)
			return request_bad(request, 400, "too many empty lines before the request");
	}
	request->at = request->scanned = (uint32_t)(p - data);
	if (p == end)
		return REQUEST_MORE;
	if (*p == TLS_HANDSHAKE)
		return request_bad(request, 400,
				   "a TLS handshake where HTTP without TLS is spoken");
	request->phase = PHASE_METHOD;
	return REQUEST_DONE;
}

static inline enum request_state parse_method(struct request *request, const char *data,
					      const char *end)
{
	const char *start = data + request->at;
	const char *p = octets_skip(data + request->scanned, end, OCTET_TOKEN);

	if (p - start > METHOD_MAX)
		return request_bad(request, 501, "method is too long");
	if (p == end)
		return more(request, data, p);
	if (*p != ' ' || p == start)
		return bad_byte(request, *p, "invalid method");
	request->method = (uint8_t)method_find(start, (size_t)(p - start));
	request->target.at = request->scanned = (uint32_t)(p + 1 - data);
	request->phase = PHASE_PATH;
	return REQUEST_DONE;
}

static inline enum request_state parse_target(struct request *request, const char *data,
					      const char *end)
{
	const char *target = data + request->target.at, *p = data + request->scanned;

	if (request->phase == PHASE_PATH) {
		p = octets_skip(p, end, OCTET_PATH);
		request->query.at = (uint32_t)(p - data);
		if (p < end && *p == '?')
			request->phase = PHASE_QUERY;
	}
	if (request->phase == PHASE_QUERY)
		p = octets_skip(p, end, OCTET_TARGET);
	if (p - target > REQUEST_TARGET_MAX)
		return request_bad(request, 414, "request target is too long");
	if (p == end)
		return more(request, data, p);
	if (*p != ' ' || p == target)
		return bad_byte(request, *p, "invalid byte in the request target");
	request->target.len = (uint32_t)(p - target);
	request->query.len = (uint32_t)(p - data) - request->query.at;
	request->scanned = (uint32_t)(p + 1 - data);
	request->phase = PHASE_VERSION;
	return REQUEST_DONE;
}

static enum request_state judge_version(struct request *request, const char *p, const char *end)
{
	static const char shape[] = "HTTP/0.0\r\n";

	if (p < end && *p == ' ')
		return request_bad(request, 400, "blank before the HTTP version");
	for (int i = 0; shape[i]; i++) {
		if (p + i == end)
			return REQUEST_MORE;
		if (shape[i] == '0' ? !octet_is(p[i], OCTET_DIGIT) : p[i] != shape[i])
			return bad_byte(request, p[i], "invalid HTTP version");
	}
	if (p[5] == '2')
		return request_bad(request, 505, "HTTP/2 is not spoken here");
	if (p[5] != '1')
		return request_bad(request, 505, "HTTP version is not 1");
	request->minor = p[7] == '0' ? 0 : 1;
	return REQUEST_DONE;
}

/* The ten bytes after the last space of the request line. */
static inline enum request_state parse_version(struct request *request, const char *data,
					       const char *end)
{
	const char *p = data + request->scanned;
	enum request_state state;

	if (end - p >= 10 && !memcmp(p, "HTTP/1.1\r\n", 10)) {
		request->minor = 1;
	} else {
		state = judge_version(request, p, end);
		if (state != REQUEST_DONE)
			return state;
	}
	request->at = request->scanned = (uint32_t)(p + 10 - data);
	request->phase = PHASE_NAME;
	state = judge_target(request, data);
	if (state == REQUEST_DONE)
		request->fields = request->at;
	return state;
}

static enum request_state bad_name(struct request *request, const char *start, const char *p)
{
	if (*p == ':')
		return request_bad(request, 400, "empty field name");
	if (p > start && (*p == '\r' || *p == '\n'))
		return request_bad(request, 400, "line without a colon");
	if (!octet_is_blank(*p))
		return bad_byte(request, *p, "invalid field name");
	if (p > start)
		return request_bad(request, 400, "blank before the colon");
	return request_bad(request, 400,
			   request->lines ? "folded line" : "blank before the first field");
}

/* What only the whole head shows: framing (RFC 9112 section 6.3), Host (3.2), persistence (9.3). */
static enum request_state finish(struct request *request)
{
	if (request->minor && !request_has(request, FIELD_HOST))
		return request_bad(request, 400, "no Host");
	if (request_has(request, FIELD_TRANSFER_ENCODING)) {
		if (!request->minor)
			return request_bad(request, 400, "Transfer-Encoding in HTTP/1.0");
		if (request_has(request, FIELD_CONTENT_LENGTH))
			return request_bad(request, 400, "Content-Length and Transfer-Encoding");
	}
	if (request->form != FORM_ABSOLUTE && request->form != FORM_AUTHORITY &&
	    request_has(request, FIELD_HOST))
		request->host = request->field[FIELD_HOST];
	/* A 1.0 client cannot wait for 100 (RFC 9110 section 10.1.1). */
	if (!request->minor)
		request->expects = false;
	request->persistent =
		!request->wants_close && (request->minor || request->wants_keep_alive);
	return REQUEST_DONE;
}

/* A line that begins with CR. */
static enum request_state parse_end(struct request *request, const char *data, const char *end)
{
	const char *p = data + request->at;

	if (p + 1 == end)
		return more(request, data, p);
	if (p[1] != '\n')
		return bad_byte(request, *p, NULL);
	request->head_len = request->at + 2;
	return finish(request);
}

/* From *at, which stands in the value; REQUEST_DONE: the line is taken, *at is behind it. */
static inline enum request_state parse_value(struct request *request, const char *data,
					     const char **at, const char *end,
					     enum request_field field, const char *value)
{
	const char *p = octets_skip_value(*at, end);

	if (end - p < 2 && (p == end || *p == '\r')) {
		request->phase = PHASE_VALUE;
		request->name = (uint8_t)field;
		request->value = (uint32_t)(value - data);
		return more(request, data, p);
	}
	if (*p != '\r' || p[1] != '\n')
		return bad_byte(request, *p, "control byte in a field value");
	if (++request->lines > REQUEST_FIELDS_MAX)
		return request_bad(request, 431, "too many fields");
	*at = p + 2;
	request->at = (uint32_t)(*at - data);
	if (field == FIELD_OTHER)
		return REQUEST_DONE;
	while (p > value && octet_is_blank(p[-1]))
		p--;
	while (value < p && octet_is_blank(*value))
		value++;
	return field_set(request, field, data, value, p);
}

static enum request_state parse_fields(struct request *request, const char *data, const char *end)
{
	const char *start, *p = data + request->scanned, *value;
	enum request_state state = REQUEST_DONE;
	enum request_field field;

	while (state == REQUEST_DONE) {
		if (request->phase == PHASE_VALUE) {
			request->phase = PHASE_NAME;
			field = (enum request_field)request->name;
			value = data + request->value;
		} else {
			start = data + request->at;
			p = octets_skip(p, end, OCTET_TOKEN);
			if (p == end)
				return more(request, data, p);
			if (p == start && *p == '\r')
				return parse_end(request, data, end);
			if (*p != ':' || p == start)
				return bad_name(request, start, p);
			field = field_find(start, (size_t)(p - start));
			value = ++p;
		}
		state = parse_value(request, data, &p, end, field, value);
	}
	return state;
}

enum request_state request_parse(struct request *request, const char *data, size_t len)
{
	enum request_state state = REQUEST_DONE;
	const char *end = data + len;

	if (request->phase == PHASE_BLANK)
		state = parse_blank(request, data, end);
	if (state == REQUEST_DONE && request->phase == PHASE_METHOD)
		state = parse_method(request, data, end);
	if (state == REQUEST_DONE && request->phase <= PHASE_QUERY)
		state = parse_target(request, data, end);
	if (state == REQUEST_DONE && request->phase == PHASE_VERSION)
		state = parse_version(request, data, end);
	if (state == REQUEST_DONE)
		state = parse_fields(request, data, end);
	return state;
}

bool request_next_value(const char *data, const char *name, struct slice *value)
{
	size_t name_len = strlen(name);
	const char *line = data + value->at + value->len, *end;

	for (;;) {
		line = (const char *)rawmemchr(line, '\n') + 1;
		if (*line == '\r')
			return false;
		if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
			break;
	}
	line += name_len + 1;
	end = rawmemchr(line, '\r');
	value->at = (uint32_t)(line - data);
	value->len = (uint32_t)(end - line);
	return true;
}

bool request_is_blank(const struct request *request, size_t len)
{
	return request->phase == PHASE_BLANK && request->at == len;
}

void request_too_large(struct request *request)
{
	if (request->phase < PHASE_NAME)
		request_bad(request, 414, "request line is larger than the buffer");
	else
		request_bad(request, 431, "header is larger than the buffer");
}
