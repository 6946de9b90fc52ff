/* SPDX-License-Identifier: MIT */
/* Running the checker, as checker.h says. What becomes of the configuration is reload.c's. */
#include "master/checker.h"

#include "base/fd.h"
#include "base/log.h"
#include "config/try.h"
#include "master/spawn.h"
#include "master/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

enum { ERRORS_MAX = 64 << 10 };

/* ------------------------------------------------------------------------------ in the child ---- */

static void write_errors(const struct conf_errors *errors, int fd)
{
	FILE *out = fdopen(fd, "w");

	if (!out)
		return;
	conf_errors_print(errors, out);
	fclose(out);
}

/* Errors go where a person looks: to the terminal at the start, later to the log and to who asked. */
static void report(struct master *master, const struct conf_errors *errors)
{
	if (master->phase == MASTER_BOOTING) {
		conf_errors_print(errors, stderr);
		return;
	}
	if (!master->reload.checker.silent)
		conf_errors_log(errors);
	write_errors(errors, master->reload.checker.found);
}

static int checker_main(void *arg)
{
	struct master *master = arg;
	struct conf_errors errors = { .step = master->reload.checker.step,
				      .step_size = CONF_STEP_MAX };
	struct config *config;
	int status = 0;

	log_set_name("checker");
	config = config_load(master->conf_path, master->options->modules, &errors);
	if (!config) {
		report(master, &errors);
		conf_errors_cleanup(&errors);
		return EX_CONFIG;
	}
	if (config_capture(config, master->reload.checker.found) < 0) {
		log_err("cannot hand over the configuration: %s", strerror(errno));
		status = EX_OSERR;
	}
	config_unref(config);
	return status;
}

/* ------------------------------------------------------------------------------ in the master ---- */

static void on_limit(void *owner, int64_t now)
{
	struct master *master = owner;

	(void)now;
	master->reload.checker.timed_out = true;
	kill(master->reload.checker.pid, SIGKILL);
}

void checker_init(struct checker *checker, struct master *master)
{
	*checker = (struct checker){ .found = -1 };
	deadline_init(&checker->limit, on_limit, master);
}

int checker_start(struct master *master, bool silent)
{
	struct checker *checker = &master->reload.checker;
	int keep[2];

	checker->silent = silent;
	checker->timed_out = false;
	checker->step = conf_step_new();
	checker->found = memfd_create("musterd configuration", MFD_CLOEXEC);
	if (checker->found < 0)
		return -1;
	keep[0] = checker->found;
	keep[1] = log_fd();
	checker->pid = spawn(checker_main, master, keep, 2, false);
	if (checker->pid < 0) {
		checker->pid = 0;
		return -1;
	}
	deadline_set(&master->loop.deadlines, &checker->limit, master->loop.now + CHECKER_LIMIT_MS);
	return 0;
}

void checker_stop(struct master *master)
{
	struct checker *checker = &master->reload.checker;

	if (checker->pid > 0)
		kill(checker->pid, SIGKILL);
	checker->pid = 0;
	deadline_clear(&master->loop.deadlines, &checker->limit);
	fd_close(&checker->found);
	conf_step_free(checker->step);
	checker->step = NULL;
}

static struct config *restore(struct master *master, char *reason, size_t size)
{
	struct conf_errors errors = { 0 };
	struct config *config =
		config_restore(master->reload.checker.found, master->options->modules, &errors);

	if (!config)
		snprintf(reason, size, "what the checker found cannot be read back");
	conf_errors_log(&errors);
	conf_errors_cleanup(&errors);
	return config;
}

/* It ended by itself, as it does when it has found something. */
static bool is_done(const struct checker *checker, const siginfo_t *info)
{
	return info->si_code == CLD_EXITED && (!checker->step || !*checker->step);
}

/* The code of a module that it had not come back from, " in the check of module chat"; mostly nothing. */
static const char *where(const struct checker *checker, char buffer[CONF_STEP_MAX + 8])
{
	buffer[0] = '\0';
	if (checker->step && *checker->step)
		snprintf(buffer, CONF_STEP_MAX + 8, " in %.*s", CONF_STEP_MAX, checker->step);
	return buffer;
}

static void say_end(const struct checker *checker, const siginfo_t *info, char *reason, size_t size)
{
	char in[CONF_STEP_MAX + 8];

	if (info->si_code == CLD_EXITED)
		snprintf(reason, size, "the checker exited with status %d%s", info->si_status,
			 where(checker, in));
	else
		snprintf(reason, size, "the checker was killed by SIG%s%s",
			 sigabbrev_np(info->si_status), where(checker, in));
}

struct config *checker_finish(struct master *master, const siginfo_t *info, int *exit_status_r,
			      char *reason, size_t size)
{
	struct checker *checker = &master->reload.checker;
	const char *path = master->conf_path;
	struct config *config = NULL;
	char in[CONF_STEP_MAX + 8];

	checker->pid = 0;
	deadline_clear(&master->loop.deadlines, &checker->limit);
	*exit_status_r = EX_SOFTWARE;
	if (is_done(checker, info) && info->si_status == EX_CONFIG) {
		*exit_status_r = EX_CONFIG;
		snprintf(reason, size, "the configuration %s cannot be used", path);
		return NULL;
	}
	if (is_done(checker, info) && info->si_status == 0) {
		config = restore(master, reason, size);
	} else if (checker->timed_out) {
		*exit_status_r = EX_TEMPFAIL;
		snprintf(reason, size, "checking %s took longer than %d s%s", path,
			 CHECKER_LIMIT_MS / 1000, where(checker, in));
	} else {
		if (is_done(checker, info))
			*exit_status_r = info->si_status;
		say_end(checker, info, reason, size);
	}
	/* What it wrote is a configuration, perhaps half of one: no errors for people. */
	fd_close(&checker->found);
	return config;
}

char *checker_errors(const struct checker *checker)
{
	char *text = malloc(ERRORS_MAX);
	ssize_t n =
		text && checker->found >= 0 ? pread(checker->found, text, ERRORS_MAX - 1, 0) : -1;

	if (n <= 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}
