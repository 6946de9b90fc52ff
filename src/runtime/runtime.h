/* SPDX-License-Identifier: MIT */
/*
 * The runtime: what a worker has while it runs (struct mu_worker) and what it knows of each client
 * (struct mu_conn). Modules see both only through musterd/module.h, which stream.c and api.c implement;
 * worker/ sees this header, sets the runtime up and turns its loop.
 *
 * The life of a connection:
 *
 *     conn_open -> FRESH --bytes--> SERVING --MU_DONE--> closed
 *                    |                |  ^
 *                    | limit, end     |  | bytes
 *                    v      mu_park   v  |
 *                  closed <--limit-- PARKED
 *
 * SERVING is inside the module's serve, on a coroutine (multiplexed) or on the process's stack (direct). Only
 * a SERVING connection holds a coroutine, a buffer (unless bytes are left in it) and an arena. FRESH and
 * PARKED ones hold this struct, a place in epoll and one in the timers.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "base/arena.h"
#include "base/scoreboard.h"
#include "runtime/coroutine.h"
#include "runtime/timers.h"

#include "musterd/module.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum {
	BUFFER_SIZE = 16384,    /* of a connection's input */
	STACK_SIZE = 64 * 1024, /* of a coroutine */
	EVENTS_MAX = 128,       /* taken in one turn */
	RECEIVE_MS = 100,       /* how long a receive on a blocking socket may wait */
	LINGER_MS = 2000, /* RFC 9112 section 9.6: long enough for a client to read the answer */
	LINGER_BYTES = 16 * 1024 * 1024,
	/*
	 * What a serve or task may move before the others have their turn: bytes, each call counted as some more. A client
	 * as fast as we are always has bytes, and would keep the others waiting for as long as it likes.
	 */
	TURN_BYTES = 1024 * 1024,
	TURN_CALL = 4096
};

enum conn_state {
	CONN_FREE = 0,
	/* A client: accepted, or (without a descriptor) what a module that tends has in its place. */
	CONN_FRESH = 1,
	CONN_PARKED = 2,
	CONN_SERVING = 3,
	/* Part of a client's serve. */
	CONN_OTHER = 4,   /* a socket of our own */
	CONN_PIPE = 5,    /* one end of a pipe of ours */
	CONN_FOREIGN = 6, /* a descriptor that is not ours, for the time of one wait */
	/* The loop's alone. */
	CONN_LOGGED = 7, /* a pipe whose lines are logged by the loop: child_log.c */
	CONN_RESTING = 8 /* a socket of our own in a pool, part of no client's serve: pool.c */
};

/* What can be waited for. Of these, what need not be, as far as we know, is `ready`. */
enum {
	CONN_IN = MU_READABLE,
	CONN_OUT = MU_WRITABLE,
	CONN_NOTIFIED = 4,
	CONN_JOINED = 8,
	/* For nothing but the others' turn, within a call that reads or writes: another one may not come in between. */
	CONN_READS = CONN_IN << 4,
	CONN_WRITES = CONN_OUT << 4
};

struct buffer {
	struct buffer *next;
	uint32_t start, end; /* data[start .. end) is unread */
	char data[BUFFER_SIZE];
};

/*
 * One wait, on the stack of who waits. A connection has one for each coroutine that waits for it, or for something
 * in its place (a time, a notification, the end of tasks).
 */
struct waiter {
	struct timer timer; /* first: a timer that `waits` is its waiter */
	struct mu_conn *conn;
	struct waiter *next;         /* of the connection; once it is woken: in worker->woken */
	struct coroutine *coroutine; /* NULL: the process's own stack */
	struct task *task;           /* that waits; NULL: serve itself */
	int events;                  /* CONN_...; 0: only for its time */
	int wake;                    /* why it goes on: 0 or an errno */
	bool woken;
};

/* What mu_go started, on its own stack. */
struct task {
	struct task *next;
	struct waiter *waiter; /* it waits */
	bool cancelled;        /* its waits end with ECANCELED */
};

/* Something to be undone when serve has returned and its tasks have ended. */
struct at_end {
	struct at_end *next;
	void (*run)(struct at_end *self); /* must not wait */
};

