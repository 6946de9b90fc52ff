/* SPDX-License-Identifier: MIT */
/* The client of the control socket, as client.h says. */
#include "client/client.h"

#include "base/fd.h"
#include "config/config.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CONNECT_LIMIT_S = 30, /* a master that turns accepts at once */
	ANSWER_LIMIT_S = 10   /* what it answers at once; who asks may be a person */
};

struct reply {
	char *text;
	size_t len, room;
};

/* -------------------------------------------------------------------------- finding the master ---- */

/* malloc'd; NULL after saying why not. */
static char *find_socket(const struct client_options *options)
{
	const char *conf = options->conf_path;
	char *path;

	if (options->socket_path)
		return strdup(options->socket_path);
	if (access(conf, R_OK) < 0) {
		fprintf(stderr,
			"musterd: %s: %s: name the configuration with -c, or the control "
			"socket with -s\n",
			conf, strerror(errno));
		return NULL;
	}
	path = config_control_path(conf);
	if (!path)
		fprintf(stderr,
			"musterd: %s has no `control { path ... }` that can be read: add one and "
			"reload musterd with SIGHUP, or name the control socket with -s\n",
			conf);
	return path;
}

static void set_limit(int fd, int option, int limit)
{
	struct timeval time = { .tv_sec = limit };

	setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

static enum client_status say_why_not(const struct client_options *options, const char *path,
				      int code)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		fprintf(stderr,
			"musterd: not running: there is no control socket %s. Start it "
			"(systemctl start musterd, or musterd -d)\n",
			path);
		if (!options->socket_path)
			fprintf(stderr,
				"musterd: if it runs: has `control` in %s been changed since it "
				"was "
				"loaded? Then name the old socket with -s\n",
				options->conf_path);
		return CLIENT_NOT_RUNNING;
	case ECONNREFUSED:
		fprintf(stderr,
			"musterd: not running: nobody answers at %s, which an earlier one "
			"left. Start it (systemctl start musterd, or musterd -d)\n",
			path);
		return CLIENT_NOT_RUNNING;
	case EAGAIN:
		fprintf(stderr, "musterd: nobody answers at %s for %d s: is the master stopped?\n",
			path, CONNECT_LIMIT_S);
		return CLIENT_NOT_RUNNING;
	case EACCES:
	case EPERM:
		fprintf(stderr,
			"musterd: you may not use %s: be root, or one whom `control { owner; "
			"group; mode }` names\n",
			path);
		return CLIENT_REFUSED;
	default:
		fprintf(stderr, "musterd: %s: %s\n", path, strerror(code));
		return CLIENT_NOT_RUNNING;
	}
}

/* The descriptor, or -1 after saying why not. */
static int connect_to(const struct client_options *options, const char *path,
		      enum client_status *status_r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	*status_r = CLIENT_USAGE;
	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
		fprintf(stderr, "musterd: %s is longer than the path of a socket may be\n", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		set_limit(fd, SO_SNDTIMEO, CONNECT_LIMIT_S);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
	}
	*status_r = say_why_not(options, path, errno);
	fd_close(&fd);
	return -1;
}

/* ---------------------------------------------------------------------------------- the talk ---- */

static int send_request(int fd, const char *request)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "%s\n", request);

	if (len >= (int)sizeof(line)) {
		errno = EMSGSIZE;
		return -1;
	}
	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

/* Until the end of the stream. 0, or -1 with errno. */
static int read_reply(int fd, struct reply *reply)
{
	for (;;) {
		ssize_t n;

		if (reply->room - reply->len < 2) {
			size_t room = reply->room ? reply->room * 2 : 4096;
			char *text = realloc(reply->text, room);

			if (!text)
				return -1;
			reply->text = text;
			reply->text[reply->len] = '\0';
			reply->room = room;
		}
		n = recv(fd, reply->text + reply->len, reply->room - reply->len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		reply->len += (size_t)n;
		reply->text[reply->len] = '\0';
		if (n == 0)
			return 0;
	}
}

/* A terminal is to show what was said, not to obey it. */
static void print(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		fputc((c < ' ' && c != '\n' && c != '\t') || c == 127 ? '?' : c, out);
	}
}

static enum client_status judge(const struct client_options *options, const struct reply *reply)
{
	const char *rest = strchr(reply->text, '\n');
	size_t word = strcspn(reply->text, " \n");

	if (rest && word == 2 && strncmp(reply->text, "ok", word) == 0) {
		print(rest + 1, stdout);
		return CLIENT_OK;
	}
	if (rest && word == 7 && strncmp(reply->text, "refused", word) == 0) {
		fprintf(stderr, "musterd: %s refused: ", options->request);
		print(rest + 1, stderr);
		return CLIENT_REFUSED;
	}
	if (rest && word == 5 && strncmp(reply->text, "error", word) == 0) {
		fprintf(stderr, "musterd: %s: ", options->request);
		print(rest + 1, stderr);
		return CLIENT_USAGE;
	}
	fprintf(stderr, "musterd: the connection ended without an answer: the master has died; its "
			"log says more\n");
	return CLIENT_NOT_RUNNING;
}

static enum client_status talk(const struct client_options *options, const char *path, int fd)
{
	struct reply reply = { 0 };
	enum client_status status = CLIENT_NOT_RUNNING;
	int result;

	if (options->at_once)
		set_limit(fd, SO_RCVTIMEO, ANSWER_LIMIT_S);
	/* Who is refused at once has its answer, even if it could say nothing. */
	if (send_request(fd, options->request) < 0 && errno != EPIPE && errno != ECONNRESET) {
		fprintf(stderr, "musterd: %s: %s\n", path, strerror(errno));
		return CLIENT_USAGE;
	}
	result = read_reply(fd, &reply);
	/* A reset may follow an answer: the master has not read all that we sent. */
	if (result < 0 && errno == EAGAIN)
		fprintf(stderr,
			"musterd: the master at %s did not answer for %d s: is it stopped?\n", path,
			ANSWER_LIMIT_S);
	else if (result < 0 && errno != ECONNRESET)
		fprintf(stderr, "musterd: %s: %s\n", path, strerror(errno));
	else if (reply.text)
		status = judge(options, &reply);
	free(reply.text);
	return status;
}

enum client_status client_run(const struct client_options *options)
{
	enum client_status status = CLIENT_USAGE;
	char *path = find_socket(options);
	int fd;

	if (!path)
		return status;
	fd = connect_to(options, path, &status);
	if (fd >= 0)
		status = talk(options, path, fd);
	fd_close(&fd);
	free(path);
	return status;
}
