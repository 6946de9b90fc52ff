/* SPDX-License-Identifier: MIT */
#include "services/access.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* "unix", or an address. */
static struct sockaddr_storage peer_of(const char *text)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };

	if (strchr(text, ':')) {
		peer.ss_family = AF_INET6;
		ck_assert_int_eq(
			inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&peer)->sin6_addr), 1);
	} else if (strcmp(text, "unix") != 0) {
		peer.ss_family = AF_INET;
		ck_assert_int_eq(inet_pton(AF_INET, text, &((struct sockaddr_in *)&peer)->sin_addr),
				 1);
	}
	return peer;
}

enum { WORDS = 8 };

/* Splits at blanks. */
static struct mu_words words_of(char *text, const char *word[WORDS])
{
	struct mu_words words = { 0, word };
	char *save = NULL;

	for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
		word[words.n++] = p;
	return words;
}

static bool admits(const char *allow, const char *deny, const char *peer)
{
	char allow_text[256], deny_text[256];
	const char *allow_word[WORDS], *deny_word[WORDS];
	struct mu_words allowed, denied;
	struct sockaddr_storage address = peer_of(peer);
	struct access *access;
	bool result;

	snprintf(allow_text, sizeof allow_text, "%s", allow);
	snprintf(deny_text, sizeof deny_text, "%s", deny);
	allowed = words_of(allow_text, allow_word);
	denied = words_of(deny_text, deny_word);
	access = access_new(&allowed, &denied);
	ck_assert_ptr_nonnull(access);
	result = access_admits(access, &address);
	access_free(access);
	return result;
}

