/* SPDX-License-Identifier: MIT */
/*
 * The types of a schema table: what the words of one directive mean, and the words for a value. Those that are
 * the core's alone are in core_types.c.
 */
#include "config/schema.h"

#include "config/lexer.h"
#include "config/parser.h"
#include "config/value.h"

#include <string.h>

void schema_fail_value(const struct schema *schema, const struct conf_node *node,
		       const char *wanted)
{
	conf_error(schema->context, &node->word_at[1], "`%s` wants %s, not `%s`", node->word[0],
		   wanted, node->word[1]);
}

/* ------------------------------------------------------------------------- numbers and words ---- */

static void parse_bool(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "yes or no");
	const char *wrong = word ? value_bool(word, field) : NULL;

	(void)directive;
	if (wrong)
		schema_fail_value(schema, node, wrong);
}

static void print_bool(const struct mu_directive *directive, const void *field, FILE *out)
{
	(void)directive;
	fputs(*(const bool *)field ? "yes" : "no", out);
}

static void parse_switch(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "yes or no");
	bool yes = false;
	const char *wrong = word ? value_bool(word, &yes) : NULL;

	(void)directive;
	if (wrong)
		schema_fail_value(schema, node, wrong);
	else if (word)
		*(int *)field = yes ? 2 : 1;
}

static void print_switch(const struct mu_directive *directive, const void *field, FILE *out)
{
	(void)directive;
	fputs(*(const int *)field == 2 ? "yes" : "no", out);
}

static bool is_switch_unset(const struct mu_directive *directive, const void *field)
{
	(void)directive;
	return *(const int *)field == 0;
}

typedef const char *value_parser(const char *text, int64_t *value_r);
typedef const char *value_printer(int64_t value, char *buffer);

static void parse_number(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *node, const char *wanted, value_parser *parser,
			 value_printer *printer, void *field)
{
	const char *word = schema_word(schema, node, wanted), *wrong;
	int64_t value;

	if (!word)
		return;
	wrong = parser(word, &value);
	if (wrong)
		schema_fail_value(schema, node, wrong);
	else if (schema_in_range(schema, directive, node, value, printer))
		*(int64_t *)field = value;
}

static void parse_int(const struct schema *schema, const struct mu_directive *directive,
		      const struct conf_node *node, void *field)
{
	parse_number(schema, directive, node, "a whole number", value_int, value_int_text, field);
}

static void parse_size(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	parse_number(schema, directive, node, "a size: 4096, 64k, 2M, 1G", value_size,
		     value_size_text, field);
}

static void parse_time(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	parse_number(schema, directive, node, "a time: 250ms, 10s, 5min, 2h, 1d", value_time,
		     value_time_text, field);
}

static void print_int(const struct mu_directive *directive, const void *field, FILE *out)
{
	(void)directive;
	fprintf(out, "%lld", (long long)*(const int64_t *)field);
}

static void print_size(const struct mu_directive *directive, const void *field, FILE *out)
{
	char text[VALUE_TEXT_MAX];

	(void)directive;
	fputs(value_size_text(*(const int64_t *)field, text), out);
}

static void print_time(const struct mu_directive *directive, const void *field, FILE *out)
{
	char text[VALUE_TEXT_MAX];

	(void)directive;
	fputs(value_time_text(*(const int64_t *)field, text), out);
}

/* Without a default the field is zero, and zero may be out of range. */
static bool is_number_unset(const struct mu_directive *directive, const void *field)
{
	return *(const int64_t *)field == 0 && !directive->dflt && directive->min > 0;
}

/* What others write where there is no file: not what somebody calls a log file. */
static bool is_no_file(const struct schema *schema, const struct conf_node *node, const char *word)
{
	if (value_enum(word, "off|no|none|false|stderr|stdout|syslog") < 0 &&
	    strncmp(word, "syslog:", 7) != 0)
		return false;
	conf_error(schema->context, &node->word_at[1],
		   "`%s %s`: a file of that name is written ./%s; for none leave the line out, for "
		   "standard output write /dev/stdout",
		   node->word[0], word, word);
	return true;
}

static void parse_string(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "a word");
	bool is_path = directive->type == MU_PATH || directive->type == MU_OUTPUT;

	if (word && !*word && is_path) {
		schema_fail_value(schema, node, "a path");
		word = NULL;
	} else if (word && directive->type == MU_OUTPUT && is_no_file(schema, node, word)) {
		word = NULL;
	} else if (word && is_path) {
		word = conf_path(schema->context, &node->word_at[1], word);
	}
	*(const char **)field = word;
}

static void print_string(const struct mu_directive *directive, const void *field, FILE *out)
{
	(void)directive;
	lexer_quote(*(const char *const *)field, out);
}

static bool is_string_unset(const struct mu_directive *directive, const void *field)
{
	(void)directive;
	return !*(const char *const *)field;
}

static void parse_enum(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, directive->words);
	int index = word ? value_enum(word, directive->words) : 0;

	if (index < 0)
		schema_fail_value(schema, node, directive->words);
	else
		*(int *)field = index;
}

static void print_enum(const struct mu_directive *directive, const void *field, FILE *out)
{
	const char *word = directive->words;

	for (int i = *(const int *)field; i > 0; i--)
		word = strchr(word, '|') + 1;
	fprintf(out, "%.*s", (int)strcspn(word, "|"), word);
}

