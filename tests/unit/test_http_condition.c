/* SPDX-License-Identifier: MIT */
#include "services/http/condition.h"

#include "exact_copy.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const struct row {
	const char *value;
	bool matches, only_weakly;
} rows[] = {
	{ "\"x\"", true },
	{ "*", true },
	{ "W/\"x\"", true, true },
	{ "\"a\", \"x\"", true },
	{ "\"a\",\"b\" ,\t\"x\", \"c\"", true },
	{ "\"a\", W/\"x\"", true, true },
	{ "W/\"x\", \"x\"", true },
	{ " * ", true },
	{ "\"x\" \"y\"", true },
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
	{ "W\"x\"", false },
	{ "\"a\" x", false },
	{ "\"a,\"x\"", false },
	{ "**", false },
	{ "", false },
	{ ",", false },
};

START_TEST(an_entity_tag_is_found_in_a_list)
{
	const struct row *row = &rows[_i];
	size_t len = strlen(row->value);
	char *exact = exact_copy(row->value, len);

	ck_assert_msg(condition_etag_matches(exact, len, "\"x\"", 3, true) == row->matches, "%s",
		      row->value);
	ck_assert_msg(condition_etag_matches(exact, len, "\"x\"", 3, false) ==
			      (row->matches && !row->only_weakly),
		      "%s", row->value);
	free(exact);
}
END_TEST

enum { MODIFIED = 784111777, NOW = 1700000000, SIZE = 100 };

static char etag[] = "\"x\"";
static struct file file;

/* A request with these fields, for a file tagged "x" of 1994-11-06 08:49:37. */
static void make(struct request *request, char text[1024], const char *method, const char *fields)
{
	int len = snprintf(text, 1024, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);

	file = (struct file){ .head = etag,
			      .etag_len = 3,
			      .modified = MODIFIED,
			      .size = SIZE,
			      .identity.modified.tv_sec = MODIFIED };
	request_init(request);
	ck_assert_int_eq(request_parse(request, text, (size_t)len), REQUEST_DONE);
}

static int check(const char *fields)
{
	struct request request;
	char text[1024];

	make(&request, text, "GET", fields);
	return condition_check(&request, text, &file, NOW);
}

/* How many ranges are sent of a file that was modified and asked for at these times. */
static int ranges_at(const char *method, const char *fields, int64_t modified, int64_t now)
{
	struct range range[RANGES_MAX];
	struct request request;
	char text[1024];

	make(&request, text, method, fields);
	file.identity.modified.tv_sec = modified;
	return condition_ranges(&request, text, &file, now, range);
}

static int ranges(const char *fields)
{
	return ranges_at("GET", fields, MODIFIED, NOW);
}

#define FIELD(name, text) name ": " text "\r\n"
#define SINCE(text)       FIELD("If-Modified-Since", text)
#define UNTIL(text)       FIELD("If-Unmodified-Since", text)
#define TAG(text)         FIELD("If-None-Match", text)
#define MATCH(text)       FIELD("If-Match", text)
#define IF_RANGE(text)    FIELD("If-Range", text)
#define RANGE(text)       FIELD("Range", "bytes=" text)
#define SAME              "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE            "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER             "Sun, 06 Nov 1994 08:49:38 GMT"

/* RFC 9110 section 13.2.2: each row with the step that decides. */
static const struct step {
	const char *fields;
	int expected;
} steps[] = {
	{ "", CONDITION_NONE },

	/* 1: If-Match, strong comparison */
	{ MATCH("\"x\""), CONDITION_NONE },
	{ MATCH("*"), CONDITION_NONE },
	{ MATCH("\"a\", \"x\""), CONDITION_NONE },
	{ MATCH("\"a\""), CONDITION_FAILED },
	{ MATCH("W/\"x\""), CONDITION_FAILED },
	{ MATCH("W/\"x\", \"x\""), CONDITION_NONE },
	{ MATCH(""), CONDITION_FAILED },
	{ MATCH("x"), CONDITION_FAILED },

	/* ... its lines are one list (5.3) */
	{ MATCH("\"a\"") MATCH("\"x\""), CONDITION_NONE },
	{ MATCH("\"x\"") MATCH("\"a\""), CONDITION_NONE },
	{ MATCH("\"a\"") "A: b\r\nIf-Match-Not: \"x\"\r\nIF-MATCH:\"x\"\r\n", CONDITION_NONE },
	{ MATCH("\"a\"") MATCH("\"b\"") FIELD("if-match", "\"x\" \t"), CONDITION_NONE },
	{ MATCH("\"a\"") MATCH("\"b\"") MATCH("\"c\"") FIELD("If-Mat", "\"x\""), CONDITION_FAILED },
	{ MATCH("\"a\"") "If-Match: \t* \t\r\n", CONDITION_NONE },
	{ MATCH("\"a\"") "If-Match:*\r\n", CONDITION_NONE },
	{ MATCH("\"a\"") "If-Match:  \r\n", CONDITION_FAILED },

	/* 2: If-Unmodified-Since, if there is no If-Match and it is one date */
	{ UNTIL(SAME), CONDITION_NONE },
	{ UNTIL(AFTER), CONDITION_NONE },
	{ UNTIL(BEFORE), CONDITION_FAILED },
	{ UNTIL("Sunday, 06-Nov-94 08:49:36 GMT"), CONDITION_FAILED },
	{ UNTIL("Sun Nov  6 08:49:36 1994"), CONDITION_FAILED },
	{ UNTIL("once"), CONDITION_NONE },
	{ UNTIL(BEFORE) UNTIL(BEFORE), CONDITION_NONE },
	{ MATCH("\"x\"") UNTIL(BEFORE), CONDITION_NONE },
	{ MATCH("\"a\"") UNTIL(AFTER), CONDITION_FAILED },

	/* 3: If-None-Match, weak comparison */
	{ TAG("\"x\""), CONDITION_NOT_MODIFIED },
	{ TAG("W/\"x\""), CONDITION_NOT_MODIFIED },
	{ TAG("*"), CONDITION_NOT_MODIFIED },
	{ TAG("\"a\", \"x\""), CONDITION_NOT_MODIFIED },
	{ TAG("\"a\""), CONDITION_NONE },
	{ TAG("\"a\"") TAG("\"x\""), CONDITION_NOT_MODIFIED },
	{ TAG("\"a\"") TAG("\"b\""), CONDITION_NONE },

	/* 4: If-Modified-Since, if there is no If-None-Match and it is one date */
	{ SINCE(SAME), CONDITION_NOT_MODIFIED },
	{ SINCE(AFTER), CONDITION_NOT_MODIFIED },
	{ SINCE("Sunday, 06-Nov-94 08:49:37 GMT"), CONDITION_NOT_MODIFIED },
	{ SINCE(BEFORE), CONDITION_NONE },
	{ SINCE("yesterday"), CONDITION_NONE },
	{ SINCE(SAME) SINCE(SAME), CONDITION_NONE },
	{ TAG("\"x\"") SINCE(BEFORE), CONDITION_NOT_MODIFIED },
	{ TAG("\"a\"") SINCE(SAME), CONDITION_NONE },
	{ TAG("") SINCE(SAME), CONDITION_NONE },

	/* 1 and 2 go before 3 and 4, and who passes them goes on there */
	{ MATCH("\"a\"") TAG("\"x\""), CONDITION_FAILED },
	{ MATCH("\"x\"") TAG("\"x\""), CONDITION_NOT_MODIFIED },
	{ MATCH("\"x\"") TAG("\"a\""), CONDITION_NONE },
	{ MATCH("\"x\"") SINCE(SAME), CONDITION_NOT_MODIFIED },
	{ UNTIL(BEFORE) TAG("\"x\""), CONDITION_FAILED },
	{ UNTIL(BEFORE) SINCE(SAME), CONDITION_FAILED },
	{ UNTIL(SAME) TAG("\"x\""), CONDITION_NOT_MODIFIED },
	{ UNTIL(SAME) SINCE(SAME), CONDITION_NOT_MODIFIED },
	{ UNTIL(SAME) SINCE(BEFORE), CONDITION_NONE },
	{ TAG("\"x\"") MATCH("\"a\""), CONDITION_FAILED },
};

