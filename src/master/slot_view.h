/* SPDX-License-Identifier: MIT */
/*
 * What a worker tells of itself, copied out of its slot at one moment and made believable: anything may
 * stand there, and it may change while we look. All that the master says or decides by a slot goes through here.
 */
#ifndef MASTER_SLOT_VIEW_H
#define MASTER_SLOT_VIEW_H

#include "base/scoreboard.h"

#include <stddef.h>
#include <stdint.h>

struct slot_view {
	uint32_t state;        /* enum slot_state, or what is none */
	int64_t state_for;     /* milliseconds; -1: not known */
	uint32_t connections;  /* never more than it may hold */
	int64_t running_since; /* 0: not; else not before its start and not after now */
	int64_t request_since; /* the same */
	/* 0 where no worker of this age can have done so many. */
	uint64_t accepted, requests, limited, cut, refused;
	uint64_t memory;
	struct slot_peer peer;
	char error[SLOT_ERROR_MAX + 1]; /* fit for a log line; "": none */
};

/* most: connections that it may hold; started_at, now: clock_ms(). */
void slot_view_take(struct slot_view *view_r, const struct slot *slot, uint32_t most,
		    int64_t started_at, int64_t now);

#define SLOT_VIEW_TEXT_MAX 192
/* "it was busy for 3s with 1 connection, last peer 192.0.2.1:80". Returns buffer. */
const char *slot_view_text(const struct slot_view *view, char buffer[SLOT_VIEW_TEXT_MAX]);

/*
 * Copies at most len bytes, up to the first NUL, as text of one line: control bytes become '?', blanks at the end
 * go. Ends it with NUL within room (not 0). The length of what was written.
 */
size_t clean_text(char *out, size_t room, const char *data, size_t len);

#endif
