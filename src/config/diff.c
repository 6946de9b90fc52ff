/* SPDX-License-Identifier: MIT */
/*
 * The plan as diff.h says: the effective values of both sides side by side. Which values there are, and
 * what makes two of them equal, is in effective.c.
 */
#include "config/diff.h"

#include "config/effective.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK = 16 << 10, SHOWN_MAX = 200 };

/* A plan in the making. */
struct diff {
	struct conf_context scratch; /* for what nobody needs later */
	struct plan *plan;
	const struct config *old, *new; /* old NULL: there is none */
};

static void fail(struct diff *diff)
{
	conf_error(&diff->scratch, &(struct conf_place){ NULL, 0, 0 }, "out of memory");
}

/* ------------------------------------------------------------------------------------- values ---- */

/*
 * The values of both sides, and how far they are compared. Those of the old side are found by their names: there may be
 * as many as a thousand hosts have, all with other names now, and it is the master who waits.
 */
struct pairs {
	struct effective_values old, new;
	size_t *first; /* by hash: the first old value that has no pair yet, and 1; 0: none */
	size_t *next;  /* by old value: the next one of its hash, the same */
	size_t hashes; /* a power of two */
	size_t new_at; /* where to go on */
};

/* FNV-1a. */
static size_t hash_of(const struct pairs *pairs, const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash & (pairs->hashes - 1);
}

static bool pairs_init(struct diff *diff, struct pairs *pairs, struct effective_values old,
		       struct effective_values new)
{
	*pairs = (struct pairs){ .old = old, .new = new, .hashes = 1 };
	while (pairs->hashes < old.n)
		pairs->hashes *= 2;
	pairs->first = conf_alloc(&diff->scratch, pairs->hashes * sizeof(*pairs->first));
	pairs->next = conf_alloc(&diff->scratch, (old.n + 1) * sizeof(*pairs->next));
	if (!pairs->first || !pairs->next)
		return false;
	for (size_t i = old.n; i-- > 0;) {
		size_t *first = &pairs->first[hash_of(pairs, old.value[i].name)];

		pairs->next[i] = *first;
		*first = i + 1;
	}
	return true;
}

/* Labels may be equal, and so names: the first of that name that was not taken before. NULL: there is none. */
static const struct effective_value *take_old(struct pairs *pairs, const char *name)
{
	size_t *at = &pairs->first[hash_of(pairs, name)];

	while (*at) {
		size_t i = *at - 1;

		if (strcmp(pairs->old.value[i].name, name) == 0) {
			*at = pairs->next[i];
			return &pairs->old.value[i];
		}
		at = &pairs->next[i];
	}
	return NULL;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What is quoted came from a file or the environment: a terminal would obey what is in it. */
static void put_clean(const char *text, FILE *out)
{
	for (const char *p = text; *p; p++)
		fputc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, out);
}

/* "old -> new"; too long to read: "changed". */
static void put_change(const struct effective_value *old, const struct effective_value *new,
		       FILE *out)
{
	const char *from = old->shown ? old->shown : "(not set)";
	const char *to = new->shown ? new->shown : "(not set)";

	if (is_same(old->text, new->text)) {
		fputs(new->is_command ? "a file of " : "the file ", out);
		put_clean(new->shown, out);
		fputs(" was changed", out);
	} else if (strlen(from) > SHOWN_MAX || strlen(to) > SHOWN_MAX) {
		fputs("changed", out);
	} else {
		put_clean(from, out);
		fputs(" -> ", out);
		put_clean(to, out);
	}
}

/*
 * The next new value that differs from the old one. What one side alone has comes with another handler, or
 * another list of blocks, and that is a difference itself.
 */
static const struct effective_value *next_change(struct pairs *pairs,
						 const struct effective_value **old_r)
{
	while (pairs->new_at < pairs->new.n) {
		const struct effective_value *new = &pairs->new.value[pairs->new_at++];
		const struct effective_value *old = take_old(pairs, new->name);

		*old_r = old;
		if (old && (!is_same(old->text, new->text) || !is_same(old->file, new->file)))
			return new;
	}
	return NULL;
}

/* A stream into memory, and what it becomes in the plan's arena. */
struct stream {
	FILE *out;
	char *data;
	size_t len;
};

