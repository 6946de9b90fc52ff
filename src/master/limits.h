/* SPDX-License-Identifier: MIT */
/* The master's own resource limits. A worker sets those of its service itself. */
#ifndef MASTER_LIMITS_H
#define MASTER_LIMITS_H

#include <stddef.h>

/*
 * Makes sure that this many descriptors, and some for ourselves, can be open: raises the soft
 * limit, and with the privilege to do so the hard one. When that fails the log says which limit is in the way.
 */
void limits_need_files(size_t n);

#endif
