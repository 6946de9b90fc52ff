/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a capture, in the machine's own byte order (they never leave it):
 *
 *     magic, version, total length
 *     path                                         a text: length, bytes
 *     tree, tree                                   the directives; the answers
 *     tree = number of nodes, nodes                node = words, flags, words x (text, place), tree
 *     place = file (index, or NEW_FILE and a text, or NO_FILE), line, column
 *
 * A file's name is written once, where it comes up first.
 */
#include "config/capture.h"

#include "config/parser.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x4d434647, VERSION = 2, HAS_BLOCK = 1 };

static const uint32_t NO_FILE = UINT32_MAX, NEW_FILE = UINT32_MAX - 1;

/* The names of files seen so far, in the order of the indexes. */
struct files {
	const char **name;
	size_t n, room;
};

static int files_add(struct files *files, const char *name)
{
	if (files->n == files->room) {
		size_t room = files->room ? 2 * files->room : 16;
		const char **grown = reallocarray(files->name, room, sizeof(*grown));

		if (!grown)
			return -1;
		files->name = grown;
		files->room = room;
	}
	files->name[files->n++] = name;
	return 0;
}

/* ----------------------------------------------------------------------------------- writing ---- */

struct writer {
	FILE *out;
	struct files files;
	size_t last; /* index of the file of the last place: mostly that of the next */
	bool failed;
};

static void put(struct writer *writer, const void *data, size_t len)
{
	if (len > 0 && fwrite(data, len, 1, writer->out) != 1)
		writer->failed = true;
}

static void put_number(struct writer *writer, size_t number)
{
	uint32_t n = (uint32_t)number;

	put(writer, &n, sizeof(n));
}

static void put_text(struct writer *writer, const char *text)
{
	size_t len = strlen(text);

	put_number(writer, len);
	put(writer, text, len);
}

static void put_file(struct writer *writer, const char *name)
{
	struct files *files = &writer->files;

	if (!name) {
		put_number(writer, NO_FILE);
		return;
	}
	if (writer->last >= files->n || strcmp(files->name[writer->last], name) != 0)
		for (writer->last = 0; writer->last < files->n; writer->last++)
			if (strcmp(files->name[writer->last], name) == 0)
				break;
	if (writer->last < files->n) {
		put_number(writer, writer->last);
		return;
	}
	if (files_add(files, name) < 0)
		writer->failed = true;
	put_number(writer, NEW_FILE);
	put_text(writer, name);
}

static void put_tree(struct writer *writer, const struct conf_node *first)
{
	size_t n = 0;

	for (const struct conf_node *node = first; node; node = node->next)
		n++;
	put_number(writer, n);
	for (const struct conf_node *node = first; node; node = node->next) {
		put_number(writer, node->words);
		put_number(writer, node->has_block ? HAS_BLOCK : 0);
		for (size_t i = 0; i < node->words; i++) {
			put_text(writer, node->word[i]);
			put_file(writer, node->word_at[i].file);
			put_number(writer, (size_t)node->word_at[i].line);
			put_number(writer, (size_t)node->word_at[i].column);
		}
		put_tree(writer, node->child);
	}
}

char *capture_encode(const struct capture *capture, size_t *len_r)
{
	struct writer writer = { .failed = false };
	char *data = NULL;
	uint32_t total;

	writer.out = open_memstream(&data, len_r);
	if (!writer.out)
		return NULL;
	put_number(&writer, MAGIC);
	put_number(&writer, VERSION);
	put_number(&writer, 0);
	put_text(&writer, capture->path);
	put_tree(&writer, capture->root);
	put_tree(&writer, capture->resolved);
	free(writer.files.name);
	if (fclose(writer.out) != 0 || writer.failed || *len_r > UINT32_MAX) {
		free(data);
		errno = ENOMEM;
		return NULL;
	}
	total = (uint32_t)*len_r;
	memcpy(data + 2 * sizeof(uint32_t), &total, sizeof(total));
	return data;
}

/* ----------------------------------------------------------------------------------- reading ---- */

struct reader {
	struct conf_context *context;
	const char *at, *end;
	struct files files;
	size_t nodes;
	bool failed;
};

static size_t bad(struct reader *reader)
{
	reader->failed = true;
	reader->at = reader->end;
	return 0;
}

