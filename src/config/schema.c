/* SPDX-License-Identifier: MIT */
/*
 * Tables applied to directives, as schema.h says: finding each in its table, blocks, repeats, defaults,
 * what is missing; and the way back to text. What a single value means is in types.c and core_types.c.
 */
#include "config/schema.h"

#include "config/lexer.h"
#include "config/parser.h"
#include "config/suggest.h"

#include <stdlib.h>
#include <string.h>

enum {
	NAME_WIDTH = 18,
	COMMENT_COLUMN = 48,
	/* In services and handlers. In a hundred blocks of these it would hide what is said there. */
	UNSET_DEPTH = 2
};

static const struct mu_directive *find_directive(const struct mu_directive *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static size_t table_size(const struct mu_directive *table)
{
	size_t n = 0;

	while (table[n].name)
		n++;
	return n;
}

static void apply_block(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, void *base)
{
	if (node->words > 1 && !node->broken)
		conf_error(schema->context, &node->word_at[1],
			   "`%s` takes nothing but a block: %s { ... }", directive->name,
			   directive->name);
	schema_apply(schema, directive->block, node, node->child, base);
}

void *schema_grow(const struct schema *schema, const void *array, size_t n, size_t more,
		  size_t size)
{
	size_t had = 0, room = 1;
	void *larger;

	while (had < n)
		had = had ? 2 * had : 1;
	if (n + more <= had)
		return (void *)array;
	while (room < n + more)
		room *= 2;
	larger = conf_alloc(schema->context, room * size);
	if (larger && n)
		memcpy(larger, array, n * size);
	return larger;
}

static void fail_labels(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node)
{
	const char *note = suggest_label(node->word[1]);

	conf_error(schema->context, &node->word_at[note ? 1 : 2],
		   "`%s` takes one name: %s NAME { ... }%s%s", directive->name, directive->name,
		   note ? "; " : "", note ? note : "");
}

static void apply_labelled(const struct schema *schema, const struct mu_directive *directive,
			   const struct conf_node *node, struct mu_blocks *blocks)
{
	const char **label;
	void **list, *item;

	if (node->words > 2 && !node->broken)
		fail_labels(schema, directive, node);
	item = conf_alloc(schema->context, directive->block_size);
	label = schema_grow(schema, blocks->label, blocks->n, 1, sizeof(*label));
	list = schema_grow(schema, blocks->item, blocks->n, 1, sizeof(*list));
	if (!item || !label || !list)
		return;
	if ((int)directive->type == CONF_ITEMS)
		((struct conf_item *)item)->node = node;
	label[blocks->n] = node->words > 1 ? node->word[1] : "";
	list[blocks->n] = item;
	*blocks = (struct mu_blocks){ blocks->n + 1, label, list };
	schema_apply(schema, directive->block, node, node->child, item);
}

/* `name = value` is how others write it. A list may have words that begin so. */
static bool has_equals(const struct schema *schema, const struct schema_type *type,
		       const struct conf_node *node)
{
	if (node->words < 2 || node->word[1][0] != '=' || (type->repeats && node->word[1][1]))
		return false;
	conf_error(schema->context, &node->word_at[1],
		   "no `=` between a directive and its value: write `%s VALUE`", node->word[0]);
	return true;
}

static bool lacks_block(const struct mu_directive *directive, const struct schema_type *type,
			const struct conf_node *node)
{
	return type->has_block && !node->has_block && (int)directive->type != CONF_HANDLER &&
	       !(directive->bare && node->words > 1);
}

static void apply_node(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *base)
{
	const struct schema_type *type = schema_type((int)directive->type);
	void *field = (char *)base + directive->offset;

	if (!type) {
		conf_error(schema->context, &node->at, "`%s`: its table has a type that is unknown",
			   directive->name);
	} else if (lacks_block(directive, type, node)) {
		if (!node->broken)
			conf_error(schema->context, &node->at, "`%s` needs a block: %s%s { ... }",
				   directive->name, directive->name,
				   directive->type == MU_BLOCK ? "" : " NAME");
	} else if (!type->has_block && node->has_block) {
		conf_error(schema->context, &node->at, "`%s` takes no block", directive->name);
	} else if (directive->type == MU_BLOCK) {
		apply_block(schema, directive, node, field);
	} else if (directive->type == MU_BLOCKS || (int)directive->type == CONF_ITEMS) {
		apply_labelled(schema, directive, node, field);
	} else if (!node->broken && !has_equals(schema, type, node)) {
		type->parse(schema, directive, node, field);
	}
}

/* A default is written as in the file, so it is read as a file is. */
static void apply_default(const struct schema *schema, const struct mu_directive *directive,
			  void *base)
{
	const struct conf_node *node;
	const char *text;
	bool sound;

	if (directive->type == MU_BLOCK) {
		schema_apply(schema, directive->block, NULL, NULL,
			     (char *)base + directive->offset);
		return;
	}
	if (!directive->dflt)
		return;
	text = conf_printf(schema->context, "%s %s", directive->name, directive->dflt);
	if (!text)
		return;
	node = conf_parse_text(schema->context, NULL, text, strlen(text), &sound);
	if (node)
		apply_node(schema, directive, node, base);
}

static void fail_missing(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *parent)
{
	const char *help = directive->help ? directive->help : "it is required";

	if (parent->words > 2)
		conf_error(schema->context, &parent->at, "`%s %s %s` has no `%s`: %s",
			   parent->word[0], parent->word[1], parent->word[2], directive->name,
			   help);
	else if (parent->words > 1)
		conf_error(schema->context, &parent->at, "`%s %s` has no `%s`: %s", parent->word[0],
			   parent->word[1], directive->name, help);
	else
		conf_error(schema->context, &parent->at, "`%s` has no `%s`: %s", parent->word[0],
			   directive->name, help);
}

/* What the block has of one directive of the table. */
struct seen {
	const struct conf_node *first;
	bool guessed; /* there was an unknown one that meant it */
};

static void apply_known(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, struct seen *seen, void *base)
{
	const struct schema_type *type = schema_type((int)directive->type);

	if (seen->first && type && !type->repeats) {
		conf_error(schema->context, &node->at, "`%s` is given twice; the first is in %s:%d",
			   directive->name, seen->first->at.file, seen->first->at.line);
		return;
	}
	if (!seen->first)
		seen->first = node;
	apply_node(schema, directive, node, base);
}

void schema_apply(const struct schema *schema, const struct mu_directive *table,
		  const struct conf_node *parent, const struct conf_node *first, void *base)
{
	struct seen *seen = conf_alloc(schema->context, (table_size(table) + 1) * sizeof(*seen));
	const struct mu_directive *directive;

	if (!seen)
		return;
	for (const struct conf_node *node = first; node; node = node->next) {
		directive = find_directive(table, node->word[0]);
		if (directive) {
			apply_known(schema, directive, node, &seen[directive - table], base);
			continue;
		}
		directive = suggest_directive(schema, table, node);
		if (directive)
			seen[directive - table].guessed = true;
	}
	for (const struct mu_directive *d = table; d->name; d++) {
		if (seen[d - table].first || seen[d - table].guessed)
			continue;
		if (d->required && parent)
			fail_missing(schema, d, parent);
		else
			apply_default(schema, d, base);
	}
}

const char *schema_word(const struct schema *schema, const struct conf_node *node,
			const char *wanted)
{
	if (node->words == 2)
		return node->word[1];
	if (node->words < 2)
		conf_error(schema->context, &node->at, "`%s` needs %s", node->word[0], wanted);
	else
		conf_error(schema->context, &node->word_at[2],
			   "`%s` takes one value; quote a value that has blanks", node->word[0]);
	return NULL;
}

bool schema_in_range(const struct schema *schema, const struct mu_directive *directive,
		     const struct conf_node *node, int64_t value,
		     const char *(*text_of)(int64_t value, char *buffer))
{
	bool any = directive->min == 0 && directive->max == 0;
	int64_t max = any ? INT64_MAX : directive->max;
	char low[32], high[32];

	if (value >= directive->min && value <= max)
		return true;
	if (max == INT64_MAX)
		conf_error(schema->context, &node->word_at[1], "`%s` must be at least %s, not `%s`",
			   directive->name, text_of(directive->min, low), node->word[1]);
	else
		conf_error(schema->context, &node->word_at[1],
			   "`%s` must be between %s and %s, not `%s`", directive->name,
			   text_of(directive->min, low), text_of(max, high), node->word[1]);
	return false;
}

/* ------------------------------------------------------------------------------ back to text ---- */

static void indent(int depth, FILE *out)
{
	for (int i = 0; i < depth; i++)
		fputs("    ", out);
}

/* In a comment, which a newline in a file's name must not end. */
static void print_origin(const struct conf_node *node, FILE *out)
{
	if (!node) {
		fputs("default", out);
		return;
	}
	for (const char *p = node->at.file; *p; p++)
		fputc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, out);
	fprintf(out, ":%d", node->at.line);
}

