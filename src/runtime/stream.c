/* SPDX-License-Identifier: MIT */
/* The reading and writing calls of musterd/module.h. They wait in conn.c and know nothing of modes. */
#include "runtime/runtime.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { PRINTF_MAX = 4096, PIECES_MAX = 8 };

/* ---- reading ---- */

size_t mu_buffered(struct mu_conn *conn, const char **data_r)
{
	const struct buffer *in = conn->in;

	if (!in) {
		*data_r = "";
		return 0;
	}
	*data_r = in->data + in->start;
	return in->end - in->start;
}

size_t mu_buffer_size(struct mu_conn *conn)
{
	(void)conn;
	return BUFFER_SIZE;
}

ssize_t mu_try_fill(struct mu_conn *conn)
{
	if (conn->ended)
		return 0;
	if (!(conn->ready & CONN_IN)) {
		errno = EAGAIN;
		return -1;
	}
	return conn_receive(conn);
}

static bool is_full(const struct mu_conn *conn)
{
	return conn->in && conn->in->end - conn->in->start == BUFFER_SIZE;
}

static int before_receive(struct mu_conn *conn)
{
	return conn_may_receive(conn) ? conn_keep_turn(conn, CONN_IN) : conn_wait(conn, CONN_IN);
}

/* The same for output, where it is up to the call itself to find that there is no room. */
static int before_send(struct mu_conn *conn)
{
	return conn->ready & CONN_OUT ? conn_keep_turn(conn, CONN_OUT) : conn_wait(conn, CONN_OUT);
}

ssize_t mu_fill(struct mu_conn *conn)
{
	ssize_t n;

	if (is_full(conn)) {
		errno = ENOBUFS;
		return -1;
	}
	do {
		if (conn->ended)
			return 0;
		if (before_receive(conn) < 0)
			return -1;
		n = conn_receive(conn);
	} while (n < 0 && errno == EAGAIN);
	return n;
}

int mu_wait_input(struct mu_conn *conn, int64_t ms)
{
	struct pollfd pollfd = { .fd = conn->fd, .events = POLLIN | POLLRDHUP };

	if (conn->ended)
		return 1;
	if (conn->fd < 0) {
		errno = EBADF;
		return -1;
	}
	/* Where it is set it may be a guess, and the receive that follows would wait for longer than asked for. */
	if (conn->ready & CONN_IN) {
		if (poll(&pollfd, 1, 0) > 0)
			return 1;
		conn->ready &= (uint8_t)~CONN_IN;
	}
	return conn_wait_for(conn, CONN_IN, ms);
}

void mu_consume(struct mu_conn *conn, size_t n)
{
	if (conn->in)
		conn->in->start += (uint32_t)n;
}

/* Past the buffer, straight to where the module wants it. */
static ssize_t receive_into(struct mu_conn *conn, void *data, size_t len)
{
	ssize_t n;

	do {
		if (conn->ended)
			return 0;
		if (before_receive(conn) < 0)
			return -1;
		n = conn_recv(conn, data, len);
	} while (n < 0 && errno == EAGAIN);
	return n;
}

ssize_t mu_read(struct mu_conn *conn, void *data, size_t len)
{
	const char *buffered;
	size_t n = mu_buffered(conn, &buffered);

	if (!n)
		return receive_into(conn, data, len);
	if (n > len)
		n = len;
	memcpy(data, buffered, n);
	mu_consume(conn, n);
	return (ssize_t)n;
}

ssize_t mu_readline(struct mu_conn *conn, char **line_r)
{
	size_t seen = 0;

	for (;;) {
		const char *data, *end;
		size_t have = mu_buffered(conn, &data);
		ssize_t n;

		end = have > seen ? memchr(data + seen, '\n', have - seen) : NULL;
		if (end || (conn->ended && have)) {
			size_t len = end ? (size_t)(end - data) + 1 : have;

			*line_r = conn->in->data + conn->in->start;
			mu_consume(conn, len);
			return (ssize_t)len;
		}
		seen = have;
		n = mu_fill(conn);
		if (n < 0 || (n == 0 && !have))
			return n;
	}
}

/* ---- writing ---- */

static void note_sent(struct mu_conn *conn, ssize_t n)
{
	conn_spend(conn, n);
	if (n < 0 && errno == EAGAIN)
		conn->ready &= (uint8_t)~CONN_OUT;
	else if (conn->family)
		family_moved(conn);
}

static ssize_t send_once(struct mu_conn *conn, const struct iovec *piece, int n, unsigned flags)
{
	int send_flags = MSG_NOSIGNAL | MSG_DONTWAIT | (flags & MU_MORE ? MSG_MORE : 0);
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)piece,
			      .msg_iovlen = (size_t)n };
	ssize_t sent;

	if (!(conn->ready & CONN_OUT)) {
		errno = EAGAIN;
		return -1;
	}
	do
		sent = conn->state == CONN_PIPE ? writev(conn->fd, piece, n)
		       : n == 1 ? send(conn->fd, piece->iov_base, piece->iov_len, send_flags)
				: sendmsg(conn->fd, &msg, send_flags);
	while (sent < 0 && errno == EINTR);
	note_sent(conn, sent);
	return sent;
}

