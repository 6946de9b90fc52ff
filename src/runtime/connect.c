/* SPDX-License-Identifier: MIT */
/*
 * mu_connect: connections of our own. The address is taken apart, names are asked for (names.c), attempts are made when
 * race.c says so, the first that succeeds is the connection. All of it waits for one epoll descriptor, which has the
 * attempts' sockets and what names.c puts into it.
 */
#include "runtime/connect.h"

#include "base/clock.h"
#include "base/fd.h"
#include "net/address.h"
#include "runtime/names.h"
#include "runtime/race.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
	ATTEMPTS_MAX = RACE_FAMILIES * RACE_ADDRESSES_MAX,
	EVENTS_AT_ONCE = 8,
	/* Between attempts at a Unix socket whose backlog is full: nothing tells when it no longer is. */
	FULL_MS = 1,
	FULL_MOST_MS = 64
};

/* One mu_connect to a host. */
struct dial {
	struct mu_conn *conn;
	int64_t deadline;      /* clock_ms(); 0: none */
	struct lookup *lookup; /* NULL: the address is known */
	in_port_t port;
	struct race race;
	int epoll;
	int fd[ATTEMPTS_MAX]; /* attempts; -1: failed */
	size_t attempts, open;
	int won;   /* the attempt that succeeded; -1 */
	int error; /* of the last one that failed */
};

int64_t connect_deadline(int64_t ms)
{
	int64_t now = clock_ms();

	return ms > 0 && ms < INT64_MAX - now ? now + ms : 0;
}

int connect_wait(struct mu_conn *conn, int epoll, int64_t due, int64_t deadline)
{
	int64_t now = clock_ms(), until = clock_earlier(due, deadline);

	if (deadline && now >= deadline) {
		errno = ETIME;
		return -1;
	}
	return conn_wait_fd(conn, epoll, MU_READABLE, !until ? -1 : until > now ? until - now : 0);
}

/* They are 100 kB and half a millisecond, and many a worker never needs them. */
static bool read_names(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;
	const char *reason;

	worker->names = names_new(&names_system, &reason);
	if (worker->names)
		return true;
	mu_log(conn, MU_ERR, "cannot prepare to ask for names: %s (%s, %s)", reason,
	       names_system.hosts, names_system.resolv_conf);
	errno = EAGAIN;
	return false;
}

bool connect_has_names(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (worker->names) {
		names_renew(&worker->names, clock_ms());
		return true;
	}
	if (worker->module->flags & MU_NAMES)
		return read_names(conn);
	if (!worker->names_missed)
		mu_log(conn, MU_ERR,
		       "%s asks for a name, but its module is without the flag MU_NAMES: it can "
		       "connect to "
		       "numeric addresses and Unix sockets alone",
		       worker->module->name);
	worker->names_missed = true;
	errno = ENOENT;
	return false;
}

/* ---- attempts ---- */

/*
 * A connection to a port of this machine that is free just now, of those that the kernel takes for outgoing ones,
 * can get that very port and be connected to itself.
 */
static bool is_itself(int fd)
{
	struct address own = { .len = sizeof(own.u) }, peer = { .len = sizeof(peer.u) };

	return getsockname(fd, &own.u.sa, &own.len) == 0 &&
	       getpeername(fd, &peer.u.sa, &peer.len) == 0 && address_equal(&own, &peer);
}

static void fail_attempt(struct dial *dial, size_t i, int error)
{
	/* ETIMEDOUT is for limits of the configuration. */
	dial->error = error == ETIMEDOUT ? ETIME : error;
	if (dial->fd[i] >= 0) {
		fd_close(&dial->fd[i]);
		dial->open--;
	}
	race_failed(&dial->race);
}

static void succeed(struct dial *dial, size_t i)
{
	if (is_itself(dial->fd[i]))
		fail_attempt(dial, i, ECONNREFUSED);
	else
		dial->won = (int)i;
}

