/* SPDX-License-Identifier: MIT */
/* Programs to run, as command.h says. */
#include "services/command.h"

#include "services/executable.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* ---- the environment ---- */

/* The length of the name in "NAME=VALUE", or of all of it. */
static size_t name_len(const char *variable)
{
	return strcspn(variable, "=");
}

static bool has_name(const char *variable, const char *other)
{
	size_t len = name_len(variable);

	return len == name_len(other) && memcmp(variable, other, len) == 0;
}

static const char *find_variable(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (has_name(list[i], name))
			return list[i];
	return NULL;
}

/* The PATH that the program has, in which it is looked for itself. */
static const char *search_path(const struct command_conf *conf)
{
	const char *set = find_variable(conf->env.word, conf->env.n, "PATH");
	const char *passed = NULL;

	if (set)
		return set + name_len(set) + 1;
	if (find_variable(conf->pass_env.word, conf->pass_env.n, "PATH"))
		passed = getenv("PATH");
	return passed ? passed : COMMAND_PATH;
}

/* ---- the check ---- */

static void check_env(const struct command_conf *conf, struct mu_report *report)
{
	const struct mu_words *env = &conf->env, *pass = &conf->pass_env;

	for (size_t i = 0; i < env->n; i++) {
		const char *word = env->word[i];

		if (!name_len(word) || !strchr(word, '='))
			mu_error_word(report, word, "`env` wants NAME=VALUE, not `%s`", word);
		else if (find_variable(env->word, i, word))
			mu_error_word(report, word, "`env` sets %.*s twice", (int)name_len(word),
				      word);
	}
	for (size_t i = 0; i < pass->n; i++) {
		const char *word = pass->word[i];

		if (!*word || strchr(word, '='))
			mu_error_word(report, word,
				      "`pass-env` wants the name of a variable, not `%s`", word);
		else if (find_variable(env->word, env->n, word))
			mu_error_word(report, word, "`pass-env %s`, but `env` sets it already",
				      word);
	}
}

static const char *below(const char *root)
{
	return root ? " below the chroot" : "";
}

static void check_program(const struct command_conf *conf, struct mu_report *report)
{
	const char *root = mu_chroot(report), *name = conf->command.word[0];
	char reason[EXECUTABLE_REASON_MAX], *found = NULL;

	if (*name != '/') {
		found = executable_find(root, search_path(conf), name);
		if (!found) {
			mu_error_word(report, name, "there is no program `%s` in %s%s", name,
				      search_path(conf), below(root));
			return;
		}
	}
	if (!executable_check(root, found ? found : name, reason))
		mu_error_word(report, name, "`%s` cannot be run%s: %s", found ? found : name,
			      below(root), reason);
	free(found);
}

static void check_folder(const struct command_conf *conf, struct mu_report *report)
{
	const char *root = mu_chroot(report);
	char reason[EXECUTABLE_REASON_MAX];

	if (conf->folder[0] != '/')
		mu_error(report, "folder", "`folder` wants an absolute path, not `%s`",
			 conf->folder);
	else if (!executable_check_folder(root, conf->folder, reason))
		mu_error(report, "folder", "`folder %s`%s: %s", conf->folder, below(root), reason);
}

void command_check(const struct command_conf *conf, struct mu_report *report)
{
	check_env(conf, report);
	check_program(conf, report);
	check_folder(conf, report);
}

/* ---- what each run has in common ---- */

static int log_unable(struct mu_worker *worker, const char *what, const char *reason)
{
	mu_worker_log(worker, MU_ERR, "%s: %s", what, reason);
	return -1;
}

static int find_program(struct command *command, struct mu_worker *worker)
{
	const char *name = command->conf->command.word[0], *folder = command->conf->folder;
	char reason[EXECUTABLE_REASON_MAX];

	command->file = *name == '/' ? strdup(name)
				     : executable_find(NULL, search_path(command->conf), name);
	if (!command->file) {
		mu_worker_log(worker, MU_ERR, "there is no program %s in %s", name,
			      search_path(command->conf));
		return -1;
	}
	if (!executable_check(NULL, command->file, reason)) {
		mu_worker_log(worker, MU_ERR, "%s cannot be run: %s", command->file, reason);
		return -1;
	}
	if (!executable_check_folder(NULL, folder, reason)) {
		mu_worker_log(worker, MU_ERR, "the folder %s cannot be worked in: %s", folder,
			      reason);
		return -1;
	}
	return 0;
}

static int make_argv(struct command *command)
{
	const struct mu_words *words = &command->conf->command;
	const char **argv = calloc(words->n + 1, sizeof(*argv));

	if (!argv)
		return -1;
	memcpy(argv, words->word, words->n * sizeof(*argv));
	if (command->conf->argv0)
		argv[0] = command->conf->argv0;
	command->argv = argv;
	return 0;
}

