/* SPDX-License-Identifier: MIT */
/*
 * The files that a worker keeps ready, by host and request path. Bounded in number, memory and
 * descriptors; what was not asked for longest goes first (to the second), and what nobody asked for
 * in a minute goes too while others are. A file is compared with the disk when it is asked for, at
 * most once a second; one with a descriptor, which could be written to, each time. What is not
 * there is not remembered.
 */
#ifndef SERVICES_HTTP_CACHE_H
#define SERVICES_HTTP_CACHE_H

#include "services/http/file.h"

#include <stddef.h>
#include <stdint.h>

TAILQ_HEAD(file_list, file);

struct cache {
	size_t entries_max, memory_max, fds_max;
	size_t entries, memory, fds;
	uint64_t seed;
	size_t buckets; /* a power of two, which grows with the entries */
	struct file **bucket;
	struct file_list lru; /* the latest in front */
};

/* 0 or -1 with ENOMEM. A maximum of 0 entries is a cache that keeps nothing. */
int cache_init(struct cache *cache, size_t entries, size_t memory, size_t fds);
void cache_cleanup(struct cache *cache);

/*
 * key: a host (only compared) and a path as it was sent. Only clean paths are kept (path_is_clean),
 * and one that is not clean is not equal to any of them, so it need not be cleaned before it is
 * known to be missing. The file that was opened for them, as it was on disk within the second
 * `now`, with a reference for the caller; NULL: not here, or no longer the same.
 */
struct file *cache_find(struct cache *cache, const void *host, const char *path, size_t len,
			int64_t now);
/*
 * Takes a file that was just opened (with a reference of its own; the caller keeps his), which
 * cache_find did not have, unless it is too large for the cache or its path has a "%". Others may
 * be dropped; who sends one of them is not disturbed.
 */
void cache_add(struct cache *cache, struct file *file);
/* Drops everything. */
void cache_flush(struct cache *cache);
/*
 * Drops the file that was not asked for longest among those with a descriptor that nobody sends.
 * False: there is none.
 */
bool cache_release_fd(struct cache *cache);

#endif
