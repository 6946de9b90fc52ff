/* SPDX-License-Identifier: MIT */
/*
 * One request handed on to a server or program, and its reply handed back: the course of it, which
 * is the same for all protocols. A server is chosen and connected to, the head is sent, content
 * goes up, a reply's head comes, content comes down, the connection is kept or closed; what fails
 * is tried again where that does no harm, logged, and answered.
 *
 * What a protocol says on the wire is its `const struct relay_kind`, in a file of its own (proxy.c
 * is HTTP/1.1, fastcgi.c and so on), declared below, with a place in the table of gateway.c. The
 * kind never waits for the server or the client, and never logs an outcome.
 *
 * Two coroutines at most: serve reads the server and writes to the client; where content is still
 * to come, a task reads the client and writes to the server (relay_upload.c).
 */
#ifndef SERVICES_HTTP_GATEWAY_RELAY_H
#define SERVICES_HTTP_GATEWAY_RELAY_H

#include "services/http/exchange.h"
#include "services/http/gateway/conf.h"
#include "services/http/gateway/content.h"
#include "services/http/gateway/group.h"
#include "services/http/gateway/reply.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The most that a kind puts before a piece of content, or behind the last one. */
	RELAY_MARK_MAX = 32,
	/* The longest piece that content is cut into. */
	RELAY_PIECE_MAX = 16384,
	/* A reply's head is never longer. */
	RELAY_HEAD_MAX = 16384
};

struct relay;
struct spooled;

struct relay_kind {
	const char *protocol; /* "HTTP": for the log, "answered what is no HTTP" */
	enum reply_kind reply;
	/*
	 * The length of content has to be in the head: content in chunks is received whole before
	 * (relay_spool.c).
	 */
	bool needs_length;
	size_t state_size; /* of relay->state, which is zeroed before each try */

	/*
	 * Called once, before anything is connected to: what the path leads to, whatever can be
	 * refused before. 0; a status to answer with; -1: the connection cannot go on. May yield.
	 * NULL: nothing to do.
	 */
	int (*begin)(struct relay *relay);

	/*
	 * For who has no group: sets relay->up and relay->down, or up NULL where there is no
	 * content, and relay->label. 0; a status to answer with (logged); -1: a limit has ended.
	 * May yield. NULL: the group is asked.
	 */
	int (*open)(struct relay *relay);

	/*
	 * Makes the head of the request, all that is sent before content: relay->head of
	 * relay->head_len bytes, in memory of relay_room. Called for each try, before anything is
	 * consumed. relay->length says what is known of the content. 0, or a status to answer with
	 * (logged, but for 503: no memory). Does not yield.
	 */
	int (*write_head)(struct relay *relay);

	/*
	 * How content is framed: what stands before a piece of 1 to RELAY_PIECE_MAX bytes, and what
	 * behind the last one (also where there is no content at all). The length of what was
	 * written to out. NULL: nothing.
	 */
	size_t (*mark)(struct relay *relay, size_t len, char out[RELAY_MARK_MAX]);
	size_t (*mark_last)(struct relay *relay, char out[RELAY_MARK_MAX]);
	/*
	 * What completes the pieces so far, where it may be a while until the next one. NULL: the
	 * mark before each says all.
	 */
	size_t (*mark_pause)(struct relay *relay, char out[RELAY_MARK_MAX]);
	/*
	 * The last byte of the request has been written. A pipe is closed here: up is NULL then.
	 * NULL: nothing to do.
	 */
	void (*sent)(struct relay *relay);

	/*
	 * Takes bytes off what the server sends, up to the end of one run of what the reply (head
	 * and content) is made of: how many. Of these the last *piece_r are the reply's. At least
	 * one is taken if there are any, until relay->ended or relay->error is set: the reply is
	 * complete, or what came is no such protocol (static text). NULL: every byte is the
	 * reply's, which ends as its head says, or with the stream.
	 */
	size_t (*take)(struct relay *relay, const char *data, size_t len, size_t *piece_r);

	/*
	 * Request and reply are complete, nothing is left over: can the connection be used for
	 * another request? NULL: never.
	 */
	bool (*can_keep)(const struct relay *relay);

	/*
	 * Called once after each try, whatever came of it, when the upload has ended: for what open
	 * has made (a child, whose end is waited for). What is left of up and down is closed or
	 * kept by the relay afterwards; may close them before. May yield. NULL: nothing to do.
	 */
	void (*end)(struct relay *relay);
};

