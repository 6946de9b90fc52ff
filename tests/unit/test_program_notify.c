/* SPDX-License-Identifier: MIT */
#include "services/program/notify.h"

#include "unit.h"

#include <string.h>

static struct notify got;

static void parse(const char *text)
{
	notify_parse(&got, text, strlen(text));
}

START_TEST(what_programs_say)
{
	parse("READY=1\nSTATUS=Serving 3 clients\nMAINPID=4711");
	ck_assert(got.ready && !got.stopping && !got.alive && !got.triggered);
	ck_assert(got.has_status);
	ck_assert_str_eq(got.status, "Serving 3 clients");
	ck_assert_int_eq(got.main_pid, 4711);
	parse("STOPPING=1\nERRNO=2\n");
	ck_assert(got.stopping && !got.ready && !got.has_status);
	ck_assert_int_eq(got.error, 2);
	parse("WATCHDOG=1");
	ck_assert(got.alive && !got.triggered);
	parse("WATCHDOG=trigger");
	ck_assert(got.triggered && !got.alive);
}
END_TEST

START_TEST(what_is_nothing_to_us)
{
	static const struct notify nothing;
	static const char *const texts[] = {
		"",
		"\n\n",
		"=",
		"=1",
		"READY",
		"READY=",
		"READY=0",
		"READY=11",
		"READY=1 ",
		" READY=1",
		"ready=1",
		"XREADY=1",
		"READ=1",
		"READY=1\r\n",
		"WATCHDOG=yes",
		"MAINPID=",
		"MAINPID=-1",
		"MAINPID=0",
		"MAINPID=12x",
		"MAINPID=99999999999999999999",
		"ERRNO=-5",
		"RELOADING=1\nFDSTORE=1\nBARRIER=1\nX_OWN=anything=2\nEXTEND_TIMEOUT_USEC=1",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		memset(&got, 0xff, sizeof(got));
		parse(texts[i]);
		ck_assert_msg(memcmp(&got, &nothing, sizeof(got)) == 0, "took %s", texts[i]);
	}
}
END_TEST

START_TEST(the_last_line_of_a_name_counts)
{
	parse("STATUS=one\nREADY=1\nSTATUS=two=2\nMAINPID=7\nMAINPID=8\nREADY=0");
	ck_assert_str_eq(got.status, "two=2");
	ck_assert_int_eq(got.main_pid, 8);
	ck_assert(!got.ready);
}
END_TEST

START_TEST(a_status_is_one_clean_short_line)
{
	char text[3 * NOTIFY_STATUS_MAX] = "STATUS=";

	parse("STATUS=a\tb\x1b[31mc\x7f");
	ck_assert_str_eq(got.status, "a b?[31mc?");
	parse("STATUS=");
	ck_assert(got.has_status);
	ck_assert_str_eq(got.status, "");

	memset(text + 7, 'x', 2 * NOTIFY_STATUS_MAX);
	parse(text);
	ck_assert_uint_eq(strlen(got.status), NOTIFY_STATUS_MAX - 1);
	/* The last character that fits would begin at the last byte. */
	memcpy(text + 7 + NOTIFY_STATUS_MAX - 2, "\xc3\xa4", 2);
	parse(text);
	ck_assert_uint_eq(strlen(got.status), NOTIFY_STATUS_MAX - 2);
	/* Nothing but bytes that continue a character. */
	memset(text + 7, 0x80, 2 * NOTIFY_STATUS_MAX);
	parse(text);
	ck_assert_str_eq(got.status, "");
}
END_TEST

START_TEST(a_nul_is_a_byte_like_others)
{
	static const char text[] = "STATUS=a\0b\nREADY=1";

	notify_parse(&got, text, sizeof(text) - 1);
	ck_assert_str_eq(got.status, "a?b");
	ck_assert(got.ready);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("program_notify");

	tcase_add_test(tcase, what_programs_say);
	tcase_add_test(tcase, what_is_nothing_to_us);
	tcase_add_test(tcase, the_last_line_of_a_name_counts);
	tcase_add_test(tcase, a_status_is_one_clean_short_line);
	tcase_add_test(tcase, a_nul_is_a_byte_like_others);
	return unit_main("program_notify", tcase);
}
