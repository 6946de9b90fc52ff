/* SPDX-License-Identifier: MIT */
/*
 * The parser, as parser.h says. After an error it goes on with the next directive; a directive with an
 * error in it stays in the tree, marked broken, so that nobody complains that it is missing.
 */
#include "config/parser.h"

#include "config/include.h"
#include "config/lexer.h"

#include <stdlib.h>
#include <string.h>

struct parser {
	struct conf_context *context;
	struct include *file; /* the file being read; NULL: text from memory */
	bool sound, stop;
	size_t nodes, read_bytes, word_bytes;
	/* The words of the directive being read. */
	const char **word;
	struct conf_place *word_at;
	size_t words, room;
};

static void read_nodes(struct parser *parser, struct lexer *lexer, struct conf_node *parent,
		       int depth, struct conf_node ***tail);

static void stop(struct parser *parser)
{
	parser->stop = true;
	parser->sound = false;
}

static bool grow_words(struct parser *parser)
{
	size_t room = parser->room ? 2 * parser->room : 16;
	const char **word = reallocarray(parser->word, room, sizeof(*word));
	struct conf_place *at;

	if (!word)
		return false;
	parser->word = word;
	at = reallocarray(parser->word_at, room, sizeof(*at));
	if (!at)
		return false;
	parser->word_at = at;
	parser->room = room;
	return true;
}

/* False with the error added. */
static bool add_word(struct parser *parser, const struct token *token)
{
	const char *copy;

	parser->word_bytes += strlen(token->word) + 1;
	if (parser->word_bytes > CONF_TOTAL_MAX) {
		conf_error(parser->context, &token->at, "all words together are more than %d MiB",
			   CONF_TOTAL_MAX >> 20);
		return false;
	}
	if (parser->words == parser->room && !grow_words(parser)) {
		conf_error(parser->context, &token->at, "out of memory");
		return false;
	}
	copy = conf_strdup(parser->context, token->word);
	parser->word[parser->words] = copy;
	parser->word_at[parser->words] = token->at;
	parser->words++;
	return copy;
}

/* A node with the words gathered so far. NULL when there are too many. */
static struct conf_node *make_node(struct parser *parser)
{
	struct conf_context *context = parser->context;
	struct conf_node *node = NULL;
	const char **word;
	struct conf_place *at;

	if (++parser->nodes > CONF_NODES_MAX) {
		conf_error(context, &parser->word_at[0], "more than %d directives", CONF_NODES_MAX);
	} else {
		node = conf_alloc(context, sizeof(*node));
		word = conf_alloc(context, parser->words * sizeof(*word));
		at = conf_alloc(context, parser->words * sizeof(*at));
		if (node && word && at) {
			memcpy(word, parser->word, parser->words * sizeof(*word));
			memcpy(at, parser->word_at, parser->words * sizeof(*at));
			node->at = at[0];
			node->words = parser->words;
			node->word = word;
			node->word_at = at;
			return node;
		}
	}
	stop(parser);
	return NULL;
}

/* Behind `{`: up to the `}` that belongs to it, without looking at what is in between. */
static void skip_block(struct lexer *lexer)
{
	struct token token;

	for (size_t open = 1; open > 0;) {
		switch (lexer_next(lexer, &token)) {
		case TOKEN_OPEN:
			open++;
			break;
		case TOKEN_CLOSE:
			open--;
			break;
		case TOKEN_EOF:
			return;
		case TOKEN_WORD:
		case TOKEN_END:
			break;
		}
	}
}

static void read_block(struct parser *parser, struct lexer *lexer, struct conf_node *node,
		       int depth)
{
	struct conf_node **tail = &node->child;

	node->has_block = true;
	if (depth < CONF_DEPTH_MAX) {
		read_nodes(parser, lexer, node, depth + 1, &tail);
		return;
	}
	conf_error(parser->context, &node->at, "more than %d blocks in one another",
		   CONF_DEPTH_MAX);
	parser->sound = false;
	skip_block(lexer);
}

static void read_source(struct parser *parser, const struct conf_source *source, int depth,
			struct conf_node ***tail)
{
	struct lexer *lexer = malloc(sizeof(*lexer));

	if (!lexer) {
		conf_error(parser->context, &(struct conf_place){ source->name, 0, 0 },
			   "out of memory");
		stop(parser);
		return;
	}
	lexer_init(lexer, parser->context, source->name, source->text, source->len);
	read_nodes(parser, lexer, NULL, depth, tail);
	if (lexer->lost_brace)
		parser->sound = false;
	free(lexer);
}

/* Reads one file at the tail of the list. at: where it was asked for; nowhere for the first one. */
static void read_file(struct parser *parser, const char *path, const struct conf_place *at,
		      int depth, struct conf_node ***tail)
{
	struct include include = { .outer = parser->file, .name = path };
	const struct conf_source *source;

	source = include_read(parser->context, &include, at, CONF_FILE_MAX);
	if (!source)
		return;
	parser->read_bytes += source->len;
	if (parser->read_bytes > CONF_TOTAL_MAX) {
		conf_error(parser->context, at, "all files together are more than %d MiB",
			   CONF_TOTAL_MAX >> 20);
		stop(parser);
		return;
	}
	parser->file = &include;
	read_source(parser, source, depth, tail);
	parser->file = include.outer;
}

static void read_include(struct parser *parser, const struct conf_node *node, int depth,
			 struct conf_node ***tail)
{
	struct conf_context *context = parser->context;

