/* SPDX-License-Identifier: MIT */
#include "master/trace.h"

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(tracer_and_handler_are_found_in_the_status)
{
	struct process process;

	process_parse(&process, "Name:\tmusterd\nTracerPid:\t4711\nSigCgt:\t0000000000000800\n");
	ck_assert_int_eq(process.tracer, 4711);
	ck_assert(process.catches_trace);
	process_parse(&process, "TracerPid:\t0\nSigCgt:\tfffffffffffff7ff\n");
	ck_assert_int_eq(process.tracer, 0);
	ck_assert(!process.catches_trace);
	process_parse(&process, "xTracerPid:\t1\n\n:\nSigCgt");
	ck_assert_int_eq(process.tracer, 0);
	ck_assert(!process.catches_trace);
	process_parse(&process, "");
	ck_assert_int_eq(process.tracer, 0);
}
END_TEST

static void handler(int signal)
{
	(void)signal;
}

START_TEST(a_process_is_looked_at)
{
	struct process process;

	/* valgrind catches what is not ignored. */
	signal(SIGUSR2, SIG_IGN);
	process_look(&process, getpid());
	ck_assert(!process.catches_trace);
	signal(SIGUSR2, handler);
	process_look(&process, getpid());
	ck_assert(process.catches_trace);
	/* As behind hidepid. */
	process_look(&process, 0);
	ck_assert(process.catches_trace);
	ck_assert_int_eq(process.tracer, 0);
}
END_TEST

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	return fd;
}

START_TEST(a_memfd_is_read_from_its_beginning)
{
	int fd = file_of("one\ntwo\n", 8);
	char *text = trace_read(fd);

	ck_assert_str_eq(text, "one\ntwo\n");
	free(text);
	close(fd);
}
END_TEST

START_TEST(only_so_much_is_read)
{
	size_t len = 2 * TRACE_TEXT_MAX;
	char *much = malloc(len), *text;
	int fd;

	memset(much, 'x', len);
	fd = file_of(much, len);
	text = trace_read(fd);
	ck_assert_uint_eq(strlen(text), TRACE_TEXT_MAX);
	free(text);
	free(much);
	ck_assert_int_eq(ftruncate(fd, TRACE_FILE_MAX + 1), 0);
	ck_assert_ptr_null(trace_read(fd));
	close(fd);
}
END_TEST

/* None of these may make us wait. */
START_TEST(what_is_no_memfd_is_not_read)
{
	int ends[2], fd;

	ck_assert_ptr_null(trace_read(-1));
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_ptr_null(trace_read(ends[0]));
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_ptr_null(trace_read(ends[0]));
	close(ends[0]);
	close(ends[1]);
	fd = open("/proc/self/status", O_RDONLY);
	ck_assert_ptr_null(trace_read(fd));
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	ck_assert_ptr_null(trace_read(fd));
	close(fd);
	fd = file_of("", 0);
	ck_assert_ptr_null(trace_read(fd));
	close(fd);
}
END_TEST

START_TEST(frames_are_cleaned_and_numbered_once)
{
	const char *text = "#0 serve+0x1f\n\n  \n#12 \x1b[2J\nmain\n#x\n#7";
	char frame[16];

	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "serve+0x1f");
	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "?[2J");
	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "main");
	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "#x");
	ck_assert(!trace_frame(&text, frame, sizeof(frame)));
	text = "a frame that is longer than its place\nnext";
	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "a frame that is");
	ck_assert(trace_frame(&text, frame, sizeof(frame)));
	ck_assert_str_eq(frame, "next");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("trace");

	tcase_add_test(tcase, tracer_and_handler_are_found_in_the_status);
	tcase_add_test(tcase, a_process_is_looked_at);
	tcase_add_test(tcase, a_memfd_is_read_from_its_beginning);
	tcase_add_test(tcase, only_so_much_is_read);
	tcase_add_test(tcase, what_is_no_memfd_is_not_read);
	tcase_add_test(tcase, frames_are_cleaned_and_numbered_once);
	return unit_main("trace", tcase);
}
