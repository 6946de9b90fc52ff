/* SPDX-License-Identifier: MIT */
/*
 * Watching over the workers of a pool: one look at their slots now and then, as often as the shortest time limit of
 * the service wants it, and never where there is none. health.c decides; here is what follows. A stuck
 * worker is replaced at once, asked where it is, and ended: TERM, then KILL (worker.c). A slow one is asked
 * only.
 */
#ifndef MASTER_WATCH_H
#define MASTER_WATCH_H

#include <stdint.h>

struct pool;
struct worker;

/* For pool->watch. */
void watch_fire(void *pool, int64_t now);
/* A worker of this pool serves from now on. */
void watch_begin(struct pool *pool);
/* It says where it is, because we have asked, or somebody else; text: given. */
void watch_traced(struct worker *worker, char *text);

#endif
