/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(closing_keeps_errno_and_forgets_the_number)
{
	int fd = open("/dev/null", O_RDONLY), number = fd;

	errno = EPERM;
	fd_close(&fd);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fd, -1);
	ck_assert(!is_open(number));
	fd_close(&fd);
}
END_TEST

START_TEST(a_whole_file_is_read_from_its_beginning)
{
	int fd = memfd_create("test", MFD_CLOEXEC), ends[2];
	size_t len = 1;
	char *data;

	data = fd_read_all(fd, 10, &len);
	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(len, 0);
	free(data);
	ck_assert_int_eq(fd_write_all(fd, "0123456789", 10), 0);
	data = fd_read_all(fd, 10, &len);
	ck_assert_uint_eq(len, 10);
	ck_assert_mem_eq(data, "0123456789", 10);
	free(data);
	ck_assert_ptr_null(fd_read_all(fd, 9, &len));
	ck_assert_int_eq(errno, EFBIG);
	close(fd);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_ptr_null(fd_read_all(ends[0], 10, &len));
	ck_assert_int_eq(errno, EINVAL);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(only_the_listed_ones_stay_open)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int keep[] = { 30, 5, 1000, 2 };

		for (int fd = 3; fd < 40; fd++)
			dup2(0, fd);
		dup2(0, 1000);
		dup2(0, 1001);
		fd_close_all_but(keep, 4);
		for (int fd = 3; fd < 1100; fd++)
			if (is_open(fd) != (fd == 5 || fd == 30 || fd == 1000))
				_exit(1);
		_exit(is_open(0) && is_open(2) ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert(WIFEXITED(status));
}
END_TEST

START_TEST(flags_are_set_and_cleared)
{
	int fd = open("/dev/null", O_RDONLY);

	ck_assert_int_eq(fd_set_nonblocking(fd, true), 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_nonblocking(fd, false), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_cloexec(fd, true), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fd_close(&fd);
	ck_assert_int_eq(fd_set_cloexec(99999, true), -1);
}
END_TEST

START_TEST(a_write_to_a_closed_pipe_fails)
{
	int end[2];

	ck_assert_int_eq(pipe(end), 0);
	ck_assert_int_eq(fd_write_all(end[1], "abc", 3), 0);
	ck_assert_int_eq(fd_write_all(end[0], "abc", 3), -1);
	close(end[0]);
	close(end[1]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("fd");

	tcase_add_test(tcase, closing_keeps_errno_and_forgets_the_number);
	tcase_add_test(tcase, a_whole_file_is_read_from_its_beginning);
	tcase_add_test(tcase, only_the_listed_ones_stay_open);
	tcase_add_test(tcase, flags_are_set_and_cleared);
	tcase_add_test(tcase, a_write_to_a_closed_pipe_fails);
	return unit_main("fd", tcase);
}
