/* SPDX-License-Identifier: MIT */
/*
 * Small stacks with a guard page below each, cut from slabs. The guard is MADV_GUARD_INSTALL where the
 * kernel has it (6.13; costs no mapping) and an mprotected page elsewhere (two mappings each, which
 * meets vm.max_map_count near 32,000 stacks).
 */
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct slab;

struct stacks {
	struct slab *slabs; /* newest first */
	size_t size;        /* usable bytes of each stack, a multiple of the page size */
	size_t guard;       /* bytes of the guard: one page */
};

/* size: usable bytes, rounded up to pages. */
void stacks_init(struct stacks *stacks, size_t size);
/* Gives all memory back; no stack may be in use. */
void stacks_cleanup(struct stacks *stacks);
/* The lowest usable byte of a new stack, or NULL with errno. Never given back one by one. */
void *stack_take(struct stacks *stacks);
/* Whether the address lies in the guard below a stack: somebody has overrun that one. A signal handler may ask. */
bool stacks_guard(const struct stacks *stacks, const void *address);
/* Gives the pages of an unused stack back to the kernel; the stack itself stays usable. */
void stack_cool(const struct stacks *stacks, void *stack);

#endif
