/* SPDX-License-Identifier: MIT */
/*
 * The least that speaks FastCGI (specification 1.0): a single process that steps over the parameters and the
 * content of a request and answers the same ready-made bytes, the head of a CGI response and its content, in
 * one send with the records around them. It keeps the connection where it is asked to. One request at a time on
 * a connection; no record is longer than BUFFER.
 *
 * fastcgi_origin RESPONSE-FILE; prints its port.
 */
#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, FILES_MAX = 4096, BUFFER = 16384, HEADER = 8, END_BODY = 8 };
enum { BEGIN_REQUEST = 1, END_REQUEST = 3, STDIN = 5, STDOUT = 6, KEEP_CONN = 1 };

struct connection {
	size_t have;
	bool keep;
	unsigned char data[BUFFER];
};

struct origin {
	int epoll, listener;
	struct connection *connection[FILES_MAX];
	unsigned char *reply; /* STDOUT, its end, END_REQUEST */
	size_t len, response_len;
};

static void header(unsigned char *out, int type, size_t len)
{
	out[0] = 1;
	out[1] = (unsigned char)type;
	out[4] = (unsigned char)(len >> 8);
	out[5] = (unsigned char)len;
}

static void prepare_reply(struct origin *origin, const char *path)
{
	char *response = bench_read_file(path, &origin->response_len);
	size_t end = HEADER + origin->response_len;

	if (origin->response_len > UINT16_MAX)
		errx(1, "%s does not fit into one record", path);
	origin->len = end + HEADER + HEADER + END_BODY;
	origin->reply = calloc(1, origin->len);
	if (!origin->reply)
		err(1, "calloc");
	header(origin->reply, STDOUT, origin->response_len);
	memcpy(origin->reply + HEADER, response, origin->response_len);
	header(origin->reply + end, STDOUT, 0);
	header(origin->reply + end + HEADER, END_REQUEST, END_BODY);
	free(response);
}

/* The number of the request is that of the record which ends it. False: the connection is at its end. */
static bool answer(struct origin *origin, int fd, const unsigned char *record)
{
	size_t end = HEADER + origin->response_len;

	memcpy(origin->reply + 2, record + 2, 2);
	memcpy(origin->reply + end + 2, record + 2, 2);
	memcpy(origin->reply + end + HEADER + 2, record + 2, 2);
	if (send(fd, origin->reply, origin->len, MSG_NOSIGNAL) != (ssize_t)origin->len)
		return false;
	return origin->connection[fd]->keep;
}

/* All whole records that are there. False: the connection is at its end. */
static bool take_records(struct origin *origin, int fd)
{
	struct connection *connection = origin->connection[fd];
	size_t done = 0;

	while (connection->have - done >= HEADER) {
		const unsigned char *record = connection->data + done;
		size_t len = (size_t)(record[4] << 8 | record[5]);
		size_t whole = HEADER + len + record[6];

		if (whole > BUFFER)
			errx(1, "a record of %zu bytes", whole);
		if (connection->have - done < whole)
			break;
		if (record[1] == BEGIN_REQUEST)
			connection->keep = record[HEADER + 2] & KEEP_CONN;
		else if (record[1] == STDIN && len == 0 && !answer(origin, fd, record))
			return false;
		done += whole;
	}
	connection->have -= done;
	memmove(connection->data, connection->data + done, connection->have);
	return true;
}

static void read_records(struct origin *origin, int fd)
{
	struct connection *connection = origin->connection[fd];
	ssize_t n = recv(fd, connection->data + connection->have, BUFFER - connection->have, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		connection->have += (size_t)n;
		if (take_records(origin, fd))
			return;
	}
	close(fd);
	free(connection);
	origin->connection[fd] = NULL;
}

static void watch(const struct origin *origin, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(origin->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void take_connection(struct origin *origin)
{
	int fd = accept4(origin->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fd >= FILES_MAX)
		errx(1, "more than %d descriptors", FILES_MAX);
	origin->connection[fd] = calloc(1, sizeof(struct connection));
	if (!origin->connection[fd])
		err(1, "calloc");
	watch(origin, fd);
}

int main(int argc, char **argv)
{
	static struct origin origin;
	struct epoll_event event[EVENTS];
	int port, yes = 1;

	if (argc != 2)
		errx(64, "usage: fastcgi_origin RESPONSE-FILE");
	prepare_reply(&origin, argv[1]);
	origin.listener = bench_listen(SOCK_NONBLOCK, &port);
	setsockopt(origin.listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	origin.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (origin.epoll < 0)
		err(1, "epoll_create1");
	watch(&origin, origin.listener);
	bench_say_ready(port);
	for (;;) {
		int n = epoll_wait(origin.epoll, event, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (event[i].data.fd == origin.listener)
				take_connection(&origin);
			else
				read_records(&origin, event[i].data.fd);
		}
	}
}