/* What a connection in serve has beside itself; of its arena, made when it is needed first. */
struct family {
	struct mu_conn *others; /* by their `next` */
	struct task *tasks;
	struct waiter *waiter; /* serve itself waits */
	struct at_end *ends;   /* the last one first */
	int64_t moved;         /* clock_ms(): bytes of any of its connections */
	bool joins;            /* one of the tasks is in mu_join */
	bool limited;          /* that a limit ended has been logged */
};

struct mu_conn {
	struct timer timer; /* first: a timer is its connection. FRESH, PARKED, RESTING */
	int fd;
	uint8_t state;        /* enum conn_state */
	uint8_t ready;        /* CONN_IN, CONN_OUT, CONN_NOTIFIED */
	uint8_t limit;        /* enum mu_limit in force */
	bool watched : 1;     /* is in epoll */
	bool watched_out : 1; /* for output too */
	bool hung_up : 1; /* an end or error is behind what can be read: short reads prove nothing */
	bool ended : 1;   /* the end of the stream was read */
	bool queued : 1;  /* waits in worker->runnable */
	bool lingering : 1;
	bool blocking : 1; /* direct: a receive waits up to RECEIVE_MS by itself */
	bool waited : 1;   /* ... and did so in vain: poll next */
	uint32_t began;    /* low bits of clock_ms(): the first byte of the request being served */
	struct slot_peer peer;
	int64_t limit_at; /* clock_ms() of the header, request or linger limit; 0: none */
	struct mu_worker *worker;
	struct waiter *waiters; /* who waits for it */
	struct buffer *in;
	union {
		struct arena *arena;   /* of a client, if it has one */
		struct mu_conn *newer; /* RESTING: in its pool */
	};
	uintptr_t word;
	struct mu_conn *next; /* free, doomed, runnable, of a family or of a pool */
	union {
		struct family *family;  /* of a client, if it has one */
		struct mu_conn *parent; /* of the others: the client */
		struct mu_pool *pool;   /* RESTING */
	};
};

struct limits {
	int64_t idle_ms, header_ms, request_ms, park_ms; /* 0: none */
	int64_t slow_ms; /* a longer request is logged; 0: none is */
};

struct background;
struct conf_output;
struct conn_slab;
struct names;

struct mu_worker {
	/* What it is. */
	const char *service;
	int number;
	const struct mu_module *module;
	void *state; /* the module's */
	struct slot *slot;
	struct limits limits;
	size_t connections_max;
	bool direct;
	bool refuses; /* calls the module's refuse in place of serve; multiplexed */
	const struct conf_output *output; /* output[i] is written to by output_fd[i] */
	const int *output_fd;
	size_t outputs;
	struct names *names; /* NULL: nobody has asked for one yet, or may */

	/* Of the programs that its children become. */
	const struct rlimit *program_files; /* RLIMIT_NOFILE; NULL: that of the worker */
	int null;                           /* /dev/null; -1: is opened when it is needed */

	/* Now. */
	int64_t now; /* clock_ms() */
	time_t time; /* wall clock */
	size_t connections;
	bool draining;
	bool closing;               /* the service will be stopped: it serves, but is not ready */
	enum slot_state idle, busy; /* what the slot says without and with connections */
	bool crowded;               /* direct: others wait for the worker that this client holds */
	bool cutting;               /* the drain limit is over: every wait ends with ECANCELED */
	int64_t drain_deadline;     /* clock_ms(); 0: none */
	int64_t wake_at;            /* clock_ms(): of the module's wake; 0: nobody asked */
	uint64_t cut;
	bool names_missed; /* somebody asked for one without, which is in the log */

	/* Multiplexed; direct while there are tasks. */
	int epoll;
	struct coroutine_pool pool;
	struct timers timers;
	struct mu_conn *runnable, **runnable_end; /* have bytes already, no event will come */
	struct waiter *woken, **woken_end;        /* go on in this turn, or the next */
	struct task *task;                        /* that runs; NULL: a serve does, or nobody */
	int64_t turn_left;         /* of what runs: bytes until the others have their turn */
	size_t tasks, task_places; /* how many there are, and have room in the timers */
	size_t logged;             /* how many pipes of children the loop reads */
	size_t left;               /* of these, of children that have ended */
	bool left_full;            /* there were as many as may be: said so in the log */
	struct mu_conn *foreign;   /* whose descriptors are not ours, by `next` */
	struct mu_pool *pools;
	size_t resting, resting_max;    /* connections in all of them */
	struct background *backgrounds; /* what mu_background was told */
	size_t background;              /* how many of these run */
	bool background_began;

