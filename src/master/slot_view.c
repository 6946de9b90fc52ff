/* SPDX-License-Identifier: MIT */
/* Slots as the master sees them, as slot_view.h says. */
#include "master/slot_view.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* No worker counts faster than that. */
enum { COUNTS_PER_MS = 10000, COUNTS_AT_START = 1000000 };

#define LOAD(field) atomic_load_explicit(&slot->field, memory_order_relaxed)

size_t clean_text(char *out, size_t room, const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && n + 1 < room && data[n]) {
		unsigned char c = (unsigned char)data[n];

		out[n++] = c == '\t' ? ' ' : c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n;
}

/* Its clock may be a moment ahead of the time at which our turn began. */
static int64_t believable_time(int64_t since, int64_t started_at, int64_t now)
{
	if (since <= 0)
		return 0;
	if (since > now)
		return now;
	return since < started_at ? started_at : since;
}

static uint64_t believable_count(uint64_t count, int64_t age)
{
	uint64_t most = (uint64_t)age * COUNTS_PER_MS + COUNTS_AT_START;

	return count <= most ? count : 0;
}

void slot_view_take(struct slot_view *view, const struct slot *slot, uint32_t most,
		    int64_t started_at, int64_t now)
{
	int64_t age = now > started_at ? now - started_at : 0;
	int64_t since = LOAD(since_ms);
	uint32_t connections = LOAD(connections);
	char error[SLOT_ERROR_MAX];

	*view = (struct slot_view){
		.state = LOAD(state),
		.state_for = since >= started_at && since <= now ? now - since : -1,
		.connections = connections < most ? connections : most,
		.running_since = believable_time(LOAD(running_since), started_at, now),
		.request_since = believable_time(LOAD(request_since), started_at, now),
		.accepted = believable_count(LOAD(accepted), age),
		.requests = believable_count(LOAD(requests), age),
		.limited = believable_count(LOAD(limited), age),
		.cut = believable_count(LOAD(cut), age),
		.refused = believable_count(LOAD(refused), age),
		.memory = LOAD(memory),
		.peer = slot->peer,
	};
	memcpy(error, slot->error, sizeof(error));
	clean_text(view->error, sizeof(view->error), error, sizeof(error));
}

const char *slot_view_text(const struct slot_view *view, char buffer[SLOT_VIEW_TEXT_MAX])
{
	char state_for[16 + CLOCK_TEXT_MAX] = "", held[64 + SLOT_PEER_TEXT_MAX] = "";
	char text[CLOCK_TEXT_MAX], peer[SLOT_PEER_TEXT_MAX];

	if (view->state_for >= 0)
		snprintf(state_for, sizeof(state_for), " for %s",
			 clock_text(view->state_for, text));
	if (view->connections)
		snprintf(held, sizeof(held), " with %u connection%s, last peer %s",
			 view->connections, plural((long)view->connections),
			 slot_peer_text(&view->peer, peer));
	snprintf(buffer, SLOT_VIEW_TEXT_MAX, "it was %s%s%s", slot_state_name(view->state),
		 state_for, held);
	return buffer;
}
