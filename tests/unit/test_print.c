/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "conf_fixture.h"
#include "unit.h"

#include <stdio.h>

static struct conf_errors errors;

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
}

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_print(config, out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static char *print_text(const char *text)
{
	struct config *config = fixture_load(text, &errors);
	char *printed;

	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	printed = print(config);
	config_unref(config);
	return printed;
}

/* Cuts the comment, which has the place, off every line. No word in these tests has " # " in it. */
static void cut_comments(char *text)
{
	char *to = text;

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *comment = memmem(line, len, " # ", 3);
		size_t kept = comment ? (size_t)(comment - line) : len;

		while (kept > 0 && line[kept - 1] == ' ')
			kept--;
		memmove(to, line, kept);
		to += kept;
		*to++ = '\n';
		line += len + (line[len] == '\n');
	}
	*to = '\0';
}

static const char everything[] =
	"user anna; group staff\nlog syslog:local0 debug\npidfile ../run/pid\n"
	"service one {\n"
	" listen *:80, unix:/run/www.sock; listen [::1]:81 \"two.example:82\" systemd:x\n"
	" backlog 17; socket { mode 600; owner anna; group staff }\n"
	" handler full { flag off; count 10; size 1536; time 90s; word \"a \\\"b\\\" \\\\ \\$ "
	"\\n\\t#\"\n"
	"  path 'x y'; color blue; names one, two,three; names \"four,\"\n"
	"  inner { depth 5; label '{' }; route first { weight 3; target a }; route { target '' } "
	"  route /x { target b; fast no; sign \"a; b\" c; sign d; stop s { wait 2s }\n"
	"   stop 't u' { open yes; wait 3s }; road { width 3 } }\n"
	"  route /y { target c; stop s { open no } }; often yes; pair a 'b c'; pair d e f\n"
	"  output ../log/x }\n"
	" workers 2..16; spare 1..4; connections 1024\n"
	" timeout { header 1s; idle 0; request 2h; drain 1d; park 250ms }\n"
	" chroot /srv; umask 077; no-new-privileges no\n"
	" limit { nofile 1024; core unlimited; as 1G } }\n"
	"service two { listen 7007; handler echo; workers auto; user anna }\n"
	"service three { listen 7008; handler web { root ${MU_TEST_UNSET:-/srv/www} }; workers 4 "
	"}\n"
	"service four { listen 7009; handler tender; workers 4; max-lifetime 1h; timeout { drain "
	"2s } }\n";

START_TEST(what_is_printed_says_the_same)
{
	char *first = print_text(everything), *second = print_text(first);

	cut_comments(first);
	cut_comments(second);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}
END_TEST

/* Every field that a load fills is compared through the values, not through the printer. */
START_TEST(what_is_printed_loads_to_the_same_values)
{
	struct config *a = fixture_load(everything, &errors), *b;
	char *text;

	ck_assert_ptr_nonnull(a);
	text = print(a);
	b = fixture_load(text, &errors);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(a->log.facility, b->log.facility);
	ck_assert_str_eq(a->pidfile, b->pidfile);
	ck_assert_uint_eq(a->services, b->services);
	for (size_t i = 0; i < a->services; i++) {
		const struct service_conf *x = a->service[i], *y = b->service[i];

		ck_assert_str_eq(x->name, y->name);
		ck_assert_ptr_eq(x->module, y->module);
		ck_assert_uint_eq(x->listens, y->listens);
		for (size_t j = 0; j < x->listens; j++)
			ck_assert_str_eq(x->listen[j].text, y->listen[j].text);
		ck_assert_int_eq(x->backlog, y->backlog);
		ck_assert_int_eq(x->socket_mode, y->socket_mode);
		ck_assert_int_eq(x->socket_owner, y->socket_owner);
		ck_assert_int_eq(x->workers_min, y->workers_min);
		ck_assert_int_eq(x->workers_max, y->workers_max);
		ck_assert_int_eq(x->spare_max, y->spare_max);
		ck_assert_int_eq(x->connections, y->connections);
		ck_assert_int_eq(x->header_ms, y->header_ms);
		ck_assert_int_eq(x->idle_ms, y->idle_ms);
		ck_assert_int_eq(x->request_ms, y->request_ms);
		ck_assert_int_eq(x->drain_ms, y->drain_ms);
		ck_assert_int_eq(x->park_ms, y->park_ms);
		ck_assert_int_eq(x->ids.gid, y->ids.gid);
		ck_assert_int_eq(x->umask, y->umask);
		ck_assert_int_eq(x->no_new_privileges, y->no_new_privileges);
		ck_assert_int_eq(x->nofile, y->nofile);
		ck_assert_int_eq(x->core, y->core);
		ck_assert_int_eq(x->as, y->as);
	}
	free(text);
	config_unref(a);
	config_unref(b);
}
END_TEST

static void expect_nested(const struct fixture_route *x, const struct fixture_route *y)
{
	const struct fixture_stop *stop;

	ck_assert_int_eq(x->fast, 1);
	ck_assert_uint_eq(x->sign.n, 2);
	ck_assert_uint_eq(x->sign.line[0].n, 2);
	ck_assert_str_eq(x->sign.line[0].word[0], "a; b");
	ck_assert_str_eq(x->sign.line[1].word[0], "d");
	ck_assert_int_eq(x->road.width, 3);
	ck_assert_uint_eq(x->stop.n, 2);
	ck_assert_str_eq(x->stop.label[1], "t u");
	stop = x->stop.item[0];
	ck_assert_int_eq(stop->open, 0);
	ck_assert_int_eq(stop->wait, 2000);
	stop = x->stop.item[1];
	ck_assert_int_eq(stop->open, 2);
	ck_assert_int_eq(y->fast, 0);
	ck_assert_uint_eq(y->stop.n, 1);
	stop = y->stop.item[0];
	ck_assert_int_eq(stop->open, 1);
}

