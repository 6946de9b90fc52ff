/* SPDX-License-Identifier: MIT */
/*
 * The head of a file's 200 response: made once, when the file is opened, of what is known of the
 * file and of what the settings of its path say. All other responses with the file take theirs from
 * it.
 */
#ifndef SERVICES_HTTP_HEAD_H
#define SERVICES_HTTP_HEAD_H

#include "services/http/encoding.h"
#include "services/http/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct file_options;

enum {
	FILE_HEAD_MAX = 8192, /* a head is never longer */
	HEAD_SAID_MAX = 160   /* nor what head_said writes */
};

/* What the head says beside the file's own size and times. */
struct head_values {
	const struct settings *settings;
	const char *type; /* of the content, once decoded */
	const char *server;
	enum encoding encoding;
	bool varies; /* the file is there in more than one encoding */
};

/*
 * Writes the head to out; its length and where its parts are, its dates and entity tag to file,
 * whose identity and size are set. now: seconds since 1970. 0, or -1 with EMSGSIZE.
 */
int head_make(struct file *file, const struct head_values *values, int64_t now,
	      char out[FILE_HEAD_MAX]);

/*
 * For what is not a file: the lines that `nosniff` and, where the response may be kept, `expires`
 * ask for. How many bytes were written to out.
 */
size_t head_said(const struct settings *settings, bool may_keep, int64_t now,
		 char out[HEAD_SAID_MAX]);

/* Is there a line of that name among the lines up to end? */
bool head_has_field(const char *lines, const char *end, const char *name);

#endif
