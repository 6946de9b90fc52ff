/* SPDX-License-Identifier: MIT */
/* From a configuration as it is written to what holds for a request. */
#include "services/http/rules.h"

#include "unit.h"

#include "site_fixture.h"
#include "temp_folder.h"

#include <stdarg.h>

static struct conf_errors errors;
static struct temp_folder folder;
static struct config *config;
static struct rules *rules;
static char logged[1024];

/* The part of the module interface that is called. */
struct mu_worker {
	int unused;
};

static struct mu_worker worker;

void mu_worker_log(struct mu_worker *to, enum mu_level level, const char *format, ...)
{
	va_list args;

	ck_assert_ptr_eq(to, &worker);
	(void)level;
	va_start(args, format);
	vsnprintf(logged, sizeof logged, format, args);
	va_end(args);
}

static void set_up(void)
{
	temp_folder_init(&folder);
	temp_mkdir(&folder, "one");
	temp_mkdir(&folder, "two");
	logged[0] = '\0';
}

static void unload(void)
{
	rules_free(rules);
	rules = NULL;
	config_unref(config);
	config = NULL;
}

static void tear_down(void)
{
	unload();
	conf_errors_cleanup(&errors);
	temp_folder_cleanup(&folder);
}

/* $ in the block is the test's folder. */
static void load(const char *block)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	unload();
	for (; *block; block++)
		if (*block == '$')
			fputs(folder.path, out);
		else
			fputc(*block, out);
	fclose(out);
	config = site_load(text, &errors);
	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	free(text);
	rules = rules_new(site_conf_of(config, &errors), &worker);
	ck_assert_msg(rules != NULL, "%s", logged);
	rules_settle(rules);
}

static const struct settings *ask(const char *host, const char *path)
{
	static struct settings settings;

	memset(&settings, 0xa5, sizeof settings);
	rules_settings(rules, rules_host(rules, host, strlen(host)), path, strlen(path), &settings);
	return &settings;
}

static const char *text_of(const char *host, const char *path)
{
	const struct settings *settings = ask(host, path);

	return settings->answer ? settings->answer_text : "-";
}

/* ---- hosts ---- */

static const struct {
	const char *host, *answer;
} hosts[] = {
	{ "one.example", "one" },
	{ "ONE.Example", "one" },
	{ "one.example.", "one" },
	{ "one.example:80", "one" },
	{ "one.example.:8080", "one" },
	{ "alias.example", "one" },
	{ "two.example", "two" },
	{ "[2001:db8::1]", "six" },
	{ "[2001:DB8::1]:80", "six" },
	{ "192.0.2.1:80", "four" },
	{ "a.wild.example", "wild" },
	{ "a.b.wild.example", "wild" },
	{ "wild.example", "default" },
	{ ".wild.example", "default" },
	{ "awild.example", "default" },
	{ "a.deep.wild.example", "deep" },
	{ "a.b.deep.wild.example:80", "deep" },
	{ "deep.wild.example", "wild" },
	{ "exact.wild.example", "exact" },
	{ "x.exact.wild.example", "wild" },
	{ "www.two.example", "two" },
	{ "x.y.example.net", "net" },
	{ "three.example", "default" },
	{ "one.example.com", "default" },
	{ "", "default" },
	{ ".", "default" },
	{ ":80", "default" },
	{ "..wild.example", "wild" },
};

START_TEST(a_host_is_known_by_each_of_its_names)
{
	load("answer 200 default\n"
	     "host one.example { alias alias.example; answer 200 one }\n"
	     "host Two.Example { alias *.two.example *.example.net; answer 200 two }\n"
	     "host *.y.example.net { answer 200 net }\n"
	     "host [2001:db8::1] { answer 200 six }\n"
	     "host 192.0.2.1 { answer 200 four }\n"
	     "host *.wild.example { answer 200 wild }\n"
	     "host *.deep.wild.example { answer 200 deep }\n"
	     "host exact.wild.example { answer 200 exact }\n");
	ck_assert_msg(strcmp(text_of(hosts[_i].host, "/"), hosts[_i].answer) == 0, "%s: %s",
		      hosts[_i].host, text_of(hosts[_i].host, "/"));
}
END_TEST

START_TEST(a_name_that_is_too_long_is_nobodys)
{
	char host[4096];

	load("answer 200 default; host *.a { answer 200 wild }");
	memset(host, '.', sizeof host);
	memcpy(host + sizeof host - 3, ".a", 3);
	ck_assert_str_eq(text_of(host, "/"), "default");
	memcpy(host + 253 - 2, ".a", 3);
	ck_assert_str_eq(text_of(host, "/"), "wild");
}
END_TEST

