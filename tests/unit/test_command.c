/* SPDX-License-Identifier: MIT */
/* Programs that are looked at and prepared, here below folders of the test; nothing is run. */
#include "services/command.h"

#include "services/executable.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct temp_folder folder;
static struct mu_worker worker;
static struct mu_conn conn;

/* ---- a child that obeys the second signal ---- */

static char story[256];
static int obeys; /* the signal that ends it */
static bool ended;

void mu_signal_child(struct mu_child *child, int signal, bool group)
{
	(void)child;
	snprintf(story + strlen(story), sizeof(story) - strlen(story), "%s%s ",
		 sigabbrev_np(signal), group ? "*" : "");
	ended = ended || signal == obeys;
}

int mu_wait_child(struct mu_conn *who, struct mu_child *child, int64_t ms, int *status_r)
{
	(void)who;
	(void)child;
	snprintf(story + strlen(story), sizeof(story) - strlen(story), "wait %d ", (int)ms);
	*status_r = obeys;
	return ended ? 1 : ms < 0 ? -1 : 0;
}

START_TEST(a_child_is_asked_before_it_is_killed)
{
	struct mu_child child = { .pid = 1 };
	int status = 0;

	conn.limit = MU_REQUEST;
	obeys = SIGTERM;
	ck_assert_int_eq(command_end(&conn, &child, SIGTERM, true, 500, &status), 1);
	ck_assert_str_eq(story, "TERM* CONT* wait 500 ");
	/* The limit that ran out must not end this wait too. */
	ck_assert_int_eq(conn.limit, MU_IDLE);
	story[0] = '\0';
	ended = false;
	obeys = SIGKILL;
	ck_assert_int_eq(command_end(&conn, &child, SIGINT, false, 500, &status), 1);
	ck_assert_str_eq(story, "INT CONT wait 500 KILL* wait -1 ");
}
END_TEST

/* ---- files ---- */

static void set_up(void)
{
	temp_folder_init(&folder);
	memset(&worker, 0, sizeof(worker));
	fake_conn_init(&conn, &worker);
}

static void tear_down(void)
{
	fake_conn_cleanup(&conn);
	temp_folder_cleanup(&folder);
}

static void make(const char *name, const char *text)
{
	temp_write(&folder, name, text);
	chmod(temp_path(&folder, name), 0755);
}

static const char *reason_of(const char *root, const char *file)
{
	static char reason[EXECUTABLE_REASON_MAX];

	return executable_check(root, file, reason) ? "runs" : reason;
}

static const char *reason_in(const char *name, const char *text)
{
	make(name, text);
	return reason_of(NULL, temp_path(&folder, name));
}

START_TEST(what_a_script_needs_is_looked_at)
{
	char text[600];

	ck_assert_str_eq(reason_in("a", "#!/bin/sh\n"), "runs");
	ck_assert_str_eq(reason_in("a", "#! \t/bin/sh -e\n"), "runs");
	ck_assert_str_eq(reason_in("a", "#!/bin/sh"), "runs");
	ck_assert_str_eq(reason_in("a", "#!relative\n"), "runs");
	ck_assert_str_eq(reason_in("a", "#!/bin/sh -e\r\n"), "runs");
	ck_assert_str_eq(reason_in("a", "#!/nonexistent -x\n"),
			 "its interpreter `/nonexistent`: No such file or directory");
	ck_assert_ptr_nonnull(strstr(reason_in("a", "#!/bin/sh\r\n"), "carriage return"));
	ck_assert_ptr_nonnull(strstr(reason_in("a", "#!\n/bin/sh"), "names no interpreter"));
	ck_assert_ptr_nonnull(strstr(reason_in("a", "hello\n"), "without a first line"));
	ck_assert_str_eq(reason_in("a", ""), "it is empty");
	snprintf(text, sizeof(text), "#!/%0500d\n", 1);
	ck_assert_ptr_nonnull(strstr(reason_in("a", text), "too long"));
	snprintf(text, sizeof(text), "#!%s\n", temp_path(&folder, "a"));
	ck_assert_ptr_nonnull(strstr(reason_in("b", text), "/a`: its first line is too long"));
	/* One that is its own interpreter is for the kernel to refuse. */
	ck_assert_str_eq(reason_in("a", text), "runs");
}
END_TEST

START_TEST(what_is_no_program_is_told_so)
{
	ck_assert_str_eq(reason_of(NULL, "/nonexistent"), "No such file or directory");
	ck_assert_str_eq(reason_of(NULL, "/"), "it is a folder");
	ck_assert_str_eq(reason_of(NULL, "/dev/null"), "it is not a regular file");
	temp_write(&folder, "plain", "#!/bin/sh\n");
	chmod(temp_path(&folder, "plain"), 0644);
	ck_assert_str_eq(reason_of(NULL, temp_path(&folder, "plain")),
			 "it is not executable (chmod +x)");
	ck_assert_str_eq(reason_of(NULL, "/proc/self/exe"), "runs");
}
END_TEST

START_TEST(links_lead_where_they_do_below_the_root)
{
	char path[sizeof(folder.path) + 32];

	if (skipped_under_valgrind("a kernel without openat2"))
		return;
	temp_mkdir(&folder, "bin");
	make("bin/real", "#!/bin/link\n");
	snprintf(path, sizeof(path), "%s", temp_path(&folder, "bin/link"));
	ck_assert_int_eq(symlink("/bin/real", path), 0);
	/* Here /bin/real does not exist; there it does, and is its own interpreter. */
	ck_assert_str_eq(reason_of(folder.path, "/bin/link"), "runs");
	ck_assert_str_eq(reason_of(folder.path, "/bin/sh"), "No such file or directory");
	ck_assert_str_eq(reason_of(temp_path(&folder, "none"), "/bin/sh"),
			 "No such file or directory");
}
END_TEST

