/* SPDX-License-Identifier: MIT */
/* What the fuzz targets of the two parsers of heads share: bytes that come in steps, and another reading of field lines. */
#ifndef TESTS_HTTP_HEAD_H
#define TESTS_HTTP_HEAD_H

#include "services/http/slice.h"

#include "exact_copy.h"
#include "fuzz.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A parser of struct request or struct reply: its verdict on all that has come; 0: more is needed. */
typedef int head_parser(void *head, const char *data, size_t len);

/* Its verdict where `step` bytes more come at a time. */
static inline int head_feed(head_parser *parse, void *head, const char *data, size_t size,
			    size_t step)
{
	int verdict = 0;

	for (size_t len = 0; !verdict && len < size;) {
		char *exact;

		len = size - len > step ? len + step : size;
		exact = exact_copy(data, len);
		verdict = parse(head, exact, len);
		free(exact);
	}
	return verdict;
}

/* The step that a byte of the input stands for. Each is copied with all before it: of long inputs there are no more than some hundred. */
static inline size_t head_step(uint8_t byte, size_t size)
{
	return (byte ? byte : 1) + size / 256;
}

static inline bool head_same_slice(struct slice a, struct slice b)
{
	return a.at == b.at && a.len == b.len;
}

static inline void head_must_hold(uint32_t head_len, struct slice slice)
{
	must(slice.at <= head_len && slice.len <= head_len - slice.at);
}

/* What was seen of field lines. */
struct head_census {
	int hosts, lengths, codings;
	int for_us; /* of a program: Status, Location, Content-Type */
	unsigned long long length;
};

static inline bool head_is_named(const char *line, const char *colon, const char *name)
{
	return (size_t)(colon - line) == strlen(name) && !strncasecmp(line, name, strlen(name));
}

/* 0 where it is too long to be a number that was accepted. */
static inline unsigned long long head_number(const char *from, const char *end)
{
	char digits[64] = "";

	while (from < end && (*from == ' ' || *from == '\t' || *from == '0'))
		from++;
	if (end - from < (ptrdiff_t)sizeof digits)
		memcpy(digits, from, (size_t)(end - from));
	return strtoull(digits, NULL, 10);
}

/* A line up to its CRLF or LF: nothing in it that parsers take for the end of a line, a name or a string. */
static inline void head_must_be_field(const char *line, const char *end, struct head_census *census)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));

	must(colon && colon > line);
	for (const char *p = line; p < colon; p++)
		must(isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p));
	for (const char *p = colon; p < end; p++)
		must(*p == '\t' || ((unsigned char)*p >= ' ' && *p != 0x7f));
	census->hosts += head_is_named(line, colon, "host");
	census->codings += head_is_named(line, colon, "transfer-encoding");
	census->for_us += head_is_named(line, colon, "status") ||
			  head_is_named(line, colon, "location") ||
			  head_is_named(line, colon, "content-type");
	if (head_is_named(line, colon, "content-length")) {
		census->lengths++;
		census->length = head_number(colon + 1, end);
	}
}

#endif
