/* SPDX-License-Identifier: MIT */
#include "services/http/access_log.h"
#include "services/http/request.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>

static struct temp_folder folder;
static struct mu_worker worker;
static struct mu_conn conn;
static struct request request;
static struct access_log *access_log;
static int fd;

static void setup(void)
{
	temp_folder_init(&folder);
	memset(&worker, 0, sizeof worker);
	worker.time = 1000;
	fake_conn_init(&conn, &worker);
	fd = open(temp_path(&folder, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	access_log = access_log_new(&worker, fd, ACCESS_COMMON);
	ck_assert_ptr_nonnull(access_log);
}

static void teardown(void)
{
	access_log_free(access_log);
	fake_conn_cleanup(&conn);
	close(fd);
	temp_folder_cleanup(&folder);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void add(const char *target)
{
	static char data[FAKE_BUFFER];
	struct access_entry entry = {
		.conn = &conn, .request = &request, .data = data, .status = 200, .t_end = now_ns()
	};

	snprintf(data, sizeof data, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, data, strlen(data)), REQUEST_DONE);
	access_log_add(access_log, &entry);
}

/* What the log file has, as a string. */
static char *content_of(const char *name)
{
	static char content[1 << 20];
	int in = open(temp_path(&folder, name), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(in, 0);
	n = read(in, content, sizeof content - 1);
	ck_assert_int_ge(n, 0);
	content[n] = '\0';
	close(in);
	return content;
}

static size_t lines_in(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

START_TEST(lines_are_written_when_the_module_is_woken)
{
	add("/a");
	add("/b");
	ck_assert_str_eq(content_of("log"), "");
	ck_assert_uint_eq(worker.wakes, 1);
	ck_assert_int_eq(worker.wake_after, 1000);
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 2);
	ck_assert_ptr_nonnull(strstr(content_of("log"), "\"GET /b HTTP/1.1\" 200 0\n"));
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 2);
	add("/c");
	ck_assert_uint_eq(worker.wakes, 2);
}
END_TEST

START_TEST(what_is_left_is_written_at_the_end)
{
	add("/last");
	access_log_free(access_log);
	access_log = NULL;
	ck_assert_ptr_nonnull(strstr(content_of("log"), "/last"));
}
END_TEST

/* Adds lines until some are written; how many were added. */
static size_t add_until_written(void)
{
	size_t before = strlen(content_of("log")), n = 0;

	while (strlen(content_of("log")) == before) {
		add("/page");
		ck_assert_uint_lt(++n, 10000);
	}
	return n;
}

START_TEST(many_lines_are_written_at_once)
{
	size_t first = add_until_written(), len = strlen(content_of("log")), second;

	/* What it is has to be found out. */
	ck_assert_uint_ge(len, 16384);
	ck_assert_uint_eq(lines_in(content_of("log")), first);
	ck_assert_uint_eq(worker.wakes, 1);
	second = add_until_written();
	ck_assert_uint_ge(strlen(content_of("log")), len + 262144);
	ck_assert_uint_eq(lines_in(content_of("log")), first + second);
	ck_assert_uint_eq(worker.wakes, 2);
}
END_TEST

static void check_date(const char *begin, const char *format)
{
	time_t before = time(NULL), then;
	struct tm tm = { 0 };
	char *date;

	add("/");
	access_log_flush(access_log);
	date = strstr(content_of("log"), begin);
	ck_assert_ptr_nonnull(date);
	ck_assert_ptr_nonnull(strptime(date, format, &tm));
	then = timegm(&tm) - tm.tm_gmtoff;
	ck_assert_int_ge(then, before - 1);
	ck_assert_int_le(then, time(NULL) + 1);
}

START_TEST(the_date_is_of_now)
{
	check_date("[", "[%d/%b/%Y:%H:%M:%S %z]");
}
END_TEST

START_TEST(that_of_a_line_with_times_is_of_its_end)
{
	setenv("TZ", "UTC0", 1);
	access_log_free(access_log);
	access_log = access_log_new(&worker, fd, ACCESS_JSON);
	ck_assert_ptr_nonnull(access_log);
	check_date("{\"time\":\"", "{\"time\":\"%Y-%m-%dT%H:%M:%S.");
}
END_TEST

START_TEST(lines_go_to_the_file_that_the_descriptor_stands_for_now)
{
	int other =
		open(temp_path(&folder, "new"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	add("/old");
	access_log_flush(access_log);
	ck_assert_int_eq(dup2(other, fd), fd);
	add("/new");
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 1);
	ck_assert_ptr_nonnull(strstr(content_of("new"), "/new"));
	close(other);
}
END_TEST

START_TEST(a_full_disk_costs_lines_and_nothing_else)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), good = dup(fd);

	ck_assert_int_ge(full, 0);
	ck_assert_int_eq(dup2(full, fd), fd);
	add("/1");
	add("/2");
	access_log_flush(access_log);
	ck_assert_str_eq(worker.log, "access log: 2 lines lost: No space left on device\n");
	/* Told once a minute. */
	worker.log[0] = '\0';
	add("/3");
	access_log_flush(access_log);
	worker.time += 59;
	add("/4");
	access_log_flush(access_log);
	ck_assert_str_eq(worker.log, "");
	worker.time += 1;
	access_log_flush(access_log);
	ck_assert_str_eq(worker.log, "access log: 2 lines lost: No space left on device\n");

	ck_assert_int_eq(dup2(good, fd), fd);
	add("/5");
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 1);
	close(full);
	close(good);
}
END_TEST

