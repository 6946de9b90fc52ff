/* SPDX-License-Identifier: MIT */
/*
 * A chat with rooms, in lines, among the clients of one worker. Two coroutines serve a client: one reads its lines,
 * the other writes what there is to tell it. Who does not read what it is told is sent away, and holds up nobody.
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

enum { NAME_LEN = 20, LINE_LEN = 400, QUEUE_SIZE = 16384, PACE_MS = 20 };

struct client {
	LIST_ENTRY(client) next;
	struct mu_conn *conn;
	struct chat *chat;
	char name[NAME_LEN + 1], room[NAME_LEN + 1];
	const char *end; /* why it must go, or NULL */
	size_t queued;   /* bytes of queue: what it is to be told */
	char queue[QUEUE_SIZE];
};

struct chat {
	LIST_HEAD(, client) clients;
	unsigned guests; /* so far */
};

enum whom { ME, ROOM };

/* A line for a client or its room. Waits for nothing, so nobody comes or goes meanwhile. */
MU_PRINTF(3, 4)
static void tell(const struct client *me, enum whom whom, const char *format, ...)
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
		if (whom == ME ? to != me : strcmp(to->room, me->room) != 0)
			continue;
		if (n > QUEUE_SIZE - to->queued) {
			to->end = "You do not read what you are told.";
		} else {
			memcpy(to->queue + to->queued, text, n);
			to->queued += n;
		}
		mu_notify(to->conn);
	}
}

static const struct client *find(const struct chat *chat, const char *name)
{
	const struct client *client;

	LIST_FOREACH (client, &chat->clients, next)
		if (strcmp(client->name, name) == 0)
			break;
	return client;
}

static void obey(struct client *me, char *line)
{
	char *name = line, *command = strsep(&name, " ");
	size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;
	const struct client *other;
	unsigned n = 0;

	if (strcmp(command, "/quit") == 0) {
		me->end = "Goodbye.";
	} else if (strcmp(command, "/who") == 0) {
		LIST_FOREACH (other, &me->chat->clients, next)
			if (++n < 100)
				tell(me, ME, "*** %s is in %s", other->name, other->room);
		tell(me, ME, "*** %u in all", n);
	} else if (len == 0 || len > NAME_LEN || name[len] ||
		   (strcmp(command, "/join") != 0 && strcmp(command, "/nick") != 0)) {
		tell(me, ME, "*** /nick NAME, /join ROOM, /who, /quit; names: a-z 0-9 _ -");
	} else if (strcmp(command, "/join") == 0) {
		tell(me, ROOM, "*** %s goes to %s", me->name, name);
		strcpy(me->room, name);
		tell(me, ROOM, "*** %s comes to %s", me->name, me->room);
	} else if (find(me->chat, name)) {
		tell(me, ME, "*** There is a %s already", name);
	} else {
		tell(me, ROOM, "*** %s is now %s", me->name, name);
		strcpy(me->name, name);
	}
}

/* The coroutine that reads. It ends with the client's input, or by mu_cancel. */
static void listen_to(struct mu_conn *conn, void *arg)
{
	struct client *me = arg;
	char text[LINE_LEN + 1], *line;
	ssize_t n;

	while (!me->end && (n = mu_readline(conn, &line)) > 0) {
		size_t len = 0;

		for (ssize_t i = 0; i < n && len < LINE_LEN; i++)
			if (!iscntrl((unsigned char)line[i])) /* could steer a terminal */
				text[len++] = line[i];
		text[len] = '\0';
		if (text[0] == '/')
			obey(me, text);
		else
			tell(me, ROOM, "%s: %s", me->name, text);
		/* The others have their turn to write; who pastes a book does not drown them. */
		if (mu_sleep(conn, PACE_MS) < 0)
			break;
	}
	if (!me->end)
		me->end = "Goodbye.";
	mu_notify(conn);
}

static int write_queue(struct client *me)
{
	while (me->queued) {
		ssize_t n = mu_try_write(me->conn, me->queue, me->queued, 0);

		if (n > 0)
			memmove(me->queue, me->queue + n, me->queued -= (size_t)n);
		else if (errno != EAGAIN || mu_wait_room(me->conn) < 0)
			return -1;
	}
	return 0;
}

static int serve(struct mu_conn *conn, void *state)
{
	struct client *me = mu_alloc(conn, sizeof(*me));

	if (!me)
		return MU_DONE;
	me->conn = conn;
	me->chat = state;
	strcpy(me->room, "lobby");
	/* Taken by nobody: /nick knows no capitals. */
	snprintf(me->name, sizeof(me->name), "Guest%u", ++me->chat->guests);
	LIST_INSERT_HEAD(&me->chat->clients, me, next);
	tell(me, ME, "*** Welcome, %s. Try /help", me->name);
	tell(me, ROOM, "*** %s comes to %s", me->name, me->room);
	if (mu_go(conn, listen_to, me) < 0)
		me->end = "There is no memory for you.";
	while (write_queue(me) == 0 && !me->end && mu_wait_notify(conn, -1) > 0)
		;
	mu_cancel(conn); /* listen_to, which may wait for a line */
	mu_join(conn);
	tell(me, ROOM, "*** %s has left", me->name);
	LIST_REMOVE(me, next);
	if (me->end && mu_printf(conn, "*** %s\r\n", me->end) == 0)
		mu_linger(conn); /* a close with lines unread would destroy it */
	return MU_DONE;
}

/* The worker is to end: those who sit and wait are told. */
static void drain(void *state)
{
	struct client *client;

	LIST_FOREACH (client, &((struct chat *)state)->clients, next) {
		client->end = "The server is being restarted.";
		mu_notify(client->conn);
	}
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
