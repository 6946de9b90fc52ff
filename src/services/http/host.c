/* SPDX-License-Identifier: MIT */
/* Names of hosts; see host.h. */
#include "services/http/host.h"

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

static const char *check_address(const char *name)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];
	size_t len = strlen(name);

	if (len < 4 || len - 2 >= sizeof text || name[len - 1] != ']')
		return "an IPv6 address is written [2001:db8::1], without a port";
	memcpy(text, name + 1, len - 2);
	text[len - 2] = '\0';
	return inet_pton(AF_INET6, text, address) == 1 ? NULL : "this is no IPv6 address";
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
