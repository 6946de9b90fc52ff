/* SPDX-License-Identifier: MIT */
#include "master/slot_view.h"

#include "master/death.h"
#include "master/health.h"
#include "unit.h"

#include <string.h>
#include <sys/wait.h>

enum { STARTED = 1000000, NOW = 1060000 };

static struct slot_view view_of(const struct slot *slot)
{
	struct slot_view view;

	slot_view_take(&view, slot, 64, STARTED, NOW);
	return view;
}

START_TEST(an_honest_slot_is_believed)
{
	struct slot slot = { .state = SLOT_BUSY,
			     .connections = 3,
			     .since_ms = NOW - 3000,
			     .running_since = NOW - 5,
			     .request_since = NOW - 70,
			     .accepted = 1234567,
			     .requests = 7,
			     .memory = 1 << 20,
			     .peer = { .family = AF_UNIX },
			     .error = "no space left" };
	struct slot_view view = view_of(&slot);
	char text[SLOT_VIEW_TEXT_MAX];

	ck_assert_uint_eq(view.connections, 3);
	ck_assert_int_eq(view.running_since, NOW - 5);
	ck_assert_int_eq(view.request_since, NOW - 70);
	ck_assert_uint_eq(view.accepted, 1234567);
	ck_assert_uint_eq(view.requests, 7);
	ck_assert_uint_eq(view.memory, 1 << 20);
	ck_assert_str_eq(view.error, "no space left");
	ck_assert_str_eq(slot_view_text(&view, text),
			 "it was busy for 3s with 3 connections, last peer unix");
}
END_TEST

START_TEST(times_are_those_of_its_life)
{
	struct slot slot = { .since_ms = STARTED - 1, .running_since = 1, .request_since = -7 };
	struct slot_view view = view_of(&slot);

	ck_assert_int_eq(view.state_for, -1);
	ck_assert_int_eq(view.running_since, STARTED);
	ck_assert_int_eq(view.request_since, 0);
	slot.since_ms = NOW + 1;
	slot.running_since = slot.request_since = INT64_MAX;
	view = view_of(&slot);
	ck_assert_int_eq(view.state_for, -1);
	ck_assert_int_eq(view.running_since, NOW);
	ck_assert_int_eq(view.request_since, NOW);
}
END_TEST

START_TEST(more_than_it_can_have_done_is_not_believed)
{
	struct slot slot = { .connections = 65,
			     .accepted = UINT64_MAX,
			     .requests = UINT64_C(1) << 47,
			     .refused = UINT64_C(1) << 40 };
	struct slot_view view = view_of(&slot);

	ck_assert_uint_eq(view.connections, 64);
	ck_assert_uint_eq(view.accepted, 0);
	ck_assert_uint_eq(view.requests, 0);
	ck_assert_uint_eq(view.refused, 0);
}
END_TEST

START_TEST(an_error_without_an_end_is_cut_at_the_slot_s)
{
	struct slot slot = { 0 };
	struct slot_view view;

	memset(slot.error, 'x', sizeof(slot.error));
	view = view_of(&slot);
	ck_assert_uint_eq(strlen(view.error), SLOT_ERROR_MAX);
}
END_TEST

START_TEST(text_becomes_one_clean_line)
{
	char out[8];

	ck_assert_uint_eq(clean_text(out, sizeof(out), "a\tb\n", 4), 4);
	ck_assert_str_eq(out, "a b?");
	ck_assert_uint_eq(clean_text(out, sizeof(out), "\x1b[2J\x7f  ", 7), 5);
	ck_assert_str_eq(out, "?[2J?");
	ck_assert_uint_eq(clean_text(out, sizeof(out), "0123456789", 10), 7);
	ck_assert_str_eq(out, "0123456");
	ck_assert_uint_eq(clean_text(out, sizeof(out), "ab\0cd", 5), 2);
	ck_assert_uint_eq(clean_text(out, 1, "abc", 3), 0);
	ck_assert_uint_eq(clean_text(out, sizeof(out), "   ", 3), 0);
	ck_assert_str_eq(out, "");
}
END_TEST

/* A generator of our own: the same bytes on every machine. */
static void scramble(void *data, size_t len, uint64_t *seed)
{
	unsigned char *byte = data;

	for (size_t i = 0; i < len; i++) {
		*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		byte[i] = (unsigned char)(*seed >> 56);
	}
}

static bool is_clean(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static void check_view(const struct slot_view *view)
{
	static const struct health_limits limits[] = {
		{ .stall_ms = 10000, .slow_ms = 1 },
		{ .direct = true, .request_ms = 10000 },
	};
	struct death death = { .service = "www",
			       .code = CLD_KILLED,
			       .status = SIGSEGV,
			       .was_ready = true,
			       .slot = *view };
	char text[DEATH_TEXT_MAX];

	ck_assert_uint_le(view->connections, 64);
	ck_assert_int_ge(view->state_for, -1);
	ck_assert_int_le(view->state_for, NOW - STARTED);
	ck_assert(!view->running_since ||
		  (view->running_since >= STARTED && view->running_since <= NOW));
	ck_assert_uint_le(view->accepted, UINT64_C(10000) * (NOW - STARTED) + 1000000);
	ck_assert_uint_le(strlen(view->error), SLOT_ERROR_MAX);
	ck_assert(is_clean(death_text(&death, text)));
	for (size_t i = 0; i < 2; i++) {
		struct health_facts facts = { .running_since = view->running_since,
					      .request_since = view->request_since,
					      .fresh_since = STARTED };
		struct health health = health_judge(&limits[i], &facts, NOW);

		ck_assert(health.since == 0 || (health.since >= STARTED && health.since <= NOW));
		ck_assert(health.again_at == 0 || health.again_at > NOW);
	}
}

START_TEST(random_slots_harm_nobody)
{
	struct slot *slot = aligned_alloc(_Alignof(struct slot), sizeof(*slot));
	uint64_t seed = 3;

	for (int i = 0; i < 20000; i++) {
		struct slot_view view;

		scramble(slot, sizeof(*slot), &seed);
		/* Often a byte or two of a field only: near the borders of what is believed. */
		if (i % 2) {
			slot->running_since = NOW - (slot->running_since & 0x1ffff);
			slot->since_ms = NOW - (slot->since_ms & 0x1ffff);
			slot->peer.family = i % 4 == 1 ? AF_INET6 : AF_INET;
			slot->state &= 7;
			slot->accepted &= 0xffffffff;
		}
		slot_view_take(&view, slot, 64, STARTED, NOW);
		check_view(&view);
	}
	free(slot);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("slot_view");

	tcase_add_test(tcase, an_honest_slot_is_believed);
	tcase_add_test(tcase, times_are_those_of_its_life);
	tcase_add_test(tcase, more_than_it_can_have_done_is_not_believed);
	tcase_add_test(tcase, an_error_without_an_end_is_cut_at_the_slot_s);
	tcase_add_test(tcase, text_becomes_one_clean_line);
	tcase_add_test(tcase, random_slots_harm_nobody);
	return unit_main("slot_view", tcase);
}
