/* SPDX-License-Identifier: MIT */
/*
 * The lines that children write into the log. The loop reads them, no coroutine: a child writes when it likes, also while
 * the serve that started it waits for something else. A line is logged in one piece when its end has come, so those of
 * several children do not mix; what is too long for the log goes in pieces.
 *
 * A pipe ends with the last process that has it, which need not be the child: so what its lines are logged with is its own.
 */
#include "runtime/child.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE_MAX = 1500,         /* of a line, as the child wrote it */
	PIECE_TEXT_MAX = 1900,    /* as it is logged */
	LAST_BYTES = 1024 * 1024, /* read from a pipe at the child's end: more than a pipe holds */
	STOP_BYTES = 64 * 1024,   /* the same at the worker's end, which waits for nobody */
	LEFT_SPARE = 64 /* pipes of children that have ended: so many beside `connections` */
};

/* What a pipe has beside its struct mu_conn, which has a copy of the client's address. */
struct logged {
	struct child *child; /* NULL: it has ended, and somebody else has the pipe */
	char name[];
};

static struct logged *logged_of(const struct mu_conn *pipe)
{
	return (struct logged *)pipe->word;
}

static void log_piece(const struct mu_conn *pipe, const char *data, size_t len)
{
	const char *name = logged_of(pipe)->name;
	char text[PIECE_TEXT_MAX + 8], peer[SLOT_PEER_TEXT_MAX];
	size_t used = 0;

	/* The log shows other control bytes by itself; this one would end its text. */
	for (size_t i = 0; i < len && used < PIECE_TEXT_MAX; i++)
		if (data[i])
			text[used++] = data[i];
		else
			used += (size_t)snprintf(text + used, 5, "\\x00");
	text[used] = '\0';
	if (pipe->peer.family == AF_UNSPEC)
		log_notice("%s: %s", name, text);
	else
		log_notice("%s: %s: %s", slot_peer_text(&pipe->peer, peer), name, text);
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

static void log_one(const struct mu_conn *pipe, const char *data, size_t len)
{
	if (len && data[len - 1] == '\r')
		len--;
	while (len) {
		size_t piece = piece_len(data, len);

		log_piece(pipe, data, piece);
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
		log_one(pipe, data, (size_t)(newline - data));
		data = newline + 1;
	}
	if (all || end - data == BUFFER_SIZE) {
		log_one(pipe, data, (size_t)(end - data));
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

/* The child knows it no more. */
static void let_go(struct mu_conn *pipe)
{
	struct child *child = logged_of(pipe)->child;

	child->logged[child->logged[1] == pipe] = NULL;
	logged_of(pipe)->child = NULL;
}

static void forget_left(struct mu_worker *worker)
{
	worker->left--;
	worker->left_full = false;
}

static void close_pipe(struct mu_conn *pipe)
{
	struct mu_worker *worker = pipe->worker;

	log_lines(pipe, true);
	if (logged_of(pipe)->child)
		let_go(pipe);
	else
		forget_left(worker);
	worker->logged--;
	/* A child that a module has forked by itself may have it too: closing would not take it out of epoll. */
	epoll_ctl(worker->epoll, EPOLL_CTL_DEL, pipe->fd, NULL);
	fd_close(&pipe->fd);
	free(logged_of(pipe));
	conn_put(pipe);
}

static struct logged *logged_new(struct child *child)
{
	size_t size = strlen(child->name) + 1;
	struct logged *logged = malloc(sizeof(*logged) + size);

	if (!logged)
		return NULL;
	logged->child = child;
	memcpy(logged->name, child->name, size);
	return logged;
}

struct mu_conn *child_log_begin(struct child *child, int fd)
{
	struct mu_worker *worker = child->client->worker;
	struct logged *logged = logged_new(child);
	struct mu_conn *pipe = logged ? conn_take(worker, CONN_LOGGED) : NULL;
	/* Level-triggered: who writes without end has one turn of many. */
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = pipe };

	if (!pipe) {
		free(logged);
		fd_close(&fd);
		return NULL;
	}
	pipe->fd = fd;
	pipe->peer = child->client->peer;
	pipe->word = (uintptr_t)logged;
	if (conn_stop_blocking(child->client) < 0 ||
	    epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(logged);
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

/* What is there, up to so many bytes. True: somebody has the pipe still. */
static bool read_waiting(struct mu_conn *pipe, size_t most)
{
	size_t all = 0;
	ssize_t n;

	do {
		n = read_some(pipe);
		all += n > 0 ? (size_t)n : 0;
	} while (n > 0 && all < most);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Daemons that were started by programs stay for ever: they must not take the descriptors of clients. */
static bool may_stay(const struct mu_conn *pipe)
{
	const struct mu_worker *worker = pipe->worker;
	size_t most = worker->connections_max + LEFT_SPARE;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 < most)
		most = files.rlim_cur / 4;
	return worker->left < most;
}

static void log_full(const struct mu_conn *pipe)
{
	struct mu_worker *worker = pipe->worker;

	if (!worker->left_full)
		log_warning("%s has ended, and what it has left behind is not logged, as %zu "
			    "others are already: their standard error is still open",
			    logged_of(pipe)->name, worker->left);
	worker->left_full = true;
}

void child_log_end(struct mu_conn *pipe)
{
	if (!pipe)
		return;
	if (!read_waiting(pipe, LAST_BYTES)) {
		close_pipe(pipe);
	} else if (!may_stay(pipe)) {
		log_full(pipe);
		close_pipe(pipe);
	} else {
		/* Its last words need not end in a newline. */
		log_lines(pipe, true);
		let_go(pipe);
		pipe->worker->left++;
	}
}

static void stop(struct mu_conn *pipe)
{
	if (pipe->state != CONN_LOGGED)
		return;
	read_waiting(pipe, STOP_BYTES);
	close_pipe(pipe);
}

void child_log_stop(struct mu_worker *worker)
{
	if (worker->logged)
		memory_each_conn(worker, stop);
}
