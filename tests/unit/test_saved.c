/* SPDX-License-Identifier: MIT */
#include "exact_copy.h"
#include "saved_fixture.h"

#include "base/contract.h"

#include "unit.h"

#include <stdio.h>

static char *encode(struct saved *saved, size_t *len_r)
{
	char *bytes = saved_encode(saved, len_r);

	ck_assert_ptr_nonnull(bytes);
	saved_free(saved);
	return bytes;
}

static struct saved *decode(const char *bytes, size_t len, char *reason)
{
	char *copy = exact_copy(bytes, len);
	struct saved *saved;

	reason[0] = '\0';
	saved = saved_decode(copy, len, reason);
	free(copy);
	ck_assert_msg(!saved == !!reason[0], "%s", reason);
	return saved;
}

static void is_the_fixture(const struct saved *saved)
{
	const struct saved_worker *worker = saved->worker;

	ck_assert_str_eq(saved->master->version, "1.2.3");
	ck_assert_str_eq(saved->master->pidfile_path, "/run/pid");
	ck_assert_int_eq(saved->master->pidfile, 3);
	ck_assert_int_eq(saved->master->error_file, -1);
	ck_assert_uint_eq(saved->configs, 2);
	ck_assert_int_eq(saved->config[1].capture, 6);
	ck_assert_uint_eq(saved->listeners, 3);
	ck_assert_str_eq(saved->listener[1].asked, "unix:/run/www");
	ck_assert_int_eq(saved->listener[1].ino, -6);
	ck_assert_str_eq(saved->listener[1].stored, "musterd-1-5-6-run-www");
	ck_assert_str_eq(saved->listener[2].systemd_name, "web");
	ck_assert_uint_eq(saved->services, 1);
	ck_assert_int_eq(saved->totals->deaths, 15);
	ck_assert_uint_eq(saved->pools, 2);
	ck_assert_int_eq(saved->pool[0].ending_at, 123456);
	ck_assert_int_eq(saved->pool[1].offset, -1);
	ck_assert_uint_eq(saved->uses, 2);
	ck_assert_int_eq(saved->use[0].listener, 1);
	ck_assert_uint_eq(saved->workers, 3);
	ck_assert_str_eq(worker[0].because, "the drain limit passed");
	ck_assert_int_eq(worker[0].deadline, 777);
	ck_assert_int_eq(worker[2].control, -1);
	ck_assert_int_eq(worker[2].pid, 102);
	ck_assert_uint_eq(saved->outputs, 2);
	ck_assert_int_eq(saved->output[0].pool, 1);
	ck_assert_str_eq(saved->output[1].path, "/var/log/www");
	ck_assert_int_eq(saved->output[1].fd, 51);
	ck_assert_uint_eq(saved->clients, 2);
	ck_assert_int_eq(saved->client[1].uid, 1000);
	ck_assert_str_eq(saved->client[1].line, "stat");
	ck_assert_int_eq(saved->control->ino, 2);
}

START_TEST(what_was_written_is_read)
{
	char reason[SAVED_REASON_MAX];
	size_t len;
	char *bytes = encode(fixture_state(), &len);
	struct saved *saved = decode(bytes, len, reason);

	ck_assert_msg(saved != NULL, "%s", reason);
	is_the_fixture(saved);
	ck_assert_int_eq(saved->master->state_version, STATE_VERSION);
	saved_free(saved);
	free(bytes);
}
END_TEST

START_TEST(what_a_later_version_adds_is_skipped)
{
	char reason[SAVED_REASON_MAX];
	size_t len, longer_len;
	char *bytes = encode(fixture_state(), &len);
	char *longer = fixture_longer(bytes, len, &longer_len);
	struct saved *saved;

	set_u32(longer, HEAD_VERSION, STATE_VERSION + 7);
	saved = decode(longer, longer_len, reason);
	ck_assert_msg(saved != NULL, "%s", reason);
	is_the_fixture(saved);
	ck_assert_int_eq(saved->master->state_version, STATE_VERSION + 7);
	saved_free(saved);
	free(longer);
	free(bytes);
}
END_TEST

static void is_refused(const char *bytes, size_t len, const char *why)
{
	char reason[SAVED_REASON_MAX];

	ck_assert_ptr_null(decode(bytes, len, reason));
	ck_assert_msg(strstr(reason, why) != NULL, "%s", reason);
}

/* A state whose head says another number. */
static void is_refused_with(size_t at, uint32_t number, const char *why)
{
	size_t len;
	char *bytes = encode(fixture_state(), &len);

	set_u32(bytes, at, number);
	is_refused(bytes, len, why);
	free(bytes);
}

