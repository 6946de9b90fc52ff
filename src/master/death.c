/* SPDX-License-Identifier: MIT */
/* The text of a worker's end, as death.h says. */
#include "master/death.h"

#include "base/clock.h"
#include "base/contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

struct text {
	char *at;
	size_t room;
};

__attribute__((__format__(__printf__, 2, 3))) static void add(struct text *text, const char *format,
							      ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->at, text->room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->room)
		n = (int)text->room - 1;
	text->at += n;
	text->room -= (size_t)n;
}

static void add_status(struct text *text, int status)
{
	add(text, "exited with status %d", status);
	if (status == WORKER_EXIT_SETUP)
		add(text, " (its set-up failed)");
	if (status == WORKER_EXIT_MODULE)
		add(text, " (its handler did not start)");
	if (status == WORKER_EXIT_TENDED)
		add(text, " (its handler failed)");
}

static void add_signal(struct text *text, const struct death_kind *kind, bool alone)
{
	const char *name = sigabbrev_np(kind->status);

	if (name)
		add(text, "SIG%s", name);
	else
		add(text, "signal %d", kind->status);
	if (kind->code == CLD_DUMPED)
		add(text, " (core dumped)");
	if (kind->cause == DEATH_OURS)
		add(text, ", sent by us");
	else if (kind->cause == DEATH_OOM)
		add(text, ", sent by the kernel because memory ran out");
	else if (kind->status == SIGSYS)
		add(text, ", as for a system call that seccomp forbids");
	else if (alone)
		add(text, ", not sent by us");
}

const char *death_kind_text(const struct death_kind *kind, unsigned n,
			    char buffer[DEATH_KIND_TEXT_MAX])
{
	struct text text = { .at = buffer, .room = DEATH_KIND_TEXT_MAX };

	if (kind->code == 0) {
		add(&text, "ended in other ways");
	} else if (kind->code == CLD_EXITED) {
		add_status(&text, kind->status);
	} else {
		add(&text, "%s killed by ", n == 1 ? "was" : "were");
		add_signal(&text, kind, n == 1);
	}
	return buffer;
}

bool death_was_ours(const struct death *death)
{
	return death->code != CLD_EXITED && death->signalled == death->status;
}

bool death_was_foreign_will(const struct death *death)
{
	if (death->code != CLD_KILLED || !death->was_ready || death_was_ours(death))
		return false;
	return death->status == SIGTERM ||
	       (death->status == SIGKILL && death->oom_known && !death->oom);
}

struct death_kind death_kind_of(const struct death *death)
{
	struct death_kind kind = { .code = death->code, .status = death->status };

	if (death_was_ours(death))
		kind.cause = DEATH_OURS;
	else if (death->oom && death->code == CLD_KILLED && death->status == SIGKILL)
		kind.cause = DEATH_OOM;
	return kind;
}

static bool is_in_order(const struct death *death)
{
	return (death->told || death->given_up) && death->code == CLD_EXITED && death->status == 0;
}

const char *death_text(const struct death *death, char buffer[DEATH_TEXT_MAX])
{
	struct text text = { .at = buffer, .room = DEATH_TEXT_MAX };
	struct death_kind kind = death_kind_of(death);
	char end[DEATH_KIND_TEXT_MAX], age[CLOCK_TEXT_MAX], slot[SLOT_VIEW_TEXT_MAX];

	add(&text, "worker %s %d (pid %d) %s, %s after its start", death->service, death->number,
	    (int)death->pid, death_kind_text(&kind, 1, end), clock_text(death->age, age));
	if (death->because)
		add(&text, ": %s", death->because);
	else if (death->told)
		add(&text, ": it had been told to drain");
	add(&text, "; %s",
	    death->was_ready ? slot_view_text(&death->slot, slot) : "it was not ready yet");
	if (death->slot.error[0] && !is_in_order(death))
		add(&text, "; its last error: %s", death->slot.error);
	return buffer;
}

int death_level(const struct death *death)
{
	if (death->told || death_was_ours(death)) {
		if (death->given_up || (death->code == CLD_EXITED && death->status == 0))
			return LOG_DEBUG;
		if (death_was_ours(death) && !death->slot.connections)
			return LOG_INFO;
		return LOG_WARNING;
	}
	if (death->code == CLD_EXITED && death->status == 0)
		return LOG_WARNING;
	return LOG_ERR;
}
