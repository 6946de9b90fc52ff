/* SPDX-License-Identifier: MIT */
/*
 * The whole contract between the master and a worker: what a worker is started with, and the records
 * that both send over one SOCK_SEQPACKET socketpair. master/ and worker/ share nothing else.
 *
 *     master                                     worker
 *     fork, run(args)  ------------------------> sets itself up
 *                      <------------------------ READY (its number, what it may hold)
 *     GO               ------------------------> listeners enter its epoll: it accepts
 *     PAUSE            ------------------------> leaves its listeners until the next GO, serves what it has
 *     CLOSING          ------------------------> goes on, but says it is not ready any more (mu_is_ready)
 *     REOPEN + fd      ------------------------> writes to this log, or output, from now on
 *     TRY_ACCEPT       ------------------------> one accept4 on each listener
 *                      <------------------------ EXPIRED (why): would be replaced; serves on until DRAIN
 *     SIGUSR2          ------------------------> writes down where it is, in a signal handler:
 *                      <------------------------ TRACE + fd (a memfd with one frame a line)
 *     DRAIN (deadline) ------------------------> accepts no more, finishes, exits 0
 *                      <------------------------ GOODBYE, then exit
 * End of file in either direction: the other one died.
 */
#ifndef BASE_CONTRACT_H
#define BASE_CONTRACT_H

#include "base/scoreboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct service_conf;
struct mu_module;

enum { RECORD_VERSION = 1 };

enum record_type {
	RECORD_READY = 1, /* worker: set up; value: the connections it can hold */
	RECORD_GO = 2,    /* master: accept */
	RECORD_DRAIN = 3, /* master: finish; value: milliseconds it may take; flags: RECORD_* */
	RECORD_TRY_ACCEPT = 4, /* master: a connection may have been left behind */
	/*
	 * master: carries a descriptor. flags 0: of the log; value: log_target_encode. flags n: of what takes the
	 * place of worker_args.output[n - 1]; value: 0.
	 */
	RECORD_REOPEN = 5,
	/* worker: leaves in order; value: connections that the drain limit cut */
	RECORD_GOODBYE = 6,
	RECORD_PAUSE = 7,   /* master: accept nothing until GO */
	RECORD_CLOSING = 8, /* master: the service will be stopped */
	RECORD_EXPIRED = 9, /* worker: should be replaced; value: enum expiry */
	RECORD_TRACE = 10   /* worker: carries a memfd with its stack as text */
};

/* Why a worker should be replaced. */
enum expiry {
	EXPIRY_NONE = 0,
	EXPIRY_REQUESTS = 1, /* max-requests */
	EXPIRY_MEMORY = 2,   /* max-memory */
	EXPIRY_LIFETIME = 3  /* max-lifetime: found by the master */
};

enum {
	/*
	 * With DRAIN: the listeners go away for good: take what still waits in them first. With GOODBYE:
	 * nobody waited any more when it left them, so the others need not look.
	 */
	RECORD_LAST_CALL = 1 << 0
};

struct record {
	uint16_t version; /* RECORD_VERSION */
	uint16_t type;    /* enum record_type */
	uint32_t flags;
	int64_t value;
};

/*
 * Sends a record with a descriptor (or -1) without waiting: 0, or -1 with errno; EAGAIN means that the
 * other side has stopped reading.
 */
int record_send(int socket, enum record_type type, uint32_t flags, int64_t value, int fd);
/*
 * 1: got a record, checked for length, version and type (*fd_r: its descriptor or -1). 0: the other side
 * is gone. -1: EAGAIN when there is none, EPROTO when it is none of ours (descriptors are closed).
 */
int record_receive(int socket, struct record *record_r, int *fd_r);

struct worker_args {
	const struct service_conf *service; /* borrowed; lives until exit */
	const struct mu_module *module;
	int control;         /* our end of the socketpair */
	const int *listener; /* given: bound and, by the time of GO, listening; non-blocking */
	size_t listeners;
	/* given: of each output of the service, opened for appending; the numbers stay */
	const int *output;
	struct board *board; /* of the pool: this worker writes slot[number - 1] alone */
	int number;          /* from 1 on */
	unsigned generation;
	pid_t master; /* whose death is the end of us */
	bool refuses; /* the pool is full: calls the module's refuse in place of serve */
};

/* What the master gives a worker beyond a limit that it should have kept; and between SIGTERM and SIGKILL. */
enum { WORKER_GRACE_MS = 1000 };

/*
 * A worker's whole life, called in the forked child, with: default signal dispositions but the
 * master's blocked mask already undone, stray descriptors closed, the log in use. Returns the exit
 * status: 0 in order; WORKER_EXIT_*.
 */
typedef int worker_run(const struct worker_args *args);

enum {
	WORKER_EXIT_SETUP = 71,  /* EX_OSERR: privileges, limits, memory: logged */
	WORKER_EXIT_MODULE = 70, /* EX_SOFTWARE: the module's start said no: logged */
	WORKER_EXIT_TENDED = 69  /* EX_UNAVAILABLE: what the module tended has failed: logged */
};

#endif
