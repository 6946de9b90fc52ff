/* SPDX-License-Identifier: MIT */
#include "config/schema.h"

#include "config/parser.h"
#include "config/suggest.h"
#include "config/value.h"

#include "conf_fixture.h"
#include "unit.h"

static struct conf_errors errors;
static struct arena *arena;
static struct fixture_config full;

static void set_up(void)
{
	arena = arena_new(4096);
	memset(&full, 0, sizeof(full));
}

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
	arena_free(arena);
}

/* Applies the table with all types to a text. */
static void apply(const char *text)
{
	struct conf_context context = { .arena = arena, .errors = &errors };
	struct schema schema = { &context, NULL, fixture_modules };
	struct conf_node parent = { .words = 1, .word = (const char *const[]){ "full" } };
	bool sound;

	parent.child = (struct conf_node *)conf_parse_text(
		&context, FIXTURE_NAME, arena_strdup(arena, text), strlen(text), &sound);
	ck_assert(sound);
	schema_apply(&schema, fixture_directives, &parent, parent.child, &full);
}

static void expect_error(const char *text, int line, int column, const char *message)
{
	conf_errors_cleanup(&errors);
	memset(&full, 0, sizeof(full));
	apply(text);
	ck_assert_msg(errors.total == 1, "%zu errors in: %s", errors.total, text);
	ck_assert_int_eq(errors.error[0].at.line, line);
	ck_assert_int_eq(errors.error[0].at.column, column);
	ck_assert_str_eq(errors.error[0].message, message);
}

START_TEST(what_is_not_written_has_its_default)
{
	apply("");
	ck_assert_uint_eq(errors.total, 0);
	ck_assert(full.flag);
	ck_assert_int_eq(full.count, 4);
	ck_assert_int_eq(full.size, 64 << 10);
	ck_assert_int_eq(full.time, 90000);
	ck_assert_str_eq(full.word, "two words");
	ck_assert_ptr_null(full.path);
	ck_assert_int_eq(full.color, 1);
	ck_assert_uint_eq(full.names.n, 2);
	ck_assert_str_eq(full.names.word[1], "b");
	ck_assert_int_eq(full.inner.depth, 3);
	ck_assert_uint_eq(full.route.n, 0);
}
END_TEST

START_TEST(every_type_is_stored_at_its_offset)
{
	apply("flag off; count 100; size 3M; time 2h\nword x\npath y/z\ncolor blue\n"
	      "names one\nnames two three\ninner { label deep }\n"
	      "route first { target a }\nroute { target b; weight 7 }");
	ck_assert_uint_eq(errors.total, 0);
	ck_assert(!full.flag);
	ck_assert_int_eq(full.count, 100);
	ck_assert_int_eq(full.size, 3 << 20);
	ck_assert_int_eq(full.time, 2 * 60 * 60 * 1000);
	ck_assert_str_eq(full.word, "x");
	ck_assert_str_eq(full.path, "/conf/y/z");
	ck_assert_int_eq(full.color, 2);
	ck_assert_uint_eq(full.names.n, 3);
	ck_assert_str_eq(full.names.word[0], "one");
	ck_assert_str_eq(full.names.word[2], "three");
	ck_assert_int_eq(full.inner.depth, 3);
	ck_assert_str_eq(full.inner.label, "deep");
	ck_assert_uint_eq(full.route.n, 2);
	ck_assert_str_eq(full.route.label[0], "first");
	ck_assert_str_eq(full.route.label[1], "");
	ck_assert_int_eq(((struct fixture_route *)full.route.item[0])->weight, 1);
	ck_assert_int_eq(((struct fixture_route *)full.route.item[1])->weight, 7);
	ck_assert_str_eq(((struct fixture_route *)full.route.item[1])->target, "b");
}
END_TEST

