/* SPDX-License-Identifier: MIT */
/* The protocols from systemd's side: a socket that receives, an environment and descriptors that are passed. */
#include "net/systemd.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], path[96];

static void clear_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					     "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES",
					     "FDSTORE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void set_up(void)
{
	/* The complaints that the tests provoke are checked by errno. */
	static const struct log_target quiet = { .kind = LOG_TO_FILE,
						 .path = "/dev/null",
						 .level = LOG_EMERG };

	log_use(&quiet, log_open_target(&quiet));
	clear_environment();
	strcpy(folder, "/tmp/musterd-systemd-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
}

static void tear_down(void)
{
	clear_environment();
	unlink(path);
	rmdir(folder);
}

static int receiver(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	memcpy(un.sun_path, name, len);
	if (*name == '@')
		un.sun_path[0] = '\0';
	else
		len++;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void check_datagram(int fd, const char *wanted)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, wanted);
}

START_TEST(without_systemd_nothing_happens)
{
	struct systemd systemd;

	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.notify, -1);
	ck_assert_int_eq(systemd.watchdog_ms, 0);
	ck_assert_uint_eq(systemd.fds, 0);
	ck_assert(!systemd_notify(&systemd, "READY=1"));
	ck_assert(!systemd_notify_reloading(&systemd));
	systemd_cleanup(&systemd);
}
END_TEST

START_TEST(a_notification_is_one_datagram)
{
	int fd = receiver(path);
	struct systemd systemd;

	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(systemd_notify(&systemd, "READY=1\nSTATUS=%d workers", 4));
	check_datagram(fd, "READY=1\nSTATUS=4 workers");
	ck_assert(fcntl(systemd.notify, F_GETFD) & FD_CLOEXEC);
	/* An upgrade hands it on. */
	ck_assert_ptr_nonnull(getenv("NOTIFY_SOCKET"));
	systemd_cleanup(&systemd);
	ck_assert_int_eq(systemd.notify, -1);
	close(fd);
}
END_TEST

