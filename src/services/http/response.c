/* SPDX-License-Identifier: MIT */
/*
 * Responses; see response.h. The usual one is a single try_write of a piece of memory that has
 * been ready for long. Everything else (another status or Connection field, a client that is
 * slow to take it, a large file) goes with a copy of the head, which leaves the file's own free
 * to be given a new Date.
 */
#include "services/http/response.h"

#include "services/http/file.h"
#include "services/http/multipart.h"
#include "services/http/nanoseconds.h"
#include "services/http/send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	CONNECTION_MAX = 32, /* the longest Connection field */
	FIRST_MAX = 256,     /* the lines of our own before those of a file's head */
	COPIED_MAX = 4096,   /* content that is worth copying to save a second piece */
	LINES_MAX = 512,     /* the lines of a head that is not a file's, up to Content-Type */
	PAGE_MAX = 512
};

/* A head that is made of a file's, with a little content behind it. */
struct made {
	size_t len;
	char data[FIRST_MAX + FILE_HEAD_MAX + CONNECTION_MAX + COPIED_MAX];
};

static const char *connection_field(enum response_end end)
{
	static const char *const field[] = {
		[RESPONSE_KEEP] = "",
		[RESPONSE_KEEP_ALIVE] = "Connection: keep-alive\r\n",
		[RESPONSE_CLOSE] = "Connection: close\r\n",
		[RESPONSE_UPGRADE] = "Connection: upgrade\r\n",
	};

	return field[end];
}

static unsigned end_flags(enum response_end end)
{
	return end == RESPONSE_CLOSE ? MU_MORE : 0;
}

static inline void set_first_byte(struct response *response)
{
	if (response->timed)
		response->first_byte = nanoseconds_now(CLOCK_MONOTONIC);
}

static inline void begin(struct response *response, int status)
{
	response->status = status;
	response->bytes = 0;
	set_first_byte(response);
}