/* One line: the name, the value (a stream of its own, to know its width), where it comes from. */
static void print_line(const struct schema_type *type, const struct mu_directive *directive,
		       const void *field, const struct conf_node *node, int depth, FILE *out)
{
	char *value = NULL;
	size_t len;
	FILE *stream = open_memstream(&value, &len);
	int width;

	if (!stream)
		return;
	type->print(directive, field, stream);
	if (fclose(stream) == 0) {
		indent(depth, out);
		width = 4 * depth +
			fprintf(out, "%-*s %s", NAME_WIDTH - 4 * depth, directive->name, value);
		fprintf(out, "%*s # ", width < COMMENT_COLUMN ? COMMENT_COLUMN - width : 1, "");
		print_origin(node, out);
		if (type->note)
			type->note(field, out);
		fputc('\n', out);
	}
	free(value);
}

/* A line for each; of a default, which has no node, there is one. */
static void print_lines(const struct schema_type *type, const struct mu_directive *directive,
			const struct mu_lines *lines, const struct conf_node *node, int depth,
			FILE *out)
{
	for (size_t i = 0; i < lines->n; i++) {
		print_line(type, directive, &(struct mu_lines){ 1, &lines->line[i] }, node, depth,
			   out);
		if (node)
			node = conf_find(node->next, directive->name);
	}
}

