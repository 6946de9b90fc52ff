/* SPDX-License-Identifier: MIT */
#pragma once
#include "config/config.h"
enum plan_action { PLAN_ADDED, PLAN_CHANGED, PLAN_UNCHANGED, PLAN_REMOVED };
struct plan_service {
	enum plan_action action;
	const char *name;
	const struct service_conf *old_service, *new_service;
	char *changes;
};
struct plan {
	struct plan_service *service;
	size_t services;
};
struct plan *plan_new(const struct config *, const struct config *);
void plan_free(struct plan *);
char *plan_text(const struct plan *);
