/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the relay are to each other: relay.c (the course, servers and outcomes),
 * relay_spool.c (content that has to be there before that), relay_upload.c (head and content going
 * up), relay_input.c (what the server sends), relay_reply.c (the reply coming down), tunnel.c
 * (after a change of protocol). Nobody else's. All that may fail answers -1 with the reason noted
 * by one of the calls of relay.c.
 */
#ifndef SERVICES_HTTP_GATEWAY_RELAY_PARTS_H
#define SERVICES_HTTP_GATEWAY_RELAY_PARTS_H

#include "services/http/gateway/relay.h"

/* Whether another try may follow, as long as nothing was consumed and nothing was told. */
enum relay_again {
	RELAY_NEVER = 0,
	RELAY_IF_IDEMPOTENT, /* it may have been carried out: the method must allow that twice */
	RELAY_ALWAYS
};

/* --------------------------------------------------------------------------------- relay.c ---- */

/* The server has failed; the text says how, with its label. -1. */
int relay_failed(struct relay *relay, int status, enum relay_again again, const char *format, ...)
	MU_PRINTF(4, 5);
/* The client's fault, or nobody's: status 0, it is gone. Format NULL: nothing is logged. -1. */
int relay_refused(struct relay *relay, int status, const char *format, ...) MU_PRINTF(3, 4);
/*
 * A wait has ended with error, ETIMEDOUT or ECANCELED: a limit of the service, which is logged. -1.
 */
int relay_limited(struct relay *relay, int error);

/* The content has been read off the client's connection, or will be when the head is consumed. */
bool relay_has_read(const struct relay *relay);
/* It has been sent to the server. */
bool relay_has_sent(const struct relay *relay);

/* --------------------------------------------------------------------------- relay_spool.c ---- */

/* Receives content of unknown length, to be sent with its length. 0 or -1. May yield. */
int spool_begin(struct relay *relay);
/* What was kept is given up. */
void spool_end(struct relay *relay);

/* -------------------------------------------------------------------------- relay_upload.c ---- */

/* What there is of the content, and whether it may be that much. 0, or a status to refuse with. */
int upload_judge(struct relay *relay);
/* relay->room, by what is known of the content. */
void upload_set_room(struct relay *relay);
/* The most that it may be: UINT64_MAX, anything. */
uint64_t upload_limit(const struct relay *relay);
/* 100 (Continue) to who waits for it, where nobody behind us would say it. 0 or -1. May yield. */
int upload_say_continue(struct relay *relay);
/* Sends the head, and content if it is whole; else begins with that. 0 or -1. May yield. */
int upload_begin(struct relay *relay);
/* The task has ended in a way that ends the exchange: noted as its failure. */
bool upload_has_failed(struct relay *relay);
/* Waits for its end, which comes at once. May yield. */
void upload_end(struct relay *relay);

/* --------------------------------------------------------------------------- relay_input.c ---- */

/*
 * More bytes into the server's buffer, which has room. 1; 0: the stream has ended; -1. May yield.
 */
int input_fill(struct relay *relay);
/*
 * What is buffered becomes the run, or what the kind finds in it; without any, what was taken is
 * consumed.
 */
void input_take(struct relay *relay, const char *data, size_t len);
/*
 * The run is used up: the next one. 1; 0: the reply has ended, by the kind's word or with the
 * stream; -1. May yield.
 */
int input_next(struct relay *relay);
/* So much of the run is used up. */
void input_use(struct relay *relay, size_t n);
/* The stream has ended where more was to come; how: NULL, in order. -1. */
int input_ended(struct relay *relay, const char *how);
/* What came is no reply. -1. */
int input_bad(struct relay *relay, const char *error);

/* --------------------------------------------------------------------------- relay_reply.c ---- */

/* The final head, or 101; what comes before is passed on. 0 or -1. May yield. */
int reply_receive(struct relay *relay);
/* Head and content to the client. 0 or -1. May yield. */
int reply_pass_on(struct relay *relay);
/* Makes the head that the client gets: in memory that lives as long as serve. 0 or -1. */
int reply_make_head(struct relay *relay, const char **head_r, size_t *len_r);
/* A complete reply: whether nothing is left over of it on the connection. May yield. */
bool reply_is_over(struct relay *relay);

/* -------------------------------------------------------------------------------- tunnel.c ---- */

/* After a 101 that was received: bytes go both ways until both have ended. 0 or -1. May yield. */
int tunnel_run(struct relay *relay);

#endif
