/* SPDX-License-Identifier: MIT */
/* The name of a host as text: that of a request, and those of the configuration. Pure functions. */
#ifndef SERVICES_HTTP_HOST_H
#define SERVICES_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* A longer name is nobody's (RFC 1035 section 2.3.4). */
enum { HOST_NAME_MAX_LEN = 253 };

/* The length of a host without its port and final dot: "a.example.:8080" 9, "[::1]:80" 5. */
size_t host_cut(const char *host, size_t len);

/*
 * True for uri-host [ ":" port ] as RFC 3986 has it, a host not being empty; needs_port: as in
 * authority-form, which CONNECT has.
 */
bool host_is_valid(const char *p, const char *end, bool needs_port);

/*
 * What is wrong with a name that is to be served, and what to write; NULL: nothing. A name, an
 * address (IPv6 in brackets) or "*." and a name.
 */
const char *host_check(const char *name);

#endif
