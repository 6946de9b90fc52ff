/* SPDX-License-Identifier: MIT */
/*
 * Addresses, as address.h says. Taking a listen argument apart is strict about what cannot be bound
 * later, so that most mistakes are errors of the file (with line and column), not of the socket.
 */
#include "net/address.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PATH_OFFSET = offsetof(struct sockaddr_un, sun_path),
	PATH_ROOM = sizeof(((struct sockaddr_un *)NULL)->sun_path),
	HOST_ROOM = INET6_ADDRSTRLEN + 12 /* with "%" and a scope id */
};

static int refuse(const char **reason_r, const char *reason)
{
	*reason_r = reason;
	return -1;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* 0 ... 65535, or -1. */
static int port_number(const char *text)
{
	const char *error;
	long long port;

	if (!is_number(text))
		return -1;
	port = strtonum(text, 0, 65535, &error);
	return error ? -1 : (int)port;
}

/* ------------------------------------------------------------------ a listen argument ---- */

static int check_port(const char *port, const char **reason_r)
{
	if (!*port)
		return refuse(reason_r, "the port is missing after ':'");
	if (is_number(port) && port_number(port) < 1)
		return refuse(reason_r, "a port is a number from 1 to 65535");
	if (strspn(port, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+.") !=
	    strlen(port))
		return refuse(reason_r, "a port is a number from 1 to 65535 or a service name");
	return 0;
}

static int check_ipv6_host(const char *host, const char **reason_r)
{
	char plain[HOST_ROOM];
	struct in6_addr in6;
	const char *scope = strchr(host, '%');

	strlcpy(plain, host, sizeof(plain));
	plain[strcspn(plain, "%")] = '\0';
	if (inet_pton(AF_INET6, plain, &in6) != 1)
		return refuse(reason_r, "in brackets stands an IPv6 address: [::1]:80");
	if (IN6_IS_ADDR_V4MAPPED(&in6))
		return refuse(reason_r,
			      "an IPv4 address is written without brackets: 192.0.2.1:80");
	if (scope ? !scope[1] : IN6_IS_ADDR_LINKLOCAL(&in6))
		return refuse(reason_r,
			      "a link-local address needs its interface: [fe80::1%eth0]:80");
	return 0;
}

static int check_host(const char *host, const char **reason_r)
{
	struct in_addr in;

	if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
	    strlen(host))
		return refuse(reason_r, "a host is a name, an IPv4 address, [IPv6 address] or *");
	/* 127.1 and 300.1.1.1 would become something else, or a question to a name server. */
	if (strspn(host, "0123456789.") == strlen(host) && inet_pton(AF_INET, host, &in) != 1)
		return refuse(reason_r,
			      "this is not an IPv4 address: it has four numbers up to 255");
	return 0;
}

static int parse_inet(struct listen_name *name, char *text, const char **reason_r)
{
	char *colon = strrchr(text, ':');

	name->kind = LISTEN_INET;
	if (*text == '[') {
		char *end = strchr(text, ']');

		if (!end)
			return refuse(reason_r, "the ']' of [IPv6 address]:PORT is missing");
		if (end[1] != ':')
			return refuse(reason_r, "':' and a port follow [IPv6 address]");
		*end = '\0';
		name->host = text + 1;
		name->port = end + 2;
		if (check_ipv6_host(name->host, reason_r) < 0)
			return -1;
		return check_port(name->port, reason_r);
	}
	if (!colon) {
		if (!is_number(text))
			return refuse(reason_r, "the port is missing: write HOST:PORT, *:PORT, "
						"unix:/PATH or systemd:NAME");
		name->port = text;
		return check_port(text, reason_r);
	}
	if (strchr(text, ':') != colon)
		return refuse(reason_r, "an IPv6 address stands in brackets: [::1]:80");
	*colon = '\0';
	name->port = colon + 1;
	if (*text && strcmp(text, "*") != 0) {
		name->host = text;
		if (check_host(text, reason_r) < 0)
			return -1;
	}
	return check_port(name->port, reason_r);
}

static int check_unix(const char *path, const char **reason_r)
{
	if (*path != '/' && *path != '@')
		return refuse(reason_r,
			      "the path of a Unix socket is absolute: unix:/run/NAME.sock, "
			      "or abstract: unix:@NAME");
	if (!path[1])
		return refuse(reason_r, "the name of the Unix socket is missing");
	if (*path == '/' && path[strlen(path) - 1] == '/')
		return refuse(reason_r, "the path of a Unix socket cannot end in '/'");
	if (strlen(path) >= PATH_ROOM)
		return refuse(reason_r,
			      "the path is too long: that of a Unix socket has at most 107 "
			      "bytes");
	return 0;
}

/* What systemd lets through as FileDescriptorName=. */
static int check_systemd(const char *name, const char **reason_r)
{
	if (!*name)
		return refuse(reason_r, "the name of the descriptor is missing: systemd:NAME as in "
					"FileDescriptorName=NAME");
	for (const char *p = name; *p; p++)
		if (*p < ' ' || *p == 0x7f || *p == ':')
			return refuse(reason_r, "a descriptor's name has no ':' and only printable "
						"ASCII characters");
	return 0;
}

int listen_name_parse(struct listen_name *name, const char *text, const char **reason_r)
{
	memset(name, 0, sizeof(*name));
	if (strlcpy(name->storage, text, sizeof(name->storage)) >= sizeof(name->storage))
		return refuse(reason_r, "an address has at most 255 bytes");
	if (!*text)
		return refuse(reason_r, "the address is empty");
	if (strncmp(text, "unix:", 5) == 0) {
		name->kind = LISTEN_UNIX;
		name->path = name->storage + 5;
		return check_unix(name->path, reason_r);
	}
	if (strncmp(text, "systemd:", 8) == 0) {
		name->kind = LISTEN_SYSTEMD;
		name->name = name->storage + 8;
		return check_systemd(name->name, reason_r);
	}
	if (*text == '/' || *text == '@')
		return refuse(reason_r, "a Unix socket is written unix:/PATH or unix:@NAME");
	return parse_inet(name, name->storage, reason_r);
}

/* ------------------------------------------------------------------------- resolving ---- */

static void set_any(struct address *address, int family, bool dual, int port)
{
	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		address->len = sizeof(address->u.in);
		address->u.in.sin_family = AF_INET;
		address->u.in.sin_port = htons((uint16_t)port);
		return;
	}
	address->len = sizeof(address->u.in6);
	address->dual = dual;
	address->u.in6.sin6_family = AF_INET6;
	address->u.in6.sin6_port = htons((uint16_t)port);
}

