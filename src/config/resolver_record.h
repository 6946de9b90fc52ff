/* SPDX-License-Identifier: MIT */
/* For resolver.c and resolver_module.c: an answer written into the record, or taken from it. */
#ifndef CONFIG_RESOLVER_RECORD_H
#define CONFIG_RESOLVER_RECORD_H

#include "config/resolver.h"

/* -1, with the reason. */
int resolver_fail(char *reason_r, const char *reason);
/* A new entry with room for n words, of which the caller fills in all. NULL with the error added. */
const char **resolver_record(struct resolver *resolver, size_t n);
/*
 * The next entry if it is what is asked for, with at least n words (question, more: NULL for any). NULL with the
 * reason.
 */
const char *const *resolver_replay(struct resolver *resolver, size_t n, const char *what,
				   const char *question, const char *more, char *reason_r);
/* NULL with the error added. */
const char *resolver_number(struct resolver *resolver, unsigned long number);
/* False with the reason when the word is no number up to max. */
bool resolver_read_number(const char *word, unsigned long max, unsigned long *number_r,
			  char *reason_r);

#endif
