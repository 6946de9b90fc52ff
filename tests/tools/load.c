/* SPDX-License-Identifier: MIT */
/*
 * A verifying HTTP load, for the tests that change a server under it. Some clients keep their connection
 * and reconnect only after an announced `Connection: close`, others use a connection per request. Every
 * response must be a whole 200 whose body is, byte for byte, one of the files given.
 * Everything else is a failure and is counted with its reason: refused, reset, closed without an
 * answer, closed in the middle, closed though keep-alive was promised, wrong bytes, no answer in time.
 *
 * load [-k KEEP-ALIVE CLIENTS] [-c CONNECTION-PER-REQUEST CLIENTS] [-t SECONDS] [-n REQUESTS]
 *      [-w MILLISECONDS BETWEEN REQUESTS] [-p PATH] [-v] -b BODY-FILE [-b BODY-FILE ...]
 *      ADDRESS PORT | SOCKET-FILE
 *
 * Runs until SIGTERM, or for the time or number of requests given; requests under way are finished.
 * Prints "running" after the first good response of every client, one JSON line at the end; status 1 if
 * anything failed or nothing was asked. The first failures of each kind are told on standard error; with
 * -v all are, each as a line of JSON that names the connection. Used by tests/system and bench.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BODIES_MAX = 16, HEADER_MAX = 8192, EVENTS = 256, ANSWER_LIMIT_MS = 20000, TICK_MS = 1 };

enum reason {
	REFUSED,
	RESET,
	CLOSED_WITHOUT_ANSWER,
	CLOSED_INSIDE_ANSWER,
	CLOSED_UNANNOUNCED,
	BAD_HEADER,
	BAD_STATUS,
	WRONG_BYTES,
	TIMED_OUT,
	SYSTEM,
	REASONS
};

static const char *const reason_name[REASONS] = {
	[REFUSED] = "refused",
	[RESET] = "reset",
	[CLOSED_WITHOUT_ANSWER] = "closed without an answer",
	[CLOSED_INSIDE_ANSWER] = "closed inside an answer",
	[CLOSED_UNANNOUNCED] = "closed without announcement",
	[BAD_HEADER] = "bad header",
	[BAD_STATUS] = "bad status",
	[WRONG_BYTES] = "wrong bytes",
	[TIMED_OUT] = "timed out",
	[SYSTEM] = "system",
};

enum state {
	RESTING, /* no connection, or an idle one; goes on at `due` */
	CONNECTING,
	AWAITING /* the request is sent, the answer is not whole */
};

struct client {
	enum state state;
	bool keep_alive, answered;  /* answered: at least once, ever */
	int fd;                     /* -1: none */
	int port;                   /* our end's, of TCP */
	int64_t opened;             /* the connection, or the last one */
	int64_t asked;              /* when the request under way began, its connect included */
	int64_t due;                /* RESTING: when to go on; else: when to give up */
	size_t have, header, total; /* of the response; header 0: not complete */
	bool announced_close;
	char *response;
};

struct body {
	char *data;
	size_t len;
	unsigned long seen;
};

struct load {
	int epoll;
	struct sockaddr_storage to;
	socklen_t to_len;
	struct body body[BODIES_MAX];
	size_t bodies, largest;
	struct client *client;
	int keep_alive, per_request, clients, answered;
	const char *path;
	unsigned long limit; /* of requests; 0: none */
	int64_t pause_ms, until;
	bool stopping, tell_all;
	unsigned long slowest; /* ms from the start of a request to the end of its answer */
	unsigned long started, requests, connects, announced, failure[REASONS];
};

static volatile sig_atomic_t told_to_stop;

