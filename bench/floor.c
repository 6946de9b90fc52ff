/* SPDX-License-Identifier: MIT */
/*
 * The floor: the least that a single-process server of keep-alive connections can do. It parses nothing:
 * whatever arrives is taken for one request and answered with the same ready-made bytes (bench/run
 * gives it the very response that musterd gave). One shared epoll_wait, one recv, one send a request.
 *
 * Edge-triggered by default, which saves the kernel a second look at each descriptor; -l makes it
 * level-triggered, to see what that costs. Pipelined requests are not supported: a floor has no cellar.
 *
 * floor [-l] RESPONSE-FILE; prints its port.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, LISTENER = -1 };

struct floor_server {
	int epoll, listener;
	uint32_t trigger;
	char *response;
	size_t len;
};

static void watch(const struct floor_server *server, int fd, uint32_t events, int data)
{
	struct epoll_event event = { .events = events, .data.fd = data };

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void take_connection(const struct floor_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		watch(server, fd, EPOLLIN | EPOLLRDHUP | server->trigger, fd);
}

static void answer(const struct floor_server *server, int fd)
{
	char request[4096];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	/* A response of a kilobyte always fits into the send buffer of a client that reads. */
	if (n <= 0 || send(fd, server->response, server->len, MSG_NOSIGNAL) != (ssize_t)server->len)
		close(fd);
}

int main(int argc, char **argv)
{
	struct floor_server server = { .trigger = EPOLLET };
	struct epoll_event event[EVENTS];
	int port, yes = 1;

	if (argc > 1 && strcmp(argv[1], "-l") == 0) {
		server.trigger = 0;
		argv++, argc--;
	}
	if (argc != 2)
		errx(64, "usage: floor [-l] RESPONSE-FILE");
	server.response = bench_read_file(argv[1], &server.len);
	server.listener = bench_listen(SOCK_NONBLOCK, &port);
	setsockopt(server.listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		err(1, "epoll_create1");
	watch(&server, server.listener, EPOLLIN, LISTENER);
	bench_say_ready(port);
	for (;;) {
		int n = epoll_wait(server.epoll, event, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (event[i].data.fd == LISTENER)
				take_connection(&server);
			else
				answer(&server, event[i].data.fd);
		}
	}
}
