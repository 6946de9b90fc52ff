/* SPDX-License-Identifier: MIT */
/*
 * The lines that children write into the log. The loop reads them, no coroutine: a child writes when it likes, also while
 * the serve that started it waits for something else. A line is logged in one piece when its end has come, so those of
 * several children do not mix; what is too long for the log goes in pieces.
 */
#include "runtime/child.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE_MAX = 1500,        /* of a line, as the child wrote it */
	PIECE_TEXT_MAX = 1900,   /* as it is logged */
	LAST_BYTES = 1024 * 1024 /* read from a pipe at the child's end: more than a pipe holds */
};

static struct child *child_of(const struct mu_conn *pipe)
{
	return (struct child *)pipe->word;
}

static void log_piece(const struct child *child, const char *data, size_t len)
{
	char text[PIECE_TEXT_MAX + 8];
	size_t used = 0;

	/* The log shows other control bytes by itself; this one would end its text. */
	for (size_t i = 0; i < len && used < PIECE_TEXT_MAX; i++)
		if (data[i])
			text[used++] = data[i];
		else
			used += (size_t)snprintf(text + used, 5, "\\x00");
	text[used] = '\0';
	if (child->client->peer.family == AF_UNSPEC)
		log_notice("%s: %s", child->name, text);
	else
		mu_log(child->client, MU_NOTICE, "%s: %s", child->name, text);
}

/* How much of what is longer fits into one line of the log, not cut within a UTF-8 character. */
static size_t piece_len(const char *data, size_t len)
{
	size_t most = 0, room = PIECE_TEXT_MAX;

	while (most < len && most < PIECE_MAX && room >= 4)
		room -= data[most++] ? 1 : 4;
	if (most == len)
		return len;
	for (size_t back = 0; back < 3 && back < most; back++)
		if (((unsigned char)data[most - back] & 0xc0) != 0x80)
			return most - back;
	return most;
}

static void log_one(const struct child *child, const char *data, size_t len)
{
	if (len && data[len - 1] == '\r')
		len--;
	while (len) {
		size_t piece = piece_len(data, len);

		log_piece(child, data, piece);
		data += piece;
		len -= piece;
	}
}

/* Logs whole lines, or (all) what is there; the rest moves to the front, for what will follow it. */
static void log_lines(struct mu_conn *pipe, bool all)
{
	struct buffer *in = pipe->in;
	const char *data, *end, *newline;

	if (!in)
		return;
	data = in->data;
	end = in->data + in->end;
	while ((newline = memchr(data, '\n', (size_t)(end - data)))) {
		log_one(child_of(pipe), data, (size_t)(newline - data));
		data = newline + 1;
	}
	if (all || end - data == BUFFER_SIZE) {
		log_one(child_of(pipe), data, (size_t)(end - data));
		data = end;
	}
	in->end = (uint32_t)(end - data);
	memmove(in->data, data, in->end);
	if (!in->end)
		memory_put_buffer(pipe);
}

/* Once. Count, 0 at the end, -1 with EAGAIN or another errno. */
static ssize_t read_some(struct mu_conn *pipe)
{
	struct buffer *in;
	ssize_t n;

	if (!pipe->in && memory_take_buffer(pipe) < 0)
		return -1;
	in = pipe->in;
	do
		n = read(pipe->fd, in->data + in->end, BUFFER_SIZE - in->end);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		in->end += (uint32_t)n;
	log_lines(pipe, n == 0);
	return n;
}

static void close_pipe(struct mu_conn *pipe)
{
	struct child *child = child_of(pipe);

	log_lines(pipe, true);
	child->logged[child->logged[1] == pipe] = NULL;
	pipe->worker->logged--;
	fd_close(&pipe->fd);
	conn_put(pipe);
}

struct mu_conn *child_log_begin(struct child *child, int fd)
{
	struct mu_worker *worker = child->client->worker;
	struct mu_conn *pipe = conn_take(worker, CONN_LOGGED);
	/* Level-triggered: who writes without end has one turn of many. */
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = pipe };

	if (!pipe) {
		fd_close(&fd);
		return NULL;
	}
	pipe->fd = fd;
	pipe->parent = child->client;
	pipe->word = (uintptr_t)child;
	if (conn_stop_blocking(child->client) < 0 ||
	    epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		fd_close(&pipe->fd);
		conn_put(pipe);
		return NULL;
	}
	pipe->watched = true;
	worker->logged++;
	return pipe;
}

void child_log_event(struct mu_conn *pipe)
{
	ssize_t n = read_some(pipe);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		close_pipe(pipe);
}

void child_log_end(struct mu_conn *pipe)
{
	ssize_t n = 1;

	if (!pipe)
		return;
	for (size_t all = 0; n > 0 && all < LAST_BYTES; all += (size_t)n) {
		n = read_some(pipe);
		if (n < 0)
			break;
	}
	close_pipe(pipe);
}
