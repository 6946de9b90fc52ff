/* SPDX-License-Identifier: MIT */
/* Names of functions, as symbols.h says. */
#include "worker/symbols.h"

#include "base/fd.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int first_object(struct dl_phdr_info *info, size_t size, void *base_r)
{
	(void)size;
	*(uintptr_t *)base_r = info->dlpi_addr;
	return 1; /* the program itself is the first; no more */
}

static bool is_within(uint64_t offset, uint64_t len, size_t size)
{
	return offset <= size && len <= size - offset;
}

static void find_table(struct symbols *symbols, const char *file, size_t size)
{
	const ElfW(Ehdr) *head = (const void *)file;
	const ElfW(Shdr) * section;

	if (size < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    !is_within(head->e_shoff, (uint64_t)head->e_shnum * sizeof(*section), size))
		return;
	section = (const void *)(file + head->e_shoff);
	for (size_t i = 0; i < head->e_shnum; i++) {
		const ElfW(Shdr) *table = &section[i], *names;

		if (table->sh_type != SHT_SYMTAB || table->sh_link >= head->e_shnum)
			continue;
		names = &section[table->sh_link];
		if (!is_within(table->sh_offset, table->sh_size, size) || !names->sh_size ||
		    !is_within(names->sh_offset, names->sh_size, size) ||
		    file[names->sh_offset + names->sh_size - 1])
			continue;
		symbols->symbol = (const void *)(file + table->sh_offset);
		symbols->n = table->sh_size / sizeof(*symbols->symbol);
		symbols->names = file + names->sh_offset;
		symbols->names_size = names->sh_size;
	}
}

void symbols_open(struct symbols *symbols, const char *path, uintptr_t base)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *file;

	*symbols = (struct symbols){ .base = base };
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file != MAP_FAILED)
			find_table(symbols, file, (size_t)st.st_size);
		if (file != MAP_FAILED && !symbols->n)
			munmap(file, (size_t)st.st_size);
	}
	fd_close(&fd);
}

void symbols_open_program(struct symbols *symbols)
{
	uintptr_t base = 0;

	dl_iterate_phdr(first_object, &base);
	symbols_open(symbols, "/proc/self/exe", base);
}

void symbols_open_object(struct symbols *symbols, const void *address)
{
	struct link_map *map;
	Dl_info info;

	*symbols = (struct symbols){ .n = 0 };
	if (dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP))
		symbols_open(symbols, map->l_name, map->l_addr);
}

const char *symbols_find(const struct symbols *symbols, uintptr_t address, size_t *offset_r)
{
	uintptr_t at = address - symbols->base;

	for (size_t i = 0; i < symbols->n; i++) {
		const ElfW(Sym) *symbol = &symbols->symbol[i];

		if ((symbol->st_info & 0xf) != STT_FUNC || at < symbol->st_value ||
		    at - symbol->st_value >= symbol->st_size ||
		    symbol->st_name >= symbols->names_size)
			continue;
		*offset_r = at - symbol->st_value;
		return symbols->names + symbol->st_name;
	}
	return NULL;
}
