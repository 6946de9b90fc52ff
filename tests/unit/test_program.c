/* SPDX-License-Identifier: MIT */
#include "master/program.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of this very program, as the kernel has it. */
static char *own_path(void)
{
	return realpath("/proc/self/exe", NULL);
}

static char folder[] = "/tmp/musterd-program-XXXXXX";

static void make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/musterd", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/other/musterd", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/other", folder);
	rmdir(path);
	rmdir(folder);
}

static void path_is(const char *name, const char *expected)
{
	char *argv[] = { (char *)(uintptr_t)name, NULL };
	struct program program;

	ck_assert_int_eq(program_init(&program, argv), 0);
	ck_assert_str_eq(program.path, expected);
	program_cleanup(&program);
}

START_TEST(a_symbolic_link_stays_one)
{
	char path[PATH_MAX], *own = own_path();

	make_folder();
	snprintf(path, sizeof(path), "%s/musterd", folder);
	ck_assert_int_eq(symlink(own, path), 0);
	path_is(path, path);
	ck_assert_int_eq(chdir(folder), 0);
	path_is("./musterd", path);
	remove_folder();
	free(own);
}
END_TEST

START_TEST(a_name_is_searched_for_what_runs)
{
	char path[PATH_MAX], other[PATH_MAX], search[3 * PATH_MAX], *own = own_path();
	FILE *file;

	make_folder();
	snprintf(path, sizeof(path), "%s/musterd", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(search, sizeof(search), "/nowhere:%s:%s", other, folder);
	ck_assert_int_eq(symlink(own, path), 0);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	strcat(other, "/musterd");
	file = fopen(other, "w"); /* comes first, but is another program */
	ck_assert_ptr_nonnull(file);
	fclose(file);
	setenv("PATH", search, 1);
	path_is("musterd", path);
	unsetenv("PATH");
	path_is("musterd", own);
	remove_folder();
	free(own);
}
END_TEST

START_TEST(a_name_that_is_not_what_runs_is_not_believed)
{
	char *own = own_path();

	path_is("/bin/sh", own);
	path_is("/no/such/file", own);
	path_is("-musterd", own);
	path_is(NULL, own);
	free(own);
}
END_TEST

START_TEST(arguments_are_copied_without_those_of_an_upgrade)
{
	char name[] = "musterd", resume[] = "--adopt-state=7", conf[] = "-c",
	     file[] = "--adopt-state=x";
	char *argv[] = { name, resume, conf, file, NULL }, **again;
	struct program program;

	ck_assert_int_eq(program_init(&program, argv), 0);
	name[0] = 'X';
	ck_assert_str_eq(program.argv[0], "musterd");
	ck_assert_str_eq(program.argv[1], "-c");
	ck_assert_str_eq(program.argv[2], "--adopt-state=x"); /* a strange name, but the user's */
	ck_assert_ptr_null(program.argv[3]);
	again = program_arguments(&program, PROGRAM_CHECK, INT_MAX);
	ck_assert_str_eq(again[0], "musterd");
	ck_assert_str_eq(again[1], "--check-state=2147483647");
	ck_assert_str_eq(again[2], "-c");
	ck_assert_str_eq(again[3], "--adopt-state=x");
	ck_assert_ptr_null(again[4]);
	free(again);
	program_cleanup(&program);
}
END_TEST

START_TEST(a_file_that_was_touched_is_not_the_same)
{
	struct program_file before, after;
	char path[PATH_MAX];
	int fd;

	make_folder();
	snprintf(path, sizeof(path), "%s/musterd", folder);
	ck_assert_int_eq(program_look(path, &before), -1);
	ck_assert_int_eq(errno, ENOENT);
	fd = open(path, O_CREAT | O_WRONLY, 0700);
	ck_assert_int_eq(program_look(path, &before), 0);
	ck_assert_int_eq(program_look(path, &after), 0);
	ck_assert(program_is_same(&before, &after));
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
	ck_assert_int_eq(program_look(path, &after), 0);
	ck_assert(!program_is_same(&before, &after));
	ck_assert_int_eq(program_look(folder, &before), -1);
	ck_assert_int_eq(errno, EACCES);
	remove_folder();
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("program");

	tcase_add_test(tcase, arguments_are_copied_without_those_of_an_upgrade);
	if (!skipped_under_valgrind("a /proc/self/exe")) {
		tcase_add_test(tcase, a_symbolic_link_stays_one);
		tcase_add_test(tcase, a_name_is_searched_for_what_runs);
		tcase_add_test(tcase, a_name_that_is_not_what_runs_is_not_believed);
	}
	tcase_add_test(tcase, a_file_that_was_touched_is_not_the_same);
	return unit_main("program", tcase);
}
