/* SPDX-License-Identifier: MIT */
/*
 * What a machine knows of names without asking anybody: its hosts file and its names of services, read once, so
 * that a worker has them behind a chroot too. names.c uses it.
 */
#ifndef RUNTIME_HOSTS_H
#define RUNTIME_HOSTS_H

#include "net/address.h"

#include <netinet/in.h>
#include <stddef.h>

struct hosts;

/*
 * Reads the hosts file (hosts(5)), which may be missing, and the TCP services (services(5)). NULL with errno:
 * ENOMEM, or why the file cannot be read.
 */
struct hosts *hosts_read(const char *path);
/* NULL is fine. */
void hosts_free(struct hosts *hosts);

/* The addresses of a name, of one family, without a port, in the order of the file; at most max. Their number. */
size_t hosts_find(const struct hosts *hosts, const char *name, sa_family_t family,
		  struct address *address_r, size_t max);
/* The first name of an address, whatever its port. NULL: it has none. Valid as long as the hosts. */
const char *hosts_name_of(const struct hosts *hosts, const struct address *address);
/* 0: there is no such service. */
in_port_t hosts_port(const struct hosts *hosts, const char *service);

#endif
