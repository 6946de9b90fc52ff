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
 * Who reads and writes without ever having to wait does not hold up the others: once about a MiB has moved, or
 * some hundred calls were made, the next reading or writing call that may yield lets them have their turn before it goes on.
 * Who computes for long calls mu_sleep(conn, 0) now and then.
 *
 * Unless said otherwise a call returns 0 or a count on success, -1 with errno on failure. Once a
 * read or write has failed with anything but EAGAIN the only sensible thing is to return from serve.
 * errno ETIMEDOUT: a time limit of the configuration ran out (already logged, with its name).
 * errno ECANCELED: the worker is being stopped and the drain limit ran out.
 *
 * What lives how long: the configuration struct, and the strings and lists in it, as long as the worker; mu_alloc'd
 * memory, tasks, children and connections of our own (but those in a pool) until serve returns; what a reading call has
 * shown until the next one. A coroutine's stack has 64 KiB, for libraries too, with a page below that faults: large things
 * belong in mu_alloc.
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
#define MU_ABI 4

struct mu_conn;
struct mu_worker;
struct mu_pool;
struct mu_report;

#define MU_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))

/* ------------------------------------------------------------------ configuration of a module ---- */

/*
 * What a directive's arguments are and what it stores at its offset in the configuration struct.
 * Strings and lists stored live as long as the struct: see above.
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
	MU_OUTPUT = 13,
	/*
	 * struct mu_words: a program and its arguments. The program is an absolute path, or a name that is looked for in
	 * the usual folders when it is run. Regular files among the words, by absolute path, are part of the
	 * configuration as with MU_PATH: a script that was replaced is seen by a reload.
	 */
	MU_COMMAND = 14
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
	bool bare;        /* MU_BLOCKS: `name LABEL` will do where the block would be empty */
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

/*
 * For a module's check function: the folder that the workers will have as their /, or NULL. What they open or run
 * after `prepare` lies below it. Does not yield.
 */
const char *mu_chroot(const struct mu_report *report);

/* ----------------------------------------------------------------------------- the module ---- */

enum {
	/* The client sends the first byte: the kernel may hold a connection back until it has. */
	MU_CLIENT_FIRST = 1 << 0,
	/* Speaks in requests with a header: a new connection is under the header limit, not idle. */
	MU_REQUESTS = 1 << 1,
	/*
	 * Accepts by itself, or has somebody accept (mu_listener): musterd takes no connections. serve is called once,
	 * before the worker is READY, with a connection that stands for the worker itself: nothing can be read from
	 * it or written to it, and no idle limit counts, but it can wait, start tasks and children. The worker is
	 * READY when serve calls mu_ready, and ends when serve returns: MU_DONE in order, anything else as a failure.
	 */
	MU_TENDS = 1 << 2,
	/* Calls mu_connect or mu_peer_name: what the names need is read before a chroot. */
	MU_NAMES = 1 << 3,
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

	/*
	 * Called once, on behalf of no connection, when the worker is told to finish: those who wait for something
	 * other than their client can be woken (mu_notify). Must not wait. May be NULL.
	 */
	void (*drain)(void *state);

	/* How many connections a worker holds where the configuration does not say; 0: 1. */
	int connections;
};

/*
 * A module that is loaded from a file has it under this name:
 *     const struct mu_module musterd_module = { .abi = MU_ABI, ... };
 */
#define MU_MODULE_SYMBOL "musterd_module"
/* So that it is exported, also from C++ and with -fvisibility=hidden. */
extern const struct mu_module musterd_module __attribute__((__visibility__("default")));

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

/*
 * Waits until mu_fill need not: bytes beside the buffered ones have come, or an end or error. 1: so it is. 0: so many
 * milliseconds have passed (negative: no limit of that kind). -1: as mu_fill. The idle limit does not count. May yield.
 */
int mu_wait_input(struct mu_conn *conn, int64_t milliseconds);

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
 * valid until the next reading call; its bytes are the caller's until then, and may be changed in place.
 * Length with the LF; a last line without LF is given as it is; 0 at the end of the stream; -1: ENOBUFS
 * when no LF fits into the buffer. May yield.
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

/*
 * For who goes on after a mu_try_ call: waits until the kernel calls the connection writable, which is more than that it would take
 * a byte: of a TCP socket a third of its buffer is free, of a Unix socket three quarters (of a pipe any room). 0 or -1. May yield.
 */
int mu_wait_room(struct mu_conn *conn);

/*
 * The same with a time, for who goes on trying. 1: it takes more. 0: for so many milliseconds (negative: no limit of that
 * kind; 0: does not wait) the other side has taken nothing of what was written. -1: as mu_write. The idle limit does not
 * count. May yield.
 */
