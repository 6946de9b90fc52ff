/* SPDX-License-Identifier: MIT */
/* The one step of all hashing here: a word into a hash. Strong enough with a secret seed. */
#ifndef SERVICES_HTTP_HASH_H
#define SERVICES_HTTP_HASH_H

#include <stdint.h>

static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

#endif
