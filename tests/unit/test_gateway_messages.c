/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/messages.h"

#include "unit.h"

#include <stdarg.h>
#include <string.h>

static char logged[8192];
static struct messages messages;

void mu_log(struct mu_conn *conn, enum mu_level level, const char *format, ...)
{
	size_t len = strlen(logged);
	va_list args;

	(void)conn;
	ck_assert_int_eq(level, MU_NOTICE);
	va_start(args, format);
	len += (size_t)vsnprintf(logged + len, sizeof logged - len, format, args);
	va_end(args);
	snprintf(logged + len, sizeof logged - len, "\n");
}

static void setup(void)
{
	*logged = '\0';
	messages = (struct messages){ .name = "app" };
}

static const struct {
	const char *text;
	size_t len;
	const char *logged; /* before the end, "|", at the end */
} rows[] = {
	{ "", 0, "|" },
	{ "one\n", 4, "app: one\n|" },
	{ "one\r\ntwo\nthree", 14, "app: one\napp: two\n|app: three\n" },
	{ "\n\r\n\n", 4, "|" },
	{ "a\0b\n", 4, "app: a\\x00b\n|" },
	{ "\ta\x1b\n", 4, "app: \ta\x1b\n|" },
	{ "a\rb\n", 4, "app: a\rb\n|" },
};

/* In one piece, and byte by byte. */
START_TEST(lines_are_logged_when_they_are_complete)
{
	for (int at_once = 0; at_once < 2; at_once++) {
		setup();
		if (at_once)
			messages_add(&messages, rows[_i].text, rows[_i].len);
		for (size_t i = 0; !at_once && i < rows[_i].len; i++)
			messages_add(&messages, rows[_i].text + i, 1);
		strcat(logged, "|");
		messages_end(&messages);
		ck_assert_str_eq(logged, rows[_i].logged);
		/* Once. */
		messages_end(&messages);
		ck_assert_str_eq(logged, rows[_i].logged);
	}
}
END_TEST

/* How many lines were logged, and bytes beside the name and the end of the line. */
static size_t count_lines(size_t *bytes_r)
{
	size_t lines = 0;

	*bytes_r = 0;
	for (const char *p = logged, *end; (end = strchr(p, '\n')); p = end + 1, lines++) {
		ck_assert_int_eq(strncmp(p, "app: ", 5), 0);
		ck_assert_int_le(end - p - 5, MESSAGES_LINE_MAX);
		*bytes_r += (size_t)(end - p) - 5;
	}
	return lines;
}

START_TEST(a_long_line_is_several)
{
	char text[2 * MESSAGES_LINE_MAX];
	size_t bytes;

	memset(text, 'x', sizeof text);
	messages_add(&messages, text, sizeof text);
	messages_end(&messages);
	ck_assert_uint_eq(count_lines(&bytes), 3);
	ck_assert_uint_eq(bytes, sizeof text);
}
END_TEST

/* Each becomes four. */
START_TEST(bytes_that_grow_do_not_overflow)
{
	char text[MESSAGES_LINE_MAX] = "";
	size_t bytes;

	messages_add(&messages, text, sizeof text);
	messages_end(&messages);
	ck_assert_uint_eq(count_lines(&bytes), 4);
	ck_assert_uint_eq(bytes, 4 * sizeof text);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_messages");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, lines_are_logged_when_they_are_complete, 0,
			    sizeof rows / sizeof rows[0]);
	tcase_add_test(tcase, a_long_line_is_several);
	tcase_add_test(tcase, bytes_that_grow_do_not_overflow);
	return unit_main("gateway_messages", tcase);
}
