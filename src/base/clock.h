/* SPDX-License-Identifier: MIT */
/* Time. Policy takes its time as an argument; only loops and logs ask the clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC; never 0. */
int64_t clock_ms(void);
/* Microseconds of CLOCK_MONOTONIC. */
int64_t clock_us(void);
/* A duration in words a person reads: "250ms", "3.2s", "12min", "5h", "3d". Returns buffer. */
#define CLOCK_TEXT_MAX 32
const char *clock_text(int64_t milliseconds, char buffer[CLOCK_TEXT_MAX]);

/* The earlier of two times, where 0 is never. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

#endif
