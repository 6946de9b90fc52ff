/* SPDX-License-Identifier: MIT */
/* The clients of the control socket, as control.h says. */
#include "master/control.h"

#include "base/fd.h"
#include "base/log.h"
#include "master/saved.h"
#include "master/state.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT_AGAIN_MS = 1000, ACCEPTS_AT_ONCE = 4, UNREAD_MAX = 64 << 10 };

static const char *const words[] = {
	[CONTROL_OK] = "ok",
	[CONTROL_REFUSED] = "refused",
	[CONTROL_ERROR] = "error",
};

/* ------------------------------------------------------------------------------ one client ---- */

static void forget(struct control_client *client)
{
	struct loop *loop = &client->master->loop;

	loop_remove(loop, &client->source);
	deadline_clear(&loop->deadlines, &client->limit);
	fd_close(&client->fd);
	free(client->answer);
	client->answer = NULL;
	client->phase = CONTROL_FREE;
}

/* No more is said. Closing over what was not read would take the answer from the client. */
static void end_talk(int fd)
{
	char unread[4096];

	shutdown(fd, SHUT_WR);
	for (size_t n = 0; n < UNREAD_MAX; n += sizeof(unread)) {
		if (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
			break;
	}
}

static void on_limit(void *owner, int64_t now)
{
	struct control_client *client = owner;

	(void)now;
	log_warning("control: pid %d (uid %u) %s within %d s: it is left", (int)client->pid,
		    client->uid,
		    client->phase == CONTROL_READING ? "sent no request"
						     : "did not read its answer",
		    CONTROL_PATIENCE_MS / 1000);
	forget(client);
}

static void expect(struct control_client *client, enum control_phase phase, uint32_t events)
{
	struct loop *loop = &client->master->loop;

	client->phase = phase;
	if (phase == CONTROL_WAITING)
		deadline_clear(&loop->deadlines, &client->limit);
	else
		deadline_set(&loop->deadlines, &client->limit, loop->now + CONTROL_PATIENCE_MS);
	if (loop_change(loop, &client->source, events) < 0) {
		log_err("control: epoll_ctl: %s", strerror(errno));
		forget(client);
	}
}

/* As much of the answer as the client takes. */
static void send_answer(struct control_client *client)
{
	while (client->sent < client->len) {
		ssize_t n = send(client->fd, client->answer + client->sent,
				 client->len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			expect(client, CONTROL_ANSWERING, EPOLLOUT);
			return;
		}
		if (n < 0) {
			forget(client);
			return;
		}
		client->sent += (size_t)n;
	}
	end_talk(client->fd);
	forget(client);
}

static void answer(struct control_client *client, enum control_word word, const char *text)
{
	size_t end = strlen(text);
	int len = asprintf(&client->answer, "%s\n%s%s", words[word], text,
			   end && text[end - 1] != '\n' ? "\n" : "");

	if (len < 0) {
		client->answer = NULL;
		log_err("control: no memory for an answer");
		forget(client);
		return;
	}
	client->len = (size_t)len;
	client->sent = 0;
	send_answer(client);
}

/* ------------------------------------------------------------------------------- requests ---- */

/* True when the outcome of the request is known already. */
static bool run_request(struct control_client *client, const struct control_request *request,
			struct control_outcome *outcome)
{
	struct control_early *early = &client->master->control.early;
	bool known = true;

	early->asking = true;
	command_run(client->master, request, outcome);
	early->asking = false;
	if (outcome->waits && early->text && early->ticket == outcome->ticket) {
		outcome->word = early->ok ? CONTROL_OK : CONTROL_REFUSED;
		fputs(early->text, outcome->text);
	} else {
		known = !outcome->waits;
	}
	free(early->text);
	early->text = NULL;
	client->ticket = outcome->ticket;
	return known;
}

/* Its line is text, as it was understood. */
static void log_request(const struct control_client *client, bool query, const char *verdict)
{
	log_line(*verdict ? LOG_WARNING
		 : query  ? LOG_DEBUG
			  : LOG_NOTICE,
		 "control: %.*s, from pid %d (uid %u)%s", (int)strcspn(client->line, "\r\n"),
		 client->line, (int)client->pid, client->uid, verdict);
}

static void handle(struct control_client *client, const struct control_request *request)
{
	struct control_outcome outcome = { .word = CONTROL_OK };
	char *text = NULL;
	size_t len;
	bool known, query = control_request_is_query(request->kind);

	if (!client->allowed && !query) {
		log_request(client, query, ": refused, it may only ask");
		answer(client, CONTROL_REFUSED,
		       "only root, the user of the master, and owner and group of the control "
		       "socket may do this; others may ask `status`");
		return;
	}
	log_request(client, query, "");
	outcome.text = open_memstream(&text, &len);
	if (!outcome.text) {
		answer(client, CONTROL_REFUSED, "out of memory");
		return;
	}
	known = run_request(client, request, &outcome);
	if (fclose(outcome.text) < 0)
		answer(client, CONTROL_REFUSED, "out of memory");
	else if (known)
		answer(client, outcome.word, text);
	else
		expect(client, CONTROL_WAITING, 0); /* and so hear only of its going away */
	free(text);
}

static void take_line(struct control_client *client, size_t len)
{
	char reason[REQUEST_REASON_MAX];
	struct control_request request;

	if (control_request_parse(&request, client->line, len, reason)) {
		handle(client, &request);
		return;
	}
	log_warning("control: not a request: %.*s, from pid %d (uid %u)", (int)len, client->line,
		    (int)client->pid, client->uid);
	answer(client, CONTROL_ERROR, reason);
}

static void read_request(struct control_client *client)
{
	ssize_t n = recv(client->fd, client->line + client->got, REQUEST_LINE_MAX - client->got,
			 MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && client->got == 0)) {
		forget(client);
		return;
	}
	client->got += (size_t)n;
	client->line[client->got] = '\0';
	end = memchr(client->line, '\n', client->got);
	if (end)
		take_line(client, (size_t)(end - client->line));
	else if (n == 0 || client->got == REQUEST_LINE_MAX)
		take_line(client, client->got);
}

