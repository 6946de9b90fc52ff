/* SPDX-License-Identifier: MIT */
/* Values, as value.h says. Ranges are the schema's; here is only what a text means. */
#include "config/value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit sizes[] = { { "G", INT64_C(1) << 30 },
				     { "M", 1 << 20 },
				     { "k", 1 << 10 } };
static const struct unit times[] = { { "d", 24 * 60 * 60 * 1000 },
				     { "h", 60 * 60 * 1000 },
				     { "min", 60 * 1000 },
				     { "s", 1000 },
				     { "ms", 1 } };

/* Digits from the text's beginning; *rest_r: what follows. False: none, or too many. */
static bool read_digits(const char *text, int64_t base, int64_t *value_r, const char **rest_r)
{
	int64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p < '0' + base; p++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*value_r = value;
	*rest_r = p;
	return p > text;
}

const char *value_bool(const char *text, bool *value_r)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true" };

	for (int i = 0; i < 6; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*value_r = i % 2;
			return NULL;
		}
	return "yes or no";
}

const char *value_int(const char *text, int64_t *value_r)
{
	const char *digits = text + (*text == '-'), *rest;

	if (!read_digits(digits, 10, value_r, &rest) || *rest)
		return "a whole number";
	if (*text == '-')
		*value_r = -*value_r;
	return NULL;
}

const char *value_size(const char *text, int64_t *bytes_r)
{
	static const char right[] = "a size: 4096, 64k, 2M, 1G";
	const char *rest;

	if (!read_digits(text, 10, bytes_r, &rest))
		return right;
	if (!*rest)
		return NULL;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcasecmp(rest, sizes[i].name) == 0)
			return __builtin_mul_overflow(*bytes_r, sizes[i].factor, bytes_r) ? right
											  : NULL;
	return right;
}

const char *value_time(const char *text, int64_t *milliseconds_r)
{
	static const char right[] = "a time: 250ms, 10s, 5min, 2h, 1d";
	const char *rest;

	if (!read_digits(text, 10, milliseconds_r, &rest))
		return right;
	if (!*rest)
		return *milliseconds_r == 0 ? NULL
					    : "a time with its unit: 250ms, 10s, 5min, 2h, 1d";
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (strcmp(rest, times[i].name) == 0)
			return __builtin_mul_overflow(*milliseconds_r, times[i].factor,
						      milliseconds_r)
				       ? right
				       : NULL;
	return strcmp(rest, "m") == 0 ? "a time: minutes are written 5min" : right;
}

const char *value_mode(const char *text, int64_t *mode_r)
{
	const char *rest;

	if (!read_digits(text, 8, mode_r, &rest) || *rest || *mode_r > 0777)
		return "octal permissions: 0660";
	return NULL;
}

const char *value_range(const char *text, int64_t *min_r, int64_t *max_r)
{
	const char *rest;

	if (!read_digits(text, 10, min_r, &rest) || strncmp(rest, "..", 2) != 0 ||
	    !read_digits(rest + 2, 10, max_r, &rest) || *rest)
		return "a range: 2..16";
	return *min_r > *max_r ? "a range, the smaller number first: 2..16" : NULL;
}

int value_enum(const char *text, const char *words)
{
	size_t len = strlen(text);

	for (int i = 0; *words; i++) {
		size_t word = strcspn(words, "|");

		if (word == len && strncmp(words, text, len) == 0)
			return i;
		words += word + (words[word] == '|');
	}
	return -1;
}

const char *value_int_text(int64_t value, char buffer[VALUE_TEXT_MAX])
{
	snprintf(buffer, VALUE_TEXT_MAX, "%lld", (long long)value);
	return buffer;
}

static const char *unit_text(int64_t value, const struct unit *units, size_t n, char *buffer)
{
	for (size_t i = 0; i < n; i++)
		if (value != 0 && value % units[i].factor == 0) {
			snprintf(buffer, VALUE_TEXT_MAX, "%lld%s",
				 (long long)(value / units[i].factor), units[i].name);
			return buffer;
		}
	return value_int_text(value, buffer);
}

const char *value_size_text(int64_t bytes, char buffer[VALUE_TEXT_MAX])
{
	return unit_text(bytes, sizes, sizeof(sizes) / sizeof(sizes[0]), buffer);
}

const char *value_time_text(int64_t milliseconds, char buffer[VALUE_TEXT_MAX])
{
	return unit_text(milliseconds, times, sizeof(times) / sizeof(times[0]), buffer);
}
