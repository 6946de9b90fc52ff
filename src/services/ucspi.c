/* SPDX-License-Identifier: MIT */
/* The environment of a connection, as ucspi.h says. */
#include "services/ucspi.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A client that has to wait longer for its program goes away. */
enum { LOOKUP_MS = 5000, NAME_MAX_BYTES = 1025 };

static void add(struct ucspi *ucspi, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

static void add(struct ucspi *ucspi, const char *format, ...)
{
	size_t room = UCSPI_TEXT - ucspi->used;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(ucspi->text + ucspi->used, room, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room || ucspi->n == UCSPI_VARIABLES)
		return;
	ucspi->variable[ucspi->n++] = ucspi->text + ucspi->used;
	ucspi->used += (size_t)len + 1;
}

struct end {
	char ip[INET6_ADDRSTRLEN];
	unsigned port;
};

static void take_apart(const struct sockaddr_storage *address, struct end *end_r)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, end_r->ip, sizeof(end_r->ip));
		end_r->port = ntohs(in->sin_port);
	} else {
		inet_ntop(AF_INET6, &in6->sin6_addr, end_r->ip, sizeof(end_r->ip));
		end_r->port = ntohs(in6->sin6_port);
	}
}

static void add_ends(struct ucspi *ucspi, const char *prefix, const struct end *local,
		     const struct end *remote)
{
	add(ucspi, "%sLOCALIP=%s", prefix, local->ip);
	add(ucspi, "%sLOCALPORT=%u", prefix, local->port);
	add(ucspi, "%sREMOTEIP=%s", prefix, remote->ip);
	add(ucspi, "%sREMOTEPORT=%u", prefix, remote->port);
}

static void add_internet(struct ucspi *ucspi, const struct sockaddr_storage *local_address,
			 const struct sockaddr_storage *remote_address)
{
	bool is_six = remote_address->ss_family == AF_INET6;
	struct end local, remote;

	take_apart(local_address, &local);
	take_apart(remote_address, &remote);
	add(ucspi, "PROTO=TCP%s", is_six ? "6" : "");
	add_ends(ucspi, "TCP", &local, &remote);
	/* ucspi-tcp6 has both, so that programs which know of IPv4 alone find something. */
	if (is_six)
		add_ends(ucspi, "TCP6", &local, &remote);
	add(ucspi, "REMOTE_ADDR=%s", remote.ip);
	add(ucspi, "REMOTE_PORT=%u", remote.port);
}

static void add_unix(struct ucspi *ucspi, const struct sockaddr_storage *address, socklen_t len)
{
	const struct sockaddr_un *local = (const struct sockaddr_un *)address;
	size_t most = len > offsetof(struct sockaddr_un, sun_path)
			      ? len - offsetof(struct sockaddr_un, sun_path)
			      : 0;
	bool is_abstract = most > 1 && !local->sun_path[0];

	add(ucspi, "PROTO=UNIX");
	if (most)
		add(ucspi, "UNIXLOCALPATH=%s%.*s", is_abstract ? "@" : "",
		    (int)(most - is_abstract), local->sun_path + is_abstract);
}

void ucspi_init(struct ucspi *ucspi, struct mu_conn *conn)
{
	struct sockaddr_storage local, remote;
	socklen_t len = mu_local_address(conn, &local);

	ucspi->n = ucspi->used = 0;
	mu_peer_address(conn, &remote);
	if (remote.ss_family == AF_UNIX)
		add_unix(ucspi, &local, len);
	else if (remote.ss_family == AF_INET || remote.ss_family == AF_INET6)
		add_internet(ucspi, &local, &remote);
}

void ucspi_look_up(struct ucspi *ucspi, struct mu_conn *conn)
{
	char name[NAME_MAX_BYTES];
	struct sockaddr_storage remote;

	mu_peer_address(conn, &remote);
	if (remote.ss_family == AF_UNIX || mu_peer_name(conn, name, sizeof(name), LOOKUP_MS) < 0)
		return;
	add(ucspi, "TCPREMOTEHOST=%s", name);
	if (remote.ss_family == AF_INET6)
		add(ucspi, "TCP6REMOTEHOST=%s", name);
	add(ucspi, "REMOTE_HOST=%s", name);
}

void ucspi_add_credentials(struct ucspi *ucspi, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int domain = 0;
	socklen_t domain_len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) < 0 || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	add(ucspi, "UNIXREMOTEPID=%ld", (long)peer.pid);
	add(ucspi, "UNIXREMOTEEUID=%lu", (unsigned long)peer.uid);
	add(ucspi, "UNIXREMOTEEGID=%lu", (unsigned long)peer.gid);
}
