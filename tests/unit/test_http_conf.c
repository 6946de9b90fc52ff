/* SPDX-License-Identifier: MIT */
#include "services/http/conf.h"

#include "services/http/settings.h"

#include "unit.h"

#include "site_fixture.h"

static struct conf_errors errors;

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
}

void mu_worker_log(struct mu_worker *worker, enum mu_level level, const char *format, ...)
{
	(void)worker;
	(void)level;
	(void)format;
}

/* ---- what is right ---- */

static const char *const good[] = {
	"root /",
	"root /; index a b.html c",
	"root /; try \"{path}\" \"{path}.html\" \"{path}/\" /index.html",
	"root /; try \"{path}\" =404",
	"root /; try \"/{host}{path}\" \"{rest}\"",
	"redirect /elsewhere",
	"redirect 308 \"https://{host}{uri}\"",
	"redirect \"https://{host}:8443{path}{query}\"",
	"redirect \"{path}/\"",
	"redirect \"//static.example.org{uri}\"",
	"redirect \"https://[2001:db8::1]/{rest}#top\"",
	"redirect https://example.org/a%20b?c=d&e=$f",
	"answer 404",
	"answer 200 \"User-agent: *\\nDisallow: /\\n\"",
	"answer 204",
	"answer 503 \"\"",
	"root /; allow 192.0.2.1 10.0.0.0/8 2001:db8::/32 ::1 unix; deny all",
	"root /; allow 0.0.0.0/0 ::/0",
	"root /; header X-Frame-Options DENY; header Link \"</a>; rel=preload\" always",
	"root /; header Cache-Control \"\"",
	"root /; header X-Motto \"caf\xc3\xa9\tau lait\"",
	"root /; error-page 404 /404.html; error-page 500 502 503 504 /50x.html",
	"root /; expires 10min",
	"root /; expires 0",
	"root /; expires no",
	"root /; charset iso-8859-15",
	"root /; charset no",
	"root /; listing on; precompressed yes; nosniff off; follow-symlinks true; log no",
	"root /; location /static/ { expires 365d; strip-prefix yes }; location *.php { deny all }",
	"root /; location =/robots.txt { answer 200 x }; location =/ { redirect /start }",
	"root /; location \"/with blank/\" { }; location /\xc3\xbc { }; location */feed { }",
	"root /; location / { }; location /a { }; location =/a { }; location *a { }",
	"root /; location /A { }; location /a { }",
	"location / { root / }",
	"answer 404; host example.org { root / }",
	"root /; host example.org { alias www.example.org *.example.org }; host *.a.example.org {}",
	"root /; host [2001:db8::1] { }; host 192.0.2.1 { }; host localhost { }; host a_b { }",
	"root /; location /a { deny all }; host a { location /a { allow all } }",
	"root /; health /healthz; keepalive-requests 100; server-header no",
	"root /; access-log /var/log/x; access-log-format json",
	"root /; access-log ./off",
};

START_TEST(these_are_right)
{
	struct config *config = site_load(good[_i], &errors);

	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	config_unref(config);
}
END_TEST

/* ---- what is not ---- */

