/* SPDX-License-Identifier: MIT */
/* The title, as title.h says. */
#include "worker/title.h"

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <string.h>

enum { RENEW_MS = 1000 };

int64_t title_due(const struct title *title, const char *state, size_t connections)
{
	if (state == title->shown_state && connections == title->shown)
		return 0;
	return title->renewed_at + RENEW_MS;
}

void title_renew(struct title *title, const char *state, size_t connections, int64_t now)
{
	int64_t due = title_due(title, state, connections);

	if (!due || (title->renewed_at && now < due))
		return;
	if (title->tended)
		setproctitle("-musterd: worker %s %d %s%s%s", title->service, title->number, state,
			     *title->status ? ": " : "", title->status);
	else
		setproctitle("-musterd: worker %s %d %s %zu/%zu", title->service, title->number,
			     state, connections, title->max);
	title->shown_state = state;
	title->shown = connections;
	title->renewed_at = now;
}

void title_set_status(struct title *title, const char *status)
{
	if (strncmp(title->status, status, sizeof(title->status) - 1) == 0)
		return;
	strlcpy(title->status, status, sizeof(title->status));
	title->shown_state = NULL;
}
