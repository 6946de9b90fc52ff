/* SPDX-License-Identifier: MIT */
/*
 * The lexer, as lexer.h says. Called by parser.c, which makes directives of the words. After an error
 * the rest of the line is skipped, so that one mistake is one message.
 */
#include "config/lexer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void lexer_init(struct lexer *lexer, struct conf_context *context, const char *name,
		const char *text, size_t len)
{
	lexer->context = context;
	lexer->name = name;
	lexer->text = text;
	lexer->len = len;
	lexer->pos = 0;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		lexer->pos = 3;
	lexer->line_start = lexer->pos;
	lexer->line = 1;
	lexer->comma.line = 0;
	lexer->lost_brace = false;
	lexer->used = 0;
}

/* The byte at pos + ahead; -1 behind the end. */
static int peek(const struct lexer *lexer, size_t ahead)
{
	if (ahead >= lexer->len - lexer->pos)
		return -1;
	return (unsigned char)lexer->text[lexer->pos + ahead];
}

static struct conf_place place_of(const struct lexer *lexer)
{
	return (struct conf_place){ lexer->name, lexer->line,
				    (int)(lexer->pos - lexer->line_start) + 1 };
}

static bool at_line_end(const struct lexer *lexer)
{
	int c = peek(lexer, 0);

	return c < 0 || c == '\n' || (c == '\r' && (peek(lexer, 1) == '\n' || peek(lexer, 1) < 0));
}

static bool at_word_end(const struct lexer *lexer)
{
	int c = peek(lexer, 0);

	return at_line_end(lexer) || c == ' ' || c == '\t' || c == ';' || c == '{' || c == '}';
}

static bool is_control(int c)
{
	return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f;
}

static void skip_line(struct lexer *lexer)
{
	for (; lexer->pos < lexer->len && lexer->text[lexer->pos] != '\n'; lexer->pos++)
		if (lexer->text[lexer->pos] == '{' || lexer->text[lexer->pos] == '}')
			lexer->lost_brace = true;
}

static void __attribute__((__format__(__printf__, 4, 5)))
fail(struct lexer *lexer, struct token *token, const struct conf_place *at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	conf_verror(lexer->context, at, format, args);
	va_end(args);
	skip_line(lexer);
	token->broken = true;
}

static void fail_control(struct lexer *lexer, struct token *token)
{
	struct conf_place at = place_of(lexer);
	int c = peek(lexer, 0);

	if (c != 0) {
		fail(lexer, token, &at, "a control byte (0x%02x) has no place here", (unsigned)c);
		return;
	}
	/* No text at all: more of it would only give more of the same. */
	fail(lexer, token, &at, "a NUL byte: this is not a text file");
	lexer->lost_brace = true;
	lexer->pos = lexer->len;
}

/* False when the word is too long, which is then reported. */
static bool append(struct lexer *lexer, struct token *token, const char *bytes, size_t len)
{
	if (len >= sizeof(lexer->word) - lexer->used) {
		fail(lexer, token, &token->at, "a word is longer than %d bytes", CONF_WORD_MAX - 1);
		return false;
	}
	memcpy(lexer->word + lexer->used, bytes, len);
	lexer->used += len;
	return true;
}

static bool append_byte(struct lexer *lexer, struct token *token, int c)
{
	char byte = (char)c;

	return append(lexer, token, &byte, 1);
}

/* The value of a variable goes into the word as it is; an error in it breaks the word, not the line. */
static bool append_variable(struct lexer *lexer, struct token *token, const struct conf_place *at,
			    const char *name, const char *dflt, size_t dflt_len)
{
	const char *value = getenv(name);

	if (!value && !dflt) {
		conf_error(lexer->context, at,
			   "the environment variable `%s` is not set; `${%s:-text}` would give a "
			   "default",
			   name, name);
		token->broken = true;
		return true;
	}
	if (dflt && (!value || !*value))
		return append(lexer, token, dflt, dflt_len);
	for (const char *p = value; *p; p++) {
		if (!is_control((unsigned char)*p) || *p == '\n')
			continue;
		conf_error(lexer->context, at,
			   "the environment variable `%s` holds a control byte (0x%02x)", name,
			   (unsigned)(unsigned char)*p);
		token->broken = true;
		return true;
	}
	return append(lexer, token, value, strlen(value));
}

