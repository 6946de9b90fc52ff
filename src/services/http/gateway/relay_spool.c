/* SPDX-License-Identifier: MIT */
/*
 * Content that comes in chunks, for those who have to be told its length before its first byte: received whole, before
 * a server is chosen or a program run, so that nobody waits for a slow client but we. From then on it is content of a known
 * length, out of memory or a file (spool.h), which relay_upload.c sends, as often as it takes.
 */
#include "services/http/gateway/relay_parts.h"

#include "services/http/gateway/spool.h"

#include <errno.h>
#include <string.h>

/* The disk is full, or we have too much open: not the client's fault, and somebody has to do something about it. */
static int cannot_keep(struct relay *relay, int error)
{
	mu_log(relay->x->conn, MU_ERR, "content cannot be kept in %s: %s",
	       spool_path(relay->x->site->spool), strerror(error));
	return relay_refused(relay, 503, NULL);
}

/* More of the client's bytes. */
static int receive(struct relay *relay)
{
	ssize_t n = mu_fill(relay->x->conn);

	if (n > 0)
		return 0;
	if (n == 0)
		return relay_refused(relay, 400,
				     "the content cannot be passed on: the client stopped in the "
				     "middle of it");
	relay->is_late = errno == ETIMEDOUT || errno == ECANCELED;
	return relay_refused(relay, errno == ETIMEDOUT ? 408 : errno == ECANCELED ? 503 : 0, NULL);
}

/* What is buffered. */
static int keep(struct relay *relay)
{
	struct exchange *x = relay->x;
	struct content *content = &relay->content;
	const char *data;
	size_t len = mu_buffered(x->conn, &data), at = 0, piece;

	while (at < len && content->state == CONTENT_MORE) {
		at += content_take(content, data + at, len - at, &piece);
		if (piece &&
		    spooled_add(relay->spooled, x->site->spool, data + at - piece, piece) < 0)
			return cannot_keep(relay, errno);
	}
	mu_consume(x->conn, at);
	if (content->state <= CONTENT_DONE)
		return 0;
	return relay_refused(relay, content->state == CONTENT_BAD ? 400 : 413,
			     "the content cannot be passed on: %s", content->error);
}

static int receive_all(struct relay *relay)
{
	for (;;) {
		if (keep(relay) < 0)
			return -1;
		if (relay->content.state == CONTENT_DONE)
			return 0;
		if (receive(relay) < 0)
			return -1;
	}
}

int spool_begin(struct relay *relay)
{
	struct exchange *x = relay->x;

	relay->spooled = mu_alloc(x->conn, sizeof *relay->spooled);
	if (!relay->spooled)
		return relay_refused(relay, 503, NULL);
	relay->spooled->fd = -1;
	if (exchange_keep_head(x) < 0)
		return relay_refused(relay, 503, NULL);
	if (upload_say_continue(relay) < 0)
		return relay_refused(relay, 0, NULL);
	content_init(&relay->content, CONTENT_CHUNKED, 0, upload_limit(relay));
	if (receive_all(relay) < 0)
		return -1;
	if (spooled_finish(relay->spooled) < 0)
		return cannot_keep(relay, errno);
	relay->length = (int64_t)relay->spooled->len;
	relay->is_whole = relay->spooled->fd < 0;
	upload_set_room(relay);
	return 0;
}

void spool_end(struct relay *relay)
{
	if (relay->spooled)
		spooled_end(relay->spooled);
}
