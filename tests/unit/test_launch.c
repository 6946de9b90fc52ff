/* SPDX-License-Identifier: MIT */
/* What is launched is this very program, which then says how it finds itself (probe). */
#include "base/launch.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOKED_AT = 300 };

extern char **environ;

/* ---- the program that is launched ---- */

static void probe_signals(void)
{
	struct sigaction action;
	sigset_t mask;

	for (int signal = 1; signal <= SIGRTMAX; signal++) {
		if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			dprintf(1, "ignored %d\n", signal);
		sigprocmask(SIG_SETMASK, NULL, &mask);
		if (sigismember(&mask, signal) == 1)
			dprintf(1, "blocked %d\n", signal);
	}
}

static int probe(char **argv)
{
	char folder[256];
	struct rlimit files;
	int death = 0;

	for (int fd = 0; fd < LOOKED_AT; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			dprintf(1, "open %d\n", fd);
	for (int i = 0; argv[i]; i++)
		dprintf(1, "argv %s\n", argv[i]);
	for (char **env = environ; *env; env++)
		dprintf(1, "env %s\n", *env);
	probe_signals();
	prctl(PR_GET_PDEATHSIG, &death);
	getrlimit(RLIMIT_NOFILE, &files);
	dprintf(1, "pid %d\ngroup %d\ndeath %d\nfiles %d %d\nfolder %s\n", (int)getpid(),
		(int)getpgrp(), death, (int)files.rlim_cur, (int)files.rlim_max,
		getcwd(folder, sizeof(folder)));
	return 7;
}

/* ---- launching it ---- */

static char said[65536];

static const char *const no_env[] = { NULL };

static void read_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert_int_eq(n, 0);
	said[len] = '\0';
}

static bool says(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static bool says(const char *format, ...)
{
	char line[512] = "\n";
	va_list args;

	va_start(args, format);
	vsnprintf(line + 1, sizeof(line) - 2, format, args);
	va_end(args);
	strcat(line, "\n");
	return strncmp(said, line + 1, strlen(line) - 1) == 0 || strstr(said, line);
}

/* Launches the probe, reads all it says and waits for its end. fd[1] is replaced. */
static void launch_probe(struct launch what, const int *fd, size_t fds)
{
	static const char *const argv[] = { "probe", "one", "two words", NULL };
	int mine[32], out[2], pidfd, status;
	const char *step;
	char self[4096];
	ssize_t len;
	pid_t pid;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	memcpy(mine, fd, fds * sizeof(*fd));
	mine[1] = out[1];
	what.file = self;
	what.argv = argv;
	what.env = what.env ? what.env : no_env;
	what.fd = mine;
	what.fds = fds;
	ck_assert_msg(launch(&what, &pid, &pidfd, &step) == 0, "%s: %s", step, strerror(errno));
	close(out[1]);
	read_all(out[0]);
	close(out[0]);
	ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%#x", status);
	ck_assert(says("pid %d", (int)pid));
	ck_assert(says("group %d", (int)pid));
	close(pidfd);
}

static const int standard[] = { 0, 1, 2 };

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < LOOKED_AT; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_program_has_what_it_is_given_and_nothing_else)
{
	static const char *const env[] = { "ONE=1", "TWO=two words", NULL };
	struct launch what = { .env = env, .folder = "/usr" };
	int other = dup2(2, 200), opened = count_open(), n = 0;

	launch_probe(what, standard, 3);
	for (int fd = 0; fd < LOOKED_AT; fd++)
		n += says("open %d", fd);
	ck_assert_int_eq(n, 3);
	ck_assert(says("open 0") && says("open 1") && says("open 2"));
	ck_assert(says("argv probe") && says("argv one") && says("argv two words"));
	ck_assert(says("env ONE=1") && says("env TWO=two words"));
	ck_assert_ptr_null(strstr(said, "env LISTEN"));
	ck_assert(says("folder /usr"));
	ck_assert(says("death %d", SIGKILL));
	ck_assert_int_eq(count_open(), opened);
	close(other);
}
END_TEST

