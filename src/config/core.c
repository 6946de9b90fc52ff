/* SPDX-License-Identifier: MIT */
/* The core's tables, as core.h says: every directive that is not a module's, with its default and help. */
#include "config/core.h"

#include <string.h>

#define TOP(field)     offsetof(struct core, field)
#define SERVICE(field) offsetof(struct core_service, field)
/* Within a block the offsets count from the block's own. */
#define INNER(block, field)     (SERVICE(block.field) - SERVICE(block))
#define INNER_TOP(block, field) (TOP(block.field) - TOP(block))

enum {
	WORKERS_MAX = 65535,
	CONNECTIONS_MAX = 1000000,
	BACKLOG_MAX = 65535,
	NOFILE_MIN = 16,
	NOFILE_MAX = 1 << 30
};

/* A limit of time: 0 is none, and more than a year is a mistake. */
#define TIME_MAX (INT64_C(366) * 24 * 60 * 60 * 1000)

static const struct mu_directive socket_directives[] = {
	{ "mode", (enum mu_type)CONF_MODE, INNER(socket, mode), "0660",
	  .help = "permissions of Unix sockets" },
	{ "owner", MU_STRING, INNER(socket, owner), .help = "user who owns Unix sockets" },
	{ "group", MU_STRING, INNER(socket, group), .help = "group of Unix sockets" },
	{ NULL },
};

static const struct mu_directive timeout_directives[] = {
	{ "header", MU_TIME, INNER(timeout, header), "10s", 0, TIME_MAX,
	  .help = "from the first byte of a request to the end of its header" },
	{ "idle", MU_TIME, INNER(timeout, idle), "75s", 0, TIME_MAX,
	  .help = "while no byte moves on a connection" },
	{ "request", MU_TIME, INNER(timeout, request), "0", 0, TIME_MAX,
	  .help = "for one request as a whole; 0: none" },
	{ "drain", MU_TIME, INNER(timeout, drain), "30s", 0, TIME_MAX,
	  .help = "for what is in flight when a worker is to go" },
	{ "park", MU_TIME, INNER(timeout, park), "1s", 0, TIME_MAX,
	  .help = "how long a direct worker waits for a client between requests" },
	{ "boot", MU_TIME, INNER(timeout, boot), "10s", 1, TIME_MAX,
	  .help = "from a worker's start until it is ready" },
	{ "stall", MU_TIME, INNER(timeout, stall), "10s", 0, TIME_MAX,
	  .help = "how long a handler may hold up a worker that has other clients; 0: for ever" },
	{ "orphan", MU_TIME, INNER(timeout, orphan), "2s", 1, TIME_MAX,
	  .help = "for what is in flight when the master has died" },
	{ NULL },
};

static const struct mu_directive limit_directives[] = {
	{ "nofile", (enum mu_type)CONF_LIMIT, INNER(limit, nofile), "inherit", NOFILE_MIN,
	  NOFILE_MAX, .help = "open descriptors of a worker" },
	{ "core", (enum mu_type)CONF_LIMIT, INNER(limit, core), "inherit",
	  .help = "size of a core dump" },
	{ "as", (enum mu_type)CONF_LIMIT, INNER(limit, as), "inherit",
	  .help = "address space of a worker" },
	{ NULL },
};

static const struct mu_directive service_directives[] = {
	{ "listen", (enum mu_type)CONF_PLACED, SERVICE(listen), .required = true,
	  .help = "listen *:8080, [::1]:80, HOST:PORT, unix:/PATH, systemd:NAME" },
	{ "backlog", MU_INT, SERVICE(backlog), "4096", 1, BACKLOG_MAX,
	  .help = "connections that may wait to be accepted" },
	{ "socket", MU_BLOCK, SERVICE(socket), .block = socket_directives,
	  .help = "who may connect to Unix sockets" },
	{ "handler", (enum mu_type)CONF_HANDLER, SERVICE(handler), .required = true,
	  .help = "handler NAME { ... } says what serves a connection" },
	{ "workers", (enum mu_type)CONF_COUNT, SERVICE(workers), "auto", 0, WORKERS_MAX,
	  .help = "processes: N, N..M by need, or auto, one for each CPU" },
	{ "spare", (enum mu_type)CONF_RANGE, SERVICE(spare), NULL, 0, WORKERS_MAX,
	  .help = "idle workers to keep where `workers` is a range; not said: 1..4, or 0..4 on "
		  "demand" },
	{ "connections", MU_INT, SERVICE(connections), NULL, 1, CONNECTIONS_MAX,
	  .help = "connections that one worker holds at once; not said: as the handler wants" },
	{ "overflow", MU_ENUM, SERVICE(overflow), "wait", .words = "wait|refuse",
	  .help = "what happens to clients while all workers are busy" },
	{ "max-requests", MU_INT, SERVICE(max_requests), "0", 0, INT64_C(1) << 40,
	  .help = "a worker is replaced after about so many; 0: never" },
	{ "max-lifetime", MU_TIME, SERVICE(max_lifetime), "0", 0, TIME_MAX,
	  .help = "a worker is replaced at about this age; 0: never" },
	{ "max-memory", MU_SIZE, SERVICE(max_memory), "0",
	  .help = "a worker that takes more is replaced; 0: never" },
	{ "slow", MU_TIME, SERVICE(slow), "0", 0, TIME_MAX,
	  .help = "a request that takes longer is logged; 0: none is" },
	{ "timeout", MU_BLOCK, SERVICE(timeout), .block = timeout_directives,
	  .help = "time limits" },
	{ "user", MU_STRING, SERVICE(user), .help = "user whom the workers run as" },
	{ "group", MU_STRING, SERVICE(group),
	  .help = "group of the workers, instead of the user's" },
	{ "chroot", MU_PATH, SERVICE(chroot), .help = "folder that becomes the workers' /" },
	{ "umask", (enum mu_type)CONF_MODE, SERVICE(umask), "0022",
	  .help = "permissions that files made by workers never have" },
	{ "no-new-privileges", MU_BOOL, SERVICE(no_new_privileges), "yes",
	  .help = "set-user-ID programs do not work in workers" },
	{ "limit", MU_BLOCK, SERVICE(limit), .block = limit_directives,
	  .help = "resource limits of a worker" },
	{ NULL },
};