START_TEST(what_is_not_for_this_version_is_refused_in_words)
{
	char expected[128];
	size_t len;
	char *bytes = encode(fixture_state(), &len);

	snprintf(expected, sizeof(expected),
		 "version %d, readable from %d on; this musterd reads %d", STATE_VERSION + 2,
		 STATE_VERSION + 1, STATE_VERSION);
	set_u32(bytes, HEAD_VERSION, STATE_VERSION + 2);
	set_u32(bytes, HEAD_OLDEST, STATE_VERSION + 1);
	is_refused(bytes, len, expected);
	free(bytes);
	is_refused_with(HEAD_RECORD, RECORD_VERSION + 1, "version 2 of the records");
	is_refused_with(HEAD_SLOT, SLOT_VERSION + 1, "the scoreboard has version 2");
	is_refused_with(HEAD_SLOT_SIZE, sizeof(struct slot) + 128, "bytes a slot");
	is_refused_with(0, 42, "no state");
	is_refused_with(HEAD_TOTAL, 42, "not whole");
	is_refused_with(HEAD_VERSION, 0, "damaged");
}
END_TEST

START_TEST(a_state_that_is_cut_anywhere_is_refused)
{
	char reason[SAVED_REASON_MAX];
	size_t len;
	char *bytes = encode(fixture_state(), &len);

	for (size_t n = 0; n < len; n++) {
		ck_assert_ptr_null(decode(bytes, n, reason));
		/* Also when its head says that this is all. */
		if (n < HEAD_LENGTH)
			continue;
		set_u32(bytes, HEAD_TOTAL, (uint32_t)n);
		saved_free(decode(bytes, n, reason));
		set_u32(bytes, HEAD_TOTAL, (uint32_t)len);
	}
	free(bytes);
}
END_TEST

/* Most flips are refused; what is read holds together, which its writing and reading again shows. */
START_TEST(no_flipped_bit_does_harm)
{
	char reason[SAVED_REASON_MAX];
	size_t len, refused = 0;
	char *bytes = encode(fixture_state(), &len);

	for (size_t bit = 0; bit < len * 8; bit++) {
		struct saved *saved;
		size_t again_len;
		char *again;

		bytes[bit / 8] ^= (char)(1 << bit % 8);
		saved = decode(bytes, len, reason);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		refused += !saved;
		if (!saved)
			continue;
		again = encode(saved, &again_len);
		saved = decode(again, again_len, reason);
		ck_assert_msg(saved != NULL, "bit %zu: %s", bit, reason);
		saved_free(saved);
		free(again);
	}
	ck_assert_uint_gt(refused, len * 8 / 3);
	free(bytes);
}
END_TEST

enum damage {
	A_CONFIG_TOO_FAR,
	A_POOLS_CONFIG_TOO_FAR,
	A_USE_OF_NO_LISTENER,
	A_USE_BY_NO_POOL,
	A_WORKER_OF_NO_POOL,
	A_WORKER_ABOVE_THE_SLOTS,
	AN_OUTPUT_OF_NO_POOL,
	A_WORKER_TWICE,
	A_PROCESS_TWICE,
	A_DESCRIPTOR_TWICE,
	STANDARD_ERROR,
	NO_BOARD,
	NO_SLOT,
	A_PHASE_THAT_IS_NONE,
	PROCESS_ONE,
	NO_CONNECTION_AT_ALL,
	NO_GROWTH_EVER,
	FALLING_TOTALS,
	NO_MASTER,
	TWO_MASTERS,
	NO_CONFIG,
	DAMAGES
};

static const char *const because[DAMAGES] = {
	[A_CONFIG_TOO_FAR] = "index",
	[A_POOLS_CONFIG_TOO_FAR] = "index",
	[A_USE_OF_NO_LISTENER] = "index",
	[A_USE_BY_NO_POOL] = "index",
	[A_WORKER_OF_NO_POOL] = "index",
	[A_WORKER_ABOVE_THE_SLOTS] = "index",
	[AN_OUTPUT_OF_NO_POOL] = "index",
	[A_WORKER_TWICE] = "a worker stands there twice",
	[A_PROCESS_TWICE] = "a process stands there twice",
	[A_DESCRIPTOR_TWICE] = "a descriptor stands there twice",
	[STANDARD_ERROR] = "listener 1",
	[NO_BOARD] = "pool 2",
	[NO_SLOT] = "pool 1",
	[A_PHASE_THAT_IS_NONE] = "worker 3, value 3",
	[PROCESS_ONE] = "worker 1, value 4",
	[NO_CONNECTION_AT_ALL] = "worker 3, value 12",
	[NO_GROWTH_EVER] = "pool 2, value 13",
	[FALLING_TOTALS] = "totals 1",
	[NO_MASTER] = "0 of master",
	[TWO_MASTERS] = "2 of master",
	[NO_CONFIG] = "0 of config",
};

