/* SPDX-License-Identifier: MIT */
/* Whether a module's struct and its tables of directives make sense: they come from a file that we have not built. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "musterd/module.h"

#include <stdbool.h>

/*
 * The struct has this program's MU_ABI. False with a reason of RESOLVER_REASON_MAX bytes. What points into nowhere cannot be
 * seen: looking at it crashes.
 */
bool table_is_sound(const struct mu_module *module, char *reason_r);

#endif
