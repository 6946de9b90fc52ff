/* SPDX-License-Identifier: MIT */
#include "master/loop.h"

#include "base/clock.h"

#include "unit.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

struct end {
	struct loop *loop;
	struct source source;
	struct end *other;
	int calls, write_fd;
};

static void count(void *owner)
{
	struct end *end = owner;

	end->calls++;
}

/* Both are ready in one batch: the first that is called takes the other one away. */
static void remove_other(void *owner)
{
	struct end *end = owner;

	end->calls++;
	loop_remove(end->loop, &end->other->source);
}

static void make_ready(struct loop *loop, struct end *end, void (*ready)(void *owner))
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end->loop = loop;
	end->write_fd = ends[1];
	ck_assert_int_eq(loop_add(loop, &end->source, ends[0], ready, end), 0);
}

START_TEST(what_is_ready_is_called_in_each_turn_until_it_is_removed)
{
	struct loop loop;
	struct end end = { 0 };

	ck_assert_int_eq(loop_init(&loop), 0);
	make_ready(&loop, &end, count);
	loop_turn(&loop, false);
	loop_turn(&loop, false);
	ck_assert_int_eq(end.calls, 2);
	loop_remove(&loop, &end.source);
	loop_turn(&loop, true);
	ck_assert_int_eq(end.calls, 2);
	loop_remove(&loop, &end.source);
	loop_cleanup(&loop);
}
END_TEST

START_TEST(a_source_that_was_removed_is_not_called_any_more_in_the_same_turn)
{
	struct loop loop;
	struct end a = { 0 }, b = { 0 };

	ck_assert_int_eq(loop_init(&loop), 0);
	a.other = &b;
	b.other = &a;
	make_ready(&loop, &a, remove_other);
	make_ready(&loop, &b, remove_other);
	loop_turn(&loop, false);
	ck_assert_int_eq(a.calls + b.calls, 1);
	loop_cleanup(&loop);
}
END_TEST

static void fire(void *owner, int64_t now)
{
	*(int64_t *)owner = now;
}

START_TEST(a_deadline_ends_the_wait)
{
	struct loop loop;
	struct deadline deadline;
	int64_t fired = 0, at;

	ck_assert_int_eq(loop_init(&loop), 0);
	deadline_init(&deadline, fire, &fired);
	at = clock_ms() + 20;
	deadline_set(&loop.deadlines, &deadline, at);
	while (!fired)
		loop_turn(&loop, false);
	ck_assert_int_ge(fired, at);
	loop_cleanup(&loop);
}
END_TEST

static volatile sig_atomic_t pipe_end;
static int64_t late;

/* As long as if the process had been stopped. */
static void write_when_late(int number)
{
	(void)number;
	while (clock_ms() <= late)
		;
	ck_assert_int_eq(write(pipe_end, "x", 1), 1);
}

START_TEST(what_came_during_a_signal_is_seen_before_a_deadline_that_passed_meanwhile)
{
	struct itimerval timer = { .it_value.tv_usec = 10000 };
	struct sigaction action = { .sa_handler = write_when_late };
	struct deadline deadline;
	struct end end = { 0 };
	struct loop loop;
	int64_t fired = 0;
	char byte;

	ck_assert_int_eq(loop_init(&loop), 0);
	make_ready(&loop, &end, count);
	ck_assert_int_eq(read(end.source.fd, &byte, 1), 1);
	pipe_end = end.write_fd;
	deadline_init(&deadline, fire, &fired);
	late = clock_ms() + 300;
	deadline_set(&loop.deadlines, &deadline, late);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
	loop_turn(&loop, false);
	ck_assert_int_eq(end.calls, 1);
	ck_assert_int_ge(fired, late);
	loop_cleanup(&loop);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_watched_is_refused)
{
	struct loop loop;
	struct source source;

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(loop_add(&loop, &source, -1, count, NULL), -1);
	ck_assert_int_eq(source.fd, -1);
	loop_remove(&loop, &source);
	loop_cleanup(&loop);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("loop");

	tcase_add_test(tcase, what_is_ready_is_called_in_each_turn_until_it_is_removed);
	tcase_add_test(tcase, a_source_that_was_removed_is_not_called_any_more_in_the_same_turn);
	tcase_add_test(tcase, a_deadline_ends_the_wait);
	tcase_add_test(tcase,
		       what_came_during_a_signal_is_seen_before_a_deadline_that_passed_meanwhile);
	tcase_add_test(tcase, a_descriptor_that_cannot_be_watched_is_refused);
	return unit_main("loop", tcase);
}
