/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "unit.h"

START_TEST(it_goes_forward_and_is_never_0)
{
	int64_t before = clock_ms(), us = clock_us();

	ck_assert_int_gt(before, 0);
	ck_assert_int_ge(clock_ms(), before);
	ck_assert_int_ge(clock_us(), us);
}
END_TEST

START_TEST(durations_are_words)
{
	static const struct {
		int64_t ms;
		const char *text;
	} table[] = {
		{ 0, "0ms" },        { 999, "999ms" },     { 1000, "1s" },     { 1500, "1.5s" },
		{ 10000, "10s" },    { 119999, "120.0s" }, { 120000, "2min" }, { 7200000, "2h" },
		{ 90000000, "25h" }, { 172800000, "2d" },
	};
	char text[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		ck_assert_str_eq(clock_text(table[i].ms, text), table[i].text);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("clock");

	tcase_add_test(tcase, it_goes_forward_and_is_never_0);
	tcase_add_test(tcase, durations_are_words);
	return unit_main("clock", tcase);
}