/* The column is that of the line; a * at the end of a message stands for anything. */
static const struct bad {
	const char *block;
	int line, column;
	const char *message;
} bad[] = {
	/* the whole */
	{ "", -1, 1, "`http` has no `root`: the folder whose files are served" },
	{ "host a { root / }", -1, 1,
	  "`http` has no `root` of its own for requests that are for *" },
	{ "location /a { root / }", -1, 1,
	  "`http` has no `root`: the folder whose files are served" },
	{ "root /nonexistent", 0, 6, "cannot use /nonexistent: No such file or directory" },
	{ "root /dev/null", 0, 6, "/dev/null is not a folder" },
	{ "root /; index a/b", 0, 15, "\"a/b\" is no file name" },
	{ "root /; index \"\"", 0, 15, "\"\" is no file name" },
	{ "root /\nhost a {\nroot /nonexistent }", 2, 6, "cannot use /nonexistent: *" },
	{ "root /\nhost a {\nlocation /b {\nroot /nonexistent } }", 3, 6,
	  "cannot use /nonexistent: *" },
	{ "root /; health x", 0, 16, "\"x\" is no path of a request: a path begins with /" },

	/* try */
	{ "root /; try =404", 0, 13, "nothing is tried: write `answer 404`" },
	{ "root /; try /a =404 /b", 0, 16,
	  "`=404`: a status of 400 to 599 can be the last word: =404" },
	{ "root /; try /a =200", 0, 16,
	  "`=200`: a status of 400 to 599 can be the last word: =404" },
	{ "root /; try /a =401", 0, 16,
	  "`=401` is no status that can be answered: =403, =404, =410, =503 ..." },
	{ "root /; try /a =405", 0, 16, "`=405` is no status *" },
	{ "root /; try /a =x", 0, 16, "`=x`: a status *" },
	{ "root /; try index.html", 0, 13,
	  "`index.html` cannot be tried: it begins with /, {path} or {rest}" },
	{ "root /; try $uri /index.html", 0, 13,
	  "`$uri` cannot be tried: $uri is written {path} here" },
	{ "root /; try \"{uri}\"", 0, 13, "`{uri}` cannot be tried: it begins with *" },
	{ "root /; try \"/{uri}\"", 0, 13, "`/{uri}` cannot be tried: a path has no query" },
	{ "root /; try /index.php?a", 0, 13,
	  "`/index.php?a` cannot be tried: a path has no query" },
	{ "root /; try /a//b", 0, 13, "`/a//b` cannot be tried: it has an empty segment" },
	{ "root /; try /../b", 0, 13,
	  "`/../b` cannot be tried: files whose name begins with a dot *" },
	{ "root /; try \"{path}\" \"/{name}\"", 0, 22,
	  "`/{name}` cannot be tried: there are {path}, {rest} and {host}, *" },
	{ "root /; try \"{path\"", 0, 13, "`{path` cannot be tried: it begins with *" },
	{ "root /; try \"/a\\nb\"", 0, 13, "*" },

	/* redirect and answer */
	{ "redirect 301", 0, 10, "`redirect 301` lacks where to: redirect 301 /TARGET" },
	{ "redirect 300 /a", 0, 10, "`300` is no status of a redirect: 301, 302, 303, 307, 308" },
	{ "redirect 304 /a", 0, 10, "`304` is no status of a redirect: *" },
	{ "redirect permanent /a", 0, 10, "`permanent` is no status of a redirect: *" },
	{ "redirect 301 /a /b", 0, 17, "`redirect` takes 2 words at most; *" },
	{ "redirect /a\nredirect 301 /b", 1, 10, "`redirect` is given twice in one block" },
	{ "redirect\nanswer 404", 0, 1, "`redirect` needs *" },
	{ "redirect www.example.org", 0, 10,
	  "`www.example.org` is no target: it begins with /, {path} or https://" },
	{ "redirect \"{rest}\"", 0, 10, "`{rest}` is no target: it begins with *" },
	{ "redirect https://$host$request_uri", 0, 10,
	  "`https://$host$request_uri` is no target: $host is written {host} here" },
	{ "redirect \"https://{path}\"", 0, 10,
	  "`https://{path}` is no target: a host follows the //: a name, or {host}" },
	{ "redirect \"//{rest}\"", 0, 10, "`//{rest}` is no target: a host follows the //: *" },
	{ "redirect \"{uri}\"", 0, 10,
	  "`{uri}` is no target: it leads back to where it comes from" },
	{ "redirect \"/{path}\"", 0, 10, "`/{path}` is no target: it leads back *" },
	{ "redirect \"{path}{query}\"", 0, 10,
	  "`{path}{query}` is no target: it leads back to where it comes from" },
	{ "redirect https:///x", 0, 10, "`https:///x` is no target: a host follows the //: *" },
	{ "redirect \"/{nobody}\"", 0, 10,
	  "`/{nobody}` is no target: there are {host}, {path}, *" },
	{ "redirect \"/a}\"", 0, 10, "`/a}` is no target: there are {host}, {path}, *" },
	{ "redirect \"/a b\"", 0, 10, "`/a b` is no target: a blank is written %20" },
	{ "redirect \"/a\\nSet-Cookie: b\"", 0, 10, "*" },
	{ "redirect /a%2", 0, 10, "`/a%2` is no target: a % is written %25" },
	{ "redirect /\xc3\xbc", 0, 10, "*" },
	{ "redirect /a; try /b", 0, 18, "`try` looks for a file, `redirect` does not" },
	{ "redirect /a; answer 404", 0, 21, "`answer` and `redirect` exclude one another" },
	{ "answer 404; try /b", 0, 17, "`try` looks for a file, `answer` does not" },
	{ "answer 301", 0, 8, "write `redirect 301 TARGET`" },
	{ "answer 999", 0, 8, "`999` is no status that can be answered: *" },
	{ "answer 401", 0, 8, "`401` is no status that can be answered: *" },
	{ "answer 100", 0, 8, "`100` is no status that can be answered: *" },
	{ "answer gone", 0, 8, "`gone` is no status that can be answered: *" },
	{ "answer 404 not there", 0, 16, "`answer` takes 2 words at most; *" },
	{ "answer 204 x", 0, 12, "204 is an answer without content" },

	/* access */
	{ "root /; allow localhost", 0, 15, "`localhost` is no address: 192.0.2.1, *" },
	{ "root /; allow 192.0.2.1/24", 0, 15,
	  "`192.0.2.1/24` has bits beyond its 24: write 192.0.2.0/24" },
	{ "root /; deny 2001:db8::1/32", 0, 14,
	  "`2001:db8::1/32` has bits beyond its 32: write 2001:db8::/32" },
	{ "root /; deny all 192.0.2.0/33", 0, 18,
	  "`192.0.2.0/33`: behind the / is the number of bits of the network, 0 to 32" },
	{ "root /; deny 10.0.0.0/255.0.0.0", 0, 14, "`10.0.0.0/255.0.0.0`: behind the / *" },
	{ "root /; deny ::ffff:192.0.2.0/120", 0, 14,
	  "`::ffff:192.0.2.0/120` is an IPv4 address: write it as 192.0.2.0/24" },
	{ "root /; deny 192.0.2.1:80", 0, 14, "`192.0.2.1:80` is no address: *" },
	{ "root /; deny", 0, 9, "`deny` needs one word or more" },

	/* headers and pages */
	{ "root /; header X", 0, 9, "*" },
	{ "root /; header X a b", 0, 20,
	  "`always` (on errors too) can follow the value, not `b`; *" },
	{ "root /; header X a b c", 0, 22, "*" },
	{ "root /; header \"X Y\" a", 0, 16, "`X Y` is no name of a header: *" },
	{ "root /; header X: a", 0, 16, "the name of a header is written without the colon" },
	{ "root /; header \"\" a", 0, 16, "`` is no name of a header: *" },
	{ "root /; header X \"a\\nb\"", 0, 18,
	  "the value of a header is one line, without control bytes" },
	{ "root /; header content-length 5", 0, 16,
	  "`content-length` cannot be given as a header: it is made with each response" },
	{ "root /; header Transfer-Encoding x", 0, 16, "`Transfer-Encoding` cannot be given *" },
	{ "root /; header Date x", 0, 16, "`Date` cannot be given *" },
	{ "root /; header Connection close", 0, 16, "`Connection` cannot be given *" },
	{ "root /; header Server me", 0, 16,
	  "`Server` cannot be given as a header: write `server-header no` to leave it out" },
	{ "root /; header Expires 0", 0, 16,
	  "`Expires` cannot be given as a header: write `expires TIME`" },
	{ "root /; error-page 404", 0, 9, "*" },
	{ "root /; error-page 404 500", 0, 24,
	  "`error-page` lacks the page: error-page 500 /500.html" },
	{ "root /; error-page 200 /a", 0, 20, "`200` is no status of an error: 400 to 599" },
	{ "root /; error-page 404 =200 /a", 0, 24,
	  "`=200`: a page is sent with the status of the error; *" },
	{ "root /; error-page 404 a.html", 0, 24, "`a.html` is no page: a path begins with /" },
	{ "root /; error-page 404 /a?b", 0, 24, "`/a?b` is no page: a path has no query" },
	{ "root /; error-page 404 /a/../b", 0, 24,
	  "`/a/../b` is no page: it has a dot segment, *" },
	{ "root /; error-page 404 https://example.org/", 0, 24,
	  "a page of this site is wanted, as /404.html" },

	/* small values */
	{ "root /; expires 1y", 0, 17,
	  "`expires` wants a time (10min, 12h, 365d, at most 3650d), 0 or no, not `1y`" },
	{ "root /; expires 30", 0, 17, "`expires` wants a time *" },
	{ "root /; expires 3651d", 0, 17, "`expires` wants a time *" },
	{ "root /; expires -1", 0, 17, "`expires` wants a time *" },
	{ "root /; charset \"utf 8\"", 0, 17,
	  "`utf 8` is no name of an encoding: utf-8, iso-8859-1, no" },
	{ "root /; listing maybe", 0, 17, "`listing` wants yes or no, not `maybe`" },

	/* access log */
	{ "root /; access-log off", 0, 20,
	  "`access-log off`: a file of that name is written ./off; *" },
	{ "root /; access-log syslog:server=h", 0, 20, "`access-log syslog:server=h`: *" },

	/* media types */
	{ "root /; mime-types /nonexistent", 0, 20, "cannot use /nonexistent: *" },

	/* locations */
	{ "root /; location { }", 0, 9, "a location needs a path: /PREFIX, *SUFFIX or =/PATH" },
	{ "root /; location static { }", 0, 18,
	  "`static` is no location: /PREFIX, *SUFFIX or =/PATH" },
	{ "root /; location = { }", 0, 18, "`=` is no location: *" },
	{ "root /; location =a { }", 0, 18, "location `=a`: a path begins with /" },
	{ "root /; location = /a { }", 0, 18,
	  "`location` takes one name: location NAME { ... }; there is no blank behind the `=`" },
	{ "root /; location ~* \\.png$ { }", 0, 18,
	  "`location` takes one name: location NAME { ... }; regular expressions are not known *" },
	{ "root /; location ^~ /a { }", 0, 18,
	  "`location` takes one name: location NAME { ... }; the path alone is written: *" },
	{ "root /; location /a /b { }", 0, 21, "`location` takes one name: location NAME { ... }" },
	{ "root /; location ~ { }", 0, 18,
	  "location `~`: regular expressions are not known here; *" },
	{ "root /; location ^~ { }", 0, 18, "location `^~`: every location that matches holds, *" },
	{ "root /; location @app { }", 0, 18, "location `@app`: there are no named locations; *" },
	{ "root /; location /a?b { }", 0, 18, "location `/a?b`: a path has no query" },
	{ "root /; location /a%20b { }", 0, 18, "location `/a%20b`: a path is written decoded: *" },
	{ "root /; location /a/../b { }", 0, 18, "location `/a/../b`: it has a dot segment, *" },
	{ "root /; location /a/.. { }", 0, 18, "location `/a/..`: it has a dot segment, *" },
	{ "root /; location //a { }", 0, 18, "location `//a`: it has an empty segment, *" },
	{ "root /; location /a/* { }", 0, 18, "location `/a/*`: a * has no place here: *" },
	{ "root /; location * { }", 0, 18,
	  "`*` is no suffix: one * and what paths end with, as in *.php" },
	{ "root /; location *.a*b { }", 0, 18, "`*.a*b` is no suffix: *" },
	{ "root /; location /a { }\nlocation /a { }", 1, 10,
	  "location `/a` is there already, as `/a`" },
	{ "root /; location /a { }\nlocation /a/ { }", 1, 10,
	  "location `/a/` is there already, as `/a`" },
	{ "root /; location *.a { strip-prefix yes }", 0, 37,
	  "`strip-prefix` is for a location that is a prefix, not for `*.a`" },
	{ "root /; location /a { location /b { } }", 0, 23, "*" },
	{ "root /; location /a { strip-prefix perhaps }", 0, 36,
	  "`strip-prefix` wants yes or no, not `perhaps`" },
	{ "root /\nhost a { location /b {\nexpires x } }", 2, 9, "`expires` wants *" },

	/* the words of other servers */
	{ "root /; server_name a", 0, 9, "`server_name` is called `host` here: *" },
	{ "root /; host a { ServerAlias b }", 0, 18, "`ServerAlias` is called `alias` here" },
	{ "root /; ServerAlias b", 0, 9,
	  "`ServerAlias` is called `alias` here and belongs in `host NAME { }` *" },
	{ "root /; location /a { alias /b }", 0, 23,
	  "`alias` is called `root` here: `root FOLDER` and `strip-prefix yes`" },
	{ "root /; try_files $uri /index.html", 0, 9,
	  "`try_files` is called `try` here: `try \"{path}\" /index.html`" },
	{ "root /; autoindex on", 0, 9, "`autoindex` is called `listing` here" },
	{ "root /; add_header A b", 0, 9,
	  "`add_header` is called `header` here: `header NAME VALUE`" },
	{ "root /; error_page 404 /404.html", 0, 9,
	  "unknown directive `error_page`: did you mean `error-page`?" },
	{ "root /; return 301 /b", 0, 9,
	  "`return` is called `answer` here: `answer 404`, and `redirect 301 TARGET`" },
	{ "root /; rewrite ^/a /b", 0, 9,
	  "`rewrite` is called `redirect` here: it sends the client elsewhere; *" },
	{ "root /; gzip_static on", 0, 9, "`gzip_static` is called `precompressed` here" },
	{ "root /; gzip on", 0, 9,
	  "`gzip` is called `precompressed` here: it sends NAME.gz for NAME; *" },
	{ "root /; access_log /a", 0, 9,
	  "unknown directive `access_log`: did you mean `access-log`?" },
	{ "root /; host a { access_log /a }", 0, 18,
	  "`access_log` is called `access-log` here and belongs in `handler http { }`" },
	{ "root /; proxy_pass http://a", 0, 9,
	  "`proxy_pass` is called `proxy` here: `location /PATH { proxy HOST:PORT }`" },
	{ "root /; client_max_body_size 1M", 0, 9,
	  "`client_max_body_size` is called `max-body` here: in the block of `proxy`, *" },
	{ "root /; proxy_buffering off", 0, 9,
	  "unknown directive `proxy_buffering`: content goes on as it comes" },
	{ "root /; sendfile on", 0, 9,
	  "unknown directive `sendfile`: it is always used where it is faster" },

	/* hosts */
	{ "root /; host { }", 0, 9, "a host needs a name: host www.example.org { ... }" },
	{ "root /; host _ { }", 0, 14,
	  "host `_`: what is to hold for all other hosts is written outside *" },
	{ "root /; host a.*.b { }", 0, 14,
	  "host `a.*.b`: a * stands for the first labels of a name only: *" },
	{ "root /; host *a.b { }", 0, 14, "host `*a.b`: a * stands for *" },
	{ "root /; host .example.org { }", 0, 14, "host `.example.org`: write example.org and *" },
	{ "root /; host example.org. { }", 0, 14,
	  "host `example.org.`: the final dot is left out: *" },
	{ "root /; host example.org:80 { }", 0, 14,
	  "host `example.org:80`: a host is given without its port" },
	{ "root /; host https://example.org { }", 0, 14,
	  "host `https://example.org`: only the name is wanted: *" },
	{ "root /; host a..b { }", 0, 14, "host `a..b`: a part of the name is empty" },
	{ "root /; host b\xc3\xbc { }", 0, 14, "*" },
	{ "root /; host \"a b\" { }", 0, 14,
	  "host `a b`: a name has letters, digits, - and . only" },
	{ "root /; host ~^a { }", 0, 14, "host `~^a`: regular expressions are not known here: *" },
	{ "root /; host [::1 { }", 0, 14,
	  "host `[::1`: an IPv6 address is written [2001:db8::1], *" },
	{ "root /; host [::g] { }", 0, 14, "host `[::g]`: this is no IPv6 address" },
	{ "root /; host a { alias b A }", 0, 26, "host `A` is there already, as `a`" },
	{ "root /; host a { alias b }\nhost c { }\nhost b { }", 2, 6,
	  "host `b` is there already, as `b`" },
	{ "root /; host *.a { }\nhost *.A { }", 1, 6, "host `*.A` is there already, as `*.a`" },
	{ "root /; host a { alias a:80 }", 0, 24, "host `a:80`: a host is given without its port" },
	{ "root /; host a { host b { } }", 0, 18, "*" },
};

