/* SPDX-License-Identifier: MIT */
/*
 * The checks, as check.h says. The same code runs in the checker, where the resolver asks the system, and
 * in the master, where it replays; whatever only the checker may do asks resolver_is_live first.
 */
#include "config/check.h"

#include "config/effective.h"
#include "config/module.h"
#include "config/parser.h"

#include <ctype.h>
#include <string.h>
#include <sys/un.h>

enum {
	SERVICE_NAME_MAX = 32,
	/* sun_path with a NUL. */
	CONTROL_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1
};

struct check {
	struct conf_context *context;
	struct resolver *resolver;
	struct schema schema;
	struct config *config;
	size_t addresses;
};

static const struct conf_node *find_word(const struct conf_node *first, const char *name)
{
	const struct conf_node *node = conf_find(first, name);

	return node && node->words > 1 ? node : NULL;
}

/* Where the value of a directive stands: in the service, or what it takes over. */
static const struct conf_place *value_place(const struct check *check,
					    const struct core_service *core, const char *name)
{
	const struct conf_node *node = find_word(core->item.node->child, name);

	if (!node)
		node = find_word(check->config->root, name);
	return node ? &node->word_at[1] : &core->item.node->at;
}

/* ------------------------------------------------------------------------------------- names ---- */

static void check_name(struct check *check, struct service_conf *service,
		       const struct conf_node *node)
{
	const struct conf_place *at = node->words > 1 ? &node->word_at[1] : &node->at;
	size_t len = strlen(service->name);

	if (node->broken)
		return;
	if (len == 0) {
		conf_error(check->context, at, "a service needs a name: service NAME { ... }");
		return;
	}
	for (const char *p = service->name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_') {
			conf_error(check->context, at,
				   "the name of a service has letters, digits, - and _ only, not "
				   "`%s`",
				   service->name);
			return;
		}
	if (len > SERVICE_NAME_MAX)
		conf_error(check->context, at,
			   "the name of a service has at most %d bytes, not %zu", SERVICE_NAME_MAX,
			   len);
	for (size_t i = 0; i < check->config->services; i++) {
		const struct service_conf *other = check->config->service[i];

		if (strcmp(other->name, service->name) == 0) {
			conf_error(check->context, at, "there is another service `%s`, in %s:%d",
				   service->name, other->at.file, other->at.line);
			return;
		}
	}
}

/* --------------------------------------------------------------------------------- addresses ---- */

static bool resolve_listen(struct check *check, const char *text, const struct conf_place *at,
			   struct conf_listen *listen_r)
{
	char reason[RESOLVER_REASON_MAX];
	const char *wrong = NULL;
	struct listen_name name;

	*listen_r = (struct conf_listen){ .text = text, .at = *at };
	if (listen_name_parse(&name, text, &wrong) < 0) {
		conf_error(check->context, at, "cannot listen on `%s`: %s", text, wrong);
		return false;
	}
	listen_r->kind = name.kind;
	if (name.kind == LISTEN_SYSTEMD) {
		listen_r->systemd_name = conf_strdup(check->context, name.name);
		check->addresses++;
		return listen_r->systemd_name;
	}
	if (resolver_listen(check->resolver, text, &name, &listen_r->address, &listen_r->addresses,
			    reason) < 0) {
		conf_error(check->context, at, "cannot listen on `%s`: %s", text, reason);
		return false;
	}
	check->addresses += listen_r->addresses;
	return true;
}

static void resolve_listens(struct check *check, const struct core_service *core,
			    struct service_conf *service)
{
	struct conf_listen *listen =
		conf_alloc(check->context, (core->listen.n + 1) * sizeof(*listen));

	if (!listen)
		return;
	service->listen = listen;
	for (size_t i = 0; i < core->listen.n; i++) {
		if (resolve_listen(check, core->listen.word[i], &core->listen.at[i],
				   &listen[service->listens]))
			service->listens++;
		if (check->addresses > CONF_ADDRESSES_MAX) {
			conf_error(check->context, &core->listen.at[i],
				   "more than %d addresses to listen on", CONF_ADDRESSES_MAX);
			return;
		}
	}
}

/* True when the kernel would refuse the second one. */
static bool is_clash(const struct address *a, const struct address *b)
{
	return address_equal(a, b) || address_overlaps(a, b);
}

static bool listens_clash(const struct conf_listen *a, const struct conf_listen *b)
{
	if (a->kind == LISTEN_SYSTEMD || b->kind == LISTEN_SYSTEMD)
		return a->kind == b->kind && strcmp(a->systemd_name, b->systemd_name) == 0;
	for (size_t i = 0; i < a->addresses; i++)
		for (size_t j = 0; j < b->addresses; j++)
			if (is_clash(&a->address[i], &b->address[j]))
				return true;
	return false;
}

