/* SPDX-License-Identifier: MIT */
#include "services/http/chunked.h"

#include "exact_copy.h"
#include "unit.h"

#include <string.h>

#define T(text) text, sizeof(text) - 1

enum { LIMIT = 256 * 1024 };

/* Bad ones have the section of RFC 9112 that condemns them; what is too large is our own limit. */
static const struct row {
	const char *text;
	size_t len;
	enum chunked_state state;
	uint64_t total;
	const char *section;
} rows[] = {
	{ T("0\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("000\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("000000000000000\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("1\r\na\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("000000000000001\r\na\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), CHUNKED_DONE, 20, "" },
	{ T("2\r\n\r\n\r\n0\r\n\r\n"), CHUNKED_DONE, 2, "" },
	{ T("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), CHUNKED_DONE, 5, "" },
	{ T("4\r\n\0\n\r\xff\r\n0\r\n\r\n"), CHUNKED_DONE, 4, "" },
	{ T("1;a=b\r\nx\r\n0;c\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("1;a=\"b\tc;\"\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("1;a=\"\\\"\xe9\\\\\";b\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("1;a;b=c;d\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("1 \t;a\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("1; a = b\r\nx\r\n0 ; c\r\n\r\n"), CHUNKED_DONE, 1, "" },
	{ T("0\r\nX: a\r\nY:\tb c\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("0\r\nX:\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), CHUNKED_DONE, 0, "" },
	{ T("\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("\n"), CHUNKED_BAD, 0, "7.1" },
	{ T(";a\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T(" 1\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("\t1\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1 \r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1\t\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1 2\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("-1\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("+1\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("0x1\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1_0\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1,\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("g\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("`\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1\0"), CHUNKED_BAD, 0, "7.1" },
	{ T("1\xef\xbc\x91\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("1\n"), CHUNKED_BAD, 0, "2.2" },
	{ T("0\n"), CHUNKED_BAD, 0, "2.2" },
	{ T("1\r\r"), CHUNKED_BAD, 0, "2.2" },
	{ T("1\ra"), CHUNKED_BAD, 0, "2.2" },
	{ T("1 \n"), CHUNKED_BAD, 0, "2.2" },
	{ T("1;a\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=\"\n\"\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=\"\r\n\"\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=\"\\\r\n\"\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=\"\0\"\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=(b)\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a=\xe9\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a:b\r\n"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a\rb"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a\0"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1;a\x7f"), CHUNKED_BAD, 0, "7.1.1" },
	{ T("1\r\nab"), CHUNKED_BAD, 1, "7.1" },
	{ T("1\r\nabcde\r\n0\r\n\r\n"), CHUNKED_BAD, 1, "7.1" },
	{ T("1\r\na\n"), CHUNKED_BAD, 1, "7.1" },
	{ T("1\r\na0\r\n\r\n"), CHUNKED_BAD, 1, "7.1" },
	{ T("1\r\na\r0"), CHUNKED_BAD, 1, "7.1" },
	{ T("1\r\na\r\n\r\n"), CHUNKED_BAD, 1, "7.1" },
	{ T("0\r\n\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n\rX"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n\0"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n X: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX : a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX\t: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX(: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n(X: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX\0: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n\xe9: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\n: a\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX: a\r\n b\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nGET / HTTP/1.1\r\n"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0\r\nX: a\n"), CHUNKED_BAD, 0, "2.2" },
	{ T("0\r\nX: a\rb"), CHUNKED_BAD, 0, "2.2" },
	{ T("0\r\nX: a\0"), CHUNKED_BAD, 0, "7.1.2" },
	{ T("0000000000000000"), CHUNKED_BAD, 0, "7.1" },
	{ T("0000000000000001\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("ffffffffffffffff\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("10000000000000000\r\n"), CHUNKED_BAD, 0, "7.1" },
	{ T("fffffffffffffff\r\n"), CHUNKED_TOO_LARGE, 0xfffffffffffffff, "" },
	{ T("40000\r\n"), CHUNKED_DATA, 0x40000, "" },
	{ T("40001\r\n"), CHUNKED_TOO_LARGE, 0x40001, "" },
	{ T("1\r\na\r\n40000\r\n"), CHUNKED_TOO_LARGE, 0x40001, "" },
};

static size_t feed(struct chunked *chunked, const struct row *row, size_t from, size_t to)
{
	char *exact = exact_copy(row->text + from, to - from);
	size_t taken = chunked_feed(chunked, exact, to - from);

	free(exact);
	ck_assert_uint_le(taken, to - from);
	if (chunked->state < CHUNKED_DONE)
		ck_assert_uint_eq(taken, to - from);
	return from + taken;
}

static void check_row(const struct row *row, const struct chunked *chunked, const char *how,
		      size_t at)
{
	ck_assert_msg(chunked->state == row->state, "row %td %s, %s at %zu: %d", row - rows,
		      row->section, how, at, chunked->state);
	ck_assert_uint_eq(chunked->total, row->total);
	ck_assert_int_eq(row->state == CHUNKED_BAD, *row->section != '\0');
}

START_TEST(chunks_are_taken_apart_however_they_come)
{
	const struct row *row = &rows[_i];
	size_t end;
	struct chunked whole = { .limit = LIMIT };

	end = feed(&whole, row, 0, row->len);
	check_row(row, &whole, "whole", row->len);
	for (size_t split = 0; split < row->len; split++) {
		struct chunked chunked = { .limit = LIMIT };
		size_t at = feed(&chunked, row, 0, split);

		at = feed(&chunked, row, at, row->len);
		check_row(row, &chunked, "split", split);
		ck_assert_uint_eq(at, end);
	}
	for (size_t step = 1; step <= row->len; step++) {
		struct chunked chunked = { .limit = LIMIT };
		size_t at = 0;

		while (at < row->len && chunked.state < CHUNKED_DONE)
			at = feed(&chunked, row, at, at + step < row->len ? at + step : row->len);
		check_row(row, &chunked, "steps", step);
		ck_assert_uint_eq(at, end);
	}
}
END_TEST

START_TEST(not_a_byte_is_taken_beyond_the_end)
{
	struct chunked chunked = { .limit = LIMIT };

	ck_assert_uint_eq(chunked_feed(&chunked, T("1\r\na\r\n0\r\n\r\nGET /")), 11);
	ck_assert_int_eq(chunked.state, CHUNKED_DONE);
	ck_assert_uint_eq(chunked_feed(&chunked, T("GET /")), 0);
}
END_TEST

START_TEST(endless_extensions_and_trailers_are_too_large)
{
	struct chunked chunked = { .limit = LIMIT };
	char filler[9000];

	memset(filler, 'a', sizeof filler);
	chunked_feed(&chunked, T("1;"));
	chunked_feed(&chunked, filler, sizeof filler);
	ck_assert_int_eq(chunked.state, CHUNKED_TOO_LARGE);
	chunked = (struct chunked){ .limit = LIMIT };
	chunked_feed(&chunked, T("1"));
	memset(filler, ' ', sizeof filler);
	chunked_feed(&chunked, filler, sizeof filler);
	ck_assert_int_eq(chunked.state, CHUNKED_TOO_LARGE);
	chunked = (struct chunked){ .limit = LIMIT };
	memset(filler, 'a', sizeof filler);
	chunked_feed(&chunked, T("0\r\nX:"));
	chunked_feed(&chunked, filler, sizeof filler);
	ck_assert_int_eq(chunked.state, CHUNKED_TOO_LARGE);
	/* Many small chunks are none of that. */
	chunked = (struct chunked){ .limit = LIMIT };
	for (int i = 0; i < 9000; i++)
		chunked_feed(&chunked, T("1\r\na\r\n"));
	chunked_feed(&chunked, T("0\r\n\r\n"));
	ck_assert_int_eq(chunked.state, CHUNKED_DONE);
}
END_TEST

START_TEST(content_is_found_where_it_is)
{
	static const char text[] = "3;a=b\r\nabc\r\n4\r\ndefg\r\n0\r\nX: a\r\n\r\nGET";
	struct chunked chunked = { .limit = LIMIT };
	size_t content, at;

	at = chunked_next(&chunked, text, 9, &content);
	ck_assert_uint_eq(at, 9);
	ck_assert_uint_eq(content, 2);
	at += chunked_next(&chunked, text + at, sizeof text - 1 - at, &content);
	ck_assert_uint_eq(at, 10);
	ck_assert_uint_eq(content, 1);
	at += chunked_next(&chunked, text + at, sizeof text - 1 - at, &content);
	ck_assert_uint_eq(content, 4);
	ck_assert_mem_eq(text + at - 4, "defg", 4);
	at += chunked_next(&chunked, text + at, sizeof text - 1 - at, &content);
	ck_assert_uint_eq(content, 0);
	ck_assert_int_eq(chunked.state, CHUNKED_TRAILER);
	ck_assert_mem_eq(text + at, "X: a", 4);
	at += chunked_next(&chunked, text + at, sizeof text - 1 - at, &content);
	ck_assert_uint_eq(content, 0);
	ck_assert_int_eq(chunked.state, CHUNKED_DONE);
	ck_assert_mem_eq(text + at, "GET", 4);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_chunked");

	tcase_add_loop_test(tcase, chunks_are_taken_apart_however_they_come, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, not_a_byte_is_taken_beyond_the_end);
	tcase_add_test(tcase, endless_extensions_and_trailers_are_too_large);
	tcase_add_test(tcase, content_is_found_where_it_is);
	return unit_main("http_chunked", tcase);
}
