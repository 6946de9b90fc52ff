/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the chunked coding: the first byte says in how many bytes at a time the others
 * arrive. The end is found at the same place however they do.
 */
#include "services/http/chunked.h"

#include "fuzz.h"

#include <string.h>

enum { LIMIT = 256 * 1024 };

static size_t feed(struct chunked *chunked, const char *data, size_t size, size_t step)
{
	size_t at = 0;

	while (at < size && chunked->state < CHUNKED_DONE) {
		size_t n = size - at < step ? size - at : step;
		size_t taken = chunked_feed(chunked, data + at, n);

		must(taken <= n && (taken == n || chunked->state >= CHUNKED_DONE));
		at += taken;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunked whole = { .limit = LIMIT }, pieces = { .limit = LIMIT };
	const char *text = (const char *)data + 1;
	size_t end;

	if (size < 2)
		return 0;
	size--;
	end = feed(&whole, text, size, size);
	must(feed(&pieces, text, size, data[0] ? data[0] : 1) == end);
	must(whole.state == pieces.state && whole.total == pieces.total);
	if (whole.state == CHUNKED_DONE) {
		must(end >= 5 && !memcmp(text + end - 2, "\r\n", 2));
		must(whole.total <= LIMIT && whole.total < end);
	}
	return 0;
}