/* Behind those of `env`, which are the configuration's, come those that are ours to free. */
static int add_variable(struct command *command, const char *name, const char *value)
{
	char *variable;

	if (asprintf(&variable, "%s=%s", name, value) < 0)
		return -1;
	command->env[command->envs++] = variable;
	return 0;
}

static int make_env(struct command *command)
{
	const struct mu_words *env = &command->conf->env, *pass = &command->conf->pass_env;
	int result = 0;

	command->env = calloc(env->n + pass->n + 2, sizeof(*command->env));
	if (!command->env)
		return -1;
	for (size_t i = 0; i < env->n; i++)
		command->env[command->envs++] = env->word[i];
	for (size_t i = 0; i < pass->n; i++) {
		const char *name = pass->word[i], *value = getenv(name);

		if (value && !find_variable(command->env, command->envs, name))
			result |= add_variable(command, name, value);
	}
	if (!find_variable(command->env, command->envs, "PATH"))
		result |= add_variable(command, "PATH", COMMAND_PATH);
	return result;
}

int command_init(struct command *command, const struct command_conf *conf, struct mu_worker *worker)
{
	*command = (struct command){ .conf = conf };
	if (find_program(command, worker) < 0) {
		command_cleanup(command);
		return -1;
	}
	if (make_argv(command) < 0 || make_env(command) < 0) {
		command_cleanup(command);
		return log_unable(worker, "cannot prepare the command", strerror(ENOMEM));
	}
	return 0;
}

void command_cleanup(struct command *command)
{
	for (size_t i = command->conf->env.n; i < command->envs; i++)
		free((char *)(uintptr_t)command->env[i]);
	free(command->env);
	free((void *)(uintptr_t)command->argv);
	free((char *)(uintptr_t)command->file);
	*command = (struct command){ .conf = command->conf };
}

const char *const *command_env(const struct command *command, struct mu_conn *conn,
			       const char *const *extra, size_t n)
{
	const char **env = mu_alloc(conn, (command->envs + n + 1) * sizeof(*env));
	size_t used = command->envs;

	if (!env)
		return NULL;
	memcpy(env, command->env, used * sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (!find_variable(command->env, command->envs, extra[i]))
			env[used++] = extra[i];
	return env;
}

/* ---- one run ---- */

bool command_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

static const char *spawn_error(int error)
{
	switch (error) {
	case EMFILE:
		return "the worker has as many open files as its limit allows";
	case ENOEXEC:
		return "it is not a program for this machine";
	case E2BIG:
		return "its arguments and environment are too long";
	case EAGAIN:
		return "the user has as many processes as the limit allows";
	default:
		return strerror(error);
	}
}

void command_log_unable(struct mu_conn *conn, const char *file, const char *folder, int error)
{
	char reason[EXECUTABLE_REASON_MAX];

	/* Looking at the file would only find that we cannot look. */
	if (command_is_shortage(error))
		mu_log(conn, MU_ERR, "%s cannot be run: %s", file, spawn_error(error));
	else if (!executable_check(NULL, file, reason))
		mu_log(conn, MU_ERR, "%s cannot be run: %s", file, reason);
	else if (!executable_check_folder(NULL, folder, reason))
		mu_log(conn, MU_ERR, "%s cannot be run: its folder %s: %s", file, folder, reason);
	else
		mu_log(conn, MU_ERR, "%s cannot be run: %s", file, spawn_error(error));
}

void command_log_failure(const struct command *command, struct mu_conn *conn, int error)
{
	command_log_unable(conn, command->file, command->conf->folder, error);
}

const char *command_status_text(int status, char buffer[COMMAND_STATUS_MAX])
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
	const char *core = WIFSIGNALED(status) && WCOREDUMP(status) ? " (core dumped)" : "";

	if (WIFEXITED(status))
		snprintf(buffer, COMMAND_STATUS_MAX, "exit status %d", WEXITSTATUS(status));
	else if (name)
		snprintf(buffer, COMMAND_STATUS_MAX, "killed by SIG%s%s", name, core);
	else
		snprintf(buffer, COMMAND_STATUS_MAX, "killed by signal %d%s", WTERMSIG(status),
			 core);
	return buffer;
}

int command_end(struct mu_conn *conn, struct mu_child *child, int signal, bool group,
		int64_t kill_after_ms, int *status_r)
{
	int ended;

	/* The limit that ran out must not end the wait for what it brings. */
	mu_set_limit(conn, MU_IDLE);
	mu_signal_child(child, signal, group);
	/* One that is stopped would not hear it. */
	mu_signal_child(child, SIGCONT, group);
	ended = mu_wait_child(conn, child, kill_after_ms, status_r);
	if (ended == 0) {
		mu_signal_child(child, SIGKILL, true);
		ended = mu_wait_child(conn, child, -1, status_r);
	}
	return ended;
}
