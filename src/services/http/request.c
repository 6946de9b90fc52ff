/* SPDX-License-Identifier: MIT */
/*
 * The request parser. It goes through the bytes once with a table of byte classes, part by part; where
 * the bytes end it remembers the part and the place, and goes on there.
 *
 * Whatever RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around the parts of the
 * request line, a list where one value is wanted) is refused: two parties that repair differently are
 * how requests are smuggled.
 */
#include "services/http/request.h"

#include "services/http/octet.h"

#include <arpa/inet.h>
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

static enum request_state bad(struct request *request, int status, const char *reason)
{
	request->status = (uint16_t)status;
	request->reason = reason;
	return REQUEST_BAD;
}

static inline struct slice slice_of(const char *data, const char *from, const char *to)
{
	return (struct slice){ (uint32_t)(from - data), (uint32_t)(to - from) };
}

/*
 * Compares with a text of small letters, digits and hyphens. Setting bit 0x20 folds the letters;
 * the only other bytes that it turns into one of that text are controls, which no name and no value
 * has.
 */
static inline bool is_same(const char *name, const char *text, size_t len)
{
	uint64_t eight, other;
	uint32_t four;

	/*
	 * With a constant length, as field_find has it, a few compares are all that is left of
	 * this.
	 */
	for (; len >= 8; name += 8, text += 8, len -= 8) {
		memcpy(&eight, name, 8);
		memcpy(&other, text, 8);
		if ((eight | 0x2020202020202020) != other)
			return false;
	}
	if (len >= 4) {
		uint32_t text_four;

		memcpy(&four, name, 4);
		memcpy(&text_four, text, 4);
		if ((four | 0x20202020) != text_four)
			return false;
		name += 4, text += 4, len -= 4;
	}
	for (; len; name++, text++, len--)
		if ((*name | 0x20) != *text)
			return false;
	return true;
}

static bool is_word(const char *from, const char *to, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(to - from) == len && is_same(from, text, len);
}

#define TRY(text, field) (is_same(name, text, sizeof(text) - 1) ? (field) : FIELD_OTHER)

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

/* Behind the "]" of the IPv6 address in brackets that p begins with; NULL: it is none. */
static __attribute__((__noinline__)) const char *skip_ipv6(const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (!close || close - p - 1 >= INET6_ADDRSTRLEN)
		return NULL;
	memcpy(text, p + 1, (size_t)(close - p - 1));
	text[close - p - 1] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1 ? close + 1 : NULL;
}

/* Behind the registered name or IPv4 address that p begins with; NULL: a "%" that encodes nothing. */
static const char *skip_name(const char *p, const char *end)
{
	p = octets_skip(p, end, OCTET_HOST);
	while (p < end && *p == '%') {
		if (end - p < 3 || octet_hex(p[1]) < 0 || octet_hex(p[2]) < 0)
			return NULL;
		p = octets_skip(p + 3, end, OCTET_HOST);
	}
	return p;
}

/* *DIGIT, of ports that can be (RFC 3986 section 3.2.3); CONNECT must name one (RFC 9110 9.3.6). */
static bool port_is_valid(const char *p, const char *end, bool is_needed)
{
	static const char max[] = "65535";
	const ptrdiff_t digits = sizeof max - 1;

	if (octets_skip(p, end, OCTET_DIGIT) != end || end - p > digits ||
	    (end - p == digits && memcmp(p, max, sizeof max - 1) > 0))
		return false;
	while (p < end && *p == '0')
		p++;
	return p < end || !is_needed;
}

/* uri-host [ ":" port ] as RFC 3986 has it; needs_port: as in authority-form. */
static bool host_is_valid(const char *p, const char *end, bool needs_port)
{
	const char *start = p;

	p = p < end && *p == '[' ? skip_ipv6(p, end) : skip_name(p, end);
	/* An http URI without a host is invalid (RFC 9110 section 4.2.1), a port or not. */
	if (!p || p == start)
		return false;
	if (p == end)
		return !needs_port;
	return *p == ':' && port_is_valid(p + 1, end, needs_port);
}

