/* SPDX-License-Identifier: MIT */
/* The text of a worker's end, as death.h says. */
#include "master/death.h"

#include "base/clock.h"

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

static void add_signal(struct text *text, int signal)
{
	const char *name = sigabbrev_np(signal);

	if (name)
		add(text, "SIG%s", name);
	else
		add(text, "signal %d", signal);
}

static void add_end(struct text *text, const struct death *death)
{
	if (death->code == CLD_EXITED) {
		add(text, "exited with status %d", death->status);
		return;
	}
	add(text, "was killed by ");
	add_signal(text, death->status);
	if (death->code == CLD_DUMPED)
		add(text, " (core dumped)");
}

bool death_was_ours(const struct death *death)
{
	return death->code != CLD_EXITED && death->signalled == death->status;
}

const char *death_text(const struct death *death, char buffer[DEATH_TEXT_MAX])
{
	struct text text = { .at = buffer, .room = DEATH_TEXT_MAX };
	char age[CLOCK_TEXT_MAX], state_for[CLOCK_TEXT_MAX], peer[SLOT_PEER_TEXT_MAX];

	add(&text, "worker %s %d (pid %d) ", death->service, death->number, (int)death->pid);
	add_end(&text, death);
	if (death_was_ours(death))
		add(&text, ", sent by us");
	else if (death->code != CLD_EXITED)
		add(&text, ", not sent by us");
	add(&text, ", %s after its start", clock_text(death->age, age));
	if (death->because)
		add(&text, ": %s", death->because);
	else if (death->told)
		add(&text, ": it had been told to drain");
	if (!death->was_ready) {
		add(&text, "; it was not ready yet");
		return buffer;
	}
	add(&text, "; it was %s", slot_state_name(death->state));
	if (death->state_for >= 0 && death->state_for <= death->age)
		add(&text, " for %s", clock_text(death->state_for, state_for));
	if (death->connections)
		add(&text, " with %u connection%s, last peer %s", death->connections,
		    death->connections == 1 ? "" : "s", slot_peer_text(&death->peer, peer));
	return buffer;
}

int death_level(const struct death *death)
{
	if (death->told || death_was_ours(death)) {
		if (death->given_up || (death->code == CLD_EXITED && death->status == 0))
			return LOG_DEBUG;
		if (death_was_ours(death) && !death->connections)
			return LOG_INFO;
		return LOG_WARNING;
	}
	if (death->code == CLD_EXITED && death->status == 0)
		return LOG_WARNING;
	return LOG_ERR;
}
