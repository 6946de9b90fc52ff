/* SPDX-License-Identifier: MIT */
/*
 * The bare server of one request per connection, as one writes it plainly over epoll: the listener is
 * ready, so accept4; the new connection is added to epoll; when it is readable, read, send the
 * ready-made response, close (which takes it out of epoll). Nothing is parsed, nothing is tuned:
 * level-triggered, no socket options, one accept a wake-up.
 *
 * bare_close RESPONSE-FILE; prints its port.
 */
#include "bench.h"

#include <sys/epoll.h>

enum { EVENTS = 512 };

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void take_connection(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		watch(epoll, fd);
}

static void answer_and_close(int fd, const char *response, size_t len)
{
	char request[4096];

	if (read(fd, request, sizeof(request)) > 0 &&
	    send(fd, response, len, MSG_NOSIGNAL) != (ssize_t)len)
		warnx("a short send");
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event event[EVENTS];
	char *response;
	size_t len;
	int port, listener, epoll;

	if (argc != 2)
		errx(64, "usage: bare_close RESPONSE-FILE");
	response = bench_read_file(argv[1], &len);
	listener = bench_listen(SOCK_NONBLOCK, &port);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		err(1, "epoll_create1");
	watch(epoll, listener);
	bench_say_ready(port);
	for (;;) {
		int n = epoll_wait(epoll, event, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (event[i].data.fd == listener)
				take_connection(epoll, listener);
			else
				answer_and_close(event[i].data.fd, response, len);
		}
	}
}