int mu_wait_output(struct mu_conn *conn, int64_t milliseconds);

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

/*
 * While the worker finishes: so many milliseconds until what is in flight is cut off. Negative: it does not, or there
 * is no limit. Does not yield.
 */
int64_t mu_drain_left(const struct mu_worker *worker);

/* Memory that lives until serve returns, zeroed, aligned for anything; NULL with ENOMEM. */
void *mu_alloc(struct mu_conn *conn, size_t size);

/* ---------------------------------------------------------------------------- tasks ---- */

/*
 * A second coroutine within the connection: runs task(conn, arg) until it waits for the first time, then beside the
 * caller, in direct workers too, on a stack of 64 KiB. When serve returns, its tasks are waited for; where they use what
 * is on its stack it has to call mu_join before. Of one connection at most one may wait for input and one for
 * output at the same time (-1 with EBUSY); a call that lets others have their turn waits in that sense. A task may start others. -1 with ENOMEM: nothing was run.
 */
int mu_go(struct mu_conn *conn, void (*task)(struct mu_conn *conn, void *arg), void *arg);

/*
 * Waits until all other tasks of the connection have ended, however long that takes: the limits that end their waits are
 * enough. 0, always where serve calls it; in a task -1 with ECANCELED, or EDEADLK while another task waits so. May yield.
 */
int mu_join(struct mu_conn *conn);

/*
 * For serve itself, or what mu_background runs: each wait of the connection's other tasks ends with ECANCELED, the one
 * that goes on now and all later ones; mu_join says when they are gone. Does not yield.
 */
void mu_cancel(struct mu_conn *conn);

/*
 * Wakes who waits in mu_wait_notify for this connection, or the next one who will: several calls before that are
 * one. For any connection of the worker that is in serve. Does not yield.
 */
void mu_notify(struct mu_conn *conn);
/*
 * 1: notified. 0: so many milliseconds have passed (negative: no limit of that kind). -1. The idle limit does not
 * count. May yield.
 */
int mu_wait_notify(struct mu_conn *conn, int64_t milliseconds);

/* --------------------------------------------------------------------- the client half ---- */

/*
 * A connection of our own, for the time of this serve: to "HOST:PORT", "192.0.2.1:80", "[2001:db8::1]:443" or
 * "unix:/PATH"; PORT is a number or the name of a service. Names are asked for without holding up other
 * connections; several addresses are tried as in RFC 8305. All reading and writing calls work on it as on `conn`,
 * whose limits count for it. It is closed by mu_close, or when serve returns. milliseconds: for all of
 * it; 0: no limit of its own. NULL with errno:
 *     EINVAL (no such address can be), ENOENT (there is no such name), EAGAIN (no name server answered),
 *     ETIME (the time is over, ours or the kernel's), ECONNREFUSED and others of connect(2): of the last try.
 * May yield.
 */
struct mu_conn *mu_connect(struct mu_conn *conn, const char *address, int64_t milliseconds);
/*
 * Not for the connection that serve was called with. Other tasks of the same client may be waiting on it, in any call: that
 * call fails with ECANCELED, and to whoever was in it the connection is closed too; its memory stays until serve
 * returns. For all others it is gone at once. Does not yield.
 */
void mu_close(struct mu_conn *other);

/*
 * Connections of our own that rest between the clients of a worker that use them: at most `max`, each for at most idle_ms
 * milliseconds (0: no limit). In start; the pool lives as long as the worker. Resting connections have no buffer and no limit
 * but that one, and count for no client. They are closed when the other side closes or sends something, when
 * their time is over, and when the worker is told to finish; the one that was used longest ago when there is no more room,
 * which in all pools together is a quarter of the worker's limit of open files at most. NULL with ENOMEM. Does not yield.
 */
struct mu_pool *mu_pool_new(struct mu_worker *worker, size_t max, int64_t idle_ms);
/*
 * A connection of mu_connect comes to rest; it is the caller's no more, whatever the result, and mu_word stays with it. The
 * caller knows that the protocol is between two requests. 0: it rests. -1, it has been closed: ENOTCONN (it has
 * bytes that were not consumed, or an end), ECANCELED (the worker is to finish), ENOSPC (no room), EBUSY (somebody waits
 * on it), ENOMEM. Does not yield.
 */
int mu_pool_put(struct mu_pool *pool, struct mu_conn *other);
/*
 * The one that was put last, silent and open as far as can be seen: from now on a connection of conn's, as from
 * mu_connect. NULL with ENOENT (there is none), ENOMEM. Does not yield.
 */
struct mu_conn *mu_pool_take(struct mu_pool *pool, struct mu_conn *conn);

