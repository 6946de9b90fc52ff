/* SPDX-License-Identifier: MIT */
/*
 * How long a server takes from exec to READY. It is started with a NOTIFY_SOCKET of ours, the time is
 * taken from just before the fork to the arrival of the datagram with READY=1, its children are counted, and it
 * is stopped with SIGTERM; several times, the median counts.
 *
 * start_time RUNS PROGRAM [ARGUMENT ...]; prints one JSON line.
 */
#include "bench.h"

#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { RUNS_MAX = 100, READY_LIMIT_MS = 20000 };

/* An abstract datagram socket; its name goes into NOTIFY_SOCKET. */
static int notify_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0)
		err(1, "notify socket");
	len = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		err(1, "getsockname");
	addr.sun_path[0] = '@';
	addr.sun_path[len - sizeof(sa_family_t)] = 0;
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	return fd;
}

/* True once a datagram with READY=1 came; false when none comes in time. */
static bool wait_ready(int notify)
{
	struct pollfd poll_fd = { .fd = notify, .events = POLLIN };
	char text[4096];

	while (poll(&poll_fd, 1, READY_LIMIT_MS) == 1) {
		ssize_t n = recv(notify, text, sizeof(text) - 1, 0);

		if (n < 0)
			return false;
		text[n] = 0;
		if (strstr(text, "READY=1"))
			return true;
	}
	return false;
}

/* The number of children, as /proc shows them. */
static int count_children(pid_t pid)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	if (!proc)
		err(1, "/proc");
	while ((entry = readdir(proc))) {
		char path[300];
		int parent = 0;
		FILE *file;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue; /* it has just ended */
		if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == (int)pid)
			n++;
		fclose(file);
	}
	closedir(proc);
	return n;
}

static double one_start(int notify, char **argv, int *children_r)
{
	double begin = bench_now(), ready;
	char late[4096];
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		execv(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (!wait_ready(notify)) {
		kill(pid, SIGKILL);
		errx(1, "%s did not say READY=1 in %d ms", argv[0], READY_LIMIT_MS);
	}
	ready = bench_now();
	*children_r = count_children(pid);
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s ended with wait status 0x%x", argv[0], status);
	while (recv(notify, late, sizeof(late), MSG_DONTWAIT) > 0)
		continue; /* STOPPING=1 and the like */
	return (ready - begin) * 1000;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[1]) : 0;
	double ms[RUNS_MAX];
	int children = 0, notify;

	if (runs < 1 || runs > RUNS_MAX)
		errx(64, "usage: start_time RUNS PROGRAM [ARGUMENT ...]");
	notify = notify_socket();
	for (int i = 0; i < runs; i++)
		ms[i] = one_start(notify, argv + 2, &children);
	qsort(ms, (size_t)runs, sizeof(ms[0]), by_value);
	printf("{\"median_ms\": %.2f, \"min_ms\": %.2f, \"max_ms\": %.2f, \"children\": %d}\n",
	       ms[runs / 2], ms[0], ms[runs - 1], children);
	return 0;
}