static bool stream_open(struct diff *diff, struct stream *stream)
{
	stream->out = open_memstream(&stream->data, &stream->len);
	if (!stream->out)
		fail(diff);
	return stream->out;
}

static const char *plan_strdup(struct diff *diff, const char *text)
{
	const char *copy = arena_strdup(diff->plan->arena, text);

	if (!copy)
		fail(diff);
	return copy;
}

/* NULL: out of memory. */
static const char *stream_close(struct diff *diff, struct stream *stream)
{
	const char *text = NULL;

	if (fclose(stream->out) == 0)
		text = plan_strdup(diff, stream->data);
	else
		fail(diff);
	free(stream->data);
	return text;
}

static void *plan_alloc(struct diff *diff, size_t n, size_t size)
{
	void *piece = arena_alloc(diff->plan->arena, (n + 1) * size);

	if (!piece)
		fail(diff);
	return piece;
}

static void compare_top(struct diff *diff)
{
	const struct effective_value *old, *new;
	struct plan *plan = diff->plan;
	struct stream stream;
	struct pairs pairs;

	if (!pairs_init(diff, &pairs, effective_top(&diff->scratch, diff->old),
			effective_top(&diff->scratch, diff->new)))
		return;
	plan->change = plan_alloc(diff, pairs.new.n, sizeof(*plan->change));
	while (plan->change && (new = next_change(&pairs, &old))) {
		if (!stream_open(diff, &stream))
			return;
		put_change(old, new, stream.out);
		plan->change[plan->changes++] = (struct plan_change){ plan_strdup(diff, new->name),
								      stream_close(diff, &stream) };
	}
}

/* ----------------------------------------------------------------------------------- services ---- */

/* In words; NULL: nothing differs. */
static const char *compare_services(struct diff *diff, size_t old_index, size_t new_index)
{
	const struct effective_value *old, *new;
	struct stream stream;
	struct pairs pairs;
	const char *changes;

	if (!pairs_init(diff, &pairs, effective_service(&diff->scratch, diff->old, old_index),
			effective_service(&diff->scratch, diff->new, new_index)) ||
	    !stream_open(diff, &stream))
		return NULL;
	while ((new = next_change(&pairs, &old))) {
		if (ftell(stream.out) > 0)
			fputs("; ", stream.out);
		put_clean(new->name, stream.out);
		fputs(is_same(old->text, new->text) ? ": " : " ", stream.out);
		put_change(old, new, stream.out);
	}
	changes = stream_close(diff, &stream);
	return changes && *changes ? changes : NULL;
}

/* The index of the service of that name; config->services: there is none. */
static size_t find_service(const struct config *config, const char *name)
{
	size_t i = 0;

	while (i < config->services && strcmp(config->service[i]->name, name) != 0)
		i++;
	return i;
}

static void plan_service(struct diff *diff, size_t i)
{
	const struct config *old = diff->old;
	const struct service_conf *service = diff->new->service[i];
	struct plan_service *planned = &diff->plan->service[diff->plan->services++];
	size_t before = old ? find_service(old, service->name) : 0;

	*planned = (struct plan_service){ .action = PLAN_ADDED,
					  .name = service->name,
					  .new_service = service };
	if (!old || before == old->services)
		return;
	planned->old_service = old->service[before];
	planned->changes = compare_services(diff, before, i);
	planned->action = planned->changes ? PLAN_CHANGED : PLAN_UNCHANGED;
}

static void plan_services(struct diff *diff)
{
	const struct config *old = diff->old, *new = diff->new;
	struct plan *plan = diff->plan;

	plan->service =
		plan_alloc(diff, new->services + (old ? old->services : 0), sizeof(*plan->service));
	if (!plan->service)
		return;
	for (size_t i = 0; i < new->services; i++)
		plan_service(diff, i);
	for (size_t i = 0; old && i < old->services; i++)
		if (find_service(new, old->service[i]->name) == new->services)
			plan->service[plan->services++] =
				(struct plan_service){ .action = PLAN_REMOVED,
						       .name = old->service[i]->name,
						       .old_service = old->service[i] };
}

/* ---------------------------------------------------------------------------------- listeners ---- */

/* Where in a configuration (NULL: in none) the next address is. */
struct walk {
	const struct config *config;
	size_t service, listen, address;
};