	/* Memory. */
	struct conn_slab *slabs;
	struct mu_conn *free, *doomed; /* doomed: closed in this batch of events */
	struct buffer *buffers;        /* idle ones, the one used last first */
	size_t idle_buffers;
	size_t unused_buffers; /* the fewest idle ones there have been since some were freed */
	int64_t cool_at;       /* when what nobody needs any more is given back; 0: there is none */

	/*
	 * Direct: how the process's own stack waits, by a poll until the waiter is woken, or by turns of the loop while
	 * there are tasks, pipes that are logged or connections that rest. Both look at the master's socket. Given by
	 * worker/.
	 */
	void (*direct_wait)(struct waiter *waiter, int64_t deadline);
	void (*direct_turn)(struct waiter *waiter);
};

/* ------------------------------------------------------------------------- runtime.c ---- */

/*
 * Fields of "what it is" are set by the caller before; the rest is set up here. 0, or -1 with errno.
 * runtime_cleanup closes nothing that is still open: the worker ends only without connections.
 */
int runtime_init(struct mu_worker *worker);
void runtime_cleanup(struct mu_worker *worker);

/* Reads the clocks into now and time. */
void runtime_tick(struct mu_worker *worker);
/* How long epoll_wait may sleep, in milliseconds; -1: for ever. `other`: a deadline of the caller's or 0. */
int runtime_timeout(const struct mu_worker *worker, int64_t other);
/* Calls the module's wake, if that is due. */
void runtime_wake(struct mu_worker *worker);
/* What events of epoll or poll say of the descriptor. */
void runtime_note(struct mu_conn *conn, uint32_t events);
/* One event of a connection. */
void runtime_event(struct mu_conn *conn, uint32_t events);
/* After a batch of events: the runnable, the timers, the doomed. */
void runtime_finish_turn(struct mu_worker *worker);
/* The drain limit is over: ends every connection that it can. */
void runtime_cut(struct mu_worker *worker);

/* ---------------------------------------------------------------------------- conn.c ---- */

/* The connection that serve was called with: itself, or its parent. Not for those that are the loop's alone. */
static inline struct mu_conn *conn_client(const struct mu_conn *conn)
{
	return conn->state <= CONN_SERVING ? (struct mu_conn *)(uintptr_t)conn : conn->parent;
}

/* A connection for an accepted descriptor (given; closed on failure), FRESH. NULL with ENOMEM. */
struct mu_conn *conn_open(struct mu_worker *worker, int fd, const struct sockaddr *peer);
/* FRESH or PARKED, with bytes perhaps: receives, serves if there is something to serve. Multiplexed. */
void conn_enter(struct mu_conn *conn);
/* FRESH, in a worker that refuses: the module tells the client, or nobody does; then it is closed. */
void conn_refuse(struct mu_conn *conn);
/* Serves once on this very stack. MU_DONE (the connection is closed) or MU_PARKED. Direct. */
int conn_serve_here(struct mu_conn *conn);
void conn_close(struct mu_conn *conn);
/* A struct in this state, to be filled in. NULL with ENOMEM. */
struct mu_conn *conn_take(struct mu_worker *worker, enum conn_state state);
/* It goes back, with its buffer; the descriptor is left alone. */
void conn_put(struct mu_conn *conn);

/* Receives into the buffer once. Count, 0 at the end, -1 with EAGAIN, ENOBUFS (full), ENOMEM, ... */
ssize_t conn_receive(struct mu_conn *conn);
/*
 * Is a receive the thing to do next? Yes if there are bytes, or if the receive itself may wait a moment,
 * which spares a direct worker a poll; else conn_wait comes first.
 */
