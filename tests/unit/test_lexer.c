/* SPDX-License-Identifier: MIT */
#include "config/lexer.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct conf_errors errors;
static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(4096);
	setenv("MU_TEST_SET", "a b;c", 1);
	setenv("MU_TEST_EMPTY", "", 1);
	setenv("MU_TEST_CONTROL", "\033[0m", 1);
	unsetenv("MU_TEST_UNSET");
}

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
	arena_free(arena);
}

/*
 * The tokens of a text, one character between them: words in <>, `!` behind a broken one, and ; { } for the
 * marks. The result is the caller's until the next call.
 */
static const char *tokens_of(const char *text, size_t len)
{
	static char shown[2 * CONF_WORD_MAX];
	struct conf_source source = { .name = "t", .text = text, .len = len };
	struct conf_context context = { .arena = arena, .errors = &errors, .source = &source };
	struct lexer *lexer = malloc(sizeof(*lexer));
	struct token token;
	enum token_kind kind;
	size_t used = 0;

	lexer_init(lexer, &context, "t", text, len);
	do {
		kind = lexer_next(lexer, &token);
		used += (size_t)snprintf(shown + used, sizeof(shown) - used, "%s%s%s%s",
					 kind == TOKEN_WORD ? "<" : "",
					 kind == TOKEN_WORD    ? token.word
					 : kind == TOKEN_END   ? ";"
					 : kind == TOKEN_OPEN  ? "{"
					 : kind == TOKEN_CLOSE ? "}"
							       : "",
					 kind == TOKEN_WORD ? ">" : "", token.broken ? "!" : "");
	} while (kind != TOKEN_EOF);
	free(lexer);
	return shown;
}

static const char *tokens(const char *text)
{
	return tokens_of(text, strlen(text));
}

static void expect_error(const char *text, int line, int column, const char *message)
{
	conf_errors_cleanup(&errors);
	tokens(text);
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_int_eq(errors.error[0].at.line, line);
	ck_assert_int_eq(errors.error[0].at.column, column);
	ck_assert_msg(strstr(errors.error[0].message, message), "%s", errors.error[0].message);
}

START_TEST(a_directive_ends_at_the_line_end_a_semicolon_or_a_brace)
{
	ck_assert_str_eq(tokens("a b\nc;d {e}"), "<a><b>;<c>;<d>{<e>}");
	ck_assert_str_eq(tokens("a{b}c"), "<a>{<b>}<c>");
	ck_assert_str_eq(tokens(""), "");
	ck_assert_uint_eq(errors.total, 0);
}
END_TEST

START_TEST(comments_run_to_the_line_end_but_not_from_within_a_word)
{
	ck_assert_str_eq(tokens("a #b {\n#c\nd#e"), "<a>;;<d#e>");
	ck_assert_str_eq(tokens("'a'#b"), "<a>");
}
END_TEST

START_TEST(a_comma_separates_only_at_a_word_end)
{
	ck_assert_str_eq(tokens("a, b"), "<a><b>");
	ck_assert_str_eq(tokens("a , b"), "<a><b>");
	ck_assert_str_eq(tokens("a,b"), "<a,b>");
	ck_assert_str_eq(tokens("\"a\", 'b',\"c,\""), "<a><b><c,>");
	ck_assert_str_eq(tokens("2..16 [::1]:80 *:80"), "<2..16><[::1]:80><*:80>");
	ck_assert_uint_eq(errors.total, 0);
	expect_error("a b,\nc", 1, 4, "nothing follows this comma");
	expect_error("a \"b\",;c", 1, 6, "nothing follows this comma");
	expect_error("a b , }", 1, 5, "nothing follows this comma");
}
END_TEST

START_TEST(double_quotes_know_escapes_and_single_quotes_none)
{
	ck_assert_str_eq(tokens("\"a b\" \"\\\"\\\\\\n\\t\\$\" 'a\\n\"$${X}' ''"),
			 "<a b><\"\\\n\t$><a\\n\"$${X}><>");
	ck_assert_str_eq(tokens("\"#;{}\" '#;{}'"), "<#;{}><#;{}>");
	ck_assert_uint_eq(errors.total, 0);
	expect_error("a \"b\\x\"", 1, 5, "unknown escape");
	expect_error("a \"b\"c", 1, 6, "a blank is missing");
	expect_error("a b\"c\"", 1, 4, "quote the whole word");
	expect_error("a it's", 1, 5, "quote the whole word");
}
END_TEST

START_TEST(a_string_that_is_not_closed_is_one_error_and_the_next_line_is_fine)
{
	ck_assert_str_eq(tokens("a \"b\nc d"), "<a><b>!;<c><d>");
	expect_error("a\n  b 'c d\r\n", 2, 5, "not closed");
	expect_error("a \"b\\", 1, 5, "unknown escape");
}
END_TEST

START_TEST(variables_are_words_that_are_never_split)
{
	ck_assert_str_eq(tokens("x${MU_TEST_SET}y \"${MU_TEST_SET}\" '${MU_TEST_SET}'"),
			 "<xa b;cy><a b;c><${MU_TEST_SET}>");
	ck_assert_str_eq(tokens("${MU_TEST_UNSET:-d e} ${MU_TEST_EMPTY:-f} ${MU_TEST_SET:-g}"),
			 "<d e><f><a b;c>");
	ck_assert_str_eq(tokens("${MU_TEST_EMPTY} ${MU_TEST_UNSET:-}"), "<><>");
	ck_assert_str_eq(tokens("$HOME $ a$b $$"), "<$HOME><$><a$b><$$>");
	ck_assert_uint_eq(errors.total, 0);
}
END_TEST