START_TEST(programs_are_found_in_their_path)
{
	char path[2 * sizeof(folder.path) + 64];
	char *found;

	temp_mkdir(&folder, "one");
	temp_mkdir(&folder, "two");
	make("two/tool", "#!/bin/sh\n");
	temp_mkdir(&folder, "one/tool");
	snprintf(path, sizeof(path), "::relative:%s/one:%s/two", folder.path, folder.path);
	found = executable_find(NULL, path, "tool");
	ck_assert_str_eq(found, temp_path(&folder, "two/tool"));
	free(found);
	ck_assert_ptr_null(executable_find(NULL, path, "other"));
	found = executable_find(folder.path, "/one:/two", "tool");
	ck_assert_str_eq(found, "/two/tool");
	free(found);
}
END_TEST

/* ---- what each run has ---- */

#define WORDS(...)                                                                         \
	{                                                                                  \
		sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[]) \
		{                                                                          \
			__VA_ARGS__                                                        \
		}                                                                          \
	}

static bool has(const char *const *list, const char *wanted)
{
	for (; *list; list++)
		if (strcmp(*list, wanted) == 0)
			return true;
	return false;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

START_TEST(the_environment_is_what_is_said_and_no_more)
{
	const struct command_conf conf = { .command = WORDS("sh", "-c", "x"),
					   .argv0 = "-sh",
					   .env = WORDS("A=1", "TCPREMOTEIP=none"),
					   .pass_env = WORDS("PASSED", "UNSET"),
					   .folder = "/" };
	static const char *const extra[] = { "PROTO=TCP", "TCPREMOTEIP=192.0.2.1", "TCP=x" };
	struct command command;
	const char *const *env;

	setenv("PASSED", "on", 1);
	setenv("OTHER", "off", 1);
	unsetenv("UNSET");
	ck_assert_int_eq(command_init(&command, &conf, &worker), 0);
	ck_assert_ptr_nonnull(strstr(command.file, "/sh"));
	ck_assert_str_eq(command.argv[0], "-sh");
	ck_assert_str_eq(command.argv[2], "x");
	ck_assert_ptr_null(command.argv[3]);
	env = command_env(&command, &conn, extra, 3);
	ck_assert_uint_eq(count(env), 6);
	ck_assert(has(env, "A=1") && has(env, "TCPREMOTEIP=none") && has(env, "PASSED=on"));
	ck_assert(has(env, "PROTO=TCP") && has(env, "TCP=x"));
	ck_assert(has(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	command_cleanup(&command);
}
END_TEST

START_TEST(what_cannot_be_prepared_is_logged)
{
	struct command_conf conf = { .command = WORDS("nonexistent"), .folder = "/" };
	struct command command;

	ck_assert_int_eq(command_init(&command, &conf, &worker), -1);
	ck_assert_ptr_nonnull(strstr(worker.log, "there is no program nonexistent in /usr/local"));
	conf.command.word = (const char *[]){ "/nonexistent" };
	ck_assert_int_eq(command_init(&command, &conf, &worker), -1);
	ck_assert_ptr_nonnull(strstr(worker.log, "/nonexistent cannot be run: No such file"));
	conf.command.word = (const char *[]){ "/bin/sh" };
	conf.folder = "/dev/null";
	ck_assert_int_eq(command_init(&command, &conf, &worker), -1);
	ck_assert_ptr_nonnull(
		strstr(worker.log, "/dev/null cannot be worked in: it is not a folder"));
}
END_TEST

START_TEST(a_program_is_checked_below_the_chroot)
{
	struct command_conf conf = { .command = WORDS("/bin/sh"), .folder = "/" };
	struct mu_report report = { .text = "" };

	command_check(&conf, &report);
	ck_assert_str_eq(report.text, "");
	report.chroot = folder.path;
	command_check(&conf, &report);
	ck_assert_str_eq(report.text, "/bin/sh: `/bin/sh` cannot be run below the chroot: No such "
				      "file or directory\n");
}
END_TEST

START_TEST(ends_are_told_in_words)
{
	char text[COMMAND_STATUS_MAX];

	ck_assert_str_eq(command_status_text(0, text), "exit status 0");
	ck_assert_str_eq(command_status_text(3 << 8, text), "exit status 3");
	ck_assert_str_eq(command_status_text(SIGTERM, text), "killed by SIGTERM");
	ck_assert_str_eq(command_status_text(SIGSEGV | 0x80, text),
			 "killed by SIGSEGV (core dumped)");
	ck_assert_str_eq(command_status_text(40, text), "killed by signal 40");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("command");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_child_is_asked_before_it_is_killed);
	tcase_add_test(tcase, what_a_script_needs_is_looked_at);
	tcase_add_test(tcase, what_is_no_program_is_told_so);
	tcase_add_test(tcase, links_lead_where_they_do_below_the_root);
	tcase_add_test(tcase, programs_are_found_in_their_path);
	tcase_add_test(tcase, the_environment_is_what_is_said_and_no_more);
	tcase_add_test(tcase, what_cannot_be_prepared_is_logged);
	tcase_add_test(tcase, a_program_is_checked_below_the_chroot);
	tcase_add_test(tcase, ends_are_told_in_words);
	return unit_main("command", tcase);
}
