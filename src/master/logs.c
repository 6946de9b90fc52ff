/* SPDX-License-Identifier: MIT */
/*
 * Which log the master and its workers write to: opened for a new generation before it is known whether
 * that will serve, and opened anew after a rotation, as what else they write is (outputs.h). Writing lines is
 * base/log.h's.
 */
#include "base/fd.h"
#include "base/log.h"
#include "master/outputs.h"
#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * A daemon gives up the standard error that it was started with, which may be a terminal or the pipe of
 * a program that waits for its end; only a file can go on being written. So the log goes to syslog instead.
 */
static int open_for_daemon(const struct master *master, struct log_target *target)
{
	int fd;

	if (master->daemon.error_file >= 0)
		return fcntl(master->daemon.error_file, F_DUPFD_CLOEXEC, 3);
	target->kind = LOG_TO_SYSLOG;
	target->facility = LOG_DAEMON;
	fd = log_open_target(target);
	if (fd >= 0)
		return fd;
	log_warning("a daemon has no standard error and syslog does not answer (%s): nothing is "
		    "logged; use \"log PATH\"",
		    strerror(errno));
	target->kind = LOG_TO_STDERR;
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

int logs_open(const struct master *master, const struct config *config, struct log_target *target_r)
{
	*target_r = config->log;
	if (master->daemon.on && target_r->kind == LOG_TO_STDERR)
		return open_for_daemon(master, target_r);
	return log_open_target(target_r);
}

/* Another descriptor for a configuration's log file; -1: it is no file, or cannot be opened (logged). */
static int open_file_of(const struct config *config)
{
	int fd;

	if (config->log.kind != LOG_TO_FILE)
		return -1;
	fd = log_open_target(&config->log);
	if (fd < 0)
		log_err("cannot open %s, the old log is used on: %s", config->log.path,
			log_open_error(errno));
	return fd;
}

/* What a reload has opened may have been renamed meanwhile, before anybody wrote to it. */
static void reopen_prepared(struct reload *reload)
{
	int fd = reload->log_fd >= 0 ? open_file_of(reload->config) : -1;

	if (fd < 0)
		return;
	fd_close(&reload->log_fd);
	reload->log_fd = fd;
}

/* Into the log, and as a line to whoever asked; asked NULL: nobody did. */
static void tell(FILE *asked, int level, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));

static void tell(FILE *asked, int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vline(level, format, args);
	va_end(args);
	if (!asked)
		return;
	va_start(args, format);
	vfprintf(asked, format, args);
	va_end(args);
	fputc('\n', asked);
}

/* Each for itself: one that cannot be opened goes on as it is. What an old generation writes to matters to it alone. */
static bool reopen_outputs(struct pool *pool, FILE *asked)
{
	const struct service_conf *service = pool->service;
	bool serves = pool->phase == POOL_SERVING, ok = true;

	for (size_t i = 0; i < service->outputs; i++) {
		const struct conf_output *output = &service->output[i];
		const char *reason;
		int fd = output_open(output->path, &reason);

		if (fd >= 0) {
			pool_replace_output(pool, i, fd);
			if (serves)
				tell(asked, LOG_NOTICE, "service %s: %s opened anew", service->name,
				     output->path);
			continue;
		}
		tell(serves ? asked : NULL, LOG_ERR,
		     "service %s: cannot open %s %s, the old file is used on: %s", service->name,
		     output->directive, output->path, reason);
		ok &= !serves;
	}
	return ok;
}

static bool reopen_own(const struct master *master, FILE *asked)
{
	const struct log_target *log = &master->config->log;
	int fd;

	if (log->kind != LOG_TO_FILE)
		return true;
	fd = log_open_target(log);
	if (fd < 0) {
		tell(asked, LOG_ERR, "cannot open %s, the old log is used on: %s", log->path,
		     log_open_error(errno));
		return false;
	}
	log_replace_fd(fd);
	tell(asked, LOG_NOTICE, "%s opened anew", log->path);
	return true;
}

bool logs_reopen(struct master *master, FILE *asked)
{
	bool ok = !master->config || reopen_own(master, asked);
	struct pool *pool;

	reopen_prepared(&master->reload);
	/* Each generation has its own idea of where its log is. */
	TAILQ_FOREACH (pool, &master->pools, link) {
		int fd = open_file_of(pool->config);

		if (fd >= 0)
			pool_reopen(pool, &pool->config->log, fd);
		fd_close(&fd);
		ok &= reopen_outputs(pool, asked);
	}
	return ok;
}