	if (!parser->file) {
		conf_error(context, &node->at, "`include` is possible in files only");
		return;
	}
	if (node->words < 2)
		conf_error(context, &node->at,
			   "`include` needs the name of a file: include "
			   "conf.d/*.conf");
	for (size_t i = 1; i < node->words && !parser->stop; i++) {
		struct include_list list;

		if (include_match(context, node->word[i], &node->word_at[i], &list) < 0)
			continue;
		for (size_t n = 0; n < list.n && !parser->stop; n++)
			read_file(parser, list.path[n], &node->word_at[i], depth, tail);
		include_list_cleanup(&list);
	}
}

/*
 * From its name, in *token, to its end; puts it at the tail of the list. Gives the token that ended it,
 * TOKEN_END when that was its own block's.
 */
static enum token_kind read_directive(struct parser *parser, struct lexer *lexer, int depth,
				      struct conf_node ***tail, struct token *token)
{
	enum token_kind kind = TOKEN_WORD;
	struct conf_node *node;
	bool broken = false;

	parser->words = 0;
	for (; kind == TOKEN_WORD; kind = lexer_next(lexer, token)) {
		broken = broken || token->broken;
		if (!add_word(parser, token)) {
			stop(parser);
			return TOKEN_END;
		}
	}
	node = make_node(parser);
	if (!node)
		return TOKEN_END;
	node->broken = broken || token->broken;
	if (strcmp(node->word[0], "include") == 0 && kind != TOKEN_OPEN) {
		if (!node->broken)
			read_include(parser, node, depth, tail);
		return kind;
	}
	**tail = node;
	*tail = &node->next;
	if (kind != TOKEN_OPEN)
		return kind;
	read_block(parser, lexer, node, depth);
	return TOKEN_END;
}

/* Indentation tells where the missing brace may belong. */
static void fail_unclosed(struct parser *parser, const struct lexer *lexer,
			  const struct conf_node *node)
{
	const struct conf_node *child;
	bool sound = parser->sound;

	/* One lost brace is one mistake, though it leaves more than one block open. */
	parser->sound = false;
	if (lexer->lost_brace || !sound)
		return;
	child = node->child;
	while (child && (child->at.file != node->at.file || child->at.column > node->at.column))
		child = child->next;
	if (child && child != node->child && child->at.line > node->at.line)
		conf_error(parser->context, &node->at,
			   "the block of `%s` is not closed: `}` is missing, perhaps before line "
			   "%d",
			   node->word[0], child->at.line);
	else
		conf_error(parser->context, &node->at,
			   "the block of `%s` is not closed: `}` is missing", node->word[0]);
}

static void fail_stray(struct parser *parser, struct lexer *lexer, int depth,
		       const struct token *token, enum token_kind kind)
{
	struct conf_node dummy = { .at = token->at };

	parser->sound = false;
	if (kind == TOKEN_OPEN) {
		conf_error(parser->context, &token->at,
			   "`{` must stand on the line of its directive, behind it");
		dummy.word = (const char *const[]){ "{" };
		read_block(parser, lexer, &dummy, depth);
	} else if (!lexer->lost_brace) {
		conf_error(parser->context, &token->at, "`}` closes nothing");
	}
}

/* Up to the end of the parent's block, or of the text when parent is NULL. */
static void read_nodes(struct parser *parser, struct lexer *lexer, struct conf_node *parent,
		       int depth, struct conf_node ***tail)
{
	enum token_kind kind;
	struct token token;

	while (!parser->stop) {
		kind = lexer_next(lexer, &token);
		if (kind == TOKEN_WORD)
			kind = read_directive(parser, lexer, depth, tail, &token);
		if (kind == TOKEN_EOF) {
			if (parent)
				fail_unclosed(parser, lexer, parent);
			return;
		}
		if (kind == TOKEN_CLOSE && parent)
			return;
		if (kind != TOKEN_END)
			fail_stray(parser, lexer, depth, &token, kind);
	}
}

static void parser_cleanup(struct parser *parser)
{
	free(parser->word);
	free(parser->word_at);
}

const struct conf_node *conf_parse_file(struct conf_context *context, const char *path,
					bool *sound_r)
{
	struct parser parser = { .context = context, .sound = true };
	struct conf_node *first = NULL, **tail = &first;

	read_file(&parser, path, &(struct conf_place){ NULL, 0, 0 }, 0, &tail);
	parser_cleanup(&parser);
	*sound_r = parser.sound;
	return first;
}

const struct conf_node *conf_parse_text(struct conf_context *context, const char *name,
					const char *text, size_t len, bool *sound_r)
{
	struct parser parser = { .context = context, .sound = true };
	struct conf_node *first = NULL, **tail = &first;
	struct conf_source *source = conf_alloc(context, sizeof(*source));
	struct conf_source **last = &context->source;

	*sound_r = false;
	if (!source)
		return NULL;
	*source = (struct conf_source){ .name = name, .text = text, .len = len };
	if (name) {
		while (*last)
			last = &(*last)->next;
		*last = source;
	}
	if (len > CONF_FILE_MAX)
		conf_error(context, &(struct conf_place){ name, 0, 0 }, "larger than %d KiB",
			   CONF_FILE_MAX >> 10);
	else
		read_source(&parser, source, 0, &tail);
	parser_cleanup(&parser);
	*sound_r = parser.sound;
	return first;
}

const struct conf_node *conf_find(const struct conf_node *first, const char *name)
{
	while (first && strcmp(first->word[0], name) != 0)
		first = first->next;
	return first;
}

const char *conf_path(struct conf_context *context, const struct conf_place *at, const char *path)
{
	const char *slash = at->file ? strrchr(at->file, '/') : NULL;

	if (path[0] == '/' || !slash)
		return path;
	return conf_printf(context, "%.*s/%s", (int)(slash - at->file), at->file, path);
}
