/* SPDX-License-Identifier: MIT */
/* Dates as HTTP writes them (RFC 9110 section 5.6.7). No locale, no time zone, no allocation. */
#ifndef SERVICES_HTTP_DATE_H
#define SERVICES_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
enum { DATE_LEN = 29 };

/*
 * Writes DATE_LEN bytes, no NUL. Seconds since 1970 within the years 1 to 9999, else the nearest.
 */
void date_format(int64_t seconds, char out[DATE_LEN]);

/*
 * Reads any of the three forms. `now` decides the century of a two-digit year. 0, or -1 when it is
 * no valid date. The day of the week is not compared with the date.
 */
int date_parse(const char *text, size_t len, int64_t now, int64_t *seconds_r);

#endif
