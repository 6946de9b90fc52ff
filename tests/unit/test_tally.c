/* SPDX-License-Identifier: MIT */
#include "master/tally.h"

#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const struct death_kind crash = { .code = CLD_KILLED, .status = SIGSEGV };

START_TEST(the_first_ones_are_told_and_the_others_counted)
{
	struct tally tally = { 0 };
	char text[TALLY_TEXT_MAX];
	int told = 0;

	for (int i = 0; i < 40; i++)
		told += tally_add(&tally, &crash, 1000 + i);
	ck_assert_int_eq(told, TALLY_TOLD);
	ck_assert_int_eq(tally_due(&tally), 1000 + TALLY_WINDOW_MS);
	ck_assert(tally_take(&tally, 1000 + TALLY_WINDOW_MS, text));
	ck_assert_str_eq(text, "37 more workers were killed by SIGSEGV in the last minute");
	ck_assert(!tally_take(&tally, 1000 + TALLY_WINDOW_MS, text));
	ck_assert_int_eq(tally_due(&tally), 0);
	/* A new window: told again. */
	ck_assert(tally_add(&tally, &crash, 1000 + TALLY_WINDOW_MS));
}
END_TEST

START_TEST(few_are_not_summed_up)
{
	struct tally tally = { 0 };

	for (int i = 0; i < TALLY_TOLD; i++)
		ck_assert(tally_add(&tally, &crash, 1000));
	ck_assert_int_eq(tally_due(&tally), 0);
	/* A minute later the count begins anew by itself. */
	for (int i = 0; i < TALLY_TOLD; i++)
		ck_assert(tally_add(&tally, &crash, 1000 + TALLY_WINDOW_MS));
	ck_assert(!tally_add(&tally, &crash, 1001 + TALLY_WINDOW_MS));
	ck_assert_int_eq(tally_due(&tally), 1000 + 2 * TALLY_WINDOW_MS);
}
END_TEST

START_TEST(each_kind_is_counted_apart)
{
	struct tally tally = { 0 };
	struct death_kind ours = crash, oom = crash, status = { .code = CLD_EXITED, .status = 71 };
	char text[TALLY_TEXT_MAX];

	ours.cause = DEATH_OURS;
	oom.status = SIGKILL;
	oom.cause = DEATH_OOM;
	for (int i = 0; i < TALLY_TOLD + 1; i++) {
		ck_assert_int_eq(tally_add(&tally, &crash, 1000), i < TALLY_TOLD);
		ck_assert_int_eq(tally_add(&tally, &ours, 1000), i < TALLY_TOLD);
		ck_assert_int_eq(tally_add(&tally, &oom, 1000), i < TALLY_TOLD);
		ck_assert_int_eq(tally_add(&tally, &status, 1000), i < TALLY_TOLD);
	}
	ck_assert(tally_take(&tally, 3500, text));
	ck_assert_str_eq(text,
			 "1 more worker was killed by SIGSEGV, not sent by us, in the last 2.5s");
	ck_assert(tally_take(&tally, 3500, text));
	ck_assert_ptr_nonnull(strstr(text, "SIGSEGV, sent by us"));
	ck_assert(tally_take(&tally, 3500, text));
	ck_assert_ptr_nonnull(strstr(text, "because memory ran out"));
	ck_assert(tally_take(&tally, 3500, text));
	ck_assert_ptr_nonnull(strstr(text, "1 more worker exited with status 71"));
	ck_assert(!tally_take(&tally, 3500, text));
}
END_TEST

START_TEST(more_kinds_than_it_knows_share_a_place)
{
	struct tally tally = { 0 };
	char text[TALLY_TEXT_MAX];
	int told = 0;

	for (int i = 0; i < 100; i++) {
		struct death_kind kind = { .code = CLD_EXITED, .status = i };

		told += tally_add(&tally, &kind, 1000);
	}
	ck_assert_int_eq(told, TALLY_KINDS - 1 + TALLY_TOLD);
	ck_assert(tally_take(&tally, 1000 + TALLY_WINDOW_MS, text));
	ck_assert_str_eq(text, "90 more workers ended in other ways in the last minute");
	ck_assert(!tally_take(&tally, 1000 + TALLY_WINDOW_MS, text));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("tally");

	tcase_add_test(tcase, the_first_ones_are_told_and_the_others_counted);
	tcase_add_test(tcase, few_are_not_summed_up);
	tcase_add_test(tcase, each_kind_is_counted_apart);
	tcase_add_test(tcase, more_kinds_than_it_knows_share_a_place);
	return unit_main("tally", tcase);
}
