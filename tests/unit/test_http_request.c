/* SPDX-License-Identifier: MIT */
/*
 * Requests, good and bad (http_requests.h), each parsed at once, in two pieces split at every byte, and
 * byte by byte: verdict and all that was found are the same. Always from memory that ends where the bytes
 * end, so that a checker sees a read beyond them.
 */
#include "services/http/request.h"

#include "exact_copy.h"
#include "http_requests.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof request_rows / sizeof *request_rows >= 300, "rows have been lost");

static void put(char *out, size_t size, const char *name, struct slice slice, const char *data,
		const char *after)
{
	size_t len = strlen(out);

	snprintf(out + len, size - len, "%s%.*s%s", name, (int)slice.len, data + slice.at, after);
}

static const char *const field_tag[] = {
	[FIELD_IF_NONE_MATCH] = " inm=",
	[FIELD_IF_MODIFIED_SINCE] = " ims=",
	[FIELD_ACCEPT_ENCODING] = " ae=",
	[FIELD_RANGE] = " range=",
	[FIELD_IF_RANGE] = " ir=",
	[FIELD_IF_MATCH] = " im=",
	[FIELD_IF_UNMODIFIED_SINCE] = " ius=",
	[FIELD_REFERER] = " referer=",
	[FIELD_USER_AGENT] = " ua=",
};

static void describe(const struct request *r, const char *data, char *out, size_t size)
{
	size_t len;

	snprintf(out, size, "%s %c%d ", request_method_name(r->method), "oah*"[r->form],
		 r -> minor);
	put(out, size, "", r->path, data, " ");
	put(out, size, "[", r->query, data, "] ");
	put(out, size, "[", r->host, data, "] ");
	len = strlen(out);
	len += (size_t)snprintf(out + len, size - len, "%s", r->persistent ? "keep" : "close");
	for (enum request_field field = FIELD_IF_NONE_MATCH; field < FIELD_OTHER; field++)
		if (request_has(r, field))
			put(out, size, field_tag[field], r->field[field], data, "");
	len = strlen(out);
	if (r->repeated)
		len += (size_t)snprintf(out + len, size - len, " repeated");
	if (r->length)
		len += (size_t)snprintf(out + len, size - len, " length=%llu",
					(unsigned long long)r->length);
	if (r->chunked)
		len += (size_t)snprintf(out + len, size - len, " chunked");
	if (r->expects)
		snprintf(out + len, size - len, " expects");
}

static enum request_state parse(struct request *request, const char *text, size_t len)
{
	char *exact = exact_copy(text, len);
	enum request_state state = request_parse(request, exact, len);

	free(exact);
	return state;
}

static void check_outcome(const struct request_row *row, enum request_state state,
			  const struct request *request, const char *how, size_t at)
{
	char text[4096];

	if (row->status) {
		ck_assert_msg(state == REQUEST_BAD && request->status == row->status,
			      "row %td (%s), %s at %zu: state %d status %d", row - request_rows,
			      row->expect, how, at, state, request->status);
		ck_assert_ptr_nonnull(request->reason);
		return;
	}
	ck_assert_msg(state == REQUEST_DONE, "row %td, %s at %zu: state %d, %s", row - request_rows,
		      how, at, state, request->reason ? request->reason : "-");
	describe(request, row->text, text, sizeof text);
	ck_assert_str_eq(text, row->expect);
	ck_assert_uint_eq(request->head_len, row->len);
	ck_assert_uint_ge(request->fields, request->target.at + request->target.len + 11);
}

static bool same_slice(struct slice a, struct slice b)
{
	return a.at == b.at && a.len == b.len;
}

static bool same_fields(const struct request *a, const struct request *b)
{
	if (a->seen != b->seen || a->repeated != b->repeated)
		return false;
	for (enum request_field field = 0; field < FIELD_OTHER; field++)
		if (request_has(a, field) && !same_slice(a->field[field], b->field[field]))
			return false;
	return true;
}

/* All that the parser says: of a bad request the verdict with its reason. */
static bool says_the_same(const struct request *a, const struct request *b)
{
	if (a->status || b->status)
		return a->status == b->status && a->reason == b->reason;
	return a->method == b->method && a->form == b->form && a->minor == b->minor &&
	       a->persistent == b->persistent && a->chunked == b->chunked &&
	       a->expects == b->expects && a->head_len == b->head_len && a->length == b->length &&
	       a->fields == b->fields && same_slice(a->target, b->target) &&
	       same_slice(a->path, b->path) && same_slice(a->query, b->query) &&
	       same_slice(a->host, b->host) && same_fields(a, b);
}

