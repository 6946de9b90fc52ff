/* SPDX-License-Identifier: MIT */
/* Requests, peers and lists of words, for the tests of what is made of them on the way to an application. */
#ifndef TESTS_GATEWAY_FIXTURE_H
#define TESTS_GATEWAY_FIXTURE_H

#include "services/http/request.h"

#include "musterd/module.h"

#include "unit.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

/* A head that the parser takes. */
static inline struct request gateway_parse(const char *head)
{
	struct request request;

	request_init(&request);
	ck_assert_msg(request_parse(&request, head, strlen(head)) == REQUEST_DONE, "%s",
		      request.reason ? request.reason : "incomplete");
	return request;
}

/* text: "192.0.2.1", "2001:db8::1" or "unix". */
static inline struct sockaddr_storage fixture_address(const char *text, uint16_t port)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	struct sockaddr_in *in = (void *)&address;
	struct sockaddr_in6 *in6 = (void *)&address;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	return address;
}

enum { GATEWAY_PAIRS_MAX = 4 };

/* "NAME", "VALUE", ... ended by NULL, as the lines of a configuration. One list at a time. */
static inline struct mu_lines gateway_lines(const char *const *word)
{
	static struct mu_words line[GATEWAY_PAIRS_MAX];
	size_t n = 0;

	for (; word && word[2 * n]; n++) {
		ck_assert_uint_lt(n, GATEWAY_PAIRS_MAX);
		line[n] = (struct mu_words){ 2, word + 2 * n };
	}
	return (struct mu_lines){ n, line };
}

#endif
