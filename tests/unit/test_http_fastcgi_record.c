/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/fastcgi_record.h"

#include "exact_copy.h"
#include "unit.h"

#include <string.h>

#define T(text) text, sizeof(text) - 1

/* version, type, request, content length, padding, reserved */
#define OUT(len, pad)    "\1\6\0\1\0" len pad "\0"
#define ERR(len, pad)    "\1\7\0\1\0" len pad "\0"
#define FIN(pad)         "\1\3\0\1\0\x8" pad "\0"
#define STATUS(app, how) app how "\0\0\0"
#define END              FIN("\0") STATUS("\0\0\0\0", "\0")

/*
 * What a program sends, and what is understood: its output and its errors, the state at the end of
 * the bytes, how many of them are not taken. A bad one has the section of the specification.
 */
static const struct row {
	const char *text;
	size_t len;
	enum fastcgi_state state;
	const char *out, *err;
	uint32_t app_status;
	unsigned protocol_status;
	size_t left;
	const char *section, *error;
} rows[] = {
	{ T(END), FASTCGI_DONE, "", "", 0, 0, 0, NULL, NULL },
	{ T(END "more"), FASTCGI_DONE, "", "", 0, 0, 4, NULL, NULL },
	{ T(OUT("\5", "\0") "hello" OUT("\0", "\0") END), FASTCGI_DONE, "hello", "", 0, 0, 0, NULL,
	  NULL },
	{ T(OUT("\5", "\3") "hello\1\6\0" OUT("\1", "\0") "!" END), FASTCGI_DONE, "hello!", "", 0,
	  0, 0, NULL, NULL },
	{ T(OUT("\2", "\0") "he" ERR("\4", "\4") "oops...." OUT("\3", "\0") "llo" END),
	  FASTCGI_DONE, "hello", "oops", 0, 0, 0, NULL, NULL },
	{ T(ERR("\1", "\0") "x" ERR("\0", "\2") ".." OUT("\1", "\0") "y" END), FASTCGI_DONE, "y",
	  "x", 0, 0, 0, NULL, NULL },
	{ T(FIN("\3") STATUS("\x01\x82\x03\xff", "\1") "...more"), FASTCGI_DONE, "", "", 0x018203ff,
	  FASTCGI_CANT_MPX_CONN, 4, NULL, NULL },
	{ T(FIN("\0") STATUS("\0\0\0\7", "\2")), FASTCGI_DONE, "", "", 7, FASTCGI_OVERLOADED, 0,
	  NULL, NULL },
	{ T(FIN("\0") STATUS("\0\0\0\0", "\3")), FASTCGI_DONE, "", "", 0, FASTCGI_UNKNOWN_ROLE, 0,
	  NULL, NULL },
	/* the reserved byte may be anything */
	{ T("\1\6\0\1\0\1\0\xff"
	    "a" END),
	  FASTCGI_DONE, "a", "", 0, 0, 0, NULL, NULL },
	{ T(OUT("\5", "\0") "hel"), FASTCGI_MORE, "hel", "", 0, 0, 0, NULL, NULL },
	{ T("\1\6\0"), FASTCGI_MORE, "", "", 0, 0, 0, NULL, NULL },
	{ T(FIN("\0") "\0\0"), FASTCGI_MORE, "", "", 0, 0, 0, NULL, NULL },
	{ T(FIN("\2") STATUS("\0\0\0\0", "\0") "."), FASTCGI_MORE, "", "", 0, 0, 0, NULL, NULL },
	{ T("\2\6\0\1\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3", "FastCGI version is not 1" },
	{ T("\0\6\0\1\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3", "FastCGI version is not 1" },
	{ T("HTTP/1.1 200 OK\r\n"), FASTCGI_BAD, "", "", 0, 0, 9, "3.3",
	  "FastCGI version is not 1" },
	{ T("\1\6\0\2\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3",
	  "FastCGI record of another request" },
	{ T("\1\6\1\1\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3",
	  "FastCGI record of another request" },
	{ T("\1\x0b\0\0\0\x8\0\0\0\0\0\0\0\0\0\0"), FASTCGI_BAD, "", "", 0, 0, 8, "4.2",
	  "FastCGI record of another request" },
	{ T("\1\0\0\1\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "8", "unknown FastCGI record" },
	{ T("\1\5\0\1\0\1\0\0a"), FASTCGI_BAD, "", "", 0, 0, 1, "8", "unknown FastCGI record" },
	{ T("\1\xff\0\1\0\0\0\0"), FASTCGI_BAD, "", "", 0, 0, 0, "8", "unknown FastCGI record" },
	{ T("\1\3\0\1\0\0\0\0"), FASTCGI_BAD, "", "", 0, 0, 0, "5.5",
	  "FastCGI END_REQUEST has another length" },
	{ T("\1\3\0\1\0\7\0\0......."), FASTCGI_BAD, "", "", 0, 0, 7, "5.5",
	  "FastCGI END_REQUEST has another length" },
	{ T("\1\3\0\1\1\x8\0\0........"), FASTCGI_BAD, "", "", 0, 0, 8, "5.5",
	  "FastCGI END_REQUEST has another length" },
	{ T(FIN("\0") STATUS("\0\0\0\0", "\4")), FASTCGI_BAD, "", "", 0, 4, 0, "5.5",
	  "unknown FastCGI status" },
	{ T(OUT("\0", "\0") OUT("\1", "\0") "a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3",
	  "FastCGI stream goes on after its end" },
	{ T(OUT("\0", "\0") OUT("\0", "\0")), FASTCGI_BAD, "", "", 0, 0, 0, "3.3",
	  "FastCGI stream goes on after its end" },
	{ T(ERR("\0", "\0") ERR("\1", "\0") "a"), FASTCGI_BAD, "", "", 0, 0, 1, "3.3",
	  "FastCGI stream goes on after its end" },
};

struct output {
	char text[64];
	size_t len;
};

static void put(struct output *output, const char *piece, size_t len)
{
	memcpy(output->text + output->len, piece, len);
	output->len += len;
}

static void check_output(const struct output *output, const char *expect)
{
	ck_assert_uint_eq(output->len, strlen(expect));
	ck_assert_mem_eq(output->text, expect, output->len);
}

static void check_reader(const struct row *row, const struct fastcgi_reader *reader)
{
	ck_assert_int_eq(reader->state, row->state);
	ck_assert_pstr_eq(reader->error, row->error);
	ck_assert_int_eq(row->state == FASTCGI_BAD, row->section != NULL);
	ck_assert_uint_eq(reader->app_status, row->app_status);
	ck_assert_uint_eq(reader->protocol_status, row->protocol_status);
}

/* The bytes in pieces of `first` and then `step`, each in memory that ends where it ends. */
static void check_row(const struct row *row, size_t first, size_t step)
{
	struct fastcgi_reader reader = { 0 };
	struct output out = { .len = 0 }, err = { .len = 0 };
	size_t at = 0, n = first;

	for (; at < row->len && reader.state == FASTCGI_MORE; n = step) {
		size_t len = row->len - at < n ? row->len - at : n, taken, piece;
		enum fastcgi_stream stream;
		char *exact = exact_copy(row->text + at, len);

		taken = fastcgi_take(&reader, exact, len, &piece, &stream);
		ck_assert_uint_le(taken, len);
		ck_assert_uint_le(piece, taken);
		ck_assert(taken || !len);
		ck_assert_int_eq(piece > 0, stream != FASTCGI_STREAM_NONE);
		if (piece)
			put(stream == FASTCGI_STREAM_OUT ? &out : &err, exact + taken - piece,
			    piece);
		at += taken;
		free(exact);
	}
	check_reader(row, &reader);
	ck_assert_uint_eq(row->len - at, row->left);
	check_output(&out, row->out);
	check_output(&err, row->err);
}

START_TEST(records_are_taken_apart_however_they_come)
{
	const struct row *row = &rows[_i];

	check_row(row, row->len, row->len);
	for (size_t at = 0; at < row->len; at++)
		check_row(row, at, row->len);
	for (size_t step = 1; step <= row->len; step++)
		check_row(row, step, step);
}
END_TEST

START_TEST(the_end_of_a_stream_is_known)
{
	struct fastcgi_reader reader = { 0 };
	enum fastcgi_stream stream;
	size_t piece;

	fastcgi_take(&reader, T(OUT("\1", "\0") "a"), &piece, &stream);
	ck_assert(!reader.stdout_ended && !reader.stderr_ended);
	fastcgi_take(&reader, T(OUT("\0", "\0")), &piece, &stream);
	ck_assert(reader.stdout_ended && !reader.stderr_ended);
	fastcgi_take(&reader, T(ERR("\0", "\0")), &piece, &stream);
	ck_assert(reader.stdout_ended && reader.stderr_ended);
}
END_TEST

START_TEST(a_record_of_full_length_with_full_padding)
{
	static char text[FASTCGI_HEADER + FASTCGI_CONTENT_MAX + 255];
	struct fastcgi_reader reader = { 0 };
	enum fastcgi_stream stream;
	size_t piece, taken;

	memcpy(text, "\1\6\0\1\xff\xff\xff\0", FASTCGI_HEADER);
	taken = fastcgi_take(&reader, text, sizeof text, &piece, &stream);
	ck_assert_uint_eq(piece, FASTCGI_CONTENT_MAX);
	taken += fastcgi_take(&reader, text + taken, sizeof text - taken, &piece, &stream);
	ck_assert_uint_eq(taken, sizeof text);
	ck_assert_uint_eq(piece, 0);
	fastcgi_take(&reader, T(END), &piece, &stream);
	ck_assert_int_eq(reader.state, FASTCGI_DONE);
}
END_TEST

START_TEST(headers_and_the_begin_of_a_request)
{
	char out[FASTCGI_BEGIN];

	fastcgi_header(out, FASTCGI_STDIN, 0);
	ck_assert_mem_eq(out, "\1\5\0\1\0\0\0\0", 8);
	fastcgi_header(out, FASTCGI_STDIN, FASTCGI_CONTENT_MAX);
	ck_assert_mem_eq(out, "\1\5\0\1\xff\xff\0\0", 8);
	fastcgi_header(out, FASTCGI_ABORT_REQUEST, 0);
	ck_assert_mem_eq(out, "\1\2\0\1\0\0\0\0", 8);
	fastcgi_begin(out, true);
	ck_assert_mem_eq(out, "\1\1\0\1\0\x8\0\0\0\1\1\0\0\0\0\0", 16);
	fastcgi_begin(out, false);
	ck_assert_mem_eq(out, "\1\1\0\1\0\x8\0\0\0\1\0\0\0\0\0\0", 16);
}
END_TEST

START_TEST(parameters_are_pairs_with_their_lengths)
{
	char out[600], value[128];
	struct fastcgi_params params;
	size_t len;

	memset(value, 'v', sizeof value);
	fastcgi_params_init(&params, out, sizeof out);
	fastcgi_params_add(&params, "A", 1, "bc", 2);
	fastcgi_params_add(&params, "D", 1, NULL, 0);
	fastcgi_params_add(&params, "E", 1, value, 127);
	fastcgi_params_add(&params, value, 128, value, 128);
	len = fastcgi_params_finish(&params);
	ck_assert_uint_eq(len, 8 + 5 + 3 + 130 + 264 + 8);
	ck_assert_mem_eq(out,
			 "\1\4\0\1\1\x92\0\0\1\2Abc\1\0D\1\x7f"
			 "Ev",
			 20);
	ck_assert_mem_eq(out + 146, "\x80\0\0\x80\x80\0\0\x80v", 9);
	ck_assert_mem_eq(out + len - 9, "v\1\4\0\1\0\0\0\0", 9);
}
END_TEST

START_TEST(no_parameters_are_one_empty_record)
{
	char out[FASTCGI_PARAMS_ROOM];
	struct fastcgi_params params;

	fastcgi_params_init(&params, out, sizeof out);
	ck_assert_uint_eq(fastcgi_params_finish(&params), 8);
	ck_assert_mem_eq(out, "\1\4\0\1\0\0\0\0", 8);
}
END_TEST

/* A pair of these lengths, into `room` bytes for it: has it found room? */
static bool fits(size_t name_len, size_t value_len, size_t room)
{
	char *out = malloc(FASTCGI_PARAMS_ROOM + room);
	char *text = calloc(1, FASTCGI_CONTENT_MAX + 1);
	struct fastcgi_params params;
	size_t len;

	fastcgi_params_init(&params, out, FASTCGI_PARAMS_ROOM + room);
	fastcgi_params_add(&params, text, name_len, text, value_len);
	len = fastcgi_params_finish(&params);
	ck_assert_int_eq(params.is_full, len == 0);
	free(out);
	free(text);
	return len > 0;
}

START_TEST(what_does_not_fit_is_not_sent)
{
	char out[FASTCGI_PARAMS_ROOM + 5];
	struct fastcgi_params params;

	ck_assert(fits(1, 2, 5));
	ck_assert(!fits(1, 2, 4));
	ck_assert(!fits(9, 2, 8));
	ck_assert(!fits(1, SIZE_MAX, 8));
	ck_assert(!fits(SIZE_MAX, 1, 8));
	ck_assert(fits(1, 128, 1 + 4 + 1 + 128));
	ck_assert(!fits(1, 128, 1 + 4 + 128));
	/* One record holds no more, whatever room there is. */
	ck_assert(fits(1, FASTCGI_CONTENT_MAX - 6, FASTCGI_CONTENT_MAX + 100));
	ck_assert(!fits(1, FASTCGI_CONTENT_MAX - 5, FASTCGI_CONTENT_MAX + 100));
	/* One that was left out spoils the rest. */
	fastcgi_params_init(&params, out, sizeof out);
	fastcgi_params_add(&params, "AB", 2, "CD", 2);
	fastcgi_params_add(&params, "A", 1, "B", 1);
	ck_assert_uint_eq(fastcgi_params_finish(&params), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_fastcgi_record");

	tcase_add_loop_test(tcase, records_are_taken_apart_however_they_come, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, the_end_of_a_stream_is_known);
	tcase_add_test(tcase, a_record_of_full_length_with_full_padding);
	tcase_add_test(tcase, headers_and_the_begin_of_a_request);
	tcase_add_test(tcase, parameters_are_pairs_with_their_lengths);
	tcase_add_test(tcase, no_parameters_are_one_empty_record);
	tcase_add_test(tcase, what_does_not_fit_is_not_sent);
	return unit_main("http_fastcgi_record", tcase);
}
