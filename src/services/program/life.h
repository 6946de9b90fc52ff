/* SPDX-License-Identifier: MIT */
/*
 * The life of one program: what to do with it, and when to look again, by what it said and what time it is.
 * Pure: program.c waits, sends the signals and says it in the log.
 *
 *     LIFE_STARTING -- ready --> LIFE_SERVING -- told to go --> LIFE_STOPPING
 *           |                        | no sign of life
 *           | told to go             v
 *           +-------------------> LIFE_DYING -- kill-after --> killed
 */
#ifndef SERVICES_PROGRAM_LIFE_H
#define SERVICES_PROGRAM_LIFE_H

#include "services/program/notify.h"

#include <stdint.h>

enum life_ready { LIFE_BY_NOTIFY = 0, LIFE_ON_START = 1, LIFE_AFTER = 2 };

struct life_conf {
	enum life_ready ready;
	int64_t after_ms;      /* LIFE_AFTER */
	int64_t watchdog_ms;   /* 0: none */
	int64_t kill_after_ms; /* from a signal that should have ended it */
};

enum life_phase {
	LIFE_STARTING,
	LIFE_SERVING,
	LIFE_STOPPING, /* it finishes; the drain limit is the worker's */
	LIFE_DYING     /* killed after kill-after */
};

struct life {
	const struct life_conf *conf; /* borrowed */
	enum life_phase phase;
	bool leaving;               /* it said that it is about to end */
	bool watchdog_bit;          /* it is being ended because it gave no sign of life */
	int64_t began_at;           /* it was started */
	int64_t alive_at;           /* its last sign of life */
	int64_t kill_at;            /* 0: not */
	bool said_ready, triggered; /* READY=1, WATCHDOG=trigger */
};

enum life_action {
	LIFE_WAIT,  /* until *again_at_r, or until something happens */
	LIFE_READY, /* say that it serves; ask again */
	LIFE_STOP,  /* the stop-signal; ask again */
	LIFE_ABORT, /* SIGABRT; ask again */
	LIFE_KILL   /* SIGKILL to all of it; ask again */
};

void life_begin(struct life *life, const struct life_conf *conf, int64_t now);
/* The program said something. */
void life_notified(struct life *life, const struct notify *notify, int64_t now);
/* draining: the worker was told to go. *again_at_r: of LIFE_WAIT; 0: never. */
enum life_action life_next(struct life *life, bool draining, int64_t now, int64_t *again_at_r);

#endif
