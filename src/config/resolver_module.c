/* SPDX-License-Identifier: MIT */
/* Modules in files and what their blocks came to, as answers: see resolver.h, and for the records resolver.c. */
#include "config/resolver_record.h"

#include <limits.h>
#include <stdint.h>

/* "module" ASKED PATH IDENTITY NAME FLAGS CONNECTIONS */
static int record_module(struct resolver *resolver, const struct mu_module *module,
			 const struct conf_object *object, char *reason_r)
{
	const char **word = resolver_record(resolver, 7);

	if (!word)
		return resolver_fail(reason_r, "out of memory");
	word[0] = "module";
	word[1] = object->asked;
	word[2] = object->path;
	word[3] = object->identity;
	word[4] = module->name;
	word[5] = resolver_number(resolver, module->flags);
	word[6] = resolver_number(resolver, (unsigned long)module->connections);
	return word[5] && word[6] ? 0 : resolver_fail(reason_r, "out of memory");
}

static const struct mu_module *replay_module(struct resolver *resolver, const char *asked,
					     struct conf_object *object, char *reason_r)
{
	const char *const *word = resolver_replay(resolver, 7, "module", asked, NULL, reason_r);
	struct mu_module *module = conf_alloc(resolver->context, sizeof(*module));
	unsigned long flags, connections;

	if (!word || !module || !resolver_read_number(word[5], UINT32_MAX, &flags, reason_r) ||
	    !resolver_read_number(word[6], INT32_MAX, &connections, reason_r))
		return NULL;
	*module = (struct mu_module){ .abi = MU_ABI,
				      .name = word[4],
				      .flags = (unsigned)flags,
				      .connections = (int)connections };
	object->path = word[2];
	object->identity = word[3];
	return module;
}

static const struct mu_module *live_module(struct resolver *resolver, const char *asked,
					   const struct conf_place *at, struct conf_object *object,
					   char *reason_r)
{
	char path[PATH_MAX], identity[RESOLVER_IDENTITY_MAX];
	const struct mu_module *module;

	conf_step(resolver->context, "the loading of module %s (%s:%d)", asked, at->file, at->line);
	module = resolver->ops->module(asked, path, reason_r);
	conf_step(resolver->context, NULL);
	if (!module)
		return NULL;
	resolver->ops->identity(path, identity);
	object->path = conf_strdup(resolver->context, path);
	object->identity = conf_strdup(resolver->context, identity);
	if (object->path && object->identity)
		return module;
	resolver_fail(reason_r, "out of memory");
	return NULL;
}

int resolver_module(struct resolver *resolver, const char *asked, const struct conf_place *at,
		    const struct mu_module **module_r, struct conf_object **object_r,
		    char *reason_r)
{
	struct conf_object *object = conf_alloc(resolver->context, sizeof(*object));

	if (!object)
		return resolver_fail(reason_r, "out of memory");
	object->asked = asked;
	*module_r = resolver->ops ? live_module(resolver, asked, at, object, reason_r)
				  : replay_module(resolver, asked, object, reason_r);
	*object_r = object;
	return *module_r ? record_module(resolver, *module_r, object, reason_r) : -1;
}

/* "values" (NAME TEXT FILES)... */
static int record_values(struct resolver *resolver, const struct resolver_block *block)
{
	const char **word = resolver_record(resolver, 1 + 3 * block->values);

	if (!word)
		return -1;
	word[0] = "values";
	for (size_t i = 0; i < block->values; i++) {
		const struct conf_value *value = &block->value[i];

		word[1 + 3 * i] = value->name;
		word[2 + 3 * i] = value->text ? value->text : "";
		word[3 + 3 * i] = resolver_number(resolver, value->files);
		if (!word[3 + 3 * i])
			return -1;
	}
	return 0;
}

/* "paths" PATH... */
static int record_paths(struct resolver *resolver, const struct resolver_block *block)
{
	const char **word = resolver_record(resolver, 1 + block->paths);

	if (!word)
		return -1;
	word[0] = "paths";
	for (size_t i = 0; i < block->paths; i++)
		word[1 + i] = block->path[i];
	return 0;
}

/* "outputs" (PATH DIRECTIVE)..., each path with its place */
static int record_outputs(struct resolver *resolver, const struct resolver_block *block)
{
	const char **word = resolver_record(resolver, 1 + 2 * block->outputs);
	struct conf_place *at =
		conf_alloc(resolver->context, (1 + 2 * block->outputs) * sizeof(*at));

	if (!word || !at)
		return -1;
	word[0] = "outputs";
	for (size_t i = 0; i < block->outputs; i++) {
		word[1 + 2 * i] = block->output[i].path;
		word[2 + 2 * i] = block->output[i].directive;
		at[1 + 2 * i] = block->output[i].at;
	}
	resolver->last->word_at = at;
	return 0;
}

static int replay_values(struct resolver *resolver, struct resolver_block *block, char *reason_r)
{
	const struct conf_node *node = resolver->next;
	struct conf_value *value;
	unsigned long files;

	if (!resolver_replay(resolver, 1, "values", NULL, NULL, reason_r))
		return -1;
	block->values = (node->words - 1) / 3;
	value = conf_alloc(resolver->context, (block->values + 1) * sizeof(*value));
	if (!value)
		return resolver_fail(reason_r, "out of memory");
	for (size_t i = 0; i < block->values; i++) {
		const char *const *word = &node->word[1 + 3 * i];

		if (!resolver_read_number(word[2], UINT32_MAX, &files, reason_r))
			return -1;
		value[i] = (struct conf_value){ word[0], *word[1] ? word[1] : NULL, files };
	}
	block->value = value;
	return 0;
}

static int replay_paths(struct resolver *resolver, struct resolver_block *block, char *reason_r)
{
	const struct conf_node *node = resolver->next;

	if (!resolver_replay(resolver, 1, "paths", NULL, NULL, reason_r))
		return -1;
	block->path = node->word + 1;
	block->paths = node->words - 1;
	return 0;
}

static int replay_outputs(struct resolver *resolver, struct resolver_block *block, char *reason_r)
{
	const struct conf_node *node = resolver->next;
	struct conf_output *output;

	if (!resolver_replay(resolver, 1, "outputs", NULL, NULL, reason_r))
		return -1;
	block->outputs = (node->words - 1) / 2;
	output = conf_alloc(resolver->context, (block->outputs + 1) * sizeof(*output));
	if (!output)
		return resolver_fail(reason_r, "out of memory");
	for (size_t i = 0; i < block->outputs; i++)
		output[i] = (struct conf_output){ node->word[1 + 2 * i], node->word[2 + 2 * i],
						  node->word_at[1 + 2 * i] };
	block->output = output;
	return 0;
}

int resolver_block(struct resolver *resolver, struct resolver_block *block, char *reason_r)
{
	if (!resolver->ops && (replay_values(resolver, block, reason_r) < 0 ||
			       replay_paths(resolver, block, reason_r) < 0 ||
			       replay_outputs(resolver, block, reason_r) < 0))
		return -1;
	if (record_values(resolver, block) < 0 || record_paths(resolver, block) < 0 ||
	    record_outputs(resolver, block) < 0)
		return resolver_fail(reason_r, "out of memory");
	return 0;
}
