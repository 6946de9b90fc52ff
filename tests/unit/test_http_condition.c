/* SPDX-License-Identifier: MIT */
#include "services/http/condition.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static const struct row {
	const char *value;
	bool matches;
} rows[] = {
	{ "\"x\"", true },
	{ "*", true },
	{ "W/\"x\"", true },
	{ "\"a\", \"x\"", true },
	{ "\"a\",\"b\" ,\t\"x\", \"c\"", true },
	{ "\"a\", W/\"x\"", true },
	{ ", ,\"x\"", true },
	{ "\"a, b\", \"x\"", true },
	{ "\"\"", false },
	{ "\"y\"", false },
	{ "\"xx\"", false },
	{ "\"X\"", false },
	{ "x", false },
	{ "\"x", false },
	{ "x\"", false },
	{ "w/\"x\"", false },
	{ "W/", false },
	{ "W/x", false },
	{ "\"a\" x", false },
	{ "\"a,\"x\"", false },
	{ "**", false },
	{ "", false },
	{ ",", false },
};

START_TEST(an_entity_tag_is_found_in_a_list)
{
	size_t len = strlen(rows[_i].value);
	char *exact = malloc(len ? len : 1);

	memcpy(exact, rows[_i].value, len);
	ck_assert_msg(condition_etag_matches(exact, len, "\"x\"", 3) == rows[_i].matches, "%s",
		      rows[_i].value);
	free(exact);
}
END_TEST

/* The outcome for a file tagged "x" of 1994-11-06 08:49:37, asked for with these fields. */
static bool is_fresh(const char *fields)
{
	char head[] = "\"x\"", text[512];
	struct file file = { .head = head, .etag_len = 3, .modified = 784111777 };
	struct request request;
	int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, text, (size_t)len), REQUEST_DONE);
	return condition_not_modified(&request, text, &file, 1700000000);
}

#define SINCE(text) "If-Modified-Since: " text "\r\n"
#define TAG(text)   "If-None-Match: " text "\r\n"

START_TEST(the_date_decides_when_it_is_alone)
{
	ck_assert(!is_fresh(""));
	ck_assert(is_fresh(SINCE("Sun, 06 Nov 1994 08:49:37 GMT")));
	ck_assert(is_fresh(SINCE("Sun, 06 Nov 1994 08:49:38 GMT")));
	ck_assert(is_fresh(SINCE("Sunday, 06-Nov-94 08:49:37 GMT")));
	ck_assert(!is_fresh(SINCE("Sun, 06 Nov 1994 08:49:36 GMT")));
	ck_assert(!is_fresh(SINCE("yesterday")));
	ck_assert(!is_fresh(SINCE("Sun, 06 Nov 1994 08:49:37 GMT")
				    SINCE("Sun, 06 Nov 1994 08:49:37 GMT")));
}
END_TEST

START_TEST(the_tag_goes_before_the_date)
{
	ck_assert(is_fresh(TAG("\"x\"")));
	ck_assert(is_fresh(TAG("\"x\"") SINCE("Sun, 06 Nov 1994 08:49:36 GMT")));
	ck_assert(!is_fresh(TAG("\"y\"") SINCE("Sun, 06 Nov 1994 08:49:37 GMT")));
	ck_assert(!is_fresh(TAG("") SINCE("Sun, 06 Nov 1994 08:49:37 GMT")));
	ck_assert(!is_fresh(TAG("\"x\"") TAG("\"x\"")));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_condition");

	tcase_add_loop_test(tcase, an_entity_tag_is_found_in_a_list, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, the_date_decides_when_it_is_alone);
	tcase_add_test(tcase, the_tag_goes_before_the_date);
	return unit_main("http_condition", tcase);
}