START_TEST(mistakes_are_said_at_their_place)
{
	const struct bad *b = &bad[_i];
	struct config *config = site_load(b->block, &errors);
	const struct conf_error *error = &errors.error[0];
	size_t len = strlen(b->message);

	if (config || errors.total != 1)
		conf_errors_print(&errors, stderr);
	ck_assert_msg(!config, "%s", b->block);
	ck_assert_msg(errors.total == 1, "%s: %zu errors", b->block, errors.total);
	if (b->message[len - 1] == '*')
		ck_assert_msg(strncmp(error->message, b->message, len - 1) == 0, "%s\n%s", b->block,
			      error->message);
	else
		ck_assert_str_eq(error->message, b->message);
	ck_assert_msg(
		error->at.line == SITE_FIXTURE_LINE + b->line && error->at.column == b->column,
		"%s: %s at %d:%d", b->block, error->message, error->at.line, error->at.column);
}
END_TEST

/* ---- limits ---- */

static struct conf_error *load_bad(const char *block)
{
	struct config *config = site_load(block, &errors);

	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.total, 1);
	return &errors.error[0];
}

/* A handler's block, with locations in one another: depth blocks hold for the deepest. */
static char *nested(int depth, const char *host, const char *inner)
{
	char *text, path[512] = "";
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	fprintf(out, "root /\n%s", host);
	for (int i = 0; i < depth; i++) {
		strcat(path, "/aaaaaaa");
		fprintf(out, "location %s { %s }\n", path, inner);
	}
	fprintf(out, "%s", *host ? "}" : "");
	fclose(out);
	return text;
}

