/* SPDX-License-Identifier: MIT */
/* From what is written to what it comes to: relations between directives, names resolved. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/core.h"
#include "config/resolver.h"

enum { CONF_SERVICES_MAX = 4096, CONF_ADDRESSES_MAX = 4096 };

/* Fills config (its arena is the context's) from config->root. Errors go to the context. */
void check_config(struct conf_context *context, struct resolver *resolver, struct config *config);

#endif
