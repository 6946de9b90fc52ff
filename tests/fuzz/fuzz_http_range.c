/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for Range: the first eight bytes are the size of the representation, the others the value of the field.
 * The parts that come out lie within the representation and have nothing in common, nor could two of them be sent as
 * one; and what is well formed is not taken for a fault, nor the reverse.
 */
#include "services/http/range.h"

#include "exact_copy.h"
#include "fuzz.h"

#include <string.h>
#include <strings.h>

static void must_be_apart(const struct range *a, const struct range *b)
{
	must(a->from + a->len < b->from || b->from + b->len < a->from);
}

static void must_be_sound(const struct range *range, int n, int64_t size)
{
	for (int i = 0; i < n; i++) {
		must(range[i].from >= 0 && range[i].len > 0);
		must(range[i].from < size && range[i].len <= size - range[i].from);
		for (int j = 0; j < i; j++)
			must_be_apart(&range[i], &range[j]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range range[RANGES_MAX];
	int64_t bytes;
	char *value;
	int n;

	if (size < sizeof bytes)
		return 0;
	memcpy(&bytes, data, sizeof bytes);
	bytes &= INT64_MAX;
	size -= sizeof bytes;
	value = exact_copy(data + sizeof bytes, size);
	n = range_parse(value, size, bytes, range);
	must(n >= -1 && n <= RANGES_MAX);
	must_be_sound(range, n, bytes);
	if (n != 0) {
		must(size > 6 && !strncasecmp(value, "bytes=", 6));
		must(!memchr(value, '\0', size) && memchr(value, '-', size));
	}
	if (bytes == 0)
		must(n <= 0);
	free(value);
	return 0;
}