static void handle_term(int signal)
{
	(void)signal;
	told_to_stop = 1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void rest(struct load *load, struct client *client)
{
	client->state = RESTING;
	client->due = now_ms() + load->pause_ms;
}

static void drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* What tells the connection from all others: a TCP port of ours, the inode of a Unix socket. */
static void tell_failure(const struct client *client, const char *reason)
{
	struct stat st = { 0 };

	if (client->fd >= 0)
		fstat(client->fd, &st);
	fprintf(stderr,
		"{\"failure\": \"%s\", \"client\": \"%s\", \"port\": %d, \"inode\": %ju, "
		"\"opened\": %.3f, \"failed\": %.3f, \"got\": %zu}\n",
		reason, client->keep_alive ? "keep-alive" : "per-request", client->port,
		(uintmax_t)st.st_ino, (double)client->opened / 1000, (double)now_ms() / 1000,
		client->have);
}

static void fail(struct load *load, struct client *client, enum reason reason)
{
	load->failure[reason]++;
	if (load->tell_all)
		tell_failure(client, reason_name[reason]);
	else if (load->failure[reason] <= 3)
		warnx("%s client: %s (%s), %zu bytes of the answer so far",
		      client->keep_alive ? "keep-alive" : "per-request", reason_name[reason],
		      strerror(errno), client->have);
	drop(client);
	rest(load, client);
}

static void send_request(struct load *load, struct client *client)
{
	char request[1024];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: load\r\n%s\r\n",
			   load->path, client->keep_alive ? "" : "Connection: close\r\n");

	client->state = AWAITING;
	client->have = client->header = client->total = 0;
	client->announced_close = false;
	client->due = now_ms() + ANSWER_LIMIT_MS;
	if (send(client->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
		fail(load, client, errno == EPIPE ? CLOSED_UNANNOUNCED : RESET);
}

static int own_port(int fd)
{
	struct sockaddr_in6 own = { 0 }; /* the port stands where sockaddr_in has it */
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0 || own.sin6_family == AF_UNIX)
		return 0;
	return ntohs(own.sin6_port);
}

static void open_connection(struct load *load, struct client *client)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client };
	int yes = 1;

	client->have = 0;
	client->port = 0;
	client->opened = now_ms();
	client->fd = socket(load->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0 || epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) {
		fail(load, client, SYSTEM);
		return;
	}
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	load->connects++;
	client->state = CONNECTING;
	client->due = now_ms() + ANSWER_LIMIT_MS;
	if (connect(client->fd, (struct sockaddr *)&load->to, load->to_len) < 0 &&
	    errno != EINPROGRESS)
		fail(load, client, errno == ECONNREFUSED ? REFUSED : SYSTEM);
	else
		client->port = own_port(client->fd);
}

static void begin_request(struct load *load, struct client *client)
{
	load->started++;
	client->asked = now_ms();
	if (client->fd >= 0)
		send_request(load, client);
	else
		open_connection(load, client);
}

