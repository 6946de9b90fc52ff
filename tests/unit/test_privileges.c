/* SPDX-License-Identifier: MIT */
/* Each case changes the process for good, so it runs in a forked child. What needs root is skipped elsewhere. */
#include "worker/privileges.h"

#include "base/log.h"
#include "config/config.h"

#include "unit.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct service_conf service;

static void set_up(void)
{
	service = (struct service_conf){ .name = "test",
					 .umask = 027,
					 .nofile = CONF_INHERIT,
					 .core = CONF_INHERIT,
					 .as = CONF_INHERIT };
}

/* Runs the check in a child; its exit status. */
static int in_child(int (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* What is logged is expected here and of no interest. */
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		_exit(check());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int becomes_nobody(void)
{
	static const gid_t group[] = { 65534, 4242 };
	gid_t got[8];
	uid_t r, e, s;

	service.ids = (struct conf_ids){ true, 65534, 65534, group, 2, "nobody" };
	if (privileges_drop(&service) < 0)
		return 1;
	if (getresuid(&r, &e, &s) < 0 || r != 65534 || e != 65534 || s != 65534)
		return 2;
	if (getgroups(8, got) != 2 || got[0] + got[1] != 4242 + 65534 || getegid() != 65534)
		return 3;
	return setuid(0) == 0 || setgid(0) == 0 ? 4 : 0;
}

START_TEST(there_is_no_way_back_from_another_user)
{
	if (getuid() == 0)
		ck_assert_int_eq(in_child(becomes_nobody), 0);
	else
		fprintf(stderr, "skipped: needs root\n");
}
END_TEST

static int cannot_become_root(void)
{
	service.ids = (struct conf_ids){ true, 0, 0, NULL, 0, "root" };
	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setuid(65534) < 0))
		return 2;
	return privileges_drop(&service) == -1 ? 0 : 1;
}

START_TEST(a_change_that_fails_is_an_error)
{
	ck_assert_int_eq(in_child(cannot_become_root), 0);
}
END_TEST

static int limits_and_masks(void)
{
	struct rlimit limit;

	service.no_new_privileges = true;
	service.core = 0;
	service.as = (int64_t)1 << 40;
	if (privileges_drop(&service) < 0)
		return 1;
	if (umask(0) != 027 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max != 0)
		return 3;
	if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur != (rlim_t)1 << 40)
		return 4;
	return 0;
}

START_TEST(limits_umask_and_no_new_privs_are_set)
{
	ck_assert_int_eq(in_child(limits_and_masks), 0);
}
END_TEST

static int chrooted(void)
{
	struct stat here, root;

	service.chroot = "/proc/self/fdinfo";
	if (privileges_drop(&service) < 0)
		return 1;
	return stat(".", &here) < 0 || stat("/", &root) < 0 || here.st_ino != root.st_ino ||
	       access("/etc", F_OK) == 0;
}

START_TEST(a_chroot_is_entered)
{
	if (getuid() == 0)
		ck_assert_int_eq(in_child(chrooted), 0);
	else
		fprintf(stderr, "skipped: needs root\n");
}
END_TEST

static int missing_chroot(void)
{
	service.chroot = "/nonexistent";
	return privileges_drop(&service) == -1 ? 0 : 1;
}

START_TEST(a_missing_chroot_is_an_error)
{
	ck_assert_int_eq(in_child(missing_chroot), 0);
}
END_TEST

static int raised_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (privileges_open_files(&service, 150) != 150)
		return 1;
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur >= 150 ? 0 : 2;
}

START_TEST(the_open_file_limit_is_raised_to_what_is_needed)
{
	ck_assert_int_eq(in_child(raised_files), 0);
}
END_TEST

static int few_files(void)
{
	service.nofile = 32;
	size_t fit = privileges_open_files(&service, 1000);

	return fit > 0 && fit < 32 ? 0 : 1;
}

START_TEST(a_configured_limit_says_how_many_connections_fit)
{
	if (!skipped_under_valgrind("a limit of open files"))
		ck_assert_int_eq(in_child(few_files), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("privileges");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, there_is_no_way_back_from_another_user);
	tcase_add_test(tcase, a_change_that_fails_is_an_error);
	tcase_add_test(tcase, limits_umask_and_no_new_privs_are_set);
	tcase_add_test(tcase, a_chroot_is_entered);
	tcase_add_test(tcase, a_missing_chroot_is_an_error);
	tcase_add_test(tcase, the_open_file_limit_is_raised_to_what_is_needed);
	tcase_add_test(tcase, a_configured_limit_says_how_many_connections_fit);
	return unit_main("privileges", tcase);
}
