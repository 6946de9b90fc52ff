/* SPDX-License-Identifier: MIT */
#include "master/outputs.h"

#include "temp_folder.h"
#include "unit.h"

static struct temp_folder folder;

static void set_up(void)
{
	temp_folder_init(&folder);
}

static void tear_down(void)
{
	temp_folder_cleanup(&folder);
}

static struct conf_output files[2];
static const struct service_conf service = { .output = files, .outputs = 2 };

static void name_files(const char *a, const char *b)
{
	files[0] = (struct conf_output){ a, "log-a", { "/etc/x.conf", 3, 9 } };
	files[1] = (struct conf_output){ b, "log-b", { "/etc/x.conf", 4, 11 } };
}

static void expect_refused(const char *name, const char *message)
{
	char *error, *found;
	int *output;

	name_files(temp_path(&folder, "a"), temp_path(&folder, name));
	output = outputs_open(&service, &error);
	ck_assert_ptr_null(output);
	ck_assert_ptr_nonnull(error);
	found = strstr(error, message);
	ck_assert_msg(found && strncmp(error, "/etc/x.conf:4:11: cannot open log-b ", 36) == 0,
		      "%s", error);
	free(error);
}

START_TEST(outputs_are_appended_to_and_made_where_missing)
{
	const char *a = temp_path(&folder, "a"), *b = temp_path(&folder, "b");
	char *error;
	struct stat st;
	int *output;

	temp_write(&folder, "a", "old\n");
	name_files(a, b);
	umask(0);
	output = outputs_open(&service, &error);
	ck_assert_ptr_nonnull(output);
	ck_assert_int_eq(write(output[0], "new\n", 4), 4);
	ck_assert_int_eq(lseek(output[0], 0, SEEK_SET), 0);
	ck_assert_int_eq(write(output[0], "more\n", 5), 5);
	ck_assert_int_eq(fstat(output[0], &st), 0);
	ck_assert_int_eq(st.st_size, 13);
	ck_assert_int_eq(stat(b, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(fcntl(output[1], F_GETFD), FD_CLOEXEC);
	outputs_close(output, 2);
	outputs_close(NULL, 2);
}
END_TEST

START_TEST(an_output_that_cannot_be_opened_is_told_with_its_place)
{
	int before = dup(0), after;

	close(before);
	temp_mkdir(&folder, "folder");
	ck_assert_int_eq(mkfifo(temp_path(&folder, "fifo"), 0600), 0);
	expect_refused("folder", "/folder: Is a directory");
	expect_refused("none/x", "/none/x: No such file or directory");
	expect_refused("fifo", "/fifo: nobody reads from it");
	/* Nothing was left open. */
	after = dup(0);
	ck_assert_int_eq(before, after);
	close(after);
}
END_TEST

START_TEST(without_outputs_there_is_nothing_to_open)
{
	const struct service_conf none = { .outputs = 0 };
	char *error;
	int *output = outputs_open(&none, &error);

	ck_assert_ptr_nonnull(output);
	outputs_close(output, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("outputs");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, outputs_are_appended_to_and_made_where_missing);
	tcase_add_test(tcase, an_output_that_cannot_be_opened_is_told_with_its_place);
	tcase_add_test(tcase, without_outputs_there_is_nothing_to_open);
	return unit_main("outputs", tcase);
}
