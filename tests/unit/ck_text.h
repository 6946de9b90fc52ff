/* SPDX-License-Identifier: MIT */
/* Assertions about parts of a text, which is shown as a whole where one fails. */
#ifndef TESTS_CK_TEXT_H
#define TESTS_CK_TEXT_H

#include <check.h>
#include <stdbool.h>
#include <string.h>

static inline bool text_has(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

static inline bool text_starts(const char *text, const char *what)
{
	return strncmp(text, what, strlen(what)) == 0;
}

static inline bool text_ends(const char *text, const char *what)
{
	size_t len = strlen(text), what_len = strlen(what);

	return len >= what_len && strcmp(text + len - what_len, what) == 0;
}

/* is: one of the above. */
#define ck_text(is, text, what, wrong)                                             \
	do {                                                                       \
		const char *text_ = (text), *what_ = (what);                       \
                                                                                   \
		ck_assert_msg(is(text_, what_), "%s\n" wrong " %s", text_, what_); \
	} while (0)

#define ck_has(text, what)     ck_text(text_has, text, what, "lacks")
#define ck_has_not(text, what) ck_text(!text_has, text, what, "must not have")
#define ck_starts(text, what)  ck_text(text_starts, text, what, "does not start with")
#define ck_ends(text, what)    ck_text(text_ends, text, what, "does not end with")

#endif