START_TEST(each_of_a_thousand_hosts_is_found)
{
	enum { HOSTS = 1000 };
	char *text, host[64], answer[16];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("answer 404\n", out);
	for (int i = 0; i < HOSTS; i++)
		fprintf(out, "host h%d.example { alias *.h%d.example; answer 200 %d }\n", i, i, i);
	fclose(out);
	load(text);
	free(text);
	for (int i = 0; i < HOSTS; i++) {
		snprintf(answer, sizeof answer, "%d", i);
		snprintf(host, sizeof host, "h%d.example:80", i);
		ck_assert_str_eq(text_of(host, "/"), answer);
		snprintf(host, sizeof host, "www.h%d.example", i);
		ck_assert_str_eq(text_of(host, "/"), answer);
	}
	ck_assert_ptr_null(text_of("h1000.example", "/"));
}
END_TEST

/* ---- locations ---- */

/* The texts of all `header X-N N` in the order of the blocks: what matched. */
static const char *matched(const char *host, const char *path)
{
	static char out[SETTINGS_HEADERS_MAX + 1];
	size_t len = settings_headers(ask(host, path), false, out, SETTINGS_HEADERS_MAX), kept = 0;

	for (size_t i = 0; i + 3 < len; i++)
		if (out[i] == ':')
			out[kept++] = out[i + 2];
	out[kept] = '\0';
	return out;
}

static const struct {
	const char *host, *path, *blocks;
} matches[] = {
	{ "x", "/", "0a" },
	{ "x", "/static", "0abB" },
	{ "x", "/static/", "0abB" },
	{ "x", "/static/x", "0abB" },
	{ "x", "/statics", "0a" },
	{ "x", "/static.php", "0aef" },
	{ "x", "/Static", "0a" },
	{ "x", "/static/deep", "0abBc" },
	{ "x", "/static/deep/x.php", "0abBcef" },
	{ "x", "/static/deep/.php", "0abBcef" },
	{ "x", "/a.php", "0aefBg" },
	{ "x", "/b/a.php", "0aefB" },
	{ "x", "/a.php/", "0a" },
	{ "x", "/hp", "0ae" },
	{ "x", "/p", "0a" },
	{ "x", "/x/\xc3\xbc", "0ah" },
	{ "h", "/", "01ai" },
	{ "h", "/static", "01aibBj" },
	{ "h", "/static/deep", "01aibBjc" },
	{ "h", "/static/own/x", "01aibBjk" },
	{ "h", "/static/own/x.php", "01aibBjkelf" },
	{ "h", "/a.php", "01aielfBgm" },
	{ "h", "/only", "01ain" },
	{ "x", "/only", "0a" },
};

START_TEST(all_blocks_that_match_in_their_order)
{
	load("root $; header X-0 0\n"
	     "location =/a.php { header X-g g }\n"
	     "location *a.php { header X-B1 B }\n"
	     "location *.php { header X-f f }\n"
	     "location *hp { header X-e e }\n"
	     "location /static/deep { header X-c c }\n"
	     "location /static/ { header X-b b; header X-bb B }\n"
	     "location / { header X-a a }\n"
	     "location /x/\xc3\xbc { header X-h h }\n"
	     "host h { header X-1 1\n"
	     "location =/only { header X-n n }\n"
	     "location =/a.php { header X-m m }\n"
	     "location *php { header X-l l }\n"
	     "location /static/own { header X-k k }\n"
	     "location /static { header X-j j }\n"
	     "location / { header X-i i }\n"
	     "}");
	ck_assert_msg(strcmp(matched(matches[_i].host, matches[_i].path), matches[_i].blocks) == 0,
		      "%s%s: %s, not %s", matches[_i].host, matches[_i].path,
		      matched(matches[_i].host, matches[_i].path), matches[_i].blocks);
}
END_TEST

START_TEST(each_of_a_thousand_locations_is_found)
{
	enum { LOCATIONS = 1000 };
	char *text, path[64], answer[16];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("root $\n", out);
	for (int i = 0; i < LOCATIONS; i++)
		fprintf(out,
			"location =/old/%d { answer 200 e%d }\nlocation /new/%d/ { answer 200 p%d "
			"}\n",
			i, i, i, i);
	fclose(out);
	load(text);
	free(text);
	for (int i = 0; i < LOCATIONS; i++) {
		snprintf(answer, sizeof answer, "e%d", i);
		snprintf(path, sizeof path, "/old/%d", i);
		ck_assert_str_eq(text_of("", path), answer);
		answer[0] = 'p';
		snprintf(path, sizeof path, "/new/%d/x", i);
		ck_assert_str_eq(text_of("", path), answer);
	}
	ck_assert_str_eq(text_of("", "/old/1000"), "-");
	ck_assert_str_eq(text_of("", "/old/1/"), "-");
}
END_TEST

