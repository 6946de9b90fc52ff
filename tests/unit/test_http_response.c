/* SPDX-License-Identifier: MIT */
/* Responses, octet by octet, to clients that take them at once and to those that do not. */
#include "services/http/response.h"

#include "services/http/file.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

#include <time.h>

enum { NOW = 1700000000, SMALL = 26, LARGE = 40000, HEAD_ROOM = 512 };

#define STATUS "HTTP/1.1 200 OK\r\n"
#define LENGTH "Content-Length: %d\r\n"
#define TYPE   "Content-Type: text/plain\r\n"
#define GZIP   "Content-Encoding: gzip\r\n"
#define DATE   "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
#define REST                                               \
	"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n" \
	"ETag: \"x\"\r\nAccept-Ranges: bytes\r\nServer: musterd\r\n"
#define OLD_DATE "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"

static char content[LARGE + 1];
static struct temp_folder folder;
static struct mu_worker worker;
static struct mu_conn conn;
static struct response response;
static const char path[] = "/file";
static struct file *file; /* with its path behind it */
static char memory[HEAD_ROOM + LARGE];

/* Fills the file as file_open would: size bytes, with a coding or without. */
static void set_file(int size, const char *encoding)
{
	char status[64];
	int len = snprintf(status, sizeof status, STATUS LENGTH, size);

	*file = (struct file){ .references = 1, .fd = -1, .head = memory, .size = size };
	file->type_at = (uint32_t)len;
	file->encoding_at = file->type_at + (uint32_t)strlen(TYPE);
	file->common_at = file->encoding_at + (uint32_t)strlen(encoding);
	file->date_at = file->common_at + (uint32_t)strlen("Date: ");
	file->head_len = (uint32_t)snprintf(memory, HEAD_ROOM, "%s" TYPE "%s" OLD_DATE REST "\r\n",
					    status, encoding);
	memcpy(memory + file->head_len, content, (size_t)size);
	memcpy(file->text, path, sizeof path);
}