static inline void set_date(const struct response *response, struct file *file)
{
	if (file->date != response->now)
		file_set_date(file, response->now, response->date);
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

static void put(struct made *made, const char *data, size_t len)
{
	memcpy(made->data + made->len, data, len);
	made->len += len;
}

/* first, what a file's head has from `at` on, the Connection field, the empty line. */
static void make_of_file(const struct response *response, const struct file *file,
			 const char *first, uint32_t at, struct made *made)
{
	const char *field = connection_field(response->end);

	made->len = 0;
	put(made, first, strlen(first));
	put(made, file->head + at, file->head_len - at - 2);
	put(made, field, strlen(field));
	put(made, "\r\n", 2);
}

/* n pieces (at most 7) and behind them len bytes of the file. */
static int send_with_content(struct response *response, struct iovec *piece, int n,
			     struct file *file, int64_t from, int64_t len)
{
	bool from_fd = len && file->fd >= 0;

	if (len && !from_fd)
		piece[n++] = (struct iovec){ .iov_base = file->head + file->head_len + from,
					     .iov_len = (size_t)len };
	if (mu_writev(response->conn, piece, n, from_fd ? MU_MORE : end_flags(response->end)) < 0)
		return -1;
	if (from_fd)
		return send_content(response->conn, file, from, len, true, &response->bytes);
	response->bytes = len;
	return 0;
}

/*
 * A head that was made and len bytes of the file behind it. Little content is copied: one plain
 * send costs less than a gathering one.
 */
static int send_made(struct response *response, struct made *made, struct file *file, int64_t from,
		     int64_t len)
{
	struct iovec piece[2] = { { .iov_base = made->data, .iov_len = made->len } };

	if (file->fd >= 0 || len > COPIED_MAX)
		return send_with_content(response, piece, 1, file, from, len);
	put(made, file->head + file->head_len + from, (size_t)len);
	if (write_pieces(response, made->data, made->len, NULL, 0, end_flags(response->end)) < 0)
		return -1;
	response->bytes = len;
	return 0;
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
 * Head and content as they stand in memory, behind them the content of a descriptor. What is done
 * with the first send, as nearly all is, costs no look at the clock.
 */
static int send_ready(struct response *response, struct file *file, size_t content_len,
		      bool from_fd)
{
	size_t len = file->head_len + content_len;
	unsigned flags = from_fd ? MU_MORE : 0;
	ssize_t n;

	response->status = 200;
	response->bytes = 0;
	response->first_byte = 0;
	n = mu_try_write(response->conn, file->head, len, flags);
	if (n < 0 && errno != EAGAIN)
		return -1;
	if (n != (ssize_t)len || from_fd)
		set_first_byte(response);
	if (n < 0)
		n = 0;
	if ((size_t)n > file->head_len)
		response->bytes = n - file->head_len;
	if ((size_t)n < len && send_rest(response, file, (size_t)n, content_len, flags) < 0)
		return -1;
	response->bytes = (int64_t)content_len;
	if (!from_fd)
		return 0;
	return send_content(response->conn, file, 0, file->size, true, &response->bytes);
}

static int send_whole(struct response *response, struct file *file)
{
	int64_t len = response->without_content ? 0 : file->size;
	struct made made;

	if (response->end == RESPONSE_KEEP)
		return send_ready(response, file, file->fd < 0 ? (size_t)len : 0,
				  len && file->fd >= 0);
	begin(response, 200);
	make_of_file(response, file, "", 0, &made);
	return send_made(response, &made, file, 0, len);
}

static int send_part(struct response *response, struct file *file, const struct range *range)
{
	char first[FIRST_MAX];
	struct made made;

	begin(response, 206);
	snprintf(first, sizeof first,
		 "HTTP/1.1 206 Partial Content\r\nContent-Length: %" PRId64
		 "\r\nContent-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\r\n",
		 range->len, range->from, range->from + range->len - 1, file->size);
	make_of_file(response, file, first, file->type_at, &made);
	return send_made(response, &made, file, range->from, range->len);
}

static int send_parts(struct response *response, struct file *file, const struct range *range,
		      int ranges)
{
	struct multipart multipart;
	char first[FIRST_MAX];
	struct made made;
	int result;

	/* Range is a wish that may be ignored (RFC 9110 section 14.2). */
	if (multipart_init(&multipart, response->conn, file, range, ranges) < 0)
		return send_whole(response, file);
	begin(response, 206);
	snprintf(first, sizeof first,
		 "HTTP/1.1 206 Partial Content\r\nContent-Length: %" PRId64
		 "\r\nContent-Type: multipart/byteranges; boundary=%s\r\n",
		 multipart.len, multipart.boundary);
	make_of_file(response, file, first, file->encoding_at, &made);
	result = multipart_write(&multipart, response->conn, file, made.data, made.len,
				 end_flags(response->end));
	response->bytes = multipart.sent;
	return result;
}

const char *response_unsatisfied_range(int64_t size, char out[RESPONSE_RANGE_MAX])
{
	snprintf(out, RESPONSE_RANGE_MAX, "Content-Range: bytes */%" PRId64 "\r\n", size);
	return out;
}

int response_file(struct response *response, struct file *file, const struct range *range,
		  int ranges)
{
	if (ranges < 0) {
		char field[RESPONSE_RANGE_MAX];

		return response_status(response, 416,
				       response_unsatisfied_range(file->size, field));
	}
	set_date(response, file);
	if (ranges == 0)
		return send_whole(response, file);
	if (ranges == 1)
		return send_part(response, file, range);
	return send_parts(response, file, range, ranges);
}

int response_not_modified(struct response *response, struct file *file)
{
	struct made made;

	begin(response, 304);
	set_date(response, file);
	make_of_file(response, file, "HTTP/1.1 304 Not Modified\r\n", file->common_at, &made);
	return send_made(response, &made, file, 0, 0);
}

const char *response_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} table[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 203, "Non-Authoritative Information" },
		{ 204, "No Content" },
		{ 205, "Reset Content" },
		{ 206, "Partial Content" },
		{ 300, "Multiple Choices" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 402, "Payment Required" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 407, "Proxy Authentication Required" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 423, "Locked" },
		{ 424, "Failed Dependency" },
		{ 425, "Too Early" },
		{ 426, "Upgrade Required" },
		{ 428, "Precondition Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 451, "Unavailable For Legal Reasons" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 506, "Variant Also Negotiates" },
		{ 507, "Insufficient Storage" },
		{ 508, "Loop Detected" },
		{ 511, "Network Authentication Required" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status == status)
			return table[i].reason;
	return "Unknown";
}

static struct iovec piece_of(const char *text, size_t len)
{
	return (struct iovec){ .iov_base = (char *)(uintptr_t)text, .iov_len = len };
}

/* The first lines of what is not a file. */
static int make_lines(const struct response *response, int status, char out[LINES_MAX])
{
	return snprintf(out, LINES_MAX, "HTTP/1.1 %d %s\r\nDate: %.*s\r\n%s%s", status,
			response_reason(status), DATE_LEN, response->date, response->server,
			connection_field(response->end));
}

int response_error_file(struct response *response, int status, const char *fields,
			struct file *file)
{
	char lines[LINES_MAX];
	size_t len = (size_t)make_lines(response, status, lines);
	struct iovec piece[6];

	begin(response, status);
	len += (size_t)snprintf(lines + len, sizeof lines - len, "Content-Length: %" PRId64 "\r\n",
				file->size);
	piece[0] = piece_of(lines, len);
	piece[1] = piece_of(file->head + file->type_at, file->common_at - file->type_at);
	piece[2] = piece_of(response->fields, strlen(response->fields));
	piece[3] = piece_of(fields, strlen(fields));
	piece[4] = piece_of("\r\n", 2);
	return send_with_content(response, piece, 5, file, 0,
				 response->without_content ? 0 : file->size);
}

int response_content(struct response *response, int status, const char *type, const char *fields,
		     const char *content, size_t len)
{
	char lines[LINES_MAX], length[48];
	size_t lines_len = (size_t)make_lines(response, status, lines);
	struct iovec piece[8];
	int n = 0;

	begin(response, status);
	piece[n++] = piece_of(lines, lines_len);
	if (content) {
		piece[n++] = piece_of("Content-Type: ", 14);
		piece[n++] = piece_of(type, strlen(type));
		piece[n++] = piece_of(length, (size_t)snprintf(length, sizeof length,
							       "\r\nContent-Length: %zu\r\n", len));
	}
	piece[n++] = piece_of(response->fields, strlen(response->fields));
	piece[n++] = piece_of(fields, strlen(fields));
	piece[n++] = piece_of("\r\n", 2);
	if (!content || response->without_content)
		len = 0;
	else
		piece[n++] = piece_of(content, len);
	if (mu_writev(response->conn, piece, n, end_flags(response->end)) < 0)
		return -1;
	response->bytes = (int64_t)len;
	return 0;
}

static size_t make_page(int status, char page[PAGE_MAX])
{
	const char *reason = response_reason(status);

	return (size_t)snprintf(
		page, PAGE_MAX,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
		"<title>%d %s</title></head>\n<body><h1>%d %s</h1></body>\n</html>\n",
		status, reason, status, reason);
}

int response_text(struct response *response, int status, const char *fields, const char *text)
{
	return response_content(response, status, "text/plain; charset=utf-8", fields, text,
				strlen(text));
}

int response_status(struct response *response, int status, const char *fields)
{
	char page[PAGE_MAX];

	if (status == 204 || status == 304)
		return response_content(response, status, "", fields, NULL, 0);
	return response_content(response, status, "text/html; charset=utf-8", fields, page,
				make_page(status, page));
}

size_t response_own_lines(const struct response *response, bool date, bool server, char *out)
{
	char *p = out;

	if (!date) {
		p = mempcpy(p, "Date: ", 6);
		p = mempcpy(p, response->date, DATE_LEN);
		p = mempcpy(p, "\r\n", 2);
	}
	if (!server)
		p = stpcpy(p, response->server);
	p = stpcpy(p, response->fields);
	p = stpcpy(p, connection_field(response->end));
	p = mempcpy(p, "\r\n", 2);
	return (size_t)(p - out);
}

void response_begin(struct response *response, int status)
{
	begin(response, status);
}

int response_write(struct response *response, const struct iovec *piece, int n, bool more,
		   bool last)
{
	return mu_writev(response->conn, piece, n,
			 more   ? MU_MORE
			 : last ? end_flags(response->end)
				: 0);
}

void response_last_words(struct response *response, int status)
{
	char all[LINES_MAX + 128 + PAGE_MAX], page[PAGE_MAX];
	size_t page_len = make_page(status, page);
	size_t len = (size_t)make_lines(response, status, all);

	begin(response, status);
	len += (size_t)snprintf(all + len, sizeof all - len,
				"Content-Type: text/html; charset=utf-8\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				page_len, response->without_content ? "" : page);
	/* Whether it arrives or not, the connection ends: there is no one to tell. */
	if (mu_try_write(response->conn, all, len, end_flags(response->end)) == (ssize_t)len &&
	    !response->without_content)
		response->bytes = (int64_t)page_len;
}