START_TEST(a_request_that_is_there_as_a_whole)
{
	const struct request_row *row = &request_rows[_i];
	struct request request;

	request_init(&request);
	check_outcome(row, parse(&request, row->text, row->len), &request, "whole", row->len);
}
END_TEST

START_TEST(a_request_split_anywhere_means_the_same)
{
	const struct request_row *row = &request_rows[_i];
	struct request whole;

	request_init(&whole);
	parse(&whole, row->text, row->len);
	for (size_t at = 0; at < row->len; at++) {
		struct request request;
		enum request_state state;

		request_init(&request);
		state = parse(&request, row->text, at);
		if (!row->status)
			ck_assert_int_eq(state, REQUEST_MORE);
		if (state == REQUEST_MORE)
			state = parse(&request, row->text, row->len);
		check_outcome(row, state, &request, "split", at);
		ck_assert_msg(says_the_same(&request, &whole), "row %d, split at %zu", _i, at);
	}
}
END_TEST

START_TEST(a_request_that_comes_byte_by_byte_means_the_same)
{
	const struct request_row *row = &request_rows[_i];
	enum request_state state = REQUEST_MORE;
	struct request request;
	size_t len = 0;

	request_init(&request);
	while (state == REQUEST_MORE && len < row->len) {
		struct request whole;

		state = parse(&request, row->text, ++len);
		request_init(&whole);
		ck_assert_msg(parse(&whole, row->text, len) == state, "row %d, %zu bytes", _i, len);
		if (state != REQUEST_MORE)
			ck_assert_msg(says_the_same(&request, &whole), "row %d, %zu", _i, len);
	}
	check_outcome(row, state, &request, "bytes", len);
}
END_TEST

START_TEST(what_follows_a_request_is_not_touched)
{
	const struct request_row *row = &request_rows[_i];
	char text[4096];
	struct request request;

	memcpy(text, row->text, row->len);
	memcpy(text + row->len, "\0\n\rGET", 6);
	request_init(&request);
	check_outcome(row, parse(&request, text, row->len + 6), &request, "followed", row->len);
}
END_TEST

/* A target of `len` bytes, in one piece or (step > 0) in steps. */
static enum request_state parse_long(struct request *request, size_t len, size_t step)
{
	size_t size = len + 64, n;
	char *text = malloc(size);
	enum request_state state = REQUEST_MORE;

	n = (size_t)snprintf(text, size, "GET /");
	memset(text + n, 'a', len - 1);
	n += len - 1;
	n += (size_t)snprintf(text + n, size - n, " HTTP/1.1\r\nHost: a\r\n\r\n");
	request_init(request);
	for (size_t at = step ? step : n; state == REQUEST_MORE; at += step) {
		state = request_parse(request, text, at < n ? at : n);
		if (at >= n)
			break;
	}
	free(text);
	return state;
}

START_TEST(targets_of_8192_bytes_are_taken_and_longer_ones_are_414)
{
	static const size_t steps[] = { 0, 1, 7, 1000, 8195 };
	struct request request;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		ck_assert_int_eq(parse_long(&request, 8192, steps[i]), REQUEST_DONE);
		ck_assert_uint_eq(request.path.len, 8192);
		ck_assert_int_eq(parse_long(&request, 8193, steps[i]), REQUEST_BAD);
		ck_assert_int_eq(request.status, 414);
		ck_assert_int_eq(parse_long(&request, 15000, steps[i]), REQUEST_BAD);
		ck_assert_int_eq(request.status, 414);
	}
}
END_TEST

/* `n` fields after Host, in one piece or byte by byte. */
static enum request_state parse_many(struct request *request, int n, bool at_once)
{
	char text[4096], *p = text + sprintf(text, GET H);
	enum request_state state = REQUEST_MORE;
	size_t len;

	while (n--)
		p += sprintf(p, "X%d: %d\r\n", n, n);
	p += sprintf(p, END);
	len = (size_t)(p - text);
	request_init(request);
	for (size_t at = at_once ? len : 1; state == REQUEST_MORE && at <= len; at++)
		state = parse(request, text, at);
	return state;
}

START_TEST(more_fields_than_anybody_needs_are_431)
{
	struct request request;

	for (int at_once = 0; at_once < 2; at_once++) {
		ck_assert_int_eq(parse_many(&request, REQUEST_FIELDS_MAX - 1, at_once),
				 REQUEST_DONE);
		ck_assert_int_eq(parse_many(&request, REQUEST_FIELDS_MAX, at_once), REQUEST_BAD);
		ck_assert_int_eq(request.status, 431);
	}
}
END_TEST

