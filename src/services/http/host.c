/* SPDX-License-Identifier: MIT */
/* Names of hosts; see host.h. */
#include "services/http/host.h"

#include "services/http/octet.h"

#include <arpa/inet.h>
#include <string.h>

size_t host_cut(const char *host, size_t len)
{
	const char *end = len && host[0] == '[' ? memchr(host, ']', len) : NULL;
	const char *colon;

	if (end)
		return (size_t)(end - host) + 1;
	colon = memchr(host, ':', len);
	if (colon)
		len = (size_t)(colon - host);
	return len && host[len - 1] == '.' ? len - 1 : len;
}

/* Behind the "]" of the IPv6 address in brackets that p begins with; NULL: it is none. */
static __attribute__((__noinline__)) const char *skip_ipv6(const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (!close || close - p - 1 >= INET6_ADDRSTRLEN)
		return NULL;
	memcpy(text, p + 1, (size_t)(close - p - 1));
	text[close - p - 1] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1 ? close + 1 : NULL;
}

/*
 * Behind the registered name or IPv4 address that p begins with; NULL: a "%" that encodes nothing.
 */
static const char *skip_name(const char *p, const char *end)
{
	p = octets_skip(p, end, OCTET_HOST);
	while (p < end && *p == '%') {
		if (end - p < 3 || octet_hex(p[1]) < 0 || octet_hex(p[2]) < 0)
			return NULL;
		p = octets_skip(p + 3, end, OCTET_HOST);
	}
	return p;
}

/* *DIGIT, of ports that can be (RFC 3986 section 3.2.3); CONNECT must name one (RFC 9110 9.3.6). */
static bool port_is_valid(const char *p, const char *end, bool is_needed)
{
	static const char max[] = "65535";
	const ptrdiff_t digits = sizeof max - 1;

	if (octets_skip(p, end, OCTET_DIGIT) != end || end - p > digits ||
	    (end - p == digits && memcmp(p, max, sizeof max - 1) > 0))
		return false;
	while (p < end && *p == '0')
		p++;
	return p < end || !is_needed;
}

bool host_is_valid(const char *p, const char *end, bool needs_port)
{
	const char *start = p;

	p = p < end && *p == '[' ? skip_ipv6(p, end) : skip_name(p, end);
	/* An http URI without a host is invalid (RFC 9110 section 4.2.1), a port or not. */
	if (!p || p == start)
		return false;
	if (p == end)
		return !needs_port;
	return *p == ':' && port_is_valid(p + 1, end, needs_port);
}

static const char *check_address(const char *name)
{
	const char *end = name + strlen(name);

	if (end[-1] != ']')
		return "an IPv6 address is written [2001:db8::1], without a port";
	return skip_ipv6(name, end) == end ? NULL : "this is no IPv6 address";
}

const char *host_check(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len;

	if (!*name)
		return "a host needs a name: host www.example.org { ... }";
	if (strcmp(name, "_") == 0 || strcmp(name, "*") == 0 || strcmp(name, "default") == 0)
		return "what is to hold for all other hosts is written outside of every host";
	if (name[0] == '[')
		return check_address(name);
	if (name[0] == '~')
		return "regular expressions are not known here: write names, or *.example.org";
	if (name[0] == '.')
		return "write example.org and *.example.org: the one does not include the other";
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	if (strchr(name, '*'))
		return "a * stands for the first labels of a name only: *.example.org";
	if (strstr(name, "://") || strchr(name, '/'))
		return "only the name is wanted: www.example.org";
	if (strchr(name, ':'))
		return "a host is given without its port";
	len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if (name[i] & 0x80)
			return "a name with other letters is written as it is sent: xn--...";
	if (strspn(name, letters) != len)
		return "a name has letters, digits, - and . only";
	if (!len || strstr(name, "..") || name[0] == '.')
		return "a part of the name is empty";
	if (name[len - 1] == '.')
		return "the final dot is left out: it is ignored in requests too";
	return len > HOST_NAME_MAX_LEN ? "a name has at most 253 letters" : NULL;
}
