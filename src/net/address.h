/* SPDX-License-Identifier: MIT */
/*
 * Addresses: what a listen directive names, how that becomes socket addresses, how they are shown.
 * Resolving may block and is done by the checker alone; everything else here is pure.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
	socklen_t len;
	bool dual; /* AF_INET6 any-address that takes IPv4 too (IPV6_V6ONLY off) */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
};

enum listen_kind {
	LISTEN_INET = 1,   /* host (NULL: "*") and port */
	LISTEN_UNIX = 2,   /* path; "@name" is abstract */
	LISTEN_SYSTEMD = 3 /* descriptors passed under this name */
};

/* A listen argument taken apart. The strings point into `storage`. */
struct listen_name {
	enum listen_kind kind;
	const char *host, *port; /* LISTEN_INET; port is a number or a service name */
	const char *path;        /* LISTEN_UNIX; absolute, or "@name" */
	const char *name;        /* LISTEN_SYSTEMD */
	char storage[256];
};

/*
 * "*:8080" ":8080" "8080" "HOST:PORT" "192.0.2.1:80" "[::1]:80" "unix:/path" "unix:@name" "systemd:NAME".
 * 0, or -1 with *reason_r a static text that says what is wrong and what is right.
 */
int listen_name_parse(struct listen_name *name_r, const char *text, const char **reason_r);

/*
 * The socket addresses of a LISTEN_INET or LISTEN_UNIX name, at most max, without doubles. "*" gives one
 * dual-stack address, or the IPv4 one where the machine has no IPv6. May block (getaddrinfo). Number, or
 * -1 with *reason_r static or thread-local text.
 */
int address_resolve(const struct listen_name *name, struct address *address_r, size_t max,
		    const char **reason_r);

/*
 * As text that address_parse reads again: "192.0.2.1:80", "[2001:db8::1%2]:80", "*:80" (dual),
 * "[::]:80" (IPv6 only), "unix:/path", "unix:@name". Returns buffer.
 */
#define ADDRESS_TEXT_MAX 160
const char *address_text(const struct address *address, char buffer[ADDRESS_TEXT_MAX]);
/* The way back; never asks a name service. 0 or -1. */
int address_parse(struct address *address_r, const char *text);

/* Same family, host, port, dual (or the same path). */
bool address_equal(const struct address *a, const struct address *b);
/*
 * One takes in the other ("*:80" and "127.0.0.1:80"), so that only one of them can listen. False for equal
 * addresses of one host, and for Unix ones.
 */
bool address_overlaps(const struct address *a, const struct address *b);

#endif
