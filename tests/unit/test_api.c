/* SPDX-License-Identifier: MIT */
#include "runtime/runtime.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_storage address;

/* What a module is told of a client that the kernel says this of; its length. */
static socklen_t tell(const void *peer)
{
	struct mu_conn conn;

	memset(&conn, 0, sizeof(conn));
	slot_peer_set(&conn.peer, peer);
	memset(&address, 0xee, sizeof(address));
	return mu_peer_address(&conn, &address);
}

START_TEST(an_ipv4_peer_is_told_with_its_port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(4711) };

	ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.1", &peer.sin_addr), 1);
	ck_assert_uint_eq(tell(&peer), sizeof(peer));
	ck_assert_mem_eq(&address, &peer, sizeof(peer));
}
END_TEST

START_TEST(an_ipv6_peer_is_told_with_its_port)
{
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6, .sin6_port = htons(4711) };

	ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::1", &peer.sin6_addr), 1);
	ck_assert_uint_eq(tell(&peer), sizeof(peer));
	ck_assert_mem_eq(&address, &peer, sizeof(peer));
}
END_TEST

START_TEST(an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_one)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(80) };

	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr), 1);
	ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.1", &peer.sin_addr), 1);
	ck_assert_uint_eq(tell(&mapped), sizeof(peer));
	ck_assert_mem_eq(&address, &peer, sizeof(peer));
}
END_TEST

START_TEST(a_peer_of_a_unix_socket_is_a_family)
{
	struct sockaddr_un peer = { .sun_family = AF_UNIX };

	ck_assert_uint_eq(tell(&peer), sizeof(sa_family_t));
	ck_assert_int_eq(address.ss_family, AF_UNIX);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("api");

	tcase_add_test(tcase, an_ipv4_peer_is_told_with_its_port);
	tcase_add_test(tcase, an_ipv6_peer_is_told_with_its_port);
	tcase_add_test(tcase, an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_one);
	tcase_add_test(tcase, a_peer_of_a_unix_socket_is_a_family);
	return unit_main("api", tcase);
}
