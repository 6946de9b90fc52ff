/* SPDX-License-Identifier: MIT */
/* Connections of memory; see fake_conn.h. */
#include "fake_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_piece {
	struct fake_piece *next;
	max_align_t memory[];
};

void fake_conn_init(struct mu_conn *conn, struct mu_worker *worker)
{
	memset(conn, 0, sizeof *conn);
	conn->worker = worker;
	conn->write_room = SIZE_MAX;
}

static void free_pieces(struct mu_conn *conn)
{
	while (conn->pieces) {
		struct fake_piece *piece = conn->pieces;

		conn->pieces = piece->next;
		free(piece);
	}
}

void fake_conn_cleanup(struct mu_conn *conn)
{
	free_pieces(conn);
	free(conn->output);
	conn->output = NULL;
}

void fake_conn_say(struct mu_conn *conn, const char *text)
{
	conn->input = text;
	conn->input_len = strlen(text);
}

int fake_conn_serve(struct mu_conn *conn, const struct mu_module *module, void *state)
{
	int result = MU_PARKED;

	while (result == MU_PARKED) {
		if (conn->start == conn->end && mu_try_fill(conn) <= 0)
			return conn->ends ? MU_DONE : MU_PARKED;
		result = module->serve(conn, state);
		free_pieces(conn);
	}
	return result;
}

/* ---- reading ---- */

size_t mu_buffered(struct mu_conn *conn, const char **data_r)
{
	*data_r = conn->buffer + conn->start;
	return conn->end - conn->start;
}

size_t mu_buffer_size(struct mu_conn *conn)
{
	(void)conn;
	return FAKE_BUFFER;
}

ssize_t mu_try_fill(struct mu_conn *conn)
{
	size_t n = conn->input_len, room;

	memmove(conn->buffer, conn->buffer + conn->start, conn->end - conn->start);
	conn->end -= conn->start;
	conn->start = 0;
	room = FAKE_BUFFER - conn->end;
	if (!room) {
		errno = ENOBUFS;
		return -1;
	}
	conn->receives++;
	if (!n) {
		errno = EAGAIN;
		return conn->ends ? 0 : -1;
	}
	if (conn->step && n > conn->step)
		n = conn->step;
	if (n > room)
		n = room;
	memcpy(conn->buffer + conn->end, conn->input, n);
	conn->end += n;
	conn->input += n;
	conn->input_len -= n;
	return (ssize_t)n;
}

ssize_t mu_fill(struct mu_conn *conn)
{
	ssize_t n;

	if (conn->on_wait)
		conn->on_wait(conn);
	n = mu_try_fill(conn);
	if (n < 0 && errno == EAGAIN)
		errno = ETIMEDOUT;
	return n;
}

int mu_wait_input(struct mu_conn *conn, int64_t milliseconds)
{
	if (conn->on_wait)
		conn->on_wait(conn);
	if (conn->input_len || conn->ends)
		return 1;
	if (conn->silent) {
		conn->worker->waited_ms += milliseconds;
		return 0;
	}
	errno = ETIMEDOUT;
	return -1;
}

void mu_consume(struct mu_conn *conn, size_t n)
{
	if (n > conn->end - conn->start)
		abort();
	/* What was consumed must not be used any more. */
	memset(conn->buffer + conn->start, 0xdb, n);
	conn->start += n;
}

ssize_t mu_read(struct mu_conn *conn, void *data, size_t len)
{
	ssize_t n = 1;

	if (conn->start == conn->end)
		n = mu_fill(conn);
	if (n <= 0)
		return n;
	if (len > conn->end - conn->start)
		len = conn->end - conn->start;
	memcpy(data, conn->buffer + conn->start, len);
	conn->start += len;
	return (ssize_t)len;
}

ssize_t mu_readline(struct mu_conn *conn, char **line_r)
{
	for (;;) {
		char *line = conn->buffer + conn->start, *end;
		size_t len = conn->end - conn->start;
		ssize_t n;

		end = memchr(line, '\n', len);
		n = end ? 1 : mu_fill(conn);
		if (end || (n == 0 && len)) {
			*line_r = conn->buffer + conn->start;
			if (end)
				len = (size_t)(end + 1 - line);
			conn->start += len;
			return (ssize_t)len;
		}
		if (n <= 0)
			return n;
	}
}

