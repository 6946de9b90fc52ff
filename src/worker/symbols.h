/* SPDX-License-Identifier: MIT */
/*
 * The functions of the running program by address, static ones too, from the symbol table of its
 * file: dladdr(3) knows only what is exported, and handlers mostly are not. A stripped program has
 * none.
 */
#ifndef WORKER_SYMBOLS_H
#define WORKER_SYMBOLS_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

struct symbols {
	const ElfW(Sym) * symbol; /* in the mapped file */
	size_t n;
	const char *names; /* names_size bytes, the last of them NUL */
	size_t names_size;
	uintptr_t base; /* where the program was loaded */
};

/*
 * Maps the file of the running program, for good. n is 0 where that fails or there is nothing in
 * it.
 */
void symbols_open(struct symbols *symbols);

/*
 * The function that the address lies in, and how far from its beginning; NULL: none of ours. A
 * signal handler may call it.
 */
const char *symbols_find(const struct symbols *symbols, uintptr_t address, size_t *offset_r);

#endif