/* ---- merging ---- */

START_TEST(without_locations_all_is_as_the_handler_says)
{
	const struct settings *settings;

	load("root $/one");
	settings = ask("", "/");
	ck_assert_str_eq(settings->root->path, temp_path(&folder, "one"));
	ck_assert_uint_eq(settings->index->n, 1);
	ck_assert_str_eq(settings->index->word[0], "index.html");
	ck_assert_ptr_null(settings->try);
	ck_assert_ptr_null(settings->access);
	ck_assert_ptr_null(settings->redirect);
	ck_assert_int_eq(settings->answer, 0);
	ck_assert_str_eq(settings->charset, "utf-8");
	ck_assert(!settings->listing);
	ck_assert(!settings->precompressed);
	ck_assert(settings->nosniff);
	ck_assert(settings->log);
	ck_assert_int_eq(settings->expires, EXPIRES_NONE);
	ck_assert_uint_eq(settings->prefix_len, 0);
	ck_assert_uint_eq(settings->strip_len, 0);
	ck_assert_ptr_null(settings_error_page(settings, 404));
}
END_TEST

START_TEST(the_last_one_said_counts)
{
	const struct settings *settings;

	load("root $/one; index a; expires 1d; listing yes; charset no\n"
	     "host h { index b; nosniff no; charset utf-16\n"
	     "location /x/ { root $/two; index c d; try \"{path}\" =404; log no; expires no }\n"
	     "location =/x/y { listing no; precompressed yes }\n"
	     "}");
	settings = ask("", "/x/y");
	ck_assert_str_eq(settings->index->word[0], "a");
	ck_assert_int_eq(settings->expires, 86400);
	ck_assert(settings->listing);
	ck_assert_ptr_null(settings->charset);
	ck_assert(settings->nosniff);

	settings = ask("h", "/");
	ck_assert_str_eq(settings->root->path, temp_path(&folder, "one"));
	ck_assert_str_eq(settings->index->word[0], "b");
	ck_assert_str_eq(settings->charset, "utf-16");
	ck_assert(!settings->nosniff);
	ck_assert(settings->listing);
	ck_assert_int_eq(settings->expires, 86400);

	settings = ask("h", "/x/y");
	ck_assert_str_eq(settings->root->path, temp_path(&folder, "two"));
	ck_assert_uint_eq(settings->index->n, 2);
	ck_assert_str_eq(settings->try->word[1], "=404");
	ck_assert(!settings->log);
	ck_assert(!settings->listing);
	ck_assert(settings->precompressed);
	ck_assert_int_eq(settings->expires, EXPIRES_NONE);
}
END_TEST

START_TEST(a_file_a_redirect_or_an_answer_is_what_was_said_last)
{
	const struct settings *settings;

	load("redirect 301 \"https://www.example.org{uri}\"; location /.well-known/acme-challenge/ "
	     "{ root $ }\n"
	     "location /gone { answer 410 \"gone for good\" }\n"
	     "location /gone/moved { redirect /there }\n"
	     "location /gone/moved/here { try /x; root $ }\n"
	     "location *.txt { deny all }\n"
	     "host h { root $\n"
	     "location /moved { redirect 307 /b }\n"
	     "}");
	settings = ask("", "/");
	ck_assert_int_eq(settings->redirect->status, 301);
	ck_assert_str_eq(settings->redirect->target, "https://www.example.org{uri}");
	ck_assert_ptr_null(settings->root);
	settings = ask("", "/.well-known/acme-challenge/token.txt");
	ck_assert_ptr_null(settings->redirect);
	ck_assert_ptr_nonnull(settings->root);
	ck_assert_ptr_nonnull(settings->access);
	settings = ask("", "/a.txt");
	ck_assert_ptr_nonnull(settings->redirect);
	ck_assert_ptr_nonnull(settings->access);
	settings = ask("", "/gone/x");
	ck_assert_ptr_null(settings->redirect);
	ck_assert_int_eq(settings->answer, 410);
	ck_assert_str_eq(settings->answer_text, "gone for good");
	settings = ask("", "/gone/moved");
	ck_assert_int_eq(settings->redirect->status, REDIRECT_STATUS);
	ck_assert_str_eq(settings->redirect->target, "/there");
	ck_assert_int_eq(settings->answer, 0);
	settings = ask("", "/gone/moved/here");
	ck_assert_ptr_null(settings->redirect);
	ck_assert_int_eq(settings->answer, 0);
	settings = ask("h", "/");
	ck_assert_ptr_null(settings->redirect);
	ck_assert_ptr_nonnull(settings->root);
	ck_assert_int_eq(ask("h", "/moved")->redirect->status, 307);
	/* The handler's locations hold for its hosts too. */
	ck_assert_int_eq(ask("h", "/gone")->answer, 410);
}
END_TEST

