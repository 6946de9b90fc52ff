/* SPDX-License-Identifier: MIT */
#include "base/scoreboard.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_childs_writes_are_seen_and_outlive_it)
{
	struct board board;
	int status;
	pid_t pid;

	ck_assert_int_eq(board_init(&board, 4), 0);
	pid = fork();
	if (pid == 0) {
		slot_set_state(&board.slot[2], SLOT_BUSY, 77);
		slot_count(&board.slot[2].requests);
		slot_count(&board.slot[2].requests);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_uint_eq(board.slot[2].state, SLOT_BUSY);
	ck_assert_int_eq(board.slot[2].since_ms, 77);
	ck_assert_uint_eq(board.slot[2].requests, 2);
	ck_assert_uint_eq(board.slot[1].state, SLOT_FREE);
	board_cleanup(&board);
	ck_assert_ptr_null(board.slot);
}
END_TEST

START_TEST(slots_do_not_share_cache_lines)
{
	ck_assert_uint_eq(sizeof(struct slot) % 128, 0);
}
END_TEST

START_TEST(nobody_can_shrink_the_memory)
{
	struct board board;

	ck_assert_int_eq(board_init(&board, 2), 0);
	ck_assert_int_eq(ftruncate(board.fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	board_cleanup(&board);
}
END_TEST

static const char *show(int family, const char *host, int port, char *buffer)
{
	struct sockaddr_storage address = { .ss_family = (sa_family_t)family };
	struct sockaddr_in *in = (void *)&address;
	struct sockaddr_in6 *in6 = (void *)&address;
	struct slot_peer peer;

	if (family == AF_INET) {
		in->sin_port = htons((uint16_t)port);
		inet_pton(family, host, &in->sin_addr);
	} else if (family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)port);
		inet_pton(family, host, &in6->sin6_addr);
	}
	slot_peer_set(&peer, (struct sockaddr *)&address);
	return slot_peer_text(&peer, buffer);
}

START_TEST(peers_are_shown_as_people_write_them)
{
	char text[SLOT_PEER_TEXT_MAX];

	ck_assert_str_eq(show(AF_INET, "192.0.2.7", 4711, text), "192.0.2.7:4711");
	ck_assert_str_eq(show(AF_INET6, "2001:db8::1", 80, text), "[2001:db8::1]:80");
	ck_assert_str_eq(show(AF_INET6, "::ffff:192.0.2.7", 80, text), "192.0.2.7:80");
	ck_assert_str_eq(show(AF_UNIX, "", 0, text), "unix");
	ck_assert_str_eq(show(12345, "", 0, text), "-");
}
END_TEST

START_TEST(garbage_has_a_name_too)
{
	ck_assert_str_eq(slot_state_name(SLOT_DRAINING), "draining");
	ck_assert_str_eq(slot_state_name(0xdeadbeef), "unknown");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("scoreboard");

	tcase_add_test(tcase, a_childs_writes_are_seen_and_outlive_it);
	tcase_add_test(tcase, slots_do_not_share_cache_lines);
	tcase_add_test(tcase, nobody_can_shrink_the_memory);
	tcase_add_test(tcase, peers_are_shown_as_people_write_them);
	tcase_add_test(tcase, garbage_has_a_name_too);
	return unit_main("scoreboard", tcase);
}
