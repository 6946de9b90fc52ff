/* SPDX-License-Identifier: MIT */
/*
 * Coroutines: functions with a stack of their own that can stop in the middle and be resumed. They are
 * pooled: a finished one keeps its warm stack for the next task, until coroutine_pool_cool finds that
 * none has needed it. One pool a process, no threads.
 * One may start another and goes on when that waits for the first time.
 */
#ifndef RUNTIME_COROUTINE_H
#define RUNTIME_COROUTINE_H

#include "runtime/stack.h"

#include <stdbool.h>
#include <stddef.h>

/* AddressSanitizer: gcc says so by a macro, clang by a feature. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

struct coroutine;

typedef void coroutine_task(void *arg);

struct coroutine_pool {
	struct stacks stacks;
	struct coroutine *idle; /* those without a task, the one used last first */
	struct coroutine *all;
	struct coroutine *current; /* running now; NULL on the main stack */
	size_t warm;            /* idle ones that keep their stack's pages: the first of `idle` */
	size_t unused;          /* the fewest of these there have been since they were cooled */
	struct coroutine *main; /* the main stack's own context */
};

/* 0 or -1 with errno. */
int coroutine_pool_init(struct coroutine_pool *pool, size_t stack_size);
/* No coroutine may have a task left. */
void coroutine_pool_cleanup(struct coroutine_pool *pool);

/*
 * Gives back the pages of the idle stacks that nobody has needed since the last call, but for `keep` of
 * them. Does nothing under AddressSanitizer, which has its own notes on what is on a stack.
 */
void coroutine_pool_cool(struct coroutine_pool *pool, size_t keep);

/*
 * Runs task(arg) on a coroutine until it yields or ends. The coroutine if it yielded (to be resumed),
 * NULL with *failed_r false if it ended, NULL with *failed_r true and errno if there was no memory.
 */
struct coroutine *coroutine_start(struct coroutine_pool *pool, coroutine_task *task, void *arg,
				  bool *failed_r);
/* Goes on with one that yielded. True if it yielded again, false if its task ended. */
bool coroutine_resume(struct coroutine_pool *pool, struct coroutine *coroutine);
/* In a coroutine: back to whoever started or resumed it. */
void coroutine_yield(struct coroutine_pool *pool);

#endif
