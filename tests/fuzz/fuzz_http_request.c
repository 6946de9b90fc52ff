/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the request parser: the first byte says in how many bytes at a time the others
 * arrive. Whatever they are, a request that is accepted is framed without doubt, its parts lie
 * within it, and it means the same in one piece.
 */
#include "services/http/request.h"

#include <stdlib.h>
#include <string.h>

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

static void must_be_sound(const struct request *request, const char *data, size_t size)
{
	must(request->head_len <= size && request->head_len >= 16);
	must(!memcmp(data + request->head_len - 4, "\r\n\r\n", 4));
	must(!memchr(data, '\0', request->head_len));
	for (size_t i = 0; i < request->head_len; i++) {
		if (data[i] == '\n')
			must(i > 0 && data[i - 1] == '\r');
		if (data[i] == '\r')
			must(data[i + 1] == '\n');
	}
	must(!(request->chunked && request->length));
	must(!request->chunked || request->minor);
	must(!request->minor || request_has(request, FIELD_HOST));
	must(!(request->repeated >> FIELD_HOST & 1));
	must_be_within(request->target, request);
	must_be_within(request->path, request);
	must_be_within(request->query, request);
	must_be_within(request->host, request);
	must(request->target.len > 0 && request->target.len <= REQUEST_TARGET_MAX);
	must(request->form != FORM_ORIGIN || data[request->path.at] == '/');
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
	must(a->expects == b->expects && a->length == b->length);
	must(a->head_len == b->head_len && a->seen == b->seen && a->repeated == b->repeated);
	must(same_slice(a->target, b->target) && same_slice(a->path, b->path));
	must(same_slice(a->query, b->query) && same_slice(a->host, b->host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, pieces;
	enum request_state at_once, bit_by_bit = REQUEST_MORE;
	const char *text = (const char *)data + 1;
	size_t step;

	if (size < 2 || size > 16384)
		return 0;
	step = data[0] ? data[0] : 1;
	size--;

	request_init(&whole);
	at_once = parse(&whole, text, size);
	request_init(&pieces);
	for (size_t len = 0; bit_by_bit == REQUEST_MORE && len < size;) {
		len = size - len > step ? len + step : size;
		bit_by_bit = parse(&pieces, text, len);
	}

	switch (at_once) {
	case REQUEST_DONE:
		must(bit_by_bit == REQUEST_DONE);
		must_be_sound(&whole, text, size);
		must_be_equal(&whole, &pieces);
		break;
	case REQUEST_BAD:
		/* In pieces a fault is found at the end of its line, which may not have come. */
		must(whole.status >= 400 && whole.reason);
		must(bit_by_bit != REQUEST_DONE);
		break;
	case REQUEST_MORE:
		/*
		 * A line that is far too long is refused before its end only if it comes in pieces.
		 */
		must(bit_by_bit == REQUEST_MORE || pieces.status == 414);
		break;
	}
	return 0;
}
