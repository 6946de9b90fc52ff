/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests; see condition.h. A date that cannot be understood is no condition; a
 * list of entity tags that cannot be understood names no tag.
 */
#include "services/http/condition.h"

#include "services/http/date.h"
#include "services/http/octet.h"

#include <string.h>

static bool is_asterisk(const char *p, size_t len)
{
	/* A value of a line that we found ourselves has its blanks still. */
	while (len && octet_is_blank(*p))
		p++, len--;
	while (len && octet_is_blank(p[len - 1]))
		len--;
	return len == 1 && *p == '*';
}

bool condition_etag_matches(const char *value, size_t len, const char *etag, size_t etag_len,
			    bool weak)
{
	const char *p = value, *end = value + len;

	if (is_asterisk(value, len))
		return true;
	while (p < end) {
		const char *close;
		bool usable = true;

		if (octet_is_blank(*p) || *p == ',') {
			p++;
			continue;
		}
		if (end - p > 2 && p[0] == 'W' && p[1] == '/') {
			p += 2;
			usable = weak;
		}
		if (*p != '"')
			return false;
		close = memchr(p + 1, '"', (size_t)(end - p - 1));
		if (!close)
			return false;
		close++;
		if (usable && (size_t)(close - p) == etag_len && !memcmp(p, etag, etag_len))
			return true;
		p = close;
	}
	return false;
}

/* Whether a field of entity tags names the file's. */
static bool tag_matches(const struct request *request, const char *data, enum request_field field,
			const struct file *file)
{
	bool is_if_match = field == FIELD_IF_MATCH;
	struct slice value = request->field[field];

	do {
		if (condition_etag_matches(data + value.at, value.len, file->head + file->etag_at,
					   file->etag_len, !is_if_match))
			return true;
	} while (request_repeats(request, field) &&
		 request_next_value(data, is_if_match ? "If-Match" : "If-None-Match", &value));
	return false;
}

/* The date of a field; false: it is not there, or is to be ignored as no date or a list of them. */
static bool date_of(const struct request *request, const char *data, enum request_field field,
		    int64_t now, int64_t *date_r)
{
	struct slice value = request->field[field];

	return request_has(request, field) && !request_repeats(request, field) &&
	       date_parse(data + value.at, value.len, now, date_r) == 0;
}

enum condition condition_evaluate(const struct request *request, const char *data,
				  const struct file *file, int64_t now)
{
	int64_t date;

	if (request_has(request, FIELD_IF_MATCH)) {
		if (!tag_matches(request, data, FIELD_IF_MATCH, file))
			return CONDITION_FAILED;
	} else if (date_of(request, data, FIELD_IF_UNMODIFIED_SINCE, now, &date)) {
		if (file->modified > date)
			return CONDITION_FAILED;
	}
	/* With If-None-Match there the date is not looked at, whatever the tag says. */
	if (request_has(request, FIELD_IF_NONE_MATCH)) {
		if (tag_matches(request, data, FIELD_IF_NONE_MATCH, file))
			return CONDITION_NOT_MODIFIED;
	} else if (date_of(request, data, FIELD_IF_MODIFIED_SINCE, now, &date)) {
		if (file->modified <= date)
			return CONDITION_NOT_MODIFIED;
	}
	return CONDITION_NONE;
}

bool condition_range_applies(const struct request *request, const char *data,
			     const struct file *file, int64_t now)
{
	struct slice value = request->field[FIELD_IF_RANGE];
	const char *text = data + value.at;
	int64_t date;

	if (!request_has(request, FIELD_IF_RANGE))
		return true;
	if (request_repeats(request, FIELD_IF_RANGE))
		return false;
	/* An entity tag and not a list of them; a weak one is equal to none (section 8.8.3.2). */
	if (value.len && *text == '"')
		return value.len == file->etag_len &&
		       memcmp(text, file->head + file->etag_at, file->etag_len) == 0;
	return date_parse(text, value.len, now, &date) == 0 && date == file->modified &&
	       file->identity.modified.tv_sec < now;
}

int condition_read_ranges(const struct request *request, const char *data, const struct file *file,
			  int64_t now, struct range range[RANGES_MAX])
{
	struct slice value = request->field[FIELD_RANGE];

	if (request->method != METHOD_GET || request_repeats(request, FIELD_RANGE) ||
	    !condition_range_applies(request, data, file, now))
		return 0;
	return range_parse(data + value.at, value.len, file->size, range);
}
