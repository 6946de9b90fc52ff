/* SPDX-License-Identifier: MIT */
/* The blocks of gateways as they are written: what is refused, and what the others come to. */
#include "services/http/gateway/conf.h"

#include "services/http/rules.h"

#include "unit.h"

#include "gateway_fixture.h"
#include "site_fixture.h"

static struct conf_errors errors;
static struct config *config;
static struct rules *rules;

void mu_worker_log(struct mu_worker *worker, enum mu_level level, const char *format, ...)
{
	(void)worker;
	(void)level;
	ck_abort_msg("%s", format);
}

static void tear_down(void)
{
	rules_free(rules);
	rules = NULL;
	config_unref(config);
	config = NULL;
	conf_errors_cleanup(&errors);
}

/* ---- what is right ---- */

#define APP             "upstream app { server 127.0.0.1:9000 }\n"
#define UPSTREAM(block) "root /\nupstream app { " block " }"
#define LOCATION(block) APP "root /\nlocation /a {\n" block "\n}"

static const char *const good[] = {
	APP "location / { proxy app { } }",
	"location / { proxy http://127.0.0.1:3000 { } }",
	"location / { proxy 127.0.0.1:3000 { host server; upgrade yes; via no } }",
	"location / { proxy unix:/run/app.sock { host app.example:80; forwarded no } }",
	"location / { proxy http://[::1]:80 { trusted 10.0.0.0/8 unix; retry 0 } }",
	"location / { proxy app.example:80 { set-header X-A b; set-header Cookie \"\" } }",
	"location / { proxy a:1 { hide-header X-Powered-By; pass-header Server } }",
	"location / { proxy a:1 { max-body 0; connect-timeout 1ms; intercept-errors yes } }",
	"root /; location *.php { fastcgi unix:/run/php.sock { split .php; param A b } }",
	"root /; location *.php { root /; fastcgi app:9000 { file no; keep yes } }",
	APP "root /; location / { uwsgi app { read-timeout 5min }; strip-prefix yes }",
	APP "root /; host a { location / { scgi app { send-timeout 1s } } }",
	"root /; location /cgi/ { cgi /bin/sh { argument -c true; limit 1; timeout 5s } }",
	"root /; location / { proxy a:1 { } }; location /b { answer 404 }; try /x \"{path}\"",
	UPSTREAM("server a:1 weight 1000 backup; server b:1 down; server unix:/s"),
	UPSTREAM("server http://a:1; balance hash; hash-key header:X-User; hash-load 125"),
	UPSTREAM("server a:1; balance least-busy; keep 0; max-fails 0; fail-time 1s"),
	UPSTREAM("server a:1; check /health?a { every 1s; timeout 1s; status 204 }"),
	UPSTREAM("server a:1; check / { host app.example:80 }"),
};

START_TEST(these_are_right)
{
	config = site_load(good[_i], &errors);
	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
}
END_TEST

/* ---- what is not ---- */