START_TEST(a_switch_knows_that_it_was_written)
{
	apply("");
	ck_assert_int_eq(full.often, 0);
	apply("often no");
	ck_assert_int_eq(full.often, 1);
	apply("often on");
	ck_assert_int_eq(full.often, 2);
	ck_assert_uint_eq(errors.total, 0);
	expect_error("often perhaps", 1, 7, "`often` wants yes or no, not `perhaps`");
	expect_error("often", 1, 1, "`often` needs yes or no");
	expect_error("often yes; often no", 1, 12,
		     "`often` is given twice; the first is in /conf/test.conf:1");
}
END_TEST

START_TEST(lines_are_kept_apart)
{
	apply("");
	ck_assert_uint_eq(full.pair.n, 1);
	ck_assert_str_eq(full.pair.line[0].word[1], "y");
	memset(&full, 0, sizeof(full));
	apply("pair a =404\npair c d e\ncount 2\npair 'f g' ''");
	ck_assert_uint_eq(errors.total, 0);
	ck_assert_uint_eq(full.pair.n, 3);
	ck_assert_uint_eq(full.pair.line[0].n, 2);
	ck_assert_str_eq(full.pair.line[0].word[1], "=404");
	ck_assert_uint_eq(full.pair.line[1].n, 3);
	ck_assert_str_eq(full.pair.line[1].word[2], "e");
	ck_assert_str_eq(full.pair.line[2].word[0], "f g");
	ck_assert_str_eq(full.pair.line[2].word[1], "");
}
END_TEST

START_TEST(lines_have_so_many_words)
{
	expect_error("pair", 1, 1, "`pair` needs 2 words or more");
	expect_error("pair a", 1, 1, "`pair` needs 2 words or more");
	expect_error("pair a b c d e", 1, 12,
		     "`pair` takes 3 words at most; quote a value that has blanks");
	expect_error("pair a b { c }", 1, 1, "`pair` takes no block");
	expect_error("pair = a b", 1, 6,
		     "no `=` between a directive and its value: write `pair VALUE`");
	expect_error("route { target x; sign }", 1, 19, "`sign` needs 1 word or more");
}
END_TEST

START_TEST(an_output_is_a_path)
{
	apply("output log/x");
	ck_assert_uint_eq(errors.total, 0);
	ck_assert_str_eq(full.output, "/conf/log/x");
	expect_error("output ''", 1, 8, "`output` wants a path, not ``");
}
END_TEST

START_TEST(blocks_have_blocks)
{
	const struct fixture_route *a, *b;
	const struct fixture_stop *stop;

	apply("route a { target x; fast no; stop s { open yes }; stop t { wait 2s }\n	      "
	      "  sign one two; sign three; road { width 4 } }\n	      "
	      "route b { target y; stop s { wait 3s } }");
	ck_assert_uint_eq(errors.total, 0);
	a = full.route.item[0];
	b = full.route.item[1];
	ck_assert_int_eq(a->fast, 1);
	ck_assert_int_eq(b->fast, 0);
	ck_assert_uint_eq(a->sign.n, 2);
	ck_assert_str_eq(a->sign.line[0].word[1], "two");
	ck_assert_int_eq(a->road.width, 4);
	ck_assert_int_eq(b->road.width, 2);
	ck_assert_uint_eq(a->stop.n, 2);
	ck_assert_str_eq(a->stop.label[1], "t");
	stop = a->stop.item[0];
	ck_assert_int_eq(stop->open, 2);
	ck_assert_int_eq(stop->wait, 60000);
	stop = b->stop.item[0];
	ck_assert_str_eq(b->stop.label[0], "s");
	ck_assert_int_eq(stop->wait, 3000);
	expect_error("route a { target x; stop s { opne yes } }", 1, 30,
		     "unknown directive `opne`: did you mean `open`?");
	expect_error("route a { target x; stop }", 1, 21,
		     "`stop` needs a block: stop NAME { ... }");
}
END_TEST

START_TEST(an_empty_block_may_be_left_out_where_its_table_says_so)
{
	const struct fixture_route *a;

	apply("route a { target x; stop s\n stop t { wait 2s } }");
	ck_assert_uint_eq(errors.total, 0);
	a = full.route.item[0];
	ck_assert_uint_eq(a->stop.n, 2);
	ck_assert_str_eq(a->stop.label[0], "s");
	ck_assert_int_eq(((struct fixture_stop *)a->stop.item[0])->wait, 60000);
}
END_TEST

