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

struct program;

struct master_options {
	const char *conf_path;
	const char *pidfile; /* NULL: as the configuration says */
	bool daemon;
	const struct program *program; /* NULL: cannot be upgraded */
	const char *version;           /* for people */
	int resume;                    /* from the state behind this descriptor; 0: start */
	const struct mu_module *const *modules; /* ended by NULL */
	worker_run *run;
};

/*
 * Whether this program could take over from the one that wrote the state behind the descriptor, and use its
 * configuration. Says so on standard output, or why not. Exit status: 0, EX_CONFIG, or EX_DATAERR for the state.
 */
int master_check_state(const struct master_options *options, int fd);

/* Runs until told to stop. The exit status of the program: 0, or one of sysexits.h (logged). */
int master_run(const struct master_options *options);

#endif
