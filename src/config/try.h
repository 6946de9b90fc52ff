/* SPDX-License-Identifier: MIT */
/*
 * config_load runs code of modules, which may crash, exit or hang. In a process of its own that does no harm, and what it
 * was at stands in memory that outlives it. The master's checker is such a process; for others there is config_try.
 */
#ifndef CONFIG_TRY_H
#define CONFIG_TRY_H

#include "config/config.h"

enum { CONF_STEP_MAX = 512 };

/* For conf_errors.step: shared with the processes that are forked later. NULL: no memory; then nobody learns it. */
char *conf_step_new(void);
/* NULL is fine. */
void conf_step_free(char *step);

/*
 * Loads the configuration in a child, which calls then(config) and exits with its result. Waits for that, and returns
 * it. EX_CONFIG: the configuration is wrong, or a module ended the process: `out` says so.
 */
int config_try(const char *path, const struct mu_module *const *modules,
	       int (*then)(const struct config *config), FILE *out);

#endif
