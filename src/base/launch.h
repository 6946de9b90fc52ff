/* SPDX-License-Identifier: MIT */
/*
 * Running another program from a worker: clone(2) with CLONE_VM and CLONE_VFORK, so it costs the same from a large
 * process as from a small one, and an execve(2) that fails is known at once, with its errno. The master
 * never does this.
 */
#ifndef BASE_LAUNCH_H
#define BASE_LAUNCH_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { LAUNCH_DESCRIPTORS_MAX = 1024 };

struct launch {
	const char *file;                     /* absolute */
	const char *const *argv, *const *env; /* each ended by NULL */
	const char *folder;                   /* NULL: that of the caller */
	const int *fd; /* fd[i] becomes descriptor i; all others are closed; 3 at least */
	size_t fds;
	/*
	 * With fds > 3: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES (this name for each) stand in place of those that env has.
	 * NULL: nothing is added.
	 */
	const char *listen_name;
	const struct rlimit *files; /* RLIMIT_NOFILE of the program; NULL: that of the caller */
};

/*
 * The program runs in a process group of its own, with default signal dispositions, an empty mask, and is killed when the
 * caller dies. 0 with its process id and a pidfd (CLOEXEC, to be closed), or -1 with errno; *step_r
 * is then the call that failed, as "execve". The caller is suspended until the program runs.
 */
int launch(const struct launch *launch, pid_t *pid_r, int *pidfd_r, const char **step_r);

#endif
