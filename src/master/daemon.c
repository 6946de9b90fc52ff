/* SPDX-License-Identifier: MIT */
/* Daemonising, as daemon.h says. */
#include "master/daemon.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <sys/stat.h>
#include <unistd.h>

void daemon_init(struct daemon *daemon)
{
	*daemon = (struct daemon){ .report = -1, .error_file = -1 };
}

void daemon_cleanup(struct daemon *daemon)
{
	fd_close(&daemon->report);
	fd_close(&daemon->error_file);
}

/* What the daemon reports; when it dies without a word that is a failure as well. */
static int wait_for_report(int report)
{
	unsigned char status;
	ssize_t n;

	do
		n = read(report, &status, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return status;
	log_err("the daemon died as it started");
	return EX_SOFTWARE;
}

int daemon_enter(struct daemon *daemon, int *status_r)
{
	struct stat error;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		return -1;
	}
	if (pid > 0) {
		fd_close(&ends[1]);
		*status_r = wait_for_report(ends[0]);
		fd_close(&ends[0]);
		return 1;
	}
	fd_close(&ends[0]);
	setsid();
	/* The second fork: who does not lead the session can never get a terminal again. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? EX_OSERR : 0);
	daemon->on = true;
	daemon->report = ends[1];
	if (fstat(STDERR_FILENO, &error) == 0 && S_ISREG(error.st_mode))
		daemon->error_file = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return chdir("/");
}

void daemon_report(struct daemon *daemon, int status)
{
	unsigned char byte = (unsigned char)status;
	int null;

	if (!daemon->on || daemon->report < 0)
		return;
	if (status == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
			dup2(null, fd);
		fd_close(&null);
	}
	/* Who waited may have been killed: then nobody needs to know. */
	if (write(daemon->report, &byte, 1) != 1)
		errno = 0;
	fd_close(&daemon->report);
}