static int set_unix(struct address *address, const char *path)
{
	size_t len = strlen(path);

	memset(address, 0, sizeof(*address));
	if ((*path != '/' && *path != '@') || !path[1] || len >= PATH_ROOM)
		return -1;
	address->u.un.sun_family = AF_UNIX;
	memcpy(address->u.un.sun_path, path, len);
	if (*path == '@')
		address->u.un.sun_path[0] = '\0';
	else
		len++;
	address->len = (socklen_t)(PATH_OFFSET + len);
	return 0;
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * /etc/hosts gives localhost the address ::1 on machines too that have IPv6 switched off: there the
 * name means 127.0.0.1 alone. Every other address is taken as the name service gives it.
 */
static bool is_usable(const struct sockaddr *sa, socklen_t len)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	struct sockaddr_in6 probe;
	bool usable;
	int fd;

	if (sa->sa_family == AF_INET)
		return true;
	if (sa->sa_family != AF_INET6 || len != sizeof(probe))
		return false;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	probe = *in6;
	probe.sin6_port = 0;
	usable = !IN6_IS_ADDR_LOOPBACK(&probe.sin6_addr) ||
		 bind(fd, (const struct sockaddr *)&probe, sizeof(probe)) == 0 ||
		 errno != EADDRNOTAVAIL;
	fd_close(&fd);
	return usable;
}

