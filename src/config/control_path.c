/* SPDX-License-Identifier: MIT */
/* Where the control socket is, by a file that may be broken elsewhere: for clients. */
#include "config/config.h"
#include "config/parser.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

char *config_control_path(const char *file)
{
	struct conf_errors errors = { 0 };
	struct conf_context context = { .arena = arena_new(16 << 10), .errors = &errors };
	const struct conf_node *block, *path;
	char *absolute = realpath(file, NULL), *found = NULL;
	bool sound;

	if (!absolute || !context.arena)
		goto out;
	block = conf_find(conf_parse_file(&context, absolute, &sound), "control");
	path = block ? conf_find(block->child, "path") : NULL;
	errno = ENOENT;
	if (path && path->words == 2)
		found = strdup(conf_path(&context, &path->word_at[1], path->word[1]));
out:
	conf_errors_cleanup(&errors);
	arena_free(context.arena);
	free(absolute);
	return found;
}