/* The runtime's buffer holds so much. */
enum { HEAD_ROOM = 16384 };

START_TEST(a_target_of_8000_bytes_leaves_room_for_the_fields_of_a_browser)
{
	static const char fields[] =
		" HTTP/1.1\r\nHost: www.example.org\r\nConnection: keep-alive\r\n"
		"sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
		"sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n"
		"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
		"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
		"Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
		"Cookie: ";
	struct request request;
	char *text = malloc(HEAD_ROOM), *p = text;
	size_t left;

	p += sprintf(p, "GET /");
	memset(p, 'a', 7999);
	p += 7999;
	p = stpcpy(p, fields);
	left = HEAD_ROOM - 4 - (size_t)(p - text);
	ck_assert_uint_ge(left, 4096);
	memset(p, 'c', left);
	memcpy(p + left, END END, 4);
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, text, HEAD_ROOM), REQUEST_DONE);
	ck_assert_uint_eq(request.path.len, 8000);
	ck_assert_uint_eq(request.head_len, HEAD_ROOM);
	ck_assert_int_eq(request_has(&request, FIELD_ACCEPT_ENCODING), 1);
	free(text);
}
END_TEST

START_TEST(a_bad_field_leaves_the_request_line_known)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("GET * HTTP/1.1\r\n")), REQUEST_BAD);
	ck_assert_uint_eq(request.fields, 0);
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("PUT /a HTTP/1.0\r\nX \r\n")), REQUEST_BAD);
	ck_assert_uint_eq(request.fields, 17);
	ck_assert_int_eq(request.method, METHOD_PUT);
	ck_assert_int_eq(request.minor, 0);
	ck_assert_uint_eq(request.target.at, 4);
	ck_assert_uint_eq(request.target.len, 2);
}
END_TEST

START_TEST(a_line_without_a_colon_is_called_that)
{
	static const char *const line[] = { "X\r\n", "X\n", "Host: a\r\nHost\r\n" };
	struct request request;
	char head[64];

	for (size_t i = 0; i < sizeof(line) / sizeof(*line); i++) {
		int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n%s", line[i]);

		request_init(&request);
		ck_assert_int_eq(request_parse(&request, head, (size_t)len), REQUEST_BAD);
		ck_assert_str_eq(request.reason, "line without a colon");
	}
}
END_TEST

START_TEST(what_is_another_protocol_is_called_by_its_name)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\x16\x03\x01\x02\x00\x01")), REQUEST_BAD);
	ck_assert_ptr_nonnull(strstr(request.reason, "TLS"));
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
			 REQUEST_BAD);
	ck_assert_ptr_nonnull(strstr(request.reason, "HTTP/2"));
}
END_TEST

START_TEST(a_head_that_never_ends_is_414_or_431)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("GET /aaa")), REQUEST_MORE);
	request_too_large(&request);
	ck_assert_int_eq(request.status, 414);
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T(GET "X: aaa")), REQUEST_MORE);
	request_too_large(&request);
	ck_assert_int_eq(request.status, 431);
}
END_TEST

START_TEST(only_empty_lines_are_a_blank_request)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\n\r\n")), REQUEST_MORE);
	ck_assert(request_is_blank(&request, 4));
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\nG")), REQUEST_MORE);
	ck_assert(!request_is_blank(&request, 3));
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\n\r")), REQUEST_MORE);
	ck_assert(!request_is_blank(&request, 3));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_request");
	int n = (int)(sizeof request_rows / sizeof *request_rows);

	tcase_add_loop_test(tcase, a_request_that_is_there_as_a_whole, 0, n);
	tcase_add_loop_test(tcase, a_request_split_anywhere_means_the_same, 0, n);
	tcase_add_loop_test(tcase, a_request_that_comes_byte_by_byte_means_the_same, 0, n);
	tcase_add_loop_test(tcase, what_follows_a_request_is_not_touched, 0, n);
	tcase_add_test(tcase, targets_of_8192_bytes_are_taken_and_longer_ones_are_414);
	tcase_add_test(tcase, more_fields_than_anybody_needs_are_431);
	tcase_add_test(tcase, a_target_of_8000_bytes_leaves_room_for_the_fields_of_a_browser);
	tcase_add_test(tcase, a_bad_field_leaves_the_request_line_known);
	tcase_add_test(tcase, a_line_without_a_colon_is_called_that);
	tcase_add_test(tcase, what_is_another_protocol_is_called_by_its_name);
	tcase_add_test(tcase, a_head_that_never_ends_is_414_or_431);
	tcase_add_test(tcase, only_empty_lines_are_a_blank_request);
	return unit_main("http_request", tcase);
}
