/* SPDX-License-Identifier: MIT */
#include "config/reference.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

static char *print(const struct mu_module *const *modules)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(reference_print(modules, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static const struct mu_module *const no_modules[] = { NULL };

/* The fields of a line, which is taken apart. */
static int split(char *line, char *field[8])
{
	int n = 0;

	while (*line && n < 8) {
		char *end = strstr(line, "  ");

		field[n++] = line;
		if (!end)
			break;
		*end = '\0';
		line = end + 1 + strspn(end + 1, " ");
	}
	return n;
}

START_TEST(each_line_has_five_fields_and_the_order_is_that_of_the_names)
{
	char *text = print(no_modules), *next = text, *field[8], last[64] = "";
	int lines = 0;

	for (char *line; (line = strsep(&next, "\n")) && *line; lines++) {
		ck_assert_int_eq(split(line, field), 5);
		if (lines == 0)
			continue;
		ck_assert_msg(strcmp(last, field[0]) <= 0, "%s before %s", last, field[0]);
		snprintf(last, sizeof(last), "%s", field[0]);
	}
	ck_assert_int_gt(lines, 40);
	free(text);
}
END_TEST

static const struct mu_directive inner[] = {
	{ "size", MU_SIZE, 0, .help = "how much" },
	{ "only", MU_ENUM, 8, "a", .words = "a|b", .help = "one of them" },
	{ NULL },
};

static const struct mu_directive outer[] = {
	{ "size", MU_SIZE, 0, "64k", .help = "how much" },
	{ "zone", MU_BLOCKS, 8, .block = inner, .block_size = 16, .help = "some" },
	{ "must", MU_STRING, 40, .required = true, .help = "it has to" },
	{ NULL },
};

static const struct mu_module module = { .name = "mine", .directives = outer };
static const struct mu_module plain = { .name = "plain" };

/* The line that begins with name and says what, in the text. */
static char *line_of(char *text, const char *name, const char *what)
{
	size_t len = strlen(name);

	for (char *line; (line = strsep(&text, "\n"));)
		if (strncmp(line, name, len) == 0 && line[len] == ' ' && strstr(line, what))
			return line;
	ck_abort_msg("no line of %s: %s", name, what);
}

static void expect(const char *name, const char *value, const char *places, const char *dflt,
		   const char *help)
{
	const struct mu_module *const modules[] = { &plain, &module, NULL };
	char *text = print(modules), *field[8];

	ck_assert_int_eq(split(line_of(text, name, help), field), 5);
	ck_assert_str_eq(field[0], name);
	ck_assert_str_eq(field[1], value);
	ck_assert_str_eq(field[2], places);
	ck_assert_str_eq(field[3], dflt);
	ck_assert_str_eq(field[4], help);
	free(text);
}

START_TEST(what_means_the_same_in_two_blocks_has_one_line_with_the_outer_default)
{
	expect("size", "SIZE", "mine, zone", "64k", "how much");
	expect("only", "a|b", "zone", "a", "one of them");
	expect("must", "WORD", "mine", "required", "it has to");
	expect("zone", "NAME { ... }", "mine", "-", "some");
}
END_TEST

START_TEST(the_core_and_the_parsers_own_are_there)
{
	expect("include", "WORD ...", "anywhere", "-",
	       "reads other files in its place: include conf.d/*.conf");
	expect("backlog", "N", "service", "4096", "connections that may wait to be accepted");
	expect("idle", "TIME", "timeout", "75s", "while no byte moves on a connection");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("reference");

	tcase_add_test(tcase, each_line_has_five_fields_and_the_order_is_that_of_the_names);
	tcase_add_test(tcase,
		       what_means_the_same_in_two_blocks_has_one_line_with_the_outer_default);
	tcase_add_test(tcase, the_core_and_the_parsers_own_are_there);
	return unit_main("reference", tcase);
}
