/* SPDX-License-Identifier: MIT */
/*
 * Networks; see access.h. They are sorted by family and length, the longest first, so that a peer
 * costs a binary search for each length that occurs: thousands of networks are as good as ten.
 */
#include "services/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 16 };

struct network {
	int family; /* AF_INET, AF_INET6; AF_UNIX; AF_UNSPEC: all */
	int bits;
	uint8_t address[BYTES];
	bool deny;
};

struct access {
	bool admits_others;
	size_t n;
	struct network network[];
};

static int bits_of(int family)
{
	return family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;
}

/* Clears what is beyond the first so many bits; true if there was something. */
static bool mask(uint8_t address[BYTES], int bits)
{
	bool changed = false;

	for (int i = 0; i < BYTES; i++) {
		int kept = bits - 8 * i;
		uint8_t byte = address[i];

		if (kept <= 0)
			address[i] = 0;
		else if (kept < 8)
			address[i] &= (uint8_t)(0xff << (8 - kept));
		changed = changed || byte != address[i];
	}
	return changed;
}

static bool fail_no_address(const char *word, char error[ACCESS_ERROR_MAX])
{
	snprintf(error, ACCESS_ERROR_MAX,
		 "`%.60s` is no address: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, all, unix", word);
	return false;
}

/* The number behind the slash. */
static bool parse_bits(const char *text, struct network *network)
{
	size_t len = strlen(text);

	if (len < 1 || len > 3 || strspn(text, "0123456789") != len || (len > 1 && text[0] == '0'))
		return false;
	network->bits = atoi(text);
	return network->bits <= bits_of(network->family);
}

static bool parse_network(const char *word, struct network *network, char error[ACCESS_ERROR_MAX])
{
	char text[INET6_ADDRSTRLEN], right[INET6_ADDRSTRLEN];
	size_t len = strcspn(word, "/");

	if (len >= sizeof text)
		return fail_no_address(word, error);
	memcpy(text, word, len);
	text[len] = '\0';
	network->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	network->bits = bits_of(network->family);
	if (inet_pton(network->family, text, network->address) != 1)
		return fail_no_address(word, error);
	if (network->family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)network->address)) {
		snprintf(error, ACCESS_ERROR_MAX,
			 "`%.60s` is an IPv4 address: write it as 192.0.2.0/24", word);
		return false;
	}
	if (word[len] && !parse_bits(word + len + 1, network)) {
		snprintf(error, ACCESS_ERROR_MAX,
			 "`%.60s`: behind the / is the number of bits of the network, 0 to %d",
			 word, bits_of(network->family));
		return false;
	}
	if (mask(network->address, network->bits)) {
		inet_ntop(network->family, network->address, right, sizeof right);
		snprintf(error, ACCESS_ERROR_MAX, "`%.60s` has bits beyond its %d: write %s/%d",
			 word, network->bits, right, network->bits);
		return false;
	}
	return true;
}

static bool parse_word(const char *word, struct network *network, char error[ACCESS_ERROR_MAX])
{
	memset(network, 0, sizeof *network);
	network->family = AF_UNSPEC;
	if (strcmp(word, "all") == 0)
		return true;
	network->family = AF_UNIX;
	if (strcmp(word, "unix") == 0)
		return true;
	return parse_network(word, network, error);
}

bool access_check(const char *word, char error[ACCESS_ERROR_MAX])
{
	struct network network;

	return parse_word(word, &network, error);
}

static int compare_place(const struct network *a, const struct network *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->bits != b->bits)
		return a->bits > b->bits ? -1 : 1;
	return memcmp(a->address, b->address, BYTES);
}

static int compare(const void *a, const void *b)
{
	const struct network *one = a, *other = b;
	int order = compare_place(one, other);

	return order ? order : (int)other->deny - (int)one->deny;
}

static void add_words(struct access *access, const struct mu_words *words, bool deny)
{
	char error[ACCESS_ERROR_MAX];

	for (size_t i = 0; i < words->n; i++) {
		struct network *network = &access->network[access->n];

		if (!parse_word(words->word[i], network, error))
			continue;
		network->deny = deny;
		access->n++;
	}
}

struct access *access_new(const struct mu_words *allow, const struct mu_words *deny)
{
	struct access *access =
		calloc(1, sizeof *access + (allow->n + deny->n) * sizeof access->network[0]);
	size_t kept = 0;

	if (!access)
		return NULL;
	access->admits_others = allow->n == 0;
	add_words(access, allow, false);
	add_words(access, deny, true);
	qsort(access->network, access->n, sizeof access->network[0], compare);
	/* What is in both is denied: that one is the first of the two. */
	for (size_t i = 0; i < access->n; i++)
		if (!kept || compare_place(&access->network[kept - 1], &access->network[i]))
			access->network[kept++] = access->network[i];
	access->n = kept;
	return access;
}

void access_free(struct access *access)
{
	free(access);
}

/* The place of the first network that is not before this one. */
static size_t lower_bound(const struct access *access, const struct network *network)
{
	size_t low = 0, high = access->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_place(&access->network[middle], network) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The smallest network of its family that has this address, or NULL. */
static const struct network *find(const struct access *access, struct network *peer)
{
	for (;;) {
		size_t at = lower_bound(access, peer);
		const struct network *found = &access->network[at];

		if (at == access->n || found->family != peer->family)
			return NULL;
		if (compare_place(found, peer) == 0)
			return found;
		/* Behind it there may be others of this length, and then shorter ones. */
		if (found->bits == peer->bits) {
			if (peer->bits == 0)
				return NULL;
			peer->bits--;
		} else {
			peer->bits = found->bits;
		}
		mask(peer->address, peer->bits);
	}
}

bool access_admits(const struct access *access, const struct sockaddr_storage *peer)
{
	struct network network = { .family = peer->ss_family };
	const struct network *found;

	if (!access)
		return true;
	network.bits = bits_of(network.family);
	if (network.family == AF_INET)
		memcpy(network.address, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	else if (network.family == AF_INET6)
		memcpy(network.address, &((const struct sockaddr_in6 *)peer)->sin6_addr, BYTES);
	found = find(access, &network);
	if (!found) {
		network = (struct network){ .family = AF_UNSPEC };
		found = find(access, &network);
	}
	return found ? !found->deny : access->admits_others;
}