bool conn_may_receive(const struct mu_conn *conn);
/* recv(2), and what it says of the connection. */
ssize_t conn_recv(struct mu_conn *conn, void *data, size_t len);
/* Direct: receives do not wait by themselves any more. 0 or -1 with errno. */
int conn_stop_blocking(struct mu_conn *conn);
/* The input buffer goes back if it is empty. */
void conn_release_buffer(struct mu_conn *conn);
/* FRESH or PARKED: rests in epoll until bytes arrive, or is queued if it has some. Multiplexed. */
void conn_rest(struct mu_conn *conn);

/* ---------------------------------------------------------------------------- wait.c ---- */

/* Into epoll, as it is not there for all of `events`: use conn_watch. 0 or an errno. */
int conn_watch_more(struct mu_conn *conn, int events);
/* Into epoll: for input always, for output only once somebody has to wait for it. 0 or an errno. */
static inline int conn_watch(struct mu_conn *conn, int events)
{
	if (conn->watched && (!(events & CONN_OUT) || conn->watched_out))
		return 0;
	return conn_watch_more(conn, events);
}
/*
 * In serve: waits until the descriptor can do one of `events`, a limit ends, or the drain limit. 0, or -1
 * with ETIMEDOUT (logged), ECANCELED.
 */
int conn_wait(struct mu_conn *conn, int events);
/*
 * In serve: waits for one of `events` (CONN_...; 0: for the time alone), so many milliseconds (negative: no limit of
 * that kind), without the idle limit. 1: it came. 0: the time has passed. -1 with ETIMEDOUT (logged), ECANCELED.
 */
int conn_wait_for(struct mu_conn *conn, int events, int64_t milliseconds);
/* Bytes that we have sent and the other side has not taken yet; 0 where that is not known. */
int conn_unsent(const struct mu_conn *conn);
/* In serve: lets `milliseconds` pass (0: others have a turn). 0 or -1 with ETIMEDOUT, ECANCELED. */
int conn_pause(struct mu_conn *conn, int64_t milliseconds);
/*
 * In a call that is about to read (CONN_IN) or write (CONN_OUT) and need not wait: lets the others have their turn if this
 * one's is spent; the listeners and the master are looked at too. 0 or -1 with ETIMEDOUT, ECANCELED, EBUSY.
 */
int conn_give_way(struct mu_conn *conn, int event);
static inline int conn_keep_turn(struct mu_conn *conn, int event)
{
	return conn->worker->turn_left > 0 ? 0 : conn_give_way(conn, event);
}
/* A call has moved so many bytes, or (-1) failed. */
static inline void conn_spend(const struct mu_conn *conn, ssize_t n)
{
	conn->worker->turn_left -= (n > 0 ? n : 0) + TURN_CALL;
}
/*
 * Waits for one of `events`, as long as it takes or until the deadline (clock_ms(); 0: none). 0, ETIMEDOUT or what
 * else the waiter was woken with.
 */
int conn_suspend(struct mu_conn *conn, int events, int64_t deadline);
/* Must what runs now end, because of the drain limit or mu_cancel? */
static inline bool conn_is_cancelled(const struct mu_worker *worker)
{
	return worker->cutting || (worker->task && worker->task->cancelled);
}
/* It goes on, in this turn or the next, with 0 or an errno as the outcome of its wait. */
void waiter_wake(struct waiter *waiter, int wake);
/* The same with all of the connection's that wait for one of `events`, or (-1) for anything. */
void conn_wake(struct mu_conn *conn, int events, int wake);

/* -------------------------------------------------------------------------- family.c ---- */

/*
 * In the parent's serve: a connection for a connected socket or one end of a pipe (given, non-blocking; closed on
 * failure). All reading and writing calls work on it, under the parent's limits; it is no client of the worker's.
 * Closed by mu_close, or at the end of the parent's serve. NULL with ENOMEM.
 */
struct mu_conn *conn_open_other(struct mu_conn *parent, int fd, bool is_pipe);
/*
 * Has end->run called after serve has returned and its tasks have ended, the last one first, before others are closed.
 * `end` is of the connection's memory (mu_alloc) or lives as long. 0 or -1 with ENOMEM.
 */
