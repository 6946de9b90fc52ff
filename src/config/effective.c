/* SPDX-License-Identifier: MIT */
/*
 * The values as effective.h says: the tables are walked, each value is printed as config_print would. Where
 * the system has answered a question it is the answer that counts: an address and not a host's name, a
 * user's number and not the user's name.
 */
#include "config/effective.h"

#include "config/module.h"

#include <stdlib.h>
#include <string.h>

struct source {
	struct conf_context *context;
	const struct config *config;
	const struct service_conf *service; /* NULL: the top level */
	struct effective_values values;     /* so far */
	size_t files;                       /* of the service, met so far */
	bool in_handler;                    /* within its block */
	/* Whatever is printed goes through one stream; what was printed last begins at `taken`. */
	FILE *out;
	char *data;
	size_t len, taken;
};

/* What was printed since the last call, in the arena. */
static const char *take(struct source *source)
{
	struct conf_context *context = source->context;
	const char *text = NULL;

	if (fflush(source->out) == 0)
		text = arena_strndup(context->arena, source->data + source->taken,
				     source->len - source->taken);
	if (!text)
		conf_error(context, &(struct conf_place){ NULL, 0, 0 }, "out of memory");
	source->taken = source->len;
	return text;
}

/* --------------------------------------------------------------- what the system has answered ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t count_listeners(const struct service_conf *service)
{
	size_t n = 0;

	for (size_t i = 0; i < service->listens; i++)
		n += service->listen[i].kind == LISTEN_SYSTEMD ? 1 : service->listen[i].addresses;
	return n;
}

/* Sorted: in which order they are written makes no difference. */
static void print_listeners(const struct source *source)
{
	struct conf_context *context = source->context;
	const struct service_conf *service = source->service;
	const char **text = conf_alloc(context, (count_listeners(service) + 1) * sizeof(*text));
	char buffer[ADDRESS_TEXT_MAX];
	size_t n = 0;

	if (!text)
		return;
	for (size_t i = 0; i < service->listens; i++) {
		const struct conf_listen *listen = &service->listen[i];

		if (listen->kind == LISTEN_SYSTEMD)
			text[n++] = conf_printf(context, "systemd:%s", listen->systemd_name);
		for (size_t j = 0; listen->kind != LISTEN_SYSTEMD && j < listen->addresses; j++)
			text[n++] = conf_strdup(context, address_text(&listen->address[j], buffer));
	}
	if (context->errors->total > 0)
		return;
	qsort(text, n, sizeof(*text), compare_texts);
	for (size_t i = 0; i < n; i++)
		fprintf(source->out, "%s%s", i ? " " : "", text[i]);
}

static void print_user(const struct source *source)
{
	const struct conf_ids *ids = &source->service->ids;

	if (ids->change && ids->user)
		fprintf(source->out, "uid %u", (unsigned)ids->uid);
}

