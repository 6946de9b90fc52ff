/* SPDX-License-Identifier: MIT */
/* Arenas, as arena.h says: a list of chunks, the newest first; a piece larger than a chunk gets its own. */
#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *newest;
	size_t chunk_size;
};

static struct chunk *chunk_new(size_t size, struct chunk *next)
{
	struct chunk *chunk;

	if (size > SIZE_MAX - sizeof(*chunk)) {
		errno = ENOMEM;
		return NULL;
	}
	chunk = malloc(sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	chunk->next = next;
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

struct arena *arena_new(size_t chunk_size)
{
	struct arena *arena = malloc(sizeof(*arena));

	if (!arena)
		return NULL;
	arena->newest = NULL;
	arena->chunk_size = chunk_size;
	return arena;
}

void arena_free(struct arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->newest; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

void arena_reset(struct arena *arena)
{
	struct chunk *chunk;

	while ((chunk = arena->newest) && chunk->next) {
		arena->newest = chunk->next;
		free(chunk);
	}
	/* A first piece that was larger than a chunk is not worth keeping. */
	if (chunk && chunk->size > arena->chunk_size) {
		free(chunk);
		arena->newest = NULL;
	} else if (chunk) {
		chunk->used = 0;
	}
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct chunk *chunk = arena->newest;
	void *piece;

	if (size > SIZE_MAX - align) {
		errno = ENOMEM;
		return NULL;
	}
	size = (size + align - 1) & ~(align - 1);
	if (!chunk || chunk->size - chunk->used < size) {
		chunk = chunk_new(size > arena->chunk_size ? size : arena->chunk_size,
				  arena->newest);
		if (!chunk)
			return NULL;
		arena->newest = chunk;
	}
	piece = chunk->data + chunk->used;
	chunk->used += size;
	return memset(piece, 0, size);
}

char *arena_strndup(struct arena *arena, const char *string, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (copy)
		memcpy(copy, string, len);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *string)
{
	return arena_strndup(arena, string, strlen(string));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return NULL;
	text = arena_alloc(arena, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, args);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}
