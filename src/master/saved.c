/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a state, in the machine's own byte order (they never leave it):
 *
 *     magic, state version, oldest reader, record version, slot version, slot size, total length
 *     record = tag, length of its values, values
 *     value = type, number (8 bytes) | type, descriptor (4 bytes) | type, length, text
 *
 * What each record holds stands in a table (saved_fields.h).
 */
#include "master/saved.h"

#include "base/arena.h"
#include "base/contract.h"
#include "base/scoreboard.h"
#include "master/saved_fields.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static const char MAGIC[8] = "musterd";

enum { CHUNK = 16 << 10 };

const int state_version = STATE_VERSION;

/* The array of a kind, without a pointer of a wrong type to it. */
static void *items_of(const struct saved *saved, const struct kind *kind)
{
	void *items;

	memcpy(&items, (const char *)saved + kind->items_at, sizeof(items));
	return items;
}

static size_t count_of(const struct saved *saved, const struct kind *kind)
{
	size_t count;

	memcpy(&count, (const char *)saved + kind->count_at, sizeof(count));
	return count;
}

static void set_count(struct saved *saved, const struct kind *kind, size_t count)
{
	memcpy((char *)saved + kind->count_at, &count, sizeof(count));
}

struct saved *saved_new(void)
{
	struct arena *arena = arena_new(CHUNK);
	struct saved *saved = arena ? arena_alloc(arena, sizeof(*saved)) : NULL;

	if (saved)
		saved->arena = arena;
	else
		arena_free(arena);
	return saved;
}

void saved_free(struct saved *saved)
{
	if (saved)
		arena_free(saved->arena);
}

/* ----------------------------------------------------------------------------------- writing ---- */

static void put(FILE *out, const void *data, size_t len)
{
	if (len > 0)
		fwrite(data, len, 1, out); /* what fails is seen at the end */
}

static void put_number(FILE *out, uint32_t number)
{
	put(out, &number, sizeof(number));
}

static size_t length_of(const struct field *field, const char *item)
{
	const char *text;

	if (field->type == NUMBER)
		return 1 + sizeof(int64_t);
	if (field->type == DESCRIPTOR)
		return 1 + sizeof(int);
	memcpy(&text, item + field->at, sizeof(text));
	return 1 + sizeof(uint32_t) + strlen(text);
}

static void put_value(FILE *out, const struct field *field, const char *item)
{
	const char *text;

	fputc(field->type, out);
	if (field->type == NUMBER) {
		put(out, item + field->at, sizeof(int64_t));
	} else if (field->type == DESCRIPTOR) {
		put(out, item + field->at, sizeof(int));
	} else {
		memcpy(&text, item + field->at, sizeof(text));
		put_number(out, (uint32_t)strlen(text));
		put(out, text, strlen(text));
	}
}

static void put_record(FILE *out, const struct kind *kind, const char *item)
{
	size_t len = 0;

	for (size_t i = 0; i < kind->fields; i++)
		len += length_of(&kind->field[i], item);
	put_number(out, kind->tag);
	put_number(out, (uint32_t)len);
	for (size_t i = 0; i < kind->fields; i++)
		put_value(out, &kind->field[i], item);
}

enum { LENGTH_AT = sizeof(MAGIC) + 5 * sizeof(uint32_t) };

char *saved_encode(const struct saved *saved, size_t *len_r)
{
	char *data = NULL;
	FILE *out = open_memstream(&data, len_r);
	uint32_t total;

	if (!out)
		return NULL;
	put(out, MAGIC, sizeof(MAGIC));
	put_number(out, STATE_VERSION);
	put_number(out, STATE_OLDEST);
	put_number(out, RECORD_VERSION);
	put_number(out, SLOT_VERSION);
	put_number(out, sizeof(struct slot));
	put_number(out, 0);
	for (const struct kind *kind = saved_kinds; kind < saved_kinds + SAVED_KINDS; kind++) {
		const char *item = items_of(saved, kind);

		for (size_t i = 0; i < count_of(saved, kind); i++, item += kind->size)
			put_record(out, kind, item);
	}
	if (ferror(out) | fclose(out) || *len_r > UINT32_MAX) {
		free(data);
		errno = ENOMEM;
		return NULL;
	}
	total = (uint32_t)*len_r;
	memcpy(data + LENGTH_AT, &total, sizeof(total));
	return data;
}

/* ----------------------------------------------------------------------------------- reading ---- */

struct reader {
	const char *at, *end;
	struct saved *saved;
	uint32_t version; /* that wrote */
	char *reason;
};

static bool refuse(struct reader *reader, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* Gives false. */
static bool refuse(struct reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->reason, SAVED_REASON_MAX, format, args);
	va_end(args);
	return false;
}

static bool get(struct reader *reader, void *data, size_t len)
{
	if ((size_t)(reader->end - reader->at) < len)
		return false;
	memcpy(data, reader->at, len);
	reader->at += len;
	return true;
}

