/* SPDX-License-Identifier: MIT */
/*
 * The process title of a worker: "musterd: worker www 2 busy 3/1024", or where the module accepts by itself, "musterd:
 * worker app 1 serving: what it says of itself". Renewed at most once a second.
 */
#ifndef WORKER_TITLE_H
#define WORKER_TITLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TITLE_STATUS_MAX = 128 };

struct title {
	const char *service;
	int number;
	size_t max;
	bool tended;                   /* the status in place of the connections */
	char status[TITLE_STATUS_MAX]; /* "": none */
	const char *shown_state;
	size_t shown;
	int64_t renewed_at; /* clock_ms(); 0: never */
};

/* When title_renew has something to do: 0 never, else clock_ms(), perhaps already past. */
int64_t title_due(const struct title *title, const char *state, size_t connections);
/* Sets the title if it is not up to date and its second has passed. */
void title_renew(struct title *title, const char *state, size_t connections, int64_t now);

/* Another status; copied, and cut where it is too long. Shown by title_renew. */
void title_set_status(struct title *title, const char *status);

#endif