START_TEST(conditions_are_evaluated_in_their_order)
{
	int got = check(steps[_i].fields);

	ck_assert_msg(got == steps[_i].expected, "%d for\n%s", got, steps[_i].fields);
}
END_TEST

START_TEST(a_range_is_asked_for_by_get_and_once)
{
	ck_assert_int_eq(ranges(""), 0);
	ck_assert_int_eq(ranges(RANGE("0-1")), 1);
	ck_assert_int_eq(ranges(RANGE("0-1,50-")), 2);
	ck_assert_int_eq(ranges(RANGE("100-")), -1);
	ck_assert_int_eq(ranges(RANGE("1-0")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") RANGE("0-1")), 0);
	ck_assert_int_eq(ranges_at("HEAD", RANGE("0-1"), MODIFIED, NOW), 0);
	ck_assert_int_eq(ranges_at("HEAD", RANGE("100-"), MODIFIED, NOW), 0);
	ck_assert_int_eq(ranges(IF_RANGE("\"x\"")), 0);
}
END_TEST

/* RFC 9110 section 13.1.5 */
START_TEST(a_range_is_of_the_state_that_the_client_knows)
{
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"x\"")), 1);
	ck_assert_int_eq(ranges(IF_RANGE("\"x\"") RANGE("100-")), -1);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"y\"")), 0);
	ck_assert_int_eq(ranges(RANGE("100-") IF_RANGE("\"y\"")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"xx\"")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("W/\"x\"")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"y\", \"x\"")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"x\", \"y\"")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("*")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("")), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("\"x\"") IF_RANGE("\"x\"")), 0);

	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE(SAME)), 1);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("Sunday, 06-Nov-94 08:49:37 GMT")), 1);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE(BEFORE)), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE(AFTER)), 0);
	ck_assert_int_eq(ranges(RANGE("0-1") IF_RANGE("once")), 0);
}
END_TEST

/* RFC 9110 section 8.8.2.2 */
START_TEST(a_date_is_a_weak_validator_while_its_second_lasts)
{
	ck_assert_int_eq(ranges_at("GET", RANGE("0-1") IF_RANGE(SAME), MODIFIED, MODIFIED), 0);
	ck_assert_int_eq(ranges_at("GET", RANGE("0-1") IF_RANGE(SAME), MODIFIED, MODIFIED + 1), 1);
	/* Of tomorrow, they say; Last-Modified is when we looked. */
	ck_assert_int_eq(ranges_at("GET", RANGE("0-1") IF_RANGE(SAME), NOW + 86400, NOW), 0);
	ck_assert_int_eq(ranges_at("GET", RANGE("0-1") IF_RANGE("\"x\""), MODIFIED, MODIFIED), 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_condition");

	tcase_add_loop_test(tcase, an_entity_tag_is_found_in_a_list, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_loop_test(tcase, conditions_are_evaluated_in_their_order, 0,
			    (int)(sizeof steps / sizeof *steps));
	tcase_add_test(tcase, a_range_is_asked_for_by_get_and_once);
	tcase_add_test(tcase, a_range_is_of_the_state_that_the_client_knows);
	tcase_add_test(tcase, a_date_is_a_weak_validator_while_its_second_lasts);
	return unit_main("http_condition", tcase);
}