/* 1*DIGIT and nothing else: no sign, no list (RFC 9112 section 6.3). */
static enum request_state set_length(struct request *request, const char *p, const char *end)
{
	uint64_t length = 0;

	if (p == end)
		return bad(request, 400, "empty Content-Length");
	for (; p < end; p++) {
		if (!octet_is(*p, OCTET_DIGIT))
			return bad(request, 400, "Content-Length is no number");
		if (__builtin_mul_overflow(length, 10, &length) ||
		    __builtin_add_overflow(length, (uint64_t)(*p - '0'), &length))
			return bad(request, 400, "Content-Length is out of range");
	}
	request->length = length;
	return REQUEST_DONE;
}

/* The next element of a comma-separated list, without blanks around it; false at the end. */
static bool list_next(const char **p, const char *end, const char **from_r, const char **to_r)
{
	const char *from, *to;

	while (*p < end && (octet_is_blank(**p) || **p == ','))
		(*p)++;
	if (*p == end)
		return false;
	from = *p;
	to = memchr(from, ',', (size_t)(end - from));
	if (!to)
		to = end;
	*p = to;
	while (octet_is_blank(to[-1])) /* *from is none */
		to--;
	*from_r = from;
	*to_r = to;
	return true;
}

/*
 * RFC 9112 sections 6.1, 6.3 and 7.1: chunked and nothing else is implemented here. Where chunked is
 * the last of several, the others are what is unknown. Empty elements are not passed over as elsewhere:
 * a party in front that takes the whole value for one word would see other content than we do.
 */
static enum request_state set_coding(struct request *request, const char *p, const char *end)
{
	const char *from = p, *to = p;
	int codings = 0, chunked = 0;

	if (is_word(p, end, "chunked")) {
		request->chunked = true;
		return REQUEST_DONE;
	}
	for (; list_next(&p, end, &from, &to); codings++)
		chunked += is_word(from, to, "chunked");
	if (to != end || !is_word(from, to, "chunked"))
		return bad(request, 400, "the last transfer coding is not chunked");
	if (chunked > 1)
		return bad(request, 400, "chunked more than once");
	if (codings == 1)
		return bad(request, 400, "empty element before chunked");
	return bad(request, 501, "unknown transfer coding");
}

/* RFC 9110 section 10.1.1. */
static enum request_state set_expectation(struct request *request, const char *p, const char *end)
{
	const char *from, *to;

	while (list_next(&p, end, &from, &to)) {
		if (!is_word(from, to, "100-continue"))
			return bad(request, 417, "unknown expectation");
		request->expects = true;
	}
	return REQUEST_DONE;
}

static void set_connection(struct request *request, const char *p, const char *end)
{
	const char *from, *to;

	while (list_next(&p, end, &from, &to)) {
		if (is_word(from, to, "close"))
			request->wants_close = true;
		else if (is_word(from, to, "keep-alive"))
			request->wants_keep_alive = true;
	}
}

static enum request_state set_field(struct request *request, enum request_field field,
				    const char *data, const char *from, const char *to)
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
			return bad(request, 400, "more than one Host");
		if (from < to && !host_is_valid(from, to, false))
			return bad(request, 400, "invalid Host");
		break;
	case FIELD_CONTENT_LENGTH:
		if (repeated)
			return bad(request, 400, "more than one Content-Length");
		return set_length(request, from, to);
	case FIELD_TRANSFER_ENCODING:
		if (repeated)
			return bad(request, 400, "more than one Transfer-Encoding");
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

/* The byte at which a line stopped making sense. */
static enum request_state bad_byte(struct request *request, char byte, const char *otherwise)
{
	switch (byte) {
	case '\n':
		return bad(request, 400, "LF without CR");
	case '\r':
		return bad(request, 400, "CR within a line");
	case '\0':
		return bad(request, 400, "NUL byte");
	default:
		return bad(request, 400, otherwise);
	}
}

