/* SPDX-License-Identifier: MIT */
/*
 * From words to the tree of directives, with `include` replaced by what it names. Knows no directive but
 * that one. Files are read whole, once, and registered with the context, so that errors can show them.
 */
#ifndef CONFIG_PARSER_H
#define CONFIG_PARSER_H

#include "config/errors.h"

enum {
	CONF_FILE_MAX = 1 << 20,   /* bytes of one file */
	CONF_TOTAL_MAX = 16 << 20, /* bytes of all files, and of all words after ${} */
	CONF_NODES_MAX = 50000,    /* directives */
	CONF_DEPTH_MAX = 16,       /* blocks in blocks */
	CONF_INCLUDE_MAX = 8       /* files in files */
};

/*
 * The directives of a file (an absolute path). *sound_r is false when braces were lost, so that what
 * stands where is in doubt and should not be judged. Errors go to the context.
 */
const struct conf_node *conf_parse_file(struct conf_context *context, const char *path,
					bool *sound_r);
/*
 * The same from memory; `include` is an error. name: for the places, NULL for a default of ours.
 * The text is borrowed for the context's life.
 */
const struct conf_node *conf_parse_text(struct conf_context *context, const char *name,
					const char *text, size_t len, bool *sound_r);

/* The first directive of that name in a list, or NULL. */
const struct conf_node *conf_find(const struct conf_node *first, const char *name);

/* A path as an absolute one: what is relative is taken from the folder of the file `at` is in. */
const char *conf_path(struct conf_context *context, const struct conf_place *at, const char *path);

#endif
