/* SPDX-License-Identifier: MIT */
/* What was meant: the message for a name that is not known, by all that is known. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include "config/schema.h"

/*
 * Adds the error for a directive that the table of its block does not have. The directive of that table
 * that was probably meant, which is then not missing, or NULL.
 */
const struct mu_directive *suggest_directive(const struct schema *schema,
					     const struct mu_directive *table,
					     const struct conf_node *node);

/* Adds the error for a handler that is not in the list of modules; it names them. */
void suggest_handler(const struct schema *schema, const struct conf_node *node);

/* A note on the first of several words where one name is taken, as others write it; NULL: none. */
const char *suggest_label(const char *word);

/*
 * How far two names are apart: changed, added, lost or swapped letters; case and - or _ do not count.
 * Names of more than 63 bytes are far from everything.
 */
int suggest_distance(const char *a, const char *b);

#endif
