/* SPDX-License-Identifier: MIT */
/* Bytes in memory of just their size, so that a sanitizer or valgrind sees a read behind them. Of unit tests and fuzz targets. */
#ifndef TESTS_EXACT_COPY_H
#define TESTS_EXACT_COPY_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* To be freed. */
static inline char *exact_copy(const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	return copy;
}

#endif
