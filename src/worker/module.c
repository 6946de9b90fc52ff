/* SPDX-License-Identifier: MIT */
/*
 * The module's way to READY, as module.h says. What it is asked for stands in the slot as the worker's last error until
 * it has come back: when the worker ends within it, that is what its death is told with.
 */
#include "worker/module.h"

#include "base/log.h"
#include "config/config.h"
#include "worker/trace.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

struct step {
	char text[SLOT_ERROR_MAX];
};

static const char *name_of(const struct worker *worker)
{
	const struct conf_object *object = worker->args->service->object;

	return object ? object->asked : worker->rt.module->name;
}

static void enter(const struct worker *worker, const char *what, struct step *step_r)
{
	snprintf(step_r->text, sizeof(step_r->text),
		 "it did not come back from the %s of module %s", what, name_of(worker));
	strlcpy(worker->rt.slot->error, step_r->text, sizeof(worker->rt.slot->error));
}

/* Unless it has logged an error meanwhile, which stays. */
static void leave(const struct worker *worker, const struct step *step)
{
	if (strncmp(worker->rt.slot->error, step->text, sizeof(step->text)) == 0)
		worker->rt.slot->error[0] = '\0';
}

static const struct mu_module *load(struct worker *worker, struct conf_errors *errors)
{
	const struct service_conf *service = worker->args->service;
	const struct mu_module *module;
	struct step step;
	bool replaced;

	enter(worker, "loading", &step);
	module = config_module(service, &replaced, errors);
	leave(worker, &step);
	if (module && replaced)
		log_notice("%s was replaced since the configuration was loaded; workers that run "
			   "have the old one: reload",
			   service->object->path);
	return module;
}

static const void *read_block(struct worker *worker, struct arena *arena,
			      struct conf_errors *errors)
{
	struct step step;
	const void *config;

	enter(worker, "check", &step);
	config = config_module_block(worker->args->service, worker->rt.module, arena, errors);
	leave(worker, &step);
	return config;
}

const void *module_load(struct worker *worker, struct arena *arena)
{
	struct conf_errors errors = { 0 };
	const struct mu_module *module = load(worker, &errors);
	const void *config = NULL;

	if (module) {
		worker->rt.module = module;
		trace_know(&worker->rt);
		config = read_block(worker, arena, &errors);
	}
	conf_errors_log(&errors);
	conf_errors_cleanup(&errors);
	return config;
}

/* Mostly it has said why, and that is to stay the last error in the slot. */
static int refuse(const struct worker *worker, const char *what)
{
	log_line(worker->rt.slot->error[0] ? LOG_NOTICE : LOG_ERR, "%s %s", worker->rt.module->name,
		 what);
	return -1;
}

int module_prepare(struct worker *worker, const void *config)
{
	const struct mu_module *module = worker->rt.module;
	struct step step;
	int result;

	if (!module->prepare)
		return 0;
	enter(worker, "prepare", &step);
	result = module->prepare(&worker->rt, config, &worker->rt.state);
	leave(worker, &step);
	return result < 0 ? refuse(worker, "could not be prepared") : 0;
}

int module_start(struct worker *worker, const void *config)
{
	const struct mu_module *module = worker->rt.module;
	struct step step;
	int result;

	if (!module->start)
		return 0;
	enter(worker, "start", &step);
	result = module->start(&worker->rt, config, &worker->rt.state);
	leave(worker, &step);
	return result < 0 ? refuse(worker, "did not start") : 0;
}
