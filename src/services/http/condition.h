/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests (RFC 9110 section 13): whether the client has the file already, whether
 * it is still the one that the client means, and whether a part of it is of use. For GET and
 * HEAD of a file that would be answered with 200; a file's entity tag is a strong one.
 *
 * data: the bytes that the request's slices are of; now: seconds since 1970.
 */
#ifndef SERVICES_HTTP_CONDITION_H
#define SERVICES_HTTP_CONDITION_H

#include "services/http/file.h"
#include "services/http/range.h"
#include "services/http/request.h"

#include <stdbool.h>
#include <stdint.h>

enum condition {
	CONDITION_NONE = 0,     /* go on */
	CONDITION_NOT_MODIFIED, /* 304 */
	CONDITION_FAILED        /* 412 */
};

/*
 * True if one of the entity tags of an If-Match or If-None-Match value is `etag`, or it is "*".
 * weak: a weak tag may be equal to it (section 8.8.3.2).
 */
bool condition_etag_matches(const char *value, size_t len, const char *etag, size_t etag_len,
			    bool weak);

/* All conditions but If-Range, in the order of section 13.2.2. */
enum condition condition_evaluate(const struct request *request, const char *data,
				  const struct file *file, int64_t now);

/* The same, with its answer at hand for the many requests without any. */
static inline enum condition condition_check(const struct request *request, const char *data,
					     const struct file *file, int64_t now)
{
	const uint32_t conditions = 1U << FIELD_IF_MATCH | 1U << FIELD_IF_UNMODIFIED_SINCE |
				    1U << FIELD_IF_NONE_MATCH | 1U << FIELD_IF_MODIFIED_SINCE;

	if (!(request->seen & conditions))
		return CONDITION_NONE;
	return condition_evaluate(request, data, file, now);
}

/*
 * False: Range is to be ignored, because the client's parts are of another state of the file
 * (If-Range, section 13.1.5). A date is only as good as an entity tag when it is over: within
 * the same second the file may change once more (section 8.8.2.2).
 */
bool condition_range_applies(const struct request *request, const char *data,
			     const struct file *file, int64_t now);

/* As condition_ranges, for a request that has a Range. */
int condition_read_ranges(const struct request *request, const char *data, const struct file *file,
			  int64_t now, struct range range[RANGES_MAX]);

/*
 * The ranges that response_file is to send, as range_parse gives them: 0 for the whole, -1 for
 * 416. Also 0 without a Range, for HEAD (section 14.2 defines Range for GET alone), where Range
 * was sent twice, and where If-Range is false.
 */
static inline int condition_ranges(const struct request *request, const char *data,
				   const struct file *file, int64_t now,
				   struct range range[RANGES_MAX])
{
	if (!request_has(request, FIELD_RANGE))
		return 0;
	return condition_read_ranges(request, data, file, now, range);
}

#endif
