/* SPDX-License-Identifier: MIT */
/*
 * An arena: memory that is taken piece by piece and given back all at once. A configuration lives in
 * one, and so does what a connection needs until serve returns.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* chunk: bytes asked from malloc at a time. NULL with ENOMEM. */
struct arena *arena_new(size_t chunk);
/* Gives everything back. NULL is fine. */
void arena_free(struct arena *arena);
/* Forgets all pieces, keeps the first chunk for the next round. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for anything, valid until arena_free or arena_reset. NULL with ENOMEM. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *string);
char *arena_strndup(struct arena *arena, const char *string, size_t len);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
	__attribute__((__format__(__printf__, 2, 0)));

#endif
