/* SPDX-License-Identifier: MIT */
/* The module of a worker before it serves: loaded, its block read and checked, prepared, started. */
#ifndef WORKER_MODULE_H
#define WORKER_MODULE_H

#include "base/arena.h"
#include "worker/life.h"

/*
 * Sets rt.module, of which the master has given but the name where it is in a file. What its block says, in the arena; NULL: it
 * cannot serve (logged).
 */
const void *module_load(struct worker *worker, struct arena *arena);
/* Its hooks, where it has them. -1: it cannot serve (logged). */
int module_prepare(struct worker *worker, const void *config);
int module_start(struct worker *worker, const void *config);

#endif
