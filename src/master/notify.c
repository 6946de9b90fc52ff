/* SPDX-License-Identifier: MIT */
/*
 * What systemd is told while the master lives (net/systemd.h: how): a status for people, and that a start, a reload or
 * a drain is not stuck. systemd has limits of its own for those; ours are the ones of the configuration, so as long as
 * ours have not passed it is asked for a little more time, again and again. A master that hangs asks for none.
 */
#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	TICK_MS = 1000,
	EXTENSION_MS = 20000, /* as much at once as a busy machine may keep us from asking again */
	STATUS_PACE_MS = 5000,
	AGAIN_MS = 10,
	AGAIN_MAX_MS = 1000,
	ENDLESS = -1
};

/* ------------------------------------------------------------------------------ the status ---- */

static int workers_alive(const struct master *master)
{
	const struct pool *pool;
	int n = 0;

	TAILQ_FOREACH (pool, &master->pools, link)
		n += pool_alive(pool);
	return n;
}

static void add_degraded(const struct master *master, char *text, size_t size)
{
	const char *before = "; degraded: ";
	const struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase != POOL_SERVING || !pool->degraded)
			continue;
		strlcat(text, before, size);
		strlcat(text, pool->service->name, size);
		before = ", ";
	}
}

/* Its first line. systemd takes no status that is not UTF-8, and a cut could leave half of a character. */
static void add_line(char *text, size_t size, const char *added)
{
	size_t len = strlen(text);

	for (; *added && *added != '\n' && len + 1 < size; added++)
		text[len++] = *added < ' ' || *added > '~' ? '?' : *added;
	text[len] = '\0';
}

static void describe(const struct master *master, char *text, size_t size)
{
	size_t services = master->config ? master->config->services : 0;
	const struct reload_outcome *last = &master->reload.last;
	bool refused = last->at && !last->ok;
	int workers = workers_alive(master);
	char serving[128];

	text[0] = '\0';
	if (refused) {
		strlcpy(text, "Reload refused: ", size);
		add_line(text, size / 2, last->text);
	}
	snprintf(serving, sizeof(serving), "%s: %zu service%s, %d worker%s, generation %u",
		 refused ? "; serving" : "Serving", services, plural((long)services), workers,
		 plural(workers), master->serving);
	strlcat(text, serving, size);
	add_degraded(master, text, size);
}

void notify_status(struct master *master, bool ready)
{
	struct told *told = &master->told;
	char prefix[64] = "";

	deadline_clear(&master->loop.deadlines, &told->status);
	describe(master, told->text, sizeof(told->text));
	if (ready)
		snprintf(prefix, sizeof(prefix), "READY=1\nMAINPID=%d\n", (int)getpid());
	systemd_notify(&master->systemd, "%sSTATUS=%s", prefix, told->text);
}

static bool is_reloading(const struct master *master)
{
	return master->reload.phase != RELOAD_NONE && !master->reload.dry;
}

/* A reload tells it when it is over. */
static void on_status(void *owner, int64_t now)
{
	struct master *master = owner;
	char text[sizeof(master->told.text)];

	(void)now;
	if (master->phase != MASTER_RUNNING || is_reloading(master))
		return;
	describe(master, text, sizeof(text));
	if (strcmp(text, master->told.text) != 0)
		notify_status(master, false);
}

void notify_workers(struct master *master)
{
	struct told *told = &master->told;

	if (master->systemd.notify >= 0 && !told->status.at)
		deadline_set(&master->loop.deadlines, &told->status,
			     master->loop.now + STATUS_PACE_MS);
}

/* -------------------------------------------------------------------------------- the time ---- */

/* The later of two times at which something ends at the latest; 0: it has no limit that we wait for. */
static int64_t later(int64_t a, int64_t b)
{
	if (a == ENDLESS || b == ENDLESS)
		return ENDLESS;
	return a > b ? a : b;
}

/* What its workers are doing at present: starting, or ending. */
static int64_t end_of_workers(const struct pool *pool)
{
	int64_t end = 0;

	for (size_t i = 0; i < pool->board.slots; i++) {
		const struct worker *worker = &pool->worker[i];

		if (worker->phase == WORKER_NONE)
			continue;
		if (worker->deadline.at)
			end = later(end, worker->deadline.at + 2 * WORKER_GRACE_MS);
		else if (worker->phase == WORKER_ENDING && !pool->service->drain_ms)
			end = ENDLESS;
	}
	return end;
}

static int64_t end_of_delay(const struct master *master)
{
	const struct pool *pool;
	int64_t end = 0;

	TAILQ_FOREACH (pool, &master->pools, link) {
		int64_t drain = pool->service->drain_ms;

		end = later(end, drain ? master->closed.at + drain + 3 * WORKER_GRACE_MS : ENDLESS);
	}
	return end;
}

