/* SPDX-License-Identifier: MIT */
#include "worker/title.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <stdio.h>
#include <string.h>

static const char busy[] = "busy", idle[] = "idle";

/* What ps shows of this process. */
static const char *shown(void)
{
	static char text[256];
	FILE *file = fopen("/proc/self/cmdline", "r");
	size_t n = fread(text, 1, sizeof(text) - 1, file);

	fclose(file);
	text[n] = '\0';
	return text;
}

START_TEST(it_says_service_number_and_load)
{
	struct title title = { .service = "www", .number = 2, .max = 1024 };

	if (skipped_under_valgrind("a command line"))
		return;
	title_renew(&title, busy, 3, 5000);
	ck_assert_str_eq(shown(), "musterd: worker www 2 busy 3/1024");
}
END_TEST

START_TEST(it_changes_at_most_once_a_second)
{
	struct title title = { .service = "www", .number = 2, .max = 10 };

	if (skipped_under_valgrind("a command line"))
		return;
	title_renew(&title, idle, 0, 5000);
	ck_assert_int_eq(title_due(&title, idle, 0), 0);
	ck_assert_int_eq(title_due(&title, busy, 1), 6000);
	title_renew(&title, busy, 1, 5999);
	ck_assert_str_eq(shown(), "musterd: worker www 2 idle 0/10");
	title_renew(&title, busy, 1, 6000);
	ck_assert_str_eq(shown(), "musterd: worker www 2 busy 1/10");
	ck_assert_int_eq(title_due(&title, busy, 1), 0);
}
END_TEST

START_TEST(who_accepts_by_itself_is_shown_with_what_it_says)
{
	struct title title = { .service = "app", .number = 1, .max = 1, .tended = true };
	char text[1024];

	if (skipped_under_valgrind("a command line"))
		return;
	title_renew(&title, busy, 0, 5000);
	ck_assert_str_eq(shown(), "musterd: worker app 1 busy");
	title_set_status(&title, "3 clients");
	ck_assert_int_eq(title_due(&title, busy, 0), 6000);
	title_renew(&title, busy, 0, 6000);
	ck_assert_str_eq(shown(), "musterd: worker app 1 busy: 3 clients");
	title_set_status(&title, "3 clients");
	ck_assert_int_eq(title_due(&title, busy, 0), 0);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	title_set_status(&title, text);
	ck_assert_uint_eq(strlen(title.status), TITLE_STATUS_MAX - 1);
	title_renew(&title, busy, 0, 7000);
	title_set_status(&title, text);
	ck_assert_int_eq(title_due(&title, busy, 0), 0);
}
END_TEST

int main(int argc, char *argv[], char *envp[])
{
	TCase *tcase = tcase_create("title");

	setproctitle_init(argc, argv, envp);
	tcase_add_test(tcase, it_says_service_number_and_load);
	tcase_add_test(tcase, it_changes_at_most_once_a_second);
	tcase_add_test(tcase, who_accepts_by_itself_is_shown_with_what_it_says);
	return unit_main("title", tcase);
}