/* Before the place there is a ^; a * at the end of a message stands for anything. */
static const struct {
	const char *block, *message;
} bad[] = {
	/* upstreams */
	{ "root /\n^upstream { server a:1 }", "an upstream needs a name: upstream app { ... }" },
	{ "root /; upstream ^a/b { server a:1 }", "`a/b`: the name of an upstream has *" },
	{ APP "root /; upstream ^app { server a:1 }", "upstream `app` is there already" },
	{ "root /\n^upstream app { keep 1 }", "`upstream app` has no `server`: *" },
	{ UPSTREAM("server ^a"), "`a` is no server: the port is missing: HOST:PORT" },
	{ UPSTREAM("server ^a:b"), "`a:b` is no server: an address is written HOST:PORT, *" },
	{ UPSTREAM("server ^::1:80"), "`::1:80` is no server: an address is written *" },
	{ UPSTREAM("server ^a:65536"), "`a:65536` is no server: *" },
	{ UPSTREAM("server ^https://a:1"), "`https://a:1` is no server: TLS is not spoken *" },
	{ UPSTREAM("server ^http://a:1/b"), "`http://a:1/b` is no server: a server has no path*" },
	{ UPSTREAM("server ^unix:run"), "`unix:run` is no server: a Unix socket is written *" },
	{ UPSTREAM("server ^unix:/run/a:/"),
	  "`unix:/run/a:/` is no server: a Unix socket is no *" },
	{ UPSTREAM("server ^unix:/"
		   "0123456789012345678901234567890123456789012345678901234567890"
		   "1234567890123456789012345678901234567890123456"),
	  "`unix:/01*" },
	{ UPSTREAM("server a:1; server ^http://a:1"),
	  "server `http://a:1` is there already: give it a weight" },
	{ UPSTREAM("server a:1 ^weight=2"), "write `weight 2`" },
	{ UPSTREAM("server a:1 ^weight"), "`weight` lacks its number: weight 2" },
	{ UPSTREAM("server a:1 weight ^0"), "`0` is no weight: 1 to 1000" },
	{ UPSTREAM("server a:1 weight ^1001"), "`1001` is no weight: 1 to 1000" },
	{ UPSTREAM("server a:1 weight ^x"), "`x` is no weight: 1 to 1000" },
	{ UPSTREAM("server a:1 ^spare"),
	  "`spare` is unknown: server ADDRESS [weight N] [backup] [down]" },
	{ UPSTREAM("server ^a:1 down"), "all servers are `down`: nobody is left to be asked" },
	{ UPSTREAM("server a:1; balance ^random"), "*" },
	{ UPSTREAM("server a:1; balance hash; hash-key ^ip"),
	  "`ip` is no key: client, uri, or header:NAME" },
	{ UPSTREAM("server a:1; balance hash; hash-key ^header:"), "`header:` is no key: *" },
	{ UPSTREAM("server a:1; hash-key ^uri"), "`hash-key` is for `balance hash`" },
	{ UPSTREAM("server a:1; hash-load ^125"), "`hash-load` is for `balance hash`" },
	{ UPSTREAM("server a:1; balance hash; hash-load ^99"),
	  "`hash-load` is 100 per cent or more, or 0" },
	{ UPSTREAM("server a:1; ^check { every 5s }"),
	  "a check needs the path to ask for: check /health { }" },
	{ UPSTREAM("server a:1; check ^\"/a b\" { every 5s }"), "`/a b` is no path *" },
	{ UPSTREAM("server a:1; check /a { }; check ^/b { }"),
	  "`check` is given twice in one upstream" },
	{ UPSTREAM("server a:1; check /a { every 1s; timeout ^2s }"),
	  "`timeout`, 2s if nothing is said, is longer than `every`" },
	{ UPSTREAM("server a:1; check ^/a { every 1s }"),
	  "`timeout`, 2s if nothing is said, is longer than `every`" },
	{ UPSTREAM("server a:1; check /a { status ^100 }"), "a final status is 200 to 599" },
	{ UPSTREAM("server a:1; check /a { host ^a/b }"), "`a/b` is no host: NAME[:PORT]" },

	/* whom a location asks */
	{ LOCATION("^proxy { }"),
	  "`proxy` needs to know whom to ask: an upstream, HOST:PORT or unix:/PATH" },
	{ LOCATION("proxy ^ap { }"), "there is no upstream `ap`; did you mean `app`?" },
	{ LOCATION("proxy ^App { }"), "there is no upstream `App`; did you mean `app`?" },
	{ LOCATION("fastcgi ^other { }"),
	  "there is no upstream `other`: upstream NAME { server HOST:PORT }, or write "
	  "HOST:PORT here" },
	{ LOCATION("proxy ^/run/app.sock { }"), "`/run/app.sock` is no server: *" },
	{ LOCATION("proxy ^https://a { }"), "`https://a` is no server: TLS *" },
	{ LOCATION("fastcgi ^http://a:1 { }"), "`fastcgi` does not speak HTTP: write a:1" },
	{ LOCATION("^cgi { }"), "`cgi` needs a program, as an absolute path: cgi /PATH { }" },
	{ LOCATION("cgi ^/nonexistent { }"), "cannot run /nonexistent: *" },
	{ "root /; upstream a { server b:1; check /c { } }; location / { scgi ^a { } }",
	  "upstream `a` has a `check`, which is asked by HTTP: not for `scgi`" },

	/* what excludes one another */
	{ LOCATION("proxy app { }; fastcgi ^app { }"),
	  "`proxy` and `fastcgi` in one block exclude one another" },
	{ LOCATION("proxy app { }; proxy ^app { }"),
	  "`proxy` and `proxy` in one block exclude one another" },
	{ LOCATION("proxy app { }; redirect ^/b"), "`redirect` and `proxy` exclude one another" },
	{ LOCATION("answer ^404; cgi /bin/sh { }"), "`answer` and `cgi` exclude one another" },
	{ LOCATION("try ^/b; proxy app { }"), "`try` looks for a file, `proxy` does not: *" },
	{ LOCATION("root ^/; proxy app { }"), "`root` is where files are, `proxy` asks a server" },

	/* scripts */
	{ "root /; location /up/ { root / }; location ^*.php { fastcgi b:1 }",
	  "`location *.php` has no `root` of its own, and would run what lies below that of "
	  "`location /up/` too: *" },

	/* values */
	{ LOCATION("proxy app { trusted ^x }"), "`x` is no address: *" },
	{ LOCATION("proxy app { hide-header ^a: }"), "`a:` is no name of a header: *" },
	{ LOCATION("proxy app { hide-header X-A ^content-length }"),
	  "`content-length` cannot be hidden: *" },
	{ LOCATION("proxy app { pass-header ^\"\" }"), "only Server can be named here: *" },
	{ LOCATION("proxy app { pass-header Server ^Date }"), "only Server can be named here: *" },
	{ LOCATION("proxy app { host ^a/b }"), "`a/b` is no host: client, server, *" },
	{ LOCATION("proxy app { via ^\"a b\" }"), "`a b` is no name for Via: *" },
	{ LOCATION("proxy app { set-header ^host a }"), "`host` cannot be set: write `host NAME`" },
	{ LOCATION("proxy app { set-header ^TE a }"),
	  "`TE` cannot be set: it is made with each request" },
	{ LOCATION("proxy app { set-header ^a: b }"), "`a:` is no name of a header: *" },
	{ LOCATION("proxy app { set-header a ^\"b\\nc\" }"),
	  "the value of a header is one line, *" },
	{ LOCATION("proxy app { set-header a b; set-header ^A c }"), "`A` is set already" },
	{ LOCATION("uwsgi app { param ^A-B c }"), "`A-B` is no name of a variable: *" },
	{ LOCATION("scgi app { param ^SCGI 2 }"),
	  "`SCGI` says what is sent: it cannot be another" },
	{ LOCATION("cgi /bin/sh { param ^HTTP_PROXY x }"), "`HTTP_PROXY` is what programs take *" },
	{ LOCATION("fastcgi app { split ^php }"), "`php` is no ending of a name: .php, or no" },
	{ LOCATION("cgi /bin/sh { ^retry 1 }"), "*" },
	{ LOCATION("fastcgi app { ^upgrade yes }"), "*" },
	{ "root /; host a { location /b { proxy ^app { } } }", "there is no upstream `app`: *" },
};

