/* SPDX-License-Identifier: MIT */
/*
 * A configuration's life, as config.h says: the steps of a load in their order (files, tree, schema, checks
 * and resolving), capture and restore, the reference count. The steps themselves are elsewhere.
 */
#include "config/config.h"

#include "config/capture.h"
#include "config/check.h"
#include "config/load.h"
#include "config/module.h"
#include "config/parser.h"

#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_CHUNK = 16 << 10, CAPTURE_MAX = 256 << 20 };

static const struct conf_place nowhere;

/* An empty configuration, and the context to fill it in. NULL with the error added. */
static struct config *config_new(struct conf_context *context,
				 const struct mu_module *const *modules, struct conf_errors *errors)
{
	struct config *config = NULL;

	*context = (struct conf_context){ .arena = arena_new(ARENA_CHUNK), .errors = errors };
	if (context->arena)
		config = arena_alloc(context->arena, sizeof(*config));
	if (!config) {
		conf_error(context, &nowhere, "out of memory");
		arena_free(context->arena);
		return NULL;
	}
	config->arena = context->arena;
	config->refs = 1;
	config->modules = modules;
	return config;
}

/* A configuration with errors is none. */
static struct config *config_finish(struct config *config, const struct conf_errors *errors,
				    size_t before)
{
	if (errors->total == before)
		return config;
	config_unref(config);
	return NULL;
}

static void config_build(struct conf_context *context, struct resolver *resolver,
			 struct config *config)
{
	check_config(context, resolver, config);
	config->resolved = resolver->first;
}

