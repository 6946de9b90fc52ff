/* SPDX-License-Identifier: MIT */
/*
 * What the services that run programs have in common: the directives that say which program and how, their check,
 * and what each run of it is given. They differ in what they connect it to and how they wait for it, which is in
 * exec.c and program/.
 */
#ifndef SERVICES_COMMAND_H
#define SERVICES_COMMAND_H

#include "musterd/module.h"

/* PATH where nobody says anything else: what login(1) gives an administrator. */
#define COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct command_conf {
	struct mu_words command; /* the program and its arguments */
	const char *argv0;       /* NULL: as in the command */
	struct mu_words env;     /* NAME=VALUE */
	struct mu_words pass_env;
	const char *folder;
	int64_t kill_after_ms;
};

/* Their lines of a module's table, for a member of type struct command_conf. */
/* clang-format off */
#define COMMAND_DIRECTIVES(type, member) \
	{ "command", MU_COMMAND, offsetof(type, member.command), .required = true, \
	  .help = "the program and its arguments" }, \
	{ "argv0", MU_STRING, offsetof(type, member.argv0), \
	  .help = "the name that the program sees as its own" }, \
	{ "env", MU_WORDS, offsetof(type, member.env), \
	  .help = "NAME=VALUE ... for its environment" }, \
	{ "pass-env", MU_WORDS, offsetof(type, member.pass_env), \
	  .help = "variables that it has as musterd has them" }, \
	{ "folder", MU_STRING, offsetof(type, member.folder), "/", \
	  .help = "folder that it works in" }, \
	{ "kill-after", MU_TIME, offsetof(type, member.kill_after_ms), "5s", 1, INT64_C(3600000), \
	  .help = "from the request to end until it is killed" }
/* clang-format on */

/* For the module's check: what can be seen without running it. */
void command_check(const struct command_conf *conf, struct mu_report *report);

struct command {
	const struct command_conf *conf;
	const char *file;        /* absolute */
	const char *const *argv; /* ended by NULL */
	const char **env;        /* what the configuration says, ended by NULL */
	size_t envs;
};

/*
 * For the module's start: finds the program and makes what each run has in common. conf is borrowed. 0, or -1
 * having logged why the program cannot be run. Undone by command_cleanup.
 */
int command_init(struct command *command, const struct command_conf *conf,
		 struct mu_worker *worker);
void command_cleanup(struct command *command);

/*
 * The environment of one run, in mu_alloc'd memory: that of the command, and of extra[0..n), each "NAME=VALUE" and
 * borrowed, what the configuration does not set. NULL with ENOMEM.
 */
const char *const *command_env(const struct command *command, struct mu_conn *conn,
			       const char *const *extra, size_t n);

/* One line, at level error: mu_spawn failed with this errno. */
void command_log_failure(const struct command *command, struct mu_conn *conn, int error);

/* The same for a program and the folder that it was to work in, whoever names them. */
void command_log_unable(struct mu_conn *conn, const char *file, const char *folder, int error);
/* Such an error is of this moment, and says nothing about the program. */
bool command_is_shortage(int error);

/* "exit status 3", "killed by SIGSEGV (core dumped)"; written to buffer, which is returned. */
enum { COMMAND_STATUS_MAX = 64 };
const char *command_status_text(int status, char buffer[COMMAND_STATUS_MAX]);

/*
 * Has the child end: the signal, to its group or to it alone, and after kill-after KILL to the group. 1 with
 * *status_r as mu_wait_child; -1 when no wait is allowed any more: it is killed when serve returns. May yield.
 */
int command_end(struct mu_conn *conn, struct mu_child *child, int signal, bool group,
		int64_t kill_after_ms, int *status_r);

#endif
