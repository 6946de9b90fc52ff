/* SPDX-License-Identifier: MIT */
/*
 * Requests whose path leads to a gateway: what is asked for, and by whom that is answered
 * (relay.h). Called by answer.c, once site.c has found the gateway.
 */
#ifndef SERVICES_HTTP_GATEWAY_GATEWAY_H
#define SERVICES_HTTP_GATEWAY_GATEWAY_H

struct exchange;

/* What gateway_answer says when there is no answer yet: another request is to be answered. */
enum { GATEWAY_LOCAL = 1 };

/*
 * Answers a request by the gateway of its found settings, which are settled. The content has not
 * been touched, and is read or left, as x->unread and x->end then say. May yield. 0; -1: the
 * connection cannot go on; GATEWAY_LOCAL: with the request that x->local is the head of.
 */
int gateway_answer(struct exchange *x);

#endif
