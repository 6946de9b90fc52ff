/* SPDX-License-Identifier: MIT */
/* Time, as clock.h says. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

int64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
	/* One more than the kernel says, so that 0 can mean "not running" and "no deadline". */
	return clock_us() / 1000 + 1;
}

const char *clock_text(int64_t ms, char buffer[CLOCK_TEXT_MAX])
{
	if (ms < 1000)
		snprintf(buffer, CLOCK_TEXT_MAX, "%" PRId64 "ms", ms);
	else if (ms < 120000)
		snprintf(buffer, CLOCK_TEXT_MAX, ms % 1000 ? "%.1fs" : "%.0fs", (double)ms / 1000);
	else if (ms < (int64_t)2 * 3600 * 1000)
		snprintf(buffer, CLOCK_TEXT_MAX, "%" PRId64 "min", ms / 60000);
	else if (ms < (int64_t)48 * 3600 * 1000)
		snprintf(buffer, CLOCK_TEXT_MAX, "%" PRId64 "h", ms / 3600000);
	else
		snprintf(buffer, CLOCK_TEXT_MAX, "%" PRId64 "d", ms / 86400000);
	return buffer;
}
