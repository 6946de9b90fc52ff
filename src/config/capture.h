/* SPDX-License-Identifier: MIT */
/*
 * A configuration as bytes: its tree with all places, and what the system answered. For sending what the
 * checker found to the master. The reader trusts nothing: every length is checked before it is used.
 */
#ifndef CONFIG_CAPTURE_H
#define CONFIG_CAPTURE_H

#include "config/errors.h"

struct capture {
	const char *path;
	const struct conf_node *root, *resolved;
};

/* malloc'd bytes, or NULL with errno. */
char *capture_encode(const struct capture *capture, size_t *len_r);
/* Everything made is in the arena. 0, or -1 with the error added. */
int capture_decode(struct conf_context *context, const void *data, size_t len,
		   struct capture *capture_r);

#endif