START_TEST(no_more_blocks_match_a_path_than_there_is_room_for)
{
	char *text = nested(SETTINGS_LAYERS - 1, "", "");
	struct config *config = site_load(text, &errors);

	ck_assert_ptr_nonnull(config);
	config_unref(config);
	free(text);

	text = nested(SETTINGS_LAYERS, "", "");
	ck_assert_str_eq(load_bad(text)->message,
			 "33 blocks could hold for one path, 32 at most: fewer locations in one "
			 "another");
	free(text);
}
END_TEST

START_TEST(the_blocks_of_host_and_handler_are_counted_together)
{
	char *text = nested(SETTINGS_LAYERS - 1, "host a {\n", "");
	const struct conf_error *error = load_bad(text);

	ck_assert_int_eq(error->at.line, SITE_FIXTURE_LINE + 1);
	ck_assert_int_eq(error->at.column, 6);
	free(text);
}
END_TEST

START_TEST(header_lines_have_a_limit_together)
{
	char value[2049] = "", inner[2200];
	char *text;

	memset(value, 'x', sizeof value - 1);
	snprintf(inner, sizeof inner, "header X %s", value);
	text = nested(2, "", inner);
	ck_assert_str_eq(load_bad(text)->message,
			 "4106 bytes of `header` lines could come together for one path, 4096 at "
			 "most");
	free(text);
}
END_TEST

