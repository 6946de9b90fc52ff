/* SPDX-License-Identifier: MIT */
/* The state of a pool's queue, as queue.h says. */
#include "master/queue.h"

bool queue_asks(const struct queue *queue, bool woken)
{
	return queue->state == QUEUE_WOKEN || queue->state == QUEUE_WAITING ||
	       (queue->state == QUEUE_WATCHED && woken);
}

static void enter(struct queue *queue, enum queue_state state, int64_t at)
{
	queue->state = state;
	queue->at = at;
}

static void wait_on(struct queue *queue, const struct queue_facts *facts, int64_t now)
{
	int64_t pace = facts->can_grow     ? QUEUE_PACE_MS
		       : queue->full_since ? QUEUE_FULL_LOOK_MS
					   : QUEUE_REST_MS;

	if (queue->state != QUEUE_WAITING)
		queue->waiting_since = now;
	enter(queue, QUEUE_WAITING, now + pace);
}

/* A moment has passed since a client came, or workers changed while clients waited. */
static bool look(struct queue *queue, const struct queue_facts *facts, int64_t now)
{
	bool left = facts->readable && facts->room && queue->state == QUEUE_WOKEN;

	if (!facts->readable && !facts->refusing)
		enter(queue, QUEUE_RESTING, now + QUEUE_REST_MS);
	else if (!facts->room)
		wait_on(queue, facts, now);
	else if (queue->state == QUEUE_WAITING)
		enter(queue, QUEUE_WOKEN, now + QUEUE_MOMENT_MS);
	else
		enter(queue, QUEUE_RESTING, now + QUEUE_REST_MS);
	return left;
}

static void turn_full(struct queue *queue, const struct queue_facts *facts, int64_t now)
{
	bool pressed = queue->state == QUEUE_WAITING && !facts->can_grow && !facts->starting &&
		       facts->serving;

	if (queue->full_since && pressed) {
		queue->full_seen = now;
	} else if (queue->full_since && now - queue->full_seen >= QUEUE_FREE_MS) {
		queue->full_since = 0;
	} else if (pressed && now - queue->waiting_since >= QUEUE_FULL_MS) {
		queue->full_since = queue->waiting_since;
		queue->full_seen = now;
	}
}

bool queue_turn(struct queue *queue, const struct queue_facts *facts, int64_t now)
{
	bool left = false;

	switch (queue->state) {
	case QUEUE_OFF:
		enter(queue, QUEUE_WATCHED, 0);
		break;
	case QUEUE_WATCHED:
		/* Nobody is there who could take it: there is no moment to give. */
		if (facts->woken && facts->readable && !facts->serving && !facts->starting)
			wait_on(queue, facts, now);
		else if (facts->woken)
			enter(queue, QUEUE_WOKEN, now + QUEUE_MOMENT_MS);
		break;
	case QUEUE_WOKEN:
		if (now >= queue->at)
			left = look(queue, facts, now);
		break;
	case QUEUE_WAITING:
		left = look(queue, facts, now);
		break;
	case QUEUE_RESTING:
		if (now >= queue->at)
			enter(queue, QUEUE_WATCHED, 0);
	}
	turn_full(queue, facts, now);
	return left;
}

void queue_rest(struct queue *queue, int64_t now)
{
	enter(queue, QUEUE_RESTING, now + QUEUE_REST_MS);
}

void queue_stop(struct queue *queue)
{
	*queue = (struct queue){ .state = QUEUE_OFF };
}

int64_t queue_next(const struct queue *queue, int64_t now)
{
	if (queue->full_since && !queue->at)
		return now + QUEUE_FULL_LOOK_MS;
	return queue->at;
}
