/* SPDX-License-Identifier: MIT */
/* Stacks, as stack.h says. */
#include "runtime/stack.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* linux/mman.h, since 6.13 */
#endif

enum { STACKS_PER_SLAB = 32 };

struct slab {
	struct slab *next;
	char *memory;
	size_t used; /* stacks taken */
};

void stacks_init(struct stacks *stacks, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	stacks->slabs = NULL;
	stacks->guard = page;
	stacks->size = (size + page - 1) / page * page;
}

static size_t stride(const struct stacks *stacks)
{
	return stacks->size + stacks->guard;
}

void stacks_cleanup(struct stacks *stacks)
{
	struct slab *slab;

	while ((slab = stacks->slabs)) {
		stacks->slabs = slab->next;
		munmap(slab->memory, stride(stacks) * STACKS_PER_SLAB);
		free(slab);
	}
}

static struct slab *slab_new(const struct stacks *stacks)
{
	struct slab *slab = malloc(sizeof(*slab));

	if (!slab)
		return NULL;
	slab->memory = mmap(NULL, stride(stacks) * STACKS_PER_SLAB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab->memory == MAP_FAILED) {
		free(slab);
		return NULL;
	}
	/* A huge page would make one touched byte of a stack cost two megabytes. */
	madvise(slab->memory, stride(stacks) * STACKS_PER_SLAB, MADV_NOHUGEPAGE);
	slab->used = 0;
	slab->next = NULL;
	return slab;
}

void *stack_take(struct stacks *stacks)
{
	struct slab *slab = stacks->slabs;
	char *guard;

	if (!slab || slab->used == STACKS_PER_SLAB) {
		slab = slab_new(stacks);
		if (!slab)
			return NULL;
		slab->next = stacks->slabs;
		stacks->slabs = slab;
	}
	guard = slab->memory + slab->used * stride(stacks);
	if (madvise(guard, stacks->guard, MADV_GUARD_INSTALL) < 0 &&
	    mprotect(guard, stacks->guard, PROT_NONE) < 0)
		return NULL;
	slab->used++;
	return guard + stacks->guard;
}

bool stacks_guard(const struct stacks *stacks, const void *address)
{
	for (const struct slab *slab = stacks->slabs; slab; slab = slab->next) {
		size_t offset = (uintptr_t)address - (uintptr_t)slab->memory;

		if (offset < stride(stacks) * STACKS_PER_SLAB)
			return offset % stride(stacks) < stacks->guard;
	}
	return false;
}

void stack_cool(const struct stacks *stacks, void *stack)
{
	madvise(stack, stacks->size, MADV_DONTNEED);
}
