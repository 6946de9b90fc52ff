/* SPDX-License-Identifier: MIT */
#include "base/contract.h"
#include "base/fd.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int end[2];

static void set_up(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end), 0);
}

static void tear_down(void)
{
	fd_close(&end[0]);
	fd_close(&end[1]);
}

START_TEST(a_record_arrives_as_it_was_sent)
{
	struct record record;
	int fd;

	ck_assert_int_eq(record_send(end[0], RECORD_DRAIN, RECORD_LAST_CALL, 30000, -1), 0);
	ck_assert_int_eq(record_receive(end[1], &record, &fd), 1);
	ck_assert_int_eq(record.type, RECORD_DRAIN);
	ck_assert_uint_eq(record.flags, RECORD_LAST_CALL);
	ck_assert_int_eq(record.value, 30000);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(record_receive(end[1], &record, &fd), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_descriptor_comes_along_close_on_exec)
{
	struct record record;
	int fd, pipe_end[2];
	char byte;

	ck_assert_int_eq(pipe(pipe_end), 0);
	ck_assert_int_eq(record_send(end[0], RECORD_REOPEN, 0, 0, pipe_end[1]), 0);
	ck_assert_int_eq(record_receive(end[1], &record, &fd), 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(pipe_end[0], &byte, 1), 1);
	close(fd);
	close(pipe_end[0]);
	close(pipe_end[1]);
}
END_TEST

START_TEST(the_end_of_the_other_side_is_seen)
{
	struct record record;
	int fd;

	fd_close(&end[0]);
	ck_assert_int_eq(record_receive(end[1], &record, &fd), 0);
}
END_TEST

START_TEST(last_words_are_heard_of_one_who_had_not_read_all)
{
	struct record record;
	int fd;

	ck_assert_int_eq(record_send(end[0], RECORD_GO, 0, 0, -1), 0);
	ck_assert_int_eq(record_send(end[1], RECORD_GOODBYE, 0, 7, -1), 0);
	fd_close(&end[1]);
	ck_assert_int_eq(record_receive(end[0], &record, &fd), 1);
	ck_assert_int_eq(record.value, 7);
	ck_assert_int_eq(record_receive(end[0], &record, &fd), 0);
}
END_TEST

START_TEST(what_is_no_record_is_refused_and_its_descriptor_closed)
{
	struct record bad = { .version = RECORD_VERSION, .type = RECORD_GO }, record;
	int fd, pipe_end[2];
	char byte;

	ck_assert_int_eq(pipe(pipe_end), 0);
	ck_assert_int_eq(send(end[0], &bad, sizeof(bad) - 1, 0), sizeof(bad) - 1);
	bad.version = 99;
	ck_assert_int_eq(fd_send(end[0], &bad, sizeof(bad), &pipe_end[1], 1), 0);
	bad.version = RECORD_VERSION;
	bad.type = 77;
	ck_assert_int_eq(send(end[0], &bad, sizeof(bad), 0), sizeof(bad));
	close(pipe_end[1]);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(record_receive(end[1], &record, &fd), -1);
		ck_assert_int_eq(errno, EPROTO);
		ck_assert_int_eq(fd, -1);
	}
	/* Nobody holds the writing end any more. */
	ck_assert_int_eq(read(pipe_end[0], &byte, 1), 0);
	close(pipe_end[0]);
}
END_TEST

START_TEST(a_full_socket_is_an_error_and_not_a_wait)
{
	int sent = 0;

	while (record_send(end[0], RECORD_TRY_ACCEPT, 0, 0, -1) == 0)
		sent++;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_gt(sent, 10);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("contract");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_record_arrives_as_it_was_sent);
	tcase_add_test(tcase, a_descriptor_comes_along_close_on_exec);
	tcase_add_test(tcase, the_end_of_the_other_side_is_seen);
	tcase_add_test(tcase, last_words_are_heard_of_one_who_had_not_read_all);
	tcase_add_test(tcase, what_is_no_record_is_refused_and_its_descriptor_closed);
	tcase_add_test(tcase, a_full_socket_is_an_error_and_not_a_wait);
	return unit_main("contract", tcase);
}
