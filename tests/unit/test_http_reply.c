/* SPDX-License-Identifier: MIT */
/*
 * Heads of replies, good and bad (http_replies.h), each parsed at once, in two pieces split at every
 * byte, and byte by byte: verdict and all that was found are the same. Always from memory that ends
 * where the bytes end, so that a checker sees a read beyond them.
 */
#include "services/http/gateway/reply.h"

#include "exact_copy.h"
#include "http_replies.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define ROWS ((int)(sizeof reply_rows / sizeof *reply_rows))

_Static_assert(ROWS >= 180, "rows have been lost");

static const char *const field_tag[] = {
	[REPLY_STATUS] = " status=",     [REPLY_LOCATION] = " location=",
	[REPLY_CONTENT_TYPE] = " type=", [REPLY_UPGRADE] = " upgrade=",
	[REPLY_DATE] = " date=",         [REPLY_SERVER] = " server=",
};

static void init(struct reply *reply, enum asked asked)
{
	static const enum request_method method[] = {
		[GET] = METHOD_GET,     [HEAD] = METHOD_HEAD, [CONNECT] = METHOD_CONNECT,
		[UPGRADE] = METHOD_GET, [CGI] = METHOD_POST,  [CGI_HEAD] = METHOD_HEAD,
	};

	reply_init(reply, asked >= CGI ? REPLY_CGI : REPLY_HTTP, method[asked], asked == UPGRADE);
}

static void put_framing(FILE *out, const struct reply *r)
{
	static const char *const name[] = {
		[CONTENT_NONE] = "none",
		[CONTENT_CHUNKED] = "chunked",
		[CONTENT_UNTIL_END] = "until-end",
		[CONTENT_TUNNEL] = "tunnel",
	};

	if (r->framing == CONTENT_LENGTH)
		fprintf(out, " length=%llu", (unsigned long long)r->length);
	else
		fprintf(out, " %s", name[r->framing]);
	if (r->framing != CONTENT_LENGTH && r->length)
		fprintf(out, " length:%llu", (unsigned long long)r->length);
}

static void describe(const struct reply *r, const char *data, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	fprintf(out, "1.%d %d [%.*s]", r->minor, r->status, (int)r->phrase.len,
		data + r->phrase.at);
	put_framing(out, r);
	fprintf(out, r->persistent ? " keep" : " close");
	if (r->is_local)
		fprintf(out, " local");
	for (enum reply_field field = 0; field < REPLY_OTHER; field++)
		if (reply_has(r, field) && field_tag[field])
			fprintf(out, "%s%.*s", field_tag[field], (int)r->field[field].len,
				data + r->field[field].at);
	for (enum reply_field field = 0; field < REPLY_OTHER; field++)
		if (reply_repeats(r, field))
			fprintf(out, " repeated");
	fclose(out);
}

static enum reply_state parse(struct reply *reply, const char *text, size_t len)
{
	char *exact = exact_copy(text, len);
	enum reply_state state = reply_parse(reply, exact, len);

	free(exact);
	return state;
}

static void check_outcome(const struct reply_row *row, enum reply_state state,
			  const struct reply *reply, const char *how, size_t at)
{
	char text[1024];

	if (row->section) {
		ck_assert_msg(state == REPLY_BAD, "row %td (%s), %s at %zu: state %d",
			      row - reply_rows, row->section, how, at, state);
		ck_assert_str_eq(reply->error, row->expect);
		return;
	}
	ck_assert_msg(state == REPLY_DONE, "row %td, %s at %zu: state %d, %s", row - reply_rows,
		      how, at, state, reply->error ? reply->error : "-");
	describe(reply, row->text, text, sizeof text);
	ck_assert_str_eq(text, row->expect);
	ck_assert_uint_eq(reply->head_len, row->len);
	if (row->asked >= CGI)
		ck_assert_uint_eq(reply->fields, 0);
	else
		ck_assert_mem_eq(row->text + reply->fields - 2, "\r\n", 2);
}