/* ---- writing ---- */

/* How much memory is kept for so many bytes: twice as much each time, for a test may write megabytes in pieces. */
static size_t room_for(size_t len)
{
	size_t room = 4096;

	while (room < len)
		room *= 2;
	return room;
}

static char *grow_output(const struct mu_conn *conn, size_t len)
{
	size_t room = room_for(conn->output_len + len + 1);
	char *output = conn->output;

	if (!output || room != room_for(conn->output_len + 1))
		output = realloc(output, room);
	if (!output)
		abort();
	return output;
}

static ssize_t take(struct mu_conn *conn, const void *data, size_t len, unsigned flags)
{
	char *output;

	conn->sends++;
	if (conn->gone) {
		errno = ECONNRESET;
		return -1;
	}
	if (len > conn->write_room)
		len = conn->write_room;
	if (!len) {
		errno = EAGAIN;
		return -1;
	}
	output = grow_output(conn, len);
	memcpy(output + conn->output_len, data, len);
	conn->output = output;
	conn->output_len += len;
	conn->output[conn->output_len] = '\0';
	if (conn->write_room != SIZE_MAX)
		conn->write_room -= len;
	conn->more = flags & MU_MORE;
	return (ssize_t)len;
}

ssize_t mu_try_write(struct mu_conn *conn, const void *data, size_t len, unsigned flags)
{
	return take(conn, data, len, flags);
}

/* The client reads: there is room again, but for a few bytes at a time as before. */
static void wait_for_room(struct mu_conn *conn)
{
	if (conn->on_wait)
		conn->on_wait(conn);
	conn->write_room = 100;
}

static int write_all(struct mu_conn *conn, const char *data, size_t len, unsigned flags)
{
	while (len) {
		ssize_t n = take(conn, data, len, flags);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0) {
			wait_for_room(conn);
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int mu_write(struct mu_conn *conn, const void *data, size_t len)
{
	return write_all(conn, data, len, 0);
}

int mu_writev(struct mu_conn *conn, const struct iovec *piece, int n, unsigned flags)
{
	unsigned sends = conn->sends;

	for (int i = 0; i < n; i++)
		if (write_all(conn, piece[i].iov_base, piece[i].iov_len, flags) < 0)
			return -1;
	if (conn->write_room == SIZE_MAX)
		conn->sends = sends + 1;
	return 0;
}

int mu_printf(struct mu_conn *conn, const char *format, ...)
{
	char text[4097];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len >= (int)sizeof text) {
		errno = EMSGSIZE;
		return -1;
	}
	return mu_write(conn, text, (size_t)len);
}

ssize_t mu_try_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len)
{
	char *data;
	ssize_t n;

	/* No more is read than will be taken; a byte, to know the end of the file. */
	if (len > conn->write_room)
		len = conn->write_room ? conn->write_room : 1;
	data = malloc(len);
	if (!data)
		abort();
	n = pread(fd, data, len, offset);
	if (n > 0)
		n = take(conn, data, (size_t)n, 0);
	free(data);
	return n;
}

int mu_wait_room(struct mu_conn *conn)
{
	conn->room_waits++;
	if (conn->write_room != SIZE_MAX)
		wait_for_room(conn);
	if (!conn->gone)
		return 0;
	errno = ECONNRESET;
	return -1;
}

int mu_wait_output(struct mu_conn *conn, int64_t milliseconds)
{
	(void)milliseconds;
	if (conn->stuck)
		return 0;
	return mu_wait_room(conn) < 0 ? -1 : 1;
}