/* ---- small values ---- */

START_TEST(times_of_expires)
{
	static const struct {
		const char *word;
		int64_t seconds;
	} cases[] = { { "0", 0 },
		      { "0s", 0 },
		      { "1s", 1 },
		      { "10min", 600 },
		      { "12h", 43200 },
		      { "365d", 31536000 },
		      { "no", EXPIRES_NONE },
		      { "off", EXPIRES_NONE },
		      { "3650d", 315360000 } };
	static const char *const wrong[] = { "",   "5",           "s",   "1 s",  "1ms",
					     "1w", "9999999999s", "-5s", "3651d" };
	int64_t seconds;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert(expires_parse(cases[i].word, &seconds));
		ck_assert_int_eq(seconds, cases[i].seconds);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(!expires_parse(wrong[i], &seconds), "%s", wrong[i]);
}
END_TEST

START_TEST(what_is_not_written_has_its_default)
{
	struct config *config = site_load("root /; location /a { }", &errors);
	const struct location_conf *location;
	const struct site_conf *conf;

	ck_assert_ptr_nonnull(config);
	conf = site_conf_of(config, &errors);
	location = conf->location.item[0];
	ck_assert_uint_eq(conf->rules.index.n, 1);
	ck_assert_str_eq(conf->rules.index.word[0], "index.html");
	ck_assert_str_eq(conf->rules.charset, "utf-8");
	ck_assert_int_eq(conf->rules.nosniff, 2);
	ck_assert_int_eq(conf->rules.listing, 1);
	ck_assert_int_eq(conf->cache.file_size, 128 << 10);
	/* An inner block takes over. */
	ck_assert_uint_eq(location->rules.index.n, 0);
	ck_assert_ptr_null(location->rules.charset);
	ck_assert_int_eq(location->rules.nosniff, 0);
	config_unref(config);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_conf");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_loop_test(tcase, these_are_right, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tcase, mistakes_are_said_at_their_place, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(tcase, no_more_blocks_match_a_path_than_there_is_room_for);
	tcase_add_test(tcase, the_blocks_of_host_and_handler_are_counted_together);
	tcase_add_test(tcase, header_lines_have_a_limit_together);
	tcase_add_test(tcase, times_of_expires);
	tcase_add_test(tcase, what_is_not_written_has_its_default);
	return unit_main("http_conf", tcase);
}