static bool get_header(struct reader *reader, size_t len)
{
	uint32_t oldest, record, slot, size, total;
	char magic[sizeof(MAGIC)];

	if (!get(reader, magic, sizeof(magic)) || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0)
		return refuse(reader, "it is no state of a musterd");
	if (!get(reader, &reader->version, sizeof(uint32_t)) ||
	    !get(reader, &oldest, sizeof(oldest)))
		return refuse(reader, "the state is damaged: its head is not whole");
	if (oldest > STATE_VERSION)
		return refuse(
			reader,
			"the state has version %u, readable from %u on; this musterd reads %d",
			reader->version, oldest, STATE_VERSION);
	if (!get(reader, &record, sizeof(record)) || !get(reader, &slot, sizeof(slot)) ||
	    !get(reader, &size, sizeof(size)) || !get(reader, &total, sizeof(total)) ||
	    total != len || oldest > reader->version || reader->version == 0)
		return refuse(reader,
			      "the state is damaged: its head is wrong, or it is not whole");
	if (record != RECORD_VERSION)
		return refuse(reader,
			      "the workers speak version %u of the records; this musterd speaks %d",
			      record, RECORD_VERSION);
	if (slot != SLOT_VERSION || size != sizeof(struct slot))
		return refuse(reader,
			      "the scoreboard has version %u, %u bytes a slot; this musterd has "
			      "version %d, %zu bytes",
			      slot, size, SLOT_VERSION, sizeof(struct slot));
	return true;
}

static bool get_text(struct reader *reader, char *place)
{
	const char *text;
	uint32_t len;

	if (!get(reader, &len, sizeof(len)) || len > (size_t)(reader->end - reader->at) ||
	    memchr(reader->at, '\0', len))
		return false;
	text = arena_strndup(reader->saved->arena, reader->at, len);
	reader->at += len;
	memcpy(place, &text, sizeof(text));
	return text != NULL;
}

static bool get_value(struct reader *reader, const struct field *field, char *place)
{
	unsigned char type;
	int64_t number;
	int fd;

	if (!get(reader, &type, 1) || type != field->type)
		return false;
	if (field->type == TEXT)
		return get_text(reader, place);
	if (field->type == NUMBER) {
		if (!get(reader, &number, sizeof(number)) || number < field->low ||
		    number > field->high)
			return false;
		memcpy(place, &number, sizeof(number));
		return true;
	}
	if (!get(reader, &fd, sizeof(fd)) || fd < field->low || (fd >= 0 && fd < SAVED_FIRST_FD))
		return false;
	memcpy(place, &fd, sizeof(fd));
	return true;
}

/* What a value is in a state of a version that did not have it. */
static void set_missing(const struct field *field, char *place)
{
	const char *none = "";
	int no_fd = -1;

	if (field->type == TEXT)
		memcpy(place, &none, sizeof(none));
	else if (field->type == DESCRIPTOR)
		memcpy(place, &no_fd, sizeof(no_fd));
}

static bool get_values(struct reader *reader, const struct kind *kind, size_t number, char *item)
{
	for (size_t i = 0; i < kind->fields; i++) {
		const struct field *field = &kind->field[i];

		if ((uint32_t)field->since > reader->version)
			set_missing(field, item + field->at);
		else if (!get_value(reader, field, item + field->at))
			return refuse(reader, "the state is damaged: %s %zu, value %zu", kind->name,
				      number + 1, i + 1);
	}
	return true;
}

static const struct kind *find_kind(uint32_t tag)
{
	for (const struct kind *kind = saved_kinds; kind < saved_kinds + SAVED_KINDS; kind++) {
		if (kind->tag == tag)
			return kind;
	}
	return NULL;
}

/* The next record: its kind (NULL: not known) and its values, which `values` is left to read. */
static bool get_record(struct reader *reader, const struct kind **kind_r, struct reader *values)
{
	uint32_t tag, len;

	if (!get(reader, &tag, sizeof(tag)) || !get(reader, &len, sizeof(len)) ||
	    len > (size_t)(reader->end - reader->at))
		return refuse(reader, "the state is damaged: a record is not whole");
	*kind_r = find_kind(tag);
	*values = *reader;
	values->end = reader->at + len;
	reader->at += len;
	return true;
}

/* How many there are of each kind, so that the arrays can be made. */
static bool make_arrays(struct reader reader)
{
	struct saved *saved = reader.saved;
	const struct kind *kind = NULL;
	struct reader values;

	while (reader.at < reader.end) {
		if (!get_record(&reader, &kind, &values))
			return false;
		if (kind)
			set_count(saved, kind, count_of(saved, kind) + 1);
	}
	for (kind = saved_kinds; kind < saved_kinds + SAVED_KINDS; kind++) {
		size_t n = count_of(saved, kind);
		void *items = arena_alloc(saved->arena, (n ? n : 1) * kind->size);

		if (n < kind->least || n > kind->most)
			return refuse(&reader, "the state is damaged: it has %zu of %s", n,
				      kind->name);
		if (!items)
			return refuse(&reader, "no memory to read the state");
		memcpy((char *)saved + kind->items_at, &items, sizeof(items));
	}
	return true;
}

