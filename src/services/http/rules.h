/* SPDX-License-Identifier: MIT */
/*
 * What holds for a request: which host of the configuration it is for, and the directives of all
 * blocks that match its path, merged (settings.h).
 *
 * Everything is prepared beforehand; a look-up allocates nothing and does not yield.
 */
#ifndef SERVICES_HTTP_RULES_H
#define SERVICES_HTTP_RULES_H

#include "services/http/conf.h"
#include "services/http/settings.h"

#include "musterd/module.h"

#include <stddef.h>

struct gateway;
struct host;
struct rules;

/*
 * For `prepare`: opens all roots. conf is borrowed, and was checked. NULL when it cannot (logged).
 * rules_settle: for `start`, as root_settle for each root.
 */
struct rules *rules_new(const struct site_conf *conf, struct mu_worker *worker);
void rules_settle(struct rules *rules);
void rules_free(struct rules *rules);

/* For `prepare`: visit is called for each gateway, until it says -1. What it said last. */
int rules_gateways(struct rules *rules, int (*visit)(struct gateway *gateway, void *arg),
		   void *arg);

/*
 * For conf_check, once all else is right: an error where more comes together than SETTINGS_LAYERS
 * and SETTINGS_HEADERS_MAX allow.
 */
void rules_check(const struct site_conf *conf, struct mu_report *report);

/*
 * Which host a request is for: name as sent, with or without port, in any case, with or without a
 * final dot. An exact name goes before `*.example.org`, and of these the longest. Not known, or
 * empty: the handler's own block.
 */
const struct host *rules_host(const struct rules *rules, const char *name, size_t len);

/* The merged settings for one path, as path_clean gives it, at a host. */
void rules_settings(const struct rules *rules, const struct host *host, const char *path,
		    size_t len, struct settings *settings_r);

#endif
