/* SPDX-License-Identifier: MIT */
/*
 * Requests whose path leads to a gateway: what is asked for, and by whom that is answered
 * (relay.h). Called by answer.c, once site.c has found the gateway.
 */
#ifndef SERVICES_HTTP_GATEWAY_GATEWAY_H
#define SERVICES_HTTP_GATEWAY_GATEWAY_H

struct exchange;

/*
 * Answers a request by the gateway of its found settings, which are settled. The content has not
 * been touched, and is read or left, as x->unread and x->end then say. May yield. 0, or -1: the
 * connection cannot go on.
 */
int gateway_answer(struct exchange *x);

#endif
