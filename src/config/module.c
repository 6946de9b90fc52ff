/* SPDX-License-Identifier: MIT */
/*
 * The block of a module, as module.h says: read by the module's own table, checked by its own function, which
 * reports here.
 */
#include "config/module.h"

#include "config/core.h"
#include "config/parser.h"

#include <string.h>

struct mu_report {
	const struct schema *schema;
	const struct mu_module *module;
	const struct conf_node *handler;
	const void *block;
	const char *chroot;
};

/* The first directive of that name in the block, or in a block of it; `labelled`: also where that has a label. */
static const struct conf_node *find_deep(const struct conf_node *first, const char *name,
					 bool labelled)
{
	const struct conf_node *found = conf_find(first, name);

	for (; first && !found; first = first->next)
		if (first->words == 1 || labelled)
			found = find_deep(first->child, name, labelled);
	return found;
}

static const struct conf_place *value_place(const struct conf_node *node)
{
	return node->words > 1 ? &node->word_at[1] : &node->at;
}

void mu_error(struct mu_report *report, const char *directive, const char *format, ...)
{
	const struct conf_node *node =
		directive ? find_deep(report->handler->child, directive, true) : NULL;
	va_list args;

	va_start(args, format);
	conf_verror(report->schema->context, node ? value_place(node) : &report->handler->at,
		    format, args);
	va_end(args);
}

/* A labelled block by the struct that it filled. */
struct wanted {
	const void *item;
	const struct conf_node *node; /* NULL: not found so far */
};

static void find_item(const struct schema_visitor *visitor, const struct mu_directive *directive,
		      const struct conf_node *node, const char *name, const void *field)
{
	struct wanted *wanted = visitor->arg;
	const struct mu_blocks *blocks = field;

	(void)name;
	if (directive->type != MU_BLOCKS)
		return;
	for (size_t i = 0; i < blocks->n && node; i++) {
		if (blocks->item[i] == wanted->item)
			wanted->node = node;
		node = conf_find(node->next, directive->name);
	}
}

void mu_error_at(struct mu_report *report, const void *item, const char *directive,
		 const char *format, ...)
{
	struct wanted wanted = { .item = item };
	const struct schema_visitor visitor = { report->schema, find_item, &wanted };
	const struct conf_place *at = &report->handler->at;
	const struct conf_node *node;
	va_list args;

	schema_visit(&visitor, report->module->directives, report->handler->child, report->block,
		     "", "");
	if (wanted.node) {
		node = directive ? find_deep(wanted.node->child, directive, false) : NULL;
		at = value_place(node ? node : wanted.node);
	}
	va_start(args, format);
	conf_verror(report->schema->context, at, format, args);
	va_end(args);
}

static const struct conf_place *find_word(const struct conf_node *first, const char *word)
{
	const struct conf_place *at = NULL;

	for (; first && !at; first = first->next) {
		for (size_t i = 1; i < first->words && !at; i++)
			if (first->word[i] == word)
				at = &first->word_at[i];
		if (!at)
			at = find_word(first->child, word);
	}
	return at;
}

void mu_error_word(struct mu_report *report, const char *word, const char *format, ...)
{
	const struct conf_place *at = find_word(report->handler->child, word);
	va_list args;

	va_start(args, format);
	conf_verror(report->schema->context, at ? at : &report->handler->at, format, args);
	va_end(args);
}

const char *mu_chroot(const struct mu_report *report)
{
	return report->chroot;
}

void *module_read(struct conf_context *context, const struct mu_module *const *modules,
		  const struct mu_module *module, const struct conf_node *handler)
{
	struct schema schema = { context, core_directives, modules };
	size_t before = context->errors->total;
	void *block = conf_alloc(context, module->config_size ? module->config_size : 1);

	if (block && module->directives)
		schema_apply(&schema, module->directives, handler, handler->child, block);
	return context->errors->total == before ? block : NULL;
}

