/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/content.h"

#include "exact_copy.h"
#include "unit.h"

#include <string.h>

#define T(text) text, sizeof(text) - 1

enum { NO_LIMIT = 0, ROOM = 24 };

/*
 * A stream and what comes out of it: how it is framed, what was taken for content, what is left at its
 * end. The stream ends behind the bytes.
 */
static const struct row {
	enum content_framing framing;
	uint64_t length, limit;
	const char *text;
	size_t len;
	enum content_state state;
	const char *content;
	const char *trailers; /* NULL: there is no room for any */
	size_t left;
	const char *expect; /* the error */
} rows[] = {
	{ CONTENT_NONE, 0, NO_LIMIT, T("HTTP"), CONTENT_DONE, "", NULL, 4, NULL },
	{ CONTENT_LENGTH, 0, NO_LIMIT, T("HTTP"), CONTENT_DONE, "", NULL, 4, NULL },
	{ CONTENT_LENGTH, 5, NO_LIMIT, T("helloHTTP"), CONTENT_DONE, "hello", NULL, 4, NULL },
	{ CONTENT_LENGTH, 5, 5, T("hello"), CONTENT_DONE, "hello", NULL, 0, NULL },
	{ CONTENT_LENGTH, 5, 4, T("hello"), CONTENT_TOO_LARGE, "", NULL, 5,
	  "content is longer than the limit" },
	{ CONTENT_LENGTH, 5, NO_LIMIT, T("hell"), CONTENT_BAD, "hell", NULL, 0,
	  "the stream ends within the content" },
	{ CONTENT_UNTIL_END, 0, NO_LIMIT, T("hello"), CONTENT_DONE, "hello", NULL, 0, NULL },
	{ CONTENT_UNTIL_END, 0, NO_LIMIT, T(""), CONTENT_DONE, "", NULL, 0, NULL },
	{ CONTENT_UNTIL_END, 0, 5, T("hello"), CONTENT_DONE, "hello", NULL, 0, NULL },
	{ CONTENT_UNTIL_END, 0, 4, T("hello"), CONTENT_TOO_LARGE, "hell", NULL, 1,
	  "content is longer than the limit" },
	{ CONTENT_TUNNEL, 0, NO_LIMIT, T("\x81\x05hello"), CONTENT_DONE, "\x81\x05hello", NULL, 0,
	  NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\n\r\nHTTP"), CONTENT_DONE, "", NULL, 4, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nHTTP"), CONTENT_DONE,
	  "hello", NULL, 4, NULL },
	{ CONTENT_CHUNKED, 0, 5, T("5\r\nhello\r\n0\r\n\r\n"), CONTENT_DONE, "hello", NULL, 0,
	  NULL },
	{ CONTENT_CHUNKED, 0, 4, T("5\r\nhello\r\n0\r\n\r\n"), CONTENT_TOO_LARGE, "", NULL, 12,
	  "content, extensions or trailers are too long" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("5\nhello"), CONTENT_BAD, "", NULL, 5,
	  "malformed chunk" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("5\r\nhelloX"), CONTENT_BAD, "hello", NULL, 0,
	  "malformed chunk" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("5\r\nhel"), CONTENT_BAD, "hel", NULL, 0,
	  "the stream ends within the content" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("5\r\nhello\r\n0\r\n"), CONTENT_BAD, "hello", NULL, 0,
	  "the stream ends within the content" },
	/* ---- trailers ---- */
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nX: a\r\n\r\n"), CONTENT_DONE, "", NULL, 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\n\r\n"), CONTENT_DONE, "", "", 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("1\r\na\r\n0\r\nX: a\r\nY:\r\n\r\nHTTP"), CONTENT_DONE,
	  "a", "X: a\r\nY:\r\n", 4, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nHost: a\r\nX: b\r\n\r\n"), CONTENT_DONE, "",
	  "X: b\r\n", 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nX: b\r\nTE: a\r\n\r\n"), CONTENT_DONE, "",
	  "X: b\r\n", 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\ncontent-LENGTH: 5\r\n\r\n"), CONTENT_DONE, "", "",
	  0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nIf-Match: 5\r\n\r\n"), CONTENT_DONE, "", "", 0,
	  NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nX-Forwarded-For: a\r\n\r\n"), CONTENT_DONE, "", "",
	  0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nX-Forwarder-By: a\r\n\r\n"), CONTENT_DONE, "",
	  "X-Forwarder-By: a\r\n", 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nServer-Timing: abcd\r\n\r\n"), CONTENT_DONE, "",
	  "Server-Timing: abcd\r\n", 0, NULL },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nServer-Timing: abcdef\r\n\r\n"), CONTENT_TOO_LARGE,
	  "", "", 0, "trailers are larger than the buffer" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nServer-Timing: abcdefghi\r\nX : bad"),
	  CONTENT_TOO_LARGE, "", "", 0, "trailers are larger than the buffer" },
	{ CONTENT_CHUNKED, 0, NO_LIMIT, T("0\r\nX : a\r\n\r\n"), CONTENT_BAD, "", "", 6,
	  "malformed chunk" },
};