START_TEST(allow_and_deny_of_a_block_replace_those_around)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };

	load("root $; deny all; location /open { allow all }; location /open/shut { deny unix }");
	ck_assert(!access_admits(ask("", "/")->access, &peer));
	ck_assert(access_admits(ask("", "/open")->access, &peer));
	ck_assert(!access_admits(ask("", "/open/shut")->access, &peer));
	peer.ss_family = AF_INET;
	ck_assert(access_admits(ask("", "/open/shut")->access, &peer));
}
END_TEST

START_TEST(a_prefix_says_what_the_rest_is)
{
	load("root $; location /a/ { }; location /a/b { }; location *.x { }; location =/a/c { }");
	ck_assert_uint_eq(ask("", "/")->prefix_len, 0);
	ck_assert_uint_eq(ask("", "/y.x")->prefix_len, 0);
	ck_assert_uint_eq(ask("", "/a")->prefix_len, 3);
	ck_assert_uint_eq(ask("", "/a/x")->prefix_len, 3);
	ck_assert_uint_eq(ask("", "/a/c")->prefix_len, 3);
	ck_assert_uint_eq(ask("", "/a/b/c.x")->prefix_len, 4);
}
END_TEST

static const char *name_of(const struct settings *settings, const char *path)
{
	static char name[128];
	size_t len;
	const char *text = settings_name(settings, path, strlen(path), &len);

	snprintf(name, sizeof name, "%.*s", (int)len, text);
	return name;
}

START_TEST(a_stripped_prefix_is_no_part_of_the_name)
{
	const struct settings *settings;

	load("root $/one; location /docs/ { root $/two; strip-prefix yes }\n"
	     "location /docs/api { }; location /docs/full { strip-prefix no }\n"
	     "location /docs/own/ { root $/one }");
	settings = ask("", "/x/y");
	ck_assert_str_eq(name_of(settings, "/x/y"), "x/y");
	ck_assert_str_eq(name_of(settings, "/"), "");
	settings = ask("", "/docs/x/y");
	ck_assert_str_eq(settings->root->path, temp_path(&folder, "two"));
	ck_assert_str_eq(name_of(settings, "/docs/x/y"), "x/y");
	ck_assert_str_eq(name_of(settings, "/docs/"), "");
	ck_assert_str_eq(name_of(settings, "/docs"), "");
	/* What is tried need not lie below the prefix. */
	ck_assert_str_eq(name_of(settings, "/index.html"), "index.html");
	ck_assert_str_eq(name_of(settings, "/docsx"), "docsx");
	ck_assert_str_eq(name_of(settings, "/"), "");
	settings = ask("", "/docs/api/x");
	ck_assert_str_eq(name_of(settings, "/docs/api/x"), "api/x");
	settings = ask("", "/docs/full/x");
	ck_assert_str_eq(name_of(settings, "/docs/full/x"), "docs/full/x");
	settings = ask("", "/docs/own/x");
	ck_assert_str_eq(name_of(settings, "/docs/own/x"), "docs/own/x");
}
END_TEST

static const char *headers_of(const char *path, bool error)
{
	static char out[SETTINGS_HEADERS_MAX + 1];

	out[settings_headers(ask("", path), error, out, SETTINGS_HEADERS_MAX)] = '\0';
	return out;
}

START_TEST(header_lines_add_up_and_replace_those_of_their_name)
{
	load("root $; header A \"a b\" always; header B b; header C c\n"
	     "location /x { header b bb always; header D d1; header D d2; header C \"\" }\n"
	     "location /x/y { header c back; header E \"\" }");
	ck_assert_str_eq(headers_of("/", false), "A: a b\r\nB: b\r\nC: c\r\n");
	ck_assert_str_eq(headers_of("/", true), "A: a b\r\n");
	ck_assert_str_eq(headers_of("/x", false), "A: a b\r\nb: bb\r\nD: d1\r\nD: d2\r\n");
	ck_assert_str_eq(headers_of("/x", true), "A: a b\r\nb: bb\r\n");
	ck_assert_str_eq(headers_of("/x/y", false),
			 "A: a b\r\nb: bb\r\nD: d1\r\nD: d2\r\nc: back\r\n");
}
END_TEST

