/* SPDX-License-Identifier: MIT */
/*
 * The bare proxy: the least that a single process can do which passes requests on. It parses nothing: whatever
 * arrives from a client is taken for one request and sent to the origin as it is, over the connection that rested
 * last or a new one; whatever comes back is taken for the whole response. A shared epoll_wait, two recv and two
 * send a request, edge-triggered. What does not fit into a send buffer, or comes in two pieces, breaks it:
 * bench/run gives it neither.
 *
 * bare_proxy ORIGIN-PORT; prints its port.
 */
#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

enum { EVENTS = 512, FILES_MAX = 65536, PIECE = 16384 };

struct proxy {
	int epoll, listener, origin_port;
	int resting[FILES_MAX]; /* connections to the origin, the one that was used last on top */
	int n_resting;
	int other[FILES_MAX]; /* by descriptor: whom its bytes go to; 0: nobody */
	bool is_origin[FILES_MAX];
	char data[PIECE];
};

static void watch(const struct proxy *proxy, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(proxy->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void add(struct proxy *proxy, int fd, bool is_origin)
{
	if (fd >= FILES_MAX)
		errx(1, "more than %d descriptors", FILES_MAX);
	proxy->other[fd] = 0;
	proxy->is_origin[fd] = is_origin;
	watch(proxy, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

static void take_connection(struct proxy *proxy)
{
	int fd = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		add(proxy, fd, false);
}

static int take_origin(struct proxy *proxy)
{
	int yes = 1, fd;

	if (proxy->n_resting)
		return proxy->resting[--proxy->n_resting];
	fd = bench_connect(proxy->origin_port, 0);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		err(1, "cannot connect to the origin");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	add(proxy, fd, true);
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		warnx("a short send");
}

static void pass_request(struct proxy *proxy, int client)
{
	ssize_t n = recv(client, proxy->data, sizeof(proxy->data), 0);
	int origin;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		/* What its origin still answers goes nowhere. */
		if (proxy->other[client])
			proxy->other[proxy->other[client]] = 0;
		close(client);
		return;
	}
	origin = take_origin(proxy);
	proxy->other[client] = origin;
	proxy->other[origin] = client;
	send_all(origin, proxy->data, (size_t)n);
}

static void pass_response(struct proxy *proxy, int origin)
{
	ssize_t n = recv(origin, proxy->data, sizeof(proxy->data), 0);
	int client = proxy->other[origin];

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		errx(1, "the origin closed a connection");
	proxy->other[origin] = 0;
	proxy->resting[proxy->n_resting++] = origin;
	if (client) {
		proxy->other[client] = 0;
		send_all(client, proxy->data, (size_t)n);
	}
}

int main(int argc, char **argv)
{
	static struct proxy proxy;
	struct epoll_event event[EVENTS];
	int port, yes = 1;

	if (argc != 2)
		errx(64, "usage: bare_proxy ORIGIN-PORT");
	proxy.origin_port = atoi(argv[1]);
	proxy.listener = bench_listen(SOCK_NONBLOCK, &port);
	setsockopt(proxy.listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	proxy.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (proxy.epoll < 0)
		err(1, "epoll_create1");
	watch(&proxy, proxy.listener, EPOLLIN);
	bench_say_ready(port);
	for (;;) {
		int n = epoll_wait(proxy.epoll, event, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = event[i].data.fd;

			if (fd == proxy.listener)
				take_connection(&proxy);
			else if (proxy.is_origin[fd])
				pass_response(&proxy, fd);
			else
				pass_request(&proxy, fd);
		}
	}
}
