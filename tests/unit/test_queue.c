/* SPDX-License-Identifier: MIT */
#include "master/queue.h"

#include "unit.h"

/* A pool of busy workers at its maximum. */
static const struct queue_facts busy = { .serving = 4 };
static const struct queue_facts idle = { .serving = 4, .room = true, .can_grow = true };

static struct queue watched(void)
{
	struct queue queue = { .state = QUEUE_OFF };

	queue_turn(&queue, &idle, 1000);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
	return queue;
}

/* A client comes at this time. */
static void wake(struct queue *queue, struct queue_facts facts, int64_t now)
{
	ck_assert(queue_asks(queue, true));
	facts.woken = facts.readable = true;
	queue_turn(queue, &facts, now);
}

/* Looks whenever it wants to, until then; somebody waits all the time or nobody. */
static void run(struct queue *queue, struct queue_facts facts, bool readable, int64_t from,
		int64_t to)
{
	int64_t now = from;

	facts.readable = readable;
	while (queue_next(queue, now) && queue_next(queue, now) <= to) {
		ck_assert_int_gt(queue_next(queue, now), now);
		now = queue_next(queue, now);
		queue_turn(queue, &facts, now);
	}
}

START_TEST(without_clients_nothing_is_looked_at)
{
	struct queue queue = watched();

	ck_assert(!queue_asks(&queue, false));
	ck_assert_int_eq(queue_next(&queue, 1000), 0);
	queue_turn(&queue, &busy, 90000);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
}
END_TEST

START_TEST(a_client_that_is_taken_costs_one_look_and_then_there_is_rest)
{
	struct queue queue = watched();

	wake(&queue, idle, 2000);
	ck_assert_int_eq(queue_next(&queue, 2000), 2000 + QUEUE_MOMENT_MS);
	queue_turn(&queue, &idle, 2001); /* something else happened */
	ck_assert_int_eq(queue.state, QUEUE_WOKEN);
	queue_turn(&queue, &busy, 2000 + QUEUE_MOMENT_MS);
	ck_assert_int_eq(queue.state, QUEUE_RESTING);
	ck_assert(!queue_asks(&queue, true));
	ck_assert_int_eq(queue_next(&queue, 2005), 2005 + QUEUE_REST_MS);
	queue_turn(&queue, &busy, 2005 + QUEUE_REST_MS);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
}
END_TEST

START_TEST(clients_that_nobody_takes_wait)
{
	struct queue queue = watched();
	struct queue_facts facts = busy;

	facts.can_grow = true;
	wake(&queue, facts, 2000);
	ck_assert(!queue_is_waiting(&queue));
	run(&queue, facts, true, 2000, 2300);
	ck_assert(queue_is_waiting(&queue));
	ck_assert(!queue_is_full(&queue));
	run(&queue, facts, false, 2300, 2399);
	ck_assert_int_eq(queue.state, QUEUE_RESTING);
}
END_TEST

START_TEST(where_nobody_is_there_the_first_client_waits_at_once)
{
	struct queue queue = watched();

	wake(&queue, (struct queue_facts){ .can_grow = true }, 2000);
	ck_assert(queue_is_waiting(&queue));
	queue = watched();
	wake(&queue, (struct queue_facts){ .can_grow = true, .starting = 1 }, 2000);
	ck_assert(!queue_is_waiting(&queue));
}
END_TEST

START_TEST(a_worker_with_room_is_given_a_moment)
{
	struct queue queue = watched();

	wake(&queue, busy, 2000);
	run(&queue, busy, true, 2000, 2010);
	ck_assert(queue_is_waiting(&queue));
	queue_turn(&queue, &(struct queue_facts){ .serving = 5, .room = true, .readable = true },
		   2011);
	ck_assert(!queue_is_waiting(&queue));
	ck_assert_int_eq(queue_next(&queue, 2011), 2011 + QUEUE_MOMENT_MS);
	/* It took one, and there are more. */
	run(&queue, busy, true, 2011, 2020);
	ck_assert(queue_is_waiting(&queue));
}
END_TEST

START_TEST(a_client_that_is_left_behind_is_looked_for)
{
	struct queue queue = watched();
	struct queue_facts facts = { .serving = 4, .room = true, .readable = true };

	wake(&queue, facts, 2000);
	ck_assert(!queue_turn(&queue, &facts, 2001));
	ck_assert(queue_turn(&queue, &facts, 2000 + QUEUE_MOMENT_MS));
	facts.readable = false;
	queue = watched();
	wake(&queue, facts, 3000);
	ck_assert(!queue_turn(&queue, &facts, 3000 + QUEUE_MOMENT_MS));
}
END_TEST

START_TEST(room_that_is_not_used_is_not_called_full)
{
	struct queue queue = watched();
	struct queue_facts stuck = { .serving = 4, .room = true };

	for (int64_t now = 2000; now < 20000; now += 200) {
		if (queue.state == QUEUE_WATCHED)
			wake(&queue, stuck, now);
		run(&queue, stuck, true, now, now + 199);
		ck_assert(!queue_is_full(&queue));
		ck_assert(!queue_is_waiting(&queue));
	}
}
END_TEST