static void on_client(void *owner)
{
	struct control_client *client = owner;

	switch (client->phase) {
	case CONTROL_READING:
		read_request(client);
		break;
	case CONTROL_ANSWERING:
		send_answer(client);
		break;
	default:
		log_debug("control: pid %d has gone without waiting for its answer",
			  (int)client->pid);
		forget(client);
	}
}

void control_answer(struct master *master, unsigned ticket, bool ok, const char *text)
{
	struct control_early *early = &master->control.early;

	if (!ticket)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &master->control.client[i];

		if (client->phase == CONTROL_WAITING && client->ticket == ticket)
			answer(client, ok ? CONTROL_OK : CONTROL_REFUSED, text);
	}
	if (!early->asking)
		return;
	free(early->text);
	early->text = strdup(text);
	early->ticket = ticket;
	early->ok = ok;
}

/* ------------------------------------------------------------------------------ accepting ---- */

/* malloc'd; NULL: none, or unknown. */
static gid_t *groups_of(int fd, size_t *n_r)
{
	socklen_t len = 0;
	gid_t *group;

	*n_r = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return NULL;
	group = malloc(len);
	if (group && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &len) < 0) {
		free(group);
		group = NULL;
	}
	if (group)
		*n_r = len / sizeof(*group);
	return group;
}

static bool find_out_who(const struct master *master, int fd, struct control_peer *peer,
			 bool *allowed_r)
{
	const struct listener_options *options = &master->control.socket.options;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t *group;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	*peer = (struct control_peer){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
	group = groups_of(fd, &peer->groups);
	peer->group = group;
	*allowed_r = control_request_is_allowed(peer, geteuid(), options->owner, options->group);
	free(group);
	peer->group = NULL;
	return true;
}

/* A free place. Who may only ask gives way to who may do more. */
static struct control_client *find_place(struct control *control, bool allowed)
{
	struct control_client *other = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &control->client[i];

		if (client->phase == CONTROL_FREE)
			return client;
		if (!client->allowed)
			other = client;
	}
	if (!allowed || !other)
		return NULL;
	forget(other);
	return other;
}

static void take_client(struct master *master, int fd)
{
	static const char busy[] = "refused\nbusy: too many clients at once, try again\n";
	struct control_client *client;
	struct control_peer peer;
	bool allowed;

	if (!find_out_who(master, fd, &peer, &allowed)) {
		fd_close(&fd);
		return;
	}
	client = find_place(&master->control, allowed);
	if (!client) {
		log_warning("control: %d clients at once, pid %d (uid %u) is refused",
			    CONTROL_CLIENTS, (int)peer.pid, peer.uid);
		send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		end_talk(fd);
		fd_close(&fd);
		return;
	}
	client->pid = peer.pid;
	client->uid = peer.uid;
	client->allowed = allowed;
	client->ticket = 0;
	client->got = 0;
	if (loop_add(&master->loop, &client->source, fd, on_client, client) < 0) {
		log_err("control: epoll_ctl: %s", strerror(errno));
		fd_close(&fd);
		return;
	}
	client->fd = fd;
	expect(client, CONTROL_READING, EPOLLIN);
}

