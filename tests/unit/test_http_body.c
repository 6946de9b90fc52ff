/* SPDX-License-Identifier: MIT */
#include "services/http/body.h"

#include "fake_conn.h"
#include "unit.h"

#define T(text) text, sizeof(text) - 1

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

/* The connection breaks: that the buffer has no room is as good an error as any. */
static void lose(struct mu_conn *conn)
{
	conn->start = 0;
	conn->end = FAKE_BUFFER;
}

START_TEST(a_client_that_is_gone_gets_no_answer)
{
	struct mu_worker worker = { 0 };
	struct mu_conn *conn = malloc(sizeof *conn);

	fake_conn_init(conn, &worker);
	conn->on_wait = lose;
	ck_assert_int_eq(body_discard(conn, true, 0), -1);
	fake_conn_cleanup(conn);
	free(conn);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_body");

	tcase_add_test(tcase, content_is_read_to_its_end_and_no_further);
	tcase_add_test(tcase, content_that_fails_has_a_status);
	tcase_add_test(tcase, a_client_that_is_gone_gets_no_answer);
	return unit_main("http_body", tcase);
}
