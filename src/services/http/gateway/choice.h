/* SPDX-License-Identifier: MIT */
/*
 * Which server of a group a request goes to: the policy, and what one worker remembers for it.
 * Pure: it sees times (milliseconds of a monotonic clock) and outcomes, connects to nobody and logs
 * nothing. After choice_new nothing is allocated, and a choice looks at each server once.
 *
 * Each server stands in one of these ways:
 *     in     it is chosen
 *     out    max_fails requests failed within fail_ms: it is not chosen for fail_ms
 *     due    that time is over: it is chosen for one request at a time, whose outcome decides:
 *            in, or out for as long again
 *     ill    the active check says so, whatever requests have found
 *     down   by the configuration
 * A request is given to one that is in or due, of the backup servers only where none of the others
 * is. Where there is no such one at all it is given to any that is out or due: a group whose every
 * server has failed lately is tried as if none had, so an application that was restarted is found
 * again at once, and a single server is never out. Ill ones and those that are down are never
 * chosen: none is left then, and the answer is 503.
 */
#ifndef SERVICES_HTTP_GATEWAY_CHOICE_H
#define SERVICES_HTTP_GATEWAY_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHOICE_SERVERS_MAX = 64, CHOICE_WEIGHT_MAX = 1000, CHOICE_FAILS_MAX = 100 };

enum choice_balance {
	/* Smooth: of any run of as many requests as the weights add up to, each has its weight. */
	CHOICE_ROUND_ROBIN = 0,
	/* The fewest requests for its weight; of several such ones round robin. */
	CHOICE_LEAST_BUSY,
	/* The same key, the same server; each has its weight's share of the keys. */
	CHOICE_HASH
};

struct choice_server {
	/* What its share of the keys hangs on, so no two have the same; not kept. */
	const char *name;
	uint32_t weight; /* 1 to CHOICE_WEIGHT_MAX */
	bool backup, down;
};

struct choice_rules {
	enum choice_balance balance;
	uint32_t max_fails; /* to CHOICE_FAILS_MAX; 0: no failure puts a server out */
	int64_t fail_ms;    /* above 0 */
	/*
	 * CHOICE_HASH: no server has more than so many per cent of its share of the requests that
	 * this worker has in hand, rounded up; what is above that goes to the key's next server.
	 * 100 to 10,000; 0: no bound.
	 */
	uint32_t load_percent;
	/* Where round robin begins: another one for each worker. Keys do not depend on it. */
	uint64_t seed;
};

enum choice_standing { CHOICE_IN, CHOICE_OUT, CHOICE_DUE, CHOICE_ILL, CHOICE_DOWN };

/* A request, over all its tries: cleared at its beginning. */
struct choice_request {
	uint64_t tried; /* bits of servers, which are not chosen for it again */
	int server;     /* the one that has it */
	bool holds;     /* that is so: from choice_take to choice_release */
	bool decides;   /* its outcome says whether the server is in again */
};

struct choice;

/* n is 1 to CHOICE_SERVERS_MAX; all are in but those that are down. NULL with ENOMEM. */
struct choice *choice_new(const struct choice_rules *rules, const struct choice_server *server,
			  int n);
void choice_free(struct choice *choice);

/* Of the bytes that a key is made of: the same in all workers and at all times. */
uint64_t choice_key(const char *data, size_t len);

/*
 * The server for the first or next try of a request, which holds none; key: for CHOICE_HASH. Its
 * index, and choice_release is to follow; -1: there is none that it was not given to already.
 */
int choice_take(struct choice *choice, int64_t now, uint64_t key, struct choice_request *request);

/* The server of the request has answered well. True: it was out, and is in by that. */
bool choice_succeeded(struct choice *choice, struct choice_request *request);

/*
 * It has failed: refused, kept us waiting too long, broke off, or answered what is no answer. True:
 * it was in, and is out by that. Where neither was said (a client that left) nothing is learned.
 */
bool choice_failed(struct choice *choice, int64_t now, struct choice_request *request);

/* The request is the server's no more. */
void choice_release(struct choice *choice, struct choice_request *request);

/* What the active check says; one that was ill comes back without its earlier failures. */
void choice_set_ill(struct choice *choice, int server, bool ill);

enum choice_standing choice_standing(const struct choice *choice, int server, int64_t now);

#endif