/* An earlier listen that takes the address away; services before `services`, then this one's own. */
static void check_clash(struct check *check, size_t services, size_t listens)
{
	struct service_conf *const *service = check->config->service;
	const struct conf_listen *listen = &service[services]->listen[listens], *other;

	for (size_t s = 0; s <= services; s++) {
		size_t n = s < services ? service[s]->listens : listens;

		for (size_t i = 0; i < n; i++) {
			other = &service[s]->listen[i];
			if (!listens_clash(listen, other))
				continue;
			conf_error(check->context, &listen->at,
				   "`%s` is taken already by service %s: `%s` in %s:%d",
				   listen->text, service[s]->name, other->text, other->at.file,
				   other->at.line);
			return;
		}
	}
}

static void check_clashes(struct check *check)
{
	struct config *config = check->config;

	for (size_t s = 0; s < config->services; s++)
		for (size_t i = 0; i < config->service[s]->listens; i++)
			check_clash(check, s, i);
}

/* ---------------------------------------------------------------------- workers, privileges ---- */

static void resolve_workers(struct check *check, struct core_service *core,
			    struct service_conf *service)
{
	struct conf_range *workers = &core->workers;
	const struct conf_range *spare = &core->spare;
	const struct conf_place *at = value_place(check, core, "spare");
	char reason[RESOLVER_REASON_MAX];
	int cpus = 0;

	if (workers->automatic) {
		if (resolver_cpus(check->resolver, &cpus, reason) < 0)
			conf_error(check->context, value_place(check, core, "workers"),
				   "`workers auto`: %s", reason);
		workers->min = workers->max = cpus;
	}
	service->workers_min = (int)workers->min;
	service->workers_max = (int)workers->max;
	service->spare_min = (int)spare->min;
	service->spare_max = (int)spare->max;
	if (!spare->given || !workers->given || core_is_tended(core))
		return;
	if (service->workers_min == service->workers_max)
		conf_error(check->context, at,
			   "`spare` has a meaning only where `workers` is a range, as 2..16");
	else if (spare->max > workers->max)
		conf_error(check->context, at,
			   "`spare` is up to %lld, but `workers` only up to %lld",
			   (long long)spare->max, (long long)workers->max);
	else if (spare->max == 0)
		conf_error(check->context, at, "`spare` must be up to 1 at least");
}

static void refuse_not_tended(struct check *check, const struct core_service *core,
			      const struct conf_node *node)
{
	for (; node; node = node->next) {
		const char *why = core_why_not_tended(node->word[0]);

		if (why)
			conf_error(check->context, &node->at,
				   "`%s` means nothing here: the handler `%s` accepts by itself, "
				   "and %s",
				   node->word[0], core->handler.module->name, why);
	}
}

/*
 * Where the module accepts by itself nobody else sees how many clients there are, when a request begins or ends,
 * or who is idle. Only what is written is an error: all of it has defaults.
 */
static void check_tended(struct check *check, const struct core_service *core)
{
	const struct conf_node *service = core->item.node->child;
	const struct conf_node *timeout = conf_find(service, "timeout");

	refuse_not_tended(check, core, service);
	if (timeout)
		refuse_not_tended(check, core, timeout->child);
	if (core->workers.min != core->workers.max)
		conf_error(check->context, value_place(check, core, "workers"),
			   "`workers` is one number here, or auto: the handler `%s` accepts by "
			   "itself, and nobody else sees when more of it are needed",
			   core->handler.module->name);
}

static void resolve_privileges(struct check *check, const struct core_service *core,
			       struct service_conf *service)
{
	char reason[RESOLVER_REASON_MAX];
	int result;

	if (core->user || core->group) {
		result = resolver_ids(check->resolver, core->user, core->group, &service->ids,
				      reason);
		if (result == -2 || (result < 0 && !core->user))
			conf_error(check->context, value_place(check, core, "group"),
				   "group `%s`: %s", core->group, reason);
		else if (result < 0)
			conf_error(check->context, value_place(check, core, "user"),
				   "user `%s`: %s", core->user, reason);
	}
	service->chroot = core->chroot;
	if (core->chroot &&
	    resolver_file(check->resolver, RESOLVER_CHROOT, core->chroot, reason) < 0)
		conf_error(check->context, value_place(check, core, "chroot"), "chroot `%s`: %s",
			   core->chroot, reason);
}