START_TEST(an_abstract_socket_is_reached)
{
	char name[sizeof(path) + 1];
	struct systemd systemd;
	int fd;

	snprintf(name, sizeof(name), "@%s", path);
	fd = receiver(name);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(systemd_notify(&systemd, "STOPPING=1"));
	check_datagram(fd, "STOPPING=1");
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

START_TEST(reloading_carries_the_monotonic_time)
{
	int fd = receiver(path);
	struct systemd systemd;
	char text[128] = "";
	long long usec;
	int64_t before = clock_us();

	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(systemd_notify_reloading(&systemd));
	ck_assert_int_gt(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
	ck_assert_int_ge(usec, before);
	ck_assert_int_le(usec, clock_us());
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

START_TEST(a_deaf_systemd_is_no_failure)
{
	int fd = receiver(path);
	struct systemd systemd;
	int sent = 0;

	ck_assert_int_eq(systemd_init(&systemd), 0);
	/* Its queue runs full: we do not wait. */
	while (sent < 100000 && systemd_notify(&systemd, "WATCHDOG=1"))
		sent++;
	ck_assert_int_gt(sent, 0);
	ck_assert_int_lt(sent, 100000);
	ck_assert_uint_gt(systemd.waiting, 0);
	ck_assert(systemd_begin_store(&systemd));
	/* It goes: nothing is kept for it, nor tried again. */
	close(fd);
	ck_assert(!systemd_notify(&systemd, "WATCHDOG=1"));
	ck_assert_int_eq(systemd.notify, -1);
	ck_assert_uint_eq(systemd.waiting, 0);
	ck_assert(!systemd_begin_store(&systemd) && !systemd_keeps(&systemd));
	ck_assert(!systemd_notify(&systemd, "WATCHDOG=1") && !systemd_flush(&systemd));
	systemd_cleanup(&systemd);
	/* And none at all. */
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.notify, -1);
	systemd_cleanup(&systemd);
}
END_TEST

START_TEST(an_unusable_notify_socket_is_no_failure)
{
	static const char *const names[] = { "", "notify", "/", "@", "vsock:2:1234", "/nowhere/x" };
	struct systemd systemd;
	char overlong[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		ck_assert_int_eq(systemd_init(&systemd), 0);
		ck_assert_int_eq(systemd.notify, -1);
		systemd_cleanup(&systemd);
	}
	memset(overlong, '/', sizeof(overlong));
	overlong[sizeof(overlong) - 1] = '\0';
	setenv("NOTIFY_SOCKET", overlong, 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.notify, -1);
}
END_TEST

START_TEST(an_overlong_notification_is_not_sent_cut)
{
	int fd = receiver(path);
	struct systemd systemd;
	char text[5000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(!systemd_notify(&systemd, "STATUS=%s", text));
	ck_assert_int_eq(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

START_TEST(what_systemd_has_no_room_for_waits_in_order)
{
	int fd = receiver(path), sent = 0, seen = 0;
	struct systemd systemd;
	char text[64], wanted[64];

	ck_assert_int_eq(systemd_init(&systemd), 0);
	while (systemd.waiting < 3) {
		ck_assert(systemd_notify(&systemd, "STATUS=%d", sent));
		ck_assert_int_lt(++sent, 100000);
	}
	ck_assert(systemd_flush(&systemd));
	while (seen < sent) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

		if (n < 0) {
			ck_assert_uint_gt(systemd.waiting, 0);
			systemd_flush(&systemd);
			continue;
		}
		text[n] = '\0';
		snprintf(wanted, sizeof(wanted), "STATUS=%d", seen++);
		ck_assert_str_eq(text, wanted);
	}
	ck_assert(!systemd_flush(&systemd));
	ck_assert_uint_eq(systemd.waiting, 0);
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

/* The descriptor that came with the next datagram, which must be this one. */
static int check_stored(int fd, const char *wanted)
{
	char text[256];
	size_t nfds = 1;
	int stored;
	ssize_t n = fd_receive(fd, text, sizeof(text) - 1, &stored, &nfds);

	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, wanted);
	ck_assert_uint_eq(nfds, 1);
	return stored;
}

START_TEST(a_descriptor_is_stored_and_removed)
{
	int fd = receiver(path), ends[2], stored;
	struct systemd systemd;
	char byte;

	setenv("FDSTORE", "8", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.store, 8);
	ck_assert(systemd_begin_store(&systemd));
	ck_assert(systemd_keeps(&systemd));
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert(systemd_store(&systemd, ends[1], "musterd-x"));
	stored = check_stored(fd, "FDSTORE=1\nFDNAME=musterd-x\nFDPOLL=0");
	ck_assert_int_eq(write(stored, "x", 1), 1);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	systemd_unstore(&systemd, "musterd-x");
	check_datagram(fd, "FDSTOREREMOVE=1\nFDNAME=musterd-x");
	close(stored);
	close(ends[0]);
	close(ends[1]);
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

START_TEST(no_store_is_asked_for_nothing)
{
	struct systemd systemd;
	int fd;

	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(!systemd_begin_store(&systemd) && !systemd_keeps(&systemd));
	ck_assert(!systemd_store(&systemd, STDIN_FILENO, "musterd-x"));
	fd = receiver(path);
	setenv("FDSTORE", "0", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert(!systemd_begin_store(&systemd) && !systemd_keeps(&systemd));
	systemd_cleanup(&systemd);
	/* What is no number says nothing. */
	setenv("FDSTORE", "yes", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.store, -1);
	systemd_cleanup(&systemd);
	close(fd);
}
END_TEST

START_TEST(an_older_systemd_shows_whether_it_keeps)
{
	struct systemd systemd;
	int fd = receiver(path), stored;

	for (int keeps = 0; keeps <= 1; keeps++) {
		ck_assert_int_eq(systemd_init(&systemd), 0);
		ck_assert(systemd_begin_store(&systemd));
		/* On its way: not known. */
		ck_assert(!systemd_keeps(&systemd));
		ck_assert_int_ge(systemd.probe, 0);
		stored = check_stored(fd, "FDSTORE=1\nFDNAME=" SYSTEMD_PROBE);
		/* It was read, and may be closed in a moment. */
		ck_assert(systemd_keeps(&systemd));
		ck_assert_int_ge(systemd.probe, 0);
		if (!keeps)
			close(stored);
		ck_assert_int_eq(systemd_keeps(&systemd), keeps);
		ck_assert_int_eq(systemd.probe, -1);
		ck_assert_int_eq(systemd_begin_store(&systemd), keeps);
		systemd_cleanup(&systemd);
		if (keeps)
			close(stored);
	}
	close(fd);
}
END_TEST

static void set_number(const char *name, long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", number);
	setenv(name, text, 1);
}

START_TEST(the_watchdog_is_for_the_named_process)
{
	struct systemd systemd;

	setenv("WATCHDOG_USEC", "30000000", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.watchdog_ms, 30000);
	set_number("WATCHDOG_PID", getpid());
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.watchdog_ms, 30000);
	set_number("WATCHDOG_PID", getppid());
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.watchdog_ms, 0);
}
END_TEST

START_TEST(a_wrong_watchdog_is_refused)
{
	static const char *const wrong[] = {
		"", "0", "-1", "+1", " 1", "1s", "99999999999999999999999"
	};
	struct systemd systemd;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("WATCHDOG_USEC", wrong[i], 1);
		errno = 0;
		ck_assert_msg(systemd_init(&systemd) == -1, "'%s'", wrong[i]);
		ck_assert_int_eq(errno, EINVAL);
	}
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("WATCHDOG_PID", "me", 1);
	ck_assert_int_eq(systemd_init(&systemd), -1);
	unsetenv("WATCHDOG_PID");
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd.watchdog_ms, 1);
}
END_TEST

/* Runs `check` in a child that has n descriptors from 3 on, and LISTEN_PID right. */
static void run_with_descriptors(int n, int (*check)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/null", O_RDONLY);

		for (int i = 0; i < n; i++)
			if (fd != 3 + i && dup2(fd, 3 + i) < 0)
				_exit(99);
		set_number("LISTEN_PID", getpid());
		_exit(check());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

#define REQUIRE(condition)                         \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 250 + 1; \
	} while (0)

static int check_named(void)
{
	struct systemd systemd;

	REQUIRE(systemd_init(&systemd) == 0);
	REQUIRE(systemd.fds == 3);
	REQUIRE(strcmp(systemd.name[0], "www") == 0);
	REQUIRE(strcmp(systemd.name[1], "unknown") == 0);
	REQUIRE(strcmp(systemd.name[2], "echo") == 0);
	for (int fd = 3; fd < 6; fd++)
		REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	REQUIRE(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	systemd_cleanup(&systemd);
	REQUIRE(fcntl(3, F_GETFD) != -1);
	/* Asked again, there are none. */
	REQUIRE(systemd_init(&systemd) == 0 && systemd.fds == 0);
	return 0;
}

START_TEST(passed_descriptors_are_named_and_cloexec)
{
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "www::echo", 1);
	run_with_descriptors(3, check_named);
}
END_TEST

static int check_unnamed(void)
{
	struct systemd systemd;

	REQUIRE(systemd_init(&systemd) == 0);
	REQUIRE(systemd.fds == 2);
	REQUIRE(strcmp(systemd.name[0], "unknown") == 0);
	REQUIRE(strcmp(systemd.name[1], "unknown") == 0);
	systemd_cleanup(&systemd);
	return 0;
}

START_TEST(descriptors_without_names_are_unknown)
{
	setenv("LISTEN_FDS", "2", 1);
	run_with_descriptors(2, check_unnamed);
}
END_TEST

static int check_refused(void)
{
	struct systemd systemd;

	errno = 0;
	REQUIRE(systemd_init(&systemd) == -1);
	REQUIRE(errno == EINVAL || errno == EBADF);
	REQUIRE(systemd.fds == 0 && !systemd.name);
	REQUIRE(!getenv("LISTEN_FDS"));
	return 0;
}

START_TEST(wrong_offers_are_refused)
{
	static const char *const wrong[] = {
		"", "0", "-1", "+1", " 2", "2 ", "0x2", "two", "2147483645", "99999999999999999999"
	};
	static const char *const names[] = { "", "a", "a:b:c", "a:b:" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("LISTEN_FDS", wrong[i], 1);
		run_with_descriptors(2, check_refused);
	}
	setenv("LISTEN_FDS", "2", 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("LISTEN_FDNAMES", names[i], 1);
		run_with_descriptors(2, check_refused);
	}
	unsetenv("LISTEN_FDNAMES");
	setenv("LISTEN_FDS", "1000", 1);
	run_with_descriptors(2, check_refused);
}
END_TEST

START_TEST(descriptors_for_another_process_are_left_alone)
{
	struct systemd systemd;

	setenv("LISTEN_FDS", "2", 1);
	set_number("LISTEN_PID", getppid());
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_uint_eq(systemd.fds, 0);
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	setenv("LISTEN_FDS", "2", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_uint_eq(systemd.fds, 0);
	setenv("LISTEN_PID", "1x", 1);
	ck_assert_int_eq(systemd_init(&systemd), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("systemd");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, without_systemd_nothing_happens);
	tcase_add_test(tcase, a_notification_is_one_datagram);
	tcase_add_test(tcase, an_abstract_socket_is_reached);
	tcase_add_test(tcase, reloading_carries_the_monotonic_time);
	tcase_add_test(tcase, a_deaf_systemd_is_no_failure);
	tcase_add_test(tcase, an_unusable_notify_socket_is_no_failure);
	tcase_add_test(tcase, an_overlong_notification_is_not_sent_cut);
	tcase_add_test(tcase, what_systemd_has_no_room_for_waits_in_order);
	tcase_add_test(tcase, a_descriptor_is_stored_and_removed);
	tcase_add_test(tcase, no_store_is_asked_for_nothing);
	tcase_add_test(tcase, an_older_systemd_shows_whether_it_keeps);
	tcase_add_test(tcase, the_watchdog_is_for_the_named_process);
	tcase_add_test(tcase, a_wrong_watchdog_is_refused);
	tcase_add_test(tcase, passed_descriptors_are_named_and_cloexec);
	tcase_add_test(tcase, descriptors_without_names_are_unknown);
	tcase_add_test(tcase, wrong_offers_are_refused);
	tcase_add_test(tcase, descriptors_for_another_process_are_left_alone);
	return unit_main("systemd", tcase);
}
