/* SPDX-License-Identifier: MIT */
/* Range values, each with what becomes of it; sections are of RFC 9110. */
#include "services/http/range.h"

#include "exact_copy.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* expected: "416", "200", or the ranges as Content-Range writes them. */
static const struct row {
	const char *value;
	int64_t size;
	const char *expected;
} rows[] = {
	/* 14.1.2, its own examples */
	{ "bytes=0-499", 10000, "0-499" },
	{ "bytes=500-999", 10000, "500-999" },
	{ "bytes=-500", 10000, "9500-9999" },
	{ "bytes=9500-", 10000, "9500-9999" },
	{ "bytes=0-0,-1", 10000, "0-0 9999-9999" },
	{ "bytes= 0-999, 4500-5499, -1000", 10000, "0-999 4500-5499 9000-9999" },
	{ "bytes=500-600,601-999", 10000, "500-999" },
	{ "bytes=500-700,601-999", 10000, "500-999" },

	/* 14.1.1: positions */
	{ "bytes=0-", 10, "0-9" },
	{ "bytes=0-9", 10, "0-9" },
	{ "bytes=0-10", 10, "0-9" },
	{ "bytes=9-", 10, "9-9" },
	{ "bytes=9-9", 10, "9-9" },
	{ "bytes=007-0008", 10, "7-8" },
	{ "bytes=0-99999999999999999999999999", 10, "0-9" },
	{ "bytes=0-9223372036854775807", 10, "0-9" },
	{ "bytes=0-9223372036854775808", 10, "0-9" },
	{ "bytes=0-9223372036854775899", 10, "0-9" },
	{ "bytes=1-", INT64_MAX, "1-9223372036854775806" },
	{ "bytes=9223372036854775806-", INT64_MAX, "9223372036854775806-9223372036854775806" },
	{ "bytes=-1", 10, "9-9" },
	{ "bytes=-10", 10, "0-9" },
	{ "bytes=-11", 10, "0-9" },
	{ "bytes=-99999999999999999999999999", 10, "0-9" },
	{ "bytes=-99999999999999999999999999", INT64_MAX, "0-9223372036854775806" },

	/* 15.5.17, 14.1.2: what cannot be satisfied */
	{ "bytes=10-", 10, "416" },
	{ "bytes=10-10", 10, "416" },
	{ "bytes=10-20,30-", 10, "416" },
	{ "bytes=99999999999999999999999999-", 10, "416" },
	{ "bytes=99999999999999999999999999-99999999999999999999999999", 10, "416" },
	{ "bytes=9223372036854775807-", INT64_MAX, "416" },
	{ "bytes=-0", 10, "416" },
	{ "bytes=-0,10-", 10, "416" },
	{ "bytes=-0,4-5", 10, "4-5" },
	{ "bytes=20-30,4-5", 10, "4-5" },
	{ "bytes=4-5,20-30", 10, "4-5" },

	/*
	 * 14.1.2: an end longer than the representation is all of it, and nothing cannot be a
	 * part
	 */
	{ "bytes=-5", 0, "200" },
	{ "bytes=0-,-5", 0, "200" },
	{ "bytes=-5,0-", 0, "200" },
	{ "bytes=-0", 0, "416" },
	{ "bytes=0-", 0, "416" },
	{ "bytes=0-0", 0, "416" },

	/* 14.1: units are tokens without case; unknown ones are ignored (14.2) */
	{ "Bytes=0-1", 10, "0-1" },
	{ "BYTES=0-1", 10, "0-1" },
	{ "items=0-1", 10, "200" },
	{ "byte=0-1", 10, "200" },
	{ "bytess=0-1", 10, "200" },
	{ "bytes", 10, "200" },
	{ "bytes0-1", 10, "200" },
	{ "bytes 0-1", 10, "200" },
	{ "bytes =0-1", 10, "200" },
	{ "", 10, "200" },
	{ "=", 10, "200" },
	{ "0-1", 10, "200" },

	/* 14.1.1: not valid, as a whole, whatever else is in the list */
	{ "bytes=", 10, "200" },
	{ "bytes=,", 10, "200" },
	{ "bytes= ,\t, ", 10, "200" },
	{ "bytes=-", 10, "200" },
	{ "bytes=--1", 10, "200" },
	{ "bytes=5", 10, "200" },
	{ "bytes=5,", 10, "200" },
	{ "bytes=5-4", 10, "200" },
	{ "bytes=20-11", 10, "200" },
	{ "bytes=0-1,5-4", 10, "200" },
	{ "bytes=5-4,0-1", 10, "200" },
	{ "bytes=0-1;2-3", 10, "200" },
	{ "bytes=0-1 2-3", 10, "200" },
	{ "bytes=0 - 1", 10, "200" },
	{ "bytes=0- 1", 10, "200" },
	{ "bytes=+1-2", 10, "200" },
	{ "bytes=1-2-3", 10, "200" },
	{ "bytes=0x1-2", 10, "200" },
	{ "bytes=a-b", 10, "200" },
	{ "bytes=1-b", 10, "200" },
	{ "bytes=*", 10, "200" },
	{ "bytes=0-1/10", 10, "200" },
	{ "bytes=\"0-1\"", 10, "200" },
	{ "bytes=0-1,x", 10, "200" },

	/* 5.6.1.2: empty elements and blanks of a list */
	{ "bytes=,0-1", 10, "0-1" },
	{ "bytes=0-1,", 10, "0-1" },
	{ "bytes=0-1 ", 10, "0-1" },
	{ "bytes=\t0-1\t", 10, "0-1" },
	{ "bytes=,, 0-1 , ,\t8-9 ,", 10, "0-1 8-9" },

	/*
	 * 15.3.7.2: in the order asked for; what overlaps or adjoins is one, at the first one's
	 * place
	 */
	{ "bytes=8-9,0-1", 10, "8-9 0-1" },
	{ "bytes=0-1,3-4", 10, "0-1 3-4" },
	{ "bytes=0-1,2-4", 10, "0-4" },
	{ "bytes=2-4,0-1", 10, "0-4" },
	{ "bytes=0-5,3-8", 10, "0-8" },
	{ "bytes=3-8,0-5", 10, "0-8" },
	{ "bytes=0-9,3-4", 10, "0-9" },
	{ "bytes=3-4,0-9", 10, "0-9" },
	{ "bytes=3-4,3-4", 10, "3-4" },
	{ "bytes=0-,0-,0-", 10, "0-9" },
	{ "bytes=0-,-10", 10, "0-9" },
	{ "bytes=8-9,4-5,0-1,2-3", 10, "8-9 0-5" },
	{ "bytes=8-9,4-5,0-1,2-7", 10, "0-9" },
	{ "bytes=0-1,4-5,8-9,3-6", 10, "0-1 3-6 8-9" },
	{ "bytes=0-1,4-5,8-9,2-3", 10, "0-5 8-9" },
	{ "bytes=0-1,4-5,8-9,6-7", 10, "0-1 4-9" },
	{ "bytes=0-1,4-5,7-7,9-9,2-8", 10, "0-9" },

	/* 17.15: sixteen and no more, counted when they are joined */
	{ "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,"
	  "30-"
	  "30",
	  99,
	  "0-0 2-2 4-4 6-6 8-8 10-10 12-12 14-14 16-16 18-18 20-20 22-22 24-24 26-26 28-28 30-30" },
	{ "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,"
	  "30-"
	  "30,32-32",
	  99, "200" },
	{ "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,"
	  "30-"
	  "30,99-99,29-29,0-5",
	  99, "0-6 8-8 10-10 12-12 14-14 16-16 18-18 20-20 22-22 24-24 26-26 28-30" },
};