int conn_at_end(struct mu_conn *conn, struct at_end *end);
/* As mu_wait_fd. To wait for several: put them into an epoll descriptor of your own and wait for that. */
int conn_wait_fd(struct mu_conn *conn, int fd, int events, int64_t milliseconds);
/* Does anybody wait for one of the others, or has been woken and not gone on yet? */
bool family_awaits(const struct mu_conn *other);
/* One that nobody waits for is its client's no more. */
void family_release(struct mu_conn *other);
/* An OTHER of nobody's is the client's. 0 or -1 with ENOMEM. */
int family_adopt(struct mu_conn *client, struct mu_conn *other);
/* Makes ready for one more task of the connection. 0 or -1 with ENOMEM. */
int task_reserve(struct mu_conn *conn);
/* On a coroutine, after task_reserve: runs a task of the connection from its beginning to its end. */
void task_run(struct mu_conn *conn, void (*run)(struct mu_conn *conn, void *arg), void *arg);
/* Serve has returned: waits for its tasks, and undoes what it had beside itself. */
void family_end(struct mu_conn *conn);
/* Bytes of a connection with a family, or of one of its others, have moved. */
void family_moved(struct mu_conn *conn);
/* A client with a family has a limit of its own now: it is for those too who wait already. */
void family_limit(struct mu_conn *client);

/* ---------------------------------------------------------------------------- pool.c ---- */

/* An event of a RESTING connection: it is closed if there is anything to be read, or an end. */
void pool_event(struct mu_conn *conn);
/* Closes a RESTING one. */
void pool_close(struct mu_conn *conn);
/* The same with all there are; the pools stay. */
void pool_close_all(struct mu_worker *worker);
/* With the pools, at the worker's end. */
void pool_free_all(struct mu_worker *worker);

/* ---------------------------------------------------------------------- background.c ---- */

/*
 * A SERVING connection that stands for the worker: no descriptor, no limits, not counted. NULL with ENOMEM.
 * conn_stand_down: waits for its tasks, undoes what it had, gives it back. May yield.
 */
struct mu_conn *conn_stand(struct mu_worker *worker);
void conn_stand_down(struct mu_conn *conn);

/* The worker serves from now on: starts what mu_background was told, each up to its first wait. Failures are logged. */
void background_begin(struct mu_worker *worker);
/* From the loop: all waits of these coroutines end with ECANCELED. They are gone when worker->background is 0. */
void background_end(struct mu_worker *worker);
void background_free(struct mu_worker *worker);

/* -------------------------------------------------------------------------- limits.c ---- */

/* The limit in force from now on, of ms milliseconds (0: none). A request ends or begins by it. */
void conn_set_limit(struct mu_conn *conn, enum mu_limit limit, int64_t ms);
/* When the wait that begins now must end, by the limits in force; 0: never. */
int64_t conn_deadline(const struct mu_conn *conn);
/*
 * The same for one that reached its idle limit, if its family has moved bytes meanwhile; 0: it has not.
 */
int64_t conn_deadline_moved(const struct mu_conn *conn);
/* The header, request or linger limit has passed, as against the idle one. */
bool conn_limit_is_over(const struct mu_conn *conn);
/* It is parked, and a direct worker waits for it for less than its idle limit. */
bool conn_has_park_limit(const struct mu_conn *conn);
/* Says in the log which limit ended, and counts it. */
void conn_log_limit(struct mu_conn *conn);

/* -------------------------------------------------------------------------- memory.c ---- */

/* More structs for worker->free, and room for their timers. 0 or -1 with ENOMEM. */
int memory_more_conns(struct mu_worker *worker);
/* Calls visit for every connection there is; it may close the one it is given. */
void memory_each_conn(struct mu_worker *worker, void (*visit)(struct mu_conn *conn));
/* An empty input buffer for the connection. 0 or -1 with ENOMEM. */
int memory_take_buffer(struct mu_conn *conn);
/* It goes back, whatever is in it; nothing if there is none. */
void memory_put_buffer(struct mu_conn *conn);
/*
 * In every turn: what of idle buffers and stacks nobody has needed for a second is given back, but for a few. Sets
 * worker->cool_at.
 */
void memory_cool(struct mu_worker *worker);
/* All of it, at the worker's end. */
void memory_free(struct mu_worker *worker);

#endif
