/* SPDX-License-Identifier: MIT */
/* The cache of open files; see cache.h. A hash table with a list in order of last use. */
#include "services/http/cache.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

static inline uint64_t load(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, 8);
	return word;
}

/*
 * Eight bytes a step, the last ones overlapping those before; seeded, so that nobody outside can
 * choose paths that collide.
 */
static inline uint64_t hash_of(uint64_t seed, const char *key, size_t len)
{
	uint64_t hash = seed ^ len, word = 0;
	const char *end = key + len;

	if (len >= 8) {
		for (; end - key > 8; key += 8)
			hash = mix(hash, load(key));
		return mix(hash, load(end - 8));
	}
	while (key < end)
		word = word << 8 | (unsigned char)*key++;
	return mix(hash, word);
}

static struct file **place_of(const struct cache *cache, uint64_t hash)
{
	return &cache->bucket[hash & (cache->buckets - 1)];
}

int cache_init(struct cache *cache, const struct root *root, size_t entries, size_t memory,
	       size_t fds)
{
	*cache = (struct cache){
		.root = root,
		.entries_max = entries,
		.memory_max = memory,
		.fds_max = fds,
		.buckets = 1,
	};
	while (cache->buckets < 2 * entries)
		cache->buckets *= 2;
	arc4random_buf(&cache->seed, sizeof cache->seed);
	TAILQ_INIT(&cache->lru);
	cache->bucket = calloc(cache->buckets, sizeof(struct file *));
	return cache->bucket ? 0 : -1;
}

static void drop(struct cache *cache, struct file *file)
{
	struct file **place = place_of(cache, file->hash);

	while (*place != file)
		place = &(*place)->next;
	*place = file->next;
	TAILQ_REMOVE(&cache->lru, file, lru);
	cache->entries--;
	cache->memory -= file->memory;
	cache->fds -= file->fd >= 0;
	file_unref(file);
}

void cache_flush(struct cache *cache)
{
	while (!TAILQ_EMPTY(&cache->lru))
		drop(cache, TAILQ_FIRST(&cache->lru));
}

void cache_cleanup(struct cache *cache)
{
	if (cache->bucket)
		cache_flush(cache);
	free(cache->bucket);
	cache->bucket = NULL;
}

bool cache_release_fd(struct cache *cache)
{
	struct file *file;

	TAILQ_FOREACH_REVERSE(file, &cache->lru, file_list, lru)
	{
		/* While somebody sends it, dropping it would give nothing back. */
		if (file->fd >= 0 && file->references == 1) {
			drop(cache, file);
			return true;
		}
	}
	return false;
}

struct file *cache_find(struct cache *cache, const char *key, size_t len, int64_t now)
{
	uint64_t hash = hash_of(cache->seed, key, len);
	struct file *file = *place_of(cache, hash);

	while (file &&
	       (file->hash != hash || file->key_len != len || memcmp(file->text, key, len) != 0))
		file = file->next;
	if (!file)
		return NULL;
	if (file->checked != now) {
		if (!file_is_current(file, cache->root)) {
			drop(cache, file);
			return NULL;
		}
		file->checked = now;
		TAILQ_REMOVE(&cache->lru, file, lru);
		TAILQ_INSERT_HEAD(&cache->lru, file, lru);
	}
	return file_ref(file);
}

void cache_add(struct cache *cache, struct file *file)
{
	struct file **place;

	/* What has a % in it would be found by the path that means its decoded form. */
	if (memchr(file->text, '%', file->key_len))
		return;
	if (!cache->entries_max || file->memory > cache->memory_max ||
	    (file->fd >= 0 && !cache->fds_max))
		return;
	while (cache->entries == cache->entries_max ||
	       cache->memory + file->memory > cache->memory_max)
		drop(cache, TAILQ_LAST(&cache->lru, file_list));
	while (file->fd >= 0 && cache->fds >= cache->fds_max) {
		struct file *oldest;

		TAILQ_FOREACH_REVERSE(oldest, &cache->lru, file_list, lru)
		if (oldest->fd >= 0)
			break;
		drop(cache, oldest);
	}
	file->hash = hash_of(cache->seed, file->text, file->key_len);
	place = place_of(cache, file->hash);
	file->next = *place;
	*place = file;
	TAILQ_INSERT_HEAD(&cache->lru, file, lru);
	cache->entries++;
	cache->memory += file->memory;
	cache->fds += file->fd >= 0;
	file_ref(file);
}
