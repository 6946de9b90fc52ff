/* SPDX-License-Identifier: MIT */
#include "master/spawn.h"

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_status_of(pid_t pid)
{
	int status;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int return_it(void *arg)
{
	return *(int *)arg;
}

START_TEST(what_main_returns_is_the_exit_status)
{
	int status = 71;

	ck_assert_int_eq(exit_status_of(spawn(return_it, &status, NULL, 0, false)), 71);
}
END_TEST

/* Bit by bit: which of the two is open. */
static int which_are_open(void *arg)
{
	const int *fd = arg;

	return (fcntl(fd[0], F_GETFD) >= 0) + 2 * (fcntl(fd[1], F_GETFD) >= 0);
}

START_TEST(only_what_is_kept_stays_open)
{
	int fd[2], keep;

	ck_assert_int_eq(pipe(fd), 0);
	keep = fd[1];
	ck_assert_int_eq(exit_status_of(spawn(which_are_open, fd, &keep, 1, false)), 2);
	keep = fd[0];
	ck_assert_int_eq(exit_status_of(spawn(which_are_open, fd, &keep, 1, false)), 1);
	ck_assert_int_eq(which_are_open(fd), 3);
}
END_TEST

static int signals_are_reset(void *arg)
{
	struct sigaction action;
	sigset_t mask;

	(void)arg;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int signal = 1; signal <= SIGSYS; signal++) {
		if (sigismember(&mask, signal))
			return signal;
	}
	sigaction(SIGUSR1, NULL, &action);
	if (action.sa_handler != SIG_DFL)
		return 101;
	sigaction(SIGTERM, NULL, &action);
	if (action.sa_handler != SIG_DFL)
		return 102;
	sigaction(SIGPIPE, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		return 103;
	return 0;
}

START_TEST(signals_are_as_in_a_new_process)
{
	sigset_t all, before, after;

	signal(SIGUSR1, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	ck_assert_int_eq(exit_status_of(spawn(signals_are_reset, NULL, NULL, 0, false)), 0);
	sigprocmask(SIG_SETMASK, &before, &after);
	/* And the parent's own are as they were. */
	ck_assert_int_eq(sigismember(&after, SIGTERM), 1);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

static int standard_is_null(void *arg)
{
	struct stat null, st;

	(void)arg;
	if (stat("/dev/null", &null) < 0)
		return 100;
	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || st.st_rdev != null.st_rdev)
			return fd + 1;
	}
	return 0;
}

START_TEST(detached_means_no_terminal)
{
	ck_assert_int_eq(exit_status_of(spawn(standard_is_null, NULL, NULL, 0, true)), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("spawn");

	tcase_add_test(tcase, what_main_returns_is_the_exit_status);
	tcase_add_test(tcase, only_what_is_kept_stays_open);
	tcase_add_test(tcase, signals_are_as_in_a_new_process);
	tcase_add_test(tcase, detached_means_no_terminal);
	return unit_main("spawn", tcase);
}
