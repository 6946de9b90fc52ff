/* SPDX-License-Identifier: MIT */
/*
 * The effective values of a configuration, one after another as texts: defaults included, wherever they were
 * written, and with what the system answered. For comparing; diff.c is who does.
 */
#ifndef CONFIG_EFFECTIVE_H
#define CONFIG_EFFECTIVE_H

#include "config/core.h"

struct effective_value {
	const char *name;  /* in the words of the file: "timeout { idle }" */
	const char *text;  /* what it comes to: equal texts have equal effects. NULL: nothing */
	const char *shown; /* for a person: "anna (uid 1001)" */
	const char *file;  /* the identity of the file that it names; NULL: none is looked at */
};

struct effective_values {
	const struct effective_value *value;
	size_t n;
};

/*
 * The top level's own, without what is there for services that do not say otherwise. All that is made lives
 * in the context's arena; errors, which can be but of memory, go to the context. So below.
 */
struct effective_values effective_top(struct conf_context *context, const struct config *config);
/* Those of config->service[i], its handler's block included. */
struct effective_values effective_service(struct conf_context *context, const struct config *config,
					  size_t i);

/*
 * Those of the block of a module in a file, by the module's table: config is the struct that it filled. For the one process
 * that has the module; others get them as service_conf.object.
 */
const struct conf_value *effective_block(struct conf_context *context,
					 const struct service_conf *service, const void *config,
					 size_t *n_r);

#endif
