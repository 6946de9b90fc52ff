/* SPDX-License-Identifier: MIT */
/*
 * The block of a module, as module.h says: read by the module's own table, checked by its own function, which
 * reports here.
 */
#include "config/module.h"

#include "config/core.h"
#include "config/parser.h"

struct mu_report {
	struct conf_context *context;
	const struct conf_node *handler;
};

/* The first directive of that name in the block, or in a block of it. */
static const struct conf_node *find_deep(const struct conf_node *first, const char *name)
{
	const struct conf_node *found = conf_find(first, name);

	for (; first && !found; first = first->next)
		found = find_deep(first->child, name);
	return found;
}

void mu_error(struct mu_report *report, const char *directive, const char *format, ...)
{
	const struct conf_node *node =
		directive ? find_deep(report->handler->child, directive) : NULL;
	const struct conf_place *at = &report->handler->at;
	va_list args;

	if (node)
		at = node->words > 1 ? &node->word_at[1] : &node->at;
	va_start(args, format);
	conf_verror(report->context, at, format, args);
	va_end(args);
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

bool module_check(struct conf_context *context, const struct mu_module *module,
		  const struct conf_node *handler, void *block)
{
	struct mu_report report = { context, handler };
	size_t before = context->errors->total;

	if (module->check)
		module->check(block, &report);
	return context->errors->total == before;
}

/* --------------------------------------------------------------------------------------- paths ---- */

struct paths {
	const char **path;
	size_t n;
};

static void add_path(const struct schema_visitor *visitor, const struct mu_directive *directive,
		     const char *name, const void *field)
{
	struct paths *paths = visitor->arg;
	const char *path = directive->type == MU_PATH ? *(const char *const *)field : NULL;
	const char **grown;

	(void)name;
	if (!path)
		return;
	grown = schema_grow(visitor->schema, paths->path, paths->n, 1, sizeof(*grown));
	if (!grown)
		return;
	grown[paths->n] = path;
	*paths = (struct paths){ grown, paths->n + 1 };
}

const char *const *module_paths(struct conf_context *context,
				const struct mu_module *const *modules,
				const struct mu_module *module, const void *block, size_t *n_r)
{
	const struct schema schema = { context, core_directives, modules };
	struct paths paths = { .n = 0 };
	const struct schema_visitor visitor = { &schema, add_path, &paths };

	if (module->directives)
		schema_visit(&visitor, module->directives, block, "", "");
	*n_r = paths.n;
	return paths.path;
}