START_TEST(variables_that_cannot_be_are_errors)
{
	expect_error("a x${MU_TEST_UNSET} b", 1, 4, "`MU_TEST_UNSET` is not set");
	expect_error("a \"${MU_TEST_UNSET}\"", 1, 4, "`MU_TEST_UNSET` is not set");
	expect_error("a ${MU_TEST_CONTROL}", 1, 3, "control byte (0x1b)");
	expect_error("a ${}", 1, 3, "write ${NAME}");
	expect_error("a ${1}", 1, 3, "write ${NAME}");
	expect_error("a ${HOME", 1, 3, "is not closed");
	expect_error("a ${HOME:-b\n}", 1, 3, "is not closed");
	expect_error("a ${HOME-b}", 1, 3, "is not closed");
}
END_TEST

START_TEST(lines_end_in_lf_or_crlf_and_a_byte_order_mark_is_skipped)
{
	ck_assert_str_eq(tokens("\xef\xbb\xbf"
				"a b\r\nc # d\r\n\r\n\"e\"\r\nf\r"),
			 "<a><b>;<c>;;<e>;<f>");
	ck_assert_uint_eq(errors.total, 0);
	expect_error("\xef\xbb\xbf"
		     "a ${}",
		     1, 3, "write ${NAME}");
	expect_error("a\rb", 1, 2, "control byte (0x0d)");
}
END_TEST

START_TEST(control_bytes_are_errors_everywhere)
{
	expect_error("a \x01 b", 1, 3, "control byte (0x01)");
	expect_error("a \"\x1b\"", 1, 4, "control byte (0x1b)");
	expect_error("a # \x07", 1, 5, "control byte (0x07)");
	expect_error("a ${X:-\x02}", 1, 8, "control byte (0x02)");
	expect_error("a b\x7f", 1, 4, "control byte (0x7f)");
}
END_TEST

START_TEST(a_nul_byte_ends_the_reading)
{
	ck_assert_str_eq(tokens_of("a\0b\nc {", 7), "<a>!");
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_str_eq(errors.error[0].message, "a NUL byte: this is not a text file");
}
END_TEST

START_TEST(a_word_has_a_longest_length)
{
	char *text = malloc(CONF_WORD_MAX + 16);

	memset(text, 'x', CONF_WORD_MAX + 8);
	text[CONF_WORD_MAX - 1] = '\0';
	ck_assert_uint_eq(strlen(tokens(text)), CONF_WORD_MAX - 1 + 2);
	ck_assert_uint_eq(errors.total, 0);
	memcpy(text + CONF_WORD_MAX - 1, "x\nb", 4);
	expect_error(text, 1, 1, "longer than 8191 bytes");
	free(text);
}
END_TEST

START_TEST(a_backslash_does_not_continue_a_line)
{
	expect_error("a b \\\n c", 1, 5, "does not continue a line");
	conf_errors_cleanup(&errors);
	ck_assert_str_eq(tokens("a \\x b\\"), "<a><\\x><b\\>");
	ck_assert_uint_eq(errors.total, 0);
}
END_TEST

START_TEST(a_quoted_word_is_read_back_as_it_was)
{
	static const char *const words[] = { "",      "a",     "a b",    "a,",       "a,b",
					     "#",     "a#",    "'",      "\"",       "\\",
					     "a\\nb", "a\nb",  "\t",     "${HOME}",  "$",
					     "{",     "}",     ";",      "\xc3\xa9", "2..16",
					     "*:80",  "[::1]", "a=b=c",  "~/x",      "\\n",
					     "->",    "it's",  "x\"y\"", "a$b",      "`" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *text = NULL, expected[64];
		size_t len;
		FILE *out = open_memstream(&text, &len);

		lexer_quote(words[i], out);
		fclose(out);
		snprintf(expected, sizeof(expected), "<%s>", words[i]);
		ck_assert_str_eq(tokens(text), expected);
		ck_assert_uint_eq(errors.total, 0);
		free(text);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("lexer");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_directive_ends_at_the_line_end_a_semicolon_or_a_brace);
	tcase_add_test(tcase, comments_run_to_the_line_end_but_not_from_within_a_word);
	tcase_add_test(tcase, a_comma_separates_only_at_a_word_end);
	tcase_add_test(tcase, double_quotes_know_escapes_and_single_quotes_none);
	tcase_add_test(tcase, a_string_that_is_not_closed_is_one_error_and_the_next_line_is_fine);
	tcase_add_test(tcase, variables_are_words_that_are_never_split);
	tcase_add_test(tcase, variables_that_cannot_be_are_errors);
	tcase_add_test(tcase, lines_end_in_lf_or_crlf_and_a_byte_order_mark_is_skipped);
	tcase_add_test(tcase, control_bytes_are_errors_everywhere);
	tcase_add_test(tcase, a_nul_byte_ends_the_reading);
	tcase_add_test(tcase, a_word_has_a_longest_length);
	tcase_add_test(tcase, a_backslash_does_not_continue_a_line);
	tcase_add_test(tcase, a_quoted_word_is_read_back_as_it_was);
	return unit_main("lexer", tcase);
}
