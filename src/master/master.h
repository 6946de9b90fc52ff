/* SPDX-License-Identifier: MIT */
/*
 * The master process: binds, forks, supervises, reloads, stops. It knows nothing of what a service
 * does, and of a worker only what base/contract.h says. Called by main.c alone.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "base/contract.h"

#include "musterd/module.h"

#include <stdbool.h>

struct master_options {
	const char *conf_path;
	const char *pidfile; /* NULL: as the configuration says */
	bool daemon;
	const struct mu_module *const *modules; /* ended by NULL */
	worker_run *run;
};

/* Runs until told to stop. The exit status of the program: 0, or one of sysexits.h (logged). */
int master_run(const struct master_options *options);

#endif