int mu_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len)
{
	char data[4096];

	while (len) {
		ssize_t n = pread(fd, data, len < sizeof data ? len : sizeof data, offset);

		if (conn->on_wait)
			conn->on_wait(conn);
		if (n < 0)
			return -1;
		if (n == 0) {
			errno = ENODATA;
			return -1;
		}
		if (write_all(conn, data, (size_t)n, 0) < 0)
			return -1;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int mu_shutdown(struct mu_conn *conn)
{
	conn->shut = true;
	return 0;
}

void mu_linger(struct mu_conn *conn)
{
	conn->shut = true;
	conn->lingered = true;
	conn->start = conn->end = 0;
	conn->input_len = 0;
}

/* ---- life ---- */

int mu_park(struct mu_conn *conn)
{
	conn->parks++;
	return MU_PARKED;
}

void mu_set_word(struct mu_conn *conn, uintptr_t word)
{
	conn->word = word;
}

uintptr_t mu_word(const struct mu_conn *conn)
{
	return conn->word;
}

int mu_sleep(struct mu_conn *conn, int64_t milliseconds)
{
	(void)milliseconds;
	if (conn->on_wait)
		conn->on_wait(conn);
	return 0;
}

void mu_set_limit(struct mu_conn *conn, enum mu_limit limit)
{
	conn->limit = limit;
}

void mu_count_request(struct mu_conn *conn)
{
	conn->requests++;
}

bool mu_draining(const struct mu_conn *conn)
{
	return conn->draining;
}

bool mu_is_ready(const struct mu_worker *worker)
{
	return !worker->closing;
}

void *mu_alloc(struct mu_conn *conn, size_t size)
{
	struct fake_piece *piece = calloc(1, sizeof *piece + size);

	if (!piece)
		return NULL;
	piece->next = conn->pieces;
	conn->pieces = piece;
	return piece->memory;
}

/* ---- tasks and the client half ---- */

int mu_go(struct mu_conn *conn, void (*task)(struct mu_conn *conn, void *arg), void *arg)
{
	task(conn, arg);
	return 0;
}

int mu_join(struct mu_conn *conn)
{
	(void)conn;
	return 0;
}

void mu_cancel(struct mu_conn *conn)
{
	(void)conn;
}

int mu_background(struct mu_worker *worker, void (*task)(struct mu_conn *conn, void *arg),
		  void *arg)
{
	(void)worker;
	(void)task;
	(void)arg;
	return 0;
}

struct mu_conn *mu_connect(struct mu_conn *conn, const char *address, int64_t milliseconds)
{
	struct mu_worker *worker = conn->worker;
	size_t i = worker->connects++;

	(void)milliseconds;
	if (i < FAKE_SERVERS)
		snprintf(worker->connected[i], sizeof worker->connected[i], "%s", address);
	if (i < worker->servers && worker->server[i])
		return worker->server[i];
	errno = ECONNREFUSED;
	return NULL;
}

void mu_close(struct mu_conn *other)
{
	if (other->closed || other->rests)
		abort();
	other->closed = true;
}

/* There are no programs here; a test that is about them has these itself. */
__attribute__((__weak__)) struct mu_child *mu_spawn(struct mu_conn *conn,
						    const struct mu_command *command)
{
	(void)conn;
	(void)command;
	errno = ENOENT;
	return NULL;
}

__attribute__((__weak__)) int mu_wait_child(struct mu_conn *conn, struct mu_child *child,
					    int64_t milliseconds, int *status_r)
{
	(void)conn;
	(void)child;
	(void)milliseconds;
	(void)status_r;
	abort();
}

__attribute__((__weak__)) void mu_signal_child(struct mu_child *child, int signal, bool group)
{
	(void)child;
	(void)signal;
	(void)group;
	abort();
}

struct mu_pool {
	struct mu_conn *newest;
};

/* One of a test is never freed: there is nobody to tell that the worker has ended. */

struct mu_pool *mu_pool_new(struct mu_worker *worker, size_t max, int64_t idle_ms)
{
	static struct mu_pool pools[FAKE_SERVERS];
	static size_t n;

	(void)worker;
	(void)max;
	(void)idle_ms;
	pools[n %= FAKE_SERVERS].newest = NULL;
	return &pools[n++];
}

int mu_pool_put(struct mu_pool *pool, struct mu_conn *other)
{
	if (other->closed || other->rests)
		abort();
	if (other->start < other->end) {
		other->closed = true;
		errno = ENOTCONN;
		return -1;
	}
	other->rests = true;
	pool->newest = other;
	return 0;
}

struct mu_conn *mu_pool_take(struct mu_pool *pool, struct mu_conn *conn)
{
	struct mu_conn *resting = pool->newest;

	(void)conn;
	pool->newest = NULL;
	if (resting)
		resting->rests = false;
	else
		errno = ENOENT;
	return resting;
}

/* ---- what is known ---- */

const char *mu_peer(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX])
{
	(void)conn;
	snprintf(buffer, MU_ADDRESS_MAX, "192.0.2.1:4711");
	return buffer;
}

const char *mu_local(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX])
{
	(void)conn;
	snprintf(buffer, MU_ADDRESS_MAX, "192.0.2.2:80");
	return buffer;
}

