/* SPDX-License-Identifier: MIT */
#include "worker/expiry.h"

#include "config/config.h"

#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct service_conf service;
static struct expiry_state expiry;
static struct slot slot;

static void begin(int64_t max_requests, int64_t max_memory, uint32_t random)
{
	service.max_requests = max_requests;
	service.max_memory = max_memory;
	expiry_init(&expiry, &service, random);
	memset(&slot, 0, sizeof(slot));
}

/* The number of requests at which it says so. */
static uint64_t end_of(int64_t max_requests, uint32_t random)
{
	begin(max_requests, 0, random);
	for (slot.requests = 0; slot.requests <= (uint64_t)max_requests; slot.requests++)
		if (expiry_look(&expiry, &slot, 1) == EXPIRY_REQUESTS)
			return slot.requests;
	return 0;
}

START_TEST(without_limits_it_lives_for_ever)
{
	begin(0, 0, 4711);
	slot.requests = slot.accepted = UINT64_MAX;
	ck_assert_int_eq(expiry_look(&expiry, &slot, 1), EXPIRY_NONE);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 0);
	ck_assert_uint_eq(slot.memory, 0);
}
END_TEST

START_TEST(the_end_comes_up_to_a_tenth_early)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint32_t random = 0; random < 1000; random++) {
		uint64_t end = end_of(200, random);

		least = end < least ? end : least;
		most = end > most ? end : most;
	}
	ck_assert_uint_eq(least, 180);
	ck_assert_uint_eq(most, 200);
	/* Few are what they say. */
	for (uint32_t random = 0; random < 100; random++) {
		ck_assert_uint_eq(end_of(1, random), 1);
		ck_assert_uint_eq(end_of(9, random), 9);
	}
}
END_TEST

START_TEST(a_connection_without_a_request_counts_as_one)
{
	begin(3, 0, 0);
	slot.accepted = 2;
	ck_assert_int_eq(expiry_look(&expiry, &slot, 1), EXPIRY_NONE);
	slot.accepted = 3;
	ck_assert_int_eq(expiry_look(&expiry, &slot, 1), EXPIRY_REQUESTS);
}
END_TEST

START_TEST(memory_is_looked_at_once_a_second_and_when_there_was_work)
{
	enum { GROWTH = 64 << 20 };
	uint64_t before;
	char *memory;

	begin(0, INT64_C(1) << 50, 0);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 0);
	ck_assert_int_eq(expiry_look(&expiry, &slot, 5000), EXPIRY_NONE);
	before = slot.memory;
	ck_assert_uint_gt(before, 65536);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 0);
	memory = malloc(GROWTH);
	ck_assert_ptr_nonnull(memory);
	for (size_t i = 0; i < GROWTH; i += 1024)
		((volatile char *)memory)[i] = 'x';
	slot.accepted = 1;
	ck_assert_int_eq(expiry_due(&expiry, &slot), 5000 + EXPIRY_LOOK_MS);
	expiry_look(&expiry, &slot, 5000 + EXPIRY_LOOK_MS - 1);
	ck_assert_uint_eq(slot.memory, before);
	expiry.max_memory = before + GROWTH / 2;
	ck_assert_int_eq(expiry_look(&expiry, &slot, 5000 + EXPIRY_LOOK_MS), EXPIRY_MEMORY);
	ck_assert_uint_gt(slot.memory, before + GROWTH / 2);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 0);
	free(memory);
}
END_TEST

START_TEST(the_memory_of_another_process_is_looked_at_every_second)
{
	enum { GROWTH = 64 << 20 };
	uint64_t own;
	pid_t child;
	int end[2];

	begin(0, INT64_C(1) << 50, 0);
	expiry_look(&expiry, &slot, 5000);
	own = slot.memory;
	ck_assert_int_eq(pipe(end), 0);
	child = fork();
	if (!child) {
		char *memory = malloc(GROWTH);

		for (size_t i = 0; memory && i < GROWTH; i += 1024)
			((volatile char *)memory)[i] = 'x';
		close(end[1]);
		pause();
		_exit(0);
	}
	close(end[1]);
	/* It has grown when it has closed its end. */
	ck_assert_int_eq(read(end[0], &(char){ 0 }, 1), 0);
	expiry_measure(&expiry, child);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 5000 + EXPIRY_LOOK_MS);
	expiry_look(&expiry, &slot, 5000 + EXPIRY_LOOK_MS);
	ck_assert_uint_gt(slot.memory, own + GROWTH / 2);
	ck_assert_int_eq(expiry_due(&expiry, &slot), 5000 + 2 * EXPIRY_LOOK_MS);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* Who is gone has none. */
	expiry.max_memory = 1;
	ck_assert_int_eq(expiry_look(&expiry, &slot, 5000 + 2 * EXPIRY_LOOK_MS), EXPIRY_NONE);
	expiry_measure(&expiry, 0);
	ck_assert_int_eq(expiry_look(&expiry, &slot, 5000 + 3 * EXPIRY_LOOK_MS), EXPIRY_MEMORY);
	begin(0, 0, 0);
	expiry_measure(&expiry, getpid());
	ck_assert_int_eq(expiry_due(&expiry, &slot), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("expiry");

	tcase_add_test(tcase, without_limits_it_lives_for_ever);
	tcase_add_test(tcase, the_end_comes_up_to_a_tenth_early);
	tcase_add_test(tcase, a_connection_without_a_request_counts_as_one);
	tcase_add_test(tcase, memory_is_looked_at_once_a_second_and_when_there_was_work);
	tcase_add_test(tcase, the_memory_of_another_process_is_looked_at_every_second);
	return unit_main("expiry", tcase);
}