static void start_attempt(struct dial *dial, const struct address *known)
{
	struct address address = *known;
	size_t i = dial->attempts++;
	struct epoll_event event = { .events = EPOLLOUT, .data.u32 = (uint32_t)i };

	if (address.u.sa.sa_family == AF_INET)
		address.u.in.sin_port = htons(dial->port);
	else
		address.u.in6.sin6_port = htons(dial->port);
	dial->fd[i] = socket(address.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd[i] < 0) {
		fail_attempt(dial, i, errno);
		return;
	}
	dial->open++;
	setsockopt(dial->fd[i], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(dial->fd[i], &address.u.sa, address.len) == 0)
		succeed(dial, i);
	else if (errno != EINPROGRESS ||
		 epoll_ctl(dial->epoll, EPOLL_CTL_ADD, dial->fd[i], &event) < 0)
		fail_attempt(dial, i, errno);
}

/* The kernel has decided. */
static void end_attempt(struct dial *dial, size_t i)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(dial->fd[i], SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		fail_attempt(dial, i, error);
	else
		succeed(dial, i);
}

/* ---- a host ---- */

static void take_answers(struct dial *dial)
{
	for (int i = 0; i < RACE_FAMILIES; i++) {
		const struct answer *answer = lookup_answer(dial->lookup, (enum race_family)i);

		if (answer->done && !dial->race.answered[i])
			race_answer(&dial->race, (enum race_family)i, answer->address, answer->n,
				    clock_ms());
	}
}

/* Why there is no connection: the last attempt's reason, or that there was nothing to attempt. */
static int why_not(const struct dial *dial)
{
	const struct answer *six, *four;

	if (dial->attempts || !dial->lookup)
		return dial->error;
	six = lookup_answer(dial->lookup, RACE_IPV6);
	four = lookup_answer(dial->lookup, RACE_IPV4);
	return six->error == ENOENT ? four->error : six->error;
}

static void take_events(struct dial *dial)
{
	struct epoll_event event[EVENTS_AT_ONCE];
	int n = epoll_wait(dial->epoll, event, EVENTS_AT_ONCE, 0);
	bool answers = false;

	for (int i = 0; i < n; i++)
		if (event[i].data.u32 == LOOKUP_TAG)
			answers = true;
		else if (dial->won < 0)
			end_attempt(dial, event[i].data.u32);
	if (answers)
		lookup_turn(dial->lookup);
}

/* Until there is a connection. 0 or -1. */
static int race_on(struct dial *dial)
{
	for (;;) {
		const struct address *address;
		int64_t due;
		int waited;

		if (dial->lookup)
			take_answers(dial);
		while (dial->won < 0 && (address = race_next(&dial->race, clock_ms())))
			start_attempt(dial, address);
		if (dial->won >= 0)
			return 0;
		if (race_is_over(&dial->race) && !dial->open) {
			errno = why_not(dial);
			return -1;
		}
		due = dial->lookup ? lookup_due(dial->lookup) : 0;
		waited = connect_wait(dial->conn, dial->epoll,
				      clock_earlier(race_due(&dial->race), due), dial->deadline);
		if (waited < 0)
			return -1;
		if (waited)
			take_events(dial);
		else if (dial->lookup)
			lookup_turn(dial->lookup);
	}
}

/* The connection's descriptor; everything else is closed. -1: there is none. */
static int end_dial(struct dial *dial)
{
	int fd = -1, error = errno;

	if (dial->won >= 0) {
		fd = dial->fd[dial->won];
		dial->fd[dial->won] = -1;
	}
	lookup_end(dial->lookup);
	for (size_t i = 0; i < dial->attempts; i++)
		fd_close(&dial->fd[i]);
	fd_close(&dial->epoll);
	errno = error;
	return fd;
}

/* address: NULL: it is the host's name that counts. */
static int dial_host(struct mu_conn *conn, const struct address *address, const char *host,
		     in_port_t port, int64_t deadline)
{
	struct dial dial = { .conn = conn, .deadline = deadline, .port = port, .won = -1 };
	int64_t now = clock_ms();

	dial.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (dial.epoll < 0)
		return -1;
	race_init(&dial.race);
	if (address) {
		bool is_six = address->u.sa.sa_family == AF_INET6;

		race_answer(&dial.race, RACE_IPV6, address, is_six ? 1 : 0, now);
		race_answer(&dial.race, RACE_IPV4, address, is_six ? 0 : 1, now);
		race_on(&dial);
	} else {
		dial.lookup = lookup_start(conn->worker->names, host, dial.epoll);
		if (dial.lookup)
			race_on(&dial);
	}
	return end_dial(&dial);
}

