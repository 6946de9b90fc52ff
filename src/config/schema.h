/* SPDX-License-Identifier: MIT */
/*
 * From directives to a struct, as a table of struct mu_directive says, and from the struct back to text.
 * The core's tables (core.c) and those of the modules are read by the same code; the core has a few
 * types of its own more.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/errors.h"

/* Behind those of enum mu_type; they are the core's alone. */
enum conf_type {
	/* struct mu_blocks, but each item begins with a struct conf_item. */
	CONF_ITEMS = 100,
	CONF_PLACED = 101, /* struct conf_words: as MU_WORDS, with places */
	CONF_MODE = 102,   /* int64_t: octal permissions */
	CONF_LIMIT = 103, /* int64_t: inherit, a size within [min, max], or unlimited if max is 0 */
	CONF_RANGE = 104, /* struct conf_range: N..M within [min, max] */
	CONF_COUNT = 105, /* struct conf_range: the same, or N, or auto */
	CONF_LOG = 106,   /* struct log_target */
	CONF_HANDLER = 107, /* struct conf_handler: the name of a module and its block */
	CONF_TYPES_END
};

struct conf_item {
	const struct conf_node *node;
};

struct conf_words {
	size_t n;
	const char **word;
	struct conf_place *at;
};

struct conf_range {
	int64_t min, max;
	bool automatic; /* `auto`: min and max are found out later */
	bool given;
};

struct conf_handler {
	const struct mu_module
		*module; /* NULL: no such one, reported; or `asked` was not loaded yet */
	const struct conf_node *node;
	const char *asked; /* `module NAME`: what is to be loaded; NULL: a built-in one */
};

struct schema {
	struct conf_context *context;
	const struct mu_directive *top;         /* the core's table: where a directive may belong */
	const struct mu_module *const *modules; /* ended by NULL */
	/* For schema_print: in an item of CONF_ITEMS this name is not shown. NULL: all are. */
	bool (*is_hidden)(const void *item, const char *name);
	const void *item; /* that is being printed */
};

/*
 * Fills the zeroed struct at base from a list of directives, defaults included. parent: the directive
 * whose block it is (NULL: the file), where a missing directive is reported. Errors go to the context;
 * what was wrong stays zero.
 */
void schema_apply(const struct schema *schema, const struct mu_directive *table,
		  const struct conf_node *parent, const struct conf_node *first, void *base);

/*
 * Writes every directive of the table with its value in base, and in a comment where it comes from: first, the
 * list of directives that filled base, or else `outer`, that of the blocks around it. One without a value is a comment,
 * and deep in blocks nothing.
 */
void schema_print(const struct schema *schema, const struct mu_directive *table,
		  const struct conf_node *first, const struct conf_node *outer, const void *base,
		  int depth, FILE *out);

/*
 * Called for each directive of a table, set or not, with its place in words, "timeout { idle }", which
 * lives as long as the context, and its first node in the block (NULL: it is not written there). For MU_BLOCKS first
 * with the list itself, then for what is in the blocks.
 */
struct schema_visitor {
	const struct schema *schema;
	void (*visit)(const struct schema_visitor *visitor, const struct mu_directive *directive,
		      const struct conf_node *node, const char *name, const void *field);
	void *arg;
};

/*
 * first: the directives that filled base. before and after stand around each name: "timeout { " and " }".
 * CONF_ITEMS are passed over.
 */
void schema_visit(const struct schema_visitor *visitor, const struct mu_directive *table,
		  const struct conf_node *first, const void *base, const char *before,
		  const char *after);

/*
 * The value as it would be written: of MU_BLOCKS the labels, of a handler the module's name. False, and
 * nothing, when it is not set.
 */
bool schema_print_value(const struct mu_directive *directive, const void *field, FILE *out);

/* --- for the types only (schema.c, types.c, core_types.c) --- */

struct schema_type {
	/* Stores the directive's value at field; the node is whole, a default's has no place. */
	void (*parse)(const struct schema *schema, const struct mu_directive *directive,
		      const struct conf_node *node, void *field);
	/* The value as words, without the name. What has a block is printed by schema.c. */
	void (*print)(const struct mu_directive *directive, const void *field, FILE *out);
	/* True when there is nothing to print. NULL: there always is. */
	bool (*is_unset)(const struct mu_directive *directive, const void *field);
	/* Adds to the comment behind the value. May be NULL. */
	void (*note)(const void *field, FILE *out);
	/* How a value is written, for people: what is to be replaced in capitals. NULL: MU_ENUM, which has its words. */
	const char *value;
	bool repeats, has_block;
};

/* NULL when there is no such type. */
const struct schema_type *schema_type(int type);
/* The same, of enum conf_type alone: for types.c. */
const struct schema_type *schema_core_type(int type);

/* Adds the error that the directive's first word is not what is wanted: "a size". */
void schema_fail_value(const struct schema *schema, const struct conf_node *node,
		       const char *wanted);

/* The one word of a directive, or NULL with the error added. wanted: "a size", for the message. */
const char *schema_word(const struct schema *schema, const struct conf_node *node,
			const char *wanted);

/*
 * Room for `more` elements behind the n that are in array, made by this function alone: it grows in
 * powers of two. NULL with the error added.
 */
void *schema_grow(const struct schema *schema, const void *array, size_t n, size_t more,
		  size_t size);

/* True, or false with the error added. text_of writes a bound. */
bool schema_in_range(const struct schema *schema, const struct mu_directive *directive,
		     const struct conf_node *node, int64_t value,
		     const char *(*text_of)(int64_t value, char *buffer));

#endif