static bool get_records(struct reader *reader)
{
	size_t n[SAVED_KINDS] = { 0 };
	const struct kind *kind = NULL;
	struct reader values;

	while (reader->at < reader->end) {
		size_t number;

		if (!get_record(reader, &kind, &values))
			return false;
		if (!kind)
			continue;
		number = n[kind - saved_kinds]++;
		if (!get_values(&values, kind, number,
				(char *)items_of(reader->saved, kind) + number * kind->size))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------------- holding together ---- */

static bool indexes_are_good(const struct saved *saved)
{
	bool good = (size_t)saved->master->config < saved->configs;

	for (size_t i = 0; i < saved->pools; i++)
		good &= (size_t)saved->pool[i].config < saved->configs;
	for (size_t i = 0; i < saved->uses; i++)
		good &= (size_t)saved->use[i].pool < saved->pools &&
			(size_t)saved->use[i].listener < saved->listeners;
	for (size_t i = 0; i < saved->outputs; i++)
		good &= (size_t)saved->output[i].pool < saved->pools;
	for (size_t i = 0; good && i < saved->workers; i++) {
		const struct saved_worker *worker = &saved->worker[i];

		good = (size_t)worker->pool < saved->pools &&
		       worker->number <= saved->pool[worker->pool].slots;
	}
	return good;
}

struct numbers {
	int64_t *number;
	size_t n;
};

static int add_fd(int fd, void *arg)
{
	struct numbers *numbers = arg;

	if (numbers->number)
		numbers->number[numbers->n] = fd;
	numbers->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static bool has_doubles(struct numbers *numbers)
{
	if (numbers->n > 1)
		qsort(numbers->number, numbers->n, sizeof(*numbers->number), compare);
	for (size_t i = 1; i < numbers->n; i++) {
		if (numbers->number[i] == numbers->number[i - 1])
			return true;
	}
	return false;
}

/* Descriptors would be closed twice, processes waited for twice, slots have two masters. */
static bool check_doubles(struct reader *reader)
{
	const struct saved *saved = reader->saved;
	struct numbers fds = { 0 }, workers = { .n = saved->workers };
	bool good = true;

	saved_each_fd(saved, add_fd, &fds);
	fds.number = arena_alloc(saved->arena, (fds.n + 1) * sizeof(*fds.number));
	workers.number = arena_alloc(saved->arena, (workers.n + 1) * sizeof(*workers.number));
	if (!fds.number || !workers.number)
		return refuse(reader, "no memory to read the state");
	fds.n = 0;
	saved_each_fd(saved, add_fd, &fds);
	if (has_doubles(&fds))
		good = refuse(reader, "the state is damaged: a descriptor stands there twice");
	for (size_t i = 0; i < saved->workers; i++)
		workers.number[i] = saved->worker[i].pid;
	if (has_doubles(&workers))
		good = refuse(reader, "the state is damaged: a process stands there twice");
	for (size_t i = 0; i < saved->workers; i++)
		workers.number[i] = saved->worker[i].pool << 32 | saved->worker[i].number;
	if (has_doubles(&workers))
		good = refuse(reader, "the state is damaged: a worker stands there twice");
	return good;
}

struct saved *saved_decode(const void *data, size_t len, char reason[SAVED_REASON_MAX])
{
	struct reader reader = { .at = data, .end = (const char *)data + len, .reason = reason };

	if (!get_header(&reader, len))
		return NULL;
	reader.saved = saved_new();
	if (!reader.saved) {
		refuse(&reader, "no memory to read the state");
		return NULL;
	}
	if (!make_arrays(reader) || !get_records(&reader))
		goto fail;
	if (!indexes_are_good(reader.saved)) {
		refuse(&reader, "the state is damaged: an index names nothing");
		goto fail;
	}
	if (!check_doubles(&reader))
		goto fail;
	reader.saved->master->state_version = reader.version;
	return reader.saved;
fail:
	saved_free(reader.saved);
	return NULL;
}

int saved_each_fd(const struct saved *saved, int (*call)(int fd, void *arg), void *arg)
{
	for (const struct kind *kind = saved_kinds; kind < saved_kinds + SAVED_KINDS; kind++) {
		const char *item = items_of(saved, kind);

		for (size_t i = 0; i < count_of(saved, kind); i++, item += kind->size) {
			for (size_t j = 0; j < kind->fields; j++) {
				int fd, result;

				if (kind->field[j].type != DESCRIPTOR)
					continue;
				memcpy(&fd, item + kind->field[j].at, sizeof(fd));
				result = fd >= 0 ? call(fd, arg) : 0;
				if (result)
					return result;
			}
		}
	}
	return 0;
}
