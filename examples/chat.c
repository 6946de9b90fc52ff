/* SPDX-License-Identifier: MIT */
/*
 * A chat with rooms, in lines, among the clients of one worker. A coroutine reads a client's lines, another writes what
 * it is to be told; who does not read that is sent away, and holds up nobody.
 *
 *     handler module chat;  workers 1;  timeout { idle 1h }
 *
 * Build: cc -shared -fPIC -O2 $(pkg-config --cflags musterd) -o chat.so chat.c
 */
#include <musterd/module.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { NAME_LEN = 20, LINE_LEN = 400, QUEUE = 16384, WORD = 60, PACE_MS = 20, GRACE_MS = 5000 };

struct client {
	LIST_ENTRY(client) next;
	struct mu_conn *conn;
	struct chat *chat;
	char name[NAME_LEN + 1], room[NAME_LEN + 1];
	bool over, writing; /* it must go; write_queue runs */
	size_t queued;      /* bytes of queue: what it is to be told */
	char queue[QUEUE];
};

struct chat {
	LIST_HEAD(clients, client) clients;
	unsigned guests; /* so far; /nick knows no capitals, so that nobody has their names */
};

/* Has a client go once it was told why. There is room for that: see tell. */
static void dismiss(struct client *client, const char *why)
{
	if (client->over)
		return;
	client->over = true;
	client->queued += (size_t)sprintf(client->queue + client->queued, "*** %s\r\n", why);
	mu_notify(client->conn);
}

/* A line for a room, or for the client itself. Waits for nothing, so nobody comes or goes meanwhile. */
MU_PRINTF(3, 4)
static void tell(const struct client *me, const char *room, const char *format, ...)
{
	char text[LINE_LEN + 100];
	struct client *to;
	va_list args;
	size_t n;

	va_start(args, format);
	vsnprintf(text, sizeof(text) - 2, format, args);
	va_end(args);
	n = strlen(strcat(text, "\r\n"));
	LIST_FOREACH (to, &me->chat->clients, next) {
		if (to->over || (room ? strcmp(to->room, room) != 0 : to != me))
			continue;
		if (to->queued + n > QUEUE - WORD) {
			dismiss(to, "You do not read what you are told.");
		} else {
			memcpy(to->queue + to->queued, text, n);
			to->queued += n;
			mu_notify(to->conn);
		}
	}
}

static void obey(struct client *me, char *line)
{
	char *name = line, *command = strsep(&name, " ");
	size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;
	bool is_name = len > 0 && len <= NAME_LEN && !name[len], is_taken = false;
	const struct client *other;
	unsigned n = 0;

	LIST_FOREACH (other, &me->chat->clients, next)
		is_taken |= is_name && strcmp(other->name, name) == 0;
	if (strcmp(command, "/quit") == 0) {
		dismiss(me, "Goodbye.");
	} else if (strcmp(command, "/who") == 0) {
		LIST_FOREACH (other, &me->chat->clients, next)
			if (++n <= 100)
				tell(me, NULL, "*** %s is in %s", other->name, other->room);
		tell(me, NULL, "*** %u in all", n);
	} else if (strcmp(command, "/join") == 0 && is_name) {
		tell(me, me->room, "*** %s goes to %s", me->name, name);
		strcpy(me->room, name);
		tell(me, me->room, "*** %s comes to %s", me->name, name);
	} else if (strcmp(command, "/nick") == 0 && is_name && !is_taken) {
		tell(me, me->room, "*** %s is now %s", me->name, name);
		strcpy(me->name, name);
	} else {
		tell(me, NULL, is_taken ? "*** Taken." : "*** /nick NAME /join ROOM /who /quit");
	}
}

/* The coroutine that reads. It ends with the client's input, or by mu_cancel. */
static void listen_to(struct mu_conn *conn, void *arg)
{
	struct client *me = arg;
	char text[LINE_LEN + 1], *line;
	ssize_t n;

	/* Who pastes a book does not drown the others: between two lines they have their turn. */
	while (!me->over && (n = mu_readline(conn, &line)) > 0 && mu_sleep(conn, PACE_MS) == 0) {
		size_t len = 0;

		for (ssize_t i = 0; i < n && len < LINE_LEN; i++)
			if (!iscntrl((unsigned char)line[i])) /* could steer a terminal */
				text[len++] = line[i];
		text[len] = '\0';
		if (text[0] == '/')
			obey(me, text);
		else
			tell(me, me->room, "%s: %s", me->name, text);
	}
	dismiss(me, "Goodbye.");
}

/* The coroutine that writes, while there is something. */
static void write_queue(struct mu_conn *conn, void *arg)
{
	struct client *me = arg;

	me->writing = true;
	while (me->queued) {
		ssize_t n = mu_try_write(conn, me->queue, me->queued, 0);

		if (n > 0)
			memmove(me->queue, me->queue + n, me->queued -= (size_t)n);
		else if (errno != EAGAIN || mu_wait_room(conn) < 0) {
			me->over = true;
			me->queued = 0;
		}
	}
	me->writing = false;
	mu_notify(conn);
}

static int serve(struct mu_conn *conn, void *state)
{
	struct client *me = mu_alloc(conn, sizeof(*me));
	bool is_told;

	if (!me)
		return MU_DONE;
	me->conn = conn;
	me->chat = state;
	strcpy(me->room, "lobby");
	snprintf(me->name, sizeof(me->name), "Guest%u", ++me->chat->guests);
	LIST_INSERT_HEAD(&me->chat->clients, me, next);
	tell(me, NULL, "*** Welcome, %s. Try /help", me->name);
	tell(me, me->room, "*** %s comes to %s", me->name, me->room);
	if (mu_go(conn, listen_to, me) < 0)
		dismiss(me, "There is no room for you.");
	while (mu_wait_notify(conn, me->over ? GRACE_MS : -1) > 0 && !(me->over && !me->queued))
		if (me->queued && !me->writing)
			mu_go(conn, write_queue, me);
	LIST_REMOVE(me, next);
	tell(me, me->room, "*** %s has left", me->name);
	is_told = !me->queued;
	mu_cancel(conn); /* both coroutines, whatever they wait for */
	if (mu_join(conn) == 0 && is_told)
		mu_linger(conn); /* a close with lines unread would destroy the last word */
	return MU_DONE;
}

/* The worker is to end: those who sit and wait are told. */
static void drain(void *state)
{
	struct client *client;

	LIST_FOREACH (client, &((struct chat *)state)->clients, next)
		dismiss(client, "The server is being restarted.");
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	(void)worker;
	(void)config;
	*state = calloc(1, sizeof(struct chat));
	return *state ? 0 : -1;
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "chat",
	.help = "a chat with rooms among the clients of one worker",
	.start = start,
	.serve = serve,
	.stop = free,
	.drain = drain,
	.connections = 1000,
};
