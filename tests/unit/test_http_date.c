/* SPDX-License-Identifier: MIT */
#include "services/http/date.h"

#include "exact_copy.h"
#include "unit.h"

#include <string.h>
#include <time.h>

enum { NOVEMBER_1994 = 784111777 };

static void expect(int64_t seconds, const char *text)
{
	char out[DATE_LEN + 1];

	out[DATE_LEN] = '!';
	date_format(seconds, out);
	ck_assert_int_eq(out[DATE_LEN], '!');
	out[DATE_LEN] = '\0';
	ck_assert_str_eq(out, text);
}

START_TEST(dates_are_written_as_imf_fixdate)
{
	expect(NOVEMBER_1994, "Sun, 06 Nov 1994 08:49:37 GMT");
	expect(0, "Thu, 01 Jan 1970 00:00:00 GMT");
	expect(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
	expect(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
	expect(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
	expect(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
	expect(INT64_MIN, "Mon, 01 Jan 0001 00:00:00 GMT");
}
END_TEST

START_TEST(dates_agree_with_the_c_library)
{
	/* Steps that are prime to days and years. */
	for (int64_t t = -5000000000; t < 20000000000; t += 7654321) {
		char text[DATE_LEN + 1];
		time_t time = (time_t)t;
		int64_t back = 0;
		struct tm tm;

		ck_assert_ptr_nonnull(gmtime_r(&time, &tm));
		ck_assert_uint_eq(strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm),
				  DATE_LEN);
		expect(t, text);
		ck_assert_int_eq(date_parse(text, DATE_LEN, 0, &back), 0);
		ck_assert_int_eq(back, t);
	}
}
END_TEST

static const struct row {
	const char *text;
	int64_t now, seconds; /* seconds -1: no date */
} rows[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 0, NOVEMBER_1994 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 1700000000, NOVEMBER_1994 },
	{ "Sun Nov  6 08:49:37 1994", 0, NOVEMBER_1994 },
	{ "Sun Nov 16 08:49:37 1994", 0, NOVEMBER_1994 + 10 * 86400 },
	/* Two digits: at most 50 years ahead of now (2023). */
	{ "Sunday, 06-Nov-73 08:49:37 GMT", 1700000000, 3277183777 },
	{ "Tuesday, 06-Nov-74 08:49:37 GMT", 1700000000, 152959777 },
	{ "Thu, 29 Feb 2024 00:00:00 GMT", 0, 1709164800 },
	{ "Sat, 31 Dec 2016 23:59:60 GMT", 0, 1483228800 },
	{ "Sun, 29 Feb 2023 00:00:00 GMT", 0, -1 },
	{ "Sun, 31 Apr 2023 00:00:00 GMT", 0, -1 },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", 0, -1 },
	{ "Sun, 06 Nov 1994 24:49:37 GMT", 0, -1 },
	{ "Sun, 06 Nov 1994 08:60:37 GMT", 0, -1 },
	{ "Sun, 06 Nov 1994 08:49:61 GMT", 0, -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GM", 0, -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", 0, -1 },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", 0, -1 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", 0, -1 },
	{ "Sun 06 Nov 1994 08:49:37 GMT", 0, -1 },
	{ "sun, 06 nov 1994 08:49:37 GMT", 0, -1 },
	{ "Xxx, 06 Nov 1994 08:49:37 GMT", 0, -1 },
	{ "Sun, 06 Xxx 1994 08:49:37 GMT", 0, -1 },
	{ "Sun, 06 Nov -994 08:49:37 GMT", 0, -1 },
	{ "Sun, 06 Nov 0000 08:49:37 GMT", 0, -1 },
	{ "Sundax, 06-Nov-94 08:49:37 GMT", 0, -1 },
	{ "Sun, 06-Nov-94 08:49:37 GMT", 0, -1 },
	{ "Sun Nov   6 08:49:37 1994", 0, -1 },
	{ "1994-11-06T08:49:37Z", 0, -1 },
	{ "784111777", 0, -1 },
	{ "", 0, -1 },
	{ "Sun", 0, -1 },
	{ "Sunday", 0, -1 },
};

START_TEST(all_three_forms_are_read_and_nothing_else)
{
	const struct row *row = &rows[_i];
	size_t len = strlen(row->text);
	char *exact = exact_copy(row->text, len);
	int64_t seconds = -1;

	ck_assert_msg(date_parse(exact, len, row->now, &seconds) == (row->seconds < 0 ? -1 : 0),
		      "%s", row->text);
	ck_assert_int_eq(seconds, row->seconds);
	free(exact);
}
END_TEST

START_TEST(a_date_cut_anywhere_is_none)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t len = 0; len < strlen(rows[i].text); len++) {
			char *exact = exact_copy(rows[i].text, len);
			int64_t seconds;

			/* Without its last space one of the bad ones is good. */
			if (strncmp(rows[i].text, "Sun, 06 Nov 1994 08:49:37 GMT ", 30) != 0)
				ck_assert_int_eq(date_parse(exact, len, 0, &seconds), -1);
			free(exact);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_date");

	tcase_add_test(tcase, dates_are_written_as_imf_fixdate);
	tcase_add_test(tcase, dates_agree_with_the_c_library);
	tcase_add_loop_test(tcase, all_three_forms_are_read_and_nothing_else, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, a_date_cut_anywhere_is_none);
	return unit_main("http_date", tcase);
}
