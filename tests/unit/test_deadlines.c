/* SPDX-License-Identifier: MIT */
#include "master/deadlines.h"

#include "unit.h"

#include <stddef.h>

struct fixture {
	struct deadlines deadlines;
	struct deadline a, b, c;
	char order[16];
	size_t fired;
};

static void fire_a(void *owner, int64_t now)
{
	struct fixture *f = owner;

	(void)now;
	f->order[f->fired++] = 'a';
}

static void fire_b(void *owner, int64_t now)
{
	struct fixture *f = owner;

	f->order[f->fired++] = 'b';
	deadline_clear(&f->deadlines, &f->c);
	deadline_set(&f->deadlines, &f->b, now);
}

static void fire_c(void *owner, int64_t now)
{
	struct fixture *f = owner;

	(void)now;
	f->order[f->fired++] = 'c';
}

static void set_up(struct fixture *f)
{
	*f = (struct fixture){ .fired = 0 };
	deadlines_init(&f->deadlines);
	deadline_init(&f->a, fire_a, f);
	deadline_init(&f->b, fire_b, f);
	deadline_init(&f->c, fire_c, f);
}

START_TEST(the_earliest_comes_first_whatever_the_order_of_setting)
{
	struct fixture f;

	set_up(&f);
	ck_assert_int_eq(deadlines_next(&f.deadlines), 0);
	deadline_set(&f.deadlines, &f.c, 30);
	deadline_set(&f.deadlines, &f.a, 10);
	ck_assert_int_eq(deadlines_next(&f.deadlines), 10);
	deadlines_run(&f.deadlines, 9);
	ck_assert_str_eq(f.order, "");
	deadlines_run(&f.deadlines, 30);
	ck_assert_str_eq(f.order, "ac");
	ck_assert_int_eq(deadlines_next(&f.deadlines), 0);
}
END_TEST

START_TEST(setting_anew_moves_it_and_clearing_twice_is_fine)
{
	struct fixture f;

	set_up(&f);
	deadline_set(&f.deadlines, &f.a, 10);
	deadline_set(&f.deadlines, &f.c, 20);
	deadline_set(&f.deadlines, &f.a, 30);
	ck_assert_int_eq(deadlines_next(&f.deadlines), 20);
	deadline_clear(&f.deadlines, &f.c);
	deadline_clear(&f.deadlines, &f.c);
	ck_assert_int_eq(deadlines_next(&f.deadlines), 30);
}
END_TEST

START_TEST(one_that_fires_may_clear_another_and_set_itself_again)
{
	struct fixture f;

	set_up(&f);
	deadline_set(&f.deadlines, &f.b, 10);
	deadline_set(&f.deadlines, &f.c, 11);
	deadlines_run(&f.deadlines, 20);
	/* b removed c, and its own next turn, though due, waits for the next run. */
	ck_assert_str_eq(f.order, "b");
	ck_assert_int_eq(deadlines_next(&f.deadlines), 21);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("deadlines");

	tcase_add_test(tcase, the_earliest_comes_first_whatever_the_order_of_setting);
	tcase_add_test(tcase, setting_anew_moves_it_and_clearing_twice_is_fine);
	tcase_add_test(tcase, one_that_fires_may_clear_another_and_set_itself_again);
	return unit_main("deadlines", tcase);
}
