/* SPDX-License-Identifier: MIT */
/* The calls of musterd/module.h that are neither reading nor writing. */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ARENA_CHUNK = 2048, LOG_TEXT_MAX = 2048 };

int mu_park(struct mu_conn *conn)
{
	(void)conn;
	return MU_PARKED;
}

void mu_set_word(struct mu_conn *conn, uintptr_t word)
{
	conn->word = word;
}

uintptr_t mu_word(const struct mu_conn *conn)
{
	return conn->word;
}

int mu_sleep(struct mu_conn *conn, int64_t ms)
{
	return conn_pause(conn, ms < 0 ? 0 : ms);
}

void mu_set_limit(struct mu_conn *conn, enum mu_limit limit)
{
	const struct limits *limits = &conn->worker->limits;
	struct mu_conn *client = conn_client(conn);

	conn_set_limit(client, limit,
		       limit == MU_HEADER    ? limits->header_ms
		       : limit == MU_REQUEST ? limits->request_ms
					     : 0);
	if (client->family)
		family_limit(client);
}

void mu_count_request(struct mu_conn *conn)
{
	slot_count(&conn->worker->slot->requests);
}

bool mu_draining(const struct mu_conn *conn)
{
	return conn->worker->draining || conn->worker->crowded;
}

void *mu_alloc(struct mu_conn *conn, size_t size)
{
	struct mu_conn *client = conn_client(conn);

	if (!client->arena)
		client->arena = arena_new(ARENA_CHUNK);
	return client->arena ? arena_alloc(client->arena, size) : NULL;
}

const char *mu_peer(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX])
{
	return slot_peer_text(&conn->peer, buffer);
}

const char *mu_local(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX])
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	struct slot_peer local;

	getsockname(conn->fd, (struct sockaddr *)&address, &len);
	slot_peer_set(&local, (struct sockaddr *)&address);
	return slot_peer_text(&local, buffer);
}

static socklen_t put_address(const struct slot_peer *peer, struct sockaddr_storage *address_r)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address_r;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address_r;

	memset(address_r, 0, sizeof(*address_r));
	address_r->ss_family = peer->family;
	switch (peer->family) {
	case AF_INET:
		in->sin_port = htons(peer->port);
		memcpy(&in->sin_addr, peer->address, sizeof(in->sin_addr));
		return sizeof(*in);
	case AF_INET6:
		in6->sin6_port = htons(peer->port);
		memcpy(&in6->sin6_addr, peer->address, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	default:
		return sizeof(sa_family_t);
	}
}

socklen_t mu_peer_address(const struct mu_conn *conn, struct sockaddr_storage *address_r)
{
	return put_address(&conn->peer, address_r);
}

socklen_t mu_local_address(const struct mu_conn *conn, struct sockaddr_storage *address_r)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	struct slot_peer local;

	getsockname(conn->fd, (struct sockaddr *)&address, &len);
	if (address.ss_family == AF_UNIX) {
		*address_r = address;
		return len;
	}
	slot_peer_set(&local, (struct sockaddr *)&address);
	return put_address(&local, address_r);
}

int64_t mu_now_ms(const struct mu_worker *worker)
{
	return worker->now;
}

int64_t mu_time(const struct mu_worker *worker)
{
	return worker->time;
}

struct mu_worker *mu_worker_of(const struct mu_conn *conn)
{
	return conn->worker;
}

const char *mu_service_name(const struct mu_worker *worker)
{
	return worker->service;
}

int mu_worker_number(const struct mu_worker *worker)
{
	return worker->number;
}

int mu_worker_connections(const struct mu_worker *worker)
{
	return (int)worker->connections_max;
}

bool mu_is_ready(const struct mu_worker *worker)
{
	return !worker->draining && !worker->closing;
}

int64_t mu_drain_left(const struct mu_worker *worker)
{
	if (!worker->draining || !worker->drain_deadline)
		return -1;
	return worker->drain_deadline > worker->now ? worker->drain_deadline - worker->now : 0;
}

int mu_output(struct mu_worker *worker, const char *path)
{
	for (size_t i = 0; path && i < worker->outputs; i++)
		if (strcmp(worker->output[i].path, path) == 0)
			return worker->output_fd[i];
	errno = EINVAL;
	return -1;
}

void mu_wake_after(struct mu_worker *worker, int64_t ms)
{
	/* Not from `now`, which may lie back: never earlier than asked for. */
	if (worker->module->wake)
		worker->wake_at = clock_earlier(worker->wake_at, clock_ms() + (ms > 0 ? ms : 0));
}

void mu_log(struct mu_conn *conn, enum mu_level level, const char *format, ...)
{
	char text[LOG_TEXT_MAX], peer[SLOT_PEER_TEXT_MAX];
	va_list args;

	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, "%s: %s", slot_peer_text(&conn_client(conn)->peer, peer), text);
}

void mu_worker_log(struct mu_worker *worker, enum mu_level level, const char *format, ...)
{
	va_list args;

	(void)worker;
	va_start(args, format);
	log_vline(level, format, args);
	va_end(args);
}
