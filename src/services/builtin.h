/* SPDX-License-Identifier: MIT */
/* The list of the built-in services: a new one is a file here, a line here and a line in builtin.c. */
#ifndef SERVICES_BUILTIN_H
#define SERVICES_BUILTIN_H

#include "musterd/module.h"

extern const struct mu_module mu_chargen, mu_daytime, mu_discard, mu_echo, mu_exec, mu_http,
	mu_program, mu_time_module;

/* Ended by NULL. */
extern const struct mu_module *const builtin_modules[];

#endif
