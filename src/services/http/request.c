/* SPDX-License-Identifier: MIT */
/*
 * The request parser. It goes through the bytes once, line by line, with a table of byte classes,
 * and is written for the request that is there as a whole. A line that has not come completely is
 * parsed again from its beginning once its LF is there; until then only the LF is looked for, so a
 * head that trickles in costs no more than a few passes.
 *
 * Whatever RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around the parts of the
 * request line) is refused: two parties that repair differently are how requests are smuggled.
 */
#include "services/http/request.h"

#include "services/http/octet.h"

#include <arpa/inet.h>
#include <string.h>

enum phase { PHASE_REQUEST_LINE = 0, PHASE_FIELDS = 1 };

enum {
	BLANK_LINES_MAX = 4,
	METHOD_MAX = 32 /* longer than any that is registered */
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
	request->phase = PHASE_REQUEST_LINE;
	request->blank_lines = 0;
	request->wants_close = request->wants_keep_alive = false;
	request->fields = request->at = request->scanned = 0;
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

/* uri-host [ ":" port ] as RFC 3986 has it; needs_port: as in authority-form. */
static bool host_is_valid(const char *p, const char *end, bool needs_port)
{
	const char *start = p;

	p = p < end && *p == '[' ? skip_ipv6(p, end) : octets_skip(p, end, OCTET_HOST);
	/* An http URI without a host is invalid (RFC 9110 section 4.2.1), a port or not. */
	if (!p || p == start)
		return false;
	if (p == end)
		return !needs_port;
	if (*p++ != ':' || (needs_port && p == end))
		return false;
	return octets_skip(p, end, OCTET_DIGIT) == end;
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
	while (to > from && octet_is_blank(to[-1]))
		to--;
	*from_r = from;
	*to_r = to;
	return true;
}

/* RFC 9112 sections 6.1, 6.3 and 7.1: chunked last, and once; nothing else is implemented here. */
static enum request_state set_coding(struct request *request, const char *p, const char *end)
{
	const char *from, *to;
	int codings = 0, chunked = 0;
	bool last = false;

	while (list_next(&p, end, &from, &to)) {
		last = is_word(from, to, "chunked");
		chunked += last;
		codings++;
	}
	if (!last)
		return bad(request, 400, "the last transfer coding is not chunked");
	if (chunked > 1)
		return bad(request, 400, "chunked more than once");
	if (codings > 1)
		return bad(request, 501, "unknown transfer coding");
	request->chunked = true;
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

	if (request->seen & bit)
		request->repeated |= bit;
	else
		request->field[field] = slice_of(data, from, to);
	switch (field) {
	case FIELD_HOST:
		if (request->repeated & bit)
			return bad(request, 400, "more than one Host");
		if (from < to && !host_is_valid(from, to, false))
			return bad(request, 400, "invalid Host");
		break;
	case FIELD_CONTENT_LENGTH:
		if (request->repeated & bit)
			return bad(request, 400, "more than one Content-Length");
		request->seen |= bit;
		return set_length(request, from, to);
	case FIELD_TRANSFER_ENCODING:
		if (request->repeated & bit)
			return bad(request, 400, "more than one Transfer-Encoding");
		request->seen |= bit;
		return set_coding(request, from, to);
	case FIELD_CONNECTION:
		set_connection(request, from, to);
		break;
	case FIELD_EXPECT:
		if (!is_word(from, to, "100-continue"))
			return bad(request, 417, "unknown expectation");
		request->expects = true;
		break;
	default:
		break;
	}
	request->seen |= bit;
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

/* After the last space of the request line: anything but "HTTP/1.1" CRLF, whole or in part. */
static enum request_state parse_version(struct request *request, const char *p, const char *end)
{
	static const char shape[] = "HTTP/0.0\r\n";