/* http://host:port/path, path_end being where the query begins (RFC 9112 section 3.2.2). */
static enum request_state parse_absolute(struct request *request, const char *data,
					 const char *path_end)
{
	const char *p = data + request->target.at, *end, *slash;
	bool is_https = path_end - p > 8 && is_word(p, p + 5, "https") && !memcmp(p + 5, "://", 3);

	if (!is_https &&
	    (path_end - p <= 7 || !is_word(p, p + 4, "http") || memcmp(p + 4, "://", 3) != 0))
		return bad(request, 400, "invalid request target");
	p += is_https ? 8 : 7;
	slash = memchr(p, '/', (size_t)(path_end - p));
	end = slash ? slash : path_end;
	if (!host_is_valid(p, end, false))
		return bad(request, 400, "invalid authority in the request target");
	/* RFC 9110 section 7.4: only over a connection that is secured for that host. */
	if (is_https)
		return bad(request, 421, "https asked for where it is not spoken");
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
			return bad(request, 400, "CONNECT without host and port");
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
			return bad(request, 400,
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
			return bad(request, 400, "too many empty lines before the request");
	}
	request->at = request->scanned = (uint32_t)(p - data);
	if (p == end)
		return REQUEST_MORE;
	if (*p == TLS_HANDSHAKE)
		return bad(request, 400, "a TLS handshake where HTTP without TLS is spoken");
	request->phase = PHASE_METHOD;
	return REQUEST_DONE;
}

static inline enum request_state parse_method(struct request *request, const char *data,
					      const char *end)
{
	const char *start = data + request->at;
	const char *p = octets_skip(data + request->scanned, end, OCTET_TOKEN);

	if (p - start > METHOD_MAX)
		return bad(request, 501, "method is too long");
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
		return bad(request, 414, "request target is too long");
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
		return bad(request, 400, "blank before the HTTP version");
	for (int i = 0; shape[i]; i++) {
		if (p + i == end)
			return REQUEST_MORE;
		if (shape[i] == '0' ? !octet_is(p[i], OCTET_DIGIT) : p[i] != shape[i])
			return bad_byte(request, p[i], "invalid HTTP version");
	}
	if (p[5] == '2')
		return bad(request, 505, "HTTP/2 is not spoken here");
	if (p[5] != '1')
		return bad(request, 505, "HTTP version is not 1");
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
		return bad(request, 400, "empty field name");
	if (!octet_is_blank(*p))
		return bad_byte(request, *p, "invalid field name");
	if (p > start)
		return bad(request, 400, "blank before the colon");
	return bad(request, 400, request->lines ? "folded line" : "blank before the first field");
}

/* What only the whole head shows: framing (RFC 9112 section 6.3), Host (3.2), persistence (9.3). */
static enum request_state finish(struct request *request)
{
	if (request->minor && !request_has(request, FIELD_HOST))
		return bad(request, 400, "no Host");
	if (request_has(request, FIELD_TRANSFER_ENCODING)) {
		if (!request->minor)
			return bad(request, 400, "Transfer-Encoding in HTTP/1.0");
		if (request_has(request, FIELD_CONTENT_LENGTH))
			return bad(request, 400, "Content-Length and Transfer-Encoding");
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
		return bad(request, 431, "too many fields");
	*at = p + 2;
	request->at = (uint32_t)(*at - data);
	if (field == FIELD_OTHER)
		return REQUEST_DONE;
	while (p > value && octet_is_blank(p[-1]))
		p--;
	while (value < p && octet_is_blank(*value))
		value++;
	return set_field(request, field, data, value, p);
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
		bad(request, 414, "request line is larger than the buffer");
	else
		bad(request, 431, "header is larger than the buffer");
}
