/* SPDX-License-Identifier: MIT */
/* Range (RFC 9110 section 14.2): which parts of a representation a client asks for. Pure. */
#ifndef SERVICES_HTTP_RANGE_H
#define SERVICES_HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

/* A response has no more parts than this. */
enum { RANGES_MAX = 16 };

struct range {
	int64_t from, len; /* bytes; len is never 0 */
};

/*
 * The ranges of a Range value within a representation of `size` bytes, in the order in which
 * they were asked for (section 15.3.7.2), those left out that lie behind its end. Ranges that
 * overlap or adjoin are made one, at the place of the first of them; others are not joined over
 * a gap, though that might be shorter: a client gets what it asked for and no more.
 *
 * How many, 1 to RANGES_MAX. -1: answer 416, none of them can be satisfied. 0: the field is to
 * be ignored, answer with the whole. That is so for another unit than bytes (a must, section
 * 14.2), for what is not valid (14.1.1: nothing is guessed), for the end of an empty
 * representation, and for more than RANGES_MAX ranges, of which section 17.15 has us ignore,
 * coalesce or reject: who asks for them is well served with the whole.
 */
int range_parse(const char *value, size_t len, int64_t size, struct range range[RANGES_MAX]);

#endif