static struct queue full(void)
{
	struct queue queue = watched();

	wake(&queue, busy, 2000);
	run(&queue, busy, true, 2000, 2090);
	ck_assert(!queue_is_full(&queue));
	run(&queue, busy, true, 2090, 3000);
	ck_assert(queue_is_full(&queue));
	return queue;
}

START_TEST(full_is_who_cannot_take_clients_for_a_while)
{
	struct queue queue = full();

	run(&queue, busy, true, 3000, 60000);
	ck_assert(queue_is_full(&queue));
	ck_assert_int_eq(queue.full_since, 2005);
	ck_assert_int_ge(queue.full_seen, 60000 - QUEUE_FULL_LOOK_MS);
}
END_TEST

START_TEST(workers_that_still_start_are_waited_for)
{
	struct queue queue = watched();
	struct queue_facts facts = busy;

	facts.starting = 1;
	wake(&queue, facts, 2000);
	run(&queue, facts, true, 2000, 9000);
	ck_assert(queue_is_waiting(&queue));
	ck_assert(!queue_is_full(&queue));
	facts = (struct queue_facts){ .serving = 0 };
	run(&queue, facts, true, 9000, 10000);
	ck_assert(!queue_is_full(&queue));
}
END_TEST

START_TEST(full_ends_when_it_was_not_so_for_a_while)
{
	struct queue queue = full();
	int64_t seen = queue.full_seen;

	run(&queue, idle, false, 3000, seen + QUEUE_FREE_MS - 1);
	ck_assert(queue_is_full(&queue));
	run(&queue, idle, false, seen + QUEUE_FREE_MS - 1, 5000);
	ck_assert(!queue_is_full(&queue));
	ck_assert_int_eq(queue.full_seen, seen);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
	ck_assert_int_eq(queue_next(&queue, 5000), 0);
}
END_TEST

START_TEST(a_short_relief_does_not_end_it)
{
	struct queue queue = full();
	int64_t now = 3000;

	for (int i = 0; i < 20; i++, now += 800) {
		run(&queue, idle, false, now, now + 400);
		ck_assert(queue_is_full(&queue));
		if (queue.state == QUEUE_WATCHED)
			wake(&queue, busy, now + 401);
		run(&queue, busy, true, now + 401, now + 800);
	}
	ck_assert(queue_is_full(&queue));
}
END_TEST

START_TEST(it_stays_full_while_clients_are_refused_though_the_queue_is_empty)
{
	struct queue queue = full();
	struct queue_facts refusing = busy;

	refusing.refusing = true;
	run(&queue, refusing, false, 3000, 60000);
	ck_assert(queue_is_full(&queue));
	refusing.room = true;
	run(&queue, refusing, false, 60000, 63000);
	ck_assert(!queue_is_full(&queue));
	/* Again, while the one that refuses is still there: its clients say so. */
	refusing.room = false;
	wake(&queue, refusing, 64000);
	run(&queue, refusing, false, 64000, 65000);
	ck_assert(queue_is_full(&queue));
}
END_TEST

START_TEST(a_stopped_queue_is_watched_anew)
{
	struct queue queue = full();

	queue_stop(&queue);
	ck_assert(!queue_is_full(&queue));
	ck_assert_int_eq(queue_next(&queue, 4000), 0);
	queue_turn(&queue, &idle, 4000);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
	queue_rest(&queue, 4000);
	ck_assert_int_eq(queue_next(&queue, 4000), 4000 + QUEUE_REST_MS);
	run(&queue, idle, false, 4000, 5000);
	ck_assert_int_eq(queue.state, QUEUE_WATCHED);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("queue");

	tcase_add_test(tcase, without_clients_nothing_is_looked_at);
	tcase_add_test(tcase, a_client_that_is_taken_costs_one_look_and_then_there_is_rest);
	tcase_add_test(tcase, clients_that_nobody_takes_wait);
	tcase_add_test(tcase, where_nobody_is_there_the_first_client_waits_at_once);
	tcase_add_test(tcase, a_worker_with_room_is_given_a_moment);
	tcase_add_test(tcase, a_client_that_is_left_behind_is_looked_for);
	tcase_add_test(tcase, room_that_is_not_used_is_not_called_full);
	tcase_add_test(tcase, full_is_who_cannot_take_clients_for_a_while);
	tcase_add_test(tcase, workers_that_still_start_are_waited_for);
	tcase_add_test(tcase, full_ends_when_it_was_not_so_for_a_while);
	tcase_add_test(tcase, a_short_relief_does_not_end_it);
	tcase_add_test(tcase, it_stays_full_while_clients_are_refused_though_the_queue_is_empty);
	tcase_add_test(tcase, a_stopped_queue_is_watched_anew);
	return unit_main("queue", tcase);
}