static const struct mu_directive control_directives[] = {
	{ "path", MU_PATH, INNER_TOP(control, path),
	  .help = "Unix socket for musterd --status, --reload and the like" },
	{ "mode", (enum mu_type)CONF_MODE, INNER_TOP(control, mode), "0600",
	  .help = "permissions of the socket" },
	{ "owner", MU_STRING, INNER_TOP(control, owner), .help = "user who may use it too" },
	{ "group", MU_STRING, INNER_TOP(control, group), .help = "group that may use it too" },
	{ NULL },
};

const struct mu_directive core_directives[] = {
	{ "user", MU_STRING, TOP(user),
	  .help = "user of the workers of services that do not say otherwise" },
	{ "group", MU_STRING, TOP(group),
	  .help = "group of the workers of services that do not say otherwise" },
	{ "log", (enum mu_type)CONF_LOG, TOP(log), "stderr info",
	  .help = "stderr, syslog, syslog:FACILITY or a file; then error ... debug" },
	{ "pidfile", MU_PATH, TOP(pidfile), .help = "file that holds the master's process number" },
	{ "control", MU_BLOCK, TOP(control), .block = control_directives,
	  .help = "socket on which the running master takes requests" },
	{ "shutdown-delay", MU_TIME, TOP(shutdown_delay), "0", 0, TIME_MAX,
	  .help = "how long to serve on, not ready any more, before a graceful stop" },
	{ "service", (enum mu_type)CONF_ITEMS, TOP(services), .block = service_directives,
	  .block_size = sizeof(struct core_service),
	  .help = "what is offered: listeners, a handler, a pool of workers" },
	{ NULL },
};

const char *core_why_not_tended(const char *name)
{
	static const char *const reasons[][2] = {
		{ "spare", "nobody else sees which of its workers are idle: `workers N` sets how "
			   "many there are" },
		{ "connections", "takes as many as it likes" },
		{ "overflow", "clients wait in the queue until it takes them" },
		{ "max-requests", "nobody else counts its requests: max-lifetime and max-memory "
				  "work" },
		{ "slow", "nobody else sees its requests" },
		{ "header", "nobody else sees its requests: such a limit is its own to set" },
		{ "idle", "nobody else sees its connections: such a limit is its own to set" },
		{ "request", "nobody else sees its requests: such a limit is its own to set" },
		{ "park", "nobody else sees its connections: such a limit is its own to set" },
		{ "stall", "nobody else sees what it is at" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (strcmp(reasons[i][0], name) == 0)
			return reasons[i][1];
	return NULL;
}

static void take_over(const struct core *core, struct core_service *service)
{
	struct conf_range *workers = &service->workers;

	/* The group belongs to the user: a service that has its own takes neither. */
	if (!service->user && !service->group)
		service->group = core->group;
	if (!service->user)
		service->user = core->user;
	if (!service->spare.given && workers->min < workers->max) {
		service->spare =
			(struct conf_range){ .min = workers->min > 0, .max = 4, .given = true };
		if (service->spare.max > workers->max)
			service->spare.max = workers->max;
	}
}

void core_apply(const struct schema *schema, const struct conf_node *root, struct core *core_r)
{
	schema_apply(schema, core_directives, NULL, root, core_r);
	for (size_t i = 0; i < core_r->services.n; i++)
		take_over(core_r, core_r->services.item[i]);
}
