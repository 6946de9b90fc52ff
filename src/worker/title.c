/* SPDX-License-Identifier: MIT */
/* The title, as title.h says. */
#include "worker/title.h"

#include <bsd/unistd.h>

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
	setproctitle("-musterd: worker %s %d %s %zu/%zu", title->service, title->number, state,
		     connections, title->max);
	title->shown_state = state;
	title->shown = connections;
	title->renewed_at = now;
}
