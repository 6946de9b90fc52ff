/* SPDX-License-Identifier: MIT */
/*
 * Several parts of a file in one response: multipart/byteranges (RFC 9110 section 14.6). Knows
 * the parts and their delimiters; the head of the response is the caller's.
 */
#ifndef SERVICES_HTTP_MULTIPART_H
#define SERVICES_HTTP_MULTIPART_H

#include "services/http/file.h"
#include "services/http/range.h"

#include "musterd/module.h"

/* Nobody can know it beforehand, and have it in a file. */
enum { MULTIPART_BOUNDARY_LEN = 32 };

struct multipart {
	const struct range *range; /* borrowed */
	int ranges;
	char boundary[MULTIPART_BOUNDARY_LEN + 1];
	char *text;                /* what stands before each part, and the end */
	size_t at[RANGES_MAX + 2]; /* in text: before part i; before the end; its end */
	int64_t len;               /* of all content */
	int64_t sent;              /* of it */
};

/*
 * Makes everything but the content ready, in memory of the connection. 0, or -1 with ENOMEM. Does
 * not yield.
 */
int multipart_init(struct multipart *multipart, struct mu_conn *conn, const struct file *file,
		   const struct range *range, int ranges);

/*
 * Writes the head and all the content; flags are for the last write. The caller holds a
 * reference to the file. May yield. 0 or -1: the connection cannot go on.
 */
int multipart_write(struct multipart *multipart, struct mu_conn *conn, struct file *file,
		    const char *head, size_t head_len, unsigned flags);

#endif