/* Case-insensitive search for a header's value in the NUL-terminated header; NULL: not there. */
static const char *header_value(const char *header, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(header, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 2 + len + 1 + strspn(line + 2 + len + 1, " \t");
	return NULL;
}

/* Looks for the end of the header. False: it failed. */
static bool parse_header(struct load *load, struct client *client)
{
	char *end, *after;
	const char *value;

	client->response[client->have] = 0;
	end = strstr(client->response, "\r\n\r\n");
	if (!end) {
		if (client->have < HEADER_MAX)
			return true;
		fail(load, client, BAD_HEADER);
		return false;
	}
	end[2] = 0;
	client->header = (size_t)(end + 4 - client->response);
	value = header_value(client->response, "Connection");
	client->announced_close = value && strncasecmp(value, "close", 5) == 0;
	value = header_value(client->response, "Content-Length");
	client->total = client->header + (value ? strtoull(value, &after, 10) : 0);
	if (strncmp(client->response, "HTTP/1.1 200 ", 13) != 0) {
		fprintf(stderr, "load: %.*s\n", (int)strcspn(client->response, "\r\n"),
			client->response);
		fail(load, client, BAD_STATUS);
		return false;
	}
	if (!value || after == value || *after != '\r') {
		fail(load, client, BAD_HEADER);
		return false;
	}
	if (client->total - client->header > load->largest) {
		fail(load, client, WRONG_BYTES);
		return false;
	}
	return true;
}

static bool is_allowed(struct load *load, const char *data, size_t len)
{
	for (size_t i = 0; i < load->bodies; i++) {
		struct body *body = &load->body[i];

		if (body->len == len && memcmp(body->data, data, len) == 0) {
			body->seen++;
			return true;
		}
	}
	return false;
}

static void say_running(struct load *load, struct client *client)
{
	if (client->answered)
		return;
	client->answered = true;
	if (++load->answered == load->clients) {
		printf("running\n");
		fflush(stdout);
	}
}

static void finish_request(struct load *load, struct client *client)
{
	unsigned long took;

	if (client->have > client->total ||
	    !is_allowed(load, client->response + client->header, client->total - client->header)) {
		fail(load, client, WRONG_BYTES);
		return;
	}
	load->requests++;
	took = (unsigned long)(now_ms() - client->asked);
	load->slowest = took > load->slowest ? took : load->slowest;
	client->have = 0;
	say_running(load, client);
	if (client->announced_close && client->keep_alive)
		load->announced++;
	if (client->announced_close || !client->keep_alive)
		drop(client);
	rest(load, client);
}

static enum reason reason_of_end(const struct client *client, bool reset)
{
	if (client->have > 0)
		return CLOSED_INSIDE_ANSWER;
	if (client->state == RESTING)
		return CLOSED_UNANNOUNCED;
	return reset ? RESET : CLOSED_WITHOUT_ANSWER;
}

/* All that has arrived. A resting client that reads anything was closed, or got what it never asked for. */
static void read_answer(struct load *load, struct client *client)
{
	while (client->fd >= 0) {
		size_t room = HEADER_MAX + load->largest - client->have;
		ssize_t n = recv(client->fd, client->response + client->have, room, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fail(load, client, reason_of_end(client, n < 0));
			return;
		}
		if (client->state == RESTING) {
			fail(load, client, WRONG_BYTES);
			return;
		}
		client->have += (size_t)n;
		if (client->header == 0 && !parse_header(load, client))
			return;
		if (client->header > 0 && client->have >= client->total)
			finish_request(load, client);
	}
}

static void on_event(struct load *load, struct client *client)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (client->fd < 0)
		return; /* the rest of a batch in which it was closed */
	if (client->state == CONNECTING) {
		getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		errno = error;
		if (error)
			fail(load, client, error == ECONNREFUSED ? REFUSED : RESET);
		else
			send_request(load, client);
	}
	if (client->fd >= 0)
		read_answer(load, client);
}

/* Starts what is due and gives up what takes too long. True while anything is under way. */
static bool tend(struct load *load)
{
	int64_t now = now_ms();
	bool under_way = false;

	load->stopping = load->stopping || told_to_stop || (load->until && now >= load->until);
	for (int i = 0; i < load->clients; i++) {
		struct client *client = &load->client[i];

		if (load->limit && load->started >= load->limit)
			load->stopping = true;
		if (client->state == RESTING && !load->stopping && client->due <= now)
			begin_request(load, client);
		else if (client->state != RESTING && client->due <= now)
			fail(load, client, TIMED_OUT);
		under_way = under_way || client->state != RESTING;
	}
	return under_way || !load->stopping;
}

static void add_body(struct load *load, const char *path)
{
	struct body *body = &load->body[load->bodies];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (load->bodies == BODIES_MAX)
		errx(64, "at most %d bodies", BODIES_MAX);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	body->len = (size_t)st.st_size;
	body->data = malloc(body->len + 1);
	if (!body->data || read(fd, body->data, body->len) != (ssize_t)body->len)
		err(1, "%s", path);
	close(fd);
	load->bodies++;
	if (body->len > load->largest)
		load->largest = body->len;
}