static size_t get_number(struct reader *reader)
{
	uint32_t n;

	if ((size_t)(reader->end - reader->at) < sizeof(n))
		return bad(reader);
	memcpy(&n, reader->at, sizeof(n));
	reader->at += sizeof(n);
	return n;
}

/* NULL: failed. A NUL inside would make another text of it. */
static const char *get_text(struct reader *reader)
{
	size_t len = get_number(reader);
	const char *text = reader->at;
	char *copy;

	if (reader->failed || len > (size_t)(reader->end - text) || memchr(text, '\0', len)) {
		bad(reader);
		return NULL;
	}
	reader->at += len;
	copy = arena_strndup(reader->context->arena, text, len);
	if (!copy)
		bad(reader);
	return copy;
}

static const char *get_file(struct reader *reader)
{
	size_t index = get_number(reader);
	const char *name;

	if (reader->failed || index == NO_FILE)
		return NULL;
	if (index == NEW_FILE) {
		name = get_text(reader);
		if (!name || files_add(&reader->files, name) < 0)
			bad(reader);
		return name;
	}
	if (index >= reader->files.n) {
		bad(reader);
		return NULL;
	}
	return reader->files.name[index];
}

static int get_position(struct reader *reader)
{
	size_t n = get_number(reader);

	return n > INT32_MAX ? (int)bad(reader) : (int)n;
}

static const struct conf_node *get_tree(struct reader *reader, int depth);

static void get_node(struct reader *reader, int depth, struct conf_node *node)
{
	/* What the smallest word takes in the capture: a length, and a place. */
	const size_t least = 4 * sizeof(uint32_t);
	struct arena *arena = reader->context->arena;
	const char **word;
	struct conf_place *at;
	size_t flags;

	node->words = get_number(reader);
	flags = get_number(reader);
	if (node->words == 0 || node->words > (size_t)(reader->end - reader->at) / least ||
	    flags > HAS_BLOCK) {
		bad(reader);
		return;
	}
	word = arena_alloc(arena, node->words * sizeof(*word));
	at = arena_alloc(arena, node->words * sizeof(*at));
	if (!word || !at) {
		bad(reader);
		return;
	}
	for (size_t i = 0; i < node->words && !reader->failed; i++) {
		word[i] = get_text(reader);
		at[i].file = get_file(reader);
		at[i].line = get_position(reader);
		at[i].column = get_position(reader);
	}
	node->word = word;
	node->word_at = at;
	node->at = at[0];
	node->has_block = flags & HAS_BLOCK;
	node->child = (struct conf_node *)get_tree(reader, depth + 1);
	if (node->child && !node->has_block)
		bad(reader);
}

static const struct conf_node *get_tree(struct reader *reader, int depth)
{
	struct conf_node *first = NULL, **tail = &first;
	size_t n = get_number(reader);

	if (depth > CONF_DEPTH_MAX + 1 && n > 0)
		bad(reader);
	for (; n > 0 && !reader->failed; n--) {
		struct conf_node *node = arena_alloc(reader->context->arena, sizeof(*node));

		/* The directives and as many answers. */
		if (!node || ++reader->nodes > 2 * CONF_NODES_MAX) {
			bad(reader);
			break;
		}
		get_node(reader, depth, node);
		*tail = node;
		tail = &node->next;
	}
	return reader->failed ? NULL : first;
}

int capture_decode(struct conf_context *context, const void *data, size_t len,
		   struct capture *capture_r)
{
	struct reader reader = { .context = context, .at = data, .end = (const char *)data + len };
	size_t magic = get_number(&reader), version = get_number(&reader);
	const struct conf_place nowhere = { NULL, 0, 0 };

	if (!reader.failed && magic == MAGIC && version != VERSION) {
		conf_error(context, &nowhere,
			   "the captured configuration has version %zu; this musterd reads %d",
			   version, VERSION);
		return -1;
	}
	if (magic != MAGIC || get_number(&reader) != len)
		bad(&reader);
	capture_r->path = get_text(&reader);
	capture_r->root = get_tree(&reader, 0);
	capture_r->resolved = get_tree(&reader, 0);
	free(reader.files.name);
	if (reader.failed || reader.at != reader.end) {
		conf_error(context, &nowhere, "the captured configuration is damaged");
		return -1;
	}
	return 0;
}