START_TEST(lists_grow_over_many_lines)
{
	char *text = calloc(1, 64 * 1024), *p = text;

	for (int i = 0; i < 1000; i++)
		p += sprintf(p, "names n%d m%d\nroute r%d { target t%d }\n", i, i, i, i);
	apply(text);
	ck_assert_uint_eq(errors.total, 0);
	ck_assert_uint_eq(full.names.n, 2000);
	ck_assert_str_eq(full.names.word[0], "n0");
	ck_assert_str_eq(full.names.word[1999], "m999");
	ck_assert_uint_eq(full.route.n, 1000);
	ck_assert_str_eq(full.route.label[0], "r0");
	ck_assert_str_eq(((struct fixture_route *)full.route.item[999])->target, "t999");
	free(text);
}
END_TEST

START_TEST(a_wrong_value_is_named_with_what_would_be_right)
{
	expect_error("flag maybe", 1, 6, "`flag` wants yes or no, not `maybe`");
	expect_error("count 1.5", 1, 7, "`count` wants a whole number, not `1.5`");
	expect_error("count 101", 1, 7, "`count` must be between 0 and 100, not `101`");
	expect_error("count -1", 1, 7, "`count` must be between 0 and 100, not `-1`");
	expect_error("count 99999999999999999999", 1, 7,
		     "`count` wants a whole number, not `99999999999999999999`");
	expect_error("size 10q", 1, 6, "`size` wants a size: 4096, 64k, 2M, 1G, not `10q`");
	expect_error("size 0", 1, 6, "`size` must be between 1 and 1024G, not `0`");
	expect_error("time 10", 1, 6,
		     "`time` wants a time with its unit: 250ms, 10s, 5min, 2h, 1d, not `10`");
	expect_error("time 5m", 1, 6, "`time` wants a time: minutes are written 5min, not `5m`");
	expect_error("color pink", 1, 7, "`color` wants red|green|blue, not `pink`");
	expect_error("color re", 1, 7, "`color` wants red|green|blue, not `re`");
	expect_error("path ''", 1, 6, "`path` wants a path, not ``");
}
END_TEST

START_TEST(the_number_of_words_is_checked)
{
	expect_error("count", 1, 1, "`count` needs a whole number");
	expect_error("names", 1, 1, "`names` needs one word or more");
	expect_error("word a b", 1, 8, "`word` takes one value; quote a value that has blanks");
	expect_error("count = 4", 1, 7,
		     "no `=` between a directive and its value: write `count VALUE`");
	expect_error("count=4", 1, 1,
		     "a blank separates a directive from its value: write `count VALUE`");
	expect_error("count: 4", 1, 1,
		     "a blank separates a directive from its value: write `count VALUE`");
}
END_TEST

START_TEST(blocks_stand_where_they_belong)
{
	expect_error("inner", 1, 1, "`inner` needs a block: inner { ... }");
	expect_error("inner x { }", 1, 7, "`inner` takes nothing but a block: inner { ... }");
	expect_error("route x", 1, 1, "`route` needs a block: route NAME { ... }");
	expect_error("route x y { target z }", 1, 9, "`route` takes one name: route NAME { ... }");
	expect_error("count 4 { }", 1, 1, "`count` takes no block");
	expect_error("route x { }", 1, 1, "`route x` has no `target`: where it leads");
	expect_error("inner {\n depth 10 }", 2, 8, "`depth` must be between 1 and 9, not `10`");
}
END_TEST

START_TEST(a_repeated_directive_names_the_first_place)
{
	expect_error("flag yes\n\n  flag no", 3, 3,
		     "`flag` is given twice; the first is in /conf/test.conf:1");
	expect_error("inner { }\ninner { }", 2, 1,
		     "`inner` is given twice; the first is in /conf/test.conf:1");
	expect_error("inner { depth 2\n depth 2 }", 2, 2,
		     "`depth` is given twice; the first is in /conf/test.conf:1");
}
END_TEST