static const struct {
	const char *allow, *deny, *peer;
	bool admitted;
} cases[] = {
	/* one kind alone */
	{ "", "192.0.2.1", "192.0.2.1", false },
	{ "", "192.0.2.1", "192.0.2.2", true },
	{ "", "192.0.2.1", "::1", true },
	{ "", "192.0.2.1", "unix", true },
	{ "192.0.2.1", "", "192.0.2.1", true },
	{ "192.0.2.1", "", "192.0.2.2", false },
	{ "192.0.2.1", "", "::1", false },
	{ "192.0.2.1", "", "unix", false },
	{ "", "all", "192.0.2.1", false },
	{ "", "all", "::1", false },
	{ "", "all", "unix", false },
	{ "all", "", "unix", true },
	{ "unix", "", "unix", true },
	{ "unix", "", "127.0.0.1", false },
	{ "", "unix", "unix", false },
	{ "", "unix", "127.0.0.1", true },

	/* the smallest network decides, in any order */
	{ "192.0.2.1", "192.0.2.0/24", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.0/24", "192.0.2.2", false },
	{ "192.0.2.0/24", "192.0.2.1", "192.0.2.1", false },
	{ "192.0.2.0/24", "192.0.2.1", "192.0.2.2", true },
	{ "192.0.2.0/24", "192.0.2.1", "192.0.3.2", false },
	{ "10.0.0.0/8 10.1.2.0/24", "10.1.0.0/16", "10.1.2.3", true },
	{ "10.0.0.0/8 10.1.2.0/24", "10.1.0.0/16", "10.1.3.3", false },
	{ "10.0.0.0/8 10.1.2.0/24", "10.1.0.0/16", "10.2.3.3", true },
	{ "10.0.0.0/8 10.1.2.0/24", "10.1.0.0/16", "11.2.3.3", false },
	{ "all", "10.0.0.0/8", "10.0.0.0", false },
	{ "all", "10.0.0.0/8", "10.255.255.255", false },
	{ "all", "10.0.0.0/8", "9.255.255.255", true },
	{ "all", "10.0.0.0/8", "11.0.0.0", true },
	{ "unix", "all", "unix", true },
	{ "unix", "all", "127.0.0.1", false },

	/* the same in both is denied */
	{ "192.0.2.1", "192.0.2.1", "192.0.2.1", false },
	{ "192.0.2.0/24", "192.0.2.0/24", "192.0.2.1", false },
	{ "all", "all", "192.0.2.1", false },
	{ "unix", "unix", "unix", false },
	{ "192.0.2.1 192.0.2.1", "", "192.0.2.1", true },

	/* odd lengths, and the ends of the range */
	{ "", "192.0.2.128/25", "192.0.2.127", true },
	{ "", "192.0.2.128/25", "192.0.2.128", false },
	{ "", "192.0.2.2/31", "192.0.2.3", false },
	{ "", "192.0.2.2/31", "192.0.2.4", true },
	{ "", "0.0.0.0/0", "255.255.255.255", false },
	{ "", "0.0.0.0/0", "::1", true },
	{ "", "0.0.0.0/1", "128.0.0.0", true },
	{ "", "255.255.255.255", "255.255.255.255", false },

	/* IPv6 */
	{ "2001:db8::/32", "", "2001:db8:ffff::1", true },
	{ "2001:db8::/32", "", "2001:db9::1", false },
	{ "2001:db8::/32", "2001:db8:8000::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/32", "2001:db8:8000::/33", "2001:db8:8000::1", false },
	{ "::1", "::/0", "::1", true },
	{ "::1", "::/0", "::2", false },
	{ "", "::/0", "127.0.0.1", true },

	/* other families do not mix: the bytes of 127.0.0.1 are also those of 7f00:1:: */
	{ "", "127.0.0.1", "7f00:1::", true },
	{ "", "7f00:1::", "127.0.0.1", true },
};

START_TEST(who_is_admitted)
{
	ck_assert_msg(admits(cases[_i].allow, cases[_i].deny, cases[_i].peer) == cases[_i].admitted,
		      "allow %s; deny %s: %s", cases[_i].allow, cases[_i].deny, cases[_i].peer);
}
END_TEST

START_TEST(no_rule_admits_everybody)
{
	struct sockaddr_storage peer = peer_of("192.0.2.1");

	ck_assert(access_admits(NULL, &peer));
	access_free(NULL);
}
END_TEST

/* The slow way: all networks, one after the other. */
static bool is_in(uint32_t address, uint32_t network, int bits)
{
	return bits == 0 || (address ^ network) >> (32 - bits) == 0;
}

START_TEST(many_networks_are_found_as_one_by_one)
{
	enum { N = 2000, PEERS = 5000 };
	static char text[N][24];
	static uint32_t network[N];
	static int bits[N];
	static const char *allow_word[N], *deny_word[N];
	struct mu_words allow = { 0, allow_word }, deny = { 0, deny_word };
	struct access *access;
	uint32_t seed = 12345;

	for (int i = 0; i < N; i++) {
		struct in_addr address;

		seed = seed * 1664525 + 1013904223;
		bits[i] = 1 + (int)(seed >> 8) % 32;
		seed = seed * 1664525 + 1013904223;
		/* Close together, so that they contain one another. */
		network[i] = (0x0a000000 | (seed >> 8 & 0xffff)) >> (32 - bits[i])
									    << (32 - bits[i]);
		address.s_addr = htonl(network[i]);
		snprintf(text[i], sizeof text[i], "%s/%d", inet_ntoa(address), bits[i]);
		if (i % 2)
			allow_word[allow.n++] = text[i];
		else
			deny_word[deny.n++] = text[i];
	}
	access = access_new(&allow, &deny);
	ck_assert_ptr_nonnull(access);
	for (int i = 0; i < PEERS; i++) {
		struct sockaddr_storage peer = { .ss_family = AF_INET };
		uint32_t address;
		int best = -1;
		bool denied = true;

		seed = seed * 1664525 + 1013904223;
		address = i % 8 ? 0x0a000000 | (seed >> 8 & 0xffff) : seed;
		((struct sockaddr_in *)&peer)->sin_addr.s_addr = htonl(address);
		for (int j = 0; j < N; j++)
			if (is_in(address, network[j], bits[j]) && bits[j] >= best) {
				denied = j % 2 == 0 || (bits[j] == best && denied);
				best = bits[j];
			}
		ck_assert_int_eq(access_admits(access, &peer), !denied);
	}
	access_free(access);
}
END_TEST

static const char *const good[] = { "all", "unix", "192.0.2.1",     "0.0.0.0/0",   "192.0.2.1/32",
				    "::",  "::/0", "2001:db8::/32", "fe80::1/128", "192.0.2.0/24" };
static const char *const bad[] = { "",
				   "ALL",
				   "any",
				   "192.0.2",
				   "192.0.2.256",
				   "192.0.2.0/",
				   "192.0.2.0/33",
				   "192.0.2.0/-1",
				   "192.0.2.0/024",
				   "192.0.2.0/2 4",
				   "192.0.2.1/24",
				   "::1/129",
				   "::1/64",
				   "::1%lo",
				   "[::1]",
				   "localhost",
				   "::ffff:192.0.2.1",
				   "/24",
				   "192.0.2.0/24/24",
				   "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };

START_TEST(good_words)
{
	char error[ACCESS_ERROR_MAX] = "";

	ck_assert_msg(access_check(good[_i], error), "%s: %s", good[_i], error);
}
END_TEST

START_TEST(bad_words)
{
	char error[ACCESS_ERROR_MAX] = "";

	ck_assert_msg(!access_check(bad[_i], error), "%s", bad[_i]);
	ck_assert_str_ne(error, "");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("access");

	tcase_add_loop_test(tcase, who_is_admitted, 0, sizeof cases / sizeof cases[0]);
	tcase_add_test(tcase, no_rule_admits_everybody);
	tcase_add_test(tcase, many_networks_are_found_as_one_by_one);
	tcase_add_loop_test(tcase, good_words, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tcase, bad_words, 0, sizeof bad / sizeof bad[0]);
	return unit_main("access", tcase);
}
