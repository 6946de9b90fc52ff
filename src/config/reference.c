/* SPDX-License-Identifier: MIT */
/* The directives of all tables, gathered, sorted and written, as reference.h says. */
#include "config/reference.h"

#include "base/arena.h"
#include "config/core.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 512, TABLES_MAX = 64, CHUNK = 16 << 10 };

struct entry {
	const struct mu_directive *directive;
	const char *places; /* "http, host, location" */
	const char *dflt;   /* NULL: none */
};

struct reference {
	struct arena *arena;
	struct entry entry[ENTRIES_MAX];
	size_t entries;
	const struct mu_directive
		*table[TABLES_MAX]; /* that were gathered: some stand in several blocks */
	size_t tables;
	bool failed;
};

/* The parser's own: it is in no table. */
static const struct mu_directive include = {
	.name = "include",
	.type = MU_WORDS,
	.help = "reads other files in its place: include conf.d/*.conf",
};

static bool is_same(const struct mu_directive *a, const struct mu_directive *b)
{
	return strcmp(a->name, b->name) == 0 && a->type == b->type && strcmp(a->help, b->help) == 0;
}

static void add(struct reference *reference, const struct mu_directive *directive,
		const char *place)
{
	struct entry *entry = reference->entry, *end = entry + reference->entries;

	while (entry < end && !is_same(entry->directive, directive))
		entry++;
	if (entry == end) {
		if (reference->entries == ENTRIES_MAX)
			abort();
		reference->entries++;
		*entry = (struct entry){ directive, place, directive->dflt };
		return;
	}
	/* What an inner block does not say it takes over, so the default is that of the outer one. */
	if (!entry->dflt)
		entry->dflt = directive->dflt;
	entry->places = arena_printf(reference->arena, "%s, %s", entry->places, place);
	if (!entry->places)
		reference->failed = true;
}

static bool is_gathered(struct reference *reference, const struct mu_directive *table)
{
	for (size_t i = 0; i < reference->tables; i++)
		if (reference->table[i] == table)
			return true;
	if (reference->tables == TABLES_MAX)
		abort();
	reference->table[reference->tables++] = table;
	return false;
}

static void gather(struct reference *reference, const struct mu_directive *table, const char *place)
{
	if (is_gathered(reference, table))
		return;
	for (const struct mu_directive *d = table; d->name && !reference->failed; d++)
		add(reference, d, place);
	for (const struct mu_directive *d = table; d->name && !reference->failed; d++)
		if (d->block)
			gather(reference, d->block, d->name);
}

static int compare(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;
	int order = strcmp(one->directive->name, other->directive->name);

	return order ? order : strcmp(one->places, other->places);
}

static const char *value_of(const struct entry *entry)
{
	if (entry->directive->type == MU_ENUM)
		return entry->directive->words;
	return schema_type((int)entry->directive->type)->value;
}

static const char *default_of(const struct entry *entry)
{
	if (entry->directive->required)
		return "required";
	return entry->dflt ? entry->dflt : "-";
}

static void widen(int *width, const char *text)
{
	if (*width < (int)strlen(text))
		*width = (int)strlen(text);
}

static void write_entries(const struct reference *reference, FILE *out)
{
	int name = 0, value = 0, places = 0, dflt = 0;

	for (size_t i = 0; i < reference->entries; i++) {
		const struct entry *entry = &reference->entry[i];

		widen(&name, entry->directive->name);
		widen(&value, value_of(entry));
		widen(&places, entry->places);
		widen(&dflt, default_of(entry));
	}
	fprintf(out, "%-*s  %-*s  %-*s  %-*s  %s\n", name, "DIRECTIVE", value, "VALUE", places,
		"STANDS IN", dflt, "DEFAULT", "WHAT IT SAYS");
	for (size_t i = 0; i < reference->entries; i++) {
		const struct entry *entry = &reference->entry[i];

		fprintf(out, "%-*s  %-*s  %-*s  %-*s  %s\n", name, entry->directive->name, value,
			value_of(entry), places, entry->places, dflt, default_of(entry),
			entry->directive->help);
	}
}

int reference_print(const struct mu_module *const *modules, FILE *out)
{
	struct reference reference = { .arena = arena_new(CHUNK) };

	if (!reference.arena)
		return -1;
	add(&reference, &include, "anywhere");
	gather(&reference, core_directives, "top level");
	for (; *modules; modules++)
		if ((*modules)->directives)
			gather(&reference, (*modules)->directives, (*modules)->name);
	if (!reference.failed) {
		qsort(reference.entry, reference.entries, sizeof(*reference.entry), compare);
		write_entries(&reference, out);
	}
	arena_free(reference.arena);
	return reference.failed ? -1 : 0;
}
