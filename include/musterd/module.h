/* SPDX-License-Identifier: MIT */
/*
 * The module interface: all that a service handler sees of musterd, and the only header it needs.
 * The built-in services use nothing else.
 *
 * A handler is straight-line code: it reads, computes, writes. Whether it runs *direct* (one connection
 * at a time on the stack of the process) or *multiplexed* (each connection on a coroutine of its own)
 * is decided by the configuration; a handler cannot tell. "May yield" below means that the call may
 * let other connections of the same worker run before it returns, so what is shared between
 * connections may have changed. Nothing ever runs on two threads.
 *
 * Unless said otherwise a call returns 0 or a count on success, -1 with errno on failure. Once a
 * read or write has failed with anything but EAGAIN the only sensible thing is to return from serve.
 * errno ETIMEDOUT: a time limit of the configuration ran out (already logged, with its name).
 * errno ECANCELED: the worker is being stopped and the drain limit ran out.
 */
#ifndef MUSTERD_MODULE_H
#define MUSTERD_MODULE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever something below changes in a way that a compiled module would notice. */
#define MU_ABI 2

struct mu_conn;
struct mu_worker;
struct mu_report;

#define MU_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))

/* ------------------------------------------------------------------ configuration of a module ---- */

/*
 * What a directive's arguments are and what it stores at its offset in the configuration struct.
 * Strings and lists stored live as long as the configuration.
 */
enum mu_type {
	MU_BOOL = 1,   /* bool: yes, no, on, off, true, false */
	MU_INT = 2,    /* int64_t: a whole number within [min, max] */
	MU_SIZE = 3,   /* int64_t: bytes; 10, 64k, 2M, 1G (powers of 1024) */
	MU_TIME = 4,   /* int64_t: milliseconds; 250ms, 10s, 5min, 2h, 1d; a bare 0 */
	MU_STRING = 5, /* const char *: one word */
	/*
	 * const char *: one word; relative ones are taken from the including file's folder. Where it names a
	 * regular file, a change of that file is a change of the configuration: a reload starts new workers.
	 */
	MU_PATH = 6,
	MU_ENUM = 7,  /* int: index of the word in `words`, "first|second|third" */
	MU_WORDS = 8, /* struct mu_words: one word or more; adds to what earlier lines gave */
	MU_BLOCK = 9, /* a block { }, its directives stored in this struct from `offset` on */
	/* struct mu_blocks: repeatable `name LABEL { }`, each a struct of its own */
	MU_BLOCKS = 10,
	/* int: 0 not written, 1 no, 2 yes; as MU_BOOL, for what a block takes over from the one around it */
	MU_SWITCH = 11,
	MU_LINES = 12, /* struct mu_lines: repeatable, each line kept apart, of [min, max] words */
	/*
	 * const char *: as MU_PATH, a file that is appended to. The master opens it (or makes it, 0640) in a start or
	 * reload, which is refused when it cannot, and again when the logs are reopened: see mu_output.
	 */
	MU_OUTPUT = 13
};

struct mu_words {
	size_t n;
	const char *const *word;
};

struct mu_lines {
	size_t n;
	const struct mu_words *line;
};

/*
 * Each element points to a zeroed struct of `block_size` bytes that the block's directives filled. Those may be
 * MU_BLOCK and MU_BLOCKS too.
 */
struct mu_blocks {
	size_t n;
	const char *const *label; /* label[i], "" where the block has none */
	void *const *item;
};

/* A table of these, ended by one with a NULL name, describes a block. */
struct mu_directive {
	const char *name;
	enum mu_type type;
	size_t offset;    /* offsetof() in the configuration struct */
	const char *dflt; /* default, written as in the file; NULL: stays zero */
	/* MU_INT, MU_SIZE, MU_TIME; both 0: [0, INT64_MAX]. MU_LINES: words, 1 at least; max 0: any number. */
	int64_t min, max;
	const char *words;                /* MU_ENUM */
	const struct mu_directive *block; /* MU_BLOCK, MU_BLOCKS */
	size_t block_size;                /* MU_BLOCKS */
	bool required;
	const char *help; /* one line for the manual and for error messages */
};

