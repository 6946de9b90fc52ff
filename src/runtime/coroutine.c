/* SPDX-License-Identifier: MIT */
/*
 * Coroutines, as coroutine.h says: a switch of stacks in a few lines of assembly (switch.S) on x86-64 and
 * aarch64, ucontext elsewhere. AddressSanitizer is told of every switch and valgrind of every stack.
 */
#include "autoconf.h"

#include "runtime/coroutine.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__aarch64__)
#define HAVE_SWITCH 1
void context_switch(void **save_sp, void *load_sp);
void context_enter(void);
#else
#define HAVE_SWITCH 0
#include <ucontext.h>
#endif

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#if WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

struct coroutine {
#if HAVE_SWITCH
	void *sp;
#else
	ucontext_t context;
#endif
	void *stack;
	struct coroutine *next_idle, *next;
	struct coroutine *from; /* who started or resumed it last, and goes on when it yields */
	struct coroutine_pool *pool;
	coroutine_task *task;
	void *arg;
	bool prepared; /* its stack holds a context that can be switched to */
	unsigned valgrind_id;
#if WITH_ASAN
	const void *asan_bottom;
	size_t asan_size;
	void *asan_fake;
#endif
};

/* One switch, told to AddressSanitizer. `ends`: from's frames will not be returned to. */
static void switch_to(struct coroutine *from, struct coroutine *to)
{
#if WITH_ASAN
	__sanitizer_start_switch_fiber(&from->asan_fake, to->asan_bottom, to->asan_size);
#endif
#if HAVE_SWITCH
	context_switch(&from->sp, to->sp);
#else
	swapcontext(&from->context, &to->context);
#endif
#if WITH_ASAN
	__sanitizer_finish_switch_fiber(from->asan_fake, NULL, NULL);
#endif
}

/* A coroutine's outermost function: one task after the other. */
static void coroutine_main(struct coroutine *co)
{
#if WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &co->from->asan_bottom, &co->from->asan_size);
#endif
	for (;;) {
		co->task(co->arg);
		co->task = NULL;
		switch_to(co, co->from);
	}
}

#if HAVE_SWITCH
/* Lays out what context_switch pops: registers with our argument and function, then where it returns. */
static void coroutine_prepare(struct coroutine *co, size_t stack_size)
{
	/* 16-byte alignment is what context_enter's call needs. */
	uintptr_t top = ((uintptr_t)co->stack + stack_size) & ~(uintptr_t)15;
	void **sp = (void **)top;

#if defined(__x86_64__)
	enum { FRAME = 7, R13 = 2, R12 = 3, RETURN = 6 };
#else
	enum { FRAME = 20, R12 = 0, R13 = 1, RETURN = 11 }; /* x19, x20, x30 */
#endif
	sp -= FRAME;
	memset(sp, 0, FRAME * sizeof(*sp));
	sp[R12] = co;
	sp[R13] = (void *)coroutine_main;
	sp[RETURN] = (void *)context_enter;
	co->sp = sp;
	co->prepared = true;
}
#else
static void ucontext_entry(unsigned high, unsigned low)
{
	coroutine_main((struct coroutine *)(((uintptr_t)high << 16 << 16) | low));
}

static void coroutine_prepare(struct coroutine *co, size_t stack_size)
{
	uintptr_t self = (uintptr_t)co;

	getcontext(&co->context);
	co->context.uc_stack.ss_sp = co->stack;
	co->context.uc_stack.ss_size = stack_size;
	co->context.uc_link = NULL;
	makecontext(&co->context, (void (*)(void))ucontext_entry, 2, (unsigned)(self >> 16 >> 16),
		    (unsigned)self);
	co->prepared = true;
}
#endif

int coroutine_pool_init(struct coroutine_pool *pool, size_t stack_size)
{
	pool->main = calloc(1, sizeof(*pool->main));
	if (!pool->main)
		return -1;
	stacks_init(&pool->stacks, stack_size);
	pool->idle = pool->all = pool->current = NULL;
	pool->warm = pool->unused = 0;
	return 0;
}

void coroutine_pool_cleanup(struct coroutine_pool *pool)
{
	struct coroutine *co;

	while ((co = pool->all)) {
		assert(!co->task);
		pool->all = co->next;
		VALGRIND_STACK_DEREGISTER(co->valgrind_id);
		free(co);
	}
	stacks_cleanup(&pool->stacks);
	free(pool->main);
}

static struct coroutine *coroutine_new(struct coroutine_pool *pool)
{
	struct coroutine *co = calloc(1, sizeof(*co));

	if (!co)
		return NULL;
	co->stack = stack_take(&pool->stacks);
	if (!co->stack) {
		free(co);
		return NULL;
	}
	co->pool = pool;
	co->valgrind_id = VALGRIND_STACK_REGISTER(co->stack, (char *)co->stack + pool->stacks.size);
#if WITH_ASAN
	co->asan_bottom = co->stack;
	co->asan_size = pool->stacks.size;
#endif
	co->next = pool->all;
	pool->all = co;
	return co;
}

static struct coroutine *coroutine_take(struct coroutine_pool *pool)
{
	struct coroutine *co = pool->idle;

	if (!co)
		return coroutine_new(pool);
	pool->idle = co->next_idle;
	if (co->prepared)
		pool->warm--;
	if (pool->unused > pool->warm)
		pool->unused = pool->warm;
	return co;
}

static void coroutine_put(struct coroutine_pool *pool, struct coroutine *co)
{
	pool->warm++;
	co->next_idle = pool->idle;
	pool->idle = co;
}

void coroutine_pool_cool(struct coroutine_pool *pool, size_t keep)
{
	size_t stay = pool->warm - pool->unused;

	if (stay < keep)
		stay = keep;
	for (struct coroutine *co = pool->idle; !WITH_ASAN && co && co->prepared;
	     co = co->next_idle) {
		if (stay) {
			stay--;
			continue;
		}
		stack_cool(&pool->stacks, co->stack);
		co->prepared = false;
		pool->warm--;
	}
	pool->unused = pool->warm;
}

bool coroutine_resume(struct coroutine_pool *pool, struct coroutine *co)
{
	struct coroutine *current = pool->current;

	co->from = current ? current : pool->main;
	pool->current = co;
	switch_to(co->from, co);
	pool->current = current;
	if (co->task)
		return true;
	coroutine_put(pool, co);
	return false;
}

struct coroutine *coroutine_start(struct coroutine_pool *pool, coroutine_task *task, void *arg,
				  bool *failed_r)
{
	struct coroutine *co = coroutine_take(pool);

	*failed_r = !co;
	if (!co)
		return NULL;
	if (!co->prepared)
		coroutine_prepare(co, pool->stacks.size);
	co->task = task;
	co->arg = arg;
	return coroutine_resume(pool, co) ? co : NULL;
}

void coroutine_yield(struct coroutine_pool *pool)
{
	switch_to(pool->current, pool->current->from);
}
