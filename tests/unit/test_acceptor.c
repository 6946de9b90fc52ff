/* SPDX-License-Identifier: MIT */
#include "worker/acceptor.h"
#include "worker/life.h"

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WORKERS = 4, ME = 0 };

static struct acceptor acceptor;
static struct board board;
static int listener, epoll, client;
static struct sockaddr_in address;

static void set_up(void)
{
	socklen_t len = sizeof(address);

	address = (struct sockaddr_in){ .sin_family = AF_INET };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	epoll = epoll_create1(0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(board_init(&board, WORKERS), 0);
	for (int i = 0; i < WORKERS; i++)
		slot_set_state(&board.slot[i], SLOT_BUSY, 1);
	acceptor_init(&acceptor, epoll, &listener, 1);
}

static void tear_down(void)
{
	if (!acceptor.over)
		close(listener);
	close(epoll);
	close(client);
	board_cleanup(&board);
}

static void call(void)
{
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
}

static bool is_told(void)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0) == 1 && event_is_listener(&event) &&
	       event_listener(&event) == 0;
}

static void hold(uint32_t mine, uint32_t others)
{
	for (int i = 0; i < WORKERS; i++)
		board.slot[i].connections = i == ME ? mine : others;
}

START_TEST(it_hears_of_clients_only_while_armed)
{
	struct sockaddr_storage peer;
	int fd;

	call();
	ck_assert(!is_told());
	acceptor_arm(&acceptor, 1);
	ck_assert(is_told());
	acceptor_disarm(&acceptor);
	ck_assert(!is_told());
	acceptor_arm(&acceptor, 1);
	fd = acceptor_take(&acceptor, 0, &peer, 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(peer.ss_family, AF_INET);
	ck_assert_int_eq(acceptor_take(&acceptor, 0, &peer, 1), -1);
	ck_assert(acceptor.armed);
	close(fd);
}
END_TEST

START_TEST(its_end_closes_the_listener)
{
	acceptor_arm(&acceptor, 1);
	acceptor_end(&acceptor);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), -1);
	acceptor_arm(&acceptor, 1);
	ck_assert(!acceptor.armed);
	acceptor_end(&acceptor);
}
END_TEST