/*
 * For a module's check function: adds an error at the place where `directive` was written (or at the
 * handler line when it was not, or is NULL). Does not yield.
 */
void mu_error(struct mu_report *report, const char *directive, const char *format, ...)
	MU_PRINTF(3, 4);
/*
 * The same for a directive in one block of a list: item is an element of a struct mu_blocks, however deep.
 * directive NULL, or not written in this block: at the block's label.
 */
void mu_error_at(struct mu_report *report, const void *item, const char *directive,
		 const char *format, ...) MU_PRINTF(4, 5);
/*
 * The same for one word, given as the very string that the configuration struct has: a label, MU_STRING, a word
 * of MU_WORDS or MU_LINES. Of a default: at the handler line.
 */
void mu_error_word(struct mu_report *report, const char *word, const char *format, ...)
	MU_PRINTF(3, 4);

/* ----------------------------------------------------------------------------- the module ---- */

enum {
	/* The client sends the first byte: the kernel may hold a connection back until it has. */
	MU_CLIENT_FIRST = 1 << 0,
	/* Speaks in requests with a header: a new connection is under the header limit, not idle. */
	MU_REQUESTS = 1 << 1,
};

/* What serve returns. */
enum {
	MU_DONE = 0,  /* the connection is finished and is closed */
	MU_PARKED = 1 /* from mu_park: serve is called again when bytes arrive */
};

struct mu_module {
	unsigned abi; /* MU_ABI */
	const char *name;
	const char *help; /* one line */
	unsigned flags;
	const struct mu_directive *directives; /* the handler's block; NULL: takes none */
	size_t config_size;                    /* of the struct the directives fill */

	/*
	 * Called after the block was read without error: in the process that tests a configuration and
	 * in each worker; files may be looked at. Relations between directives are checked here.
	 * NULL: nothing to check. Errors go to mu_error.
	 */
	void (*check)(void *config, struct mu_report *report);

	/*
	 * Called once in each worker before it changes its root folder and gives up its privileges: what lies
	 * outside a later chroot, or needs the master's rights, is opened here. Stores what start, serve and
	 * stop get as `state`. -1: the worker cannot serve (log why). NULL: nothing to prepare.
	 */
	int (*prepare)(struct mu_worker *worker, const void *config, void **state_r);

	/*
	 * Called once in each worker before it is READY, with its final privileges. *state is what prepare
	 * stored, or NULL, and may be replaced. -1: the worker cannot serve (log why). NULL: nothing to start.
	 */
	int (*start)(struct mu_worker *worker, const void *config, void **state);

	/* Called for each connection, and again after each park. May yield. MU_DONE or MU_PARKED. */
	int (*serve)(struct mu_conn *conn, void *state);

	/*
	 * Called in place of serve where all workers are busy and the configuration says `overflow refuse`: answers
	 * briefly that there is no room. Runs multiplexed, under a limit of a second. NULL: the connection is closed
	 * without a word. May yield.
	 */
	void (*refuse)(struct mu_conn *conn, void *state);

	/* Called when a worker ends in order, after its last connection. May be NULL. */
	void (*stop)(void *state);

	/*
	 * Called when the time of mu_wake_after has come, on behalf of no connection: within any call of one that may
	 * yield, or between them. Must not wait. May be NULL.
	 */
	void (*wake)(void *state);
};

/* ---------------------------------------------------------------------------- reading ---- */

/*
 * Every connection has one input buffer of mu_buffer_size() bytes. mu_fill adds to it, mu_consume
 * takes from its front. mu_read and mu_readline use the same buffer, so they can be mixed.
 */

/* The bytes that are buffered and not yet consumed; *data_r is valid until the next reading call. */
size_t mu_buffered(struct mu_conn *conn, const char **data_r);

/*
 * Waits until more bytes came in and adds them to the buffer (earlier bytes may move: ask
 * mu_buffered again). Count added; 0: the client has finished sending; -1: ENOBUFS when the
 * buffer is full, ETIMEDOUT, ECONNRESET, ECANCELED... May yield.
 */