static void print_unset(const struct mu_directive *directive, int depth, FILE *out)
{
	if (depth > UNSET_DEPTH)
		return;
	indent(depth, out);
	fprintf(out, "# %-*s (not set)\n", NAME_WIDTH - 2 - 4 * depth, directive->name);
}

static void print_block(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, const char *label,
			const struct conf_node *outer, const void *base, int depth, FILE *out)
{
	indent(depth, out);
	fputs(directive->name, out);
	if (label && *label) {
		fputc(' ', out);
		lexer_quote(label, out);
	}
	fputs(" { # ", out);
	print_origin(node, out);
	fputc('\n', out);
	schema_print(schema, directive->block, node ? node->child : NULL, outer, base, depth + 1,
		     out);
	indent(depth, out);
	fputs("}\n", out);
}

static void print_handler(const struct schema *schema, const struct mu_directive *directive,
			  const struct conf_handler *handler, int depth, FILE *out)
{
	const struct mu_module *module = handler->module;
	void *config;

	/* Only where memory ran out. */
	if (!module)
		return;
	indent(depth, out);
	fprintf(out, "%s ", directive->name);
	schema_print_value(directive, handler, out);
	if (module->directives && module->directives->name) {
		const struct schema own = { schema->context, schema->top, schema->modules };

		config = conf_alloc(schema->context, module->config_size);
		if (!config)
			return;
		schema_apply(schema, module->directives, handler->node, handler->node->child,
			     config);
		fputs(" { # ", out);
		print_origin(handler->node, out);
		fputc('\n', out);
		schema_print(&own, module->directives, handler->node->child, NULL, config,
			     depth + 1, out);
		indent(depth, out);
		fputs("}\n", out);
	} else {
		fputs(" # ", out);
		print_origin(handler->node, out);
		fputc('\n', out);
	}
}

