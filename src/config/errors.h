/* SPDX-License-Identifier: MIT */
/*
 * What all parts of reading a configuration share: the arena that it is built in, the errors found so
 * far, and the texts of the files read, so that an error can show its line. An allocation that fails is
 * an error like the others: parts return early, and the load fails in the end.
 */
#ifndef CONFIG_ERRORS_H
#define CONFIG_ERRORS_H

#include "config/config.h"

#include <stdarg.h>

struct conf_source {
	struct conf_source *next;
	const char *name;
	const char *text;
	size_t len;
};

struct conf_context {
	struct arena *arena;
	struct conf_errors *errors;
	struct conf_source *source; /* in the order of reading, which is the order of errors */
};

/*
 * Adds an error. at->file NULL: it has no place; at->line 0: it is about the file as a whole. When there
 * are too many, those that come first in the files are kept.
 */
void conf_error(struct conf_context *context, const struct conf_place *at, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
void conf_verror(struct conf_context *context, const struct conf_place *at, const char *format,
		 va_list args) __attribute__((__format__(__printf__, 3, 0)));

/* Before code of a module is run: says what it is asked for. format NULL: it has come back. */
void conf_step(struct conf_context *context, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* As arena_alloc and friends; NULL adds an error. */
void *conf_alloc(struct conf_context *context, size_t size);
char *conf_strdup(struct conf_context *context, const char *string);
char *conf_printf(struct conf_context *context, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

#endif