static void set_path(struct load *load, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&load->to;

	un->sun_family = AF_UNIX;
	load->to_len = sizeof(*un);
	if ((size_t)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path) >=
	    sizeof(un->sun_path))
		errx(64, "too long for a Unix socket: %s", path);
}

static void set_address(struct load *load, const char *address, const char *port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&load->to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&load->to;
	uint16_t number = htons((uint16_t)atoi(port));

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = number;
		load->to_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = number;
		load->to_len = sizeof(*in6);
	} else {
		errx(64, "not an address: %s", address);
	}
}

static void parse_arguments(struct load *load, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "k:c:t:n:w:p:vb:")) != -1) {
		switch (option) {
		case 'k':
			load->keep_alive = atoi(optarg);
			break;
		case 'c':
			load->per_request = atoi(optarg);
			break;
		case 't':
			load->until = now_ms() + (int64_t)(atof(optarg) * 1000);
			break;
		case 'n':
			load->limit = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			load->pause_ms = atoi(optarg);
			break;
		case 'p':
			load->path = optarg;
			break;
		case 'v':
			load->tell_all = true;
			break;
		case 'b':
			add_body(load, optarg);
			break;
		default:
			exit(64);
		}
	}
	load->clients = load->keep_alive + load->per_request;
	if (argc - optind < 1 || argc - optind > 2 || load->bodies == 0 || load->clients < 1)
		errx(64, "usage: load [-k N] [-c N] [-t SECONDS] [-n REQUESTS] [-w MS] [-p PATH] "
			 "[-v] -b BODY-FILE ... ADDRESS PORT | SOCKET-FILE");
	if (argc - optind == 1)
		set_path(load, argv[optind]);
	else
		set_address(load, argv[optind], argv[optind + 1]);
}

static void make_clients(struct load *load)
{
	load->client = calloc((size_t)load->clients, sizeof(*load->client));
	if (!load->client)
		err(1, "clients");
	for (int i = 0; i < load->clients; i++) {
		struct client *client = &load->client[i];

		client->fd = -1;
		client->keep_alive = i < load->keep_alive;
		client->response = malloc(HEADER_MAX + load->largest + 1);
		if (!client->response)
			err(1, "clients");
	}
}

/* One JSON line; true if all was well. */
static bool report(const struct load *load)
{
	unsigned long failures = 0;
	const char *comma = "";

	printf("{\"requests\": %lu, \"connects\": %lu, \"announced_closes\": %lu, "
	       "\"slowest_ms\": %lu, \"bodies\": [",
	       load->requests, load->connects, load->announced, load->slowest);
	for (size_t i = 0; i < load->bodies; i++)
		printf("%s%lu", i ? ", " : "", load->body[i].seen);
	printf("], \"reasons\": {");
	for (int i = 0; i < REASONS; i++) {
		failures += load->failure[i];
		if (load->failure[i]) {
			printf("%s\"%s\": %lu", comma, reason_name[i], load->failure[i]);
			comma = ", ";
		}
	}
	printf("}, \"failures\": %lu}\n", failures);
	return failures == 0 && load->requests > 0;
}

static void clean_up(struct load *load)
{
	for (int i = 0; i < load->clients; i++) {
		drop(&load->client[i]);
		free(load->client[i].response);
	}
	free(load->client);
	for (size_t i = 0; i < load->bodies; i++)
		free(load->body[i].data);
	close(load->epoll);
}

int main(int argc, char **argv)
{
	struct load load = { .path = "/" };
	struct sigaction action = { .sa_handler = handle_term };
	struct epoll_event event[EVENTS];
	bool ok;

	parse_arguments(&load, argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load.epoll < 0)
		err(1, "epoll_create1");
	make_clients(&load);
	while (tend(&load)) {
		int n = epoll_wait(load.epoll, event, EVENTS, TICK_MS);

		for (int i = 0; i < n; i++)
			on_event(&load, event[i].data.ptr);
	}
	ok = report(&load);
	clean_up(&load);
	return ok ? 0 : 1;
}
