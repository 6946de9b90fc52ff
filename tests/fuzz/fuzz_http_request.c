/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the request parser: the first byte says in how many bytes at a time the others
 * arrive. Whatever they are, they mean the same however they come, to the reason of a refusal; and a
 * request that is accepted holds no byte that it must not, is framed without doubt, and its parts lie
 * within it.
 */
#include "services/http/request.h"

#include "http_head.h"

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

/* The head by another reading, line by line. */
static void must_be_framed(const struct request *request, const char *data)
{
	const char *line = data, *end = data + request->head_len, *next;
	struct head_census census = { 0 };

	while (!memcmp(line, "\r\n", 2))
		line += 2;
	next = memmem(line, (size_t)(end - line), "\r\n", 2);
	must_be_request_line(line, next);
	must(request->fields == (uint32_t)(next + 2 - data));
	for (line = next + 2; line + 2 < end; line = next + 2) {
		next = memmem(line, (size_t)(end - line), "\r\n", 2);
		must(next != NULL);
		head_must_be_field(line, next, &census);
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
	head_must_hold(request->head_len, request->target);
	head_must_hold(request->head_len, request->path);
	head_must_hold(request->head_len, request->query);
	head_must_hold(request->head_len, request->host);
	must(request->target.len > 0 && request->target.len <= REQUEST_TARGET_MAX);
	must(request->form != FORM_ORIGIN || data[request->path.at] == '/');
	must((request->form == FORM_AUTHORITY) == (request->method == METHOD_CONNECT));
	must(request->form != FORM_ASTERISK || request->method == METHOD_OPTIONS);
	for (int i = 0; i < FIELD_OTHER; i++)
		if (request_has(request, (enum request_field)i))
			head_must_hold(request->head_len, request->field[i]);
}

static int parse(void *request, const char *data, size_t len)
{
	return (int)request_parse(request, data, len);
}

static void must_be_equal(const struct request *a, const struct request *b)
{
	must(a->method == b->method && a->form == b->form && a->minor == b->minor);
	must(a->persistent == b->persistent && a->chunked == b->chunked);
	must(a->expects == b->expects && a->length == b->length && a->fields == b->fields);
	must(a->head_len == b->head_len && a->seen == b->seen && a->repeated == b->repeated);
	must(head_same_slice(a->target, b->target) && head_same_slice(a->path, b->path));
	must(head_same_slice(a->query, b->query) && head_same_slice(a->host, b->host));
	for (int i = 0; i < FIELD_OTHER; i++)
		if (request_has(a, (enum request_field)i))
			must(head_same_slice(a->field[i], b->field[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, pieces;
	const char *text = (const char *)data + 1;
	int at_once, bit_by_bit;

	if (size < 2 || size > 16384)
		return 0;
	size--;

	request_init(&whole);
	at_once = head_feed(parse, &whole, text, size, size);
	request_init(&pieces);
	bit_by_bit = head_feed(parse, &pieces, text, size, head_step(data[0], size));

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
