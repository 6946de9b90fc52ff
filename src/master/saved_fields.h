/* SPDX-License-Identifier: MIT */
/*
 * What the records of a state hold: for each kind a table of its values in their order. What a table lists is
 * written, read and checked by the same few functions of saved.c, who alone uses this.
 */
#ifndef MASTER_SAVED_FIELDS_H
#define MASTER_SAVED_FIELDS_H

#include <stddef.h>
#include <stdint.h>

/* Also in the bytes. */
enum type { NUMBER = 1, DESCRIPTOR = 2, TEXT = 3 };

struct field {
	enum type type;
	size_t at; /* in the struct */
	int64_t low, high;
	int since; /* the first version that wrote it */
};

struct kind {
	uint32_t tag;
	const char *name;
	const struct field *field;
	size_t fields;
	size_t size;        /* of the struct */
	size_t items_at;    /* of the array in struct saved */
	size_t count_at;    /* of its length */
	size_t least, most; /* how many there may be */
};

enum { SAVED_FIRST_FD = 3, SAVED_KINDS = 10 };
extern const struct kind saved_kinds[SAVED_KINDS];

#endif
