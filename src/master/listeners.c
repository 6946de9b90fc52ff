/* SPDX-License-Identifier: MIT */
/* The set of open listeners, as listeners.h says. */
#include "master/listeners.h"

#include "base/fd.h"
#include "base/log.h"
#include "master/saved.h"
#include "net/fdstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

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
	free(listener->stored);
	free(listener);
}

/* Nobody is to listen there any more: systemd closes its copy, too. */
static void drop(struct listeners *listeners, struct open_listener *listener)
{
	if (listener->stored)
		systemd_unstore(listeners->systemd, listener->stored);
	open_listener_free(listeners, listener);
}

/* ------------------------------------------------------------------------- taking over ---- */

/* It waits for a while on behalf of workers of the master before us; who serves there now may be others. */
static void forget_workers(const struct listener *listener)
{
	static const struct timeval none;

	setsockopt(listener->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
}

/* If it is one that we had stored it is ours, and no unit's; if nobody can reach it any more it is closed. */
static void take_back(struct listeners *listeners, struct open_listener *listener, const char *name)
{
	struct listener *socket = &listener->socket;
	char text[ADDRESS_TEXT_MAX];

	if (!fdstore_is_ours(socket->fd, name, &socket->dev, &socket->ino))
		return;
	socket->adopted = false;
	listener->asked = socket->address;
	listener->systemd_name = NULL;
	listener->stored = strdup(name);
	forget_workers(socket);
	if (socket->ino && !listener_has_file(socket)) {
		log_notice("listener %s was kept, but its file is gone: it is made anew",
			   address_text(&socket->address, text));
		drop(listeners, listener);
	} else {
		log_info("listener %s was kept while we were away",
			 address_text(&socket->address, text));
	}
}

static int adopt_passed(struct listeners *listeners, int fd, const char *name)
{
	struct open_listener *listener;
	char *error = NULL;

	if (strcmp(name, SYSTEMD_PROBE) == 0) {
		systemd_unstore(listeners->systemd, name);
		fd_close(&fd);
		return 0;
	}
	listener = open_listener_new(listeners);
	if (!listener)
		return -1;
	listener->systemd_name = name;
	if (listener_adopt(&listener->socket, fd, &error) == 0) {
		take_back(listeners, listener, name);
		return 0;
	}
	log_warning("descriptor %d (%s) passed by systemd: %s", fd, name,
		    error ? error : strerror(ENOMEM));
	free(error);
	listener->socket.fd = -1;
	open_listener_free(listeners, listener);
	return 0;
}

int listeners_init(struct listeners *listeners, struct systemd *systemd)
{
	TAILQ_INIT(&listeners->open);
	listeners->systemd = systemd;
	listeners->holding = true;
	for (size_t i = 0; i < systemd->fds; i++) {
		if (adopt_passed(listeners, SYSTEMD_FIRST_FD + (int)i, systemd->name[i]) < 0)
			return -1;
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
	/* Where there is no memory for it, it is stored once more, and that is the same. */
	listener->stored = saved->stored[0] ? strdup(saved->stored) : NULL;
	return listener;
}

void listeners_cleanup(struct listeners *listeners)
{
	struct open_listener *listener;

	/* The file stays with the socket. */
	TAILQ_FOREACH (listener, &listeners->open, link)
		if (listener_outlives_us(listeners, listener))
			listener->socket.ino = 0;
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
	if (--listener->refs == 0 && !listener->systemd_name &&
	    !listener_outlives_us(listeners, listener))
		drop(listeners, listener);
}

/* --------------------------------------------------------------------------- the store ---- */

static bool is_named(const struct config *config, const struct address *address)
{
	for (size_t i = 0; i < config->services; i++) {
		const struct service_conf *service = config->service[i];

		for (size_t j = 0; j < service->listens; j++) {
			const struct conf_listen *listen = &service->listen[j];

			for (size_t k = 0; k < listen->addresses; k++)
				if (address_equal(&listen->address[k], address))
					return true;
		}
	}
	return false;
}

void listeners_drop_unnamed(struct listeners *listeners, const struct config *config)
{
	struct open_listener *listener, *next;
	char text[ADDRESS_TEXT_MAX];

	TAILQ_FOREACH_SAFE (listener, &listeners->open, link, next) {
		if (!listener->stored || is_named(config, &listener->socket.address))
			continue;
		log_notice("listener %s was kept, but the configuration does not name it any more: "
			   "it is closed",
			   address_text(&listener->socket.address, text));
		drop(listeners, listener);
	}
}

/* A port that the kernel chose is no address that a successor looks for. */
static bool is_to_be_stored(const struct open_listener *listener)
{
	return !listener->stored && !listener->systemd_name && listener->socket.listening &&
	       !is_any_port(&listener->asked);
}

static bool store(struct listeners *listeners, struct open_listener *listener)
{
	char name[FDSTORE_NAME_MAX];

	if (fdstore_name(&listener->socket, name) < 0)
		return true; /* never */
	if (!systemd_store(listeners->systemd, listener->socket.fd, name))
		return false;
	listener->stored = strdup(name);
	return true;
}

void listeners_store(struct listeners *listeners)
{
	const struct systemd *systemd = listeners->systemd;
	int64_t kept = 0, needed = 0;
	struct open_listener *listener;

	listeners->holding = false;
	listeners->unstored = false;
	if (!systemd_begin_store(listeners->systemd))
		return;
	listeners->unstored = systemd->store < 0 && systemd->probe < 0;
	TAILQ_FOREACH (listener, &listeners->open, link)
		kept += listener->stored != NULL;
	needed = kept;
	TAILQ_FOREACH (listener, &listeners->open, link) {
		if (!is_to_be_stored(listener))
			continue;
		needed++;
		if (systemd->store > 0 && kept >= systemd->store)
			continue;
		listeners->unstored |= !store(listeners, listener);
		kept++;
	}
	if (kept < needed && !listeners->unstored)
		log_warning("%d listener%s will not outlive a restart: FileDescriptorStoreMax= of "
			    "the unit is %d, and %d are needed",
			    (int)(needed - kept), plural((long)(needed - kept)),
			    (int)systemd->store, (int)needed);
}

void listeners_store_more(struct listeners *listeners)
{
	if (listeners->unstored && !listeners->holding)
		listeners_store(listeners);
}

/* Bound anew it would be another socket, which workers that stay do not have. */
void listeners_miss_files(const struct listeners *listeners)
{
	const struct open_listener *listener;
	char text[ADDRESS_TEXT_MAX];

	TAILQ_FOREACH (listener, &listeners->open, link)
		if (listener->socket.ino && listener->refs && !listener_has_file(&listener->socket))
			log_warning("listener %s: its file is gone, nobody can connect there any "
				    "more: restart musterd, or give it another path",
				    address_text(&listener->socket.address, text));
}

void listeners_hold(struct listeners *listeners)
{
	/* One that has never served asks nobody: what its configuration names, and came from the store, rests there. */
	if (!listeners->holding)
		listeners->holding = systemd_keeps(listeners->systemd);
}

bool listener_outlives_us(const struct listeners *listeners, const struct open_listener *listener)
{
	return listener->socket.adopted || (listener->stored && listeners->holding);
}
