/* SPDX-License-Identifier: MIT */
/* The hosts file and the names of services, as hosts.h says. */
#include "runtime/hosts.h"

#include "base/arena.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024 * 1024, ARENA_CHUNK = 8192 };

/* One name of one line. */
struct host {
	const char *name;
	uint32_t order; /* in the file */
	sa_family_t family;
	union {
		struct in_addr in;
		struct in6_addr in6;
	} u;
};

struct service {
	struct service *next;
	const char *name;
	in_port_t port;
};

struct hosts {
	struct arena *arena;
	char *text; /* the file; names point into it */
	struct host *host;
	size_t n, room; /* sorted by name, then by order */
	struct service *service;
};

/* ---- reading ---- */

static int add_host(struct hosts *hosts, const struct host *host)
{
	if (hosts->n == hosts->room) {
		size_t room = hosts->room ? 2 * hosts->room : 16;
		struct host *more = reallocarray(hosts->host, room, sizeof(*more));

		if (!more)
			return -1;
		hosts->host = more;
		hosts->room = room;
	}
	hosts->host[hosts->n] = *host;
	hosts->host[hosts->n].order = (uint32_t)hosts->n;
	hosts->n++;
	return 0;
}

/* ADDRESS NAME ...; lines with anything else in front are passed over. */
static int read_line(struct hosts *hosts, char *line)
{
	struct host host = { .family = AF_INET };
	char *word, *rest;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r", &rest);
	if (!word)
		return 0;
	if (inet_pton(AF_INET, word, &host.u.in) != 1) {
		host.family = AF_INET6;
		if (inet_pton(AF_INET6, word, &host.u.in6) != 1)
			return 0;
	}
	while ((host.name = strtok_r(NULL, " \t\r", &rest)))
		if (add_host(hosts, &host) < 0)
			return -1;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct host *left = a, *right = b;
	int order = strcasecmp(left->name, right->name);

	return order ? order : (left->order > right->order) - (left->order < right->order);
}

static int read_file(struct hosts *hosts, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *line, *rest;
	size_t len;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	hosts->text = fd_read_all(fd, FILE_MAX, &len);
	fd_close(&fd);
	if (!hosts->text)
		return -1;
	hosts->text[len] = '\0';
	for (rest = hosts->text; (line = strsep(&rest, "\n"));)
		if (read_line(hosts, line) < 0)
			return -1;
	if (hosts->n)
		qsort(hosts->host, hosts->n, sizeof(*hosts->host), by_name);
	return 0;
}

static int add_service(struct hosts *hosts, const char *name, int port, struct service ***end)
{
	struct service *service = arena_alloc(hosts->arena, sizeof(*service));

	if (!service)
		return -1;
	service->name = arena_strdup(hosts->arena, name);
	service->port = (in_port_t)port;
	**end = service;
	*end = &service->next;
	return service->name ? 0 : -1;
}

static int read_services(struct hosts *hosts)
{
	struct service **end = &hosts->service;
	const struct servent *entry;
	int result = 0;

	setservent(1);
	while (result == 0 && (entry = getservent())) {
		int port = ntohs((in_port_t)entry->s_port);

		if (strcmp(entry->s_proto, "tcp") != 0)
			continue;
		result = add_service(hosts, entry->s_name, port, &end);
		for (char **alias = entry->s_aliases; result == 0 && *alias; alias++)
			result = add_service(hosts, *alias, port, &end);
	}
	endservent();
	return result;
}

struct hosts *hosts_read(const char *path)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (!hosts)
		return NULL;
	hosts->arena = arena_new(ARENA_CHUNK);
	if (!hosts->arena || read_file(hosts, path) < 0 || read_services(hosts) < 0) {
		int error = errno;

		hosts_free(hosts);
		errno = error;
		return NULL;
	}
	return hosts;
}

void hosts_free(struct hosts *hosts)
{
	if (!hosts)
		return;
	arena_free(hosts->arena);
	free(hosts->text);
	free(hosts->host);
	free(hosts);
}

/* ---- asking ---- */

static size_t first_of(const struct hosts *hosts, const char *name)
{
	size_t low = 0, high = hosts->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(hosts->host[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void set_address(struct address *address, const struct host *host)
{
	memset(address, 0, sizeof(*address));
	if (host->family == AF_INET) {
		address->len = sizeof(address->u.in);
		address->u.in.sin_family = AF_INET;
		address->u.in.sin_addr = host->u.in;
	} else {
		address->len = sizeof(address->u.in6);
		address->u.in6.sin6_family = AF_INET6;
		address->u.in6.sin6_addr = host->u.in6;
	}
}

size_t hosts_find(const struct hosts *hosts, const char *name, sa_family_t family,
		  struct address *address, size_t max)
{
	size_t n = 0;

	for (size_t i = first_of(hosts, name);
	     n < max && i < hosts->n && strcasecmp(hosts->host[i].name, name) == 0; i++)
		if (hosts->host[i].family == family)
			set_address(&address[n++], &hosts->host[i]);
	return n;
}

static bool is_host(const struct host *host, const struct address *address)
{
	if (host->family != address->u.sa.sa_family)
		return false;
	if (host->family == AF_INET)
		return host->u.in.s_addr == address->u.in.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&host->u.in6, &address->u.in6.sin6_addr);
}

const char *hosts_name_of(const struct hosts *hosts, const struct address *address)
{
	const struct host *first = NULL;

	for (size_t i = 0; i < hosts->n; i++)
		if (is_host(&hosts->host[i], address) &&
		    (!first || hosts->host[i].order < first->order))
			first = &hosts->host[i];
	return first ? first->name : NULL;
}

in_port_t hosts_port(const struct hosts *hosts, const char *name)
{
	for (const struct service *service = hosts->service; service; service = service->next)
		if (strcmp(service->name, name) == 0)
			return service->port;
	return 0;
}
