/* SPDX-License-Identifier: MIT */
/*
 * config_print: what the tables made of the tree is written by the same tables, so whatever has a default or
 * a unit is shown as it was understood.
 */
#include "config/core.h"

/* What would be an error if it were written, so that what is printed can be read again. */
static bool is_hidden(const void *item, const char *name)
{
	return core_is_tended(item) && core_why_not_tended(name);
}

void config_print(const struct config *config, FILE *out)
{
	struct conf_errors errors = { .total = 0 };
	struct conf_context context = { .arena = arena_new(16 << 10), .errors = &errors };
	struct schema schema = { .context = &context,
				 .top = core_directives,
				 .modules = config->modules,
				 .is_hidden = is_hidden };

	if (!context.arena) {
		fputs("# out of memory\n", out);
		return;
	}
	schema_print(&schema, core_directives, config->root, NULL, config->core, 0, out);
	/* What was loaded without an error has none now, but for memory. */
	if (errors.total > 0)
		conf_errors_print(&errors, out);
	conf_errors_cleanup(&errors);
	arena_free(context.arena);
}
