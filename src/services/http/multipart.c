/* SPDX-License-Identifier: MIT */
/*
 * Multipart/byteranges; see multipart.h. Content in memory and delimiters are gathered, as many
 * pieces in a write as it takes; content behind a descriptor goes on its own, after what stands
 * before it.
 */
#include "services/http/multipart.h"

#include "services/http/send.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	PIECES = 8,     /* that mu_writev takes */
	PART_MAX = 192, /* of what stands before a part, but for its Content-Type line */
	END_MAX = 48
};

static void make_boundary(char boundary[MULTIPART_BOUNDARY_LEN + 1])
{
	uint32_t random[MULTIPART_BOUNDARY_LEN / 8];

	arc4random_buf(random, sizeof random);
	for (size_t i = 0; i < sizeof random / sizeof *random; i++)
		snprintf(boundary + 8 * i, 9, "%08" PRIx32, random[i]);
}

int multipart_init(struct multipart *multipart, struct mu_conn *conn, const struct file *file,
		   const struct range *range, int ranges)
{
	int type_len = (int)(file->encoding_at - file->type_at);
	size_t size = (size_t)ranges * (PART_MAX + (size_t)type_len) + END_MAX, len = 0;
	char *text = mu_alloc(conn, size);

	if (!text)
		return -1;
	*multipart = (struct multipart){ .range = range, .ranges = ranges, .text = text };
	make_boundary(multipart->boundary);
	for (int i = 0; i < ranges; i++) {
		int64_t last = range[i].from + range[i].len - 1;

		multipart->at[i] = len;
		multipart->len += range[i].len;
		len += (size_t)snprintf(text + len, size - len,
					"%s--%s\r\n%.*sContent-Range: bytes %" PRId64 "-%" PRId64
					"/%" PRId64 "\r\n\r\n",
					i ? "\r\n" : "", multipart->boundary, type_len,
					file->head + file->type_at, range[i].from, last,
					file->size);
	}
	multipart->at[ranges] = len;
	len += (size_t)snprintf(text + len, size - len, "\r\n--%s--\r\n", multipart->boundary);
	multipart->at[ranges + 1] = len;
	multipart->len += (int64_t)len;
	return 0;
}

struct gathered {
	struct mu_conn *conn;
	struct iovec piece[PIECES];
	int n;
	int64_t sent; /* all that was written */
};

static int write_out(struct gathered *gathered, unsigned flags)
{
	if (mu_writev(gathered->conn, gathered->piece, gathered->n, flags) < 0)
		return -1;
	for (int i = 0; i < gathered->n; i++)
		gathered->sent += (int64_t)gathered->piece[i].iov_len;
	gathered->n = 0;
	return 0;
}

static int add(struct gathered *gathered, const char *data, size_t len)
{
	if (gathered->n == PIECES && write_out(gathered, MU_MORE) < 0)
		return -1;
	gathered->piece[gathered->n++] =
		(struct iovec){ .iov_base = (char *)(uintptr_t)data, .iov_len = len };
	return 0;
}

static int add_part(struct gathered *gathered, struct file *file, const struct range *range)
{
	if (file->fd < 0)
		return add(gathered, file->head + file->head_len + range->from, (size_t)range->len);
	if (write_out(gathered, MU_MORE) < 0)
		return -1;
	return send_content(gathered->conn, file, range->from, range->len, false, &gathered->sent);
}

/* The delimiter before part i, or the end. */
static int add_delimiter(struct gathered *gathered, const struct multipart *multipart, int i)
{
	const size_t *at = &multipart->at[i];

	return add(gathered, multipart->text + at[0], at[1] - at[0]);
}

static int write_all(struct gathered *gathered, const struct multipart *multipart,
		     struct file *file, unsigned flags)
{
	for (int i = 0; i < multipart->ranges; i++)
		if (add_delimiter(gathered, multipart, i) < 0 ||
		    add_part(gathered, file, &multipart->range[i]) < 0)
			return -1;
	if (add_delimiter(gathered, multipart, multipart->ranges) < 0)
		return -1;
	return write_out(gathered, flags);
}

int multipart_write(struct multipart *multipart, struct mu_conn *conn, struct file *file,
		    const char *head, size_t head_len, unsigned flags)
{
	struct gathered gathered = { .conn = conn };
	int result;

	add(&gathered, head, head_len);
	result = write_all(&gathered, multipart, file, flags);
	if (gathered.sent > (int64_t)head_len)
		multipart->sent = gathered.sent - (int64_t)head_len;
	return result;
}