/* The stream in pieces of `first` bytes and then `step`, each in memory that ends where it ends. */
static void check_row(const struct row *row, size_t first, size_t step)
{
	char got[64], room[ROOM];
	size_t at = 0, got_len = 0, n = first;
	struct content content;

	content_init(&content, row->framing, row->length,
		     row->limit == NO_LIMIT ? UINT64_MAX : row->limit);
	if (row->trailers)
		content_keep_trailers(&content, room, sizeof room);
	for (; at < row->len && content.state == CONTENT_MORE; n = step) {
		size_t len = row->len - at < n ? row->len - at : n, taken, piece;
		char *exact = exact_copy(row->text + at, len);

		taken = content_take(&content, exact, len, &piece);
		ck_assert_uint_le(taken, len);
		ck_assert_uint_le(piece, taken);
		ck_assert(taken || !len || content.state != CONTENT_MORE);
		memcpy(got + got_len, exact + taken - piece, piece);
		got_len += piece;
		at += taken;
		free(exact);
	}
	if (at == row->len)
		content_end(&content);
	ck_assert_msg(content.state == row->state, "row %td, %zu, %zu: state %d", row - rows, first,
		      step, content.state);
	ck_assert_pstr_eq(content.error, row->expect);
	ck_assert_uint_eq(got_len, strlen(row->content));
	ck_assert_mem_eq(got, row->content, got_len);
	ck_assert_uint_eq(content.total, got_len);
	if (row->state == CONTENT_DONE)
		ck_assert_uint_eq(row->len - at, row->left);
	if (row->state == CONTENT_DONE && row->trailers) {
		ck_assert_uint_eq(content.trailers_len, strlen(row->trailers));
		ck_assert_mem_eq(room, row->trailers, content.trailers_len);
	}
}

START_TEST(content_comes_out_of_its_framing_however_it_comes)
{
	const struct row *row = &rows[_i];

	check_row(row, row->len + 1, row->len + 1);
	for (size_t at = 0; at < row->len; at++)
		check_row(row, at, row->len);
	for (size_t step = 1; step <= row->len; step++)
		check_row(row, step, step);
}
END_TEST

START_TEST(behind_the_end_nothing_is_taken)
{
	struct content content;
	size_t piece = 7;

	content_init(&content, CONTENT_NONE, 0, 10);
	ck_assert_int_eq(content.state, CONTENT_DONE);
	ck_assert_uint_eq(content_take(&content, T("HTTP"), &piece), 0);
	ck_assert_uint_eq(piece, 0);
	content_end(&content);
	ck_assert_int_eq(content.state, CONTENT_DONE);
}
END_TEST

