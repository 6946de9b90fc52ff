/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int out[2];
static char text[16384];

static void set_up(void)
{
	struct log_target target = { .kind = LOG_TO_FILE, .path = "/dev/null", .level = LOG_INFO };

	ck_assert_int_eq(pipe(out), 0);
	log_use(&target, out[1]);
	log_set_name("www 2");
}

static void tear_down(void)
{
	log_replace_fd(STDERR_FILENO);
	close(out[0]);
}

static const char *written(void)
{
	ssize_t n;

	fcntl(out[0], F_SETFL, O_NONBLOCK);
	n = read(out[0], text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

START_TEST(a_line_says_when_how_grave_who_and_what)
{
	char level[16], name[16];
	int year, number, pid;

	errno = EPERM;
	log_warning("disk %d%%", 97);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(sscanf(written(), "%d-%*d-%*d %*d:%*d:%*d %15s %15s %d[%d]: disk 97%%\n",
				&year, level, name, &number, &pid),
			 5);
	ck_assert_int_ge(year, 2024);
	ck_assert_str_eq(level, "warning");
	ck_assert_str_eq(name, "www");
	ck_assert_int_eq(number, 2);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(what_is_less_urgent_is_dropped)
{
	log_debug("noise");
	ck_assert_str_eq(written(), "");
	ck_assert(!log_wants(LOG_DEBUG));
	ck_assert(log_wants(LOG_INFO));
}
END_TEST

START_TEST(a_client_cannot_forge_a_line)
{
	log_info("GET /%s", "x\n2026-01-01 00:00:00 error master[1]: all is lost\x1b[2J");
	written();
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	ck_assert_ptr_nonnull(strstr(text, "x\\n2026"));
	ck_assert_ptr_nonnull(strstr(text, "\\x1b[2J"));
}
END_TEST

START_TEST(a_long_text_is_one_line_all_the_same)
{
	char big[9000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	written();
	ck_assert_uint_gt(strlen(text), 4000);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(the_last_error_is_kept_for_others_to_read)
{
	char kept[32];

	memset(kept, 'x', sizeof(kept));
	kept[0] = '\0';
	log_keep_errors(kept, 16);
	log_warning("not this");
	ck_assert_str_eq(kept, "");
	log_err("first");
	log_line(LOG_CRIT, "a\nb");
	ck_assert_str_eq(kept, "a\\nb");
	log_err("%s", "what is too long for it is cut");
	ck_assert_uint_le(strlen(kept), 15);
	ck_assert_uint_gt(strlen(kept), 8);
	ck_assert_int_eq(strncmp(kept, "what is too long", strlen(kept)), 0);
	ck_assert_int_eq(kept[16], 'x');
	log_keep_errors(NULL, 0);
	log_err("nobody");
	ck_assert_int_eq(strncmp(kept, "what", 4), 0);
	written();
	ck_assert_ptr_nonnull(strstr(text, "what is too long for it is cut\n"));
}
END_TEST

START_TEST(the_journal_gets_a_priority_and_no_time)
{
	struct log_target target = { .kind = LOG_TO_STDERR, .level = LOG_INFO };
	struct stat st;
	char stream[64];

	fstat(out[1], &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_use(&target, out[1]);
	log_err("no");
	ck_assert_str_eq(written(), "<3>www 2: no\n");
}
END_TEST

START_TEST(a_file_is_opened_for_appending)
{
	char path[] = "/tmp/musterd-test-log-XXXXXX";
	int made = mkstemp(path), fd;
	struct log_target target = { .kind = LOG_TO_FILE, .path = path, .level = LOG_INFO };
	char got[8] = "";

	ck_assert_int_eq(write(made, "1\n", 2), 2);
	fd = log_open_target(&target);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "2\n", 2), 2);
	ck_assert_int_eq(pread(made, got, 7, 0), 4);
	ck_assert_str_eq(got, "1\n2\n");
	close(fd);
	close(made);
	unlink(path);
	target.path = "/nonexistent/musterd.log";
	ck_assert_int_eq(log_open_target(&target), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_fifo_must_have_a_reader)
{
	char folder[] = "/tmp/musterd-test-log-XXXXXX", path[64];
	struct log_target target = { .kind = LOG_TO_FILE, .path = path, .level = LOG_INFO };
	int reader, fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(log_open_target(&target), -1);
	ck_assert_str_eq(log_open_error(errno), "nobody reads from it");
	reader = open(path, O_RDONLY | O_NONBLOCK);
	fd = log_open_target(&target);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(reader);
	unlink(path);
	rmdir(folder);
}
END_TEST

/* As if the disk were full n bytes behind what is there. */
static void leave_room(int fd, long n)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	if (n >= 0)
		limit.rlim_cur = (rlim_t)(st.st_size + n);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(lines_for_which_there_is_no_room_are_counted_and_tear_no_other)
{
	char path[] = "/tmp/musterd-test-log-XXXXXX", *rest;
	int fd = mkstemp(path);
	ssize_t n;

	signal(SIGXFSZ, SIG_IGN);
	log_replace_fd(fd);
	leave_room(fd, 30);
	log_info("the first");
	log_info("the second");
	log_info("the third");
	leave_room(fd, -1);
	log_info("the fourth");
	log_info("the fifth");
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n] = '\0';
	ck_assert_ptr_null(strstr(text, "the second"));
	rest = strchr(text, '\n');
	ck_assert_ptr_nonnull(rest);
	ck_assert_int_eq(rest - text, 30);
	rest = strstr(rest + 1, ": 3 lines are missing here: File too large\n");
	ck_assert_ptr_nonnull(rest);
	rest = strstr(rest, ": the fourth\n");
	ck_assert_ptr_nonnull(rest);
	ck_assert_ptr_null(strstr(rest, "missing"));
	ck_assert_ptr_nonnull(strstr(rest, ": the fifth\n"));
	unlink(path);
}
END_TEST

START_TEST(a_pipe_that_nobody_empties_holds_up_nobody)
{
	ck_assert_int_eq(fcntl(out[1], F_SETPIPE_SZ, 16384), 16384);
	for (int i = 0; i < 400; i++)
		log_info("something that takes a little room, number %d", i);
	written();
	ck_assert_uint_gt(strlen(text), 2000);
	ck_assert_ptr_null(strstr(text, "missing"));
	log_info("again");
	written();
	ck_assert_ptr_nonnull(strstr(text, "lines are missing here: nobody took them"));
	ck_assert_ptr_nonnull(strstr(text, ": again\n"));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("log");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_line_says_when_how_grave_who_and_what);
	tcase_add_test(tcase, what_is_less_urgent_is_dropped);
	tcase_add_test(tcase, a_client_cannot_forge_a_line);
	tcase_add_test(tcase, a_long_text_is_one_line_all_the_same);
	tcase_add_test(tcase, the_last_error_is_kept_for_others_to_read);
	tcase_add_test(tcase, the_journal_gets_a_priority_and_no_time);
	tcase_add_test(tcase, a_file_is_opened_for_appending);
	tcase_add_test(tcase, a_fifo_must_have_a_reader);
	tcase_add_test(tcase, lines_for_which_there_is_no_room_are_counted_and_tear_no_other);
	tcase_add_test(tcase, a_pipe_that_nobody_empties_holds_up_nobody);
	return unit_main("log", tcase);
}