ssize_t mu_fill(struct mu_conn *conn);

/* Like mu_fill, but never waits: -1 with EAGAIN when nothing has arrived. Does not yield. */
ssize_t mu_try_fill(struct mu_conn *conn);

/* Drops the first n buffered bytes. n is at most what mu_buffered said. Does not yield. */
void mu_consume(struct mu_conn *conn, size_t n);

/* The size of the input buffer in bytes: the longest line or header that can be held. */
size_t mu_buffer_size(struct mu_conn *conn);

/*
 * Up to len bytes, at least one: what is buffered, else what arrives. Count; 0 at the end of the
 * stream; -1. May yield.
 */
ssize_t mu_read(struct mu_conn *conn, void *data, size_t len);

/*
 * One line, up to and including LF. *line_r points into the buffer, is not NUL-terminated, and is
 * valid until the next reading call. Length with the LF; a last line without LF is given as it is;
 * 0 at the end of the stream; -1: ENOBUFS when no LF fits into the buffer. May yield.
 */
ssize_t mu_readline(struct mu_conn *conn, char **line_r);

/* ---------------------------------------------------------------------------- writing ---- */

enum {
	/* More bytes, or the end of the connection, follow at once: the kernel may gather them. */
	MU_MORE = 1 << 0
};

/* Writes all of it, or fails: 0 or -1. The data must not change until it returns. May yield. */
int mu_write(struct mu_conn *conn, const void *data, size_t len);

/*
 * Like mu_write for a list of pieces in one system call where possible; flags 0 or MU_MORE. n is at
 * most 8; the list itself is not changed.
 */
int mu_writev(struct mu_conn *conn, const struct iovec *piece, int n, unsigned flags);

/*
 * Tries once, without waiting. Count written, which may be less than len; -1 with EAGAIN when the
 * connection takes nothing now. For data that may change as soon as it returns. Does not yield.
 */
ssize_t mu_try_write(struct mu_conn *conn, const void *data, size_t len, unsigned flags);

/* printf into the connection, at most 4,096 bytes (-1 EMSGSIZE above). May yield. */
int mu_printf(struct mu_conn *conn, const char *format, ...) MU_PRINTF(2, 3);

/*
 * Sends len bytes of an open file from offset on, whole or not at all as far as anyone can know. The
 * file's own position is not used. -1 with ENODATA when the file ended early. May yield.
 */
int mu_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len);

/*
 * As mu_sendfile, tried once, without waiting. Count sent, which may be less than len; 0: the file ends
 * there; -1 with EAGAIN when the connection takes nothing now. Does not yield.
 */
ssize_t mu_try_sendfile(struct mu_conn *conn, int fd, off_t offset, size_t len);

/* Waits until the connection takes more, after an EAGAIN of a mu_try_ call. 0 or -1. May yield. */
int mu_wait_room(struct mu_conn *conn);

/* Ends the sending side; reading goes on. Does not yield. */
int mu_shutdown(struct mu_conn *conn);

/*
 * The lingering close (RFC 9112 section 9.6): ends the sending side, then reads and drops what the
 * client still sends until it closes or a short limit passes, so that the last answer is not
 * destroyed by a reset. Return from serve afterwards. May yield.
 */
void mu_linger(struct mu_conn *conn);

/* --------------------------------------------------------------------- life of a connection ---- */

/*
 * To be used as `return mu_park(conn);` between requests: the connection then holds no stack and no
 * buffer; serve is entered again when bytes arrive. Buffered bytes are kept: serve is then entered
 * again at once, after others had their turn. An end of the stream or the idle limit closes a parked
 * connection without serve being called. mu_alloc'd memory is freed; the limit is MU_IDLE again. Does
 * not yield.
 */
int mu_park(struct mu_conn *conn);

/*
 * One word that the module keeps with a connection over parks; 0 at first. What it points to
 * must be the module's own and needs no freeing.
 */
void mu_set_word(struct mu_conn *conn, uintptr_t word);
uintptr_t mu_word(const struct mu_conn *conn);