START_TEST(content_is_passed_on_as_the_other_side_can_read_it)
{
	for (unsigned minor = 0; minor < 2; minor++) {
		ck_assert_int_eq(content_passed_on(CONTENT_NONE, minor), CONTENT_NONE);
		ck_assert_int_eq(content_passed_on(CONTENT_LENGTH, minor), CONTENT_LENGTH);
		ck_assert_int_eq(content_passed_on(CONTENT_TUNNEL, minor), CONTENT_TUNNEL);
	}
	ck_assert_int_eq(content_passed_on(CONTENT_CHUNKED, 1), CONTENT_CHUNKED);
	ck_assert_int_eq(content_passed_on(CONTENT_UNTIL_END, 1), CONTENT_CHUNKED);
	ck_assert_int_eq(content_passed_on(CONTENT_CHUNKED, 0), CONTENT_UNTIL_END);
	ck_assert_int_eq(content_passed_on(CONTENT_UNTIL_END, 0), CONTENT_UNTIL_END);
}
END_TEST

static void check_mark(struct content_marks *marks, uint64_t len, const char *expect)
{
	char out[CONTENT_MARK_MAX];
	size_t n = len ? content_mark(marks, len, out) : content_mark_last(marks, out);

	ck_assert_uint_eq(n, strlen(expect));
	ck_assert_mem_eq(out, expect, n);
}

START_TEST(chunks_are_marked)
{
	struct content_marks marks = { .is_chunked = true }, none = { .is_chunked = true };

	check_mark(&marks, 1, "1\r\n");
	check_mark(&marks, 0xabc, "\r\nabc\r\n");
	check_mark(&marks, 16, "\r\n10\r\n");
	check_mark(&marks, UINT64_MAX, "\r\nffffffffffffffff\r\n");
	check_mark(&marks, 0, "\r\n0\r\n");
	check_mark(&none, 0, "0\r\n");
}
END_TEST

START_TEST(a_pause_completes_the_chunk)
{
	struct content_marks marks = { .is_chunked = true }, none = { 0 };
	char out[CONTENT_MARK_MAX];

	ck_assert_uint_eq(content_mark_pause(&marks, out), 0);
	check_mark(&marks, 5, "5\r\n");
	ck_assert_uint_eq(content_mark_pause(&marks, out), 2);
	ck_assert_mem_eq(out, "\r\n", 2);
	ck_assert_uint_eq(content_mark_pause(&marks, out), 0);
	check_mark(&marks, 6, "6\r\n");
	check_mark(&marks, 0, "\r\n0\r\n");
	check_mark(&none, 5, "");
	ck_assert_uint_eq(content_mark_pause(&none, out), 0);
}
END_TEST

START_TEST(plain_content_has_no_marks)
{
	struct content_marks marks = { 0 };

	check_mark(&marks, 5, "");
	check_mark(&marks, 0, "");
}
END_TEST

START_TEST(what_is_marked_is_read_again)
{
	struct content_marks marks = { .is_chunked = true };
	struct content content;
	char text[128], *p = text;
	size_t at = 0, piece, total = 0;

	for (size_t len = 1; len <= 17; len += 8) {
		p += content_mark(&marks, len, p);
		memset(p, 'a', len);
		p += len;
	}
	p += content_mark_last(&marks, p);
	p = stpcpy(p, "X: a\r\n\r\n");
	content_init(&content, CONTENT_CHUNKED, 0, UINT64_MAX);
	while (content.state == CONTENT_MORE) {
		at += content_take(&content, text + at, (size_t)(p - text) - at, &piece);
		total += piece;
	}
	ck_assert_int_eq(content.state, CONTENT_DONE);
	ck_assert_uint_eq(at, (size_t)(p - text));
	ck_assert_uint_eq(total, 1 + 9 + 17);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_content");

	tcase_add_loop_test(tcase, content_comes_out_of_its_framing_however_it_comes, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, behind_the_end_nothing_is_taken);
	tcase_add_test(tcase, content_is_passed_on_as_the_other_side_can_read_it);
	tcase_add_test(tcase, chunks_are_marked);
	tcase_add_test(tcase, a_pause_completes_the_chunk);
	tcase_add_test(tcase, plain_content_has_no_marks);
	tcase_add_test(tcase, what_is_marked_is_read_again);
	return unit_main("http_content", tcase);
}
