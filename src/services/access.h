/* SPDX-License-Identifier: MIT */
/*
 * Who is admitted: `allow` and `deny` of one block. Of all networks that a peer is in the smallest
 * decides, whatever the order they are written in; the same one in both is denied. Who is in none
 * is admitted, unless the block has an `allow`.
 */
#ifndef SERVICES_ACCESS_H
#define SERVICES_ACCESS_H

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct access;

enum { ACCESS_ERROR_MAX = 160 };

/*
 * Checks a word of `allow` or `deny`: an address, a network as 192.0.2.0/24 or 2001:db8::/32, "all"
 * or "unix". True; or false, with what to write in error.
 */
bool access_check(const char *word, char error[ACCESS_ERROR_MAX]);

/* Of words that were checked; a wrong one is left out. NULL with ENOMEM. */
struct access *access_new(const struct mu_words *allow, const struct mu_words *deny);
void access_free(struct access *access);

/* peer: as mu_peer_address gives it. access NULL: everybody is admitted. Does not yield. */
bool access_admits(const struct access *access, const struct sockaddr_storage *peer);

#endif