void control_adopt(struct master *master, const struct saved_client *saved)
{
	struct control_client *client = find_place(&master->control, true);
	enum control_phase phase = (enum control_phase)saved->phase;
	int fd = saved->fd;

	if (!client || loop_add(&master->loop, &client->source, fd, on_client, client) < 0) {
		fd_close(&fd);
		return;
	}
	client->fd = fd;
	client->pid = (pid_t)saved->pid;
	client->uid = (uid_t)saved->uid;
	client->allowed = saved->allowed;
	client->ticket = (unsigned)saved->ticket;
	client->got = strlcpy(client->line, saved->line, sizeof(client->line));
	if (client->got >= sizeof(client->line))
		client->got = sizeof(client->line) - 1;
	client->answer = phase == CONTROL_ANSWERING ? strdup(saved->answer) : NULL;
	client->len = client->answer ? strlen(client->answer) : 0;
	client->sent = 0;
	expect(client, phase,
	       phase == CONTROL_READING     ? EPOLLIN
	       : phase == CONTROL_ANSWERING ? EPOLLOUT
					    : 0);
}

static void watch(struct master *master);

static void on_again(void *owner, int64_t now)
{
	(void)now;
	watch(owner);
}

/* Level-triggered: without a descriptor to accept with we would be woken for ever. */
static void accept_later(struct master *master)
{
	struct control *control = &master->control;

	log_warning("control: cannot accept: %s", strerror(errno));
	loop_remove(&master->loop, &control->source);
	deadline_set(&master->loop.deadlines, &control->again, master->loop.now + ACCEPT_AGAIN_MS);
}

static void accept_clients(struct master *master, int most)
{
	for (int i = 0; i < most; i++) {
		int fd = accept4(master->control.socket.listener.fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_client(master, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			accept_later(master);
		return;
	}
}

/* Few in a turn: who has been answered by then has left its place to the next. */
static void on_connections(void *owner)
{
	accept_clients(owner, ACCEPTS_AT_ONCE);
}

static void watch(struct master *master)
{
	struct control *control = &master->control;

	if (control->socket.listener.fd >= 0 &&
	    loop_add(&master->loop, &control->source, control->socket.listener.fd, on_connections,
		     master) < 0)
		accept_later(master);
}

/* ----------------------------------------------------------------------------- the socket ---- */

void control_init(struct master *master)
{
	struct control *control = &master->control;

	*control = (struct control){ .socket = control_socket_none(), .source.fd = -1 };
	deadline_init(&control->again, on_again, master);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &control->client[i];

		client->master = master;
		client->fd = client->source.fd = -1;
		deadline_init(&client->limit, on_limit, client);
	}
}

static void stop_listening(struct master *master)
{
	struct control *control = &master->control;

	loop_remove(&master->loop, &control->source);
	deadline_clear(&master->loop.deadlines, &control->again);
	listener_close(&control->socket.listener);
}

/* What the end of the master cost. */
static void answer_stop(struct control_client *client)
{
	const struct master *master = client->master;
	char text[128];

	snprintf(text, sizeof(text), "stopped: %u connection%s cut, %u worker%s killed",
		 master->cut, plural(master->cut), master->killed, plural(master->killed));
	/* Who waits for our end is to see it when we have ended: not closed here. */
	if (asprintf(&client->answer, "%s\n%s\n", words[CONTROL_OK], text) >= 0)
		send(client->fd, client->answer, strlen(client->answer),
		     MSG_NOSIGNAL | MSG_DONTWAIT);
	client->fd = -1;
	forget(client);
}

void control_cleanup(struct master *master)
{
	struct control *control = &master->control;

	if (control->socket.listener.fd >= 0)
		stop_listening(master);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &control->client[i];

		if (client->phase == CONTROL_WAITING && !client->ticket)
			answer_stop(client);
		else if (client->phase == CONTROL_WAITING)
			answer(client, CONTROL_REFUSED, "the server has stopped");
		if (client->phase != CONTROL_FREE)
			forget(client);
	}
}

int control_adopt_socket(struct master *master, const struct saved_control *saved,
			 const struct conf_control *conf, char **error_r)
{
	struct control_socket *socket = &master->control.socket;

	if (control_socket_adopt(socket, saved->fd, conf, error_r) < 0)
		return -1;
	socket->listener.dev = (dev_t)saved->dev;
	socket->listener.ino = (ino_t)saved->ino;
	watch(master);
	return 0;
}

void control_commit(struct master *master, struct control_socket *new)
{
	struct control *control = &master->control;

	if (new->kept) {
		control->socket.options = new->options;
	} else {
		/* Those who have connected already are not left. */
		if (control->source.fd >= 0)
			accept_clients(master, CONTROL_BACKLOG);
		if (control->socket.listener.fd >= 0)
			stop_listening(master);
		control->socket = *new;
		watch(master);
	}
	*new = control_socket_none();
}