	for (int i = 0; shape[i]; i++) {
		if (p + i == end)
			return REQUEST_MORE;
		if (shape[i] == '0' ? !octet_is(p[i], OCTET_DIGIT) : p[i] != shape[i])
			return bad_byte(request, p[i], "invalid HTTP version");
	}
	if (p[5] != '1')
		return bad(request, 505, "HTTP version is not 1");
	request->minor = p[7] == '0' ? 0 : 1;
	return REQUEST_DONE;
}

/* http://host:port/path, path_end being where the query begins (RFC 9112 section 3.2.2). */
static enum request_state parse_absolute(struct request *request, const char *data,
					 const char *path_end)
{
	const char *p = data + request->target.at, *end, *slash;
	size_t scheme = 7;

	if (path_end - p > 8 && is_word(p, p + 5, "https") && !memcmp(p + 5, "://", 3))
		scheme = 8;
	else if (path_end - p <= 7 || !is_word(p, p + 4, "http") || memcmp(p + 4, "://", 3) != 0)
		return bad(request, 400, "invalid request target");
	p += scheme;
	slash = memchr(p, '/', (size_t)(path_end - p));
	end = slash ? slash : path_end;
	if (!host_is_valid(p, end, false))
		return bad(request, 400, "invalid authority in the request target");
	request->form = FORM_ABSOLUTE;
	request->host = slice_of(data, p, end);
	request->path = slice_of(data, end, path_end);
	return REQUEST_DONE;
}

/* RFC 9112 section 3.2: which of the four forms it is, and whether the method may have it. */
static enum request_state parse_target(struct request *request, const char *data,
				       const char *path_end)
{
	const char *p = data + request->target.at, *end = p + request->target.len;

	request->query = slice_of(data, path_end, end);
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

static enum request_state parse_request_line(struct request *request, const char *data, size_t len)
{
	const char *start = data + request->at, *end = data + len, *p, *target, *path_end;

	p = octets_skip(start, end, OCTET_TOKEN);
	if (p - start > METHOD_MAX)
		return bad(request, 501, "method is too long");
	if (p == end)
		return REQUEST_MORE;
	if (*p != ' ' || p == start)
		return bad_byte(request, *p, "invalid method");
	request->method = (uint8_t)method_find(start, (size_t)(p - start));

	target = ++p;
	p = path_end = octets_skip(p, end, OCTET_PATH);
	if (p < end && *p == '?')
		p = octets_skip(p, end, OCTET_TARGET);
	if (p - target > REQUEST_TARGET_MAX)
		return bad(request, 414, "request target is too long");
	if (p == end)
		return REQUEST_MORE;
	if (*p != ' ' || p == target)
		return bad_byte(request, *p, "invalid byte in the request target");
	request->target = slice_of(data, target, p);

	p++;
	if (end - p >= 10 && !memcmp(p, "HTTP/1.1\r\n", 10)) {
		request->minor = 1;
	} else {
		enum request_state state = parse_version(request, p, end);

		if (state != REQUEST_DONE)
			return state;
	}
	request->at = (uint32_t)(p + 10 - data);
	request->phase = PHASE_FIELDS;
	return parse_target(request, data, path_end);
}

static enum request_state bad_name(struct request *request, const char *start, const char *p)
{
	if (octet_is_blank(*p)) {
		if (p > start)
			return bad(request, 400, "blank before the colon");
		return bad(request, 400,
			   request->at == request->fields ? "blank before the first field"
							  : "folded line");
	}
	return bad_byte(request, *p, "invalid field name");
}

/* One field line; REQUEST_DONE: taken, request->at is the next line. */
static inline enum request_state parse_field(struct request *request, const char *data, size_t len)
{
	const char *start = data + request->at, *end = data + len, *p, *value, *value_end;
	enum request_field field;

	p = octets_skip(start, end, OCTET_TOKEN);
	if (p == end)
		return REQUEST_MORE;
	if (*p != ':' || p == start)
		return bad_name(request, start, p);
	field = field_find(start, (size_t)(p - start));

	p++;
	while (p < end && octet_is_blank(*p))
		p++;
	value = p;
	p = octets_skip_value(p, end);
	if (end - p < 2 && (p == end || *p == '\r'))
		return REQUEST_MORE;
	if (*p != '\r' || p[1] != '\n')
		return bad_byte(request, *p, "control byte in a field value");
	request->at = (uint32_t)(p + 2 - data);
	if (field == FIELD_OTHER)
		return REQUEST_DONE;
	value_end = p;
	while (value_end > value && octet_is_blank(value_end[-1]))
		value_end--;
	return set_field(request, field, data, value, value_end);
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
	request->head_len = request->at;
	return REQUEST_DONE;
}

/* An empty CRLF line at `at`: DONE; MORE: perhaps; BAD: there is something else. */
static inline enum request_state blank_line(const struct request *request, const char *data,
					    size_t len)
{
	const char *p = data + request->at;
	size_t left = len - request->at;

	if (!left)
		return REQUEST_MORE;
	if (p[0] != '\r')
		return REQUEST_BAD;
	if (left == 1)
		return REQUEST_MORE;
	return p[1] == '\n' ? REQUEST_DONE : REQUEST_BAD;
}

static enum request_state parse_lines(struct request *request, const char *data, size_t len)
{
	enum request_state state;

	while (request->phase == PHASE_REQUEST_LINE) {
		state = blank_line(request, data, len);
		if (state == REQUEST_MORE)
			return state;
		if (state == REQUEST_BAD) {
			state = parse_request_line(request, data, len);
			if (state != REQUEST_DONE)
				return state;
			request->fields = request->at;
			break;
		}
		if (++request->blank_lines > BLANK_LINES_MAX)
			return bad(request, 400, "too many empty lines before the request");
		request->at += 2;
	}
	for (;;) {
		state = blank_line(request, data, len);
		if (state == REQUEST_MORE)
			return state;
		if (state == REQUEST_DONE) {
			request->at += 2;
			return finish(request);
		}
		state = parse_field(request, data, len);
		if (state != REQUEST_DONE)
			return state;
	}
}

enum request_state request_parse(struct request *request, const char *data, size_t len)
{
	enum request_state state;

	if (request->scanned && !memchr(data + request->scanned, '\n', len - request->scanned)) {
		request->scanned = (uint32_t)len;
		if (request->phase == PHASE_REQUEST_LINE &&
		    len - request->at > REQUEST_TARGET_MAX + METHOD_MAX + 12)
			return bad(request, 414, "request line is too long");
		return REQUEST_MORE;
	}
	state = parse_lines(request, data, len);
	if (state == REQUEST_MORE)
		request->scanned = (uint32_t)len;
	return state;
}

bool request_is_blank(const struct request *request, size_t len)
{
	return request->phase == PHASE_REQUEST_LINE && request->at == len;
}

void request_too_large(struct request *request)
{
	if (request->phase == PHASE_REQUEST_LINE)
		bad(request, 414, "request line is larger than the buffer");
	else
		bad(request, 431, "header is larger than the buffer");
}
