/* SPDX-License-Identifier: MIT */
/* Each test runs twice: with the kernel's own check, and with the walk by hand. */
#include "services/http/root.h"

#include "temp_folder.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>

static struct temp_folder folder;
static struct root root;

static void setup(void)
{
	temp_folder_init(&folder);
	temp_mkdir(&folder, "www");
	temp_mkdir(&folder, "www/sub");
	temp_mkdir(&folder, "www/sub/deep");
	temp_write(&folder, "secret", "secret");
	temp_write(&folder, "www/a", "a");
	temp_write(&folder, "www/sub/deep/b", "b");
	ck_assert_int_eq(root_open(&root, temp_path(&folder, "www"), false), 0);
	root.path = strdup(root.path);
}

static void teardown(void)
{
	free((char *)(uintptr_t)root.path);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

/* Which of the two ways; false: this kernel (or valgrind) has not got the first. */
static bool go_by_hand(int by_hand)
{
	if (root.by_hand && !by_hand)
		return false;
	root.by_hand = by_hand;
	return true;
}

/* The first byte of a file; 0 for a folder; -errno. */
static int look(const char *name)
{
	int fd = root_open_file(&root, name);
	char byte = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, &byte, 1) < 0)
		ck_assert_int_eq(errno, EISDIR);
	close(fd);
	return byte;
}

/* The same without reading: 'f' or 'd'; -errno. It is what root_open_file finds, or the test fails. */
static int look_from_afar(const char *name)
{
	int fd = root_open_file(&root, name);
	struct stat st, other;

	if (root_look(&root, name, &st) < 0) {
		ck_assert_int_lt(fd, 0);
		return -errno;
	}
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &other), 0);
	close(fd);
	ck_assert(st.st_dev == other.st_dev && st.st_ino == other.st_ino);
	return S_ISDIR(st.st_mode) ? 'd' : 'f';
}

static void make_link(const char *target, const char *name)
{
	ck_assert_int_eq(symlink(target, temp_path(&folder, name)), 0);
}

START_TEST(files_and_folders_below_are_opened)
{
	if (!go_by_hand(_i))
		return;
	ck_assert_int_eq(look("a"), 'a');
	ck_assert_int_eq(look("sub/deep/b"), 'b');
	ck_assert_int_eq(look("sub/deep"), 0);
	ck_assert_int_eq(look("sub/deep/"), 0);
	ck_assert_int_eq(look(""), 0);
	ck_assert_int_eq(look("x"), -ENOENT);
	ck_assert_int_eq(look("x/y"), -ENOENT);
	ck_assert_int_eq(look("a/"), -ENOTDIR);
	ck_assert_int_eq(look("a/b"), -ENOTDIR);
}
END_TEST

START_TEST(nothing_outside_is_opened)
{
	if (!go_by_hand(_i))
		return;
	make_link("../secret", "www/up");
	make_link(temp_path(&folder, "secret"), "www/absolute");
	make_link("..", "www/folder");
	make_link("../../../secret", "www/sub/deep/far");
	make_link("/proc/self/fd", "www/magic");
	make_link("sub/../../secret", "www/around");
	make_link("up", "www/twice");
	make_link("./../secret", "www/dotted");
	make_link(".//sub/.//..//.././/secret", "www/slashed");
	ck_assert_int_eq(look("up"), -EXDEV);
	ck_assert_int_eq(look("absolute"), -EXDEV);
	ck_assert_int_eq(look("sub/deep/far"), -EXDEV);
	ck_assert_int_eq(look("around"), -EXDEV);
	ck_assert_int_eq(look("twice"), -EXDEV);
	ck_assert_int_eq(look("dotted"), -EXDEV);
	ck_assert_int_eq(look("slashed"), -EXDEV);
	ck_assert_int_eq(look("folder/secret"), -EXDEV);
	ck_assert_int_eq(look("magic/0"), -EXDEV);
	/* The names come cleaned; these did not. */
	ck_assert_int_eq(look("../secret"), -EXDEV);
	ck_assert_int_eq(look("sub/../../secret"), -EXDEV);
}
END_TEST