/*
 * Has task(conn, arg) run on behalf of no client, on a coroutine of its own, in direct workers too (beside the waits of
 * their clients), from when the worker begins to serve until it returns; with MU_TENDS beside serve. conn stands for the
 * worker: nothing can be read from it or written to it, but it can wait, connect, start tasks and children, which
 * end with it. `timeout { idle }` counts for its connections alone. When the worker is told to finish all its waits end with
 * ECANCELED, and the worker ends only after it has returned. In start, several times if need be; not run in a
 * worker that only refuses (see refuse). -1 with ENOMEM, or EINVAL when the worker serves already. Does not yield.
 */
int mu_background(struct mu_worker *worker, void (*task)(struct mu_conn *conn, void *arg),
		  void *arg);

/* For mu_wait_fd. */
enum { MU_READABLE = 1, MU_WRITABLE = 2 };
/*
 * Waits until a descriptor that is not ours (a database client's, a pipe) can do one of `events`, an end or
 * error being both. What it can do; 0: so many milliseconds have passed (negative: no limit of that kind); -1, EBUSY
 * when somebody waits for it already. The idle limit does not count. Not for regular files. May yield.
 */
int mu_wait_fd(struct mu_conn *conn, int fd, int events, int64_t milliseconds);

/*
 * The name of the client's address, by the name servers and checked by asking them for the name: written to
 * buffer, at most size bytes. 0, or -1 with ENOENT (has none, or one that is not its), EAGAIN, ETIME, ENOBUFS (it does
 * not fit). May yield.
 */
int mu_peer_name(struct mu_conn *conn, char *buffer, size_t size, int64_t milliseconds);

/* What a child has as a standard descriptor: one of the caller's, or one of these. */
enum {
	MU_NULL = -1, /* /dev/null */
	MU_PIPE = -2, /* a stream of the mu_child */
	MU_LOG =
		-3, /* out, err: each line is logged, at level notice, with mu_command.name in front */
	MU_RAW =
		-4, /* out, err: the log itself; what is written is not touched. As MU_LOG where that is syslog */
};

struct mu_command {
	const char *file;                     /* absolute */
	const char *const *argv, *const *env; /* each ended by NULL */
	const char *folder;                   /* to work in; NULL: that of the worker */
	const char *name;                     /* for the log */
	int in, out, err;
	/* passed on as 3, 4, ... with LISTEN_FDS, LISTEN_PID, and LISTEN_FDNAMES (sd_listen_fds(3)); blocking stays as it is */
	const int *listen;
	size_t listens;
	const char *listen_name; /* of each; without ':' */
};

/* in: to be written to; out, err: to be read from; each NULL where it is no MU_PIPE. mu_close ends one early. */
struct mu_child {
	pid_t pid;
	struct mu_conn *in, *out, *err;
};

/*
 * Runs a program in a process group of its own, with default signal dispositions and nothing open but what is said
 * here. It dies when the worker does. What it has become when serve returns is killed. The child lives as long
 * as serve. NULL with errno: also that of the child's execve(2) or chdir(2). Does not yield.
 */
struct mu_child *mu_spawn(struct mu_conn *conn, const struct mu_command *command);
/*
 * 1: it has ended, *status_r is as wait(2) says, and stays so. 0: so many milliseconds have passed (negative: no
 * limit of that kind). -1. The idle limit does not count. May yield.
 */
int mu_wait_child(struct mu_conn *conn, struct mu_child *child, int64_t milliseconds,
		  int *status_r);
/*
 * Sends a signal: to the child, or to its process group. Nothing once mu_wait_child said 1. A group that was sent
 * SIGTERM is killed as soon as the child itself has ended. Does not yield.
 */
void mu_signal_child(struct mu_child *child, int signal, bool group);

/*
 * Hands the connection's descriptor out: blocking, without time limits, to be closed by the caller. Nothing may
 * have been read or written. The connection counts until serve returns, but only waits for other things can
 * be done on it. -1 with errno. Does not yield.
 */
int mu_detach(struct mu_conn *conn);

/* ---------------------------------------------------------------- for modules that tend ---- */

/* From now on the worker serves: see MU_TENDS. Does not yield. */
void mu_ready(struct mu_conn *conn);
/* The listeners of the service, for those who accept by themselves: descriptors of the worker's. */
size_t mu_listeners(const struct mu_worker *worker);
int mu_listener(const struct mu_worker *worker, size_t i);
/* `max-memory` is about this process from now on, not about the worker; 0: about the worker again. */
void mu_measure(struct mu_worker *worker, pid_t pid);
/* What the worker's title says of it: one short line, copied; "" nothing. */
void mu_set_status(struct mu_worker *worker, const char *text);

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
/* Our own end, in the same way; of a Unix socket with its path, if it has one. */
socklen_t mu_local_address(const struct mu_conn *conn, struct sockaddr_storage *address_r);

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
