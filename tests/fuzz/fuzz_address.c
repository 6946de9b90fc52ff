/* SPDX-License-Identifier: MIT */
/*
 * Any text as a listen argument and as an address. What is accepted must be whole, and an address that is
 * shown and read again must be the same.
 */
#include "net/address.h"

#include "fuzz.h"

#include <string.h>

static void try_listen_name(const char *text)
{
	struct listen_name name;
	const char *reason = NULL;

	if (listen_name_parse(&name, text, &reason) < 0) {
		must(reason != NULL);
		return;
	}
	switch (name.kind) {
	case LISTEN_INET:
		must(name.port && *name.port);
		break;
	case LISTEN_UNIX:
		must(name.path && name.path[1]);
		break;
	case LISTEN_SYSTEMD:
		must(name.name && *name.name);
		break;
	default:
		abort();
	}
}

static void try_address(const char *text)
{
	struct address address, again;
	char shown[ADDRESS_TEXT_MAX];

	if (address_parse(&address, text) < 0)
		return;
	must(address.len <= sizeof(address.u));
	must(address_parse(&again, address_text(&address, shown)) == 0);
	must(address_equal(&address, &again));
}

/* As the kernel might give it for somebody else's socket. */
static void try_name_of_socket(const uint8_t *data, size_t size)
{
	struct address address = { .u.un.sun_family = AF_UNIX };
	char shown[ADDRESS_TEXT_MAX];

	if (size > sizeof(address.u.un.sun_path))
		size = sizeof(address.u.un.sun_path);
	if (size)
		memcpy(address.u.un.sun_path, data, size);
	address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	must(strlen(address_text(&address, shown)) < sizeof(shown));
	must(address_equal(&address, &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_listen_name(text);
	try_address(text);
	try_name_of_socket(data, size);
	free(text);
	return 0;
}