START_TEST(a_modules_block_loads_to_the_same_values)
{
	struct config *a = fixture_load(everything, &errors), *b;
	struct arena *arena = arena_new(4096);
	char *text = print(a);
	struct fixture_config *x, *y;

	b = fixture_load(text, &errors);
	ck_assert_ptr_nonnull(b);
	x = config_module_block(a->service[0], a->service[0]->module, arena, &errors);
	y = config_module_block(b->service[0], b->service[0]->module, arena, &errors);
	ck_assert_int_eq(x->flag, y->flag);
	ck_assert_int_eq(y->count, 10);
	ck_assert_int_eq(y->size, 1536);
	ck_assert_int_eq(y->time, 90000);
	ck_assert_str_eq(y->word, "a \"b\" \\ $ \n\t#");
	ck_assert_str_eq(y->path, "/conf/x y");
	ck_assert_int_eq(y->color, 2);
	ck_assert_uint_eq(y->names.n, 3);
	ck_assert_str_eq(y->names.word[1], "two,three");
	ck_assert_str_eq(y->names.word[2], "four,");
	ck_assert_int_eq(y->inner.depth, 5);
	ck_assert_str_eq(y->inner.label, "{");
	ck_assert_uint_eq(y->route.n, 4);
	ck_assert_str_eq(y->route.label[0], "first");
	ck_assert_str_eq(y->route.label[1], "");
	ck_assert_str_eq(((struct fixture_route *)y->route.item[1])->target, "");
	expect_nested(y->route.item[2], y->route.item[3]);
	ck_assert_int_eq(y->often, 2);
	ck_assert_uint_eq(y->pair.n, 2);
	ck_assert_str_eq(y->pair.line[0].word[1], "b c");
	ck_assert_uint_eq(y->pair.line[1].n, 3);
	ck_assert_str_eq(y->output, "/conf/../log/x");
	free(text);
	arena_free(arena);
	config_unref(a);
	config_unref(b);
}
END_TEST

static void expect_line(const char *text, const char *name, const char *value, const char *origin)
{
	char squeezed[1 << 14], expected[256], *to = squeezed;

	for (const char *p = text; *p && to < squeezed + sizeof(squeezed) - 1; p++)
		if (*p != ' ' || (to > squeezed && to[-1] != ' ' && to[-1] != '\n'))
			*to++ = *p;
	*to = '\0';
	snprintf(expected, sizeof(expected), "\n%s %s # %s\n", name, value, origin);
	ck_assert_msg(strstr(squeezed, expected), "no line%sin:\n%s", expected, squeezed);
}

START_TEST(lines_and_nested_blocks_have_their_origins)
{
	char *text = print_text("service a { listen *:80; handler full {\n"
				" route a { target x; stop s { wait 2s } }\n route b { target y\n"
				"  stop t {\n   open no\n }; sign one two\n sign \"three;\" }\n"
				" route c { target z } } }");

	expect_line(text, "wait", "2s", "/conf/test.conf:2");
	expect_line(text, "open", "no", "/conf/test.conf:5");
	expect_line(text, "sign", "one two", "/conf/test.conf:6");
	expect_line(text, "sign", "\"three;\"", "/conf/test.conf:7");
	expect_line(text, "pair", "x y", "default");
	ck_assert_ptr_nonnull(strstr(text, "stop t { # /conf/test.conf:4\n"));
	ck_assert_ptr_nonnull(strstr(text, "route c { # /conf/test.conf:8\n"));
	ck_assert_ptr_nonnull(strstr(text, "# often    (not set)\n"));
	ck_assert_ptr_null(strstr(text, "# fast "));
	free(text);
}
END_TEST

START_TEST(every_value_has_its_origin)
{
	char *text = print_text("log syslog\nuser anna\n\n"
				"service a {\n\tlisten *:80\n\thandler full {\n\t\tcount 6\n\t}\n"
				"\ttimeout {\n\t\tidle 5min\n\t}\n\tworkers auto\n}\n"
				"service b { listen *:81; handler echo; workers 2..9 }\n"
				"service c { listen *:82; handler web { root /tmp } }");

	expect_line(text, "log", "syslog:daemon info", "/conf/test.conf:1");
	expect_line(text, "listen", "*:80", "/conf/test.conf:5");
	expect_line(text, "backlog", "4096", "default");
	expect_line(text, "count", "6", "/conf/test.conf:7");
	expect_line(text, "word", "\"two words\"", "default");
	expect_line(text, "idle", "5min", "/conf/test.conf:10");
	expect_line(text, "drain", "30s", "default");
	expect_line(text, "workers", "auto", "/conf/test.conf:12, here 6");
	expect_line(text, "user", "anna", "/conf/test.conf:2");
	expect_line(text, "spare", "1..4", "default");
	expect_line(text, "nofile", "inherit", "default");
	expect_line(text, "connections", "1", "default");
	expect_line(text, "connections", "40", "default");
	ck_assert_ptr_nonnull(strstr(text, "# chroot       (not set)\n"));
	free(text);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("print");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_test(tcase, what_is_printed_says_the_same);
	tcase_add_test(tcase, what_is_printed_loads_to_the_same_values);
	tcase_add_test(tcase, a_modules_block_loads_to_the_same_values);
	tcase_add_test(tcase, lines_and_nested_blocks_have_their_origins);
	tcase_add_test(tcase, every_value_has_its_origin);
	return unit_main("print", tcase);
}