START_TEST(an_unknown_directive_is_guessed)
{
	expect_error("cuont 4", 1, 1, "unknown directive `cuont`: did you mean `count`?");
	expect_error("Flag no", 1, 1, "unknown directive `Flag`: did you mean `flag`?");
	expect_error("colour red", 1, 1, "unknown directive `colour`: did you mean `color`?");
	expect_error("includ x", 1, 1, "unknown directive `includ`: did you mean `include`?");
	expect_error("zebra 1", 1, 1, "unknown directive `zebra`");
	expect_error("depth 3", 1, 1, "`depth` belongs in `inner { }` in `handler full { }`");
	expect_error("root /x", 1, 1, "`root` belongs in `handler web { }`");
	expect_error("DocumentRoot /x", 1, 1,
		     "`DocumentRoot` is called `root` here and belongs in `handler web { }`");
}
END_TEST

START_TEST(names_have_a_distance)
{
	ck_assert_int_eq(suggest_distance("listen", "listen"), 0);
	ck_assert_int_eq(suggest_distance("no_new_privileges", "No-New-Privileges"), 0);
	ck_assert_int_eq(suggest_distance("lisetn", "listen"), 1);
	ck_assert_int_eq(suggest_distance("listn", "listen"), 1);
	ck_assert_int_eq(suggest_distance("listeen", "listen"), 1);
	ck_assert_int_eq(suggest_distance("lasten", "listen"), 1);
	ck_assert_int_eq(suggest_distance("", "listen"), 6);
	ck_assert_int_eq(suggest_distance("user", "group"), 5);
	ck_assert_int_gt(suggest_distance("0123456789012345678901234567890123456789"
					  "012345678901234567890123456789",
					  "0123456789012345678901234567890123456789"),
			 60);
}
END_TEST

START_TEST(values_are_written_with_the_largest_unit_that_fits)
{
	char text[VALUE_TEXT_MAX];
	int64_t value;

	ck_assert_str_eq(value_size_text(0, text), "0");
	ck_assert_str_eq(value_size_text(1023, text), "1023");
	ck_assert_str_eq(value_size_text(1536, text), "1536");
	ck_assert_str_eq(value_size_text(65536, text), "64k");
	ck_assert_str_eq(value_size_text(INT64_C(3) << 30, text), "3G");
	ck_assert_str_eq(value_time_text(0, text), "0");
	ck_assert_str_eq(value_time_text(1500, text), "1500ms");
	ck_assert_str_eq(value_time_text(75000, text), "75s");
	ck_assert_str_eq(value_time_text(300000, text), "5min");
	ck_assert_str_eq(value_time_text(86400000, text), "1d");
	ck_assert_ptr_nonnull(value_size("9007199254740992G", &value));
	ck_assert_ptr_nonnull(value_time("106751991168d", &value));
	ck_assert_ptr_null(value_size("7k", &value));
	ck_assert_int_eq(value, 7168);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("schema");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, what_is_not_written_has_its_default);
	tcase_add_test(tcase, every_type_is_stored_at_its_offset);
	tcase_add_test(tcase, a_switch_knows_that_it_was_written);
	tcase_add_test(tcase, lines_are_kept_apart);
	tcase_add_test(tcase, lines_have_so_many_words);
	tcase_add_test(tcase, an_output_is_a_path);
	tcase_add_test(tcase, blocks_have_blocks);
	tcase_add_test(tcase, an_empty_block_may_be_left_out_where_its_table_says_so);
	tcase_add_test(tcase, lists_grow_over_many_lines);
	tcase_add_test(tcase, a_wrong_value_is_named_with_what_would_be_right);
	tcase_add_test(tcase, the_number_of_words_is_checked);
	tcase_add_test(tcase, blocks_stand_where_they_belong);
	tcase_add_test(tcase, a_repeated_directive_names_the_first_place);
	tcase_add_test(tcase, an_unknown_directive_is_guessed);
	tcase_add_test(tcase, names_have_a_distance);
	tcase_add_test(tcase, values_are_written_with_the_largest_unit_that_fits);
	return unit_main("schema", tcase);
}