START_TEST(a_line_that_does_not_fit_is_left_out_whole)
{
	char out[16];

	load("root $; header A aaaa; header B bbbbbbbb");
	memset(out, '!', sizeof out);
	ck_assert_uint_eq(settings_headers(ask("", "/"), false, out, 9), 9);
	ck_assert_int_eq(strncmp(out, "A: aaaa\r\n!", 10), 0);
	ck_assert_uint_eq(settings_headers(ask("", "/"), false, out, 8), 0);
}
END_TEST

START_TEST(error_pages_add_up)
{
	const struct settings *settings;

	load("root $; error-page 404 /404.html; error-page 500 502 503 /50x.html\n"
	     "location /x { error-page 503 404 /x.html }");
	settings = ask("", "/");
	ck_assert_str_eq(settings_error_page(settings, 404), "/404.html");
	ck_assert_str_eq(settings_error_page(settings, 502), "/50x.html");
	ck_assert_ptr_null(settings_error_page(settings, 403));
	settings = ask("", "/x/y");
	ck_assert_str_eq(settings_error_page(settings, 404), "/x.html");
	ck_assert_str_eq(settings_error_page(settings, 503), "/x.html");
	ck_assert_str_eq(settings_error_page(settings, 500), "/50x.html");
}
END_TEST

/* ---- roots ---- */

START_TEST(a_folder_is_opened_once)
{
	struct root *root;

	load("root $/one; location /a { root $/two }; location /b { root $/one }\n"
	     "host h { root $/two }");
	root = ask("", "/")->root;
	ck_assert_ptr_eq(ask("", "/b")->root, root);
	ck_assert_ptr_ne(ask("", "/a")->root, root);
	ck_assert_ptr_eq(ask("h", "/")->root, ask("", "/a")->root);
	ck_assert_int_ge(root->fd, 0);
}
END_TEST

START_TEST(a_root_whose_links_are_followed_is_another_one)
{
	const struct root *strict, *lax;

	load("root $/one; location /a { follow-symlinks yes }; location /a/b { follow-symlinks no "
	     "}");
	strict = ask("", "/")->root;
	lax = ask("", "/a")->root;
	ck_assert_ptr_ne(strict, lax);
	ck_assert(!strict->is_open);
	ck_assert(lax->is_open);
	ck_assert_ptr_eq(ask("", "/a/b")->root, strict);
	load("root $/one; follow-symlinks yes; location /a { root $/two }");
	ck_assert(ask("", "/")->root->is_open);
	ck_assert(ask("", "/a")->root->is_open);
}
END_TEST

START_TEST(a_root_that_is_gone_is_said)
{
	const struct site_conf *conf;

	load("root $/one; location /a { root $/two }");
	conf = site_conf_of(config, &errors);
	rmdir(temp_path(&folder, "two"));
	ck_assert_ptr_null(rules_new(conf, &worker));
	ck_assert_ptr_nonnull(strstr(logged, "cannot open root "));
	ck_assert_ptr_nonnull(strstr(logged, "/two: No such file or directory"));
	rules_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_rules");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_host_is_known_by_each_of_its_names, 0,
			    sizeof hosts / sizeof hosts[0]);
	tcase_add_test(tcase, a_name_that_is_too_long_is_nobodys);
	tcase_add_test(tcase, each_of_a_thousand_hosts_is_found);
	tcase_add_loop_test(tcase, all_blocks_that_match_in_their_order, 0,
			    sizeof matches / sizeof matches[0]);
	tcase_add_test(tcase, each_of_a_thousand_locations_is_found);
	tcase_add_test(tcase, without_locations_all_is_as_the_handler_says);
	tcase_add_test(tcase, the_last_one_said_counts);
	tcase_add_test(tcase, a_file_a_redirect_or_an_answer_is_what_was_said_last);
	tcase_add_test(tcase, allow_and_deny_of_a_block_replace_those_around);
	tcase_add_test(tcase, a_prefix_says_what_the_rest_is);
	tcase_add_test(tcase, a_stripped_prefix_is_no_part_of_the_name);
	tcase_add_test(tcase, header_lines_add_up_and_replace_those_of_their_name);
	tcase_add_test(tcase, a_line_that_does_not_fit_is_left_out_whole);
	tcase_add_test(tcase, error_pages_add_up);
	tcase_add_test(tcase, a_folder_is_opened_once);
	tcase_add_test(tcase, a_root_whose_links_are_followed_is_another_one);
	tcase_add_test(tcase, a_root_that_is_gone_is_said);
	return unit_main("http_rules", tcase);
}