START_TEST(a_head_that_is_there_as_a_whole)
{
	const struct reply_row *row = &reply_rows[_i];
	struct reply reply;

	init(&reply, row->asked);
	check_outcome(row, parse(&reply, row->text, row->len), &reply, "whole", row->len);
}
END_TEST

START_TEST(a_head_split_anywhere_means_the_same)
{
	const struct reply_row *row = &reply_rows[_i];

	for (size_t at = 0; at < row->len; at++) {
		struct reply reply;
		enum reply_state state;

		init(&reply, row->asked);
		state = parse(&reply, row->text, at);
		if (!row->section)
			ck_assert_int_eq(state, REPLY_MORE);
		if (state == REPLY_MORE)
			state = parse(&reply, row->text, row->len);
		check_outcome(row, state, &reply, "split", at);
	}
}
END_TEST

START_TEST(a_head_that_comes_byte_by_byte_means_the_same)
{
	const struct reply_row *row = &reply_rows[_i];
	enum reply_state state = REPLY_MORE;
	struct reply reply;
	size_t len = 0;

	init(&reply, row->asked);
	while (state == REPLY_MORE && len < row->len) {
		struct reply whole;

		state = parse(&reply, row->text, ++len);
		init(&whole, row->asked);
		ck_assert_msg(parse(&whole, row->text, len) == state, "row %d, %zu bytes", _i, len);
	}
	check_outcome(row, state, &reply, "bytes", len);
}
END_TEST

START_TEST(what_follows_a_head_is_not_touched)
{
	const struct reply_row *row = &reply_rows[_i];
	char text[1024];
	struct reply reply;

	memcpy(text, row->text, row->len);
	memcpy(text + row->len, "\0\n\rHTTP", 7);
	init(&reply, row->asked);
	check_outcome(row, parse(&reply, text, row->len + 7), &reply, "followed", row->len);
}
END_TEST

START_TEST(more_fields_than_anybody_needs_are_refused)
{
	for (int n = REPLY_FIELDS_MAX; n <= REPLY_FIELDS_MAX + 1; n++) {
		char text[1024], *p = stpcpy(text, OK);
		struct reply reply;

		for (int i = 0; i < n; i++)
			p = stpcpy(p, "X:\r\n");
		p = stpcpy(p, END);
		init(&reply, GET);
		ck_assert_int_eq(parse(&reply, text, (size_t)(p - text)),
				 n > REPLY_FIELDS_MAX ? REPLY_BAD : REPLY_DONE);
	}
}
END_TEST

START_TEST(a_head_that_does_not_fit_has_a_reason)
{
	struct reply reply;

	init(&reply, GET);
	ck_assert_int_eq(parse(&reply, T(OK "X: aaa")), REPLY_MORE);
	ck_assert_ptr_null(reply.error);
	reply_too_large(&reply);
	ck_assert_str_eq(reply.error, "head is larger than the buffer");
}
END_TEST

START_TEST(a_bad_field_leaves_the_status_known)
{
	struct reply reply;

	init(&reply, GET);
	ck_assert_int_eq(parse(&reply, T("HTTP/1.1 2x0")), REPLY_BAD);
	ck_assert_uint_eq(reply.fields, 0);
	init(&reply, GET);
	ck_assert_int_eq(parse(&reply, T("HTTP/1.0 503 x\r\nX \r\n")), REPLY_BAD);
	ck_assert_uint_eq(reply.fields, 16);
	ck_assert_int_eq(reply.status, 503);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_reply");

	tcase_add_loop_test(tcase, a_head_that_is_there_as_a_whole, 0, ROWS);
	tcase_add_loop_test(tcase, a_head_split_anywhere_means_the_same, 0, ROWS);
	tcase_add_loop_test(tcase, a_head_that_comes_byte_by_byte_means_the_same, 0, ROWS);
	tcase_add_loop_test(tcase, what_follows_a_head_is_not_touched, 0, ROWS);
	tcase_add_test(tcase, more_fields_than_anybody_needs_are_refused);
	tcase_add_test(tcase, a_head_that_does_not_fit_has_a_reason);
	tcase_add_test(tcase, a_bad_field_leaves_the_status_known);
	return unit_main("http_reply", tcase);
}
