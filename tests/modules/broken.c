/* SPDX-License-Identifier: MIT */
/* Modules that cannot be used: test_module.py builds this file once for each way, with -DBROKEN_... */
#include <musterd/module.h>

#include <stdlib.h>

struct conf {
	int64_t number;
	int choice;
};

__attribute__((__unused__)) static int serve(struct mu_conn *conn, void *state)
{
	(void)state;
	return mu_write(conn, "x", 1) < 0 ? MU_DONE : MU_DONE;
}

#if defined(BROKEN_CRASHES)
static int *volatile nowhere;

__attribute__((__constructor__)) static void begin(void)
{
	*nowhere = 1;
}
#elif defined(BROKEN_EXITS)
__attribute__((__constructor__)) static void begin(void)
{
	exit(0);
}
#elif defined(BROKEN_UNRESOLVED)
extern int mu_of_another_day(void);
int (*const unresolved)(void) = mu_of_another_day;
#elif defined(BROKEN_LIBRARY)
extern int somewhere_else(void);
int (*const unresolved)(void) = somewhere_else;
#endif

__attribute__((__unused__)) static const struct mu_directive inner[] = {
	{ "depth", MU_INT, 0 },
	{ NULL },
};

__attribute__((__unused__)) static const struct mu_directive directives[] = {
#if defined(BROKEN_TYPE)
	{ "number", (enum mu_type)77, offsetof(struct conf, number) },
#elif defined(BROKEN_OFFSET)
	{ "number", MU_INT, 4096 },
#elif defined(BROKEN_ALIGNMENT)
	{ "number", MU_INT, 4 },
#elif defined(BROKEN_DEFAULT)
	{ "number", MU_INT, offsetof(struct conf, number), "many" },
#elif defined(BROKEN_RANGE)
	{ "number", MU_INT, offsetof(struct conf, number), "3", 9, 1 },
#elif defined(BROKEN_WORDS)
	{ "choice", MU_ENUM, offsetof(struct conf, choice) },
#elif defined(BROKEN_TWICE)
	{ "number", MU_INT, offsetof(struct conf, number) },
	{ "number", MU_INT, offsetof(struct conf, number) },
#elif defined(BROKEN_DIRECTIVE_NAME)
	{ "number {", MU_INT, offsetof(struct conf, number) },
#elif defined(BROKEN_BLOCK)
	{ "inner", MU_BLOCK, offsetof(struct conf, number) },
#elif defined(BROKEN_INNER)
	{ "inner", MU_BLOCK, offsetof(struct conf, choice) + 4, .block = inner },
#endif
	{ NULL },
};

#if defined(BROKEN_SYMBOL)
const struct mu_module another_module =
#elif defined(BROKEN_POINTER)
static const struct mu_module own =
#else
const struct mu_module musterd_module =
#endif
{
#if defined(BROKEN_ABI)
	.abi = MU_ABI + 39,
#elif defined(BROKEN_NO_ABI)
	.abi = 0,
#else
	.abi = MU_ABI,
#endif
#if !defined(BROKEN_NAME)
	.name = "broken",
#endif
#if defined(BROKEN_FLAGS)
	.flags = 1U << 30,
#endif
#if defined(BROKEN_CONNECTIONS)
	.connections = -4,
#endif
#if !defined(BROKEN_SERVE)
	.serve = serve,
#endif
	.directives = directives,
	.config_size = sizeof(struct conf),
};

#if defined(BROKEN_POINTER)
const struct mu_module *const pointer __asm__(MU_MODULE_SYMBOL) = &own;
#endif