bool module_check(struct conf_context *context, const struct mu_module *const *modules,
		  const struct mu_module *module, const struct conf_node *handler, void *block,
		  const char *chroot)
{
	const struct schema schema = { context, core_directives, modules };
	struct mu_report report = { &schema, module, handler, block, chroot };
	size_t before = context->errors->total;

	conf_step(context, "the check of module %s (%s:%d)", module->name, handler->at.file,
		  handler->at.line);
	if (module->check)
		module->check(block, &report);
	conf_step(context, NULL);
	return context->errors->total == before;
}

/* --------------------------------------------------------------------------------------- paths ---- */

struct paths {
	const char **path;
	size_t n;
	const char *chroot;
};

static void add_path(const struct schema *schema, struct paths *paths, const char *path)
{
	const char **grown = schema_grow(schema, paths->path, paths->n, 1, sizeof(*grown));

	if (!grown || !path)
		return;
	grown[paths->n++] = path;
	paths->path = grown;
}

/* What is run is run below the worker's root. */
static void add_command(const struct schema *schema, struct paths *paths,
			const struct mu_words *command)
{
	for (size_t i = 0; i < command->n; i++)
		if (module_is_file(command->word[i]))
			add_path(schema, paths,
				 paths->chroot ? conf_printf(schema->context, "%s%s", paths->chroot,
							     command->word[i])
					       : command->word[i]);
}

static void add_paths(const struct schema_visitor *visitor, const struct mu_directive *directive,
		      const struct conf_node *node, const char *name, const void *field)
{
	(void)node;
	(void)name;
	if (directive->type == MU_PATH && *(const char *const *)field)
		add_path(visitor->schema, visitor->arg, *(const char *const *)field);
	else if (directive->type == MU_COMMAND)
		add_command(visitor->schema, visitor->arg, field);
}

const char *const *module_paths(struct conf_context *context,
				const struct mu_module *const *modules,
				const struct mu_module *module, const struct conf_node *handler,
				const void *block, const char *chroot, size_t *n_r)
{
	const struct schema schema = { context, core_directives, modules };
	struct paths paths = { .chroot = chroot };
	const struct schema_visitor visitor = { &schema, add_paths, &paths };

	if (module->directives)
		schema_visit(&visitor, module->directives, handler->child, block, "", "");
	*n_r = paths.n;
	return paths.path;
}

/* ------------------------------------------------------------------------------------- outputs ---- */

struct outputs {
	const struct conf_node *handler;
	struct conf_output *output;
	size_t n;
};

static bool has_output(const struct outputs *outputs, const char *path)
{
	for (size_t i = 0; i < outputs->n; i++)
		if (strcmp(outputs->output[i].path, path) == 0)
			return true;
	return false;
}

static void add_output(const struct schema_visitor *visitor, const struct mu_directive *directive,
		       const struct conf_node *node, const char *name, const void *field)
{
	struct outputs *outputs = visitor->arg;
	const char *path = directive->type == MU_OUTPUT ? *(const char *const *)field : NULL;
	struct conf_output *grown;

	(void)name;
	if (!path || has_output(outputs, path))
		return;
	grown = schema_grow(visitor->schema, outputs->output, outputs->n, 1, sizeof(*grown));
	if (!grown)
		return;
	grown[outputs->n++] = (struct conf_output){
		.path = path,
		.directive = directive->name,
		.at = *value_place(node ? node : outputs->handler),
	};
	outputs->output = grown;
}

const struct conf_output *module_outputs(struct conf_context *context,
					 const struct mu_module *const *modules,
					 const struct mu_module *module,
					 const struct conf_node *handler, const void *block,
					 size_t *n_r)
{
	const struct schema schema = { context, core_directives, modules };
	struct outputs outputs = { .handler = handler };
	const struct schema_visitor visitor = { &schema, add_output, &outputs };

	if (module->directives)
		schema_visit(&visitor, module->directives, handler->child, block, "", "");
	*n_r = outputs.n;
	return outputs.output;
}
