/* SPDX-License-Identifier: MIT */
/* What a service's handler says in its block. */
#ifndef CONFIG_MODULE_H
#define CONFIG_MODULE_H

#include "config/errors.h"

/* Fills the struct of the service's module. NULL with the errors added. */
void *module_read(struct conf_context *context, const struct mu_module *const *modules,
		  const struct mu_module *module, const struct conf_node *handler);
/*
 * Calls the module's check for it. False with the errors added. Not for the master: this is foreign code, and may
 * look at files.
 */
bool module_check(struct conf_context *context, const struct mu_module *const *modules,
		  const struct mu_module *module, const struct conf_node *handler, void *block,
		  const char *chroot);

/* A word of MU_COMMAND whose file, if it is one, is part of the configuration. */
static inline bool module_is_file(const char *word)
{
	return word[0] == '/';
}

/*
 * The paths in such a struct, in the order of the module's table, those of MU_COMMAND below the chroot (NULL:
 * none). NULL: *n_r is 0.
 */
const char *const *module_paths(struct conf_context *context,
				const struct mu_module *const *modules,
				const struct mu_module *module, const struct conf_node *handler,
				const void *block, const char *chroot, size_t *n_r);

/* The files that it appends to, in the order of the table, each path once, at its first place. NULL: *n_r is 0. */
const struct conf_output *module_outputs(struct conf_context *context,
					 const struct mu_module *const *modules,
					 const struct mu_module *module,
					 const struct conf_node *handler, const void *block,
					 size_t *n_r);

#endif