/* ---- Unix sockets ---- */

static int dial_unix(struct mu_conn *conn, const struct address *address, int64_t deadline)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int64_t pause = FULL_MS;

	if (fd < 0)
		return -1;
	while (connect(fd, &address->u.sa, address->len) < 0) {
		int64_t left = deadline ? deadline - clock_ms() : pause;

		if (errno == EAGAIN && left <= 0)
			errno = ETIME;
		if (errno != EAGAIN || conn_pause(conn, left < pause ? left : pause) < 0) {
			fd_close(&fd);
			return -1;
		}
		pause = pause < FULL_MOST_MS ? 2 * pause : FULL_MOST_MS;
	}
	return fd;
}

/* ---- the address ---- */

/* 1: it is one, without its port. 0: a name. -1: its interface is unknown. */
static int read_host(struct address *address, const char *host)
{
	char plain[INET6_ADDRSTRLEN];
	const char *scope = strchr(host, '%');

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &address->u.in.sin_addr) == 1) {
		address->len = sizeof(address->u.in);
		address->u.in.sin_family = AF_INET;
		return 1;
	}
	strlcpy(plain, host, sizeof(plain));
	plain[strcspn(plain, "%")] = '\0';
	if (inet_pton(AF_INET6, plain, &address->u.in6.sin6_addr) != 1)
		return 0;
	address->len = sizeof(address->u.in6);
	address->u.in6.sin6_family = AF_INET6;
	if (!scope)
		return 1;
	address->u.in6.sin6_scope_id = if_nametoindex(scope + 1);
	if (!address->u.in6.sin6_scope_id)
		address->u.in6.sin6_scope_id =
			(uint32_t)strtonum(scope + 1, 1, UINT32_MAX, &(const char *){ NULL });
	if (address->u.in6.sin6_scope_id)
		return 1;
	errno = ENODEV;
	return -1;
}

/* 0: there is no such service (ENOENT). */
static in_port_t read_port(struct mu_conn *conn, const char *text)
{
	in_port_t port;

	/* listen_name_parse has seen that a number is a port. */
	if (text[strspn(text, "0123456789")] == '\0')
		return (in_port_t)strtonum(text, 1, UINT16_MAX, &(const char *){ NULL });
	if (!connect_has_names(conn))
		return 0;
	port = names_port(conn->worker->names, text);
	if (!port)
		errno = ENOENT;
	return port;
}

static int dial_inet(struct mu_conn *conn, const struct listen_name *name, int64_t deadline)
{
	in_port_t port = read_port(conn, name->port);
	struct address address;
	int known;

	if (!port)
		return -1;
	known = read_host(&address, name->host);
	if (known < 0 || (!known && !connect_has_names(conn)))
		return -1;
	return dial_host(conn, known ? &address : NULL, name->host, port, deadline);
}

struct mu_conn *mu_connect(struct mu_conn *conn, const char *text, int64_t ms)
{
	int64_t deadline = connect_deadline(ms);
	struct listen_name name;
	const char *reason = "";
	struct address address;
	int fd;

	if (listen_name_parse(&name, text, &reason) < 0 || name.kind == LISTEN_SYSTEMD ||
	    (name.kind == LISTEN_INET && !name.host)) {
		mu_log(conn, MU_DEBUG,
		       "cannot connect to '%s': that is no address to connect to%s%s", text,
		       *reason ? ": " : "", reason);
		errno = EINVAL;
		return NULL;
	}
	if (name.kind == LISTEN_INET) {
		fd = dial_inet(conn, &name, deadline);
	} else {
		/* It has been checked: no name service is asked. */
		address_resolve(&name, &address, 1, &reason);
		fd = dial_unix(conn, &address, deadline);
	}
	return fd < 0 ? NULL : conn_open_other(conn, fd, false);
}
