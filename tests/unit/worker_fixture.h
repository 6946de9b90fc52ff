/* SPDX-License-Identifier: MIT */
/*
 * A real worker in a forked child, with a hand-made service over a module of the test, a listener
 * on 127.0.0.1 and the test in the master's place.
 */
#ifndef TESTS_WORKER_FIXTURE_H
#define TESTS_WORKER_FIXTURE_H

#include "base/contract.h"
#include "config/config.h"

#include <stdint.h>
#include <sys/types.h>

struct worker_fixture {
	struct service_conf service; /* to be changed before the start */
	bool refuses;                /* the same */
	int number;                  /* of the worker and its slot; 1 */
	bool has_master;             /* the worker's parent is another process than the test */
	struct board board;
	int listener, port;
	int output[2]; /* of the service's outputs, if it has any; set by the test */
	int control;   /* the master's end */
	int log;       /* what the worker logs can be read here */
	pid_t pid;
	pid_t master; /* has_master */
	char logged[65536];
	size_t logged_len;
};

/* A service of `connections` a worker over the module; nothing runs yet. */
void worker_fixture_init(struct worker_fixture *fixture, const struct mu_module *module,
			 int connections);
/* Forks the worker. */
void worker_fixture_fork(struct worker_fixture *fixture);
/* The same, and waits for READY. Its value. */
int64_t worker_fixture_start(struct worker_fixture *fixture);
/* The same and GO. */
void worker_fixture_go(struct worker_fixture *fixture);
void worker_fixture_send(struct worker_fixture *fixture, enum record_type type, uint32_t flags,
			 int64_t value);
/* Waits for the worker's next record of this type; fails at the end of the stream. Its value. */
int64_t worker_fixture_expect(struct worker_fixture *fixture, enum record_type type);
/* The same for RECORD_TRACE: its text, cut to size - 1 bytes. */
void worker_fixture_expect_trace(struct worker_fixture *fixture, char *text, size_t size);
/*
 * Everything that the worker could see before this call has been seen by its loop (or it is busy
 * serving, direct).
 */
void worker_fixture_settle(struct worker_fixture *fixture);
/* Waits until the log holds the text. */
void worker_fixture_wait_log(struct worker_fixture *fixture, const char *text);
/* Waits until the worker's slot says so. */
void worker_fixture_wait_state(struct worker_fixture *fixture, enum slot_state state);
/* DRAIN, GOODBYE, exit status 0. How many connections were cut. */
int64_t worker_fixture_stop(struct worker_fixture *fixture);
/* Waits for the exit; the status as waitpid gives it. */
int worker_fixture_reap(struct worker_fixture *fixture);

/* A client's connected socket with a receive time limit of 20 s, so that nothing hangs. */
int client_connect(const struct worker_fixture *fixture);
/* The same with SO_RCVBUF of so many bytes; 0: as it comes. */
int client_connect_small(const struct worker_fixture *fixture, int receive_buffer);
void client_send(int fd, const char *text);
/* Reads until the end or len bytes; the number; data is NUL-terminated (room len + 1). */
size_t client_read(int fd, char *data, size_t len);
/* Reads exactly this text, or fails. */
void client_expect(int fd, const char *text);
/* Nothing but the end of the stream comes. */
void client_expect_end(int fd);

/* For connections of the worker's: listens on a port of 127.0.0.1; address: what mu_connect is to be given. */
enum { TARGET_ADDRESS_MAX = 32 };
int target_listen(char address[TARGET_ADDRESS_MAX]);
/* Waits for the next one; with the same limit as a client's. */
int target_accept(int target);

/* ---- for modules of tests, in the worker ---- */

/* What a call came to: "0", "1" for all above, or the name of its error. */
const char *outcome(ssize_t result);
/* The client's next line, without its end, cut to size - 1 bytes. False: there is none. May yield. */
bool next_line(struct mu_conn *conn, char *line, size_t size);

#endif
