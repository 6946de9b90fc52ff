/* SPDX-License-Identifier: MIT */
/* Content on its way; see content.h. */
#include "services/http/gateway/content.h"

#include "services/http/octet.h"

#include <string.h>

/*
 * What a recipient that merges trailers into the head must never find there (RFC 9110 section
 * 6.5.1): framing, connection, routing, authentication, conditions, control, the form of content.
 */
static const char *const forbidden[] = {
	"age",
	"authorization",
	"cache-control",
	"connection",
	"content-encoding",
	"content-length",
	"content-range",
	"content-type",
	"cookie",
	"date",
	"expect",
	"expires",
	"forwarded",
	"host",
	"keep-alive",
	"location",
	"max-forwards",
	"pragma",
	"proxy-authenticate",
	"proxy-authorization",
	"proxy-connection",
	"range",
	"retry-after",
	"set-cookie",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"vary",
	"via",
	"www-authenticate",
};

static void stop(struct content *content, enum content_state state, const char *error)
{
	content->state = (uint8_t)state;
	content->error = error;
}

void content_init(struct content *content, enum content_framing framing, uint64_t length,
		  uint64_t limit)
{
	*content = (struct content){ .framing = (uint8_t)framing, .limit = limit };
	content->chunked.limit = limit;
	if (framing == CONTENT_LENGTH)
		content->left = length;
	if (content->left > limit)
		stop(content, CONTENT_TOO_LARGE, "content is longer than the limit");
	else if (framing <= CONTENT_LENGTH && !content->left)
		content->state = CONTENT_DONE;
}

void content_keep_trailers(struct content *content, char *room, size_t size)
{
	content->trailers = room;
	content->trailers_size = (uint32_t)size;
}

/* Names that begin so are our own word about the client, or conditions of a request. */
static bool is_forbidden(const char *name, const char *colon)
{
	if (colon - name > 3 && octets_match(name, "if-", 3))
		return true;
	if (colon - name > 12 && octets_match(name, "x-forwarded-", 12))
		return true;
	for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
		if (octets_are(name, colon, forbidden[i]))
			return true;
	return false;
}

/* The section is complete, and without fault: chunked.c has seen to that. */
static void sift_trailers(struct content *content)
{
	char *line = content->trailers, *end = line + content->trailers_len - 2, *to = line;

	while (line < end) {
		char *next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		char *colon = memchr(line, ':', (size_t)(next - line));
		size_t len = (size_t)(next - line);

		if (!is_forbidden(line, colon)) {
			memmove(to, line, len);
			to += len;
		}
		line = next;
	}
	content->trailers_len = (uint32_t)(to - content->trailers);
}

/* Room is looked at before a byte is: so the verdict does not depend on how they come. */
static size_t take_trailers(struct content *content, const char *data, size_t len)
{
	size_t room = content->trailers_size - content->trailers_len, piece;

	if (!room) {
		stop(content, CONTENT_TOO_LARGE, "trailers are larger than the buffer");
		return 0;
	}
	len = chunked_next(&content->chunked, data, len < room ? len : room, &piece);
	memcpy(content->trailers + content->trailers_len, data, len);
	content->trailers_len += (uint32_t)len;
	if (content->chunked.state == CHUNKED_DONE)
		sift_trailers(content);
	return len;
}

static size_t take_chunked(struct content *content, const char *data, size_t len, size_t *piece_r)
{
	size_t taken;

	if (content->trailers && content->chunked.state >= CHUNKED_TRAILER)
		taken = take_trailers(content, data, len);
	else
		taken = chunked_next(&content->chunked, data, len, piece_r);
	if (content->chunked.state == CHUNKED_DONE)
		content->state = CONTENT_DONE;
	else if (content->chunked.state == CHUNKED_BAD)
		stop(content, CONTENT_BAD, "malformed chunk");
	else if (content->chunked.state == CHUNKED_TOO_LARGE)
		stop(content, CONTENT_TOO_LARGE, "content, extensions or trailers are too long");
	return taken;
}

/* Without marks in it: all is content. */
static size_t take_plain(struct content *content, size_t len)
{
	if (content->framing == CONTENT_LENGTH) {
		if (len > content->left)
			len = (size_t)content->left;
		content->left -= len;
		if (!content->left)
			content->state = CONTENT_DONE;
	} else if (len > content->limit - content->total) {
		len = (size_t)(content->limit - content->total);
		stop(content, CONTENT_TOO_LARGE, "content is longer than the limit");
	}
	return len;
}

size_t content_take(struct content *content, const char *data, size_t len, size_t *piece_r)
{
	size_t taken;

	*piece_r = 0;
	if (content->state != CONTENT_MORE)
		return 0;
	if (content->framing == CONTENT_CHUNKED)
		taken = take_chunked(content, data, len, piece_r);
	else
		taken = *piece_r = take_plain(content, len);
	content->total += *piece_r;
	return taken;
}

void content_end(struct content *content)
{
	if (content->state != CONTENT_MORE)
		return;
	if (content->framing >= CONTENT_UNTIL_END)
		content->state = CONTENT_DONE;
	else
		stop(content, CONTENT_BAD, "the stream ends within the content");
}

enum content_framing content_passed_on(enum content_framing framing, unsigned minor)
{
	if (framing != CONTENT_CHUNKED && framing != CONTENT_UNTIL_END)
		return framing;
	return minor ? CONTENT_CHUNKED : CONTENT_UNTIL_END;
}

/* The end of the chunk before, if there is one. */
static char *mark_end(struct content_marks *marks, char *out)
{
	if (marks->has_begun) {
		*out++ = '\r';
		*out++ = '\n';
	}
	marks->has_begun = true;
	return out;
}

static char *put_hex(char *out, uint64_t number)
{
	int shift = 60;

	while (shift > 0 && !(number >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[number >> shift & 15];
	*out++ = '\r';
	*out++ = '\n';
	return out;
}

size_t content_mark(struct content_marks *marks, uint64_t len, char *out)
{
	if (!marks->is_chunked)
		return 0;
	return (size_t)(put_hex(mark_end(marks, out), len) - out);
}

size_t content_mark_pause(struct content_marks *marks, char *out)
{
	size_t len = marks->has_begun ? (size_t)(mark_end(marks, out) - out) : 0;

	marks->has_begun = false;
	return len;
}

size_t content_mark_last(struct content_marks *marks, char *out)
{
	return content_mark(marks, 0, out);
}
