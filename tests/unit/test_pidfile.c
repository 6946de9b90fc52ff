/* SPDX-License-Identifier: MIT */
#include "master/pidfile.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/musterd-test-XXXXXX";
static char path[64];

static void set_up(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pid", folder);
}

static void tear_down(void)
{
	unlink(path);
	rmdir(folder);
}

static int number_in_file(void)
{
	FILE *file = fopen(path, "r");
	int number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -2;
	fclose(file);
	return number;
}

START_TEST(it_holds_our_pid_and_is_removed)
{
	struct pidfile pidfile;
	pid_t other;

	ck_assert_int_eq(pidfile_take(&pidfile, path, &other), 0);
	ck_assert_int_eq(number_in_file(), getpid());
	pidfile_remove_own(&pidfile);
	ck_assert_int_eq(access(path, F_OK), -1);
	pidfile_remove_own(&pidfile);
}
END_TEST

START_TEST(a_live_one_refuses_with_its_pid)
{
	struct pidfile pidfile, second;
	pid_t other;

	ck_assert_int_eq(pidfile_take(&pidfile, path, &other), 0);
	ck_assert_int_eq(pidfile_take(&second, path, &other), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(other, getpid());
	ck_assert_int_eq(number_in_file(), getpid());
	pidfile_remove_own(&pidfile);
}
END_TEST

START_TEST(a_stale_one_is_taken_over)
{
	struct pidfile pidfile;
	pid_t other;
	FILE *file = fopen(path, "w");

	fprintf(file, "1234567890123\nand more\n");
	fclose(file);
	ck_assert_int_eq(pidfile_take(&pidfile, path, &other), 0);
	ck_assert_int_eq(number_in_file(), getpid());
	pidfile_remove_own(&pidfile);
}
END_TEST

START_TEST(a_file_that_was_replaced_is_not_removed)
{
	struct pidfile pidfile;
	pid_t other;
	FILE *file;

	ck_assert_int_eq(pidfile_take(&pidfile, path, &other), 0);
	ck_assert_int_eq(unlink(path), 0);
	file = fopen(path, "w");
	fprintf(file, "1\n");
	fclose(file);
	pidfile_remove_own(&pidfile);
	ck_assert_int_eq(number_in_file(), 1);
}
END_TEST

START_TEST(a_symbolic_link_is_refused)
{
	struct pidfile pidfile;
	pid_t other;

	ck_assert_int_eq(symlink("/dev/null", path), 0);
	ck_assert_int_eq(pidfile_take(&pidfile, path, &other), -1);
	ck_assert_int_eq(errno, ELOOP);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("pidfile");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, it_holds_our_pid_and_is_removed);
	tcase_add_test(tcase, a_live_one_refuses_with_its_pid);
	tcase_add_test(tcase, a_stale_one_is_taken_over);
	tcase_add_test(tcase, a_file_that_was_replaced_is_not_removed);
	tcase_add_test(tcase, a_symbolic_link_is_refused);
	return unit_main("pidfile", tcase);
}