static const struct address *next_address(struct walk *walk)
{
	while (walk->config && walk->service < walk->config->services) {
		const struct service_conf *service = walk->config->service[walk->service];
		const struct conf_listen *listen = &service->listen[walk->listen];

		if (walk->listen == service->listens) {
			walk->service++;
			walk->listen = 0;
		} else if (walk->address < listen->addresses) {
			return &listen->address[walk->address++];
		} else {
			walk->listen++;
			walk->address = 0;
		}
	}
	return NULL;
}

static size_t count_addresses(const struct config *config)
{
	struct walk walk = { config };
	size_t n = 0;

	while (next_address(&walk))
		n++;
	return n;
}

static bool has_address(const struct config *config, const struct address *wanted)
{
	struct walk walk = { config };
	const struct address *address;

	while ((address = next_address(&walk)))
		if (address_equal(address, wanted))
			return true;
	return false;
}

/* Those of one configuration that the other has not. */
static void plan_listeners_of(struct plan *plan, const struct config *config,
			      const struct config *other, bool opened)
{
	struct walk walk = { config };
	const struct address *address;

	while ((address = next_address(&walk)))
		if (!has_address(other, address))
			plan->listener[plan->listeners++] =
				(struct plan_listener){ opened, address };
}

static void plan_listeners(struct diff *diff)
{
	const struct config *old = diff->old, *new = diff->new;
	struct plan *plan = diff->plan;

	plan->listener = plan_alloc(diff, count_addresses(old) + count_addresses(new),
				    sizeof(*plan->listener));
	if (!plan->listener)
		return;
	plan_listeners_of(plan, new, old, true);
	plan_listeners_of(plan, old, new, false);
}

/* -------------------------------------------------------------------------------- the whole ---- */

static bool is_nothing(const struct plan *plan)
{
	for (size_t i = 0; i < plan->services; i++)
		if (plan->service[i].action != PLAN_UNCHANGED)
			return false;
	return plan->listeners == 0 && plan->changes == 0;
}

struct plan *plan_new(const struct config *old, const struct config *new)
{
	struct conf_errors errors = { .total = 0 };
	struct diff diff = {
		.scratch = { .arena = arena_new(ARENA_CHUNK), .errors = &errors },
		.old = old,
		.new = new,
	};
	struct arena *arena = arena_new(ARENA_CHUNK);
	struct plan *plan = arena ? arena_alloc(arena, sizeof(*plan)) : NULL;

	if (plan && diff.scratch.arena) {
		plan->arena = arena;
		diff.plan = plan;
		if (old)
			compare_top(&diff);
		plan_services(&diff);
		plan_listeners(&diff);
		plan->nothing = is_nothing(plan);
	} else {
		fail(&diff);
	}
	if (errors.total > 0) {
		arena_free(arena);
		plan = NULL;
	}
	conf_errors_cleanup(&errors);
	arena_free(diff.scratch.arena);
	return plan;
}

void plan_free(struct plan *plan)
{
	if (plan)
		arena_free(plan->arena);
}

/* ------------------------------------------------------------------------------------- words ---- */

static void put_service(const struct plan_service *service, FILE *out)
{
	fprintf(out, "service %s: ", service->name);
	switch (service->action) {
	case PLAN_ADDED:
		fputs("added\n", out);
		break;
	case PLAN_CHANGED:
		fprintf(out, "changed: %s\n", service->changes);
		break;
	case PLAN_UNCHANGED:
		fputs("unchanged, its workers stay\n", out);
		break;
	case PLAN_REMOVED:
		fputs("removed\n", out);
		break;
	}
}

static void put_plan(const struct plan *plan, bool roll, FILE *out)
{
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < plan->services; i++)
		if (!roll || plan->service[i].action != PLAN_UNCHANGED)
			put_service(&plan->service[i], out);
	for (size_t i = 0; i < plan->listeners; i++) {
		fputs("listener ", out);
		put_clean(address_text(plan->listener[i].address, text), out);
		fputs(plan->listener[i].opened ? ": opened\n" : ": closed\n", out);
	}
	for (size_t i = 0; i < plan->changes; i++)
		fprintf(out, "%s: changed: %s\n", plan->change[i].name, plan->change[i].change);
}

char *plan_text(const struct plan *plan, bool roll)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	if (roll)
		fputs("every service gets new workers\n", out);
	else if (plan->nothing)
		fputs("nothing changes\n", out);
	if (!plan->nothing)
		put_plan(plan, roll, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