ssize_t mu_try_write(struct mu_conn *conn, const void *data, size_t len, unsigned flags)
{
	struct iovec piece = { (void *)(uintptr_t)data, len };

	return send_once(conn, &piece, 1, flags);
}

int mu_writev(struct mu_conn *conn, const struct iovec *given, int n, unsigned flags)
{
	struct iovec copy[PIECES_MAX], *piece = copy;

	if (n < 0 || n > PIECES_MAX) {
		errno = EINVAL;
		return -1;
	}
	memcpy(copy, given, (size_t)n * sizeof(*given));
	while (n > 0) {
		ssize_t sent;

		if (!piece->iov_len) {
			piece++, n--;
			continue;
		}
		if (before_send(conn) < 0)
			return -1;
		sent = send_once(conn, piece, n, flags);
		if (sent < 0 && errno != EAGAIN)
			return -1;
		if (sent < 0)
			continue;
		for (; n > 0 && (size_t)sent >= piece->iov_len; piece++, n--)
			sent -= (ssize_t)piece->iov_len;
		if (n > 0) {
			piece->iov_base = (char *)piece->iov_base + sent;
			piece->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

int mu_write(struct mu_conn *conn, const void *data, size_t len)
{
	struct iovec piece = { (void *)(uintptr_t)data, len };

	return mu_writev(conn, &piece, 1, 0);
}

int mu_printf(struct mu_conn *conn, const char *format, ...)
{
	char text[PRINTF_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text)) {
		errno = EMSGSIZE;
		return -1;
	}
	return mu_write(conn, text, (size_t)len);
}

/*
 * Asks the kernel, which wants a good part of its buffer to be free. Where there is no descriptor the
 * call itself fails, in place of a wait.
 */
static bool look_for_room(struct mu_conn *conn)
{
	struct pollfd pollfd = { .fd = conn->fd, .events = POLLOUT };

	if (conn->fd < 0 || poll(&pollfd, 1, 0) > 0)
		return true;
	conn->ready &= (uint8_t)~CONN_OUT;
	return false;
}

ssize_t mu_try_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len)
{
	ssize_t n;

	/* sendfile(2) has no flag for this call alone. */
	if (conn_stop_blocking(conn) < 0)
		return -1;
	if (!(conn->ready & CONN_OUT)) {
		errno = EAGAIN;
		return -1;
	}
	do
		n = sendfile(conn->fd, fd, &offset, len);
	while (n < 0 && errno == EINTR);
	note_sent(conn, n);
	return n;
}

/*
 * Of a buffer that is filled to the brim a client that reads as fast as we send takes a packet at a
 * time: a good part of it is waited for, whether or not a call has found it full.
 */
int mu_wait_room(struct mu_conn *conn)
{
	if (conn->ready & CONN_OUT)
		look_for_room(conn);
	return before_send(conn);
}

int mu_wait_output(struct mu_conn *conn, int64_t ms)
{
	int waited, before, queued;

	if (conn->fd < 0) {
		errno = EBADF;
		return -1;
	}
	/* A guess, unless a call found otherwise. */
	if ((conn->ready & CONN_OUT) && look_for_room(conn))
		return conn_keep_turn(conn, CONN_OUT) < 0 ? -1 : 1;
	/* There is room only when a good part of the kernel's buffer is free: who takes little takes something. */
	queued = conn_unsent(conn);
	do {
		before = queued;
		waited = conn_wait_for(conn, CONN_OUT, ms);
	} while (waited == 0 && ms > 0 && (queued = conn_unsent(conn)) < before);
	return waited;
}

int mu_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len)
{
	int room = len ? before_send(conn) : 0;

	while (room == 0 && len) {
		ssize_t n = mu_try_sendfile(conn, fd, offset, len < TURN_BYTES ? len : TURN_BYTES);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n == 0) {
			errno = ENODATA;
			return -1;
		}
		if (n > 0) {
			offset += n;
			len -= (size_t)n;
		}
		if (len)
			room = mu_wait_room(conn);
	}
	return room;
}

int mu_shutdown(struct mu_conn *conn)
{
	return shutdown(conn->fd, SHUT_WR);
}

void mu_linger(struct mu_conn *conn)
{
	char dropped[4096];
	size_t total = 0;
	ssize_t n;

	if (shutdown(conn->fd, SHUT_WR) < 0)
		return;
	if (!conn->lingering)
		conn_set_limit(conn, MU_IDLE,
			       LINGER_MS); /* the answer was the end of the request */
	conn->lingering = true;
	if (conn->in)
		conn->in->start = conn->in->end;
	while (total < LINGER_BYTES && (n = receive_into(conn, dropped, sizeof(dropped))) > 0)
		total += (size_t)n;
}
