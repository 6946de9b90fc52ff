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

/* One segment, decoded; *p moves to its end. Its length, or -status. */
static int decode_segment(const char **p, const char *end, char *out, size_t room)
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
			*p += 2;
			if (byte == '\0')
				return -400;
			/* No file name has a slash in it, and taking it for a separator is how
			 * checks in front of us are walked around. */
			if (byte == '/')
				return -404;
		}
		if (len == room)
			return -404;
		out[len++] = byte;
	}
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

int path_clean(const char *path, size_t len, char *out, size_t size, size_t *len_r)
{
	static const char well_known[] = ".well-known";
	const char *p = path, *end = path + len;
	size_t at = 0; /* out[0 .. at) ends with a slash at each turn */

	if (size < 2)
		return 404;
	out[at++] = '/';
	if (p < end)
		p++;
	while (p < end) {
		int segment = decode_segment(&p, end, out + at, size - 1 - at);
		const char *name = out + at;

		if (segment < 0)
			return -segment;
		if (segment == 2 && !memcmp(name, "..", 2)) {
			if (climb(out, &at) < 0)
				return 400;
			p += p < end;
			continue;
		}
		if (segment == 0 || (segment == 1 && name[0] == '.')) {
			p += p < end;
			continue;
		}
		/* RFC 8615 gives this one dot name a public meaning; certificates depend on it. */
		if (name[0] == '.' && !(at == 1 && segment == sizeof well_known - 1 &&
					!memcmp(name, well_known, (size_t)segment)))
			return 404;
		at += (size_t)segment;
		if (p == end)
			break;
		if (at == size - 1)
			return 404;
		out[at++] = '/';
		p++;
	}
	out[at] = '\0';
	*len_r = at;
	return 0;
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
