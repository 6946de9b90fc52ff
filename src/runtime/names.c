/* SPDX-License-Identifier: MIT */
/* Questions to the name servers, as names.h says. */
#define CARES_NO_DEPRECATED /* ares_query and ares_process_fd: what replaces them is not in Debian 12 */
#include "runtime/names.h"

#include "base/clock.h"
#include "base/fd.h"
#include "runtime/hosts.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 16, REVERSE_MAX = 80, LOOK_AGAIN_MS = 1000 };

const struct names_source names_system = { .hosts = "/etc/hosts",
					   .resolv_conf = "/etc/resolv.conf" };

/* c-ares has no way to take a question back: it is freed when nobody waits and nothing is pending. */
struct lookup {
	LIST_ENTRY(lookup) entry; /* of those that somebody waits for */
	struct names *names;
	int epoll;   /* of who waits; -1: nobody does any more */
	int event;   /* in epoll: an answer came, or this one drives now */
	int pending; /* questions that c-ares has not answered */
	struct answer answer[RACE_FAMILIES];
	struct pointers pointers;
	struct address address; /* whose names are asked for */
};

/* What a file was when it was read; all 0: it was not there. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct names {
	struct names_source source;
	struct stamp stamp[2];
	int64_t looked_at; /* clock_ms() */
	bool retired;      /* others are in its place */
	struct hosts *hosts;
	ares_channel channel;
	int epoll; /* the channel's sockets */
	LIST_HEAD(, lookup) waiting;
	struct lookup *driver; /* has `epoll` in its own; NULL: nobody waits */
};

/* ---- the channel ---- */

