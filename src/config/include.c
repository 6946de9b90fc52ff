/* SPDX-License-Identifier: MIT */
/* Includes, as include.h says. A name may lead to a FIFO or a device: opening must not wait for it. */
#include "config/include.h"

#include "config/parser.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(struct include_list *list, const char *path)
{
	char **grown = reallocarray(list->path, list->n + 1, sizeof(*grown));
	char *copy = strdup(path);

	if (grown)
		list->path = grown;
	if (!grown || !copy) {
		free(copy);
		return -1;
	}
	list->path[list->n++] = copy;
	return 0;
}

/* A folder that does not exist matches nothing; one that cannot be read may hide what was meant. */
static int glob_failed(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

/* The folder of the including file is no pattern, whatever it is called. */
static char *full_pattern(const char *pattern, const struct conf_place *at)
{
	const char *slash = strrchr(at->file, '/');
	size_t folder = slash && pattern[0] != '/' ? (size_t)(slash - at->file) + 1 : 0;
	size_t len = strlen(pattern);
	char *full = malloc(2 * folder + len + 1), *p = full;

	if (!full)
		return NULL;
	for (size_t i = 0; i < folder; i++) {
		if (strchr("*?[]\\", at->file[i]))
			*p++ = '\\';
		*p++ = at->file[i];
	}
	memcpy(p, pattern, len + 1);
	return full;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int match_pattern(const char *pattern, const struct conf_place *at,
			 struct include_list *list)
{
	char *full = full_pattern(pattern, at);
	glob_t found = { 0 };
	int result = -1;

	if (!full)
		return -1;
	switch (glob(full, GLOB_NOSORT, glob_failed, &found)) {
	case 0:
		result = 0;
		for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
			if (!is_folder(found.gl_pathv[i]))
				result = add_path(list, found.gl_pathv[i]);
		break;
	case GLOB_NOMATCH:
		result = 0;
		break;
	case GLOB_NOSPACE:
		errno = ENOMEM;
		break;
	}
	globfree(&found);
	free(full);
	return result;
}

int include_match(struct conf_context *context, const char *pattern, const struct conf_place *at,
		  struct include_list *list_r)
{
	const char *path;
	int result;

	*list_r = (struct include_list){ .n = 0 };
	if (strpbrk(pattern, "*?[")) {
		result = match_pattern(pattern, at, list_r);
	} else {
		path = conf_path(context, at, pattern);
		result = path ? add_path(list_r, path) : -1;
	}
	if (result < 0) {
		conf_error(context, at, "cannot look for `%s`: %s", pattern, strerror(errno));
		include_list_cleanup(list_r);
		return -1;
	}
	if (list_r->n > 0)
		qsort(list_r->path, list_r->n, sizeof(*list_r->path), compare_paths);
	return 0;
}

void include_list_cleanup(struct include_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->path[i]);
	free(list->path);
	*list = (struct include_list){ .n = 0 };
}

static const char *read_all(struct conf_context *context, int fd, size_t size, size_t *len_r)
{
	char *text = conf_alloc(context, size + 1);
	size_t len = 0;
	ssize_t n;

	if (!text) {
		errno = ENOMEM;
		return NULL;
	}
	while (len < size && (n = read(fd, text + len, size - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		len += (size_t)n;
	}
	*len_r = len;
	return text;
}

static struct conf_source *register_source(struct conf_context *context, const char *name,
					   const char *text, size_t len)
{
	struct conf_source *source = conf_alloc(context, sizeof(*source));
	struct conf_source **last = &context->source;

	if (!source)
		return NULL;
	while (*last)
		last = &(*last)->next;
	*source = (struct conf_source){ .name = conf_strdup(context, name),
					.text = text,
					.len = len };
	if (!source->name)
		return NULL;
	return *last = source;
}

static bool may_include(struct conf_context *context, const struct include *include,
			const struct conf_place *at)
{
	int depth = 0;

	for (const struct include *outer = include->outer; outer; outer = outer->outer) {
		if (outer->dev == include->dev && outer->ino == include->ino) {
			conf_error(context, at, "`%s` includes itself%s", include->name,
				   outer == include->outer ? "" : " by way of this file");
			return false;
		}
		if (++depth > CONF_INCLUDE_MAX) {
			conf_error(context, at, "files include one another more than %d deep",
				   CONF_INCLUDE_MAX);
			return false;
		}
	}
	return true;
}

const struct conf_source *include_read(struct conf_context *context, struct include *include,
				       const struct conf_place *at, size_t max)
{
	struct conf_source *source = NULL;
	const char *text;
	struct stat st;
	size_t len;
	int fd = open(include->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0) {
		conf_error(context, at, "cannot open `%s`: %s", include->name, strerror(errno));
		fd_close(&fd);
		return NULL;
	}
	include->dev = st.st_dev;
	include->ino = st.st_ino;
	if (!S_ISREG(st.st_mode))
		conf_error(context, at, "`%s` is %s, not a regular file", include->name,
			   S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
	else if ((size_t)st.st_size > max)
		conf_error(context, at, "`%s` is larger than %zu KiB", include->name, max >> 10);
	else if (may_include(context, include, at)) {
		text = read_all(context, fd, (size_t)st.st_size, &len);
		if (text)
			source = register_source(context, include->name, text, len);
		else
			conf_error(context, at, "cannot read `%s`: %s", include->name,
				   strerror(errno));
	}
	fd_close(&fd);
	return source;
}