static void print_blocks(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *node, const struct conf_node *outer,
			 const struct mu_blocks *blocks, int depth, FILE *out)
{
	struct schema inner = *schema;

	for (size_t i = 0; i < blocks->n && node; i++) {
		if ((int)directive->type == CONF_ITEMS)
			inner.item = blocks->item[i];
		print_block(&inner, directive, node, blocks->label[i], outer, blocks->item[i],
			    depth, out);
		node = conf_find(node->next, directive->name);
	}
}

void schema_print(const struct schema *schema, const struct mu_directive *table,
		  const struct conf_node *first, const struct conf_node *outer, const void *base,
		  int depth, FILE *out)
{
	for (const struct mu_directive *d = table; d->name; d++) {
		const struct schema_type *type = schema_type((int)d->type);
		const struct conf_node *node = conf_find(first, d->name);
		const void *field = (const char *)base + d->offset;

		if (schema->is_hidden && schema->item && schema->is_hidden(schema->item, d->name))
			continue;
		if (!node)
			node = conf_find(outer, d->name);
		if (d->type == MU_BLOCK)
			print_block(schema, d, node, NULL, NULL, field, depth, out);
		else if (d->type == MU_BLOCKS)
			print_blocks(schema, d, node, NULL, field, depth, out);
		else if ((int)d->type == CONF_ITEMS)
			print_blocks(schema, d, node, first, field, depth, out);
		else if ((int)d->type == CONF_HANDLER)
			print_handler(schema, d, field, depth, out);
		else if (!type || !type->print)
			continue;
		else if (type->is_unset && type->is_unset(d, field))
			print_unset(d, depth, out);
		else if (d->type == MU_LINES)
			print_lines(type, d, field, node, depth, out);
		else
			print_line(type, d, field, node, depth, out);
	}
}

/* ------------------------------------------------------------------------------ one by one ---- */

static void visit_block(const struct schema_visitor *visitor, const struct mu_directive *directive,
			const struct conf_node *node, const char *label, const void *base,
			const char *before, const char *after)
{
	struct conf_context *context = visitor->schema->context;

	before = conf_printf(context, "%s%s%s%s { ", before, directive->name, *label ? " " : "",
			     label);
	after = conf_printf(context, " }%s", after);
	if (before && after)
		schema_visit(visitor, directive->block, node ? node->child : NULL, base, before,
			     after);
}

static void visit_blocks(const struct schema_visitor *visitor, const struct mu_directive *directive,
			 const struct conf_node *node, const struct mu_blocks *blocks,
			 const char *before, const char *after)
{
	for (size_t i = 0; i < blocks->n && node; i++) {
		visit_block(visitor, directive, node, blocks->label[i], blocks->item[i], before,
			    after);
		node = conf_find(node->next, directive->name);
	}
}

void schema_visit(const struct schema_visitor *visitor, const struct mu_directive *table,
		  const struct conf_node *first, const void *base, const char *before,
		  const char *after)
{
	for (const struct mu_directive *d = table; d->name; d++) {
		const struct conf_node *node = conf_find(first, d->name);
		const void *field = (const char *)base + d->offset;
		const char *name;

		if (d->type == MU_BLOCK) {
			visit_block(visitor, d, node, "", field, before, after);
			continue;
		}
		if ((int)d->type == CONF_ITEMS)
			continue;
		name = conf_printf(visitor->schema->context, "%s%s%s", before, d->name, after);
		if (!name)
			return;
		visitor->visit(visitor, d, node, name, field);
		if (d->type == MU_BLOCKS)
			visit_blocks(visitor, d, node, field, before, after);
	}
}

bool schema_print_value(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct schema_type *type = schema_type((int)directive->type);

	if (!type || !type->print || (type->is_unset && type->is_unset(directive, field)))
		return false;
	type->print(directive, field, out);
	return true;
}