static void damage(struct saved *saved, enum damage damage)
{
	static struct saved_master two[2];

	switch (damage) {
	case A_CONFIG_TOO_FAR:
		saved->master->config = 2;
		break;
	case A_POOLS_CONFIG_TOO_FAR:
		saved->pool[1].config = 2;
		break;
	case A_USE_OF_NO_LISTENER:
		saved->use[1].listener = 3;
		break;
	case A_USE_BY_NO_POOL:
		saved->use[1].pool = 2;
		break;
	case A_WORKER_OF_NO_POOL:
		saved->worker[2].pool = 2;
		break;
	case A_WORKER_ABOVE_THE_SLOTS:
		saved->worker[2].number = 41;
		break;
	case AN_OUTPUT_OF_NO_POOL:
		saved->output[1].pool = 2;
		break;
	case A_WORKER_TWICE:
		saved->worker[2].number = 1;
		break;
	case A_PROCESS_TWICE:
		saved->worker[2].pid = 100;
		break;
	case A_DESCRIPTOR_TWICE:
		saved->worker[2].control = 10;
		break;
	case STANDARD_ERROR:
		saved->listener[0].fd = 2;
		break;
	case NO_BOARD:
		saved->pool[1].board = -1;
		break;
	case NO_SLOT:
		saved->pool[0].slots = 0;
		break;
	case A_PHASE_THAT_IS_NONE:
		saved->worker[2].phase = 0;
		break;
	case PROCESS_ONE:
		saved->worker[0].pid = 1;
		break;
	case NO_CONNECTION_AT_ALL:
		saved->worker[2].most = 0; /* its room is a part of that */
		break;
	case NO_GROWTH_EVER:
		saved->pool[1].grow = 0; /* it is doubled */
		break;
	case FALLING_TOTALS:
		saved->totals->requests = -1;
		break;
	case NO_MASTER:
		saved->masters = 0;
		break;
	case TWO_MASTERS:
		two[0] = two[1] = *saved->master;
		two[1].pidfile = two[1].log = -1;
		saved->master = two;
		saved->masters = 2;
		break;
	case NO_CONFIG:
		saved->configs = 0;
		break;
	case DAMAGES:
		break;
	}
}

START_TEST(what_does_not_hold_together_is_refused)
{
	struct saved *saved = fixture_state();
	size_t len;
	char *bytes;

	damage(saved, (enum damage)_i);
	bytes = encode(saved, &len);
	is_refused(bytes, len, because[_i]);
	free(bytes);
}
END_TEST

START_TEST(a_text_with_a_nul_inside_is_refused)
{
	size_t len;
	char *bytes = encode(fixture_state(), &len);
	char *path = memmem(bytes, len, "/etc/musterd.conf", 17);

	ck_assert_ptr_nonnull(path);
	path[4] = '\0';
	is_refused(bytes, len, "master 1, value 3");
	free(bytes);
}
END_TEST

static int sum_up(int fd, void *arg)
{
	int *sum = arg;

	*sum += fd;
	return fd == 40 ? 40 : 0;
}

START_TEST(all_descriptors_are_found)
{
	struct saved *saved = fixture_state();
	int sum = 0;

	ck_assert_int_eq(saved_each_fd(saved, sum_up, &sum), 40);
	ck_assert_int_eq(sum, 3 + 4 + 5 + 6 + 10 + 11 + 12 + 20 + 21 + 30 + 31 + 40);
	saved->controls = 0;
	sum = 0;
	ck_assert_int_eq(saved_each_fd(saved, sum_up, &sum), 0);
	ck_assert_int_eq(sum, 3 + 4 + 5 + 6 + 10 + 11 + 12 + 20 + 21 + 30 + 31 + 41 + 42 + 50 + 51);
	saved_free(saved);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("saved");

	tcase_add_test(tcase, what_was_written_is_read);
	tcase_add_test(tcase, what_a_later_version_adds_is_skipped);
	tcase_add_test(tcase, what_is_not_for_this_version_is_refused_in_words);
	tcase_add_test(tcase, a_state_that_is_cut_anywhere_is_refused);
	tcase_add_test(tcase, no_flipped_bit_does_harm);
	tcase_add_loop_test(tcase, what_does_not_hold_together_is_refused, 0, DAMAGES);
	tcase_add_test(tcase, a_text_with_a_nul_inside_is_refused);
	tcase_add_test(tcase, all_descriptors_are_found);
	return unit_main("saved", tcase);
}
