/* SPDX-License-Identifier: MIT */
/* The files of a configuration: which ones a pattern names, and their contents. Used by parser.c only. */
#ifndef CONFIG_INCLUDE_H
#define CONFIG_INCLUDE_H

#include "config/errors.h"

#include <sys/types.h>

/* A file that is being read, and the one that included it. */
struct include {
	struct include *outer;
	const char *name;
	dev_t dev;
	ino_t ino;
};

struct include_list {
	size_t n;
	char **path; /* absolute, sorted by byte */
};

/*
 * What a word of an include directive names. A pattern may match nothing, or nothing but folders; a
 * plain name is given as it is. 0, or -1 with the error added.
 */
int include_match(struct conf_context *context, const char *pattern, const struct conf_place *at,
		  struct include_list *list_r);
void include_list_cleanup(struct include_list *list);

/*
 * Reads include->name, a regular file of at most max bytes, fills in dev and ino and registers it with the
 * context. at: where it was asked for. NULL with the error added: too deep, a loop, not readable.
 */
const struct conf_source *include_read(struct conf_context *context, struct include *include,
				       const struct conf_place *at, size_t max);

#endif
