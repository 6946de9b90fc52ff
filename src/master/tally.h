/* SPDX-License-Identifier: MIT */
/*
 * Deaths of the same kind in a row fill no log: in each window of a minute the first few are told one
 * by one, the others are counted and told together at its end. One tally for each service. Pure: the time
 * is passed in. The log and the deadline are reap.c's.
 */
#ifndef MASTER_TALLY_H
#define MASTER_TALLY_H

#include "master/death.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TALLY_WINDOW_MS = 60000,
	TALLY_TOLD = 3,  /* of each kind, one by one */
	TALLY_KINDS = 8, /* of one window; the last one is "in other ways" */
};

struct tally {
	int64_t began_at; /* of the window */
	size_t kinds;
	struct tally_kind {
		struct death_kind kind;
		unsigned told, untold;
	} of[TALLY_KINDS];
};

/* True: this one is to be told now. */
bool tally_add(struct tally *tally, const struct death_kind *kind, int64_t now);
/* When tally_take is due: the window's end; 0: nothing has been left untold. */
int64_t tally_due(const struct tally *tally);

#define TALLY_TEXT_MAX 160
/*
 * Takes out one kind of which deaths were left untold: "37 more workers were killed by SIGSEGV in the last minute". False: there is none (any more): a new window begins with the next death.
 */
bool tally_take(struct tally *tally, int64_t now, char buffer[TALLY_TEXT_MAX]);

#endif
