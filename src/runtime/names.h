/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses: questions to the name servers by c-ares, and to the hosts file before. A worker has one
 * `struct names` with one c-ares channel, made before a chroot. Nothing here waits: whoever asks has an epoll descriptor that tells
 * when there is something to do. connect.c and peer.c wait, by conn_wait_fd.
 *
 * The channel's sockets belong to all questions together. So of those who wait for an answer one *drives*: it has them
 * in its epoll descriptor too, and reads for all. When it leaves, the next one is told.
 */
#ifndef RUNTIME_NAMES_H
#define RUNTIME_NAMES_H

#include "net/address.h"
#include "runtime/race.h"

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;
struct lookup;

/* Where it all comes from. */
struct names_source {
	const char *hosts;       /* path */
	const char *resolv_conf; /* path */
	/* "ADDRESS:PORT,...": these servers in place of resolv.conf's, for tests; NULL: those. */
	const char *servers;
	int timeout_ms, tries; /* of a question, for each server; 0: as resolv.conf says */
	bool once;             /* the files are not looked at again: there is a chroot */
};

/* The machine's. */
extern const struct names_source names_system;

/* Reads what it needs. NULL with *reason_r a static text. The source's strings stay the caller's, and live as long. */
struct names *names_new(const struct names_source *source, const char **reason_r);
/* Those who ask must have gone. NULL is fine. */
void names_free(struct names *names);
/*
 * Looks, once a second at most, whether the files are others now, and if so puts new names into the place of the old
 * ones, which end with the last of those who wait. Files that cannot be read change nothing. now: clock_ms().
 */
void names_renew(struct names **names, int64_t now);
/* The port of a TCP service; 0: there is no such. */
in_port_t names_port(const struct names *names, const char *service);

/* ---- one question ---- */

enum { NAMES_POINTERS_MAX = 4 }; /* names of an address that are looked at */

struct answer {
	bool done;
	int error; /* 0; ENOENT: none; EAGAIN: no server said; EINVAL: no name; ENOMEM */
	size_t n;
	struct address address[RACE_ADDRESSES_MAX]; /* without ports */
};

struct pointers {
	bool done;
	int error;
	size_t n;
	char name[NAMES_POINTERS_MAX][NI_MAXHOST]; /* of letters that names of hosts have */
};

/*
 * Asks for the addresses of a host, of both families at the same time. `epoll` is the caller's: when it is readable by
 * the tag LOOKUP_TAG, or lookup_due has come, lookup_turn is to be called. It stays open until lookup_end. NULL
 * with errno.
 */
enum { LOOKUP_TAG = UINT32_MAX };
struct lookup *lookup_start(struct names *names, const char *host, int epoll);
/* Asks for the names of an address, in the same way. */
struct lookup *lookup_start_reverse(struct names *names, const struct address *address, int epoll);
/* Reads what has come, for all. */
void lookup_turn(struct lookup *lookup);
/* clock_ms(); 0: nothing to be done without an event. */
int64_t lookup_due(const struct lookup *lookup);
/* What is known by now; changes in lookup_turn alone. Valid until lookup_end. */
const struct answer *lookup_answer(const struct lookup *lookup, enum race_family family);
const struct pointers *lookup_pointers(const struct lookup *lookup);
/* The caller is not interested any more, whether there was an answer or not. NULL is fine. Keeps errno. */
void lookup_end(struct lookup *lookup);

#endif
