/* SPDX-License-Identifier: MIT */
/* Active checks; see probe.h. */
#include "services/http/gateway/probe.h"

#include "services/http/gateway/content.h"
#include "services/http/gateway/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of content that is read for nothing. */
enum { DROPPED_MAX = 256 * 1024 };

struct probe {
	struct mu_conn *server;
	int64_t timeout_ms, deadline; /* mu_now_ms */
	char *reason;
};

static int fail(const struct probe *probe, const char *what, const char *why)
{
	snprintf(probe->reason, PROBE_REASON_MAX, "%s%s", what, why);
	return PROBE_FAILED;
}

static int fail_late(const struct probe *probe)
{
	snprintf(probe->reason, PROBE_REASON_MAX, "no answer within %lld ms",
		 (long long)probe->timeout_ms);
	return PROBE_FAILED;
}

/* A call has failed: is it the server's doing? */
static int fail_by_errno(const struct probe *probe, const char *what)
{
	switch (errno) {
	case ECANCELED:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EADDRNOTAVAIL:
		return -1;
	case ENOENT:
		return fail(probe, what, "there is no such name or socket");
	case ETIME:
	case ETIMEDOUT:
		return fail_late(probe);
	default:
		return fail(probe, what, strerror(errno));
	}
}

static int send_request(const struct probe *probe, const char *host, const char *path)
{
	static const char version[] = " HTTP/1.1\r\nHost: ";
	static const char rest[] = "\r\nUser-Agent: musterd\r\nConnection: close\r\n\r\n";
	const struct iovec piece[] = {
		{ (char[]){ "GET " }, 4 },
		{ (void *)(uintptr_t)path, strlen(path) },
		{ (void *)(uintptr_t)version, sizeof version - 1 },
		{ (void *)(uintptr_t)host, strlen(host) },
		{ (void *)(uintptr_t)rest, sizeof rest - 1 },
	};

	return mu_writev(probe->server, piece, sizeof piece / sizeof piece[0], 0);
}

/* One receive more. 1, or what the probe comes to. */
static int receive(const struct probe *probe)
{
	int64_t left = probe->deadline - mu_now_ms(mu_worker_of(probe->server));
	int waited = left > 0 ? mu_wait_input(probe->server, left) : 0;
	ssize_t n;

	if (waited == 0)
		return fail_late(probe);
	n = waited < 0 ? -1 : mu_fill(probe->server);
	if (n == 0)
		return fail(probe, "", "it closed the connection without an answer");
	return n < 0 ? fail_by_errno(probe, "") : 1;
}

/* Many a server logs an error where a client leaves before it has written all. */
static void drop_content(const struct probe *probe, const struct reply *reply)
{
	struct content content;

	mu_consume(probe->server, reply->head_len);
	content_init(&content, (enum content_framing)reply->framing, reply->length, DROPPED_MAX);
	while (content.state == CONTENT_MORE) {
		const char *data;
		size_t len = mu_buffered(probe->server, &data), piece;

		if (len)
			mu_consume(probe->server, content_take(&content, data, len, &piece));
		else if (receive(probe) != 1)
			return;
	}
}

static int read_status(const struct probe *probe)
{
	struct reply reply;

	reply_init(&reply, REPLY_HTTP, METHOD_GET, false);
	for (;;) {
		const char *data;
		size_t len = mu_buffered(probe->server, &data);
		int received;

		switch (reply_parse(&reply, data, len)) {
		case REPLY_BAD:
			return fail(probe, "it answered what is no HTTP: ", reply.error);
		case REPLY_DONE:
			if (reply.status >= 200) {
				drop_content(probe, &reply);
				return reply.status;
			}
			mu_consume(probe->server, reply.head_len);
			reply_init(&reply, REPLY_HTTP, METHOD_GET, false);
			break;
		case REPLY_MORE:
			if (len == mu_buffer_size(probe->server))
				return fail(probe, "", "the header of its answer is too long");
			received = receive(probe);
			if (received != 1)
				return received;
		}
	}
}

int probe_server(struct mu_conn *conn, const char *address, const char *host, const char *path,
		 int64_t timeout_ms, char reason[PROBE_REASON_MAX])
{
	struct probe probe = { .timeout_ms = timeout_ms,
			       .deadline = mu_now_ms(mu_worker_of(conn)) + timeout_ms,
			       .reason = reason };
	int status, error;

	probe.server = mu_connect(conn, address, timeout_ms);
	if (!probe.server)
		return fail_by_errno(&probe, "cannot connect: ");
	if (send_request(&probe, host, path) < 0)
		status = fail_by_errno(&probe, "");
	else
		status = read_status(&probe);
	error = errno;
	mu_close(probe.server);
	errno = error;
	return status;
}