/* A daemon changes its folder: a path that stays good is absolute. */
static const char *absolute_path(struct conf_context *context, const char *path)
{
	char folder[PATH_MAX];

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (path[0] == '/')
		return conf_strdup(context, path);
	if (!getcwd(folder, sizeof(folder))) {
		conf_error(context, &nowhere, "cannot tell the current folder: %s",
			   strerror(errno));
		return NULL;
	}
	return conf_printf(context, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
}

struct config *load_file(const char *path, const struct mu_module *const *modules,
			 const struct resolver_ops *ops, struct conf_errors *errors)
{
	struct conf_context context;
	struct resolver resolver;
	size_t before = errors->total;
	struct config *config = config_new(&context, modules, errors);
	bool sound = false;

	if (!config)
		return NULL;
	resolver_init(&resolver, &context, ops);
	config->path = absolute_path(&context, path);
	if (config->path)
		config->root = conf_parse_file(&context, config->path, &sound);
	/* Where braces were lost every other complaint would be about the wrong thing. */
	if (config->path && sound && context.source)
		config_build(&context, &resolver, config);
	return config_finish(config, errors, before);
}

struct config *load_text(const char *name, const char *text, size_t len,
			 const struct mu_module *const *modules, const struct resolver_ops *ops,
			 struct conf_errors *errors)
{
	struct conf_context context;
	struct resolver resolver;
	size_t before = errors->total;
	struct config *config = config_new(&context, modules, errors);
	bool sound;

	if (!config)
		return NULL;
	resolver_init(&resolver, &context, ops);
	config->path = conf_strdup(&context, name);
	if (config->path) {
		config->root = conf_parse_text(&context, config->path, text, len, &sound);
		if (sound)
			config_build(&context, &resolver, config);
	}
	return config_finish(config, errors, before);
}

struct config *config_load(const char *path, const struct mu_module *const *modules,
			   struct conf_errors *errors)
{
	return load_file(path, modules, &resolver_system, errors);
}

int config_capture(const struct config *config, int fd)
{
	struct capture capture = { config->path, config->root, config->resolved };
	size_t len;
	char *data = capture_encode(&capture, &len);
	int result, saved;

	if (!data)
		return -1;
	result = fd_write_all(fd, data, len);
	saved = errno;
	free(data);
	errno = saved;
	return result;
}

struct config *load_capture(const void *data, size_t len, const struct mu_module *const *modules,
			    struct conf_errors *errors)
{
	struct conf_context context;
	struct resolver resolver;
	struct capture capture;
	size_t before = errors->total;
	struct config *config = config_new(&context, modules, errors);

	if (!config)
		return NULL;
	if (capture_decode(&context, data, len, &capture) == 0) {
		config->path = capture.path;
		config->root = capture.root;
		resolver_init_replay(&resolver, &context, capture.resolved);
		config_build(&context, &resolver, config);
	}
	return config_finish(config, errors, before);
}

struct config *config_restore(int fd, const struct mu_module *const *modules,
			      struct conf_errors *errors)
{
	struct conf_context context = { .errors = errors };
	struct config *config;
	size_t len;
	char *data = fd_read_all(fd, CAPTURE_MAX, &len);

	if (!data) {
		conf_error(&context, &nowhere, "cannot read the captured configuration: %s",
			   strerror(errno));
		return NULL;
	}
	config = load_capture(data, len, modules, errors);
	free(data);
	return config;
}

struct config *config_ref(struct config *config)
{
	config->refs++;
	return config;
}

void config_unref(struct config *config)
{
	if (config && --config->refs == 0)
		arena_free(config->arena);
}

const struct mu_module *config_module(const struct service_conf *service, bool *replaced_r,
				      struct conf_errors *errors)
{
	struct conf_context context = { .errors = errors };
	const struct conf_object *object = service->object;
	const struct conf_node *handler = service->handler;
	char path[PATH_MAX], reason[RESOLVER_REASON_MAX], identity[RESOLVER_IDENTITY_MAX];
	const struct mu_module *module;

	*replaced_r = false;
	if (!object)
		return service->module;
	module = resolver_system.module(object->path, path, reason);
	resolver_system.identity(object->path, identity);
	*replaced_r = strcmp(identity, object->identity) != 0;
	if (!module)
		conf_error(&context, &handler->word_at[2], "module `%s`: %s", handler->word[2],
			   reason);
	if (!module || module->flags == service->module->flags)
		return module;
	conf_error(&context, &handler->word_at[2],
		   "module `%s`: %s is of another kind than the one that was checked: reload",
		   handler->word[2], path);
	return NULL;
}

void *config_module_block(const struct service_conf *service, const struct mu_module *module,
			  struct arena *arena, struct conf_errors *errors)
{
	const struct mu_module *const modules[] = { module, NULL };
	struct conf_context context = { .arena = arena, .errors = errors };
	void *block = module_read(&context, modules, module, service->handler);

	if (block &&
	    !module_check(&context, modules, module, service->handler, block, service->chroot))
		return NULL;
	return block;
}

/* ------------------------------------------------------------------------- for a client ---- */

/* The first `path` in a `control` block; in_blocks: also where a lost brace may have put it. */
static const struct conf_node *find_control_path(const struct conf_node *first, bool in_blocks)
{
	const struct conf_node *found = NULL;

	for (; first && !found; first = first->next)
		if (strcmp(first->word[0], "control") == 0)
			found = conf_find(first->child, "path");
		else if (in_blocks)
			found = find_control_path(first->child, true);
	return found;
}

/* In the context's arena; NULL with errno. */
static const char *read_control_path(struct conf_context *context, const char *conf_file)
{
	const char *absolute = absolute_path(context, conf_file);
	const struct conf_node *root, *path;
	bool sound;

	if (!absolute || access(absolute, R_OK) < 0)
		return NULL;
	root = conf_parse_file(context, absolute, &sound);
	path = find_control_path(root, false);
	if (!path && context->errors->total > 0)
		path = find_control_path(root, true);
	if (path && !path->broken && path->words == 2 && path->word[1][0])
		return conf_path(context, &path->word_at[1], path->word[1]);
	errno = path || context->errors->total > 0 ? EINVAL : ENOENT;
	return NULL;
}

char *config_control_path(const char *path)
{
	struct conf_errors errors = { .total = 0 };
	struct conf_context context = { .arena = arena_new(ARENA_CHUNK), .errors = &errors };
	const char *found = context.arena ? read_control_path(&context, path) : NULL;
	char *copy = found ? strdup(found) : NULL;
	int saved = errno;

	conf_errors_cleanup(&errors);
	arena_free(context.arena);
	errno = saved;
	return copy;
}
