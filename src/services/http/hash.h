/* SPDX-License-Identifier: MIT */
/* The steps of all hashing here: a word or a byte into a hash. */
#ifndef SERVICES_HTTP_HASH_H
#define SERVICES_HTTP_HASH_H

#include <stdint.h>

/* Strong enough with a secret seed where clients choose what is kept. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* FNV-1a, from HASH_BASIS on: for tables of which no client says what is in them. */
enum { HASH_BASIS = 0x811c9dc5 };
static inline uint32_t hash_byte(uint32_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * 0x01000193;
}

#endif
