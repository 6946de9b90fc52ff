/* SPDX-License-Identifier: MIT */
/* Heads of files; see head.h. */
#include "services/http/head.h"

#include "services/http/file.h"
#include "services/http/nanoseconds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOSNIFF "X-Content-Type-Options: nosniff\r\n"

/* What is written so far; once it is too long it stays so. */
struct text {
	char *data;
	size_t room, len;
};

__attribute__((__format__(__printf__, 2, 3))) static void add(struct text *text, const char *format,
							      ...)
{
	size_t room = text->room - text->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->data + text->len, room, format, args);
	va_end(args);
	text->len += (size_t)len < room ? (size_t)len : room;
}

/* Writes a date; where its value is. */
static uint32_t add_date(struct text *text, const char *name, int64_t seconds)
{
	char date[DATE_LEN];
	uint32_t at;

	date_format(seconds, date);
	add(text, "%s: ", name);
	at = (uint32_t)text->len;
	add(text, "%.*s\r\n", DATE_LEN, date);
	return at;
}

/* Strong (RFC 9110 section 8.8.1): another content, or another encoding, has another one. */
static void add_etag(struct text *text, struct file *file, enum encoding encoding)
{
	uint64_t time = (uint64_t)nanoseconds_of(&file->identity.modified);

	add(text, "ETag: ");
	file->etag_at = (uint32_t)text->len;
	add(text, "\"%" PRIx64 "-%" PRIx64 "%s%s\"", time, (uint64_t)file->size,
	    encoding ? "-" : "", encoding ? encoding_name(encoding) : "");
	file->etag_len = (uint32_t)text->len - file->etag_at;
	add(text, "\r\n");
}

/* Those whose bytes mean nothing without the encoding of their characters. */
static bool is_text(const char *type)
{
	return strncasecmp(type, "text/", 5) == 0 ||
	       strcasecmp(type, "application/javascript") == 0;
}

static void add_type(struct text *text, const struct head_values *values)
{
	const char *charset = is_text(values->type) ? values->settings->charset : NULL;

	add(text, "Content-Type: %s%s%s\r\n", values->type, charset ? "; charset=" : "",
	    charset ? charset : "");
}

/* Where the date of Expires is; 0: there is none. */
static uint32_t add_freshness(struct text *text, int64_t expires, int64_t now)
{
	if (expires < 0)
		return 0;
	if (expires == 0) {
		add(text, "Cache-Control: no-cache\r\n");
		return 0;
	}
	add(text, "Cache-Control: max-age=%" PRId64 "\r\n", expires);
	return add_date(text, "Expires", now + expires);
}

size_t head_said(const struct settings *settings, bool may_keep, int64_t now,
		 char out[HEAD_SAID_MAX])
{
	struct text text = { .data = out, .room = HEAD_SAID_MAX };

	if (may_keep)
		add_freshness(&text, settings->expires, now);
	if (settings->nosniff)
		add(&text, NOSNIFF);
	return text.len;
}

bool head_has_field(const char *line, const char *end, const char *name)
{
	size_t len = strlen(name);

	while ((size_t)(end - line) > len) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return true;
		line = next ? next + 1 : end;
	}
	return false;
}

/* What the configuration says itself goes before what we would say of the same name. */
static void add_own(struct text *text, const struct head_values *values)
{
	char line[SETTINGS_HEADERS_MAX];
	size_t len = settings_headers(values->settings, false, line, sizeof line);

	if (values->settings->nosniff &&
	    !head_has_field(line, line + len, "X-Content-Type-Options"))
		add(text, NOSNIFF);
	add(text, "%.*s", (int)len, line);
	if (!head_has_field(line, line + len, "Server"))
		add(text, "%s", values->server);
}

int head_make(struct file *file, const struct head_values *values, int64_t now,
	      char out[FILE_HEAD_MAX])
{
	struct text text = { .data = out, .room = FILE_HEAD_MAX };

	/* RFC 9110 section 8.8.2.1: never later than the Date. */
	file->modified =
		file->identity.modified.tv_sec < now ? file->identity.modified.tv_sec : now;
	file->date = now;

	add(&text, "HTTP/1.1 200 OK\r\nContent-Length: %" PRId64 "\r\n", file->size);
	file->type_at = (uint32_t)text.len;
	add_type(&text, values);
	file->encoding_at = (uint32_t)text.len;
	if (values->encoding)
		add(&text, "Content-Encoding: %s\r\n", encoding_name(values->encoding));
	file->common_at = (uint32_t)text.len;
	file->date_at = add_date(&text, "Date", now);
	add_date(&text, "Last-Modified", file->modified);
	add_etag(&text, file, values->encoding);
	add(&text, "Accept-Ranges: bytes\r\n");
	if (values->varies)
		add(&text, "Vary: Accept-Encoding\r\n");
	file->expires = values->settings->expires;
	file->expires_at = add_freshness(&text, file->expires, now);
	add_own(&text, values);
	add(&text, "\r\n");
	file->head_len = (uint32_t)text.len;
	if (text.len < FILE_HEAD_MAX)
		return 0;
	errno = EMSGSIZE;
	return -1;
}
