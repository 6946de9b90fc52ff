/* SPDX-License-Identifier: MIT */
/* The judgement of tables, as table.h says. Defaults are read as the configuration's reader would. */
#include "config/table.h"

#include "config/core.h"
#include "config/resolver.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

enum {
	DIRECTIVES_MAX = 1000, /* of one table: a table without an end has more */
	CONNECTIONS_MAX = 1000000,
	ARENA_CHUNK = 4096
};

static const unsigned known_flags = MU_CLIENT_FIRST | MU_REQUESTS | MU_TENDS | MU_NAMES;

/* What a directive stores. */
struct store {
	size_t size, align;
};

static bool __attribute__((__format__(__printf__, 2, 3)))
no(char *reason_r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason_r, RESOLVER_REASON_MAX, format, args);
	va_end(args);
	return false;
}

#define STORE(type)                         \
	{                                   \
		sizeof(type), alignof(type) \
	}

/* size 0: there is no such type, or it is a block. */
static struct store store_of(enum mu_type type)
{
	static const struct store stores[] = {
		[MU_BOOL] = STORE(bool),
		[MU_INT] = STORE(int64_t),
		[MU_SIZE] = STORE(int64_t),
		[MU_TIME] = STORE(int64_t),
		[MU_STRING] = STORE(const char *),
		[MU_PATH] = STORE(const char *),
		[MU_ENUM] = STORE(int),
		[MU_WORDS] = STORE(struct mu_words),
		[MU_BLOCKS] = STORE(struct mu_blocks),
		[MU_SWITCH] = STORE(int),
		[MU_LINES] = STORE(struct mu_lines),
		[MU_OUTPUT] = STORE(const char *),
		[MU_COMMAND] = STORE(struct mu_words),
	};

	if ((size_t)type >= sizeof(stores) / sizeof(*stores))
		return (struct store){ 0 };
	return stores[type];
}

static bool is_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	return *name;
}

/* A table on the way to the one that is looked at: lists of blocks may hold themselves, and need one look only. */
struct way {
	const struct way *up;
	const struct mu_directive *table;
	bool in_list; /* of blocks */
};

static bool is_on(const struct way *way, const struct mu_directive *table)
{
	while (way && way->table != table)
		way = way->up;
	return way;
}

/* A block within itself, which no struct can hold. */
static bool is_endless(const struct way *way, const struct mu_directive *table)
{
	for (; way; way = way->up) {
		if (way->table == table)
			return true;
		if (way->in_list)
			return false;
	}
	return false;
}

static bool is_table(const struct way *way, size_t size, char *reason_r);

static bool is_block(const struct way *up, const struct mu_directive *directive, size_t size,
		     char *reason_r)
{
	const struct way way = { up, directive->block, directive->type == MU_BLOCKS };

	if (!directive->block)
		return no(reason_r, "its directive `%s` is a block without a table",
			  directive->name);
	if (!way.in_list && is_endless(up, directive->block))
		return no(reason_r, "its block `%s` holds itself", directive->name);
	return is_on(up, directive->block) || is_table(&way, size, reason_r);
}

/* size: of the struct that the table fills. */
static bool is_directive(const struct way *way, const struct mu_directive *directive, size_t size,
			 char *reason_r)
{
	struct store store = store_of(directive->type);
	const char *name = directive->name;

	if (!is_name(name))
		return no(reason_r, "it has a directive whose name is none");
	if (!store.size && directive->type != MU_BLOCK)
		return no(reason_r, "its directive `%s` has type %d, which is none", name,
			  (int)directive->type);
	if (directive->offset > size || store.size > size - directive->offset ||
	    (store.align && directive->offset % store.align))
		return no(reason_r,
			  "its directive `%s` would be stored at %zu of a struct of %zu bytes",
			  name, directive->offset, size);
	if (directive->min > directive->max && (directive->max != 0 || directive->type != MU_LINES))
		return no(reason_r, "its directive `%s` has a min above its max", name);
	if (directive->type == MU_ENUM && (!directive->words || !*directive->words))
		return no(reason_r, "its directive `%s` has no words to choose from", name);
	if (directive->type == MU_BLOCK)
		return is_block(way, directive, size - directive->offset, reason_r);
	if (directive->type == MU_BLOCKS)
		return is_block(way, directive, directive->block_size, reason_r);
	return true;
}

static bool is_table(const struct way *way, size_t size, char *reason_r)
{
	const struct mu_directive *table = way->table;

	for (size_t i = 0; table[i].name; i++) {
		if (i == DIRECTIVES_MAX)
			return no(reason_r, "its table of directives has no end: { NULL }");
		if (!is_directive(way, &table[i], size, reason_r))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(table[i].name, table[j].name) == 0)
				return no(reason_r, "it has two directives `%s`", table[i].name);
	}
	return true;
}

static void try_lists(struct conf_context *context, const struct way *way);

/* Fills a struct of the size as if nothing was written. */
static void try_defaults(struct conf_context *context, const struct way *way, size_t size)
{
	static const struct mu_module *const none[] = { NULL };
	const struct schema schema = { context, core_directives, none };
	void *base = conf_alloc(context, size ? size : 1);

	if (!base)
		return;
	schema_apply(&schema, way->table, NULL, NULL, base);
	try_lists(context, way);
}

static void try_lists(struct conf_context *context, const struct way *up)
{
	for (const struct mu_directive *d = up->table; d->name; d++) {
		const struct way way = { up, d->block, d->type == MU_BLOCKS };

		if (way.in_list && !is_on(up, d->block))
			try_defaults(context, &way, d->block_size);
		else if (d->type == MU_BLOCK)
			try_lists(context, &way);
	}
}

static bool has_good_defaults(const struct mu_module *module, char *reason_r)
{
	struct conf_errors errors = { .total = 0 };
	struct conf_context context = { .arena = arena_new(ARENA_CHUNK), .errors = &errors };
	bool good;

	if (!context.arena)
		return no(reason_r, "out of memory");
	try_defaults(&context, &(struct way){ .table = module->directives }, module->config_size);
	if (errors.total > 0)
		no(reason_r, "a default of its directives is wrong: %s",
		   errors.error[0].message ? errors.error[0].message : "out of memory");
	good = errors.total == 0;
	arena_free(context.arena);
	conf_errors_cleanup(&errors);
	return good;
}

bool table_is_sound(const struct mu_module *module, char *reason_r)
{
	if (!module->name || !is_name(module->name))
		return no(reason_r, "it has no name");
	if (!module->serve)
		return no(reason_r, "module %s has no serve", module->name);
	if (module->flags & ~known_flags)
		return no(reason_r, "module %s has flags that mean nothing: %#x", module->name,
			  module->flags & ~known_flags);
	if (module->connections < 0 || module->connections > CONNECTIONS_MAX)
		return no(reason_r, "module %s cannot hold %d connections", module->name,
			  module->connections);
	if (!module->directives)
		return true;
	return is_table(&(struct way){ .table = module->directives }, module->config_size,
			reason_r) &&
	       has_good_defaults(module, reason_r);
}
