/* SPDX-License-Identifier: MIT */
/* Well-formed UTF-8, one character at a time, for what is written out again: logs and pages. */
#ifndef SERVICES_HTTP_UTF8_H
#define SERVICES_HTTP_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many bytes the character at p has, 1 to 4, and *code_r which it is. 0: the byte at p begins
 * none (RFC 3629: overlong forms, surrogates and what is cut off by `end` are none). p < end.
 */
static inline size_t utf8_decode(const char *p, const char *end, uint32_t *code_r)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*p;
	size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	uint32_t code = more ? first & (0x3fu >> more) : first;

	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || (size_t)(end - p) <= more)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*code_r = code;
	return more + 1;
}

#endif