START_TEST(links_that_stay_inside_are_followed)
{
	if (!go_by_hand(_i))
		return;
	make_link("sub/deep/b", "www/link");
	make_link("deep", "www/sub/shortcut");
	make_link("../a", "www/sub/back");
	make_link("sub/shortcut/../../a", "www/winding");
	make_link("./sub//deep/", "www/untidy");
	make_link("winding", "www/sub/../chain");
	make_link("./sub/./..", "www/top");
	make_link("nobody", "www/dangling");
	ck_assert_int_eq(look("link"), 'b');
	ck_assert_int_eq(look("sub/back"), 'a');
	ck_assert_int_eq(look("sub/shortcut/b"), 'b');
	/* ".." is of the folder that a link leads to, not of the one that it is in. */
	ck_assert_int_eq(look("winding"), 'a');
	ck_assert_int_eq(look("chain"), 'a');
	ck_assert_int_eq(look("untidy/b"), 'b');
	ck_assert_int_eq(look("untidy/"), 0);
	ck_assert_int_eq(look("top"), 0);
	ck_assert_int_eq(look("top/top/a"), 'a');
	ck_assert_int_eq(look("link/"), -ENOTDIR);
	ck_assert_int_eq(look("link/x"), -ENOTDIR);
	ck_assert_int_eq(look("dangling"), -ENOENT);
}
END_TEST

START_TEST(links_without_end_are_an_error)
{
	char target[PATH_MAX];

	if (!go_by_hand(_i))
		return;
	make_link("self", "www/self");
	make_link("pong/x", "www/ping");
	make_link("ping", "www/pong");
	ck_assert_int_eq(look("self"), -ELOOP);
	ck_assert_int_eq(look("ping"), -ELOOP);
	memset(target, '/', sizeof(target));
	memcpy(target, "sub", 3);
	memcpy(target + sizeof(target) - 8, "deep/b", 7);
	make_link(target, "www/long");
	ck_assert_int_eq(look("long"), 'b');
	/* Together with the rest it is longer than a path may be, which the kernel never puts together. */
	memcpy(target + sizeof(target) - 8, "//deep", 7);
	make_link(target, "www/longer");
	ck_assert_int_eq(look("longer/b"), _i ? -ENAMETOOLONG : 'b');
}
END_TEST

START_TEST(what_is_not_read_is_found_in_the_same_way)
{
	if (!go_by_hand(_i))
		return;
	make_link("../secret", "www/up");
	make_link("sub/deep/b", "www/link");
	make_link("link", "www/twice");
	make_link("sub", "www/folder");
	make_link("nobody", "www/dangling");
	make_link("self", "www/self");
	ck_assert_int_eq(look_from_afar("a"), 'f');
	ck_assert_int_eq(look_from_afar("sub/deep/b"), 'f');
	ck_assert_int_eq(look_from_afar("sub"), 'd');
	ck_assert_int_eq(look_from_afar(""), 'd');
	ck_assert_int_eq(look_from_afar("link"), 'f');
	ck_assert_int_eq(look_from_afar("twice"), 'f');
	ck_assert_int_eq(look_from_afar("folder/deep/b"), 'f');
	ck_assert_int_eq(look_from_afar("folder"), 'd');
	ck_assert_int_eq(look_from_afar("up"), -EXDEV);
	ck_assert_int_eq(look_from_afar("dangling"), -ENOENT);
	ck_assert_int_eq(look_from_afar("self"), -ELOOP);
	ck_assert_int_eq(look_from_afar("a/b"), -ENOTDIR);
	ck_assert_int_eq(look_from_afar("link/"), -ENOTDIR);
	ck_assert_int_eq(look_from_afar("../secret"), -EXDEV);
}
END_TEST

START_TEST(a_pipe_does_not_make_us_wait)
{
	if (!go_by_hand(_i))
		return;
	ck_assert_int_eq(mkfifo(temp_path(&folder, "www/pipe"), 0644), 0);
	ck_assert_int_eq(look("pipe"), 0);
}
END_TEST

