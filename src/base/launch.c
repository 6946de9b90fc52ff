/* SPDX-License-Identifier: MIT */
/*
 * Running programs, as launch.h says.
 *
 * The child shares our memory and we do not run until it has executed or exited. So what it finds out is written where we read
 * it; and it calls nothing but the kernel, because the C library (and what a sanitizer puts around it) believes
 * that it is us. It has a stack of its own within our frame.
 *
 * valgrind does not know such children: under it they are forked, and report through a pipe.
 */
#include "base/launch.h"

#include "autoconf.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define NOT_SANITIZED __attribute__((__no_sanitize__("address", "undefined")))

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2) /* linux/close_range.h, since 5.11 */
#endif

enum {
	STACK_BYTES = 16 * 1024, /* of the child: calls of the kernel, and what binds their names */
	SIGNALS = 64,
	SIGNAL_SET_BYTES = SIGNALS / 8, /* as the kernel counts */
	LISTEN_VARIABLES = 3,
	PID_DIGITS = 10,
	NO_PROGRAM = 127
};

#define LISTEN_PID "LISTEN_PID="

/* What may fail in the child, in its order. */
enum step { SETPGID, PRCTL, FCNTL, DUP2, CLOSE_RANGE, SETRLIMIT, CHDIR, EXECVE };

static const char *const step_names[] = {
	[SETPGID] = "setpgid",
	[PRCTL] = "prctl",
	[FCNTL] = "fcntl",
	[DUP2] = "dup2",
	[CLOSE_RANGE] = "close_range",
	[SETRLIMIT] = "setrlimit",
	[CHDIR] = "chdir",
	[EXECVE] = "execve",
};

struct failure {
	int error;
	enum step step;
};

struct child {
	const struct launch *launch;
	pid_t parent;
	int *source; /* a copy of launch->fd, for the child to change */
	const char *const *env;
	struct failure failure;

	/* With listening descriptors: the environment, made here. */
	const char **own_env;
	char *names, count[32], pid[sizeof(LISTEN_PID) + PID_DIGITS];
};

/* ---- in the child ---- */

NOT_SANITIZED static int failed(struct child *child, enum step step)
{
	child->failure.error = errno;
	child->failure.step = step;
	return NO_PROGRAM;
}

/* Also what is ignored, which an execve(2) does not change. */
NOT_SANITIZED static void reset_signals(void)
{
	uint64_t dflt[8] = { 0 }; /* the kernel's struct sigaction, on every machine */

	for (int signal = 1; signal <= SIGNALS; signal++)
		syscall(SYS_rt_sigaction, signal, dflt, NULL, SIGNAL_SET_BYTES);
}

NOT_SANITIZED static void unblock_signals(void)
{
	uint64_t none = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNAL_SET_BYTES);
}

/* Those that stand where others are to go are moved away first. */
NOT_SANITIZED static int arrange_descriptors(struct child *child)
{
	const struct launch *launch = child->launch;
	int fds = (int)launch->fds;

	for (int i = 0; i < fds; i++) {
		if (child->source[i] >= fds)
			continue;
		child->source[i] = (int)syscall(SYS_fcntl, child->source[i], F_DUPFD_CLOEXEC, fds);
		if (child->source[i] < 0)
			return failed(child, FCNTL);
	}
	for (int i = 0; i < fds; i++)
		if (syscall(SYS_dup3, child->source[i], i, 0) < 0)
			return failed(child, DUP2);
	return 0;
}

