/* SPDX-License-Identifier: MIT */
/*
 * All directives that there are, from the tables that read them: musterd --directives, and the list in musterd.conf(5),
 * which man/directives.awk makes of it. What is said about them at length stands in that page.
 */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include "musterd/module.h"

#include <stdio.h>

/*
 * Writes a heading, then a line for each directive of the core and of these modules (ended by NULL), in alphabetical
 * order: its name, its value, the blocks that it may stand in, its default ("-": none, "required": it must be there) and
 * a line of help, with two blanks or more between them and never within. One that means the same in several blocks
 * has one line. 0, or -1 with ENOMEM.
 */
int reference_print(const struct mu_module *const *modules, FILE *out);

#endif
