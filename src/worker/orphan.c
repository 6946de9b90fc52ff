/* SPDX-License-Identifier: MIT */
/* The master's death, as orphan.h says. */
#include "worker/orphan.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* A handler has no argument. */
static struct {
	struct acceptor *acceptor;
	pid_t master;
	int64_t limit_ms;
	timer_t timer;
	bool has_timer;
	volatile sig_atomic_t begun;
} orphan;

void orphan_begin(void)
{
	struct itimerspec limit = {
		.it_value = { orphan.limit_ms / 1000, orphan.limit_ms % 1000 * 1000000 },
	};

	if (orphan.begun)
		return;
	orphan.begun = true;
	if (orphan.has_timer)
		timer_settime(orphan.timer, 0, &limit, NULL);
}

/* Anybody may send a SIGCONT; whose child we are tells whether the kernel did. */
static void on_continued(int signal)
{
	int saved = errno;

	(void)signal;
	if (getppid() != orphan.master) {
		acceptor_end(orphan.acceptor);
		orphan_begin();
	}
	errno = saved;
}

void orphan_watch(struct acceptor *acceptor, pid_t master, int64_t limit_ms)
{
	/*
	 * Made now: a handler may only set it. SIGKILL is what no library can block or take for
	 * its own.
	 */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct sigaction action = { .sa_handler = on_continued,
				    .sa_flags = SA_RESTART | SA_ONSTACK };

	orphan.acceptor = acceptor;
	orphan.master = master;
	orphan.limit_ms = limit_ms;
	orphan.has_timer = timer_create(CLOCK_MONOTONIC, &event, &orphan.timer) == 0;
	if (!orphan.has_timer)
		log_warning(
			"cannot make a timer for the end of the master: %s; a worker that hangs "
			"then stays",
			strerror(errno));
	if (!master)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(SIGCONT, &action, NULL);
	/*
	 * SIGCONT makes a stopped process go on, and of all signals it is the one that a master
	 * without rights may send to a worker of another user, as long as the session is the same.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGCONT) < 0)
		log_warning("cannot ask to be told of the master's end: %s", strerror(errno));
	on_continued(SIGCONT); /* it may have died before */
}