/* What has become of the content on its way up. */
enum relay_up {
	RELAY_UP_NONE = 0, /* there is no task: no content, or it went with the head */
	RELAY_UP_RUNNING,  /* the task lives, or has not been joined yet */
	RELAY_UP_DONE,     /* all of it has been sent */
	RELAY_UP_SERVER,   /* the server takes no more of it: it may have answered */
	RELAY_UP_STALLED,  /* it took nothing for send-timeout: closed */
	/* The client is gone, slow, or sent what is no content; up_status says: closed. */
	RELAY_UP_CLIENT,
	RELAY_UP_CANCELLED /* serve has ended it, or the worker ends */
};

struct relay {
	struct exchange *x;
	const struct gateway *gateway;
	const struct relay_kind *kind;
	void *state; /* the kind's own, of state_size bytes */
	void *found; /* the kind's own, for all tries: what begin has found */

	/* What is asked for; for the kind to read. */
	const char *path; /* decoded and clean, with a NUL behind it: lives as long as serve */
	size_t path_len;
	bool is_stripped; /* a prefix of what was asked for is not in it */
	bool has_content;
	/* Of the content; -1: not known, it is chunked and not all there; not with needs_length. */
	int64_t length;
	const char *label; /* of the server, for the log */

	/* Of this try; the same connection but for a program, whose pipes they are. */
	struct mu_conn *up, *down;
	bool is_kept;     /* the connection had rested */
	bool may_upgrade; /* set by write_head: the request asks for another protocol */
	char *head;
	size_t head_len;
	/*
	 * The time by which the reply must be complete, as mu_now_ms: 0, none. Set by open; ends_by
	 * is for the log, "timeout 60s".
	 */
	int64_t deadline;
	const char *ends_by;

	/* Set by take. */
	bool ended;
	const char *error;
	bool is_overloaded; /* with error: the server has not begun, 503 in place of 502 */

	/* The reply's head, whose slices are of reply_data. */
	struct reply reply;
	const char *reply_data;

	/* The relay's own: see relay_parts.h. */
	struct group_request request; /* group NULL: there is none */
	int tries;                    /* further servers */
	bool wants_new;               /* the connection that had rested was none */

	size_t room;            /* for content, behind the head */
	struct content content; /* going up */
	/* It is all in the client's buffer, behind the head, or in that of `spooled`. */
	bool is_whole;
	/* NULL: it was not received before; with a length: all of it was. */
	struct spooled *spooled;
	bool is_consumed; /* some of it is: there is no further try */
	enum relay_up up_state;
	int up_status;    /* RELAY_UP_CLIENT: to answer with; 0: nobody is left */
	int64_t moved_at; /* when content last went up, as mu_now_ms */

	const char *run; /* bytes of the reply that came and were not used yet */
	size_t run_len;
	size_t spent;            /* of down's buffer: consumed when the run is used up */
	size_t silent;           /* bytes in a row that were not the reply's */
	char *gathered;          /* the head, where it came in more than one run */
	bool has_come;           /* some byte of the reply */
	bool is_waiting;         /* serve waits for more */
	int interims;            /* heads of 1xx */
	bool is_continued;       /* the client was sent 100 (Continue) */
	bool has_told;           /* it was sent something */
	bool has_answered;       /* and the final head */
	bool is_dropped;         /* the reply is not passed on, for there is an error page */
	const char *kept_fields; /* of that reply */
	char *local;             /* the reply is another path: the head of a request for that */
	size_t local_len;
	struct content reply_content;
	struct content_marks marks; /* of what goes to the client */

	/* Why the try has failed. */
	int status;         /* to answer with; 0: nobody is left */
	bool blames_server; /* and so it counts against it */
	bool is_stale;      /* the server had given the connection up before the request came */
	bool is_late;       /* a limit has ended: no more waiting */
	uint8_t again;      /* enum relay_again */
	char failure[320];  /* for the log; "": nothing */
};

/*
 * Memory for the head of a request, size bytes at least, with room for content that is sent with
 * it; it lives as long as serve. NULL with ENOMEM. Does not yield.
 */
char *relay_room(struct relay *relay, size_t size);

/*
 * The whole exchange. relay is zeroed but for x, gateway, kind, path and path_len. May yield. As
 * gateway_answer.
 */
int relay_run(struct relay *relay);

/* The kinds. */
extern const struct relay_kind proxy_kind;
extern const struct relay_kind fastcgi_kind;
extern const struct relay_kind uwsgi_kind;
extern const struct relay_kind scgi_kind;
extern const struct relay_kind cgi_kind;

#endif
