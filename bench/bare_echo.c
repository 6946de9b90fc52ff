/* SPDX-License-Identifier: MIT */
/*
 * The bare pre-forked echo server: processes (16 unless told otherwise) that each run a blocking loop of
 * accept, read, write until the end of the stream, close, on one inherited listening socket. No time
 * limits, no supervision, no signals: what echo with `connections 1` is measured against.
 *
 * bare_echo [PROCESSES]; prints its port. Its workers die with it.
 */
#include "bench.h"

#include <signal.h>
#include <sys/prctl.h>

static void echo_for_ever(int listener)
{
	char data[4096];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			continue;
		while ((n = read(fd, data, sizeof(data))) > 0)
			if (write(fd, data, (size_t)n) != n)
				break;
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int processes = argc > 1 ? atoi(argv[1]) : 16;
	pid_t parent = getpid();
	int port;
	int listener = bench_listen(0, &port);

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			echo_for_ever(listener);
		}
	}
	bench_say_ready(port);
	for (;;)
		pause();
}