/* At `${`: reads it up to its `}`. False when the line was given up. */
static bool read_variable(struct lexer *lexer, struct token *token)
{
	struct conf_place at = place_of(lexer);
	const char *dflt = NULL;
	size_t dflt_len = 0, len = 0;
	char name[128];

	lexer->pos += 2;
	while (len < sizeof(name) - 1 && (isalnum(peek(lexer, 0)) || peek(lexer, 0) == '_'))
		name[len++] = lexer->text[lexer->pos++];
	name[len] = '\0';
	if (len == 0 || isdigit((unsigned char)name[0])) {
		fail(lexer, token, &at, "`${` begins a variable: write ${NAME} or ${NAME:-text}");
		return false;
	}
	if (peek(lexer, 0) == ':' && peek(lexer, 1) == '-') {
		lexer->pos += 2;
		dflt = lexer->text + lexer->pos;
		for (; !at_line_end(lexer) && peek(lexer, 0) != '}'; lexer->pos++) {
			if (is_control(peek(lexer, 0))) {
				fail_control(lexer, token);
				return false;
			}
			if (peek(lexer, 0) == '$' && peek(lexer, 1) == '{') {
				at = place_of(lexer);
				fail(lexer, token, &at, "a default cannot hold another variable");
				return false;
			}
		}
		dflt_len = (size_t)(lexer->text + lexer->pos - dflt);
	}
	if (peek(lexer, 0) != '}') {
		fail(lexer, token, &at,
		     "the variable `${%s` is not closed: write ${NAME} or ${NAME:-text}", name);
		return false;
	}
	lexer->pos++;
	return append_variable(lexer, token, &at, name, dflt, dflt_len);
}

static bool read_escape(struct lexer *lexer, struct token *token)
{
	static const char known[] = "\"\\$nt", meant[] = "\"\\$\n\t";
	struct conf_place at = place_of(lexer);
	int c = peek(lexer, 1);
	const char *found = c > 0 ? strchr(known, c) : NULL;

	if (!found) {
		fail(lexer, token, &at,
		     "unknown escape: \\\" \\\\ \\$ \\n \\t are known; 'single quotes' keep a "
		     "backslash");
		return false;
	}
	lexer->pos += 2;
	return append_byte(lexer, token, meant[found - known]);
}

static void read_quoted(struct lexer *lexer, struct token *token)
{
	int quote = peek(lexer, 0);
	struct conf_place at = place_of(lexer);

	lexer->pos++;
	while (peek(lexer, 0) != quote) {
		int c = peek(lexer, 0);
		bool ok;

		if (at_line_end(lexer)) {
			fail(lexer, token, &at, "the quoted string is not closed on its line");
			return;
		}
		if (is_control(c)) {
			fail_control(lexer, token);
			return;
		}
		if (quote == '"' && c == '\\')
			ok = read_escape(lexer, token);
		else if (quote == '"' && c == '$' && peek(lexer, 1) == '{')
			ok = read_variable(lexer, token);
		else if ((ok = append_byte(lexer, token, c)))
			lexer->pos++;
		if (!ok)
			return;
	}
	lexer->pos++;
	if (peek(lexer, 0) == ',') {
		lexer->comma = place_of(lexer);
		lexer->pos++;
	} else if (!at_word_end(lexer) && peek(lexer, 0) != '#') {
		at = place_of(lexer);
		fail(lexer, token, &at, "a blank is missing behind the closing quote");
	}
}