/* ------------------------------------------------------------------------------------- lists ---- */

static void parse_words(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, void *field)
{
	struct mu_words *words = field;
	size_t more = node->words - 1;
	const char **word;

	(void)directive;
	if (more == 0) {
		conf_error(schema->context, &node->at, "`%s` needs one word or more",
			   node->word[0]);
		return;
	}
	word = schema_grow(schema, words->word, words->n, more, sizeof(*word));
	if (!word)
		return;
	memcpy(word + words->n, node->word + 1, more * sizeof(*word));
	*words = (struct mu_words){ words->n + more, word };
}

/*
 * Not from the including file's folder: the program runs in a folder of its own, and perhaps below another root. So a
 * relative path would mean something else to everybody.
 */
static void parse_command(const struct schema *schema, const struct mu_directive *directive,
			  const struct conf_node *node, void *field)
{
	const char *program = node->words > 1 ? node->word[1] : NULL;

	(void)directive;
	if (!program)
		conf_error(schema->context, &node->at, "`%s` needs a program and its arguments",
			   node->word[0]);
	else if (!*program)
		conf_error(schema->context, &node->word_at[1], "`%s`: the program has no name",
			   node->word[0]);
	else if (*program != '/' && strchr(program, '/'))
		conf_error(
			schema->context, &node->word_at[1],
			"`%s` wants a program by its absolute path or by its name alone, not `%s`",
			node->word[0], program);
	else
		*(struct mu_words *)field = (struct mu_words){ node->words - 1, node->word + 1 };
}

static bool is_line_length(const struct schema *schema, const struct mu_directive *directive,
			   const struct conf_node *node)
{
	int64_t min = directive->min > 1 ? directive->min : 1, max = directive->max;
	int64_t n = (int64_t)node->words - 1;

	if (n < min)
		conf_error(schema->context, &node->at, "`%s` needs %lld word%s%s", directive->name,
			   (long long)min, min > 1 ? "s" : "", max == min ? "" : " or more");
	else if (max && n > max)
		conf_error(schema->context, &node->word_at[max + 1],
			   "`%s` takes %lld word%s%s; quote a value that has blanks",
			   directive->name, (long long)max, max > 1 ? "s" : "",
			   max == min ? "" : " at most");
	return n >= min && (!max || n <= max);
}

static void parse_line(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	struct mu_lines *lines = field;
	struct mu_words *line;

	if (!is_line_length(schema, directive, node))
		return;
	line = schema_grow(schema, lines->line, lines->n, 1, sizeof(*line));
	if (!line)
		return;
	line[lines->n] = (struct mu_words){ node->words - 1, node->word + 1 };
	*lines = (struct mu_lines){ lines->n + 1, line };
}

/* For the labels of struct mu_blocks too, which begins like mu_words. */
static void print_words(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct mu_words *words = field;

	(void)directive;
	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			fputc(' ', out);
		lexer_quote(words->word[i], out);
	}
}

/* A bare `;` is never part of a word. */
static void print_lines(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct mu_lines *lines = field;

	for (size_t i = 0; i < lines->n; i++) {
		if (i > 0)
			fputs("; ", out);
		print_words(directive, &lines->line[i], out);
	}
}

/* Of all lists, each of which begins with its length. */
static bool is_words_unset(const struct mu_directive *directive, const void *field)
{
	(void)directive;
	return ((const struct mu_words *)field)->n == 0;
}

const struct schema_type *schema_type(int type)
{
	static const struct schema_type types[] = {
		[MU_BOOL] = { parse_bool, print_bool, .value = "yes|no" },
		[MU_INT] = { parse_int, print_int, is_number_unset, .value = "N" },
		[MU_SIZE] = { parse_size, print_size, is_number_unset, .value = "SIZE" },
		[MU_TIME] = { parse_time, print_time, is_number_unset, .value = "TIME" },
		[MU_STRING] = { parse_string, print_string, is_string_unset, .value = "WORD" },
		[MU_PATH] = { parse_string, print_string, is_string_unset, .value = "PATH" },
		[MU_ENUM] = { parse_enum, print_enum },
		[MU_WORDS] = { parse_words, print_words, is_words_unset, .value = "WORD ...",
			       .repeats = true },
		[MU_BLOCK] = { .value = "{ ... }", .has_block = true },
		[MU_BLOCKS] = { .value = "NAME { ... }",
				.print = print_words,
				.is_unset = is_words_unset,
				.has_block = true,
				.repeats = true },
		[MU_SWITCH] = { parse_switch, print_switch, is_switch_unset, .value = "yes|no" },
		[MU_LINES] = { parse_line, print_lines, is_words_unset, .value = "WORD ...",
			       .repeats = true },
		[MU_OUTPUT] = { parse_string, print_string, is_string_unset, .value = "PATH" },
		[MU_COMMAND] = { parse_command, print_words, is_words_unset,
				 .value = "PROGRAM [WORD ...]" },
	};

	if (type >= CONF_ITEMS)
		return schema_core_type(type);
	if (type <= 0 || type >= (int)(sizeof types / sizeof *types))
		return NULL;
	return types[type].parse || types[type].has_block ? &types[type] : NULL;
}
