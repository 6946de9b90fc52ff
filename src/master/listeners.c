/* SPDX-License-Identifier: MIT */
/* The set of open listeners, as listeners.h says. */
#include "master/listeners.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct open_listener *open_listener_new(struct listeners *listeners)
{
	struct open_listener *listener = calloc(1, sizeof(*listener));

	if (listener) {
		listener->socket.fd = -1;
		TAILQ_INSERT_TAIL(&listeners->open, listener, link);
	}
	return listener;
}

static void open_listener_free(struct listeners *listeners, struct open_listener *listener)
{
	TAILQ_REMOVE(&listeners->open, listener, link);
	if (listener->socket.fd >= 0)
		listener_close(&listener->socket);
	free(listener);
}

int listeners_init(struct listeners *listeners, const struct systemd *systemd)
{
	TAILQ_INIT(&listeners->open);
	for (size_t i = 0; i < systemd->fds; i++) {
		struct open_listener *listener = open_listener_new(listeners);
		char *error = NULL;

		if (!listener)
			return -1;
		listener->systemd_name = systemd->name[i];
		if (listener_adopt(&listener->socket, SYSTEMD_FIRST_FD + (int)i, &error) == 0)
			continue;
		log_warning("descriptor %d (%s) passed by systemd: %s", SYSTEMD_FIRST_FD + (int)i,
			    systemd->name[i], error ? error : strerror(ENOMEM));
		free(error);
		listener->socket.fd = -1;
		open_listener_free(listeners, listener);
	}
	return 0;
}

void listeners_cleanup(struct listeners *listeners)
{
	struct open_listener *listener;

	/* The analyser does not see that TAILQ_REMOVE changes what TAILQ_FIRST gives. */
	while ((listener = TAILQ_FIRST(&listeners->open)))
		open_listener_free(listeners, listener); /* NOLINT(clang-analyzer-unix.Malloc) */
}

size_t listeners_count(const struct listeners *listeners)
{
	const struct open_listener *listener;
	size_t n = 0;

	TAILQ_FOREACH (listener, &listeners->open, link)
		n++;
	return n;
}

static bool is_any_port(const struct address *address)
{
	if (address->u.sa.sa_family == AF_INET)
		return address->u.in.sin_port == 0;
	return address->u.sa.sa_family == AF_INET6 && address->u.in6.sin6_port == 0;
}

static bool is_for(const struct open_listener *listener, const struct address *address,
		   unsigned generation)
{
	if (is_any_port(address))
		return address_equal(&listener->asked, address) &&
		       listener->generation != generation;
	return address_equal(&listener->socket.address, address);
}

struct open_listener *listeners_take(struct listeners *listeners, const struct address *address,
				     const struct listener_options *options, unsigned generation,
				     char **error_r)
{
	struct open_listener *listener;

	*error_r = NULL;
	TAILQ_FOREACH (listener, &listeners->open, link) {
		if (!is_for(listener, address, generation))
			continue;
		listener->generation = generation;
		listener->refs++;
		return listener;
	}
	listener = open_listener_new(listeners);
	if (!listener) {
		*error_r = strdup("out of memory");
		return NULL;
	}
	if (listener_bind(&listener->socket, address, options, error_r) < 0) {
		listener->socket.fd = -1;
		open_listener_free(listeners, listener);
		return NULL;
	}
	listener->asked = *address;
	listener->generation = generation;
	listener->refs = 1;
	return listener;
}

struct open_listener *listeners_take_passed(struct listeners *listeners, const char *name,
					    struct open_listener *after)
{
	struct open_listener *listener;

	listener = after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&listeners->open);
	for (; listener; listener = TAILQ_NEXT(listener, link)) {
		if (listener->systemd_name && strcmp(listener->systemd_name, name) == 0) {
			listener->refs++;
			return listener;
		}
	}
	return NULL;
}

void listeners_release(struct listeners *listeners, struct open_listener *listener)
{
	if (--listener->refs == 0 && !listener->systemd_name)
		open_listener_free(listeners, listener);
}