static int compare_groups(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

/* Sorted as well: a directory server may give them in any order. */
static void print_groups(const struct source *source)
{
	struct conf_context *context = source->context;
	const struct conf_ids *ids = &source->service->ids;
	gid_t *group = conf_alloc(context, (ids->groups + 1) * sizeof(*group));

	if (!ids->change || !group)
		return;
	memcpy(group, ids->group, ids->groups * sizeof(*group));
	qsort(group, ids->groups, sizeof(*group), compare_groups);
	fprintf(source->out, "gid %u, groups", (unsigned)ids->gid);
	for (size_t i = 0; i < ids->groups; i++)
		fprintf(source->out, " %u", (unsigned)group[i]);
}

static void print_workers(const struct source *source)
{
	const struct service_conf *service = source->service;

	fprintf(source->out, "%d", service->workers_min);
	if (service->workers_max != service->workers_min)
		fprintf(source->out, "..%d", service->workers_max);
}

static void print_id(const struct source *source, const char *what, unsigned id)
{
	if (id != (unsigned)-1)
		fprintf(source->out, "%s %u", what, id);
}

static void print_socket_owner(const struct source *source)
{
	print_id(source, "uid", source->service->socket_owner);
}

static void print_socket_group(const struct source *source)
{
	print_id(source, "gid", source->service->socket_group);
}

static void print_control_owner(const struct source *source)
{
	print_id(source, "uid", source->config->control.owner);
}

static void print_control_group(const struct source *source)
{
	print_id(source, "gid", source->config->control.group);
}

/* Prints what the directive comes to; nothing where it has no effect. */
struct answer {
	const char *name;
	void (*print)(const struct source *source);
	bool shown_alone; /* it says all, without what is written */
};

static const struct answer service_answers[] = {
	{ "listen", print_listeners, true },
	{ "user", print_user },
	{ "group", print_groups },
	{ "workers", print_workers },
	{ "socket { owner }", print_socket_owner },
	{ "socket { group }", print_socket_group },
	{ NULL },
};

static const struct answer top_answers[] = {
	{ "control { owner }", print_control_owner },
	{ "control { group }", print_control_group },
	{ NULL },
};

static const struct answer *find_answer(const struct source *source, const char *name)
{
	const struct answer *answer = source->service ? service_answers : top_answers;

	while (answer->name && strcmp(answer->name, name) != 0)
		answer++;
	return answer->name && !source->in_handler ? answer : NULL;
}

/* ------------------------------------------------------------------------------- the values ---- */

/* NULL: nothing was printed. */
static const char *take_any(struct source *source)
{
	const char *text = take(source);

	return text && *text ? text : NULL;
}

static void set_answer(struct source *source, const struct answer *answer,
		       struct effective_value *value)
{
	const char *written = value->shown;

	answer->print(source);
	value->text = take_any(source);
	if (!value->text || (written && strcmp(value->text, written) == 0))
		return;
	value->shown = value->text;
	if (written && !answer->shown_alone)
		value->shown = conf_printf(source->context, "%s (%s)", written, value->text);
}

/* Of the path that comes next in the block; NULL: the checker has met fewer. */
static const char *next_file(struct source *source)
{
	const struct service_conf *service = source->service;

	if (!service || source->files == service->files)
		return NULL;
	return service->file[source->files++].identity;
}

/* How many files a value of a module's block stands for. */
static size_t files_of(const struct mu_directive *directive, const void *field)
{
	const struct mu_words *command = field;
	size_t n = 0;

	if (directive->type == MU_PATH)
		return *(const char *const *)field != NULL;
	if (directive->type == MU_COMMAND)
		for (size_t i = 0; i < command->n; i++)
			n += module_is_file(command->word[i]);
	return n;
}

/* Of the n files that come next. */
static const char *next_files(struct source *source, size_t n)
{
	const char *all = NULL, *one;

	for (; n > 0 && (one = next_file(source)); n--)
		all = conf_printf(source->context, "%s|%s", all ? all : "", one);
	return all;
}

static void add(const struct schema_visitor *visitor, const struct effective_value *value);
static void add_block(const struct schema_visitor *visitor, const struct conf_handler *handler);

static void add_value(const struct schema_visitor *visitor, const struct mu_directive *directive,
		      const struct conf_node *node, const char *name, const void *field)
{
	struct source *source = visitor->arg;
	const struct answer *answer = find_answer(source, name);
	struct effective_value value = { .name = name };

	(void)node;
	/* Those are for the services, and it is there that they have an effect. */
	if (!source->service && (strcmp(name, "user") == 0 || strcmp(name, "group") == 0))
		return;
	schema_print_value(directive, field, source->out);
	value.text = value.shown = take_any(source);
	if (answer)
		set_answer(source, answer, &value);
	if (source->in_handler) {
		value.file = next_files(source, files_of(directive, field));
		value.is_command = directive->type == MU_COMMAND;
	}
	add(visitor, &value);
	if ((int)directive->type == CONF_HANDLER)
		add_block(visitor, field);
}

static void add(const struct schema_visitor *visitor, const struct effective_value *value)
{
	struct effective_values *values = &((struct source *)visitor->arg)->values;
	struct effective_value *grown =
		schema_grow(visitor->schema, values->value, values->n, 1, sizeof(*grown));

	if (!grown)
		return;
	grown[values->n] = *value;
	*values = (struct effective_values){ grown, values->n + 1 };
}

/* The file of a module is a part of the configuration, and its block is what the checker found in it. */
static void add_object(const struct schema_visitor *visitor, const struct conf_object *object)
{
	struct source *source = visitor->arg;
	struct effective_value value = { .text = object->path,
					 .shown = object->path,
					 .file = object->identity };

	value.name = conf_printf(visitor->schema->context, "handler module %s", object->asked);
	if (value.name)
		add(visitor, &value);
	for (size_t i = 0; i < object->values; i++) {
		const struct conf_value *of = &object->value[i];

		value = (struct effective_value){ of->name, of->text, of->text,
						  next_files(source, of->files) };
		add(visitor, &value);
	}
}

static void add_block(const struct schema_visitor *visitor, const struct conf_handler *handler)
{
	struct conf_context *context = visitor->schema->context;
	const struct mu_module *module = handler->module;
	struct source *source = visitor->arg;
	const char *before;
	void *block;

	if (source->service && source->service->object) {
		add_object(visitor, source->service->object);
		return;
	}
	if (!module || !module->directives)
		return;
	before = conf_printf(context, "handler %s { ", module->name);
	block = conf_alloc(context, module->config_size);
	if (!before || !block)
		return;
	schema_apply(visitor->schema, module->directives, handler->node, handler->node->child,
		     block);
	source->in_handler = true;
	schema_visit(visitor, module->directives, handler->node->child, block, before, " }");
	source->in_handler = false;
}

static bool open_source(struct source *source)
{
	source->out = open_memstream(&source->data, &source->len);
	if (!source->out)
		conf_error(source->context, &(struct conf_place){ NULL, 0, 0 }, "out of memory");
	return source->out;
}

static void close_source(struct source *source)
{
	fclose(source->out);
	free(source->data);
}

static struct effective_values list(struct source *source, const struct mu_directive *table,
				    const struct conf_node *first, const void *base)
{
	const struct schema schema = { source->context, core_directives, source->config->modules };
	const struct schema_visitor visitor = { &schema, add_value, source };

	if (!open_source(source))
		return source->values;
	schema_visit(&visitor, table, first, base, "", "");
	close_source(source);
	return source->values;
}

struct effective_values effective_top(struct conf_context *context, const struct config *config)
{
	struct source source = { .context = context, .config = config };

	return list(&source, core_directives, config->root, config->core);
}

struct effective_values effective_service(struct conf_context *context, const struct config *config,
					  size_t i)
{
	struct source source = { .context = context,
				 .config = config,
				 .service = config->service[i] };
	const struct mu_directive *table = core_directives;
	const struct core_service *core = config->core->services.item[i];

	while ((int)table->type != CONF_ITEMS)
		table++;
	return list(&source, table->block, core->item.node->child, core);
}

/* The values of a block in the making. */
struct block {
	struct source source; /* for what is printed */
	struct conf_value *value;
	size_t n;
};

static void add_block_value(const struct schema_visitor *visitor,
			    const struct mu_directive *directive, const struct conf_node *node,
			    const char *name, const void *field)
{
	struct block *block = visitor->arg;
	struct conf_value *grown =
		schema_grow(visitor->schema, block->value, block->n, 1, sizeof(*grown));
	const char *text;

	(void)node;
	if (!grown)
		return;
	schema_print_value(directive, field, block->source.out);
	text = take_any(&block->source);
	grown[block->n++] = (struct conf_value){ name, text, files_of(directive, field) };
	block->value = grown;
}

const struct conf_value *effective_block(struct conf_context *context,
					 const struct service_conf *service, const void *config,
					 size_t *n_r)
{
	static const struct mu_module *const none[] = { NULL };
	const struct schema schema = { context, core_directives, none };
	struct block block = { .source.context = context };
	const struct schema_visitor visitor = { &schema, add_block_value, &block };
	const struct mu_directive *table = service->module->directives;
	const char *before = conf_printf(context, "handler module %s { ", service->object->asked);

	*n_r = 0;
	if (!table || !before || !open_source(&block.source))
		return NULL;
	schema_visit(&visitor, table, service->handler->child, config, before, " }");
	close_source(&block.source);
	*n_r = block.n;
	return block.value;
}