/* Called by c-ares when it opens a socket, wants to write or no longer, and before it closes it. */
static void socket_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
	const struct names *names = arg;
	struct epoll_event event = { .events =
					     (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
				     .data.fd = fd };

	if (!event.events)
		epoll_ctl(names->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(names->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		epoll_ctl(names->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_channel(struct names *names, const struct names_source *source)
{
	struct ares_options options = {
		/* $HOSTALIASES is a user's, not a server's. */
		.flags = ARES_FLAG_NOALIASES,
		.timeout = source->timeout_ms,
		.tries = source->tries,
		/* The hosts file is ours: c-ares opens it at each question. */
		.lookups = (char[]){ "b" },
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = names,
		.resolvconf_path = (char *)(uintptr_t)source->resolv_conf,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
	int status;

	if (source->timeout_ms)
		mask |= ARES_OPT_TIMEOUTMS;
	if (source->tries)
		mask |= ARES_OPT_TRIES;
	status = ares_init_options(&names->channel, &options, mask);
	if (status == ARES_SUCCESS && source->servers)
		status = ares_set_servers_ports_csv(names->channel, source->servers);
	return status;
}

static struct names *fail(struct names *names, const char **reason_r, const char *reason)
{
	names_free(names);
	*reason_r = reason;
	return NULL;
}

static void stamp_files(const struct names_source *source, struct stamp stamp[2])
{
	const char *path[] = { source->hosts, source->resolv_conf };
	struct stat st;

	/* Compared as memory. */
	memset(stamp, 0, 2 * sizeof(*stamp));
	for (int i = 0; i < 2; i++) {
		if (stat(path[i], &st) < 0)
			continue;
		stamp[i].dev = st.st_dev;
		stamp[i].ino = st.st_ino;
		stamp[i].size = st.st_size;
		stamp[i].changed = st.st_mtim;
	}
}

struct names *names_new(const struct names_source *source, const char **reason_r)
{
	struct names *names = calloc(1, sizeof(*names));
	int status;

	if (!names)
		return fail(NULL, reason_r, "no memory");
	LIST_INIT(&names->waiting);
	names->source = *source;
	/* Before they are read: a change in between is seen later. */
	stamp_files(source, names->stamp);
	status = ares_library_init(ARES_LIB_INIT_ALL);
	names->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (names->epoll < 0)
		return fail(names, reason_r, strerror(errno));
	names->hosts = hosts_read(source->hosts);
	if (!names->hosts)
		return fail(names, reason_r, strerror(errno));
	if (status == ARES_SUCCESS)
		status = open_channel(names, source);
	if (status != ARES_SUCCESS)
		return fail(names, reason_r, ares_strerror(status));
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	if (names->channel)
		ares_destroy(names->channel);
	ares_library_cleanup();
	fd_close(&names->epoll);
	hosts_free(names->hosts);
	free(names);
}

void names_renew(struct names **place, int64_t now)
{
	struct names *old = *place, *names;
	struct stamp stamp[2];
	const char *reason;

	if (old->source.once || now - old->looked_at < LOOK_AGAIN_MS)
		return;
	old->looked_at = now;
	stamp_files(&old->source, stamp);
	if (memcmp(stamp, old->stamp, sizeof(stamp)) == 0)
		return;
	names = names_new(&old->source, &reason);
	if (!names)
		return;
	names->looked_at = now;
	*place = names;
	old->retired = true;
	if (LIST_EMPTY(&old->waiting))
		names_free(old);
}

in_port_t names_port(const struct names *names, const char *service)
{
	return hosts_port(names->hosts, service);
}

/* All that the channel's sockets have, and the questions that have waited for too long. */
static void read_answers(struct names *names)
{
	struct epoll_event event[EVENTS_AT_ONCE];
	int n = epoll_wait(names->epoll, event, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < n; i++) {
		uint32_t events = event[i].events;
		int fd = event[i].data.fd;

		if (events & (EPOLLERR | EPOLLHUP))
			events |= EPOLLIN;
		ares_process_fd(names->channel, events & EPOLLIN ? fd : ARES_SOCKET_BAD,
				events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	}
	ares_process_fd(names->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- who drives ---- */

static void tell(const struct lookup *lookup)
{
	eventfd_write(lookup->event, 1);
}

static int drive(struct lookup *lookup)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = LOOKUP_TAG };
	struct names *names = lookup->names;

	if (epoll_ctl(lookup->epoll, EPOLL_CTL_ADD, names->epoll, &event) < 0)
		return -1;
	names->driver = lookup;
	return 0;
}

/* Nobody would ever read an answer to it. */
static void give_up(struct lookup *lookup, int error)
{
	for (int i = 0; i < RACE_FAMILIES; i++)
		if (!lookup->answer[i].done)
			lookup->answer[i] = (struct answer){ .done = true, .error = error };
	if (!lookup->pointers.done)
		lookup->pointers = (struct pointers){ .done = true, .error = error };
	tell(lookup);
}

static void hand_over(struct names *names)
{
	struct lookup *lookup;

	LIST_FOREACH (lookup, &names->waiting, entry) {
		if (drive(lookup) == 0) {
			tell(lookup); /* it has a time to keep now */
			return;
		}
		give_up(lookup, errno);
	}
}

/* ---- answers ---- */

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
		return ENOENT;
	case ARES_EBADNAME:
		return EINVAL;
	case ARES_ENOMEM:
		return ENOMEM;
	default:
		return EAGAIN;
	}
}

/* One question less. */
static void settle(struct lookup *lookup)
{
	lookup->pending--;
	if (lookup->epoll >= 0)
		tell(lookup);
	else if (!lookup->pending)
		free(lookup);
}

static void take_addresses(struct lookup *lookup, enum race_family family, int status,
			   struct ares_addrinfo *list)
{
	struct answer *answer = &lookup->answer[family];
	struct ares_addrinfo_node *node = list ? list->nodes : NULL;

	if (!answer->done) {
		answer->done = true;
		answer->error = error_of(status);
		for (; node && answer->n < RACE_ADDRESSES_MAX; node = node->ai_next) {
			struct address *address = &answer->address[answer->n];

			if (node->ai_family != (family == RACE_IPV6 ? AF_INET6 : AF_INET))
				continue;
			address->len = node->ai_addrlen;
			memcpy(&address->u, node->ai_addr, node->ai_addrlen);
			answer->n++;
		}
		if (!answer->error && !answer->n)
			answer->error = ENOENT;
	}
	if (list)
		ares_freeaddrinfo(list);
	settle(lookup);
}

static void take_ipv6(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	(void)timeouts;
	take_addresses(arg, RACE_IPV6, status, list);
}

static void take_ipv4(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	(void)timeouts;
	take_addresses(arg, RACE_IPV4, status, list);
}

/* What a name server says may stand in a log or in a program's environment. */
static void add_pointer(struct pointers *pointers, const char *name)
{
	static const char *const good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789-_.";

	if (pointers->n == NAMES_POINTERS_MAX || !*name || *name == '-' || name[strspn(name, good)])
		return;
	if (strlcpy(pointers->name[pointers->n], name, NI_MAXHOST) < NI_MAXHOST)
		pointers->n++;
}

static int read_pointers(struct lookup *lookup, const unsigned char *data, int len)
{
	const struct address *address = &lookup->address;
	bool is_ipv6 = address->u.sa.sa_family == AF_INET6;
	struct hostent *host;
	int status;

	if (is_ipv6)
		status = ares_parse_ptr_reply(data, len, &address->u.in6.sin6_addr,
					      sizeof(struct in6_addr), AF_INET6, &host);
	else
		status = ares_parse_ptr_reply(data, len, &address->u.in.sin_addr,
					      sizeof(struct in_addr), AF_INET, &host);
	if (status == ARES_ENOMEM)
		return ENOMEM;
	/* c-ares itself refuses letters that no host has. */
	if (status != ARES_SUCCESS)
		return ENOENT;
	for (char **alias = host->h_aliases; alias && *alias; alias++)
		add_pointer(&lookup->pointers, *alias);
	if (!lookup->pointers.n)
		add_pointer(&lookup->pointers, host->h_name);
	ares_free_hostent(host);
	return lookup->pointers.n ? 0 : ENOENT;
}

static void take_pointers(void *arg, int status, int timeouts, unsigned char *data, int len)
{
	struct lookup *lookup = arg;
	struct pointers *pointers = &lookup->pointers;

	(void)timeouts;
	if (!pointers->done) {
		pointers->done = true;
		pointers->error = status == ARES_SUCCESS ? read_pointers(lookup, data, len)
							 : error_of(status);
	}
	settle(lookup);
}

/* ---- asking ---- */

/* Nothing is asked yet, and everything counts as answered. */
static struct lookup *new_lookup(struct names *names, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = LOOKUP_TAG };
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	lookup->names = names;
	lookup->epoll = epoll;
	for (int i = 0; i < RACE_FAMILIES; i++)
		lookup->answer[i] = (struct answer){ .done = true, .error = ENOENT };
	lookup->pointers = (struct pointers){ .done = true, .error = ENOENT };
	lookup->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->event < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, lookup->event, &event) < 0 ||
	    (!names->driver && drive(lookup) < 0)) {
		fd_close(&lookup->event);
		free(lookup);
		return NULL;
	}
	LIST_INSERT_HEAD(&names->waiting, lookup, entry);
	return lookup;
}

static bool is_localhost(const char *host)
{
	size_t len = strlen(host), tail = strlen(".localhost");

	return strcasecmp(host, "localhost") == 0 ||
	       (len > tail && strcasecmp(host + len - tail, ".localhost") == 0);
}

static void set_loopback(struct lookup *lookup)
{
	struct answer *six = &lookup->answer[RACE_IPV6], *four = &lookup->answer[RACE_IPV4];

	*six = (struct answer){ .done = true, .n = 1 };
	six->address[0].len = sizeof(six->address[0].u.in6);
	six->address[0].u.in6.sin6_family = AF_INET6;
	six->address[0].u.in6.sin6_addr = in6addr_loopback;
	*four = (struct answer){ .done = true, .n = 1 };
	four->address[0].len = sizeof(four->address[0].u.in);
	four->address[0].u.in.sin_family = AF_INET;
	four->address[0].u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* What is known here: in the file, or by RFC 6761 section 6.3. */
static bool is_known_here(struct lookup *lookup, const char *host)
{
	static const sa_family_t family[] = { [RACE_IPV6] = AF_INET6, [RACE_IPV4] = AF_INET };
	bool known = false;

	for (int i = 0; i < RACE_FAMILIES; i++) {
		struct answer *answer = &lookup->answer[i];

		answer->n = hosts_find(lookup->names->hosts, host, family[i], answer->address,
				       RACE_ADDRESSES_MAX);
		if (answer->n) {
			answer->error = 0;
			known = true;
		}
	}
	if (!known && is_localhost(host)) {
		set_loopback(lookup);
		known = true;
	}
	return known;
}

struct lookup *lookup_start(struct names *names, const char *given, int epoll)
{
	struct ares_addrinfo_hints hints = { .ai_socktype = SOCK_STREAM };
	struct lookup *lookup;
	char host[NI_MAXHOST];
	size_t len = strlcpy(host, given, sizeof(host));

	if (!len || len >= sizeof(host)) {
		errno = EINVAL;
		return NULL;
	}
	lookup = new_lookup(names, epoll);
	if (!lookup)
		return NULL;
	if (host[len - 1] == '.')
		host[len - 1] = '\0';
	if (is_known_here(lookup, host)) {
		tell(lookup);
		return lookup;
	}
	for (int i = 0; i < RACE_FAMILIES; i++)
		lookup->answer[i].done = false;
	lookup->pending = RACE_FAMILIES;
	/* RFC 8305 section 3: AAAA first. Each is answered by itself. */
	hints.ai_family = AF_INET6;
	ares_getaddrinfo(names->channel, given, NULL, &hints, take_ipv6, lookup);
	hints.ai_family = AF_INET;
	ares_getaddrinfo(names->channel, given, NULL, &hints, take_ipv4, lookup);
	return lookup;
}

/* RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void write_reverse(const struct address *address, char name[REVERSE_MAX])
{
	if (address->u.sa.sa_family == AF_INET) {
		const uint8_t *octet = (const uint8_t *)&address->u.in.sin_addr;

		snprintf(name, REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", octet[3], octet[2],
			 octet[1], octet[0]);
		return;
	}
	for (int i = 15; i >= 0; i--) {
		uint8_t octet = address->u.in6.sin6_addr.s6_addr[i];

		name += sprintf(name, "%x.%x.", octet & 15u, octet >> 4);
	}
	strcpy(name, "ip6.arpa");
}

struct lookup *lookup_start_reverse(struct names *names, const struct address *address, int epoll)
{
	struct lookup *lookup = new_lookup(names, epoll);
	char reverse[REVERSE_MAX];
	const char *name;

	if (!lookup)
		return NULL;
	lookup->address = *address;
	name = hosts_name_of(names->hosts, address);
	if (name) {
		add_pointer(&lookup->pointers, name);
		lookup->pointers.error = lookup->pointers.n ? 0 : ENOENT;
		tell(lookup);
		return lookup;
	}
	lookup->pointers.done = false;
	lookup->pending = 1;
	write_reverse(address, reverse);
	ares_query(names->channel, reverse, ns_c_in, ns_t_ptr, take_pointers, lookup);
	return lookup;
}

void lookup_turn(struct lookup *lookup)
{
	eventfd_t told;

	eventfd_read(lookup->event, &told);
	if (lookup->names->driver == lookup)
		read_answers(lookup->names);
}

int64_t lookup_due(const struct lookup *lookup)
{
	struct timeval in;

	if (lookup->names->driver != lookup || !ares_timeout(lookup->names->channel, NULL, &in))
		return 0;
	return clock_ms() + in.tv_sec * 1000 + in.tv_usec / 1000 + 1;
}

const struct answer *lookup_answer(const struct lookup *lookup, enum race_family family)
{
	return &lookup->answer[family];
}

const struct pointers *lookup_pointers(const struct lookup *lookup)
{
	return &lookup->pointers;
}

void lookup_end(struct lookup *lookup)
{
	int error = errno;
	struct names *names;

	if (!lookup)
		return;
	names = lookup->names;
	LIST_REMOVE(lookup, entry);
	fd_close(&lookup->event);
	if (names->driver == lookup) {
		epoll_ctl(lookup->epoll, EPOLL_CTL_DEL, names->epoll, NULL);
		names->driver = NULL;
		hand_over(names);
	}
	lookup->epoll = -1;
	if (!lookup->pending)
		free(lookup);
	/* What nobody waits for is not asked again. */
	if (LIST_EMPTY(&names->waiting) && names->retired)
		names_free(names);
	else if (LIST_EMPTY(&names->waiting))
		ares_cancel(names->channel);
	errno = error;
}
