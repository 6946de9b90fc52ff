/* SPDX-License-Identifier: MIT */
/* The list, as builtin.h says. */
#include "services/builtin.h"

const struct mu_module *const builtin_modules[] = {
	&mu_chargen, &mu_daytime, &mu_discard,     &mu_echo, &mu_exec,
	&mu_http,    &mu_program, &mu_time_module, NULL,
};