/* All but the first are closed by the execve: until then a forked child needs its pipe. */
NOT_SANITIZED static int close_others(struct child *child)
{
	unsigned first = (unsigned)child->launch->fds;
	struct rlimit limit = { 0 };

	if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
		return failed(child, CLOSE_RANGE);
	/* Older kernels, valgrind, some containers. */
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	for (unsigned fd = first; fd < limit.rlim_cur; fd++)
		syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

NOT_SANITIZED static void write_pid(char *to)
{
	char digits[PID_DIGITS];
	long pid = syscall(SYS_getpid);
	int n = 0;

	for (; pid > 0 && n < PID_DIGITS; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

/* Returns only when it could not be done. */
NOT_SANITIZED static int run(void *arg)
{
	struct child *child = arg;
	const struct launch *launch = child->launch;

	reset_signals();
	if (syscall(SYS_setpgid, 0, 0) < 0)
		return failed(child, SETPGID);
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return failed(child, PRCTL);
	/* Whoever died before that call is not waited for any more. */
	if (syscall(SYS_getppid) != child->parent)
		return NO_PROGRAM;
	if (arrange_descriptors(child) != 0 || close_others(child) != 0)
		return NO_PROGRAM;
	if (launch->files && syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, launch->files, NULL) < 0)
		return failed(child, SETRLIMIT);
	if (launch->folder && syscall(SYS_chdir, launch->folder) < 0)
		return failed(child, CHDIR);
	if (child->own_env)
		write_pid(child->pid + sizeof(LISTEN_PID) - 1);
	unblock_signals();
	syscall(SYS_execve, launch->file, launch->argv, child->env);
	return failed(child, EXECVE);
}

/* ---- its environment ---- */

/* "NAME:NAME:NAME", malloc'd. */
static char *listen_names(const char *name, size_t n)
{
	static const char variable[] = "LISTEN_FDNAMES=";
	size_t len = strlen(name), used = sizeof(variable) - 1;
	char *names = malloc(used + n * (len + 1) + 1);

	if (!names)
		return NULL;
	memcpy(names, variable, used);
	for (size_t i = 0; i < n; i++) {
		memcpy(names + used, name, len);
		used += len;
		names[used++] = ':';
	}
	names[used - 1] = '\0';
	return names;
}

static int make_env(struct child *child)
{
	const struct launch *launch = child->launch;
	const char *const *given = launch->env;
	size_t n = 0, used = 0;

	child->env = given;
	if (!launch->listen_name || launch->fds <= 3)
		return 0;
	while (given[n])
		n++;
	child->own_env = calloc(n + LISTEN_VARIABLES + 1, sizeof(*child->own_env));
	child->names = listen_names(launch->listen_name, launch->fds - 3);
	if (!child->own_env || !child->names)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strncmp(given[i], "LISTEN_", 7) != 0)
			child->own_env[used++] = given[i];
	snprintf(child->count, sizeof(child->count), "LISTEN_FDS=%zu", launch->fds - 3);
	memcpy(child->pid, LISTEN_PID, sizeof(LISTEN_PID));
	child->own_env[used++] = child->count;
	child->own_env[used++] = child->pid;
	child->own_env[used++] = child->names;
	child->env = child->own_env;
	return 0;
}

static int child_init(struct child *child, const struct launch *launch)
{
	*child = (struct child){ .launch = launch, .parent = getpid() };
	child->source = calloc(launch->fds, sizeof(*child->source));
	if (!child->source)
		return -1;
	memcpy(child->source, launch->fd, launch->fds * sizeof(*child->source));
	return make_env(child);
}

static void child_cleanup(struct child *child)
{
	free(child->source);
	free(child->own_env);
	free(child->names);
}

/* ---- starting it ---- */

/* It has run the program, or has failed, when this returns. */
static pid_t start_sharing(struct child *child, int *pidfd_r)
{
	char stack[STACK_BYTES] __attribute__((__aligned__(64)));

	/* It grows downwards, on all machines that we know. */
	return clone(run, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
		     child, pidfd_r);
}

static pid_t start_forked(struct child *child, int *pidfd_r)
{
	int report[2];
	pid_t pid;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd_r, NULL, NULL);
	if (pid == 0) {
		int status = run(child);

		n = write(report[1], &child->failure, sizeof(child->failure));
		_exit(n < 0 ? 0 : status);
	}
	fd_close(&report[1]);
	if (pid > 0) {
		do
			n = read(report[0], &child->failure, sizeof(child->failure));
		while (n < 0 && errno == EINTR);
	}
	fd_close(&report[0]);
	return pid;
}

/* 0, or an errno. */
static int start(struct child *child, pid_t *pid_r, int *pidfd_r, const char **step_r)
{
	sigset_t all, before;
	int error = 0;

	*step_r = "clone";
	/* Until its handlers are gone the child must not run one: it would be in our memory. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	*pid_r = RUNNING_ON_VALGRIND ? start_forked(child, pidfd_r) : start_sharing(child, pidfd_r);
	if (*pid_r < 0)
		error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (*pid_r < 0 || !child->failure.error)
		return error;
	*step_r = step_names[child->failure.step];
	fd_close(pidfd_r);
	kill(*pid_r, SIGKILL);
	while (waitpid(*pid_r, NULL, 0) < 0 && errno == EINTR)
		;
	return child->failure.error;
}

int launch(const struct launch *launch, pid_t *pid_r, int *pidfd_r, const char **step_r)
{
	struct child child;
	int error = ENOMEM;

	*step_r = "malloc";
	*pidfd_r = -1;
	if (child_init(&child, launch) == 0)
		error = start(&child, pid_r, pidfd_r, step_r);
	child_cleanup(&child);
	if (!error)
		return 0;
	errno = error;
	return -1;
}
