/* SPDX-License-Identifier: MIT */
/*
 * Connections and workers made of memory, for tests of modules: all of musterd/module.h without a
 * runtime, a socket or a clock. The client's bytes are given beforehand; where a real call would
 * wait, the next of them come, or (none left) the client has gone or its time limit ends. What the
 * module writes is kept. Servers that are connected to are such connections too. A task runs to its end at once, as
 * nothing here ever really waits; a pool holds what was put into it.
 */
#ifndef TESTS_FAKE_CONN_H
#define TESTS_FAKE_CONN_H

#include "musterd/module.h"

enum { FAKE_BUFFER = 16384, FAKE_SERVERS = 8 };

struct mu_worker {
	int64_t time;      /* what mu_time says */
	int64_t waited_ms; /* beyond that: in mu_wait_input, for nothing */
	int connections;
	bool closing;       /* mu_is_ready says no */
	int output;         /* mu_output gives it for every path; -1: it fails, and so does 0 */
	unsigned wakes;     /* calls of mu_wake_after */
	int64_t wake_after; /* the last one's milliseconds; the test calls `wake` */
	char log[8192];     /* all lines, each with a newline */
	/*
	 * What mu_connect gives, one after the other; then, or where it is NULL, the connection is refused. To be
	 * set by the test, with their input.
	 */
	struct mu_conn *server[FAKE_SERVERS];
	size_t servers, connects;
	char connected[FAKE_SERVERS][64]; /* the addresses that were asked for */
};

struct mu_conn {
	struct mu_worker *worker;

	/* The client: to be set by the test. */
	const char *input;
	size_t input_len;
	size_t step; /* bytes that arrive at a time; 0: what fits */
	bool ends;   /* after the input: it has finished sending, else a time limit runs out */
	size_t write_room; /* bytes taken before a write would have to wait; SIZE_MAX at first */
	bool draining;
	bool gone;   /* writes fail */
	bool silent; /* after the input nothing comes, not even the end of a limit of the service */
	bool stuck;  /* it takes nothing more once write_room is used up */
	void (*on_wait)(struct mu_conn *conn); /* called whenever another connection could run */
	void *on_wait_arg;
	struct sockaddr_storage peer; /* of mu_peer_address; AF_UNSPEC: 192.0.2.1:4711 */

	/* What the module did. */
	char *output;
	size_t output_len;
	unsigned receives, sends, requests, parks, room_waits;
	bool lingered, shut;
	bool closed, rests;  /* mu_close, mu_pool_put */
	bool more;           /* the last write had MU_MORE */
	enum mu_limit limit; /* set last */
	uintptr_t word;

	char buffer[FAKE_BUFFER];
	size_t start, end;
	struct fake_piece *pieces;
};

/* The errors that a check function gave, "directive: message" (or the word) a line. */
struct mu_report {
	char text[2048];
	const char *chroot; /* what mu_chroot says */
};

void fake_conn_init(struct mu_conn *conn, struct mu_worker *worker);
void fake_conn_cleanup(struct mu_conn *conn);

/* Sets the input, which is borrowed. */
void fake_conn_say(struct mu_conn *conn, const char *text);

/*
 * As the runtime does: enters serve when bytes are there, again after each park while more come.
 * MU_DONE, or MU_PARKED when the input is used up.
 */
int fake_conn_serve(struct mu_conn *conn, const struct mu_module *module, void *state);

#endif