/* Up to the word's end, then without the commas there. */
static void read_plain(struct lexer *lexer, struct token *token)
{
	size_t commas = 0;

	while (!at_word_end(lexer)) {
		int c = peek(lexer, 0);
		struct conf_place at = place_of(lexer);

		if (c == '$' && peek(lexer, 1) == '{') {
			commas = 0;
			if (!read_variable(lexer, token))
				return;
			continue;
		}
		if (is_control(c)) {
			fail_control(lexer, token);
			return;
		}
		if (c == 0xc2 && peek(lexer, 1) == 0xa0) {
			fail(lexer, token, &at,
			     "a no-break space (U+00A0), which looks like a blank: write a blank");
			return;
		}
		if (c == '"' || c == '\'') {
			fail(lexer, token, &at, "a quote inside of a word: quote the whole word");
			return;
		}
		if (!append_byte(lexer, token, c))
			return;
		commas = c == ',' ? commas + 1 : 0;
		if (c == ',')
			lexer->comma = at;
		lexer->pos++;
	}
	if (commas == 0)
		lexer->comma.line = 0;
	lexer->used -= commas;
	if (lexer->used == 1 && lexer->word[0] == '\\' && at_line_end(lexer))
		fail(lexer, token, &token->at,
		     "a backslash does not continue a line: write the directive on one line");
}

static void skip_blanks(struct lexer *lexer, struct token *token)
{
	while (peek(lexer, 0) == ' ' || peek(lexer, 0) == '\t')
		lexer->pos++;
	if (peek(lexer, 0) == '#') {
		while (!at_line_end(lexer) && !is_control(peek(lexer, 0)))
			lexer->pos++;
		if (!at_line_end(lexer))
			fail_control(lexer, token);
	}
	if (peek(lexer, 0) == '\r' && at_line_end(lexer))
		lexer->pos++;
}

/* A comma promises another word. */
static void check_comma(struct lexer *lexer, struct token *token)
{
	if (!lexer->comma.line)
		return;
	conf_error(lexer->context, &lexer->comma,
		   "nothing follows this comma: a directive ends with its line");
	lexer->comma.line = 0;
	token->broken = true;
}

static enum token_kind read_mark(struct lexer *lexer, struct token *token, enum token_kind kind)
{
	check_comma(lexer, token);
	if (kind == TOKEN_EOF)
		return kind;
	lexer->pos++;
	return kind;
}

enum token_kind lexer_next(struct lexer *lexer, struct token *token_r)
{
	*token_r = (struct token){ .word = NULL };
	for (;;) {
		skip_blanks(lexer, token_r);
		token_r->at = place_of(lexer);
		switch (peek(lexer, 0)) {
		case -1:
			return read_mark(lexer, token_r, TOKEN_EOF);
		case '\n':
			read_mark(lexer, token_r, TOKEN_END);
			lexer->line++;
			lexer->line_start = lexer->pos;
			return TOKEN_END;
		case ';':
			return read_mark(lexer, token_r, TOKEN_END);
		case '{':
			return read_mark(lexer, token_r, TOKEN_OPEN);
		case '}':
			return read_mark(lexer, token_r, TOKEN_CLOSE);
		}
		lexer->used = 0;
		lexer->comma.line = 0;
		if (peek(lexer, 0) == '"' || peek(lexer, 0) == '\'') {
			read_quoted(lexer, token_r);
			break;
		}
		read_plain(lexer, token_r);
		if (lexer->used > 0 || token_r->broken || !lexer->comma.line)
			break;
	}
	lexer->word[lexer->used] = '\0';
	token_r->word = lexer->word;
	return TOKEN_WORD;
}

bool lexer_is_plain(const char *word)
{
	size_t len = strlen(word);

	if (len == 0 || word[len - 1] == ',')
		return false;
	for (const char *p = word; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_./:*@%+=~-,[]", *p))
			return false;
	return true;
}

void lexer_quote(const char *word, FILE *out)
{
	if (lexer_is_plain(word)) {
		fputs(word, out);
		return;
	}
	fputc('"', out);
	for (const char *p = word; *p; p++) {
		if (*p == '\n' || *p == '\t') {
			fputs(*p == '\n' ? "\\n" : "\\t", out);
			continue;
		}
		if (strchr("\"\\$", *p))
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
}
