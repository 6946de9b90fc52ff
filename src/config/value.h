/* SPDX-License-Identifier: MIT */
/* Single values as text and back: pure, no allocation. The parsers give NULL, or what would be right. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

const char *value_bool(const char *text, bool *value_r);
const char *value_int(const char *text, int64_t *value_r);
/* Bytes: 10, 64k, 2M, 1G; powers of 1024, either case. */
const char *value_size(const char *text, int64_t *bytes_r);
/* Milliseconds: 250ms, 10s, 5min, 2h, 1d, and 0. */
const char *value_time(const char *text, int64_t *milliseconds_r);
/* Permission bits, octal: 660, 0660. */
const char *value_mode(const char *text, int64_t *mode_r);
/* N..M with N at most M. */
const char *value_range(const char *text, int64_t *min_r, int64_t *max_r);
/* The index of text in "first|second|third", or -1. */
int value_enum(const char *text, const char *words);

/* Text that says exactly this: sizes and times with the unit that makes it the shortest. Return buffer. */
enum { VALUE_TEXT_MAX = 32 };
const char *value_int_text(int64_t value, char buffer[VALUE_TEXT_MAX]);
const char *value_size_text(int64_t bytes, char buffer[VALUE_TEXT_MAX]);
const char *value_time_text(int64_t milliseconds, char buffer[VALUE_TEXT_MAX]);

#endif
