/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "unit.h"

#include <stdint.h>
#include <string.h>

START_TEST(pieces_are_zeroed_aligned_and_apart)
{
	struct arena *arena = arena_new(64);
	char *before = NULL;

	for (size_t size = 1; size < 200; size++) {
		char *piece = arena_alloc(arena, size);

		ck_assert_uint_eq((uintptr_t)piece % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			ck_assert_int_eq(piece[i], 0);
		memset(piece, 0xff, size);
		if (before)
			ck_assert_int_eq(before[0], (char)0xff);
		before = piece;
	}
	arena_free(arena);
}
END_TEST

START_TEST(reset_gives_zeroed_memory_again)
{
	struct arena *arena = arena_new(128);
	char *piece = arena_alloc(arena, 100);

	memset(piece, 0xff, 100);
	arena_alloc(arena, 1000);
	arena_reset(arena);
	piece = arena_alloc(arena, 100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(piece[i], 0);
	arena_free(arena);
}
END_TEST

START_TEST(an_impossible_size_is_refused)
{
	struct arena *arena = arena_new(128);

	ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX - 20));
	arena_free(arena);
}
END_TEST

START_TEST(strings_are_copied_and_formatted)
{
	struct arena *arena = arena_new(32);

	ck_assert_str_eq(arena_strdup(arena, "listener"), "listener");
	ck_assert_str_eq(arena_strndup(arena, "listener", 6), "listen");
	ck_assert_str_eq(arena_printf(arena, "%s:%d and a text longer than a chunk", "host", 80),
			 "host:80 and a text longer than a chunk");
	arena_free(arena);
	arena_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("arena");

	tcase_add_test(tcase, pieces_are_zeroed_aligned_and_apart);
	tcase_add_test(tcase, reset_gives_zeroed_memory_again);
	tcase_add_test(tcase, an_impossible_size_is_refused);
	tcase_add_test(tcase, strings_are_copied_and_formatted);
	return unit_main("arena", tcase);
}
