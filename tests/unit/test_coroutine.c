/* SPDX-License-Identifier: MIT */
#include "runtime/coroutine.h"

#include "unit.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STACK = 64 * 1024 };

static struct coroutine_pool pool;
static char trace[256];

static void set_up(void)
{
	trace[0] = '\0';
	ck_assert_int_eq(coroutine_pool_init(&pool, STACK), 0);
}

static void tear_down(void)
{
	coroutine_pool_cleanup(&pool);
}

static void two_steps(void *arg)
{
	strcat(trace, arg);
	coroutine_yield(&pool);
	strcat(trace, arg);
}

START_TEST(they_take_turns)
{
	char a[] = "a", b[] = "b";
	struct coroutine *one, *two;
	bool failed;

	one = coroutine_start(&pool, two_steps, a, &failed);
	two = coroutine_start(&pool, two_steps, b, &failed);
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_nonnull(two);
	ck_assert_str_eq(trace, "ab");
	ck_assert(!coroutine_resume(&pool, two));
	ck_assert(!coroutine_resume(&pool, one));
	ck_assert_str_eq(trace, "abba");
	ck_assert_ptr_null(pool.current);
}
END_TEST

static void at_once(void *arg)
{
	*(int *)arg += 1;
}

START_TEST(one_that_never_yields_is_used_again)
{
	int runs = 0;
	bool failed;

	for (int i = 0; i < 1000; i++) {
		ck_assert_ptr_null(coroutine_start(&pool, at_once, &runs, &failed));
		ck_assert(!failed);
	}
	ck_assert_int_eq(runs, 1000);
	ck_assert_uint_eq(pool.stacks.slabs != NULL, 1);
	ck_assert_uint_eq(pool.warm, 1);
}
END_TEST

/* Floating point and the stack's alignment are what a wrong switch would break first. */
static void compute(void *arg)
{
	volatile double x = *(double *)arg;
	char text[64];

	for (int i = 0; i < 3; i++) {
		x = sqrt(x * x + 1.0);
		coroutine_yield(&pool);
	}
	snprintf(text, sizeof(text), "%.3f", x);
	*(double *)arg = atof(text);
}

START_TEST(many_at_once_keep_their_own_state)
{
	enum { MANY = 300 };
	struct coroutine *co[MANY];
	double value[MANY];
	bool failed;

	for (int i = 0; i < MANY; i++) {
		value[i] = i;
		co[i] = coroutine_start(&pool, compute, &value[i], &failed);
		ck_assert_ptr_nonnull(co[i]);
	}
	for (int round = 0; round < 3; round++)
		for (int i = MANY - 1; i >= 0; i--)
			ck_assert(coroutine_resume(&pool, co[i]) == (round < 2));
	for (int i = 0; i < MANY; i++)
		ck_assert_double_eq_tol(value[i], sqrt((double)i * i + 3), 0.001);
	/* The second round runs on stacks of which most gave their pages back. */
	for (int i = 0; i < MANY; i++)
		co[i] = coroutine_start(&pool, compute, &value[i], &failed);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < MANY; i++)
			coroutine_resume(&pool, co[i]);
}
END_TEST

static void touch(void *arg)
{
	volatile char page[4096];

	page[0] = 1;
	*(uintptr_t *)arg = (uintptr_t)page;
	coroutine_yield(&pool);
}

/* So many at once; a byte that the last of them has set on its stack. */
static const volatile char *run_at_once(int n)
{
	struct coroutine *co[8];
	uintptr_t byte = 0;
	bool failed;

	for (int i = 0; i < n; i++)
		co[i] = coroutine_start(&pool, touch, &byte, &failed);
	while (n--)
		coroutine_resume(&pool, co[n]);
	return (const volatile char *)byte;
}

START_TEST(those_that_nobody_needs_are_cooled)
{
	const volatile char *last;

	if (skipped_under_valgrind("an opinion of stacks that have ended"))
		return;
	last = run_at_once(8);
	coroutine_pool_cool(&pool, 2);
	ck_assert_uint_eq(pool.warm, 8);
	run_at_once(5);
	coroutine_pool_cool(&pool, 2);
	ck_assert_uint_eq(pool.warm, WITH_ASAN ? 8 : 5);
	ck_assert_int_eq(*last, WITH_ASAN ? 1 : 0);
	coroutine_pool_cool(&pool, 2);
	ck_assert_uint_eq(pool.warm, WITH_ASAN ? 8 : 2);
	run_at_once(8);
	ck_assert_uint_eq(pool.warm, 8);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__)
static int dig(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth < 1000000 ? dig(depth + 1) + frame[0] : 0;
}

static void overrun(void *arg)
{
	*(int *)arg = dig(0);
}

/* Check runs this in a child, which must die of SIGSEGV: on the guard, before anything is overwritten. */
START_TEST(an_overrun_hits_the_guard)
{
	int result = 0;
	bool failed;

	signal(SIGSEGV, SIG_DFL);
	coroutine_start(&pool, overrun, &result, &failed);
}
END_TEST
#endif

int main(void)
{
	TCase *tcase = tcase_create("coroutine");
	const char *fork_mode = getenv("CK_FORK");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, they_take_turns);
	tcase_add_test(tcase, one_that_never_yields_is_used_again);
	tcase_add_test(tcase, many_at_once_keep_their_own_state);
	tcase_add_test(tcase, those_that_nobody_needs_are_cooled);
#if !defined(__SANITIZE_ADDRESS__)
	if (!fork_mode || strcmp(fork_mode, "no") != 0)
		tcase_add_test_raise_signal(tcase, an_overrun_hits_the_guard, SIGSEGV);
#endif
	(void)fork_mode;
	return unit_main("coroutine", tcase);
}