START_TEST(long_names_are_an_error_and_no_more)
{
	char name[400];

	if (!go_by_hand(_i))
		return;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ck_assert_int_eq(look(name), -ENAMETOOLONG);
	memcpy(name, "sub/", 4);
	ck_assert_int_eq(look(name), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_walk_leaves_no_descriptor_behind)
{
	int before = dup(0), after;

	root.by_hand = true;
	close(before);
	look("sub/deep/b");
	look("sub/deep/x");
	look("sub/x/y/z");
	look("a/b/c");
	make_link("deep", "www/sub/shortcut");
	look("sub/shortcut/b");
	look("sub/shortcut/../../../b");
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(another_folder_under_the_same_path_is_noticed_once_a_second)
{
	root_settle(&root);
	ck_assert(!root_refresh(&root, 1));
	temp_mkdir(&folder, "new");
	temp_write(&folder, "new/a", "n");
	ck_assert_int_eq(rename(root.path, temp_path(&folder, "old")), 0);
	ck_assert(!root_refresh(&root, 2));
	ck_assert_int_eq(look("a"), 'a');
	make_link("new", "www");
	ck_assert(!root_refresh(&root, 2));
	ck_assert_int_eq(look("a"), 'a');
	ck_assert_uint_eq(root.generation, 0);
	ck_assert(root_refresh(&root, 3));
	ck_assert_uint_eq(root.generation, 1);
	ck_assert_int_eq(look("a"), 'n');
	/* A path that is gone is no other folder. */
	ck_assert_int_eq(unlink(root.path), 0);
	ck_assert(!root_refresh(&root, 4));
	ck_assert_int_eq(look("a"), 'n');
	ck_assert_uint_eq(root.generation, 1);
}
END_TEST

START_TEST(behind_a_chroot_the_folder_at_hand_is_kept)
{
	/* The path leads elsewhere when the worker settles: that is the chroot's doing. */
	temp_mkdir(&folder, "new");
	ck_assert_int_eq(rename(root.path, temp_path(&folder, "old")), 0);
	make_link("new", "www");
	root_settle(&root);
	ck_assert(!root_refresh(&root, 1));
	ck_assert_int_eq(look("a"), 'a');
}
END_TEST

START_TEST(who_follows_links_is_led_anywhere)
{
	struct root open;

	make_link("../secret", "www/up");
	make_link(temp_path(&folder, "secret"), "www/absolute");
	make_link("..", "www/folder");
	make_link("loop", "www/loop");
	ck_assert_int_eq(root_open(&open, root.path, true), 0);
	root_close(&root);
	root = open;
	root.path = strdup(temp_path(&folder, "www"));
	ck_assert_int_eq(look("a"), 'a');
	ck_assert_int_eq(look(""), 0);
	ck_assert_int_eq(look("up"), 's');
	ck_assert_int_eq(look("absolute"), 's');
	ck_assert_int_eq(look("folder/secret"), 's');
	ck_assert_int_eq(look("folder"), 0);
	ck_assert_int_eq(look("loop"), -ELOOP);
	ck_assert_int_eq(look("none"), -ENOENT);
	free((char *)(uintptr_t)open.path);
}
END_TEST

START_TEST(what_is_no_folder_cannot_be_a_root)
{
	struct root other;

	ck_assert_int_eq(root_open(&other, temp_path(&folder, "secret"), _i), -1);
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_int_eq(root_open(&other, temp_path(&folder, "none"), _i), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_root");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, files_and_folders_below_are_opened, 0, 2);
	tcase_add_loop_test(tcase, nothing_outside_is_opened, 0, 2);
	tcase_add_loop_test(tcase, links_that_stay_inside_are_followed, 0, 2);
	tcase_add_loop_test(tcase, links_without_end_are_an_error, 0, 2);
	tcase_add_loop_test(tcase, what_is_not_read_is_found_in_the_same_way, 0, 2);
	tcase_add_loop_test(tcase, a_pipe_does_not_make_us_wait, 0, 2);
	tcase_add_loop_test(tcase, long_names_are_an_error_and_no_more, 0, 2);
	tcase_add_test(tcase, a_walk_leaves_no_descriptor_behind);
	tcase_add_test(tcase, another_folder_under_the_same_path_is_noticed_once_a_second);
	tcase_add_test(tcase, behind_a_chroot_the_folder_at_hand_is_kept);
	tcase_add_loop_test(tcase, what_is_no_folder_cannot_be_a_root, 0, 2);
	tcase_add_test(tcase, who_follows_links_is_led_anywhere);
	return unit_main("http_root", tcase);
}
