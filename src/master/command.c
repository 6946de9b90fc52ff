/* SPDX-License-Identifier: MIT */
/*
 * What the requests of the control socket do. Those that take time give a ticket, under which
 * control_answer is called when it is over; the others say at once what holds now.
 */
#include "base/log.h"
#include "master/control.h"
#include "master/state.h"
#include "master/status.h"

#include <errno.h>
#include <string.h>

typedef void command(struct master *master, const struct control_request *request,
		     struct control_outcome *outcome);

static void refuse(struct control_outcome *outcome, const char *why)
{
	outcome->word = CONTROL_REFUSED;
	fputs(why, outcome->text);
}

static void await(struct control_outcome *outcome, unsigned ticket)
{
	if (!ticket) {
		refuse(outcome, "the server is stopping");
		return;
	}
	outcome->waits = true;
	outcome->ticket = ticket;
}

static void run_status(struct master *master, const struct control_request *request,
		       struct control_outcome *outcome)
{
	(void)request;
	status_write(master, outcome->text);
}

static void run_help(struct master *master, const struct control_request *request,
		     struct control_outcome *outcome)
{
	(void)master;
	(void)request;
	control_request_help(outcome->text);
}

static void run_plan(struct master *master, const struct control_request *request,
		     struct control_outcome *outcome)
{
	(void)request;
	await(outcome, plan_request(master));
}

static void run_reload(struct master *master, const struct control_request *request,
		       struct control_outcome *outcome)
{
	(void)request;
	await(outcome, reload_request(master));
}

static void run_upgrade(struct master *master, const struct control_request *request,
			struct control_outcome *outcome)
{
	(void)request;
	await(outcome, upgrade_request(master));
}

static void run_stop(struct master *master, const struct control_request *request,
		     struct control_outcome *outcome)
{
	(void)request;
	stop_gracefully(master);
	outcome->waits = true;
}

static void run_reopen(struct master *master, const struct control_request *request,
		       struct control_outcome *outcome)
{
	enum log_kind kind = master->config->log.kind;

	(void)request;
	if (!logs_reopen(master, outcome->text))
		outcome->word = CONTROL_REFUSED;
	if (kind != LOG_TO_FILE)
		fprintf(outcome->text, "the log is %s: nothing to open anew",
			kind == LOG_TO_SYSLOG ? "syslog" : "standard error");
}

/* ---------------------------------------------------------------------------- one service ---- */

/* The pool of the service that is asked for; NULL: there is none, and the outcome says which there are. */
static struct pool *find_asked(struct master *master, const struct control_request *request,
			       struct control_outcome *outcome)
{
	struct pool *pool = reload_serving_pool(master, request->service);
	const char *between = "";

	if (pool)
		return pool;
	outcome->word = CONTROL_REFUSED;
	fprintf(outcome->text, "no service %s; there are: ", request->service);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase != POOL_SERVING)
			continue;
		fprintf(outcome->text, "%s%s", between, pool->service->name);
		between = ", ";
	}
	return NULL;
}

static void run_workers(struct master *master, const struct control_request *request,
			struct control_outcome *outcome)
{
	struct pool *pool = find_asked(master, request, outcome);
	char reason[256] = "";
	int lowest, highest;

	if (!pool)
		return;
	if (!pool_set_workers(pool, request->workers, request->absolute, reason, sizeof(reason)))
		outcome->word = CONTROL_REFUSED;
	lowest = policy_lowest(&pool->policy);
	highest = policy_highest(&pool->policy);
	if (*reason)
		fprintf(outcome->text, "%s\n", reason);
	if (lowest == highest)
		fprintf(outcome->text, "service %s: %d worker%s\n", request->service, highest,
			plural(highest));
	else
		fprintf(outcome->text, "service %s: %d to %d workers\n", request->service, lowest,
			highest);
}

static void set_paused(struct master *master, const struct control_request *request,
		       struct control_outcome *outcome, bool paused)
{
	struct pool *pool = find_asked(master, request, outcome);
	bool changed;

	if (!pool)
		return;
	if (service_is_tended(pool->service)) {
		outcome->word = CONTROL_REFUSED;
		fprintf(outcome->text,
			"service %s cannot be paused: its handler `%s` accepts by itself, and "
			"cannot be told to wait\n",
			request->service, pool->service->module->name);
		return;
	}
	changed = pool_pause(pool, paused);
	fprintf(outcome->text, "service %s %s%s\n", request->service,
		changed ? "" : "was so already: it ",
		paused ? "is paused: it accepts nothing, clients wait"
		       : "is not paused: it accepts connections");
}

static void run_pause(struct master *master, const struct control_request *request,
		      struct control_outcome *outcome)
{
	set_paused(master, request, outcome, true);
}

static void run_resume(struct master *master, const struct control_request *request,
		       struct control_outcome *outcome)
{
	set_paused(master, request, outcome, false);
}

static command *const commands[REQUEST_KINDS] = {
	[REQUEST_STATUS] = run_status, [REQUEST_PLAN] = run_plan,       [REQUEST_HELP] = run_help,
	[REQUEST_RELOAD] = run_reload, [REQUEST_UPGRADE] = run_upgrade, [REQUEST_STOP] = run_stop,
	[REQUEST_REOPEN] = run_reopen, [REQUEST_WORKERS] = run_workers, [REQUEST_PAUSE] = run_pause,
	[REQUEST_RESUME] = run_resume,
};

void command_run(struct master *master, const struct control_request *request,
		 struct control_outcome *outcome)
{
	bool late = request->kind != REQUEST_STATUS && request->kind != REQUEST_HELP &&
		    request->kind != REQUEST_STOP;

	if (late && master->phase == MASTER_STOPPING)
		refuse(outcome, "the server is stopping");
	else
		commands[request->kind](master, request, outcome);
}
