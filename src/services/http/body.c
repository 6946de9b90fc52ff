/* SPDX-License-Identifier: MIT */
/* Content that is dropped; see body.h. */
#include "services/http/body.h"

#include "services/http/chunked.h"

#include "musterd/module.h"

#include <errno.h>

/* Takes what is buffered: true when the content is complete or *status_r is set. */
static bool take(struct mu_conn *conn, struct chunked *chunked, uint64_t *left, int *status_r)
{
	const char *data;
	size_t len = mu_buffered(conn, &data);

	if (!chunked) {
		if (len > *left)
			len = (size_t)*left;
		*left -= len;
		mu_consume(conn, len);
		return !*left;
	}
	mu_consume(conn, chunked_feed(chunked, data, len));
	if (chunked->state == CHUNKED_BAD)
		*status_r = 400;
	if (chunked->state == CHUNKED_TOO_LARGE)
		*status_r = 413;
	return chunked->state >= CHUNKED_DONE;
}

int body_discard(struct mu_conn *conn, bool is_chunked, uint64_t length)
{
	struct chunked chunked = { .limit = BODY_DISCARD_MAX };
	int status = 0;

	while (!take(conn, is_chunked ? &chunked : NULL, &length, &status)) {
		ssize_t n = mu_fill(conn);

		if (n == 0)
			return 400;
		if (n < 0)
			return errno == ETIMEDOUT ? 408 : -1;
	}
	return status;
}
