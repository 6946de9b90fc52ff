/* SPDX-License-Identifier: MIT */
/* A worker process from fork to exit: the one function that main.c hands to the master. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "base/contract.h"

/* A worker_run (base/contract.h). */
int worker_main(const struct worker_args *args);

#endif
