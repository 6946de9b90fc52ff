/* SPDX-License-Identifier: MIT */
/* Making a child, as spawn.h says. */
#include "master/spawn.h"

#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void reset_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signal = 1; signal <= SIGSYS; signal++)
		sigaction(signal, &action, NULL);
	/* Before the mask is undone: a control-C that came since the fork must not end the child. */
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		sigaction(ignored[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

pid_t spawn(spawn_main *main, void *arg, int *keep, size_t n, bool detached)
{
	sigset_t all, before;
	pid_t pid;

	/* No handler of ours may run in the child, and no signal may find it half made. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		fd_close_all_but(keep, n);
		if (detached)
			detach();
		reset_signals();
		_exit(main(arg));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}
