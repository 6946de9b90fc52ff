/* SPDX-License-Identifier: MIT */
/*
 * A configuration: read, checked, resolved, then immutable and counted. It lives in one arena.
 *
 * config_load does all that may block, fail or crash (files, name services, user data base, the modules'
 * checks) and runs in a checker process. config_capture writes what it found as one text, and
 * config_restore makes the same configuration of that in the master, touching nothing else.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "net/address.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Where something was written. file NULL: a default. line and column count from 1. */
struct conf_place {
	const char *file;
	int line, column;
};

/*
 * One directive as written, with ${} expanded and includes in place. word[0] is its name. A broken one
 * (its error is reported already) is never part of a configuration that was loaded.
 */
struct conf_node {
	struct conf_place at;
	size_t words;
	const char *const *word;
	const struct conf_place *word_at;
	bool has_block, broken;
	struct conf_node *child; /* first of the block */
	struct conf_node *next;
};

enum { CONF_ERRORS_MAX = 20 };

struct conf_error {
	struct conf_place at;
	char *message;
	char *line; /* the offending line as written; NULL when unknown */
};

/*
 * Sorted by place. Zeroed by the caller before the first use; all malloc'd, conf_errors_cleanup frees.
 * `total` goes on counting above CONF_ERRORS_MAX.
 */
struct conf_errors {
	struct conf_error error[CONF_ERRORS_MAX];
	size_t total;
	/*
	 * What is done just then by code of a module, "the check of module chat"; empty while none is run. In memory that
	 * outlives the process it is how others learn where that ended. The caller's, or NULL.
	 */
	char *step;
	size_t step_size;
};

void conf_errors_cleanup(struct conf_errors *errors);
/* file:line:column: message, the line, a caret, for each; and how many more there are. */
void conf_errors_print(const struct conf_errors *errors, FILE *out);
/* The same, one log line an error (with the source line in it), at level error. */
void conf_errors_log(const struct conf_errors *errors);

/* A user as a worker becomes it. */
struct conf_ids {
	bool change; /* false: stay who we are */
	uid_t uid;
	gid_t gid;
	const gid_t *group; /* supplementary ones */
	size_t groups;
	const char *user; /* as written, for the log */
};

struct conf_listen {
	const char *text; /* as written, "localhost:http" */
	struct conf_place at;
	enum listen_kind kind;
	const char *systemd_name;      /* LISTEN_SYSTEMD */
	const struct address *address; /* resolved; none for LISTEN_SYSTEMD */
	size_t addresses;
};

enum { CONF_UNLIMITED = -1 };

/* A path in a module's block, in the order of the module's table. */
struct conf_file {
	const char *path;
	const char *identity; /* of what was there; "" when it was no regular file */
};

/* A file that the service's workers append to (MU_OUTPUT). */
struct conf_output {
	const char *path;
	const char *directive;
	struct conf_place at;
};

/* What one directive of a module's block comes to. */
struct conf_value {
	const char *name; /* with its place in words, "handler module chat { rooms }" */
	const char *text; /* as effective.h says; NULL: nothing */
	size_t files;     /* how many paths it stands for, of those in service_conf.file */
};

/* A module in a file (`handler module NAME`). What is here comes from the checker, also in the master. */
struct conf_object {
	const char *asked; /* NAME, or an absolute path */
	const char *path;  /* of the file */
	const char *identity;
	const struct conf_value *value; /* of its block, defaults included */
	size_t values;
};

struct service_conf {
	const char *name;
	struct conf_place at;

	const struct conf_listen *listen;
	size_t listens;
	int backlog;
	mode_t socket_mode; /* of Unix sockets */
	uid_t socket_owner; /* (uid_t)-1: not changed */
	gid_t socket_group;

	/* One in a file is loaded by config_load. What config_restore gives has its name, flags and connections alone. */
	const struct mu_module *module;
	const struct conf_object *object; /* NULL: it is built in */
	const struct conf_node *handler;  /* the handler directive with its block, as tokens */
	const struct conf_file *file;     /* that the block names */
	size_t files;
	const struct conf_output *output; /* each path once */
	size_t outputs;

	int workers_min, workers_max; /* equal: static */
	int spare_min, spare_max;     /* dynamic pools */
	int connections;              /* each worker; 1: direct */

	int64_t header_ms, idle_ms, request_ms, drain_ms; /* 0: no limit */
	int64_t park_ms; /* how long a direct worker waits for a parked client */
	int64_t boot_ms, stall_ms, orphan_ms; /* stall 0: no limit */
	int64_t slow_ms;                      /* 0: not logged */

	bool overflow_refuse; /* full: clients are refused; else they wait */
	int64_t max_requests, max_lifetime_ms, max_memory; /* 0: never replaced for that */

	struct conf_ids ids;
	const char *chroot; /* NULL: none */
	mode_t umask;
	bool no_new_privileges;
	int64_t nofile, core, as; /* CONF_UNLIMITED, or -2 (CONF_INHERIT): as the master has it */
};

enum { CONF_INHERIT = -2 };

/* Its module accepts by itself (MU_TENDS). */
static inline bool service_is_tended(const struct service_conf *service)
{
	return service->module->flags & MU_TENDS;
}

struct conf_control {
	const char *path; /* absolute; NULL: there is none */
	mode_t mode;
	uid_t owner; /* (uid_t)-1: not given */
	gid_t group; /* (gid_t)-1: not given */
};

struct core;

struct config {
	struct arena *arena;
	unsigned refs;
	const char *path;
	const struct mu_module *const *modules; /* as handed in */
	const struct conf_node *root;           /* the whole tree, for printing and capturing */
	const struct core *core;                /* what the tables made of it; of config/ alone */
	const struct conf_node *resolved;       /* what the system answered, for capturing */
	struct log_target log;
	const char *pidfile; /* NULL: none */
	struct conf_control control;
	int64_t shutdown_delay_ms;
	struct service_conf *const *service;
	size_t services;
};

/*
 * The list of built-in modules, ended by NULL, is handed in by main.c: config/ knows none by name.
 * config_load: NULL with errors (at least one). The result has one reference.
 */
struct config *config_load(const char *path, const struct mu_module *const *modules,
			   struct conf_errors *errors);
/* Writes to fd (a memfd, a file) what config_restore needs. 0 or -1 with errno. */
int config_capture(const struct config *config, int fd);
/* Reads from the fd's beginning; hostile input gives errors, never harm. NULL with errors. */
struct config *config_restore(int fd, const struct mu_module *const *modules,
			      struct conf_errors *errors);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/*
 * The effective configuration with the origin of each value as a comment; itself a valid
 * configuration that says the same.
 */
void config_print(const struct config *config, FILE *out);

/*
 * The path of the control socket, for a client, by a configuration that may be broken elsewhere: errors
 * are passed over. malloc'd, absolute; NULL with errno. ENOENT: the file says none, or there is no file.
 * EINVAL: it says none that can be understood, or an error may hide it.
 */
char *config_control_path(const char *path);

/*
 * The service's module for a worker: loads it where it is in a file, for good. NULL with errors: also when the file is
 * another one now, and the module of another kind. *replaced_r: it is another file than the one that was checked.
 */
const struct mu_module *config_module(const struct service_conf *service, bool *replaced_r,
				      struct conf_errors *errors);
/*
 * Fills the configuration struct of that module from the tokens of the service's block and calls the
 * module's check. In each worker. The struct lives in the arena; NULL with errors.
 * A module without configuration gives a pointer to nothing in particular, not NULL.
 */
void *config_module_block(const struct service_conf *service, const struct mu_module *module,
			  struct arena *arena, struct conf_errors *errors);

#endif
