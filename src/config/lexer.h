/* SPDX-License-Identifier: MIT */
/*
 * The words of a configuration text:
 *
 *     directive word word, "quoted \"word\"" 'quoted word'   # a comment
 *     block word { directive word; directive }
 *
 * A directive ends at the line's end, at `;` or before `}`. Words are separated by blanks; a comma at a
 * word's end is a separator too (`a, b` are two words, `a,b` is one). `"` strings know \" \\ \$ \n \t,
 * `'` strings know nothing; both end on their line. Outside of `'`, ${NAME} is the environment
 * variable (an error when unset), ${NAME:-text} is `text` when it is unset or empty; any other `$` is
 * itself. What a variable holds is never split into words. LF or CRLF; a UTF-8 byte order mark is skipped;
 * control bytes are errors.
 *
 * Errors go to the context; what the lexer cannot make sense of is skipped up to the line's end. It
 * allocates nothing and keeps no state but its struct.
 */
#ifndef CONFIG_LEXER_H
#define CONFIG_LEXER_H

#include "config/errors.h"

enum { CONF_WORD_MAX = 8192 };

enum token_kind { TOKEN_WORD, TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_EOF };

struct token {
	const char *word; /* TOKEN_WORD: valid until the next call */
	struct conf_place at;
	bool broken; /* there was an error in it, reported already */
};

struct lexer {
	struct conf_context *context;
	const char *name; /* of the file, for places */
	const char *text;
	size_t len, pos, line_start;
	int line;
	struct conf_place comma; /* the separator just read; line 0: none */
	bool lost_brace;         /* skipped text had braces: the nesting is in doubt */
	size_t used;
	char word[CONF_WORD_MAX];
};

/* name and text are borrowed for the lexer's life (the name for that of the places). */
void lexer_init(struct lexer *lexer, struct conf_context *context, const char *name,
		const char *text, size_t len);
enum token_kind lexer_next(struct lexer *lexer, struct token *token_r);

/*
 * True when the word means itself without quotes. The other way round, lexer_quote writes any word
 * so that it is read back as it was.
 */
bool lexer_is_plain(const char *word);
void lexer_quote(const char *word, FILE *out);

#endif
