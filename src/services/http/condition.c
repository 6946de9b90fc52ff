/* SPDX-License-Identifier: MIT */
/* Conditional requests; see condition.h. A condition that cannot be understood is no condition. */
#include "services/http/condition.h"

#include "services/http/date.h"

#include <string.h>

bool condition_etag_matches(const char *value, size_t len, const char *etag, size_t etag_len)
{
	const char *p = value, *end = value + len;

	if (len == 1 && *p == '*')
		return true;
	while (p < end) {
		const char *close;

		if (*p == ' ' || *p == '\t' || *p == ',') {
			p++;
			continue;
		}
		if (end - p > 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if (*p != '"')
			return false;
		close = memchr(p + 1, '"', (size_t)(end - p - 1));
		if (!close)
			return false;
		close++;
		if ((size_t)(close - p) == etag_len && !memcmp(p, etag, etag_len))
			return true;
		p = close;
	}
	return false;
}

bool condition_is_fresh(const struct request *request, const char *data, const struct file *file,
			int64_t now)
{
	struct slice value;
	int64_t since;

	/* With If-None-Match there the date is not looked at, whatever the tag says. */
	if (request_has(request, FIELD_IF_NONE_MATCH)) {
		if (request->repeated >> FIELD_IF_NONE_MATCH & 1)
			return false;
		value = request->field[FIELD_IF_NONE_MATCH];
		return condition_etag_matches(data + value.at, value.len,
					      file->head + file->etag_at, file->etag_len);
	}
	if (request->repeated >> FIELD_IF_MODIFIED_SINCE & 1)
		return false;
	value = request->field[FIELD_IF_MODIFIED_SINCE];
	return date_parse(data + value.at, value.len, now, &since) == 0 && file->modified <= since;
}
