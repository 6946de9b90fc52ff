/* SPDX-License-Identifier: MIT */
/* The cache of open files; see cache.h. A hash table with a list in order of last use. */
#include "services/http/cache.h"

#include "services/http/hash.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS_FIRST = 64,
	UNUSED_MAX = 60, /* seconds */
};

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
static inline uint64_t hash_of(uint64_t seed, const void *host, const char *key, size_t len)
{
	uint64_t hash = hash_mix(seed ^ len, (uintptr_t)host), word = 0;
	const char *end = key + len;

	if (len >= 8) {
		for (; end - key > 8; key += 8)
			hash = hash_mix(hash, load(key));
		return hash_mix(hash, load(end - 8));
	}
	while (key < end)
		word = word << 8 | (unsigned char)*key++;
	return hash_mix(hash, word);
}

static struct file **place_of(const struct cache *cache, uint64_t hash)
{
	return &cache->bucket[hash & (cache->buckets - 1)];
}

int cache_init(struct cache *cache, size_t entries, size_t memory, size_t fds)
{
	*cache = (struct cache){
		.entries_max = entries,
		.memory_max = memory,
		.fds_max = fds,
		.buckets = BUCKETS_FIRST,
	};
	arc4random_buf(&cache->seed, sizeof cache->seed);
	TAILQ_INIT(&cache->lru);
	cache->bucket = calloc(cache->buckets, sizeof(struct file *));
	return cache->bucket ? 0 : -1;
}

static void insert(struct cache *cache, struct file *file)
{
	struct file **place = place_of(cache, file->hash);

	file->next = *place;
	*place = file;
}

/* Twice as many buckets; without memory for them chains only become longer. */
static void grow(struct cache *cache)
{
	struct file **bucket = calloc(2 * cache->buckets, sizeof(struct file *)), *file;

	if (!bucket)
		return;
	free(cache->bucket);
	cache->bucket = bucket;
	cache->buckets *= 2;
	TAILQ_FOREACH (file, &cache->lru, lru)
		insert(cache, file);
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
	cache->fds -= file->fds;
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
		if (file->fds && file->references == 1) {
			drop(cache, file);
			return true;
		}
	}
	return false;
}

/* The last in the list, if it has rested for long: a few each second, as fast as others come. */
static void drop_unused(struct cache *cache, int64_t now)
{
	struct file *file = TAILQ_LAST(&cache->lru, file_list);

	if (file && now - file->checked > UNUSED_MAX)
		drop(cache, file);
}

struct file *cache_find(struct cache *cache, const void *host, const char *path, size_t len,
			int64_t now)
{
	uint64_t hash = hash_of(cache->seed, host, path, len);
	struct file *file = *place_of(cache, hash);

	while (file && (file->hash != hash || file->key_len != len || file->host != host ||
			memcmp(file->key, path, len) != 0))
		file = file->next;
	if (!file)
		return NULL;
	if (file->checked == now) {
		if (!file->fds || !file_has_changed(file))
			return file_ref(file);
		drop(cache, file);
		return NULL;
	}
	if (!file_is_current(file, now)) {
		drop(cache, file);
		return NULL;
	}
	file->checked = now;
	TAILQ_REMOVE(&cache->lru, file, lru);
	TAILQ_INSERT_HEAD(&cache->lru, file, lru);
	drop_unused(cache, now);
	return file_ref(file);
}

/* Drops those that were not asked for longest until another file has room. */
static void make_room(struct cache *cache, const struct file *file)
{
	while (cache->entries == cache->entries_max ||
	       cache->memory + file->memory > cache->memory_max)
		drop(cache, TAILQ_LAST(&cache->lru, file_list));
	while (file->fds && cache->fds + file->fds > cache->fds_max) {
		struct file *oldest;

		TAILQ_FOREACH_REVERSE(oldest, &cache->lru, file_list, lru)
		if (oldest->fds)
			break;
		drop(cache, oldest);
	}
}

void cache_add(struct cache *cache, struct file *file)
{
	/* What has a % in it would be found by the path that means its decoded form. */
	if (memchr(file->key, '%', file->key_len))
		return;
	if (!cache->entries_max || file->memory > cache->memory_max || file->fds > cache->fds_max)
		return;
	make_room(cache, file);
	if (cache->entries >= cache->buckets)
		grow(cache);
	file->hash = hash_of(cache->seed, file->host, file->key, file->key_len);
	insert(cache, file);
	TAILQ_INSERT_HEAD(&cache->lru, file, lru);
	cache->entries++;
	cache->memory += file->memory;
	cache->fds += file->fds;
	file_ref(file);
}
