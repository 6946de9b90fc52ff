/* SPDX-License-Identifier: MIT */
/* The process title of a worker: "musterd: worker www 2 busy 3/1024", renewed at most once a second. */
#ifndef WORKER_TITLE_H
#define WORKER_TITLE_H

#include <stddef.h>
#include <stdint.h>

struct title {
	const char *service;
	int number;
	size_t max;
	const char *shown_state;
	size_t shown;
	int64_t renewed_at; /* clock_ms(); 0: never */
};

/* When title_renew has something to do: 0 never, else clock_ms(), perhaps already past. */
int64_t title_due(const struct title *title, const char *state, size_t connections);
/* Sets the title if it is not up to date and its second has passed. */
void title_renew(struct title *title, const char *state, size_t connections, int64_t now);

#endif