START_TEST(a_range_is_what_the_table_says)
{
	const struct row *row = &rows[_i];
	struct range range[RANGES_MAX];
	size_t len = strlen(row->value);
	char *exact = exact_copy(row->value, len), got[1024] = "";
	int n;

	n = range_parse(exact, len, row->size, range);
	free(exact);
	if (n <= 0)
		snprintf(got, sizeof got, "%s", n ? "416" : "200");
	for (int i = 0; i < n; i++) {
		size_t at = strlen(got);

		ck_assert(range[i].from >= 0 && range[i].len > 0);
		snprintf(got + at, sizeof got - at, "%s%lld-%lld", i ? " " : "",
			 (long long)range[i].from, (long long)(range[i].from + range[i].len - 1));
	}
	ck_assert_msg(strcmp(got, row->expected) == 0, "%s of %lld: %s, not %s", row->value,
		      (long long)row->size, got, row->expected);
}
END_TEST

/* A field as long as a head can be is no more work than a short one, and says no more. */
START_TEST(five_thousand_ranges_are_one_or_none)
{
	struct range range[RANGES_MAX];
	char value[5000 * 12] = "bytes=0-0";
	size_t len = strlen(value);

	for (int i = 1; i < 5000; i++)
		len += (size_t)snprintf(value + len, sizeof value - len, ",%d-%d", i, i);
	ck_assert_int_eq(range_parse(value, len, 10000, range), 1);
	ck_assert_int_eq(range[0].len, 5000);
	for (size_t i = strlen("bytes="); i < len; i += 4)
		memcpy(value + i, "0-9,", 4);
	ck_assert_int_eq(range_parse(value, len / 4 * 4 + 1, 10000, range), 1);
	ck_assert_int_eq(range[0].len, 10);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_range");

	tcase_add_loop_test(tcase, a_range_is_what_the_table_says, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, five_thousand_ranges_are_one_or_none);
	return unit_main("http_range", tcase);
}
