/* SPDX-License-Identifier: MIT */
/* mu_peer_name: the name of a client's address, believed only if the name has that address. */
#include "base/clock.h"
#include "base/fd.h"
#include "runtime/connect.h"
#include "runtime/names.h"

#include <bsd/string.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* One mu_peer_name. */
struct inquiry {
	struct mu_conn *conn;
	int64_t deadline;
	int epoll;
	struct address address; /* without its port */
	enum race_family family;
};

/* Until all that was asked for is known. 0 or -1. */
static int wait_for_it(const struct inquiry *inquiry, struct lookup *lookup)
{
	while (!lookup_answer(lookup, inquiry->family)->done || !lookup_pointers(lookup)->done) {
		if (connect_wait(inquiry->conn, inquiry->epoll, lookup_due(lookup),
				 inquiry->deadline) < 0)
			return -1;
		lookup_turn(lookup);
	}
	return 0;
}

static int ask_for_names(const struct inquiry *inquiry, struct pointers *pointers_r)
{
	struct lookup *lookup = lookup_start_reverse(inquiry->conn->worker->names,
						     &inquiry->address, inquiry->epoll);

	if (!lookup || wait_for_it(inquiry, lookup) < 0) {
		lookup_end(lookup);
		return -1;
	}
	*pointers_r = *lookup_pointers(lookup);
	lookup_end(lookup);
	if (!pointers_r->error)
		return 0;
	errno = pointers_r->error;
	return -1;
}

static int has_address(const struct answer *answer, const struct address *address)
{
	for (size_t i = 0; i < answer->n; i++)
		if (address_equal(&answer->address[i], address))
			return 0;
	errno = answer->error == EAGAIN || answer->error == ENOMEM ? answer->error : ENOENT;
	return -1;
}

/* The name has our address: 0. -1 with ENOENT when it has not. */
static int confirm(const struct inquiry *inquiry, const char *name)
{
	struct lookup *lookup = lookup_start(inquiry->conn->worker->names, name, inquiry->epoll);
	int result = lookup ? wait_for_it(inquiry, lookup) : -1;

	if (result == 0)
		result = has_address(lookup_answer(lookup, inquiry->family), &inquiry->address);
	lookup_end(lookup);
	return result;
}

static int find_name(const struct inquiry *inquiry, char *buffer, size_t size)
{
	struct pointers pointers;
	int error = ENOENT;

	if (ask_for_names(inquiry, &pointers) < 0)
		return -1;
	for (size_t i = 0; i < pointers.n; i++) {
		if (confirm(inquiry, pointers.name[i]) == 0) {
			if (strlcpy(buffer, pointers.name[i], size) < size)
				return 0;
			errno = ENOBUFS;
			return -1;
		}
		if (errno == EAGAIN)
			error = EAGAIN;
		else if (errno != ENOENT)
			return -1;
	}
	errno = error;
	return -1;
}

static bool read_peer(const struct mu_conn *conn, struct inquiry *inquiry)
{
	struct sockaddr_storage peer;
	struct address *address = &inquiry->address;

	address->len = mu_peer_address(conn, &peer);
	if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6)
		return false;
	memcpy(&address->u, &peer, address->len);
	inquiry->family = peer.ss_family == AF_INET6 ? RACE_IPV6 : RACE_IPV4;
	if (inquiry->family == RACE_IPV6)
		address->u.in6.sin6_port = 0;
	else
		address->u.in.sin_port = 0;
	return true;
}

int mu_peer_name(struct mu_conn *conn, char *buffer, size_t size, int64_t ms)
{
	struct inquiry inquiry = { .conn = conn, .deadline = connect_deadline(ms) };
	int result;

	if (!read_peer(conn, &inquiry)) {
		errno = ENOENT;
		return -1;
	}
	if (!connect_has_names(conn))
		return -1;
	inquiry.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (inquiry.epoll < 0)
		return -1;
	result = find_name(&inquiry, buffer, size);
	fd_close(&inquiry.epoll);
	return result;
}
