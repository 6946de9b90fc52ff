/* SPDX-License-Identifier: MIT */
/* What a service's handler says in its block. In the checker and in workers: it runs code of the module. */
#ifndef CONFIG_MODULE_H
#define CONFIG_MODULE_H

#include "config/errors.h"

/* Fills the struct of the service's module and calls its check. NULL with the errors added. */
void *module_check(struct conf_context *context, const struct mu_module *const *modules,
		   const struct mu_module *module, const struct conf_node *handler);

/* The paths in what module_check gave, in the order of the module's table. NULL: *n_r is 0. */
const char *const *module_paths(struct conf_context *context,
				const struct mu_module *const *modules,
				const struct mu_module *module, const void *block, size_t *n_r);

#endif
