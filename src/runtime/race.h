/* SPDX-License-Identifier: MIT */
/*
 * Which address of a host is tried when: RFC 8305, Happy Eyeballs. Pure: what the name servers say, that an
 * attempt failed and the time come in, addresses to be tried come out. connect.c makes the attempts; order
 * within a family is that of the answers.
 */
#ifndef RUNTIME_RACE_H
#define RUNTIME_RACE_H

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 8305 section 8. */
enum {
	RACE_RESOLUTION_MS = 50, /* how long IPv4 addresses that came first wait for IPv6 ones */
	RACE_ATTEMPT_MS = 250    /* from one attempt to the next while none has failed */
};

/* What is taken of each family: more would only be more sockets. */
enum { RACE_ADDRESSES_MAX = 16 };

/* In the order in which they are preferred. */
enum race_family { RACE_IPV6 = 0, RACE_IPV4 = 1, RACE_FAMILIES = 2 };

struct race {
	struct address address[RACE_FAMILIES][RACE_ADDRESSES_MAX];
	size_t n[RACE_FAMILIES], tried[RACE_FAMILIES];
	bool answered[RACE_FAMILIES];
	bool begun; /* something was tried, of the family `last` */
	enum race_family last;
	int64_t next_at; /* no attempt before; 0: at once */
};

void race_init(struct race *race);
/*
 * The addresses of a family are known: copied, doubles and what is too much left out; n 0: it has none. Once for
 * each family.
 */
void race_answer(struct race *race, enum race_family family, const struct address *address,
		 size_t n, int64_t now);
/* An attempt failed: the next one need not wait. */
void race_failed(struct race *race);
/* The address to try now, which then counts as tried; NULL: none now. Valid as long as the race. */
const struct address *race_next(struct race *race, int64_t now);
/* When race_next has one though nothing else happens before; 0: never. May lie back. */
int64_t race_due(const struct race *race);
/* Nothing is left to be tried, and no answer will bring more. */
bool race_is_over(const struct race *race);

#endif