/* The same with its content behind a descriptor. */
static void set_large(int size, const char *encoding)
{
	struct stat st;

	set_file(size, encoding);
	memset(memory + file->head_len, '?', (size_t)size);
	temp_write_bytes(&folder, "file", content, (size_t)size);
	file->fd = open(temp_path(&folder, "file"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(file->fd, 0);
	ck_assert_int_eq(fstat(file->fd, &st), 0);
	file->identity = (struct file_identity){ .dev = st.st_dev,
						 .ino = st.st_ino,
						 .size = st.st_size,
						 .modified = st.st_mtim,
						 .changed = st.st_ctim };
}

static void begin(void)
{
	fake_conn_cleanup(&conn);
	fake_conn_init(&conn, &worker);
}

static void setup(void)
{
	for (int i = 0; i < LARGE; i++)
		content[i] = (char)('a' + i % 26);
	temp_folder_init(&folder);
	memset(&worker, 0, sizeof worker);
	fake_conn_init(&conn, &worker);
	response = (struct response){ .conn = &conn,
				      .date = "Tue, 14 Nov 2023 22:13:20 GMT",
				      .server = "Server: musterd\r\n",
				      .fields = "",
				      .now = NOW,
				      .status = -1,
				      .bytes = -1,
				      .first_byte = -1 };
	file = malloc(sizeof *file + sizeof path);
	ck_assert_ptr_nonnull(file);
	set_file(SMALL, "");
}

static void teardown(void)
{
	fake_conn_cleanup(&conn);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
	temp_folder_cleanup(&folder);
}

/* The output is this text and `len` bytes of the content from `from` on. */
static void check_output(const char *text, int from, int len)
{
	size_t text_len = strlen(text);

	ck_assert_ptr_nonnull(conn.output);
	ck_assert_msg(conn.output_len == text_len + (size_t)len &&
			      memcmp(conn.output, text, text_len) == 0 &&
			      memcmp(conn.output + text_len, content + from, (size_t)len) == 0,
		      "%s\nis not\n%s%.*s", conn.output, text, len, content + from);
}

static void check_result(int status, int64_t bytes)
{
	ck_assert_int_eq(response.status, status);
	ck_assert_int_eq(response.bytes, bytes);
}

static const char whole_head[] = STATUS "Content-Length: 26\r\n" TYPE DATE REST "\r\n";

START_TEST(a_small_file_is_one_write_of_what_is_ready)
{
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	check_output(whole_head, 0, SMALL);
	check_result(200, SMALL);
	ck_assert_uint_eq(conn.sends, 1);
	ck_assert(!conn.more);
	ck_assert_int_eq(response.first_byte, 0);
	ck_assert_int_eq(memcmp(file->head, whole_head, strlen(whole_head)), 0);
}
END_TEST

START_TEST(an_empty_file_is_a_head)
{
	set_file(0, "");
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	check_output(STATUS "Content-Length: 0\r\n" TYPE DATE REST "\r\n", 0, 0);
	check_result(200, 0);
	set_large(0, "");
	begin();
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	check_output(STATUS "Content-Length: 0\r\n" TYPE DATE REST "\r\n", 0, 0);
	ck_assert(!conn.more);
}
END_TEST

START_TEST(a_large_file_follows_its_head)
{
	set_large(LARGE, "");
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	check_output(STATUS "Content-Length: 40000\r\n" TYPE DATE REST "\r\n", 0, LARGE);
	check_result(200, LARGE);
}
END_TEST

START_TEST(head_has_no_content)
{
	response.without_content = true;
	for (int end = RESPONSE_KEEP; end <= RESPONSE_CLOSE; end++) {
		static const char *const field[] = { "", "Connection: keep-alive\r\n",
						     "Connection: close\r\n" };
		char expected[512];

		response.end = (enum response_end)end;
		set_file(SMALL, "");
		begin();
		ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
		snprintf(expected, sizeof expected, "%.*s%s\r\n", (int)strlen(whole_head) - 2,
			 whole_head, field[end]);
		check_output(expected, 0, 0);
		check_result(200, 0);
		ck_assert(conn.more == (end == RESPONSE_CLOSE));
	}
	response.end = RESPONSE_KEEP;
	set_large(LARGE, "");
	begin();
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	check_output(STATUS "Content-Length: 40000\r\n" TYPE DATE REST "\r\n", 0, 0);
	ck_assert(!conn.more);
	begin();
	ck_assert_int_eq(response_error_file(&response, 404, "", file), 0);
	ck_assert_ptr_nonnull(strstr(conn.output, "Content-Length: 40000\r\n"));
	ck_assert_str_eq(conn.output + conn.output_len - 4, "\r\n\r\n");
	check_result(404, 0);
	begin();
	ck_assert_int_eq(response_text(&response, 200, "", "12345"), 0);
	ck_assert_ptr_nonnull(strstr(conn.output, "Content-Length: 5\r\n"));
	ck_assert_str_eq(conn.output + conn.output_len - 4, "\r\n\r\n");
	check_result(200, 0);
}
END_TEST

/* RFC 9110 section 15.3.7.1 */
START_TEST(a_part_is_206_with_its_place)
{
	const struct range range = { 3, 20 };

	set_file(SMALL, GZIP);
	for (int end = RESPONSE_KEEP; end <= RESPONSE_CLOSE; end++) {
		static const char *const field[] = { "", "Connection: keep-alive\r\n",
						     "Connection: close\r\n" };
		char expected[512];

		response.end = (enum response_end)end;
		begin();
		ck_assert_int_eq(response_file(&response, file, &range, 1), 0);
		snprintf(expected, sizeof expected,
			 "HTTP/1.1 206 Partial Content\r\nContent-Length: 20\r\n"
			 "Content-Range: bytes 3-22/26\r\n" TYPE GZIP DATE REST "%s\r\n",
			 field[end]);
		check_output(expected, 3, 20);
		check_result(206, 20);
		ck_assert_uint_eq(conn.sends, 1);
		ck_assert(conn.more == (end == RESPONSE_CLOSE));
	}
}
END_TEST

START_TEST(a_part_is_taken_from_memory_and_from_descriptors_of_any_size)
{
	static const struct range ranges[] = {
		{ 0, 1 },      { LARGE - 1, 1 }, { 0, LARGE }, { 1, LARGE - 1 },
		{ 100, 4096 }, { 100, 4097 },    { 7, 8192 },  { 7, 8193 },
	};

	for (int is_large = 0; is_large < 2; is_large++) {
		if (is_large)
			set_large(LARGE, "");
		else
			set_file(LARGE, "");
		for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
			int from = (int)ranges[i].from, len = (int)ranges[i].len;
			char expected[512];

			begin();
			ck_assert_int_eq(response_file(&response, file, &ranges[i], 1), 0);
			snprintf(expected, sizeof expected,
				 "HTTP/1.1 206 Partial Content\r\n" LENGTH
				 "Content-Range: bytes %d-%d/%d\r\n" TYPE DATE REST "\r\n",
				 len, from, from + len - 1, LARGE);
			check_output(expected, from, len);
			check_result(206, len);
		}
	}
}
END_TEST

/* What a multipart response to these ranges must be, given the boundary of the output. */
static size_t expect_parts(const struct range *range, int n, const char *encoding, char *out,
			   size_t size)
{
	static const char name[] = "multipart/byteranges; boundary=";
	const char *boundary = strstr(conn.output, name);
	char *body = malloc(size);
	int boundary_len, body_len = 0, len;

	ck_assert_ptr_nonnull(boundary);
	boundary += strlen(name);
	boundary_len = (int)strcspn(boundary, "\r");
	/* RFC 2046 section 5.1.1 */
	ck_assert(boundary_len >= 20 && boundary_len <= 70);
	for (int i = 0; i < n; i++)
		body_len +=
			snprintf(body + body_len, size - (size_t)body_len,
				 "%s--%.*s\r\n" TYPE "Content-Range: bytes %d-%d/%d\r\n\r\n%.*s",
				 i ? "\r\n" : "", boundary_len, boundary, (int)range[i].from,
				 (int)(range[i].from + range[i].len - 1), (int)file->size,
				 (int)range[i].len, content + range[i].from);
	body_len += snprintf(body + body_len, size - (size_t)body_len, "\r\n--%.*s--\r\n",
			     boundary_len, boundary);
	len = snprintf(out, size,
		       "HTTP/1.1 206 Partial Content\r\n" LENGTH "Content-Type: %s%.*s\r\n"
		       "%s" DATE REST "\r\n%s",
		       body_len, name, boundary_len, boundary, encoding, body);
	free(body);
	ck_assert_int_lt(len, (int)size);
	return (size_t)body_len;
}

static char expected_parts[2 * LARGE];

static const struct range sixteen[] = {
	{ 0, 1 },       { 10, 2 },     { 100, 3 },       { 90, 4 },
	{ 5000, 4096 }, { 200, 10 },   { 300, 300 },     { 20, 8 },
	{ 700, 1 },     { 702, 1 },    { 704, 1 },       { 706, 1 },
	{ 708, 1 },     { 10000, 99 }, { 11000, 10000 }, { LARGE - 1, 1 },
};

/* RFC 9110 section 15.3.7.2 */
START_TEST(parts_are_multipart_in_the_order_given)
{
	for (int is_large = 0; is_large < 2; is_large++)
		for (int n = 2; n <= RANGES_MAX; n++) {
			size_t len;

			if (is_large)
				set_large(LARGE, GZIP);
			else
				set_file(LARGE, GZIP);
			begin();
			ck_assert_int_eq(response_file(&response, file, sixteen, n), 0);
			len = expect_parts(sixteen, n, GZIP, expected_parts, sizeof expected_parts);
			check_output(expected_parts, 0, 0);
			check_result(206, (int64_t)len);
			ck_assert(!conn.more);
			/* Not of the whole (14.4). */
			ck_assert_ptr_null(
				memmem(conn.output,
				       (size_t)(strstr(conn.output, "\r\n\r\n") - conn.output),
				       "Content-Range", 13));
			if (is_large)
				close(file->fd);
			file->fd = -1;
		}
}
END_TEST

START_TEST(parts_from_memory_are_gathered)
{
	ck_assert_int_eq(response_file(&response, file, sixteen, 2), 0);
	/* The head, two delimiters, two parts, the end. */
	ck_assert_uint_eq(conn.sends, 1);
	response.end = RESPONSE_CLOSE;
	begin();
	ck_assert_int_eq(response_file(&response, file, sixteen, 2), 0);
	ck_assert(conn.more);
	ck_assert_ptr_nonnull(strstr(conn.output, "Connection: close\r\n\r\n--"));
}
END_TEST

START_TEST(a_boundary_is_never_used_again)
{
	static const char name[] = "boundary=";
	char first[80];

	ck_assert_int_eq(response_file(&response, file, sixteen, 2), 0);
	snprintf(first, sizeof first, "%.79s", strstr(conn.output, name));
	begin();
	ck_assert_int_eq(response_file(&response, file, sixteen, 2), 0);
	ck_assert_int_ne(strncmp(strstr(conn.output, name), first, strlen(name) + 20), 0);
}
END_TEST

/* RFC 9110 section 15.5.17 */
START_TEST(no_part_of_it_is_416_with_the_length)
{
	char field[RESPONSE_RANGE_MAX];

	ck_assert_int_eq(response_file(&response, file, NULL, -1), 0);
	ck_assert_ptr_nonnull(strstr(conn.output, "HTTP/1.1 416 Range Not Satisfiable\r\n"));
	ck_assert_ptr_nonnull(strstr(conn.output, "Content-Range: bytes */26\r\n"));
	ck_assert_ptr_null(strstr(conn.output, "ETag"));
	ck_assert_int_eq(response.status, 416);
	ck_assert_str_eq(response_unsatisfied_range(INT64_MAX, field),
			 "Content-Range: bytes */9223372036854775807\r\n");
}
END_TEST

/* RFC 9110 section 15.4.5 */
START_TEST(not_modified_has_the_validators_and_no_content)
{
	set_file(SMALL, GZIP);
	response.end = RESPONSE_KEEP_ALIVE;
	ck_assert_int_eq(response_not_modified(&response, file), 0);
	check_output("HTTP/1.1 304 Not Modified\r\n" DATE REST "Connection: keep-alive\r\n\r\n", 0,
		     0);
	check_result(304, 0);
	ck_assert_uint_eq(conn.sends, 1);
}
END_TEST

START_TEST(an_error_file_has_nothing_of_the_file_but_its_content)
{
	static const char expected[] =
		"HTTP/1.1 404 Not Found\r\n" DATE
		"Server: musterd\r\nConnection: close\r\nContent-Length: 26\r\n" TYPE
		"X-One: 1\r\nAllow: GET\r\n\r\n";

	response.end = RESPONSE_CLOSE;
	response.fields = "X-One: 1\r\n";
	ck_assert_int_eq(response_error_file(&response, 404, "Allow: GET\r\n", file), 0);
	check_output(expected, 0, SMALL);
	check_result(404, SMALL);
	set_large(SMALL, "");
	begin();
	ck_assert_int_eq(response_error_file(&response, 404, "Allow: GET\r\n", file), 0);
	check_output(expected, 0, SMALL);
	check_result(404, SMALL);
}
END_TEST

START_TEST(made_content_has_the_fields_of_the_configuration_and_its_own)
{
	response.fields = "X-One: 1\r\n";
	ck_assert_int_eq(
		response_content(&response, 403, "image/svg+xml", "X-Two: 2\r\n", content, 30000),
		0);
	check_output("HTTP/1.1 403 Forbidden\r\n" DATE "Server: musterd\r\n"
		     "Content-Type: image/svg+xml\r\nContent-Length: 30000\r\n"
		     "X-One: 1\r\nX-Two: 2\r\n\r\n",
		     0, 30000);
	check_result(403, 30000);
	ck_assert_uint_eq(conn.sends, 1);
}
END_TEST

START_TEST(a_status_has_its_page_or_none)
{
	static const int statuses[] = { 200, 301, 302, 303, 307, 308, 400, 401, 403, 404,
					405, 408, 410, 412, 413, 414, 416, 417, 421, 429,
					431, 451, 500, 501, 502, 503, 504, 505 };

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		const char *reason = response_reason(statuses[i]), *page;
		char line[100];

		ck_assert_str_ne(reason, "Unknown");
		begin();
		ck_assert_int_eq(response_status(&response, statuses[i], "A: b\r\n"), 0);
		snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", statuses[i], reason);
		ck_assert_int_eq(strncmp(conn.output, line, strlen(line)), 0);
		page = strstr(conn.output, "\r\nA: b\r\n\r\n");
		ck_assert_ptr_nonnull(page);
		page += strlen("\r\nA: b\r\n\r\n");
		check_result(statuses[i], (int64_t)strlen(page));
		snprintf(line, sizeof line, "\r\nContent-Length: %zu\r\n", strlen(page));
		ck_assert_ptr_nonnull(strstr(conn.output, line));
		snprintf(line, sizeof line, "<h1>%d %s</h1>", statuses[i], reason);
		ck_assert_ptr_nonnull(strstr(page, line));
	}
	begin();
	ck_assert_int_eq(response_status(&response, 204, "A: b\r\n"), 0);
	check_output("HTTP/1.1 204 No Content\r\n" DATE "Server: musterd\r\nA: b\r\n\r\n", 0, 0);
	check_result(204, 0);
	ck_assert_str_eq(response_reason(299), "Unknown");
}
END_TEST

