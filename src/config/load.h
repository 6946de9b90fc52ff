/* SPDX-License-Identifier: MIT */
/* config_load with its sources open to choice: for the tests and the fuzzer. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/resolver.h"

/* As config_load, but asking `ops`. */
struct config *load_file(const char *path, const struct mu_module *const *modules,
			 const struct resolver_ops *ops, struct conf_errors *errors);
/* The same from memory: no file is opened but by `ops`. */
struct config *load_text(const char *name, const char *text, size_t len,
			 const struct mu_module *const *modules, const struct resolver_ops *ops,
			 struct conf_errors *errors);
/* As config_restore, from memory. */
struct config *load_capture(const void *data, size_t len, const struct mu_module *const *modules,
			    struct conf_errors *errors);

#endif
