/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together in a buffer of fixed size. What does not fit is left out, and the
 * output is `full` from then on: who made it asks once, at the end. Inline.
 */
#ifndef SERVICES_HTTP_GATEWAY_OUTPUT_H
#define SERVICES_HTTP_GATEWAY_OUTPUT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct output {
	char *start, *at, *end;
	bool full;
};

static inline struct output output_of(char *buffer, size_t size)
{
	return (struct output){ .start = buffer, .at = buffer, .end = buffer + size };
}

static inline size_t output_len(const struct output *output)
{
	return (size_t)(output->at - output->start);
}

/* Room for len bytes, which are to be written there. NULL: there is none. */
static inline char *output_room(struct output *output, size_t len)
{
	char *room = output->at;

	if (output->full || len > (size_t)(output->end - output->at)) {
		output->full = true;
		return NULL;
	}
	output->at += len;
	return room;
}

static inline void output_bytes(struct output *output, const char *bytes, size_t len)
{
	char *room = output_room(output, len);

	if (room && len)
		memcpy(room, bytes, len);
}

static inline void output_text(struct output *output, const char *text)
{
	output_bytes(output, text, strlen(text));
}

static inline void output_number(struct output *output, uint64_t number)
{
	char digits[20], *p = digits + sizeof digits;

	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	output_bytes(output, p, (size_t)(digits + sizeof digits - p));
}

/* "192.0.2.1" or "2001:db8::1"; nothing of an address that is neither. */
static inline void output_address(struct output *output, const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	const uint8_t *byte = (const uint8_t *)&in->sin_addr;
	char text[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET6)
		output_text(output, inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text));
	/* Each request has one or more: inet_ntop takes longer than all the rest of a head. */
	for (int i = 0; i < 4 && address->ss_family == AF_INET; i++) {
		output_text(output, i ? "." : "");
		output_number(output, byte[i]);
	}
}

#endif
