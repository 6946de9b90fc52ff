/* SPDX-License-Identifier: MIT */
/* Times as one number. */
#ifndef SERVICES_HTTP_NANOSECONDS_H
#define SERVICES_HTTP_NANOSECONDS_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000) /* in a second */

/* A file may claim any time: one that is beyond all numbers wraps around. */
static inline int64_t nanoseconds_of(const struct timespec *time)
{
	return (int64_t)((uint64_t)time->tv_sec * NANOSECONDS + (uint64_t)time->tv_nsec);
}

static inline int64_t nanoseconds_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return nanoseconds_of(&now);
}

#endif
