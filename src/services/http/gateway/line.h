/* SPDX-License-Identifier: MIT */
/*
 * The field lines of a message head that a parser has accepted, one after the other, and the
 * comparison of their names. Inline, because all that is passed on goes through here line by line.
 * Values are not judged.
 */
#ifndef SERVICES_HTTP_GATEWAY_LINE_H
#define SERVICES_HTTP_GATEWAY_LINE_H

#include "services/http/octet.h"
#include "services/http/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* One line: the value without the blanks around it. Both point into the head. */
struct line {
	const char *name, *value;
	size_t name_len, value_len;
};

/*
 * The line at *p, which moves behind it. False: there is none, *p is at end or at the empty line.
 * Lines end with LF or CRLF, and have a colon.
 */
static inline bool line_next(const char **p, const char *end, struct line *line_r)
{
	const char *from = *p, *to, *colon, *value;

	if (from == end || *from == '\r' || *from == '\n')
		return false;
	to = memchr(from, '\n', (size_t)(end - from));
	*p = to ? to + 1 : end;
	if (!to)
		to = end;
	if (to > from && to[-1] == '\r')
		to--;
	colon = memchr(from, ':', (size_t)(to - from));
	if (!colon)
		return false;
	value = octets_skip_blanks(colon + 1, to);
	while (to > value && octet_is_blank(to[-1]))
		to--;
	*line_r = (struct line){ from, value, (size_t)(colon - from), (size_t)(to - value) };
	return true;
}

/* Where the lines of a complete request begin. */
static inline const char *line_first(const struct request *request, const char *data)
{
	return data + request->fields;
}

static inline const char *line_end(const struct request *request, const char *data)
{
	return data + request->head_len;
}

/*
 * The same in any case, `-` and `_` being one: what applications see of a field is a variable, in
 * which they are (RFC 3875 section 4.1.18), so whoever could write X_Remote_User for X-Remote-User
 * would speak for us.
 */
static inline bool line_names_collide(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++) {
		char one = a[i] == '_' ? '-' : octet_fold(a[i]);
		char other = b[i] == '_' ? '-' : octet_fold(b[i]);

		if (one != other)
			return false;
	}
	return true;
}

/* text: of small letters, digits and hyphens. */
static inline bool line_is(const struct line *line, const char *text)
{
	return octets_are(line->name, line->name + line->name_len, text);
}

/*
 * Of the connection that they came on: RFC 9110 section 7.6.1, and what older software says there.
 * By length, because each line of each message is asked for.
 */
static inline bool line_is_hop_by_hop(const struct line *line)
{
	switch (line->name_len) {
	case 2:
		return line_is(line, "te");
	case 7:
		return line_is(line, "trailer") || line_is(line, "upgrade");
	case 10:
		return line_is(line, "connection") || line_is(line, "keep-alive");
	case 14:
		return line_is(line, "http2-settings");
	case 16:
		return line_is(line, "proxy-connection");
	case 17:
		return line_is(line, "transfer-encoding");
	case 18:
		return line_is(line, "proxy-authenticate");
	case 19:
		return line_is(line, "proxy-authorization");
	case 25:
		return line_is(line, "proxy-authentication-info");
	default:
		return false;
	}
}

/* True if the comma-separated value has this element. */
static inline bool line_lists(const struct line *line, const char *text)
{
	const char *p = line->value, *end = p + line->value_len, *from, *to;

	while (octets_next(&p, end, &from, &to))
		if (octets_are(from, to, text))
			return true;
	return false;
}

#endif
