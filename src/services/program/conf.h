/* SPDX-License-Identifier: MIT */
/* The block of the handler `program`: its directives, and what they come to. */
#ifndef SERVICES_PROGRAM_CONF_H
#define SERVICES_PROGRAM_CONF_H

#include "services/command.h"
#include "services/program/life.h"

struct program_conf {
	struct command_conf command;
	struct mu_lines ready; /* as written */
	int64_t watchdog_ms;
	const char *stop_signal; /* as written */
	int output;              /* 0: lines, 1: raw */
	bool nonblocking;

	/* Made of these by the check. */
	int signal;
	struct life_conf life;
};

extern const struct mu_directive program_directives[];

/* The module's check; fills in the rest. */
void program_check(void *config, struct mu_report *report);

#endif