/* The `owner` and `group` in a block about a Unix socket; -1 where it says nothing. */
static void resolve_owner(struct check *check, const struct conf_node *block, const char *owner,
			  const char *group, uid_t *uid_r, gid_t *gid_r)
{
	char reason[RESOLVER_REASON_MAX];

	*uid_r = (uid_t)-1;
	*gid_r = (gid_t)-1;
	if (owner && resolver_owner(check->resolver, owner, uid_r, reason) < 0)
		conf_error(check->context, &conf_find(block->child, "owner")->word_at[1],
			   "owner `%s`: %s", owner, reason);
	if (group && resolver_group(check->resolver, group, gid_r, reason) < 0)
		conf_error(check->context, &conf_find(block->child, "group")->word_at[1],
			   "group `%s`: %s", group, reason);
}

static void resolve_socket(struct check *check, const struct core_service *core,
			   struct service_conf *service)
{
	service->socket_mode = (mode_t)core->socket.mode;
	resolve_owner(check, conf_find(core->item.node->child, "socket"), core->socket.owner,
		      core->socket.group, &service->socket_owner, &service->socket_group);
}

static void resolve_control(struct check *check, const struct core *core)
{
	const struct conf_node *block = conf_find(check->config->root, "control");
	struct conf_control *control = &check->config->control;
	char reason[RESOLVER_REASON_MAX];

	control->path = core->control.path;
	control->mode = (mode_t)core->control.mode;
	resolve_owner(check, block, core->control.owner, core->control.group, &control->owner,
		      &control->group);
	if (!control->path) {
		if (core->control.owner || core->control.group)
			conf_error(check->context, &block->at,
				   "`control` has no `path`: that of its socket");
		return;
	}
	if (strlen(control->path) > CONTROL_PATH_MAX)
		conf_error(check->context, &conf_find(block->child, "path")->word_at[1],
			   "control path `%s` is longer than the %d bytes that a socket may have",
			   control->path, CONTROL_PATH_MAX);
	else if (resolver_file(check->resolver, RESOLVER_CONTROL, control->path, reason) < 0)
		conf_error(check->context, &conf_find(block->child, "path")->word_at[1],
			   "control path `%s`: %s", control->path, reason);
}

/* ---------------------------------------------------------------------- the handler's block ---- */

static void check_outputs(struct check *check, const struct service_conf *service)
{
	char reason[RESOLVER_REASON_MAX];

	for (size_t i = 0; i < service->outputs; i++) {
		const struct conf_output *output = &service->output[i];

		if (resolver_file(check->resolver, RESOLVER_OUTPUT, output->path, reason) < 0)
			conf_error(check->context, &output->at, "%s `%s`: %s", output->directive,
				   output->path, reason);
	}
}

/* Of a module that config_load has, loaded or built in. False with the errors added. */
static bool read_block(struct check *check, struct service_conf *service, void **config_r,
		       struct resolver_block *block_r)
{
	const struct mu_module *const *modules = check->config->modules;
	const struct conf_node *handler = service->handler;
	struct conf_context *context = check->context;
	const struct mu_module *module = service->module;

	conf_step(context, "the table of module %s (%s:%d)", module->name, handler->at.file,
		  handler->at.line);
	*config_r = module_read(context, modules, module, handler);
	if (*config_r) {
		block_r->path = module_paths(context, modules, module, handler, *config_r,
					     service->chroot, &block_r->paths);
		block_r->output = module_outputs(context, modules, module, handler, *config_r,
						 &block_r->outputs);
	}
	if (*config_r && service->object)
		block_r->value = effective_block(context, service, *config_r, &block_r->values);
	conf_step(context, NULL);
	return *config_r;
}

static void resolve_block(struct check *check, struct service_conf *service,
			  struct conf_object *object)
{
	const struct mu_module *const *modules = check->config->modules;
	struct conf_context *context = check->context;
	bool live = resolver_is_live(check->resolver);
	struct resolver_block block = { .values = 0 };
	char reason[RESOLVER_REASON_MAX];
	void *config = NULL;

	if ((live || !object) && !read_block(check, service, &config, &block))
		return;
	if (object && resolver_block(check->resolver, &block, reason) < 0) {
		conf_error(context, &service->handler->at, "handler `%s`: %s",
			   service->module->name, reason);
		return;
	}
	if (object) {
		object->value = block.value;
		object->values = block.values;
	}
	service->files = block.paths;
	service->output = block.output;
	service->outputs = block.outputs;
	check_outputs(check, service);
	if (live && !module_check(context, modules, service->module, service->handler, config,
				  service->chroot))
		return;
	if (resolver_files(check->resolver, block.path, service->files, &service->file, reason) < 0)
		conf_error(context, &service->handler->at, "handler `%s`: %s",
			   service->module->name, reason);
}

/* Where the handler is a module in a file, it is loaded; in the master there is what the checker found. */
static struct conf_object *resolve_module(struct check *check, struct conf_handler *handler)
{
	const struct conf_node *node = handler->node;
	struct conf_object *object = NULL;
	char reason[RESOLVER_REASON_MAX];

