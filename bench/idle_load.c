/* SPDX-License-Identifier: MIT */
/*
 * Opens many keep-alive connections, asks one thing on each, reads the whole answer, and leaves them
 * idle. Prints "idle N" and waits for a line on standard input, while bench/run weighs the server; then asks
 * again on each of them, prints "alive N", and ends with status 1 if any did not answer.
 *
 * idle_load PORT CONNECTIONS PATH
 */
#include "bench.h"

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

enum { TIMEOUT_S = 20, PER_SOURCE = 1000 };

/* Reads one response with a Content-Length. True: status 200, whole. */
static bool read_response(int fd)
{
	char data[16384];
	size_t have = 0;
	char *end, *length;

	for (;;) {
		ssize_t n = recv(fd, data + have, sizeof(data) - 1 - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
		data[have] = 0;
		end = strstr(data, "\r\n\r\n");
		if (end)
			break;
	}
	length = strcasestr(data, "\r\nContent-Length:");
	if (strncmp(data, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		return false;
	size_t total = (size_t)(end + 4 - data) + strtoul(length + 17, NULL, 10);
	while (have < total) {
		ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return have == total;
}

static bool ask(int fd, const char *path)
{
	char request[512];
	int len =
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);

	return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len && read_response(fd);
}

static int *connect_all(int port, unsigned n)
{
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct rlimit files;
	int *fd = calloc(n, sizeof(*fd));

	if (!fd || getrlimit(RLIMIT_NOFILE, &files) < 0)
		err(1, "idle_load");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < n; i++) {
		fd[i] = bench_connect(port, i / PER_SOURCE);
		if (fd[i] < 0)
			err(1, "connection %u", i + 1);
		setsockopt(fd[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
	return fd;
}

int main(int argc, char **argv)
{
	unsigned n = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	unsigned alive = 0;
	int *fd;

	if (n == 0)
		errx(64, "usage: idle_load PORT CONNECTIONS PATH");
	fd = connect_all(atoi(argv[1]), n);
	for (unsigned i = 0; i < n; i++)
		if (!ask(fd[i], argv[3]))
			errx(1, "connection %u: no whole answer", i + 1);
	printf("idle %u\n", n);
	fflush(stdout);
	if (getchar() == EOF)
		return 0;
	for (unsigned i = 0; i < n; i++)
		alive += ask(fd[i], argv[3]);
	printf("alive %u\n", alive);
	return alive == n ? 0 : 1;
}