static const char *lookup_error(int code, const char *host)
{
	if (host && strchr(host, '%'))
		return "there is no such network interface (`ip link` lists them)";
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
		return "the host name is unknown (`getent ahosts NAME` asks the same way)";
	case EAI_AGAIN:
		return "the name service does not answer: is the network up? A numeric address "
		       "needs "
		       "none";
	case EAI_SYSTEM:
		return strerror(errno);
	default:
		return gai_strerror(code);
	}
}

static int resolve_port(const char *port, const char **reason_r)
{
	struct addrinfo hints = { .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	int number;

	if (is_number(port)) {
		number = port_number(port);
		return number >= 0 ? number : refuse(reason_r, "a port is at most 65535");
	}
	number = getaddrinfo(NULL, port, &hints, &list);
	if (number == EAI_SERVICE)
		return refuse(reason_r,
			      "the port's service name is unknown (/etc/services lists them)");
	if (number)
		return refuse(reason_r, lookup_error(number, NULL));
	number = ntohs(((struct sockaddr_in *)(void *)list->ai_addr)->sin_port);
	freeaddrinfo(list);
	return number;
}

static bool has_address(const struct address *list, size_t n, const struct address *address)
{
	for (size_t i = 0; i < n; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

static int collect(const struct addrinfo *list, int port, struct address *address, size_t max,
		   const char **reason_r)
{
	size_t n = 0;

	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		struct address one = { .len = ai->ai_addrlen };

		if (!is_usable(ai->ai_addr, ai->ai_addrlen))
			continue;
		memcpy(&one.u, ai->ai_addr, ai->ai_addrlen);
		if (one.u.sa.sa_family == AF_INET)
			one.u.in.sin_port = htons((uint16_t)port);
		else
			one.u.in6.sin6_port = htons((uint16_t)port);
		if (has_address(address, n, &one))
			continue;
		if (n == max)
			return refuse(reason_r,
				      "the host name has too many addresses: list those that "
				      "are meant");
		address[n++] = one;
	}
	if (!n)
		return refuse(reason_r, "the address is IPv6, which this machine has switched off");
	return (int)n;
}

int address_resolve(const struct listen_name *name, struct address *address, size_t max,
		    const char **reason_r)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	int port, code, n;

	if (!max)
		return refuse(reason_r, "too many addresses");
	if (name->kind == LISTEN_UNIX)
		return set_unix(address, name->path) == 0 ? 1 : check_unix(name->path, reason_r);
	if (name->kind != LISTEN_INET)
		return refuse(reason_r, "a descriptor from systemd has no address of its own");
	port = resolve_port(name->port, reason_r);
	if (port < 0)
		return -1;
	if (!name->host) {
		if (has_ipv6())
			set_any(address, AF_INET6, true, port);
		else
			set_any(address, AF_INET, false, port);
		return 1;
	}
	code = getaddrinfo(name->host, NULL, &hints, &list);
	if (code)
		return refuse(reason_r, lookup_error(code, name->host));
	n = collect(list, port, address, max, reason_r);
	freeaddrinfo(list);
	return n;
}

/* ---------------------------------------------------------------------- text and back ---- */

static void unix_text(const struct address *address, char *buffer, size_t room)
{
	const char *path = address->u.un.sun_path;
	size_t len = address->len > PATH_OFFSET ? address->len - PATH_OFFSET : 0;
	size_t used = strlcpy(buffer, "unix:", room);

	if (len > PATH_ROOM)
		len = PATH_ROOM;
	if (len && path[0])
		len = strnlen(path, len);
	/* A NUL is only found in abstract names, where '@' is what everybody shows for it. */
	for (size_t i = 0; i < len && used + 1 < room; i++)
		buffer[used++] = path[i];
	for (size_t i = 5; i < used; i++)
		if (!buffer[i])
			buffer[i] = '@';
	buffer[used] = '\0';
}

const char *address_text(const struct address *address, char buffer[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN], scope[16] = "";

	switch (address->u.sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->u.in.sin_addr, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_MAX, "%s:%u", host,
			 (unsigned)ntohs(address->u.in.sin_port));
		break;
	case AF_INET6:
		if (address->dual) {
			snprintf(buffer, ADDRESS_TEXT_MAX, "*:%u",
				 (unsigned)ntohs(address->u.in6.sin6_port));
			break;
		}
		inet_ntop(AF_INET6, &address->u.in6.sin6_addr, host, sizeof(host));
		if (address->u.in6.sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u",
				 (unsigned)address->u.in6.sin6_scope_id);
		snprintf(buffer, ADDRESS_TEXT_MAX, "[%s%s]:%u", host, scope,
			 (unsigned)ntohs(address->u.in6.sin6_port));
		break;
	case AF_UNIX:
		unix_text(address, buffer, ADDRESS_TEXT_MAX);
		break;
	default:
		snprintf(buffer, ADDRESS_TEXT_MAX, "family %d", (int)address->u.sa.sa_family);
	}
	return buffer;
}