START_TEST(last_words_do_not_wait)
{
	response.end = RESPONSE_CLOSE;
	response_last_words(&response, 408);
	ck_assert_uint_eq(conn.sends, 1);
	ck_assert_ptr_nonnull(strstr(conn.output, "408 Request Timeout\r\n"));
	check_result(408, (int64_t)strlen(strstr(conn.output, "\r\n\r\n") + 4));
	begin();
	conn.write_room = 0;
	response_last_words(&response, 408);
	ck_assert_uint_eq(conn.sends, 1);
	ck_assert_uint_eq(conn.output_len, 0);
	check_result(408, 0);
	response.without_content = true;
	begin();
	response_last_words(&response, 408);
	ck_assert_str_eq(conn.output + conn.output_len - 4, "\r\n\r\n");
	check_result(408, 0);
}
END_TEST

START_TEST(what_is_sent_at_once_has_no_time_of_its_own)
{
	response.timed = true;
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	ck_assert_uint_eq(conn.sends, 1);
	ck_assert_int_eq(response.first_byte, 0);
}
END_TEST

START_TEST(the_first_byte_has_its_time)
{
	struct timespec before, after;

	response.timed = true;
	conn.write_room = 10;
	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_assert_int_eq(response_file(&response, file, NULL, 0), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_ge(response.first_byte, (int64_t)before.tv_sec * 1000000000 + before.tv_nsec);
	ck_assert_int_le(response.first_byte, (int64_t)after.tv_sec * 1000000000 + after.tv_nsec);
}
END_TEST

/* ---- clients that take it slowly ---- */

/* Another request for the same file, a second later, while this one waits. */
static void change_date(struct mu_conn *waiting)
{
	(void)waiting;
	file_set_date(file, NOW + 1, "Tue, 14 Nov 2023 22:13:21 GMT");
}

static const struct range two[] = { { 20, 6 }, { 0, 3 } };

static int send_kind(int kind)
{
	switch (kind) {
	case 0:
		return response_file(&response, file, NULL, 0);
	case 1:
		return response_file(&response, file, two, 1);
	case 2:
		return response_file(&response, file, two, 2);
	case 3:
		return response_not_modified(&response, file);
	case 4:
		return response_error_file(&response, 404, "A: b\r\n", file);
	case 5:
		return response_status(&response, 404, "A: b\r\n");
	default:
		return response_content(&response, 200, "text/plain", "A: b\r\n", content, 5000);
	}
}

enum { KINDS = 7 };

/* The same with each boundary overwritten, for it differs each time. */
static void hide_boundary(char *text)
{
	char *name = strstr(text, "boundary=");
	char boundary[80];

	if (!name)
		return;
	snprintf(boundary, sizeof boundary, "%.*s", (int)strcspn(name + 9, "\r"), name + 9);
	for (char *p = text; (p = strstr(p, boundary));)
		memset(p, '-', strlen(boundary));
}

static void split(int kind, bool large, enum response_end end)
{
	size_t size = 40000, whole = SIZE_MAX;
	char *expected = malloc(size);
	int64_t bytes = 0;

	response.end = end;
	if (large)
		set_large(SMALL, "");
	else
		set_file(SMALL, "");
	for (size_t room = 0; room == 0 || room - 1 <= whole; room++) {
		file_set_date(file, 0, "Thu, 01 Jan 1970 00:00:00 GMT");
		begin();
		/* First as it should be, then with so much room before the first wait. */
		if (room) {
			conn.write_room = room - 1;
			conn.on_wait = change_date;
		}
		ck_assert_int_eq(send_kind(kind), 0);
		hide_boundary(conn.output);
		if (!room) {
			whole = conn.output_len;
			bytes = response.bytes;
			ck_assert_uint_lt(whole, size);
			memcpy(expected, conn.output, whole + 1);
		}
		ck_assert_uint_eq(conn.output_len, whole);
		ck_assert_str_eq(conn.output, expected);
		ck_assert_int_eq(response.bytes, bytes);
	}
	if (large)
		close(file->fd);
	file->fd = -1;
	free(expected);
}

START_TEST(a_slow_client_gets_the_same)
{
	for (int large = 0; large < 2; large++)
		for (int end = RESPONSE_KEEP; end <= RESPONSE_CLOSE; end += RESPONSE_CLOSE)
			split(_i, large, (enum response_end)end);
}
END_TEST

START_TEST(a_client_that_has_gone_ends_it)
{
	for (int kind = 0; kind < KINDS; kind++)
		for (int large = 0; large < 2; large++)
			for (int end = RESPONSE_KEEP; end <= RESPONSE_CLOSE; end++) {
				if (large)
					set_large(SMALL, "");
				else
					set_file(SMALL, "");
				response.end = (enum response_end)end;
				begin();
				conn.gone = true;
				ck_assert_int_eq(send_kind(kind), -1);
				ck_assert_int_eq(response.bytes, 0);
				ck_assert_uint_eq(conn.sends, 1);
				if (file->fd >= 0)
					close(file->fd);
				file->fd = -1;
			}
}
END_TEST

static void go_away(struct mu_conn *waiting)
{
	waiting->gone = true;
}

START_TEST(what_went_out_before_is_counted)
{
	conn.write_room = strlen(whole_head) + 10;
	conn.on_wait = go_away;
	ck_assert_int_eq(response_file(&response, file, NULL, 0), -1);
	check_result(200, 10);
}
END_TEST

/*
 * Sixteen parts are more pieces than one write takes: he goes between two of them, or within
 * one.
 */
START_TEST(who_leaves_among_the_parts_ends_it)
{
	size_t whole;

	for (int is_large = 0; is_large < 2; is_large++) {
		if (is_large)
			set_large(LARGE, "");
		else
			set_file(LARGE, "");
		begin();
		ck_assert_int_eq(response_file(&response, file, sixteen, 16), 0);
		whole = conn.output_len;
		for (size_t room = 0; room < whole; room += 41) {
			begin();
			conn.write_room = room;
			conn.on_wait = go_away;
			ck_assert_int_eq(response_file(&response, file, sixteen, 16), -1);
			ck_assert_uint_le(conn.output_len, room);
			ck_assert_int_ge(response.bytes, 0);
			ck_assert_int_le(response.bytes, (int64_t)conn.output_len);
		}
		begin();
		conn.write_room = whole - 10;
		conn.on_wait = go_away;
		ck_assert_int_eq(response_file(&response, file, sixteen, 16), -1);
	}
}
END_TEST

static void cut_short(struct mu_conn *waiting)
{
	(void)waiting;
	ck_assert_int_eq(truncate(temp_path(&folder, "file"), 10000), 0);
}

START_TEST(a_file_that_shrinks_ends_the_connection)
{
	static const struct range range = { 5000, 20000 };

	for (int kind = 0; kind < 3; kind++) {
		set_large(LARGE, "");
		begin();
		conn.write_room = 1000;
		conn.on_wait = cut_short;
		ck_assert_int_eq(kind == 0   ? response_file(&response, file, NULL, 0)
				 : kind == 1 ? response_file(&response, file, &range, 1)
					     : response_file(&response, file, sixteen, 16),
				 -1);
		ck_assert_int_lt((int64_t)conn.output_len, LARGE);
		close(file->fd);
		file->fd = -1;
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_response");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_small_file_is_one_write_of_what_is_ready);
	tcase_add_test(tcase, an_empty_file_is_a_head);
	tcase_add_test(tcase, a_large_file_follows_its_head);
	tcase_add_test(tcase, head_has_no_content);
	tcase_add_test(tcase, a_part_is_206_with_its_place);
	tcase_add_test(tcase, a_part_is_taken_from_memory_and_from_descriptors_of_any_size);
	tcase_add_test(tcase, parts_are_multipart_in_the_order_given);
	tcase_add_test(tcase, parts_from_memory_are_gathered);
	tcase_add_test(tcase, a_boundary_is_never_used_again);
	tcase_add_test(tcase, no_part_of_it_is_416_with_the_length);
	tcase_add_test(tcase, not_modified_has_the_validators_and_no_content);
	tcase_add_test(tcase, an_error_file_has_nothing_of_the_file_but_its_content);
	tcase_add_test(tcase, made_content_has_the_fields_of_the_configuration_and_its_own);
	tcase_add_test(tcase, a_status_has_its_page_or_none);
	tcase_add_test(tcase, last_words_do_not_wait);
	tcase_add_test(tcase, what_is_sent_at_once_has_no_time_of_its_own);
	tcase_add_test(tcase, the_first_byte_has_its_time);
	tcase_add_loop_test(tcase, a_slow_client_gets_the_same, 0, KINDS);
	tcase_add_test(tcase, a_client_that_has_gone_ends_it);
	tcase_add_test(tcase, what_went_out_before_is_counted);
	tcase_add_test(tcase, who_leaves_among_the_parts_ends_it);
	tcase_add_test(tcase, a_file_that_shrinks_ends_the_connection);
	return unit_main("http_response", tcase);
}
