/* SPDX-License-Identifier: MIT */
/*
 * The active check of one server: when to ask next, and what the outcomes mean. Pure: times are
 * milliseconds of a monotonic clock, handed in; who asks, and how, is group.c's business. Each
 * worker asks for itself, so checks are spread by a seed.
 */
#ifndef SERVICES_HTTP_GATEWAY_HEALTH_H
#define SERVICES_HTTP_GATEWAY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct health_rules {
	/* From the beginning of one check to that of the next, a tenth less or more; 1 or more. */
	int64_t every_ms;
	uint32_t rise; /* so many good checks in a row make an ill server well: 1 or more */
	uint32_t fall; /* so many bad ones in a row make it ill: 1 or more */
	int status;    /* that a good answer has; 0: any of 200 to 399 */
};

enum health_change { HEALTH_SAME = 0, HEALTH_WELL_AGAIN, HEALTH_ILL };

struct health_check {
	const struct health_rules *rules; /* borrowed */
	uint64_t random;
	int64_t next_at;
	uint32_t streak; /* outcomes in a row that speak against what we believe */
	bool ill;
};

/*
 * The server is taken to be well until checks say otherwise. The first one is at any time within
 * the interval, by the seed: to be another one for each server and each worker.
 */
void health_init(struct health_check *check, const struct health_rules *rules, int64_t now,
		 uint64_t seed);

/* Milliseconds until the next check; 0: now. */
int64_t health_wait(const struct health_check *check, int64_t now);

/*
 * A check begins; the next one is due an interval later, however late this one is and however long
 * it takes.
 */
void health_begin(struct health_check *check, int64_t now);

/*
 * It has ended: with an answer of this status; 0: with none that is one in time. What that changes.
 */
enum health_change health_end(struct health_check *check, int status);

#endif