/* "::1", "fe80::1%2" */
static int parse_ipv6_host(struct sockaddr_in6 *in6, char *host)
{
	char *scope = strchr(host, '%');
	const char *error;

	if (scope) {
		*scope++ = '\0';
		if (!is_number(scope))
			return -1;
		in6->sin6_scope_id = (uint32_t)strtonum(scope, 1, UINT32_MAX, &error);
		if (error)
			return -1;
	}
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -1;
}

int address_parse(struct address *address, const char *text)
{
	char host[HOST_ROOM];
	const char *colon = strrchr(text, ':');
	size_t len;
	int port;

	if (strncmp(text, "unix:", 5) == 0)
		return set_unix(address, text + 5);
	if (!colon)
		return -1;
	len = (size_t)(colon - text);
	port = port_number(colon + 1);
	if (port < 0 || len == 0 || len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	if (strcmp(host, "*") == 0) {
		set_any(address, AF_INET6, true, port);
		return 0;
	}
	if (host[0] == '[') {
		if (len < 2 || host[len - 1] != ']')
			return -1;
		host[len - 1] = '\0';
		set_any(address, AF_INET6, false, port);
		return parse_ipv6_host(&address->u.in6, host + 1);
	}
	set_any(address, AF_INET, false, port);
	return inet_pton(AF_INET, host, &address->u.in.sin_addr) == 1 ? 0 : -1;
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.in.sin_port == b->u.in.sin_port &&
		       a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return a->dual == b->dual && a->u.in6.sin6_port == b->u.in6.sin6_port &&
		       a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr);
	case AF_UNIX:
		/* The kernel may count the NUL of a path or not. */
		if (a->u.un.sun_path[0])
			return strncmp(a->u.un.sun_path, b->u.un.sun_path, PATH_ROOM) == 0;
		return a->len == b->len && a->len >= PATH_OFFSET &&
		       memcmp(a->u.un.sun_path, b->u.un.sun_path, a->len - PATH_OFFSET) == 0;
	default:
		return false;
	}
}

static in_port_t port_of(const struct address *address)
{
	return address->u.sa.sa_family == AF_INET ? address->u.in.sin_port
						  : address->u.in6.sin6_port;
}

static bool is_inet(const struct address *address)
{
	return address->u.sa.sa_family == AF_INET || address->u.sa.sa_family == AF_INET6;
}

/* All addresses of b's family are a's. */
static bool takes_in(const struct address *a, const struct address *b)
{
	if (a->u.sa.sa_family == AF_INET)
		return b->u.sa.sa_family == AF_INET && a->u.in.sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr) &&
	       (a->dual || b->u.sa.sa_family == AF_INET6);
}

bool address_overlaps(const struct address *a, const struct address *b)
{
	if (!is_inet(a) || !is_inet(b) || port_of(a) != port_of(b) || !port_of(a))
		return false;
	return takes_in(a, b) || takes_in(b, a);
}
