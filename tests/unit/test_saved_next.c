/* SPDX-License-Identifier: MIT */
/*
 * Reading the state of the version before: saved.c and its tables are compiled once more here, with values that only its next version
 * writes. They stand for members that are there already, so that what becomes of them can be seen.
 */
#define MUSTERD_STATE_AHEAD 1
#define MUSTERD_STATE_NEXT                                                               \
	{ NUMBER, offsetof(struct saved_worker, round), 0, UINT_MAX, STATE_VERSION },    \
		{ TEXT, offsetof(struct saved_worker, because), 0, 0, STATE_VERSION },   \
	{                                                                                \
		DESCRIPTOR, offsetof(struct saved_worker, control), -1, 0, STATE_VERSION \
	}
#include "master/saved.c"
#include "master/saved_fields.c"

#include "saved_fixture.h"

#include "unit.h"

/* A state without anything that holds a descriptor but its workers and what they need. */
static struct saved *state(void)
{
	struct saved *saved = fixture_state();

	for (size_t i = 0; i < saved->workers; i++)
		saved->worker[i].control = -1;
	return saved;
}

START_TEST(what_this_version_writes_it_reads)
{
	char reason[SAVED_REASON_MAX];
	struct saved *saved = state();
	size_t len;
	char *bytes = saved_encode(saved, &len);

	saved_free(saved);
	saved = saved_decode(bytes, len, reason);
	ck_assert_msg(saved != NULL, "%s", reason);
	ck_assert_int_eq(saved->master->state_version, STATE_VERSION);
	ck_assert_str_eq(saved->worker[0].because, "the drain limit passed");
	saved_free(saved);
	free(bytes);
}
END_TEST

/* Only the head says that it is older: the values that are behind must not be looked at. */
START_TEST(what_the_version_before_did_not_have_is_empty)
{
	char reason[SAVED_REASON_MAX];
	struct saved *saved = state();
	size_t len;
	char *bytes = saved_encode(saved, &len);

	saved_free(saved);
	set_u32(bytes, HEAD_VERSION, STATE_VERSION - 1);
	set_u32(bytes, HEAD_OLDEST, STATE_VERSION - 1);
	saved = saved_decode(bytes, len, reason);
	ck_assert_msg(saved != NULL, "%s", reason);
	ck_assert_int_eq(saved->master->state_version, STATE_VERSION - 1);
	ck_assert_str_eq(saved->worker[0].because, "");
	ck_assert_int_eq(saved->worker[0].control, -1);
	ck_assert_int_eq(saved->worker[0].round, 0);
	ck_assert_int_eq(saved->worker[0].deadline, 777);
	saved_free(saved);
	free(bytes);
}
END_TEST

START_TEST(a_value_that_its_version_must_have_is_missed)
{
	char reason[SAVED_REASON_MAX];
	struct saved *saved = state();
	size_t len;
	char *bytes;

	/* The last record is the last worker's; its last value is a descriptor. */
	saved->controls = saved->clients = saved->outputs = 0;
	bytes = saved_encode(saved, &len);
	saved_free(saved);
	for (size_t at = HEAD_LENGTH, record; at < len; at += record) {
		record = 8 + get_u32(bytes, at + 4);
		if (at + record == len)
			set_u32(bytes, at + 4, (uint32_t)(record - 8 - 5));
	}
	set_u32(bytes, HEAD_TOTAL, (uint32_t)len - 5);
	ck_assert_ptr_null(saved_decode(bytes, len - 5, reason));
	ck_assert_msg(strstr(reason, "worker 3, value 31") != NULL, "%s", reason);
	free(bytes);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("saved_next");

	tcase_add_test(tcase, what_this_version_writes_it_reads);
	tcase_add_test(tcase, what_the_version_before_did_not_have_is_empty);
	tcase_add_test(tcase, a_value_that_its_version_must_have_is_missed);
	return unit_main("saved_next", tcase);
}
