/* SPDX-License-Identifier: MIT */
/*
 * A module in a file of its own, a shared object: found, loaded, judged. Loading runs foreign code, so this is for the
 * checker and for workers, never for the master; what was loaded stays until the process ends.
 */
#ifndef CONFIG_OBJECT_H
#define CONFIG_OBJECT_H

#include "musterd/module.h"

/*
 * asked: an absolute path, or a name without a slash, which stands for a file in the module folder. path_r: PATH_MAX
 * bytes, the file; reason_r: RESOLVER_REASON_MAX bytes, what is wrong with it and what can be done. NULL with the
 * reason.
 */
const struct mu_module *object_load(const char *asked, char *path_r, char *reason_r);

#endif