START_TEST(mistakes_are_said_at_their_place)
{
	const char *message = bad[_i].message, *mark = strchr(bad[_i].block, '^');
	const struct conf_error *error = &errors.error[0];
	int line = SITE_FIXTURE_LINE, column = 1;
	size_t len = strlen(message);
	char block[512];

	ck_assert_ptr_nonnull(mark);
	snprintf(block, sizeof block, "%.*s%s", (int)(mark - bad[_i].block), bad[_i].block,
		 mark + 1);
	for (const char *p = bad[_i].block; p < mark; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	config = site_load(block, &errors);
	if (config || errors.total != 1)
		conf_errors_print(&errors, stderr);
	ck_assert_msg(!config, "%s", block);
	ck_assert_msg(errors.total == 1, "%s: %zu errors", block, errors.total);
	if (message[len - 1] == '*')
		ck_assert_msg(strncmp(error->message, message, len - 1) == 0, "%s\n%s", block,
			      error->message);
	else
		ck_assert_str_eq(error->message, message);
	ck_assert_msg(error->at.line == line && error->at.column == column, "%s: %s at %d:%d",
		      block, error->message, error->at.line, error->at.column);
}
END_TEST

/* ---- what they come to ---- */

static void load(const char *block)
{
	config = site_load(block, &errors);
	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	rules = rules_new(site_conf_of(config, &errors), NULL);
	ck_assert_ptr_nonnull(rules);
}

static const struct settings *ask(const char *path)
{
	static struct settings settings;

	rules_settings(rules, rules_host(rules, "a", 1), path, strlen(path), &settings);
	return &settings;
}

START_TEST(the_last_one_said_is_who_answers)
{
	load(APP "root /\nlocation /a/ { proxy app { } }\nlocation /a/b { root / }\n"
		 "location /a/c { answer 404 }\nlocation *.php { root /; fastcgi b:1 { } }\n"
		 "location =/a/x.php { redirect /y }\nlocation /d { index z }\n"
		 "host a { location /e { uwsgi unix:/e { } } }");
	ck_assert_ptr_null(ask("/")->gateway);
	ck_assert_ptr_null(ask("/d")->gateway);
	ck_assert_int_eq(ask("/a/z")->gateway->kind, GATEWAY_PROXY);
	ck_assert_ptr_null(ask("/a/b/z")->gateway);
	ck_assert_ptr_null(ask("/a/c")->gateway);
	ck_assert_int_eq(ask("/a/c")->answer, 404);
	ck_assert_int_eq(ask("/a/c.php")->gateway->kind, GATEWAY_FASTCGI);
	ck_assert_int_eq(ask("/a/c/d.php")->answer, 0);
	ck_assert_ptr_null(ask("/a/x.php")->gateway);
	ck_assert_ptr_nonnull(ask("/a/x.php")->redirect);
	ck_assert_int_eq(ask("/e/f")->gateway->kind, GATEWAY_UWSGI);
	ck_assert_str_eq(ask("/e/f")->gateway->address, "unix:/e");
	/* The root is still there, for the scripts. */
	ck_assert_ptr_nonnull(ask("/x.php")->root);
}
END_TEST

START_TEST(a_proxy_with_its_defaults)
{
	const struct gateway *gateway;

	load(APP "location / { proxy app { } }");
	gateway = ask("/")->gateway;
	ck_assert_ptr_nonnull(gateway->upstream);
	ck_assert_ptr_null(gateway->address);
	ck_assert_str_eq(gateway->name, "app");
	ck_assert_int_eq(gateway->conf->connect_ms, 5000);
	ck_assert_int_eq(gateway->conf->send_ms, 60000);
	ck_assert_int_eq(gateway->conf->read_ms, 60000);
	ck_assert_int_eq(gateway->conf->retry, 1);
	ck_assert_int_eq(gateway->conf->max_body, 10 << 20);
	ck_assert(!gateway->conf->intercept_errors);
	ck_assert_int_eq(gateway->fields.host, FIELDS_HOST_CLIENT);
	ck_assert_int_eq(gateway->fields.forwarded, FIELDS_FORWARDED_BOTH);
	ck_assert_str_eq(gateway->fields.via, "musterd");
	ck_assert(gateway->fields.upgrade);
	ck_assert_ptr_null(gateway->fields.trusted);
	ck_assert_int_eq(gateway->upstream->keep, 32);
	ck_assert_int_eq(gateway->upstream->keep_ms, 60000);
	ck_assert_int_eq(gateway->upstream->max_fails, 3);
	ck_assert_int_eq(gateway->upstream->fail_ms, 10000);
}
END_TEST

START_TEST(a_proxy_with_all_that_can_be_said)
{
	struct sockaddr_storage peer = fixture_address("10.1.2.3", 1);
	const struct gateway *gateway;

	load("location / { proxy http://a:1 {\nhost server; forwarded standard; via no; upgrade "
	     "no\n"
	     "trusted 10.0.0.0/8\nset-header A b; hide-header C D; pass-header Server } }\n"
	     "location /t { proxy a:1 { host b.example; forwarded x-forwarded } }");
	gateway = ask("/")->gateway;
	ck_assert_ptr_null(gateway->upstream);
	ck_assert_str_eq(gateway->address, "a:1");
	ck_assert_str_eq(gateway->name, "http://a:1");
	ck_assert_int_eq(gateway->fields.host, FIELDS_HOST_SERVER);
	ck_assert_int_eq(gateway->fields.forwarded, FIELDS_FORWARDED_STANDARD);
	ck_assert_ptr_null(gateway->fields.via);
	ck_assert(!gateway->fields.upgrade);
	ck_assert(fields_trusts(&gateway->fields, &peer));
	peer = fixture_address("11.1.2.3", 1);
	ck_assert(!fields_trusts(&gateway->fields, &peer));
	ck_assert_uint_eq(gateway->fields.set.n, 1);
	ck_assert_uint_eq(gateway->fields.hide.n, 2);
	ck_assert_uint_eq(gateway->fields.pass.n, 1);
	gateway = ask("/t")->gateway;
	ck_assert_int_eq(gateway->fields.host, FIELDS_HOST_TEXT);
	ck_assert_str_eq(gateway->fields.host_text, "b.example");
	ck_assert_int_eq(gateway->fields.forwarded, FIELDS_FORWARDED_X);
}
END_TEST

START_TEST(applications)
{
	const struct gateway *gateway;

	load("root /\nlocation /f { fastcgi unix:/f { } }\n"
	     "location /g { fastcgi g:1 { split .php; file no; param A b } }\n"
	     "location /c { cgi /bin/sh { } }");
	gateway = ask("/f")->gateway;
	ck_assert_ptr_null(gateway->split);
	ck_assert(gateway->conf->file);
	ck_assert_str_eq(gateway->address, "unix:/f");
	gateway = ask("/g")->gateway;
	ck_assert_str_eq(gateway->split, ".php");
	ck_assert(!gateway->conf->file);
	ck_assert_uint_eq(gateway->conf->param.n, 1);
	gateway = ask("/c")->gateway;
	ck_assert_int_eq(gateway->kind, GATEWAY_CGI);
	ck_assert_str_eq(gateway->program, "/bin/sh");
	ck_assert_ptr_null(gateway->address);
	ck_assert_int_eq(gateway->conf->limit, 8);
	ck_assert_int_eq(gateway->conf->timeout_ms, 60000);
}
END_TEST

START_TEST(servers_of_an_upstream)
{
	const struct upstream_conf *conf;
	struct upstream_server server;

	load(UPSTREAM("server a:1\nserver http://b:2 weight 7 backup\nserver c:3 down"));
	conf = site_conf_of(config, &errors)->upstream.item[0];
	ck_assert_uint_eq(conf->server.n, 3);
	server = upstream_server_parse(&conf->server.line[0]);
	ck_assert_str_eq(server.address, "a:1");
	ck_assert(server.weight == 1 && !server.backup && !server.down);
	server = upstream_server_parse(&conf->server.line[1]);
	ck_assert_str_eq(server.address, "b:2");
	ck_assert(server.weight == 7 && server.backup && !server.down);
	server = upstream_server_parse(&conf->server.line[2]);
	ck_assert(server.weight == 1 && !server.backup && server.down);
}
END_TEST

START_TEST(an_upstream_has_so_many_servers_at_most)
{
	char block[8192] = "root /; upstream app {\n";

	for (int i = 0; i <= UPSTREAM_SERVERS_MAX; i++)
		sprintf(block + strlen(block), "server a:%d\n", i + 1);
	strcat(block, "}");
	config = site_load(block, &errors);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_str_eq(errors.error[0].message, "an upstream has 64 servers at most");
	ck_assert_int_eq(errors.error[0].at.line, SITE_FIXTURE_LINE + 1 + UPSTREAM_SERVERS_MAX);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_conf");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_loop_test(tcase, these_are_right, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tcase, mistakes_are_said_at_their_place, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(tcase, the_last_one_said_is_who_answers);
	tcase_add_test(tcase, a_proxy_with_its_defaults);
	tcase_add_test(tcase, a_proxy_with_all_that_can_be_said);
	tcase_add_test(tcase, applications);
	tcase_add_test(tcase, servers_of_an_upstream);
	tcase_add_test(tcase, an_upstream_has_so_many_servers_at_most);
	return unit_main("gateway_conf", tcase);
}