	if (!handler->asked)
		return NULL;
	if (resolver_module(check->resolver, handler->asked, &node->at, &handler->module, &object,
			    reason) < 0) {
		conf_error(check->context, &node->word_at[2], "module `%s`: %s", node->word[2],
			   reason);
		return NULL;
	}
	if (resolver_is_live(check->resolver) && !handler->module->directives && node->child)
		conf_error(check->context, &node->child->at,
			   "the module `%s` has no directives of its own", node->word[2]);
	return object;
}

/* ---------------------------------------------------------------------------------- services ---- */

static void copy_values(const struct core_service *core, struct service_conf *service)
{
	service->backlog = (int)core->backlog;
	service->connections = (int)core->connections;
	service->header_ms = core->timeout.header;
	service->idle_ms = core->timeout.idle;
	service->request_ms = core->timeout.request;
	service->drain_ms = core->timeout.drain;
	service->park_ms = core->timeout.park;
	service->boot_ms = core->timeout.boot;
	service->stall_ms = core->timeout.stall;
	service->orphan_ms = core->timeout.orphan;
	service->slow_ms = core->slow;
	service->overflow_refuse = core->overflow == 1;
	service->max_requests = core->max_requests;
	service->max_lifetime_ms = core->max_lifetime;
	service->max_memory = core->max_memory;
	service->umask = (mode_t)core->umask;
	service->no_new_privileges = core->no_new_privileges;
	service->nofile = core->limit.nofile;
	service->core = core->limit.core;
	service->as = core->limit.as;
}

static int default_connections(const struct mu_module *module)
{
	return module && module->connections ? module->connections : 1;
}

static struct service_conf *make_service(struct check *check, struct core_service *core,
					 const char *name)
{
	struct service_conf *service = conf_alloc(check->context, sizeof(*service));
	struct conf_object *object;

	if (!service)
		return NULL;
	object = resolve_module(check, &core->handler);
	if (!core->connections)
		core->connections = default_connections(core->handler.module);
	service->module = core->handler.module;
	service->object = object;
	service->handler = core->handler.node;
	service->name = name;
	service->at = core->item.node->at;
	check_name(check, service, core->item.node);
	copy_values(core, service);
	resolve_listens(check, core, service);
	resolve_socket(check, core, service);
	resolve_workers(check, core, service);
	if (core_is_tended(core))
		check_tended(check, core);
	resolve_privileges(check, core, service);
	if (service->module)
		resolve_block(check, service, object);
	return service;
}

static void make_services(struct check *check, const struct core *core)
{
	struct config *config = check->config;
	struct service_conf **list =
		conf_alloc(check->context, (core->services.n + 1) * sizeof(struct service_conf *));

	if (!list)
		return;
	config->service = list;
	for (size_t i = 0; i < core->services.n; i++) {
		struct core_service *service = core->services.item[i];

		if (i == CONF_SERVICES_MAX) {
			conf_error(check->context, &service->item.node->at, "more than %d services",
				   CONF_SERVICES_MAX);
			return;
		}
		list[i] = make_service(check, service, core->services.label[i]);
		if (!list[i])
			return;
		config->services++;
	}
}

static void check_files(struct check *check, const struct core *core)
{
	const struct conf_node *root = check->config->root;
	char reason[RESOLVER_REASON_MAX];

	if (core->log.kind == LOG_TO_FILE && core->log.path &&
	    resolver_file(check->resolver, RESOLVER_LOG, core->log.path, reason) < 0)
		conf_error(check->context, &conf_find(root, "log")->word_at[1], "log `%s`: %s",
			   core->log.path, reason);
	if (core->pidfile &&
	    resolver_file(check->resolver, RESOLVER_PIDFILE, core->pidfile, reason) < 0)
		conf_error(check->context, &conf_find(root, "pidfile")->word_at[1],
			   "pidfile `%s`: %s", core->pidfile, reason);
}

void check_config(struct conf_context *context, struct resolver *resolver, struct config *config)
{
	struct check check = {
		.context = context,
		.resolver = resolver,
		.schema = { context, core_directives, config->modules },
		.config = config,
	};
	struct core *core = conf_alloc(context, sizeof(*core));

	if (!core)
		return;
	config->core = core;
	core_apply(&check.schema, config->root, core);
	if (!conf_find(config->root, "service") && context->errors->total == 0)
		conf_error(context, &(struct conf_place){ config->path, 0, 0 },
			   "there is no service: service NAME { listen *:8080; handler NAME }");
	config->log = core->log;
	config->pidfile = core->pidfile;
	check_files(&check, core);
	resolve_control(&check, core);
	config->shutdown_delay_ms = core->shutdown_delay;
	make_services(&check, core);
	check_clashes(&check);
}