/* Lets other connections run. May yield. 0, or -1 when a limit ended. */
int mu_sleep(struct mu_conn *conn, int64_t milliseconds);

/*
 * Which time limit of the configuration counts from now on. Does not yield.
 * MU_IDLE (as a connection begins): no byte moved for `timeout { idle }`.
 * MU_HEADER: as MU_IDLE, and `timeout { header }` from this call on, until the next call.
 * MU_REQUEST: as MU_IDLE, and `timeout { request }` from this call on; the worker counts as in a request.
 */
enum mu_limit { MU_IDLE = 0, MU_HEADER = 1, MU_REQUEST = 2 };
void mu_set_limit(struct mu_conn *conn, enum mu_limit limit);

/* Counts one finished request in the worker's slot. Does not yield. */
void mu_count_request(struct mu_conn *conn);

/*
 * True when this client had better go: the worker is to end, or it serves one client at a time and others
 * wait for it. Answer, say so if the protocol can, and finish.
 */
bool mu_draining(const struct mu_conn *conn);

/*
 * False once the service is going to be stopped (`shutdown-delay`): it still serves, but who asks whether to send
 * more clients should be told no. Does not yield.
 */
bool mu_is_ready(const struct mu_worker *worker);

/* Memory that lives until serve returns, zeroed, aligned for anything; NULL with ENOMEM. */
void *mu_alloc(struct mu_conn *conn, size_t size);

/* ----------------------------------------------------------------------- what is known ---- */

/*
 * The peer as text, "192.0.2.1:4711", "[2001:db8::1]:4711" or "unix"; written to buffer, which is
 * returned. MU_ADDRESS_MAX bytes are always enough.
 */
#define MU_ADDRESS_MAX 128
const char *mu_peer(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX]);
/* Our own end of the connection, in the same form. */
const char *mu_local(const struct mu_conn *conn, char buffer[MU_ADDRESS_MAX]);

/*
 * The peer's address with its port, without the scope of a link-local one; an IPv4 one that came over IPv6 is
 * AF_INET. AF_UNIX (the family alone) for a Unix socket. Its length.
 */
socklen_t mu_peer_address(const struct mu_conn *conn, struct sockaddr_storage *address_r);

/* Monotonic milliseconds and wall-clock seconds, read once per turn of the worker's loop. */
int64_t mu_now_ms(const struct mu_worker *worker);
int64_t mu_time(const struct mu_worker *worker);

struct mu_worker *mu_worker_of(const struct mu_conn *conn);
const char *mu_service_name(const struct mu_worker *worker);
/* The place of the worker in its pool, from 1 on. */
int mu_worker_number(const struct mu_worker *worker);
/* How many connections the worker may hold at once. */
int mu_worker_connections(const struct mu_worker *worker);

/* -------------------------------------------------------------------------- what is written ---- */

/*
 * The descriptor of a file that the configuration names in a directive of type MU_OUTPUT: `path` as it stands in
 * the struct. In prepare or later. It is opened for appending, the worker's as long as that lives, not to be
 * closed, and its number stays when the file behind it is another one, after a rotation. -1 with EINVAL: no such
 * one. Does not yield.
 */
int mu_output(struct mu_worker *worker, const char *path);

/*
 * Has the module's `wake` called (without one nothing happens) after so many milliseconds, or a little later, also
 * while all clients wait. Called again before that: the earlier of the two counts. `wake` is not called once stop was.
 * Costs nothing while none is outstanding. In start or later. Does not yield.
 */
void mu_wake_after(struct mu_worker *worker, int64_t milliseconds);

/* ------------------------------------------------------------------------------ the log ---- */

enum mu_level { MU_ERR = 3, MU_WARNING = 4, MU_NOTICE = 5, MU_INFO = 6, MU_DEBUG = 7 };

/* One line into the service's log, with the peer in front. No newline at the end. Does not yield. */
void mu_log(struct mu_conn *conn, enum mu_level level, const char *format, ...) MU_PRINTF(3, 4);
/* The same where there is no connection: in start and stop. */
void mu_worker_log(struct mu_worker *worker, enum mu_level level, const char *format, ...)
	MU_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