START_TEST(losses_are_told_at_the_end)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(dup2(full, fd), fd);
	close(full);
	add("/1");
	access_log_flush(access_log);
	worker.log[0] = '\0';
	add("/2");
	access_log_free(access_log);
	access_log = NULL;
	ck_assert_str_eq(worker.log, "access log: 1 lines lost: No space left on device\n");
}
END_TEST

/* The disk takes a line and the beginning of the next one. */
static void tear_a_line(void)
{
	struct rlimit limit, old;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 100;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	add("/whole");
	add("/torn");
	add("/lost");
	access_log_flush(access_log);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_uint_eq(strlen(content_of("log")), 100);
	ck_assert_str_eq(worker.log, "access log: 2 lines lost: File too large\n");
}

START_TEST(a_line_that_was_torn_is_ended)
{
	tear_a_line();
	add("/next");
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 3);
	ck_assert_str_eq(strrchr(content_of("log"), '"') - 19, "\"GET /next HTTP/1.1\" 200 0\n");
	add("/more");
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("log")), 4);
}
END_TEST

START_TEST(another_file_begins_with_a_line)
{
	int other;

	tear_a_line();
	other = open(temp_path(&folder, "new"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	ck_assert_int_eq(dup2(other, fd), fd);
	close(other);
	add("/next");
	add("/more");
	access_log_flush(access_log);
	ck_assert_uint_eq(lines_in(content_of("new")), 2);
	ck_assert_int_eq(strncmp(content_of("new"), "192.0.2.1 ", 10), 0);
}
END_TEST

START_TEST(a_pipe_gets_whole_lines_and_is_not_waited_for)
{
	static char data[1 << 20];
	int ends[2];
	ssize_t n;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, 2 * PIPE_BUF), 2 * PIPE_BUF);
	ck_assert_int_eq(dup2(ends[1], fd), fd);
	close(ends[1]);
	for (int i = 0; i < 150; i++)
		add("/a-line-of-some-length");
	access_log_flush(access_log);
	ck_assert_ptr_nonnull(strstr(worker.log, "lines lost: Resource temporarily unavailable"));
	n = read(ends[0], data, sizeof data);
	ck_assert_int_gt(n, PIPE_BUF);
	ck_assert_int_eq(data[n - 1], '\n');
	add("/next");
	access_log_flush(access_log);
	n = read(ends[0], data, sizeof data);
	ck_assert_int_gt(n, 0);
	data[n] = '\0';
	ck_assert_uint_eq(lines_in(data), 1);

	/* Nobody reads any more. */
	signal(SIGPIPE, SIG_IGN);
	close(ends[0]);
	worker.time += 60;
	worker.log[0] = '\0';
	add("/gone");
	access_log_flush(access_log);
	ck_assert_str_eq(worker.log, "access log: 1 lines lost: Broken pipe\n");
}
END_TEST

START_TEST(a_pipe_gets_less_at_once_than_a_file)
{
	static char data[1 << 20];
	int ends[2], unread = 0;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], fd), fd);
	close(ends[1]);
	for (int turn = 0; turn < 10; turn++) {
		for (unread = 0; unread == 0;) {
			add("/page");
			ck_assert_int_eq(ioctl(ends[0], FIONREAD, &unread), 0);
		}
		ck_assert_int_ge(unread, 16384);
		ck_assert_int_lt(unread, 20480);
		ck_assert_int_eq(read(ends[0], data, sizeof data), unread);
		ck_assert_int_eq(data[unread - 1], '\n');
	}
	close(ends[0]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_access_log");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, lines_are_written_when_the_module_is_woken);
	tcase_add_test(tcase, what_is_left_is_written_at_the_end);
	tcase_add_test(tcase, many_lines_are_written_at_once);
	tcase_add_test(tcase, the_date_is_of_now);
	tcase_add_test(tcase, that_of_a_line_with_times_is_of_its_end);
	tcase_add_test(tcase, lines_go_to_the_file_that_the_descriptor_stands_for_now);
	tcase_add_test(tcase, a_full_disk_costs_lines_and_nothing_else);
	tcase_add_test(tcase, losses_are_told_at_the_end);
	tcase_add_test(tcase, a_line_that_was_torn_is_ended);
	tcase_add_test(tcase, another_file_begins_with_a_line);
	tcase_add_test(tcase, a_pipe_gets_whole_lines_and_is_not_waited_for);
	tcase_add_test(tcase, a_pipe_gets_less_at_once_than_a_file);
	return unit_main("http_access_log", tcase);
}
