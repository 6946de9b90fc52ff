/* SPDX-License-Identifier: MIT */
#include "master/queue_watch.h"

#include "unit.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS = 2 };

static struct loop loop;
static struct queue_watch watch;
static int listener[LISTENERS], calls;
static struct sockaddr_in address[LISTENERS];

static void on_client(void *owner)
{
	ck_assert_ptr_eq(owner, &calls);
	calls++;
}

static void set_up(void)
{
	calls = 0;
	watch = (struct queue_watch){ 0 };
	ck_assert_int_eq(loop_init(&loop), 0);
	for (int i = 0; i < LISTENERS; i++) {
		socklen_t len = sizeof(address[i]);

		listener[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		address[i] = (struct sockaddr_in){ .sin_family = AF_INET,
						   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		ck_assert_int_eq(bind(listener[i], (struct sockaddr *)&address[i], len), 0);
		ck_assert_int_eq(listen(listener[i], 8), 0);
		ck_assert_int_eq(getsockname(listener[i], (struct sockaddr *)&address[i], &len), 0);
	}
}

static void tear_down(void)
{
	queue_watch_end(&watch, &loop);
	loop_cleanup(&loop);
	for (int i = 0; i < LISTENERS; i++)
		close(listener[i]);
}

static int client(int i)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address[i], sizeof(address[i])), 0);
	return fd;
}

static void arm(void)
{
	ck_assert_int_eq(queue_watch_arm(&watch, &loop, listener, LISTENERS, on_client, &calls), 0);
}

START_TEST(a_client_is_told_of_once_and_again_when_armed_again)
{
	int fd, taken;

	ck_assert(!queue_watch_readable(listener, LISTENERS));
	arm();
	fd = client(1);
	ck_assert(queue_watch_readable(listener, LISTENERS));
	loop_turn(&loop, false);
	ck_assert_int_eq(calls, 1);
	loop_turn(&loop, true);
	ck_assert_int_eq(calls, 1);
	arm(); /* it waits still */
	loop_turn(&loop, false);
	ck_assert_int_eq(calls, 2);
	taken = accept(listener[1], NULL, NULL);
	arm();
	loop_turn(&loop, true);
	ck_assert_int_eq(calls, 2);
	close(taken);
	close(fd);
}
END_TEST

START_TEST(each_listener_is_watched)
{
	int one, two;

	arm();
	one = client(0);
	two = client(1);
	loop_turn(&loop, false);
	loop_turn(&loop, true);
	ck_assert_int_eq(calls, 2);
	close(one);
	close(two);
}
END_TEST

START_TEST(after_the_end_nothing_is_heard_though_others_hold_the_listener)
{
	int other = dup(listener[0]), fd;

	arm();
	queue_watch_end(&watch, &loop);
	close(listener[0]);
	listener[0] = other;
	fd = client(0);
	ck_assert(queue_watch_readable(listener, LISTENERS));
	loop_turn(&loop, true);
	ck_assert_int_eq(calls, 0);
	arm();
	loop_turn(&loop, false);
	ck_assert_int_eq(calls, 1);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_watched_is_an_error_and_can_be_tried_again)
{
	int good = listener[1], fd;

	listener[1] = -1;
	ck_assert_int_eq(queue_watch_arm(&watch, &loop, listener, LISTENERS, on_client, &calls),
			 -1);
	listener[1] = good;
	arm();
	fd = client(1);
	loop_turn(&loop, false);
	ck_assert_int_eq(calls, 1);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("queue_watch");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_client_is_told_of_once_and_again_when_armed_again);
	tcase_add_test(tcase, each_listener_is_watched);
	tcase_add_test(tcase, after_the_end_nothing_is_heard_though_others_hold_the_listener);
	tcase_add_test(tcase, what_cannot_be_watched_is_an_error_and_can_be_tried_again);
	return unit_main("queue_watch", tcase);
}
