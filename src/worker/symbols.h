/* SPDX-License-Identifier: MIT */
/*
 * The functions of the running program and of a loaded module by address, static ones too, from the symbol table of
 * the file: dladdr(3) knows only what is exported, and handlers mostly are not. A stripped file has none.
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
	uintptr_t base; /* where the file was loaded */
};

/* Maps the file that runs at this base, for good. n is 0 where that fails or there is nothing in it. */
void symbols_open(struct symbols *symbols, const char *path, uintptr_t base);
/* That of the running program. */
void symbols_open_program(struct symbols *symbols);
/* That of the shared object in which this address lies. */
void symbols_open_object(struct symbols *symbols, const void *address);

/*
 * The function that the address lies in, and how far from its beginning; NULL: none of the file's. A
 * signal handler may call it.
 */
const char *symbols_find(const struct symbols *symbols, uintptr_t address, size_t *offset_r);

#endif