socklen_t mu_local_address(const struct mu_conn *conn, struct sockaddr_storage *address_r)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address_r;

	(void)conn;
	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(80) };
	in->sin_addr.s_addr = htonl(0xc0000202);
	return sizeof(*in);
}

socklen_t mu_peer_address(const struct mu_conn *conn, struct sockaddr_storage *address_r)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address_r;

	*address_r = conn->peer;
	switch (conn->peer.ss_family) {
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	case AF_UNIX:
		return sizeof(sa_family_t);
	case AF_UNSPEC:
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(4711) };
		in->sin_addr.s_addr = htonl(0xc0000201);
		break;
	}
	return sizeof(*in);
}

int64_t mu_now_ms(const struct mu_worker *worker)
{
	return worker->time * 1000 + worker->waited_ms;
}

int64_t mu_time(const struct mu_worker *worker)
{
	return worker->time;
}

struct mu_worker *mu_worker_of(const struct mu_conn *conn)
{
	return conn->worker;
}

const char *mu_service_name(const struct mu_worker *worker)
{
	(void)worker;
	return "fake";
}

int mu_worker_number(const struct mu_worker *worker)
{
	(void)worker;
	return 1;
}

int mu_worker_connections(const struct mu_worker *worker)
{
	return worker->connections;
}

/* ---- what is written ---- */

int mu_output(struct mu_worker *worker, const char *path)
{
	if (path && worker->output > 0)
		return worker->output;
	errno = EINVAL;
	return -1;
}

void mu_wake_after(struct mu_worker *worker, int64_t milliseconds)
{
	worker->wakes++;
	worker->wake_after = milliseconds;
}

/* ---- the log ---- */

MU_PRINTF(2, 0) static void add_line(struct mu_worker *worker, const char *format, va_list args)
{
	size_t len = strlen(worker->log);

	vsnprintf(worker->log + len, sizeof worker->log - len, format, args);
	len = strlen(worker->log);
	snprintf(worker->log + len, sizeof worker->log - len, "\n");
}

void mu_log(struct mu_conn *conn, enum mu_level level, const char *format, ...)
{
	va_list args;

	(void)level;
	va_start(args, format);
	add_line(conn->worker, format, args);
	va_end(args);
}

void mu_worker_log(struct mu_worker *worker, enum mu_level level, const char *format, ...)
{
	va_list args;

	(void)level;
	va_start(args, format);
	add_line(worker, format, args);
	va_end(args);
}

MU_PRINTF(3, 0)
static void add_error(struct mu_report *report, const char *what, const char *format, va_list args)
{
	size_t len = strlen(report->text);

	snprintf(report->text + len, sizeof report->text - len, "%s: ", what);
	len = strlen(report->text);
	vsnprintf(report->text + len, sizeof report->text - len, format, args);
	len = strlen(report->text);
	snprintf(report->text + len, sizeof report->text - len, "\n");
}

const char *mu_chroot(const struct mu_report *report)
{
	return report->chroot;
}

void mu_error(struct mu_report *report, const char *directive, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_error(report, directive ? directive : "handler", format, args);
	va_end(args);
}

void mu_error_at(struct mu_report *report, const void *item, const char *directive,
		 const char *format, ...)
{
	va_list args;

	(void)item;
	va_start(args, format);
	add_error(report, directive ? directive : "block", format, args);
	va_end(args);
}

void mu_error_word(struct mu_report *report, const char *word, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_error(report, word, format, args);
	va_end(args);
}
