/* SPDX-License-Identifier: MIT */
/*
 * config_print: the tree is read into the core's struct once more, with scratch memory, and written from
 * there by the tables; so whatever has a default or a unit is shown as it was understood.
 */
#include "config/core.h"

#include <string.h>

static void print_core(const struct config *config, struct conf_context *context, FILE *out)
{
	struct schema schema = { context, core_directives, config->modules };
	struct core core = { .user = NULL };

	core_apply(&schema, config->root, &core);
	/* What `auto` came to is for the comment. */
	for (size_t i = 0; i < core.services.n && i < config->services; i++) {
		struct core_service *service = core.services.item[i];

		service->workers.min = config->service[i]->workers_min;
		service->workers.max = config->service[i]->workers_max;
	}
	schema_print(&schema, core_directives, config->root, NULL, &core, 0, out);
}

void config_print(const struct config *config, FILE *out)
{
	struct conf_errors errors = { .total = 0 };
	struct conf_context context = { .arena = arena_new(16 << 10), .errors = &errors };

	if (!context.arena) {
		fputs("# out of memory\n", out);
		return;
	}
	print_core(config, &context, out);
	/* What was loaded without an error has none now, but for memory. */
	if (errors.total > 0)
		conf_errors_print(&errors, out);
	conf_errors_cleanup(&errors);
	arena_free(context.arena);
}
