/* SPDX-License-Identifier: MIT */
/*
 * The bare super-server: one process, a loop of accept, posix_spawn with the connection as descriptors 0 and 1, close; it reaps
 * what has ended after each. No limits, no environment of the connection, no log, no supervision: what exec is measured
 * against.
 *
 * bare_exec PROGRAM; prints its port.
 */
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>

enum { STANDARD = 3 };

static void run(const char *program, int fd)
{
	char *argv[] = { (char *)(uintptr_t)program, NULL }, *env[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 0);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	posix_spawn_file_actions_addclosefrom_np(&actions, STANDARD);
	if (posix_spawn(&pid, program, &actions, NULL, argv, env) != 0)
		errx(1, "cannot run %s", program);
	posix_spawn_file_actions_destroy(&actions);
}

int main(int argc, char **argv)
{
	int port, listener;

	if (argc != 2)
		errx(64, "usage: bare_exec PROGRAM");
	listener = bench_listen(0, &port);
	bench_say_ready(port);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			run(argv[1], fd);
			close(fd);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
}
