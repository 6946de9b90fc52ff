/* SPDX-License-Identifier: MIT */
#include "config/table.h"

#include "config/resolver.h"

#include "unit.h"

static int serve(struct mu_conn *conn, void *state)
{
	(void)conn;
	(void)state;
	return MU_DONE;
}

static struct mu_module module_of(const struct mu_directive *table, size_t size)
{
	return (struct mu_module){
		.abi = MU_ABI, .name = "m", .serve = serve, .directives = table, .config_size = size
	};
}

static void expect(const struct mu_module *module, const char *expected)
{
	char reason[RESOLVER_REASON_MAX] = "";

	ck_assert_int_eq(table_is_sound(module, reason), !expected);
	if (expected)
		ck_assert_msg(strstr(reason, expected), "%s: not in: %s", expected, reason);
}

START_TEST(a_module_needs_a_name_and_a_serve)
{
	struct mu_module module = module_of(NULL, 0);

	expect(&module, NULL);
	module.name = "two words";
	expect(&module, "it has no name");
	module = module_of(NULL, 0);
	module.serve = NULL;
	expect(&module, "module m has no serve");
}
END_TEST

START_TEST(every_type_has_room_in_the_struct)
{
	for (int type = MU_BOOL; type <= MU_COMMAND; type++) {
		const struct mu_directive empty[] = { { NULL } };
		const struct mu_directive table[] = { { "x", (enum mu_type)type, 16, .words = "a|b",
							.block = empty, .block_size = 8 },
						      { NULL } };
		struct mu_module module = module_of(table, 64);

		expect(&module, NULL);
		module.config_size = 16;
		expect(&module,
		       type == MU_BLOCK ? NULL : "would be stored at 16 of a struct of 16 bytes");
		module.config_size = 8;
		expect(&module, "would be stored at 16");
	}
}
END_TEST

START_TEST(lists_may_hold_themselves_and_blocks_may_not)
{
	struct mu_directive table[] = {
		{ "list", MU_BLOCKS, 0, .block_size = 64 },
		{ "other", MU_BLOCKS, 24, .block_size = 64 },
		{ "third", MU_BLOCKS, 48, .block_size = 72 },
		{ NULL },
	};
	struct mu_module module = module_of(table, 72);

	table[0].block = table[1].block = table[2].block = table;
	table[0].block_size = table[1].block_size = 72;
	expect(&module, NULL);
	table[1].type = MU_BLOCK;
	table[1].offset = 0;
	expect(&module, "its block `other` holds itself");
}
END_TEST

START_TEST(a_block_within_a_list_is_measured_by_the_lists_struct)
{
	const struct mu_directive leaf[] = { { "n", MU_INT, 8 }, { NULL } };
	const struct mu_directive middle[] = { { "leaf", MU_BLOCK, 8, .block = leaf }, { NULL } };
	struct mu_directive table[] = { { "list", MU_BLOCKS, 0, .block = middle, .block_size = 24 },
					{ NULL } };
	struct mu_module module = module_of(table, sizeof(struct mu_blocks));

	expect(&module, NULL);
	table[0].block_size = 16;
	expect(&module, "its directive `n` would be stored at 8 of a struct of 8 bytes");
}
END_TEST

START_TEST(defaults_are_read_also_those_of_blocks_in_lists)
{
	struct mu_directive leaf[] = { { "n", MU_INT, 0, "3", 1, 9 }, { NULL } };
	const struct mu_directive middle[] = { { "leaf", MU_BLOCK, 0, .block = leaf }, { NULL } };
	const struct mu_directive table[] = {
		{ "list", MU_BLOCKS, 0, .block = middle, .block_size = 8 }, { NULL }
	};
	struct mu_module module = module_of(table, sizeof(struct mu_blocks));

	expect(&module, NULL);
	leaf[0].dflt = "10";
	expect(&module, "a default of its directives is wrong: `n` must be between 1 and 9");
}
END_TEST

START_TEST(a_range_without_a_max_is_for_lines_alone)
{
	struct mu_directive table[] = { { "x", MU_LINES, 0, .min = 2 }, { NULL } };
	struct mu_module module = module_of(table, 16);

	expect(&module, NULL);
	table[0].type = MU_INT;
	expect(&module, "its directive `x` has a min above its max");
	table[0].max = INT64_MAX;
	expect(&module, NULL);
	table[0].min = table[0].max = 0;
	expect(&module, NULL);
}
END_TEST

START_TEST(a_table_needs_an_end)
{
	static struct mu_directive table[2000];
	static char name[2000][8];
	struct mu_module module = module_of(table, 8);

	for (int i = 0; i < 1999; i++) {
		snprintf(name[i], sizeof(name[i]), "n%d", i);
		table[i] = (struct mu_directive){ name[i], MU_INT, 0 };
	}
	expect(&module, "has no end");
	table[500].name = NULL;
	expect(&module, NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("table");

	tcase_add_test(tcase, a_module_needs_a_name_and_a_serve);
	tcase_add_test(tcase, every_type_has_room_in_the_struct);
	tcase_add_test(tcase, lists_may_hold_themselves_and_blocks_may_not);
	tcase_add_test(tcase, a_block_within_a_list_is_measured_by_the_lists_struct);
	tcase_add_test(tcase, defaults_are_read_also_those_of_blocks_in_lists);
	tcase_add_test(tcase, a_range_without_a_max_is_for_lines_alone);
	tcase_add_test(tcase, a_table_needs_an_end);
	return unit_main("table", tcase);
}