START_TEST(signals_are_as_if_nobody_had_touched_them)
{
	struct sigaction action = { .sa_handler = SIG_IGN };
	sigset_t blocked;

	for (int signal = 1; signal <= SIGRTMAX; signal++)
		if (signal != SIGCHLD)
			sigaction(signal, &action, NULL);
	sigfillset(&blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	launch_probe((struct launch){ .file = "" }, standard, 3);
	ck_assert_ptr_null(strstr(said, "ignored"));
	ck_assert_ptr_null(strstr(said, "blocked"));
	/* Ours are what they were. */
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	ck_assert_int_eq(sigismember(&blocked, SIGUSR1), 1);
	ck_assert_int_eq(sigaction(SIGUSR1, NULL, &action), 0);
	ck_assert_ptr_eq(action.sa_handler, SIG_IGN);
}
END_TEST

START_TEST(descriptors_may_change_their_places)
{
	int fd[] = { 2, -1, 0, 0, 2, 4 };
	struct stat zero, two;

	dup2(0, 4);
	launch_probe((struct launch){ .folder = NULL }, fd, 6);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(says("open %d", i), i < 6);
	/* Those of the caller stay. */
	ck_assert_int_eq(fstat(0, &zero), 0);
	ck_assert_int_eq(fstat(2, &two), 0);
	close(4);
}
END_TEST

/* cat(1) as the program: what comes in goes out. */
START_TEST(exchanged_descriptors_are_the_right_ones)
{
	static const char *const argv[] = { "cat", NULL };
	int in[2], out[2], pidfd, status, saved[2] = { dup(0), dup(1) };
	const char *step;
	pid_t pid;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(write(in[1], "through", 7), 7);
	close(in[1]);
	/* 0 is where its output goes, 1 where its input comes from. */
	dup2(out[1], 0);
	dup2(in[0], 1);
	pid = -1;
	status = launch(&(struct launch){ "/bin/cat", argv, no_env, NULL, (int[]){ 1, 0, 2 }, 3,
					  NULL, NULL },
			&pid, &pidfd, &step);
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(out[1]);
	ck_assert_msg(status == 0, "%s: %s", step, strerror(errno));
	read_all(out[0]);
	ck_assert_str_eq(said, "through");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(pidfd);
}
END_TEST

START_TEST(listening_descriptors_are_told_as_systemd_does)
{
	static const char *const env[] = { "LISTEN_FDS=9", "A=1", "LISTEN_PID=1", "LISTEN=x",
					   NULL };
	struct launch what = { .env = env, .listen_name = "www" };
	int fd[] = { 0, -1, 2, 0, 0 };

	launch_probe(what, fd, 5);
	ck_assert(says("env LISTEN_FDS=2"));
	ck_assert(says("env LISTEN_FDNAMES=www:www"));
	ck_assert(says("env A=1") && says("env LISTEN=x"));
	/* launch_probe has compared its own word for it with the truth. */
	const char *pid = strstr(said, "\npid ");
	ck_assert(says("env LISTEN_PID=%d", atoi(pid + 5)));
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(says("open %d", i), i < 5);
	launch_probe(what, fd, 4);
	ck_assert(says("env LISTEN_FDS=1"));
	ck_assert(says("env LISTEN_FDNAMES=www"));
}
END_TEST

START_TEST(the_limit_of_open_files_is_the_programs_own)
{
	struct rlimit files = { 99, 150 }, before, after;

	if (skipped_under_valgrind("a limit of open files"))
		return;
	getrlimit(RLIMIT_NOFILE, &before);
	launch_probe((struct launch){ .files = &files }, standard, 3);
	ck_assert(says("files 99 150"));
	getrlimit(RLIMIT_NOFILE, &after);
	ck_assert_uint_eq(after.rlim_cur, before.rlim_cur);
	launch_probe((struct launch){ .files = NULL }, standard, 3);
	ck_assert(says("files %d %d", (int)before.rlim_cur, (int)before.rlim_max));
}
END_TEST

/* ---- what cannot be launched ---- */

static char folder[] = "/tmp/launch-XXXXXX";
static char script[sizeof(folder) + 8];

static void make_script(const char *text, mode_t mode)
{
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/launch-XXXXXX")));
	snprintf(script, sizeof(script), "%s/script", folder);
	file = fopen(script, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(script, mode);
}

static void remove_script(void)
{
	unlink(script);
	rmdir(folder);
}

static void expect_failure(const char *file, const char *folder_, int error, const char *step)
{
	static const char *const argv[] = { "x", NULL };
	struct launch what = { file, argv, no_env, folder_, standard, 3, NULL, NULL };
	int opened = count_open(), pidfd;
	const char *said_step;
	pid_t pid;

	ck_assert_int_eq(launch(&what, &pid, &pidfd, &said_step), -1);
	ck_assert_int_eq(errno, error);
	ck_assert_str_eq(said_step, step);
	ck_assert_int_eq(pidfd, -1);
	/* Neither a descriptor nor a zombie is left. */
	ck_assert_int_eq(count_open(), opened);
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(what_fails_is_said_with_its_call)
{
	expect_failure("/nonexistent/program", NULL, ENOENT, "execve");
	expect_failure("/usr", NULL, EACCES, "execve");
	expect_failure("/bin/cat", "/nonexistent", ENOENT, "chdir");
	expect_failure("/bin/cat", "/bin/cat", ENOTDIR, "chdir");
	make_script("just a text\n", 0755);
	expect_failure(script, NULL, ENOEXEC, "execve");
	chmod(script, 0644);
	expect_failure(script, NULL, EACCES, "execve");
	remove_script();
}
END_TEST

START_TEST(a_missing_interpreter_is_said)
{
	if (skipped_under_valgrind("an execve"))
		return;
	make_script("#!/nonexistent/interpreter\n", 0755);
	expect_failure(script, NULL, ENOENT, "execve");
	remove_script();
}
END_TEST

START_TEST(a_descriptor_that_is_none_is_said)
{
	static const char *const argv[] = { "x", NULL };
	const int fd[] = { 0, 1, 2, 250 };
	struct launch what = { "/bin/cat", argv, no_env, NULL, fd, 4, NULL, NULL };
	const char *step;
	int pidfd;
	pid_t pid;

	ck_assert_int_eq(launch(&what, &pid, &pidfd, &step), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_str_eq(step, "dup2");
}
END_TEST

START_TEST(too_many_words_are_said)
{
	static char word[4 << 20];
	const char *argv[] = { "x", word, NULL };
	struct launch what = { "/bin/cat", argv, no_env, NULL, standard, 3, NULL, NULL };
	const char *step;
	int pidfd;
	pid_t pid;

	if (skipped_under_valgrind("an execve"))
		return;
	memset(word, 'x', sizeof(word) - 1);
	ck_assert_int_eq(launch(&what, &pid, &pidfd, &step), -1);
	ck_assert_int_eq(errno, E2BIG);
}
END_TEST

/* ---- its end with its parent ---- */

static void launch_cat_and_wait(int in, int out)
{
	static const char *const argv[] = { "cat", NULL };
	int fd[] = { in, out, 2 }, pidfd;
	const char *step;
	pid_t pid;

	if (launch(&(struct launch){ "/bin/cat", argv, no_env, NULL, fd, 3, NULL, NULL }, &pid,
		   &pidfd, &step) < 0)
		_exit(1);
	kill(getpid(), SIGKILL);
}

START_TEST(it_dies_with_its_parent)
{
	int in[2], out[2], status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		launch_cat_and_wait(in[0], out[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	close(out[1]);
	/* Its input is open still: only its death ends its output. */
	ck_assert_int_eq(read(out[0], &byte, 1), 0);
	close(in[1]);
}
END_TEST

START_TEST(many_leave_nothing_behind)
{
	static const char *const argv[] = { "true", NULL };
	int opened = count_open(), pidfd, status;
	const char *step;
	pid_t pid;

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(launch(&(struct launch){ "/bin/true", argv, no_env, NULL, standard,
							  3, NULL, NULL },
					&pid, &pidfd, &step),
				 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		close(pidfd);
	}
	ck_assert_int_eq(count_open(), opened);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tcase;

	/* Of what it has left a sanitizer would complain, in place of its exit status. */
	if (argc > 1)
		_exit(probe(argv));
	tcase = tcase_create("launch");
	tcase_add_test(tcase, a_program_has_what_it_is_given_and_nothing_else);
	tcase_add_test(tcase, signals_are_as_if_nobody_had_touched_them);
	tcase_add_test(tcase, descriptors_may_change_their_places);
	tcase_add_test(tcase, exchanged_descriptors_are_the_right_ones);
	tcase_add_test(tcase, listening_descriptors_are_told_as_systemd_does);
	tcase_add_test(tcase, the_limit_of_open_files_is_the_programs_own);
	tcase_add_test(tcase, what_fails_is_said_with_its_call);
	tcase_add_test(tcase, a_missing_interpreter_is_said);
	tcase_add_test(tcase, a_descriptor_that_is_none_is_said);
	tcase_add_test(tcase, too_many_words_are_said);
	tcase_add_test(tcase, it_dies_with_its_parent);
	tcase_add_test(tcase, many_leave_nothing_behind);
	return unit_main("launch", tcase);
}
