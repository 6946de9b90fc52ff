/* SPDX-License-Identifier: MIT */
/*
 * Responses; see response.h. The usual one is a single try_write of a piece of memory that has been
 * ready for long. Everything else (another Connection field, a client that is slow to take it, a
 * large file) goes with a copy of the head, which leaves the file's own free to be given a new
 * Date.
 */
#include "services/http/response.h"

#include "services/http/file.h"
#include "services/http/send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	CONNECTION_MAX = 32, /* the longest Connection field */
	COPIED_MAX = 4096,   /* content that is worth copying to save a second piece */
	PAGE_MAX = 512
};

static const char *connection_field(enum response_end end)
{
	static const char *const field[] = {
		[RESPONSE_KEEP] = "",
		[RESPONSE_KEEP_ALIVE] = "Connection: keep-alive\r\n",
		[RESPONSE_CLOSE] = "Connection: close\r\n",
	};

	return field[end];
}

static unsigned end_flags(enum response_end end)
{
	return end == RESPONSE_CLOSE ? MU_MORE : 0;
}

static char *put(char *out, const char *data, size_t len)
{
	memcpy(out, data, len);
	return out + len;
}

/* Writes all pieces (at most two), waiting if it must. */
static int write_pieces(const struct response *response, const char *head, size_t head_len,
			const char *content, size_t content_len, unsigned flags)
{
	struct iovec piece[2] = {
		{ .iov_base = (char *)(uintptr_t)head, .iov_len = head_len },
		{ .iov_base = (char *)(uintptr_t)content, .iov_len = content_len },
	};

	return mu_writev(response->conn, piece, content_len ? 2 : 1, flags);
}

/* From offset `sent` of head and content on. */
static int send_rest(const struct response *response, const struct file *file, size_t sent,
		     size_t content_len, unsigned flags)
{
	const char *content = file->head + file->head_len;
	char head[FILE_HEAD_MAX];

	if (sent >= file->head_len) {
		sent -= file->head_len;
		return write_pieces(response, content + sent, content_len - sent, NULL, 0, flags);
	}
	memcpy(head, file->head + sent, file->head_len - sent);
	return write_pieces(response, head, file->head_len - sent, content, content_len, flags);
}

/*
 * Head and content with a Connection field between them. Little content is copied behind its head: one plain
 * send costs less than a gathering one.
 */
static int send_with_field(const struct response *response, const struct file *file,
			   size_t content_len, unsigned flags)
{
	const char *field = connection_field(response->end);
	char head[FILE_HEAD_MAX + CONNECTION_MAX + COPIED_MAX], *end;

	end = put(head, file->head, file->head_len - 2);
	end = put(end, field, strlen(field));
	end = put(end, "\r\n", 2);
	if (content_len <= COPIED_MAX) {
		end = put(end, file->head + file->head_len, content_len);
		content_len = 0;
	}
	return write_pieces(response, head, (size_t)(end - head), file->head + file->head_len,
			    content_len, flags);
}

static inline void set_date(const struct response *response, struct file *file)
{
	if (file->date != response->now)
		file_set_date(file, response->now, response->date);
}

int response_file(const struct response *response, struct file *file)
{
	bool from_fd = file->fd >= 0 && !response->without_content && file->size > 0;
	size_t content_len = file->fd >= 0 || response->without_content ? 0 : (size_t)file->size;
	unsigned flags = from_fd ? MU_MORE : end_flags(response->end);

	set_date(response, file);
	if (response->end == RESPONSE_KEEP) {
		size_t len = file->head_len + content_len;
		ssize_t n = mu_try_write(response->conn, file->head, len, flags);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0)
			n = 0;
		if ((size_t)n < len && send_rest(response, file, (size_t)n, content_len, flags) < 0)
			return -1;
	} else if (send_with_field(response, file, content_len, flags) < 0) {
		return -1;
	}
	return from_fd ? send_content(response->conn, file, 0, file->size, true) : 0;
}

int response_not_modified(const struct response *response, struct file *file)
{
	static const char line[] = "HTTP/1.1 304 Not Modified\r\n";
	const char *field = connection_field(response->end);
	char head[FILE_HEAD_MAX + CONNECTION_MAX + sizeof line], *end;

	set_date(response, file);
	end = put(head, line, sizeof line - 1);
	end = put(end, file->head + file->common_at, file->head_len - file->common_at - 2);
	end = put(end, field, strlen(field));
	end = put(end, "\r\n", 2);
	return write_pieces(response, head, (size_t)(end - head), NULL, 0,
			    end_flags(response->end));
}

const char *response_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 301:
		return "Moved Permanently";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Unknown";
	}
}

/* The page; 0 where the status has none. */
static int make_page(int status, char page[PAGE_MAX])
{
	const char *reason = response_reason(status);

	if (status == 204)
		return 0;
	return snprintf(page, PAGE_MAX,
			"<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
			"<title>%d %s</title></head>\n<body><h1>%d %s</h1></body>\n</html>\n",
			status, reason, status, reason);
}

/* Everything up to where the caller's fields go. type: of the content, "html". */
static int make_head(const struct response *response, int status, const char *type, int content_len,
		     char *out, size_t size)
{
	int len = snprintf(out, size, "HTTP/1.1 %d %s\r\nDate: %.*s\r\n%s%s", status,
			   response_reason(status), DATE_LEN, response->date, response->server,
			   connection_field(response->end));

	/* No Content-Length in 204 (RFC 9110 section 8.6). */
	if (content_len)
		len += snprintf(out + len, size - (size_t)len,
				"Content-Type: text/%s; charset=utf-8\r\nContent-Length: %d\r\n",
				type, content_len);
	return len;
}

static int write_all(const struct response *response, int status, const char *fields,
		     const char *type, const char *content, int content_len)
{
	char head[FILE_HEAD_MAX];
	int head_len = make_head(response, status, type, content_len, head, sizeof head);
	struct iovec piece[4] = {
		{ .iov_base = head, .iov_len = (size_t)head_len },
		{ .iov_base = (char *)(uintptr_t)fields, .iov_len = strlen(fields) },
		{ .iov_base = (char *)(uintptr_t) "\r\n", .iov_len = 2 },
		{ .iov_base = (char *)(uintptr_t)content,
		  .iov_len = response->without_content ? 0 : (size_t)content_len },
	};

	return mu_writev(response->conn, piece, 4, end_flags(response->end));
}

int response_status(const struct response *response, int status, const char *fields)
{
	char page[PAGE_MAX];
	int page_len = make_page(status, page);

	return write_all(response, status, fields, "html", page, page_len);
}

int response_text(const struct response *response, int status, const char *fields, const char *text)
{
	return write_all(response, status, fields, "plain", text, (int)strlen(text));
}

void response_last_words(const struct response *response, int status)
{
	char all[FILE_HEAD_MAX + PAGE_MAX], page[PAGE_MAX];
	int page_len = make_page(status, page);
	int len = make_head(response, status, "html", page_len, all, sizeof all - PAGE_MAX);

	len += snprintf(all + len, sizeof all - (size_t)len, "\r\n%s",
			response->without_content ? "" : page);
	/* Whether it arrives or not, the connection ends: there is no one to tell. */
	(void)!mu_try_write(response->conn, all, (size_t)len, end_flags(response->end));
}
