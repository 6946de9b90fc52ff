/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the request parser: the first byte says in how many bytes at a time the others
 * arrive. Whatever they are, they mean the same however they come, to the reason of a refusal; and a
 * request that is accepted holds no byte that it must not, is framed without doubt, and its parts lie
 * within it.
 */
#include "services/http/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_within(struct slice slice, const struct request *request)
{
	must(slice.at <= request->head_len && slice.len <= request->head_len - slice.at);
}

/* Text up to CRLF: nothing of what parsers take for the end of a line, a name or a string. */
static void must_be_clean(const char *line, const char *end)
{
	for (const char *p = line; p < end; p++) {
		unsigned char byte = (unsigned char)*p;

		must(byte == '\t' || (byte >= ' ' && byte != 0x7f));
	}
}

/* Three parts with one space between them, all visible ASCII. */
static void must_be_request_line(const char *line, const char *end)
{
	int spaces = 0;

	for (const char *p = line; p < end; p++) {
		must(*p >= ' ' && *p <= '~');
		spaces += *p == ' ';
	}
	must(spaces == 2 && *line != ' ' && end - line >= 12);
	must(!memcmp(end - 9, " HTTP/1.", 8) && isdigit((unsigned char)end[-1]));
}

struct census {
	int hosts, lengths, codings;
	unsigned long long length;
};

static void must_be_field(const char *line, const char *end, struct census *census)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	char value[64] = "";

	must(colon && colon > line);
	for (const char *p = line; p < colon; p++)
		must(isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p));
	must_be_clean(colon, end);
	if (colon - line == 4 && !strncasecmp(line, "host", 4))
		census->hosts++;
	if (colon - line == 14 && !strncasecmp(line, "content-length", 14)) {
		census->lengths++;
		while (++colon < end && (*colon == ' ' || *colon == '\t' || *colon == '0'))
			;
		if (end - colon < (ptrdiff_t)sizeof value)
			memcpy(value, colon, (size_t)(end - colon));
		census->length = strtoull(value, NULL, 10);
	}
	if (colon - line == 17 && !strncasecmp(line, "transfer-encoding", 17))
		census->codings++;
}

/* The head by another reading, line by line. */
static void must_be_framed(const struct request *request, const char *data)
{
	const char *line = data, *end = data + request->head_len, *next;
	struct census census = { 0, 0, 0, 0 };

	while (!memcmp(line, "\r\n", 2))
		line += 2;
	next = memmem(line, (size_t)(end - line), "\r\n", 2);
	must_be_request_line(line, next);
	must(request->fields == (uint32_t)(next + 2 - data));
	for (line = next + 2; line + 2 < end; line = next + 2) {
		next = memmem(line, (size_t)(end - line), "\r\n", 2);
		must(next != NULL);
		must_be_field(line, next, &census);
	}
	must(line + 2 == end);
	must(census.hosts == (request_has(request, FIELD_HOST) ? 1 : 0));
	must(census.lengths == (request_has(request, FIELD_CONTENT_LENGTH) ? 1 : 0));
	must(census.codings == (request->chunked ? 1 : 0));
	must(census.lengths + census.codings <= 1);
	must(census.length == request->length);
}

static void must_be_sound(const struct request *request, const char *data, size_t size)
{
	must(request->head_len <= size && request->head_len >= 16);
	must_be_framed(request, data);
	must(!request->chunked || request->minor);
	must(!request->minor || request_has(request, FIELD_HOST));
	must_be_within(request->target, request);
	must_be_within(request->path, request);
	must_be_within(request->query, request);
	must_be_within(request->host, request);
	must(request->target.len > 0 && request->target.len <= REQUEST_TARGET_MAX);
	must(request->form != FORM_ORIGIN || data[request->path.at] == '/');
	must((request->form == FORM_AUTHORITY) == (request->method == METHOD_CONNECT));
	must(request->form != FORM_ASTERISK || request->method == METHOD_OPTIONS);
	for (int i = 0; i < FIELD_OTHER; i++)
		if (request_has(request, (enum request_field)i))
			must_be_within(request->field[i], request);
}

/* From memory that ends where the bytes end. */
static enum request_state parse(struct request *request, const char *data, size_t len)
{
	char *exact = malloc(len ? len : 1);
	enum request_state state;

	must(exact != NULL);
	memcpy(exact, data, len);
	state = request_parse(request, exact, len);
	free(exact);
	return state;
}

static bool same_slice(struct slice a, struct slice b)
{
	return a.at == b.at && a.len == b.len;
}

static void must_be_equal(const struct request *a, const struct request *b)
{
	must(a->method == b->method && a->form == b->form && a->minor == b->minor);
	must(a->persistent == b->persistent && a->chunked == b->chunked);
	must(a->expects == b->expects && a->length == b->length && a->fields == b->fields);
	must(a->head_len == b->head_len && a->seen == b->seen && a->repeated == b->repeated);
	must(same_slice(a->target, b->target) && same_slice(a->path, b->path));
	must(same_slice(a->query, b->query) && same_slice(a->host, b->host));
	for (int i = 0; i < FIELD_OTHER; i++)
		if (request_has(a, (enum request_field)i))
			must(same_slice(a->field[i], b->field[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, pieces;
	enum request_state at_once, bit_by_bit = REQUEST_MORE;
	const char *text = (const char *)data + 1;
	size_t step;

	if (size < 2 || size > 16384)
		return 0;
	size--;
	/* Each piece is copied with all before it: long ones come in no more than some hundred. */
	step = (data[0] ? data[0] : 1) + size / 256;

	request_init(&whole);
	at_once = parse(&whole, text, size);
	request_init(&pieces);
	for (size_t len = 0; bit_by_bit == REQUEST_MORE && len < size;) {
		len = size - len > step ? len + step : size;
		bit_by_bit = parse(&pieces, text, len);
	}

	must(at_once == bit_by_bit);
	if (at_once == REQUEST_BAD) {
		must(whole.status >= 400 && whole.reason && whole.status == pieces.status);
		must(whole.reason == pieces.reason);
	}
	if (at_once == REQUEST_DONE) {
		must_be_sound(&whole, text, size);
		must_be_equal(&whole, &pieces);
	}
	return 0;
}
