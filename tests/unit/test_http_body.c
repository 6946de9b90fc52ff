/* SPDX-License-Identifier: MIT */
#include "services/http/body.h"

#include "fake_conn.h"
#include "unit.h"

#include <string.h>

#define T(text) text, sizeof(text) - 1

static const struct row {
	const char *text;
	size_t len;
	enum chunked_state state;
	uint64_t total;
} rows[] = {
	{ T("0\r\n\r\n"), CHUNKED_DONE, 0 },
	{ T("000\r\n\r\n"), CHUNKED_DONE, 0 },
	{ T("1\r\na\r\n0\r\n\r\n"), CHUNKED_DONE, 1 },
	{ T("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), CHUNKED_DONE, 20 },
	{ T("2\r\n\r\n\r\n0\r\n\r\n"), CHUNKED_DONE, 2 },
	{ T("1;a=b\r\nx\r\n0;c\r\n\r\n"), CHUNKED_DONE, 1 },
	{ T("1;a=\"b\tc;\"\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1 },
	{ T("1 \t;a\r\nx\r\n0\r\n\r\n"), CHUNKED_DONE, 1 },
	{ T("0\r\nX: a\r\nY:\tb c\r\n\r\n"), CHUNKED_DONE, 0 },
	{ T("\r\n"), CHUNKED_BAD, 0 },
	{ T(";a\r\n"), CHUNKED_BAD, 0 },
	{ T(" 1\r\n"), CHUNKED_BAD, 0 },
	{ T("1 \r\n"), CHUNKED_BAD, 0 },
	{ T("-1\r\n"), CHUNKED_BAD, 0 },
	{ T("+1\r\n"), CHUNKED_BAD, 0 },
	{ T("0x1\r\n"), CHUNKED_BAD, 0 },
	{ T("g\r\n"), CHUNKED_BAD, 0 },
	{ T("1\n"), CHUNKED_BAD, 0 },
	{ T("1\r\r"), CHUNKED_BAD, 0 },
	{ T("1;a\n"), CHUNKED_BAD, 0 },
	{ T("1;a\rb"), CHUNKED_BAD, 0 },
	{ T("1;a\0"), CHUNKED_BAD, 0 },
	{ T("1;a\x7f"), CHUNKED_BAD, 0 },
	{ T("1\r\nab"), CHUNKED_BAD, 1 },
	{ T("1\r\na\n"), CHUNKED_BAD, 1 },
	{ T("1\r\na\r0"), CHUNKED_BAD, 1 },
	{ T("0\r\n\n"), CHUNKED_BAD, 0 },
	{ T("0\r\n\rX"), CHUNKED_BAD, 0 },
	{ T("0\r\n X: a\r\n"), CHUNKED_BAD, 0 },
	{ T("0\r\nX : a\r\n"), CHUNKED_BAD, 0 },
	{ T("0\r\n: a\r\n"), CHUNKED_BAD, 0 },
	{ T("0\r\nX\r\n"), CHUNKED_BAD, 0 },
	{ T("0\r\nX: a\n"), CHUNKED_BAD, 0 },
	{ T("0\r\nX: a\rb"), CHUNKED_BAD, 0 },
	{ T("0\r\nX: a\0"), CHUNKED_BAD, 0 },
	{ T("0000000000000001\r\n"), CHUNKED_BAD, 0 },
	{ T("ffffffffffffffff\r\n"), CHUNKED_BAD, 0 },
	{ T("fffffffffffffff\r\n"), CHUNKED_TOO_LARGE, 0xfffffffffffffff },
	{ T("40000\r\n"), CHUNKED_DATA, 0x40000 },
	{ T("40001\r\n"), CHUNKED_TOO_LARGE, 0x40001 },
};

START_TEST(chunks_are_taken_apart_however_they_come)
{
	const struct row *row = &rows[_i];

	for (size_t step = 1; step <= row->len; step++) {
		struct chunked chunked = { 0 };
		size_t at = 0;

		while (at < row->len && chunked.state < CHUNKED_DONE) {
			size_t n = row->len - at < step ? row->len - at : step;

			ck_assert_uint_le(chunked_feed(&chunked, row->text + at, n), n);
			at += n;
		}
		ck_assert_msg(chunked.state == row->state, "row %d: %d", _i, chunked.state);
		ck_assert_uint_eq(chunked.total, row->total);
	}
}
END_TEST

START_TEST(not_a_byte_is_taken_beyond_the_end)
{
	struct chunked chunked = { 0 };

	ck_assert_uint_eq(chunked_feed(&chunked, T("1\r\na\r\n0\r\n\r\nGET /")), 11);
	ck_assert_int_eq(chunked.state, CHUNKED_DONE);
	ck_assert_uint_eq(chunked_feed(&chunked, T("GET /")), 0);
}
END_TEST

START_TEST(endless_extensions_and_trailers_are_too_large)
{
	struct chunked chunked = { 0 };
	char filler[9000];

	memset(filler, 'a', sizeof filler);
	chunked_feed(&chunked, T("1;"));
	chunked_feed(&chunked, filler, sizeof filler);
	ck_assert_int_eq(chunked.state, CHUNKED_TOO_LARGE);
	chunked = (struct chunked){ 0 };
	chunked_feed(&chunked, T("0\r\nX:"));
	chunked_feed(&chunked, filler, sizeof filler);
	ck_assert_int_eq(chunked.state, CHUNKED_TOO_LARGE);
	/* Many small chunks are none of that. */
	chunked = (struct chunked){ 0 };
	for (int i = 0; i < 9000; i++)
		chunked_feed(&chunked, T("1\r\na\r\n"));
	chunked_feed(&chunked, T("0\r\n\r\n"));
	ck_assert_int_eq(chunked.state, CHUNKED_DONE);
}
END_TEST

static int discard(const char *input, size_t len, size_t step, bool ends, bool chunked,
		   uint64_t length, size_t *left_r)
{
	struct mu_worker worker = { 0 };
	struct mu_conn *conn = malloc(sizeof *conn);
	const char *rest;
	int status;

	fake_conn_init(conn, &worker);
	conn->input = input;
	conn->input_len = len;
	conn->step = step;
	conn->ends = ends;
	status = body_discard(conn, chunked, length);
	*left_r = mu_buffered(conn, &rest) + conn->input_len;
	fake_conn_cleanup(conn);
	free(conn);
	return status;
}

START_TEST(content_is_read_to_its_end_and_no_further)
{
	size_t left;

	for (size_t step = 0; step < 12; step++) {
		ck_assert_int_eq(discard(T("0123456789GET"), step, false, false, 10, &left), 0);
		ck_assert_uint_eq(left, 3);
		ck_assert_int_eq(discard(T("2\r\n01\r\n0\r\n\r\nGET"), step, false, true, 0, &left),
				 0);
		ck_assert_uint_eq(left, 3);
	}
}
END_TEST

START_TEST(content_that_fails_has_a_status)
{
	size_t left;

	ck_assert_int_eq(discard(T("01234"), 0, true, false, 10, &left), 400);
	ck_assert_int_eq(discard(T("01234"), 0, false, false, 10, &left), 408);
	ck_assert_int_eq(discard(T("2\r\n0"), 0, true, true, 0, &left), 400);
	ck_assert_int_eq(discard(T("2\r\n0"), 0, false, true, 0, &left), 408);
	ck_assert_int_eq(discard(T("x\r\n0"), 0, false, true, 0, &left), 400);
	ck_assert_int_eq(discard(T("fffffff\r\n"), 0, false, true, 0, &left), 413);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_body");

	tcase_add_loop_test(tcase, chunks_are_taken_apart_however_they_come, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, not_a_byte_is_taken_beyond_the_end);
	tcase_add_test(tcase, endless_extensions_and_trailers_are_too_large);
	tcase_add_test(tcase, content_is_read_to_its_end_and_no_further);
	tcase_add_test(tcase, content_that_fails_has_a_status);
	return unit_main("http_body", tcase);
}
