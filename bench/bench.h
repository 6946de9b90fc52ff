/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the bench share: ending with a reason, a listening socket on a port that the
 * kernel chose (printed as one line on standard output, which tells bench/run that all is ready),
 * reading a whole file, and loopback source addresses, so that no load runs out of ports.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Not every program uses every function. */
#define BENCH_USED __attribute__((__unused__))

/* A listening socket of 127.0.0.1, blocking unless flags say SOCK_NONBLOCK. *port_r: the kernel's choice. */
BENCH_USED static int bench_listen(int flags, int *port_r)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		err(1, "cannot listen on 127.0.0.1");
	*port_r = ntohs(addr.sin_port);
	return fd;
}

/* The one line that bench/run waits for. */
BENCH_USED static void bench_say_ready(int port)
{
	printf("%d\n", port);
	fflush(stdout);
}

/* The whole file, malloc'd; its size in *len_r. */
BENCH_USED static char *bench_read_file(const char *path, size_t *len_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	data = malloc((size_t)st.st_size + 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		err(1, "%s", path);
	close(fd);
	*len_r = (size_t)st.st_size;
	return data;
}

/* 127.1.A.B, a different one for each n below 60,000. */
BENCH_USED static struct sockaddr_in bench_source(unsigned n)
{
	uint32_t host = (127u << 24) | (1u << 16) | ((n / 250 % 240 + 1) << 8) | (n % 250 + 1);

	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
}

/* A blocking connection from source number n to 127.0.0.1:port. -1 with errno. */
BENCH_USED static int bench_connect(int port, unsigned n)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = bench_source(n);
	int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* The port is chosen at connect, among those free towards this one destination. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

BENCH_USED static double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
