/* SPDX-License-Identifier: MIT */
/* Paths as text; see path.h. Pure functions. */
#include "services/http/path.h"

#include "services/http/octet.h"

#include <limits.h>
#include <string.h>

bool path_is_clean(const char *path, size_t len)
{
	char before = '/';

	if (!len || len >= PATH_MAX || path[0] != '/')
		return false;
	for (size_t i = 1; i < len; i++) {
		char byte = path[i];

		if (byte == '%')
			return false;
		if (before == '/' && (byte == '/' || byte == '.'))
			return false;
		before = byte;
	}
	return true;
}

enum separator { SEPARATOR_NONE = 0, SEPARATOR_SLASH = 1, SEPARATOR_ENCODED = 3 }; /* bytes */

/*
 * One segment, decoded; *p moves behind the slash that ends it, which *separator_r tells of. Its length, or
 * -status.
 */
static int decode_segment(const char **p, const char *end, char *out, size_t room,
			  enum separator *separator_r)
{
	size_t len = 0;

	for (; *p < end && **p != '/'; (*p)++) {
		char byte = **p;

		if (byte == '%') {
			int high = end - *p > 2 ? octet_hex((*p)[1]) : -1;
			int low = high >= 0 ? octet_hex((*p)[2]) : -1;

			if (low < 0)
				return -400;
			byte = (char)(high << 4 | low);
			if (byte == '\0')
				return -400;
			if (byte == '/')
				break;
			*p += 2;
		}
		if (len == room)
			return -404;
		out[len++] = byte;
	}
	*separator_r = *p == end    ? SEPARATOR_NONE
		       : **p == '/' ? SEPARATOR_SLASH
				    : SEPARATOR_ENCODED;
	*p += *separator_r;
	return (int)len;
}

/* Removes the last segment of "/a/b/": "/a/". -1 when there is none. */
static int climb(const char *out, size_t *len)
{
	if (*len == 1)
		return -1;
	do
		(*len)--;
	while (out[*len - 1] != '/');
	return 0;
}

static bool is_dots(const char *name, int len)
{
	return (len == 1 && name[0] == '.') || (len == 2 && !memcmp(name, "..", 2));
}

/* Some servers drop parameters before they look for dot segments. */
static bool is_dots_in_disguise(const char *name, int len)
{
	const char *parameter = memchr(name, ';', (size_t)len);

	return parameter && is_dots(name, (int)(parameter - name));
}

/* RFC 8615 gives one dot name, at the top, a public meaning; certificates depend on it. */
static bool is_hidden(const char *name, int len, bool is_top)
{
	static const char well_known[] = ".well-known";

	return name[0] == '.' &&
	       !(is_top && len == sizeof well_known - 1 && !memcmp(name, well_known, (size_t)len));
}

int path_clean(const char *path, size_t len, char *out, size_t size, size_t *len_r)
{
	const char *p = path, *end = path + len;
	enum separator before, after = SEPARATOR_NONE;
	size_t at = 0; /* out[0 .. at) ends with a slash at each turn */
	int status = 0;

	if (size < 2)
		return 404;
	out[at++] = '/';
	if (p < end)
		p++;
	while (p < end) {
		char *name = out + at;
		int segment;

		before = after;
		segment = decode_segment(&p, end, name, size - 1 - at, &after);
		if (segment < 0)
			return -segment;
		if (is_dots_in_disguise(name, segment))
			return 404;
		if (before == SEPARATOR_ENCODED || after == SEPARATOR_ENCODED) {
			/* Who takes the slash for one and who does not would go different ways. */
			if (is_dots(name, segment))
				return 404;
			status = PATH_NO_FILE;
		}
		if (is_dots(name, segment)) {
			if (segment == 2 && climb(out, &at) < 0)
				return 400;
			continue;
		}
		if (segment == 0)
			continue;
		if (is_hidden(name, segment, at == 1))
			status = PATH_NO_FILE;
		at += (size_t)segment;
		if (after == SEPARATOR_NONE)
			break;
		if (at == size - 1)
			return 404;
		out[at++] = '/';
	}
	out[at] = '\0';
	*len_r = at;
	return status;
}

size_t path_encode(const char *path, size_t len, char *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)path[i];
		bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			     (byte >= '0' && byte <= '9') || (byte && strchr("/-._~", byte));

		if (plain) {
			out[at++] = (char)byte;
			continue;
		}
		out[at++] = '%';
		out[at++] = hex[byte >> 4];
		out[at++] = hex[byte & 15];
	}
	return at;
}
