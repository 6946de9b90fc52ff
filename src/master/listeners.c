/* SPDX-License-Identifier: MIT */
/* The set of open listeners, as listeners.h says. */
#include "master/listeners.h"

#include "base/log.h"
#include "master/saved.h"

#include <errno.h>
#include <stdio.h>
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

struct open_listener *listeners_adopt(struct listeners *listeners,
				      const struct saved_listener *saved, char **error_r)
{
	struct open_listener *listener = open_listener_new(listeners);

	*error_r = NULL;
	if (!listener)
		return NULL;
	if (listener_adopt(&listener->socket, saved->fd, error_r) < 0) {
		open_listener_free(listeners, listener);
		return NULL;
	}
	if (saved->asked[0] && address_parse(&listener->asked, saved->asked) < 0)
		listener->asked = listener->socket.address;
	listener->socket.adopted = saved->adopted;
	listener->socket.dev = (dev_t)saved->dev;
	listener->socket.ino = (ino_t)saved->ino;
	listener->generation = (unsigned)saved->generation;
	listener->systemd_name = saved->systemd_name[0] ? saved->systemd_name : NULL;
	return listener;
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

/*
 * One of ours that takes in the address, or is taken in by it: the kernel would only say that the address
 * is in use. NULL: none.
 */
static const struct open_listener *find_overlap(const struct listeners *listeners,
						const struct address *address)
{
	const struct open_listener *listener;

	TAILQ_FOREACH (listener, &listeners->open, link) {
		if (!listener->systemd_name && address_overlaps(&listener->socket.address, address))
			return listener;
	}
	return NULL;
}

static char *overlap_text(const struct open_listener *listener, const struct address *address,
			  unsigned generation)
{
	char asked[ADDRESS_TEXT_MAX], open[ADDRESS_TEXT_MAX], *text;
	const char *advice = listener->generation == generation
				     ? "the configuration names both: one of them is enough"
				     : "the running configuration has it: a restart can change one "
				       "into the other, a reload cannot";

	if (asprintf(&text, "cannot bind %s beside %s: %s", address_text(address, asked),
		     address_text(&listener->socket.address, open), advice) < 0)
		return NULL;
	return text;
}

struct open_listener *listeners_take(struct listeners *listeners, const struct address *address,
				     const struct listener_options *options, unsigned generation,
				     char **error_r)
{
	const struct open_listener *other;
	struct open_listener *listener;

	*error_r = NULL;
	TAILQ_FOREACH (listener, &listeners->open, link) {
		if (!is_for(listener, address, generation))
			continue;
		listener->generation = generation;
		listener->refs++;
		return listener;
	}
	other = find_overlap(listeners, address);
	if (other) {
		*error_r = overlap_text(other, address, generation);
		errno = EEXIST;
		return NULL;
	}
	listener = open_listener_new(listeners);
	if (!listener) {
		*error_r = strdup("out of memory");
		errno = ENOMEM;
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