/* Where a reload, or the start, stands now; each step has a limit. */
static int64_t end_of_reload(const struct master *master)
{
	const struct reload *reload = &master->reload;
	enum pool_phase phase = reload->phase == RELOAD_NONE ? POOL_ENDING : POOL_STARTING;
	int64_t end = reload->checker.limit.at;
	const struct pool *pool;

	if (reload->bind.at)
		end = later(end, reload->bind.at + WORKER_GRACE_MS);
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == phase)
			end = later(end, end_of_workers(pool));
	}
	return end;
}

static int64_t end_of_stop(const struct master *master)
{
	const struct pool *pool;
	int64_t end = 0;

	TAILQ_FOREACH (pool, &master->pools, link)
		end = later(end, end_of_workers(pool));
	return end;
}

static bool is_waited_for(const struct master *master)
{
	return master->phase != MASTER_RUNNING || master->reload.next || is_reloading(master);
}

/* What is asked for now, in milliseconds; 0: none, our own limits have passed. */
static int64_t extension(const struct master *master)
{
	int64_t now = master->loop.now, end;

	if (master->phase == MASTER_CLOSING)
		end = end_of_delay(master);
	else if (master->phase == MASTER_STOPPING)
		end = end_of_stop(master);
	else
		end = end_of_reload(master);
	if (end == ENDLESS || end - now > EXTENSION_MS)
		return EXTENSION_MS;
	return end > now ? end - now : 0;
}

static void describe_drain(const struct master *master, char *text, size_t size)
{
	int workers = workers_alive(master), connections = 0;
	int64_t end = end_of_stop(master);
	char most[CLOCK_TEXT_MAX];
	const struct pool *pool;

	TAILQ_FOREACH (pool, &master->pools, link) {
		for (size_t i = 0; i < pool->board.slots; i++)
			connections += worker_connections(&pool->worker[i]);
	}
	snprintf(text, size, "Draining: %d connection%s, %d worker%s left", connections,
		 plural(connections), workers, plural(workers));
	if (end > master->loop.now) {
		strlcat(text, ", at most ", size);
		strlcat(text, clock_text(end - master->loop.now, most), size);
	}
}

static void describe_delay(const struct master *master, char *text, size_t size)
{
	int64_t ms = master->closed.at - master->loop.now;
	char left[CLOCK_TEXT_MAX];

	snprintf(text, size, "Not ready any more, serving; draining begins in %s",
		 clock_text(ms > 0 ? ms : 0, left));
}

/* first: begins with it. */
static void tell_progress(struct master *master, const char *first)
{
	int64_t ms = extension(master);
	char time[64] = "", status[256] = "";

	if (ms)
		snprintf(time, sizeof(time), "EXTEND_TIMEOUT_USEC=%" PRId64 "\n", ms * 1000);
	if (master->phase == MASTER_CLOSING)
		describe_delay(master, status, sizeof(status));
	else if (master->phase == MASTER_STOPPING)
		describe_drain(master, status, sizeof(status));
	if (*status)
		systemd_notify(&master->systemd, "%s%sSTATUS=%s", first, time, status);
	else if (ms)
		systemd_notify(&master->systemd, "%s", time);
}

void notify_stopping(struct master *master)
{
	tell_progress(master, "STOPPING=1\n");
}

static void on_tick(void *owner, int64_t now)
{
	(void)now;
	tell_progress(owner, "");
}

/* ------------------------------------------------------------------------------- each turn ---- */

static void on_again(void *owner, int64_t now)
{
	struct master *master = owner;

	(void)now;
	systemd_flush(&master->systemd);
	listeners_store_more(&master->listeners);
	systemd_keeps(&master->systemd);
}

static bool is_unheard(const struct master *master)
{
	return master->systemd.waiting || master->systemd.probe >= 0 || master->listeners.unstored;
}

static void set_in(struct master *master, struct deadline *deadline, int64_t ms)
{
	if (!deadline->at)
		deadline_set(&master->loop.deadlines, deadline, master->loop.now + ms);
}

void notify_init(struct master *master)
{
	deadline_init(&master->told.tick, on_tick, master);
	deadline_init(&master->told.status, on_status, master);
	deadline_init(&master->told.again, on_again, master);
}

void notify_settle(struct master *master)
{
	struct told *told = &master->told;

	if (master->systemd.notify < 0)
		return;
	if (!is_unheard(master)) {
		told->pause = 0;
	} else if (!told->again.at) {
		/* It is there at once, or is slow. */
		told->pause =
			told->pause < AGAIN_MAX_MS / 2 ? told->pause * 2 + AGAIN_MS : AGAIN_MAX_MS;
		set_in(master, &told->again, told->pause);
	}
	if (is_waited_for(master))
		set_in(master, &told->tick, TICK_MS);
	else
		deadline_clear(&master->loop.deadlines, &told->tick);
}
