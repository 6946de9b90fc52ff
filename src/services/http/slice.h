/* SPDX-License-Identifier: MIT */
/* A part of a message: offsets into its bytes, which may move between two calls of a parser. */
#ifndef SERVICES_HTTP_SLICE_H
#define SERVICES_HTTP_SLICE_H

#include <stdint.h>

struct slice {
	uint32_t at, len;
};

static inline struct slice slice_of(const char *data, const char *from, const char *to)
{
	return (struct slice){ (uint32_t)(from - data), (uint32_t)(to - from) };
}

#endif