START_TEST(while_paused_it_takes_nothing_whoever_asks)
{
	struct sockaddr_storage peer;
	int fd;

	acceptor_arm(&acceptor, 1);
	call();
	acceptor_pause(&acceptor, true);
	ck_assert(!is_told());
	ck_assert(!acceptor_has_waiting(&acceptor));
	ck_assert_int_eq(acceptor_take(&acceptor, 0, &peer, 1), -1);
	acceptor_arm(&acceptor, 2);
	acceptor_turn(&acceptor, &board, 0, true, 2);
	acceptor_turn(&acceptor, &board, 0, false, 100);
	ck_assert(!acceptor.armed);
	ck_assert_int_eq(acceptor.back_at, 0);
	acceptor_pause(&acceptor, false);
	acceptor_turn(&acceptor, &board, 0, false, 100);
	ck_assert(is_told());
	fd = acceptor_take(&acceptor, 0, &peer, 100);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

START_TEST(who_steps_back_comes_back_in_time)
{
	acceptor_arm(&acceptor, 1);
	call();
	acceptor_step_back(&acceptor, 5);
	ck_assert(!is_told());
	acceptor_turn(&acceptor, &board, 0, false, 4);
	ck_assert(!is_told());
	acceptor_turn(&acceptor, &board, 0, false, 5);
	ck_assert(is_told());
}
END_TEST

START_TEST(without_descriptors_it_pauses_and_says_so_once)
{
	struct rlimit limit, few;
	struct sockaddr_storage peer;
	int fd;

	if (skipped_under_valgrind("a limit of open files"))
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = (rlim_t)(client + 1);
	/* From here on no descriptor above client can be made; those below are taken. */
	while ((fd = dup(client)) >= 0 && fd < client)
		;
	close(fd);
	call();
	acceptor_arm(&acceptor, 1);
	setrlimit(RLIMIT_NOFILE, &few);
	ck_assert_int_eq(acceptor_take(&acceptor, 0, &peer, 100), -1);
	ck_assert(acceptor.starved);
	ck_assert(!acceptor.armed);
	acceptor_turn(&acceptor, &board, 0, false, 101);
	ck_assert(!acceptor.armed);
	ck_assert_int_gt(acceptor.back_at, 100);
	acceptor_turn(&acceptor, &board, 0, false, acceptor.back_at);
	ck_assert(acceptor.armed);
	setrlimit(RLIMIT_NOFILE, &limit);
	fd = acceptor_take(&acceptor, 0, &peer, 200);
	ck_assert_int_ge(fd, 0);
	ck_assert(!acceptor.starved);
	close(fd);
}
END_TEST

START_TEST(a_listener_that_cannot_be_watched_is_tried_again)
{
	/* Not an epoll instance, so epoll_ctl fails as it does when the user has too many watches. */
	acceptor.epoll = client;
	acceptor_arm(&acceptor, 100);
	ck_assert(!acceptor.armed);
	ck_assert_int_gt(acceptor.back_at, 100);
	acceptor.epoll = epoll;
	acceptor_turn(&acceptor, &board, 0, false, acceptor.back_at);
	ck_assert(acceptor.armed);
	call();
	ck_assert(is_told());
}
END_TEST

START_TEST(a_full_worker_steps_back_until_there_is_room)
{
	acceptor_arm(&acceptor, 1);
	acceptor_turn(&acceptor, &board, 10, true, 1);
	ck_assert(!acceptor.armed);
	acceptor_turn(&acceptor, &board, 9, false, 1);
	ck_assert(acceptor.armed);
}
END_TEST

START_TEST(its_share_changes_nothing)
{
	acceptor_arm(&acceptor, 1);
	hold(11, 10);
	acceptor_balance(&acceptor, &board, 11, 5);
	ck_assert(acceptor.armed);
	ck_assert(!acceptor.ahead);
}
END_TEST

START_TEST(a_little_more_than_its_share_moves_it_to_the_tail)
{
	struct acceptor other;
	int other_epoll = epoll_create1(0);
	struct epoll_event event;

	/* Which of two sleepers the kernel wakes is what matters; here: who is still armed. */
	acceptor_init(&other, other_epoll, &listener, 1);
	acceptor_arm(&acceptor, 1);
	acceptor_arm(&other, 1);
	hold(14, 10); /* mean 11: more than 11 + 2 + 0, not more than 11 + 4 + 1 */
	acceptor_balance(&acceptor, &board, 14, 5);
	ck_assert(acceptor.armed);
	ck_assert(!acceptor.ahead);
	call();
	ck_assert(is_told());
	ck_assert_int_eq(epoll_wait(other_epoll, &event, 1, 0), 1);
	close(other_epoll);
}
END_TEST

START_TEST(much_more_than_its_share_makes_it_wait)
{
	acceptor_arm(&acceptor, 1);
	hold(40, 10); /* mean 17 */
	acceptor_balance(&acceptor, &board, 40, 5);
	ck_assert(!acceptor.armed);
	ck_assert(acceptor.ahead);
	ck_assert_int_eq(acceptor.back_at, 6);
	acceptor_turn(&acceptor, &board, 40, false, 5);
	ck_assert(!acceptor.armed);
	acceptor_turn(&acceptor, &board, 40, false, 6);
	ck_assert(acceptor.armed);
}
END_TEST

START_TEST(it_comes_back_early_when_the_others_have_caught_up)
{
	acceptor_arm(&acceptor, 1);
	hold(40, 10);
	acceptor_balance(&acceptor, &board, 40, 5);
	hold(40, 41);
	acceptor_turn(&acceptor, &board, 40, false, 5);
	ck_assert(acceptor.armed);
	ck_assert(!acceptor.ahead);
}
END_TEST

START_TEST(those_that_do_not_accept_do_not_count)
{
	hold(5, 0);
	slot_set_state(&board.slot[1], SLOT_DRAINING, 1);
	slot_set_state(&board.slot[2], SLOT_STARTING, 1);
	slot_set_state(&board.slot[3], SLOT_FREE, 1);
	acceptor_arm(&acceptor, 1);
	acceptor_balance(&acceptor, &board, 5, 5);
	ck_assert(acceptor.armed);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("acceptor");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, it_hears_of_clients_only_while_armed);
	tcase_add_test(tcase, its_end_closes_the_listener);
	tcase_add_test(tcase, while_paused_it_takes_nothing_whoever_asks);
	tcase_add_test(tcase, who_steps_back_comes_back_in_time);
	tcase_add_test(tcase, without_descriptors_it_pauses_and_says_so_once);
	tcase_add_test(tcase, a_listener_that_cannot_be_watched_is_tried_again);
	tcase_add_test(tcase, a_full_worker_steps_back_until_there_is_room);
	tcase_add_test(tcase, its_share_changes_nothing);
	tcase_add_test(tcase, a_little_more_than_its_share_moves_it_to_the_tail);
	tcase_add_test(tcase, much_more_than_its_share_makes_it_wait);
	tcase_add_test(tcase, it_comes_back_early_when_the_others_have_caught_up);
	tcase_add_test(tcase, those_that_do_not_accept_do_not_count);
	return unit_main("acceptor", tcase);
}
