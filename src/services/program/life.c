/* SPDX-License-Identifier: MIT */
/* What is to be done with a program, as life.h says. */
#include "services/program/life.h"

void life_begin(struct life *life, const struct life_conf *conf, int64_t now)
{
	*life = (struct life){ .conf = conf, .began_at = now };
}

void life_notified(struct life *life, const struct notify *notify, int64_t now)
{
	life->said_ready |= notify->ready;
	life->leaving |= notify->stopping;
	life->triggered |= notify->triggered;
	if (notify->alive)
		life->alive_at = now;
}

static enum life_action begin_dying(struct life *life, enum life_action action, int64_t now)
{
	life->phase = LIFE_DYING;
	life->kill_at = now + life->conf->kill_after_ms;
	return action;
}

/* Whoever says READY=1 is, whatever it was expected to do. */
static bool is_ready(const struct life *life, int64_t now)
{
	return life->said_ready || life->conf->ready == LIFE_ON_START ||
	       (life->conf->ready == LIFE_AFTER && now >= life->began_at + life->conf->after_ms);
}

static enum life_action next_starting(struct life *life, bool draining, int64_t now,
				      int64_t *again_at)
{
	/* It has no clients that would be worth the whole drain limit. */
	if (draining)
		return begin_dying(life, LIFE_STOP, now);
	if (is_ready(life, now)) {
		life->phase = LIFE_SERVING;
		life->alive_at = now;
		return LIFE_READY;
	}
	if (life->conf->ready == LIFE_AFTER)
		*again_at = life->began_at + life->conf->after_ms;
	return LIFE_WAIT;
}

static enum life_action next_serving(struct life *life, bool draining, int64_t now,
				     int64_t *again_at)
{
	int64_t watchdog_at = life->alive_at + life->conf->watchdog_ms;

	if (draining) {
		life->phase = LIFE_STOPPING;
		return LIFE_STOP;
	}
	if (life->triggered || (life->conf->watchdog_ms && !life->leaving && now >= watchdog_at)) {
		life->watchdog_bit = true;
		return begin_dying(life, LIFE_ABORT, now);
	}
	if (life->conf->watchdog_ms && !life->leaving)
		*again_at = watchdog_at;
	return LIFE_WAIT;
}

enum life_action life_next(struct life *life, bool draining, int64_t now, int64_t *again_at)
{
	*again_at = 0;
	switch (life->phase) {
	case LIFE_STARTING:
		return next_starting(life, draining, now, again_at);
	case LIFE_SERVING:
		return next_serving(life, draining, now, again_at);
	case LIFE_DYING:
		if (life->kill_at && now >= life->kill_at) {
			life->kill_at = 0;
			return LIFE_KILL;
		}
		*again_at = life->kill_at;
		return LIFE_WAIT;
	case LIFE_STOPPING:
		break;
	}
	return LIFE_WAIT;
}
