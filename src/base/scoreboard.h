/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: shared memory in which each worker of a pool writes its own slot and the master reads
 * all of them. A slot outlives its worker, so the master can say what a killed one was doing.
 *
 * Only its worker writes a slot (relaxed atomic stores: a reader sees each field whole, not all of one
 * moment). The master treats what it reads as untrusted: a worker may have scribbled over it.
 * The memory is a memfd sealed against shrinking and growing, so no access can fault.
 */
#ifndef BASE_SCOREBOARD_H
#define BASE_SCOREBOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SLOT_VERSION = 1, SLOT_ERROR_MAX = 256 };

enum slot_state {
	SLOT_FREE = 0,     /* nobody here */
	SLOT_STARTING = 1, /* forked, not READY */
	SLOT_READY = 2,    /* READY, waits for GO */
	SLOT_IDLE = 3,     /* accepting; no connection */
	SLOT_BUSY = 4,     /* at least one connection */
	SLOT_DRAINING = 5, /* told to go */
	SLOT_GONE = 6      /* ended in order */
};

/* An address in 20 bytes, enough to name a TCP peer. */
struct slot_peer {
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX; 0: none */
	uint16_t port;   /* host order */
	uint8_t address[16];
};

struct slot {
	_Atomic uint32_t version; /* SLOT_VERSION */
	_Atomic uint32_t state;   /* enum slot_state */
	_Atomic int32_t pid;
	_Atomic uint32_t connections;  /* held now */
	_Atomic int64_t since_ms;      /* clock_ms() of the last change of state */
	_Atomic int64_t running_since; /* clock_ms(); 0 while it waits for events */
	_Atomic int64_t request_since; /* direct: clock_ms(); 0 while no request is served */
	_Atomic uint64_t accepted;     /* connections taken, ever */
	_Atomic uint64_t requests;     /* requests finished, ever */
	_Atomic uint64_t limited;      /* connections that a time limit ended */
	_Atomic uint64_t cut;          /* connections that the drain limit ended */
	_Atomic uint64_t refused;      /* connections that `overflow refuse` ended */
	_Atomic uint64_t memory;       /* resident bytes, as last looked at; 0: not looked at */
	struct slot_peer peer;         /* of the connection served last */
	char error[SLOT_ERROR_MAX];    /* the last line it logged as an error; perhaps no NUL */
} __attribute__((__aligned__(128)));

struct board {
	int fd; /* the memfd; -1 where only the mapping is kept */
	size_t slots;
	struct slot *slot; /* slot[0 .. slots) */
};

/* A board of all-zero slots. 0 or -1 with errno. */
int board_init(struct board *board, size_t slots);
/*
 * Takes over the memfd of a board that another program made (given). 0, or -1 with errno, and fd still the
 * caller's: EINVAL when it is no such memfd, so that an access could fault.
 */
int board_adopt(struct board *board, int fd, size_t slots);
/* Unmaps and closes. */
void board_cleanup(struct board *board);

/* For the slot's worker. */
static inline void slot_set_state(struct slot *slot, enum slot_state state, int64_t now)
{
	atomic_store_explicit(&slot->state, (uint32_t)state, memory_order_relaxed);
	atomic_store_explicit(&slot->since_ms, now, memory_order_relaxed);
}

/* Adds without a locked instruction: there is one writer. */
static inline void slot_count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* Fills peer from a socket address (IPv4-mapped IPv6 becomes IPv4). */
void slot_peer_set(struct slot_peer *peer, const struct sockaddr *address);
/* "192.0.2.1:80", "[2001:db8::1]:80", "unix", "-". Any bytes are fine as input. Returns buffer. */
#define SLOT_PEER_TEXT_MAX 64
const char *slot_peer_text(const struct slot_peer *peer, char buffer[SLOT_PEER_TEXT_MAX]);
/* "idle", "busy", ...; "unknown" for what is no state. */
const char *slot_state_name(uint32_t state);

#endif
