/* SPDX-License-Identifier: MIT */
/* Whole exchanges with the module, over a connection made of memory. */
#include "services/builtin.h"
#include "services/http/site.h"

#include "ck_text.h"
#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

enum { NOW = 1700000000, MODIFIED = 784111777, LARGE = 200000 };

static struct temp_folder folder;
static struct site_conf conf;
static struct mu_worker worker;
static struct mu_conn conn;
static void *state;

static void start(void)
{
	ck_assert_int_eq(mu_http.prepare(&worker, &conf, &state), 0);
	ck_assert_int_eq(mu_http.start(&worker, &conf, &state), 0);
}

static void restart(void)
{
	mu_http.stop(state);
	start();
}

static void setup(void)
{
	static const char *const index[] = { "index.html", "index.htm" };
	static char large[LARGE];

	temp_folder_init(&folder);
	for (int i = 0; i < LARGE; i++)
		large[i] = (char)('a' + i % 26);
	temp_write_bytes(&folder, "large", large, LARGE);
	temp_write(&folder, "index.html", "the index");
	temp_write(&folder, "a.txt", "hello");
	temp_touch(&folder, "a.txt", MODIFIED);
	temp_touch(&folder, "index.html", MODIFIED);
	temp_touch(&folder, "large", MODIFIED);
	temp_mkdir(&folder, "sub");
	temp_mkdir(&folder, "old");
	temp_write(&folder, "old/index.htm", "the old index");
	temp_write(&folder, "a b", "spaced");
	conf = (struct site_conf){
		.rules = { .root = folder.path, .index = { 2, index }, .charset = "utf-8" },
		.server_header = true,
		.cache = { 100, 1 << 20, 65536 },
	};
	memset(&worker, 0, sizeof worker);
	worker.time = NOW;
	worker.connections = 10;
	start();
}

static void teardown(void)
{
	mu_http.stop(state);
	temp_folder_cleanup(&folder);
}

static void prepare(const char *input)
{
	fake_conn_init(&conn, &worker);
	fake_conn_say(&conn, input);
	conn.ends = true;
}

/* Sends input, closes; what came back. Cleaned up by the next call or the end of the process. */
static const char *ask(const char *input)
{
	static char answer[LARGE + 4096];

	prepare(input);
	fake_conn_serve(&conn, &mu_http, state);
	snprintf(answer, sizeof answer, "%s", conn.output ? conn.output : "");
	fake_conn_cleanup(&conn);
	return answer;
}

static int status_of(const char *answer)
{
	return strncmp(answer, "HTTP/1.1 ", 9) ? 0 : atoi(answer + 9);
}

static int count(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

#define H "Host: a\r\n"

START_TEST(a_small_file_costs_one_receive_and_one_send)
{
	for (int i = 0; i < 3; i++) {
		prepare("GET /a.txt HTTP/1.1\r\n" H "\r\n");
		ck_assert_int_gt(mu_try_fill(&conn), 0);
		ck_assert_int_eq(mu_http.serve(&conn, state), MU_PARKED);
		ck_assert_uint_eq(conn.receives, 1);
		ck_assert_uint_eq(conn.sends, 1);
		ck_assert_uint_eq(conn.requests, 1);
		ck_assert_int_eq(conn.limit, MU_IDLE);
		ck_assert(!conn.more);
		ck_has(conn.output, "HTTP/1.1 200 OK\r\n");
		ck_has(conn.output, "Content-Length: 5\r\n");
		ck_has(conn.output, "\r\n\r\nhello");
		ck_has_not(conn.output, "Connection");
		fake_conn_cleanup(&conn);
	}
}
END_TEST

START_TEST(head_is_get_without_the_content)
{
	char get[4096];
	const char *head;
	size_t len;

	snprintf(get, sizeof get, "%s", ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"));
	head = ask("HEAD /a.txt HTTP/1.1\r\n" H "\r\n");
	len = strlen(head);
	ck_assert_int_eq(strncmp(get, head, len), 0);
	ck_assert_str_eq(get + len, "hello");
	head = ask("HEAD /large HTTP/1.1\r\n" H "\r\n");
	ck_has(head, "Content-Length: 200000\r\n");
	ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	head = ask("HEAD /none HTTP/1.1\r\n" H "\r\n");
	ck_assert_int_eq(status_of(head), 404);
	ck_has(head, "Content-Length: ");
	ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(a_large_file_follows_its_head)
{
	const char *answer = ask("GET /large HTTP/1.1\r\n" H "\r\n"), *content;

	content = strstr(answer, "\r\n\r\n") + 4;
	ck_assert_uint_eq(strlen(content), LARGE);
	for (int i = 0; i < LARGE; i++)
		ck_assert_int_eq(content[i], 'a' + i % 26);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	const char *answer = ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"
				 "HEAD /a.txt HTTP/1.1\r\n" H "\r\n"
				 "GET /none HTTP/1.1\r\n" H "\r\n"
				 "GET / HTTP/1.1\r\n" H "\r\n");

	ck_assert_int_eq(count(answer, "HTTP/1.1 200 OK"), 3);
	ck_assert_int_eq(count(answer, "HTTP/1.1 404 Not Found"), 1);
	ck_assert(strstr(answer, "hello") < strstr(answer, "404"));
	ck_assert(strstr(answer, "404") < strstr(answer, "the index"));
}
END_TEST

START_TEST(a_long_pipeline_gives_others_a_turn)
{
	static char input[100 * 64];
	size_t len = 0;

	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(input + len, sizeof input - len,
					"GET /a.txt HTTP/1.1\r\n" H "\r\n");
	prepare(input);
	fake_conn_serve(&conn, &mu_http, state);
	ck_assert_uint_eq(conn.requests, 100);
	ck_assert_uint_gt(conn.parks, 2);
	ck_assert_int_eq(count(conn.output, "hello"), 100);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(a_request_in_pieces_is_under_the_header_limit)
{
	static const char input[] = "GET /a.txt HTTP/1.1\r\n" H "\r\n";

	for (size_t step = 1; step < sizeof input; step++) {
		prepare(input);
		conn.step = step;
		fake_conn_serve(&conn, &mu_http, state);
		ck_assert_uint_eq(conn.requests, 1);
		ck_has(conn.output, "hello");
		ck_assert_int_eq(conn.limit, MU_IDLE);
		fake_conn_cleanup(&conn);
	}
}
END_TEST

START_TEST(time_running_out_in_a_header_is_408_and_before_one_is_nothing)
{
	prepare("GET /a.txt HTTP/1.1\r\n");
	conn.ends = false;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(status_of(conn.output), 408);
	ck_has(conn.output, "Connection: close\r\n");
	ck_assert_int_eq(conn.limit, MU_HEADER);
	fake_conn_cleanup(&conn);
	prepare("HEAD /a.txt HTTP/1.1\r\n");
	conn.ends = false;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(status_of(conn.output), 408);
	ck_has_not(conn.output, "<html");
	fake_conn_cleanup(&conn);
	prepare("\r\n");
	conn.ends = false;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_PARKED);
	ck_assert_ptr_null(conn.output);
	fake_conn_cleanup(&conn);
}
END_TEST

/* The connection is the same one: its word stays, each serve gets one empty line. */
START_TEST(who_goes_on_with_empty_lines_is_under_the_header_limit)
{
	uintptr_t word;

	prepare("\r\n");
	conn.ends = false;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_PARKED);
	word = conn.word;
	fake_conn_cleanup(&conn);
	prepare("\r\n");
	conn.ends = false;
	conn.word = word;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(conn.limit, MU_HEADER);
	fake_conn_cleanup(&conn);
	prepare("\r\nGET /a.txt HTTP/1.1\r\n" H "\r\n");
	conn.word = word;
	fake_conn_serve(&conn, &mu_http, state);
	ck_assert_int_eq(status_of(conn.output), 200);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(a_client_that_stops_within_a_header_is_told)
{
	ck_assert_int_eq(status_of(ask("GET /a.txt HTTP/1.1\r\nHos")), 400);
}
END_TEST

START_TEST(http_1_0_closes_unless_asked_not_to)
{
	const char *answer;

	prepare("GET /a.txt HTTP/1.0\r\n\r\n");
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_has(conn.output, "HTTP/1.1 200 OK\r\n");
	ck_has(conn.output, "Connection: close\r\n\r\nhello");
	ck_assert(conn.more);
	ck_assert_uint_eq(conn.sends, 1);
	fake_conn_cleanup(&conn);
	answer = ask("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
		     "GET /a.txt HTTP/1.0\r\n\r\n");
	ck_assert_int_eq(count(answer, "Connection: keep-alive\r\n\r\nhello"), 1);
	ck_assert_int_eq(count(answer, "Connection: close\r\n\r\nhello"), 1);
}
END_TEST

START_TEST(a_client_that_asks_for_the_end_gets_it)
{
	prepare("GET /a.txt HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_has(conn.output, "Connection: close\r\n\r\nhello");
	ck_assert(conn.more);
	ck_assert(!conn.lingered);
	fake_conn_cleanup(&conn);
	/* What it sent beyond must not turn the close into a reset. */
	prepare("GET /a.txt HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /");
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert(conn.lingered);
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(a_draining_worker_says_goodbye)
{
	prepare("GET /a.txt HTTP/1.1\r\n" H "\r\n");
	conn.draining = true;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_has(conn.output, "Connection: close\r\n\r\nhello");
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(the_number_of_requests_can_be_limited)
{
	const char *answer;

	conf.keepalive_requests = 2;
	restart();
	answer = ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"
		     "GET /none HTTP/1.1\r\n" H "\r\n"
		     "GET /a.txt HTTP/1.1\r\n" H "\r\n");
	ck_assert_int_eq(count(answer, "HTTP/1.1"), 2);
	ck_assert_int_eq(count(answer, "Connection: close\r\n"), 1);
}
END_TEST

static const struct refusal {
	const char *request;
	int status;
} refusals[] = {
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\n" H "\r\n", 400 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505 },
	{ "GET /%zz HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /../x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "Expect: more\r\n\r\n", 417 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz", 400 },
	{ "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n01234", 400 },
};

START_TEST(a_refused_request_ends_the_connection_gently)
{
	prepare(refusals[_i].request);
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(status_of(conn.output), refusals[_i].status);
	ck_has(conn.output, "Connection: close\r\n");
	ck_has(conn.output, "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	ck_assert(conn.lingered);
	ck_assert(strlen(worker.log) > 0);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(too_large_heads_are_414_and_431)
{
	static char input[40000];

	memset(input, 'a', sizeof input - 1);
	memcpy(input, "GET /", 5);
	ck_assert_int_eq(status_of(ask(input)), 414);
	memset(input, 'a', sizeof input - 1);
	memcpy(input, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
	ck_assert_int_eq(status_of(ask(input)), 431);
	memset(input, 'a', sizeof input - 1);
	for (size_t i = 25; i + 8 < sizeof input; i += 8)
		memcpy(input + i, "X: aaa\r\n", 8);
	memcpy(input, "GET / HTTP/1.1\r\nHost: a\r\n", 25);
	ck_assert_int_eq(status_of(ask(input)), 431);
}
END_TEST

START_TEST(methods_that_are_not_for_files)
{
	static const char *const known[] = { "POST", "PUT", "DELETE", "TRACE", "PATCH" };
	char input[256];
	const char *answer;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		snprintf(input, sizeof input,
			 "%s /a.txt HTTP/1.1\r\n" H "\r\nGET /a.txt HTTP/1.1\r\n" H "\r\n",
			 known[i]);
		answer = ask(input);
		ck_assert_int_eq(status_of(answer), 405);
		ck_has(answer, "Allow: GET, HEAD, OPTIONS\r\n");
		ck_has(answer, "hello");
	}
	ck_assert_int_eq(status_of(ask("BREW /a.txt HTTP/1.1\r\n" H "\r\n")), 501);
	answer = ask("CONNECT b:443 HTTP/1.1\r\n" H "\r\nGET /a.txt HTTP/1.1\r\n" H "\r\n");
	ck_assert_int_eq(status_of(answer), 501);
	ck_has_not(answer, "hello");
	answer = ask("OPTIONS * HTTP/1.1\r\n" H "\r\n");
	ck_assert_int_eq(status_of(answer), 204);
	ck_has(answer, "Allow: GET, HEAD, OPTIONS\r\n");
	ck_has_not(answer, "Content-Length");
}
END_TEST

START_TEST(content_is_never_taken_for_a_request)
{
	static const char *const inputs[] = {
		"GET /a.txt HTTP/1.1\r\n" H "Content-Length: 29\r\n\r\n"
		"GET /none HTTP/1.1\r\nHost: b\r\n"
		"GET /a.txt HTTP/1.1\r\n" H "\r\n",
		"POST /a.txt HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		"1d\r\nGET /none HTTP/1.1\r\nHost: b\r\n\r\n0\r\n\r\n"
		"GET /a.txt HTTP/1.1\r\n" H "\r\n",
	};
	const char *answer;

	for (int i = 0; i < 2; i++) {
		for (size_t step = 0; step < 60; step++) {
			prepare(inputs[i]);
			conn.step = step;
			fake_conn_serve(&conn, &mu_http, state);
			ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 2);
			ck_has_not(conn.output, "404");
			ck_has(conn.output, "hello");
			fake_conn_cleanup(&conn);
		}
	}
	answer = ask("GET /a.txt HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" H
		     "\r\n");
	ck_assert_int_eq(count(answer, "HTTP/1.1 200 OK"), 2);
}
END_TEST

START_TEST(who_expects_100_gets_the_answer_and_the_end)
{
	prepare("GET /a.txt HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	ck_has(conn.output, "Connection: close\r\n\r\nhello");
	ck_assert(conn.lingered);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(too_much_content_does_not_hide_what_is_wrong)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\nabc",
		"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffff\r\nabc",
	};

	prepare(requests[_i]);
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(status_of(conn.output), 405);
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	ck_has(conn.output, "Connection: close\r\n");
	ck_assert(conn.lingered);
	fake_conn_cleanup(&conn);
}
END_TEST

static void expect_header_limit(struct mu_conn *waiting)
{
	ck_assert_int_eq(waiting->limit, MU_HEADER);
	*(bool *)waiting->on_wait_arg = true;
}

START_TEST(content_that_never_comes_is_408)
{
	bool waited = false;

	prepare("GET /a.txt HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabc");
	conn.ends = false;
	conn.on_wait = expect_header_limit;
	conn.on_wait_arg = &waited;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(status_of(conn.output), 408);
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	ck_assert(waited);
	fake_conn_cleanup(&conn);
}
END_TEST

static const struct lead {
	const char *target;
	int status;
	const char *has;
} leads[] = {
	{ "/", 200, "the index" },
	{ "/index.html", 200, "text/html; charset=utf-8" },
	{ "/a.txt?query=1", 200, "hello" },
	{ "http://b/a.txt", 200, "hello" },
	{ "http://b", 200, "the index" },
	{ "/a%20b", 200, "spaced" },
	{ "/%61.txt", 200, "hello" },
	{ "/sub/../a.txt", 200, "hello" },
	{ "//a.txt", 200, "hello" },
	{ "/old/", 200, "the old index" },
	{ "/old", 301, "\r\nLocation: /old/\r\n" },
	{ "/old?x=1&y", 301, "\r\nLocation: /old/?x=1&y\r\n" },
	{ "//old", 301, "\r\nLocation: /old/\r\n" },
	{ "/%6fld", 301, "\r\nLocation: /old/\r\n" },
	{ "/sub/", 403, "<h1>403 Forbidden</h1>" },
	{ "/none", 404, "<h1>404 Not Found</h1>" },
	{ "/none/", 404, NULL },
	{ "/a.txt/", 404, NULL },
	{ "/a.txt/x", 404, NULL },
	{ "/.hidden", 404, NULL },
	{ "/%2e%2e/%2e%2e/etc/passwd", 400, NULL },
	{ "/../../etc/passwd", 400, NULL },
	{ "/..%2f..%2fetc/passwd", 404, NULL },
	{ "/%00", 400, NULL },
	{ "/%zz", 400, NULL },
	{ "/a%2541", 200, "percent" },
	{ "/a%41", 404, NULL },
	{ "/100%25", 200, "percent" },
	{ "/100%", 400, NULL },
	{ "/pipe", 403, NULL },
	{ "/out", 403, NULL },
	{ "/in", 200, "hello" },
	{ "/locked", 403, NULL },
};

START_TEST(paths_lead_where_they_should)
{
	const struct lead *lead = &leads[_i];
	char input[256];
	const char *answer;

	ck_assert_int_eq(mkfifo(temp_path(&folder, "pipe"), 0644), 0);
	ck_assert_int_eq(symlink("/etc/passwd", temp_path(&folder, "out")), 0);
	ck_assert_int_eq(symlink("a.txt", temp_path(&folder, "in")), 0);
	temp_write(&folder, "a%41", "percent");
	temp_write(&folder, "100%", "percent");
	ask("GET /a%2541 HTTP/1.1\r\n" H "\r\nGET /100%25 HTTP/1.1\r\n" H "\r\n");
	temp_write(&folder, ".hidden", "hidden");
	temp_write(&folder, "locked", "locked");
	ck_assert_int_eq(chmod(temp_path(&folder, "locked"), 0), 0);
	/* Nothing is locked for root. */
	if (!strcmp(lead->target, "/locked") && geteuid() == 0)
		return;
	snprintf(input, sizeof input, "GET %s HTTP/1.1\r\n" H "\r\n", lead->target);
	/* Twice each: from disk, then perhaps from the cache; then without openat2. */
	for (int i = 0; i < 4; i++) {
		struct site *site = state;
		struct settings settings;

		rules_settings(site->rules, rules_host(site->rules, "", 0), "/", 1, &settings);
		if (i == 2) {
			cache_flush(&site->cache);
			settings.root->by_hand = true;
		}
		answer = ask(input);
		ck_assert_msg(status_of(answer) == lead->status, "%s: %s", lead->target, answer);
		if (lead->has)
			ck_has(answer, lead->has);
	}
}
END_TEST

START_TEST(what_the_client_has_is_not_sent_again)
{
	const char *answer = ask("GET /a.txt HTTP/1.1\r\n" H
				 "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
				 "GET /a.txt HTTP/1.1\r\n" H "\r\n");
	char input[512], *etag;

	ck_assert_int_eq(status_of(answer), 304);
	ck_assert_int_eq(count(answer, "hello"), 1);
	ck_assert_int_eq(count(answer, "Content-Length"), 1);
	ck_assert_int_eq(count(answer, "ETag: "), 2);
	ck_assert_int_eq(count(answer, "Date: "), 2);
	ck_assert_int_eq(count(answer, "Last-Modified: "), 2);
	etag = strstr(answer, "ETag: ") + 6;
	snprintf(input, sizeof input,
		 "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\nIf-None-Match: %.*s\r\n\r\n",
		 (int)strcspn(etag, "\r"), etag);
	answer = ask(input);
	ck_assert_int_eq(status_of(answer), 304);
	ck_has(answer, "Connection: keep-alive\r\n\r\n");
	answer = ask("GET /a.txt HTTP/1.1\r\n" H "If-None-Match: \"other\"\r\n\r\n");
	ck_assert_int_eq(status_of(answer), 200);
}
END_TEST

START_TEST(the_date_moves_on_in_cached_answers)
{
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
	worker.time++;
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n");
	worker.time += 60;
	ck_has(ask("GET /none HTTP/1.1\r\n" H "\r\n"), "Date: Tue, 14 Nov 2023 22:14:21 GMT\r\n");
}
END_TEST

START_TEST(a_file_replaced_is_seen_within_a_second)
{
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "\r\n\r\nhello");
	temp_write(&folder, "new", "another");
	ck_assert_int_eq(rename(temp_path(&folder, "new"), temp_path(&folder, "a.txt")), 0);
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "\r\n\r\nhello");
	worker.time++;
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "\r\n\r\nanother");
	ck_assert_int_eq(unlink(temp_path(&folder, "a.txt")), 0);
	worker.time++;
	ck_assert_int_eq(status_of(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n")), 404);
}
END_TEST

START_TEST(a_better_index_is_seen_within_a_second)
{
	ck_has(ask("GET /old/ HTTP/1.1\r\n" H "\r\n"), "the old index");
	temp_write(&folder, "old/index.html", "the new index");
	worker.time++;
	ck_has(ask("GET /old/ HTTP/1.1\r\n" H "\r\n"), "the new index");
}
END_TEST

START_TEST(a_root_that_is_switched_is_seen_within_a_second)
{
	static const char get[] = "GET /page.txt HTTP/1.1\r\n" H "\r\n";

	temp_mkdir(&folder, "one");
	temp_write(&folder, "one/page.txt", "the first");
	temp_touch(&folder, "one/page.txt", MODIFIED);
	temp_mkdir(&folder, "two");
	temp_write(&folder, "two/page.txt", "the second");
	ck_assert_int_eq(symlink("one", temp_path(&folder, "current")), 0);
	conf.rules.root = strdup(temp_path(&folder, "current"));
	ck_assert_ptr_nonnull(conf.rules.root);
	restart();
	ck_has(ask(get), "the first");
	ck_assert_int_eq(symlink("two", temp_path(&folder, "new")), 0);
	ck_assert_int_eq(rename(temp_path(&folder, "new"), temp_path(&folder, "current")), 0);
	ck_has(ask(get), "the first");
	/* Nothing but what is in the cache is asked for. */
	worker.time++;
	ck_has(ask(get), "the second");
	mu_http.stop(state);
	free((char *)(uintptr_t)conf.rules.root);
	conf.rules.root = folder.path;
	start();
}
END_TEST

/* While a slow client takes the answer a second passes and the file is asked for, then replaced. */
static void meanwhile(struct mu_conn *slow)
{
	static struct mu_conn other;
	int *turn = slow->on_wait_arg;

	worker.time++;
	if (++*turn == 2) {
		temp_write(&folder, "new", "another");
		ck_assert_int_eq(rename(temp_path(&folder, "new"), temp_path(&folder, "a.txt")), 0);
	}
	fake_conn_init(&other, &worker);
	fake_conn_say(&other, "GET /a.txt HTTP/1.1\r\n" H "\r\n");
	fake_conn_serve(&other, &mu_http, state);
	ck_has(other.output, *turn < 2 ? "hello" : "another");
	fake_conn_cleanup(&other);
}

START_TEST(a_slow_client_gets_one_answer_whole)
{
	char fast[4096];

	snprintf(fast, sizeof fast, "%s", ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"));
	for (size_t room = 0; room <= strlen(fast); room++) {
		int turn = 0;

		prepare("GET /a.txt HTTP/1.1\r\n" H "\r\n");
		conn.write_room = room;
		conn.on_wait = meanwhile;
		conn.on_wait_arg = &turn;
		fake_conn_serve(&conn, &mu_http, state);
		ck_assert_str_eq(conn.output, fast);
		ck_assert_int_eq(conn.limit, MU_IDLE);
		fake_conn_cleanup(&conn);
		/* As it was before. */
		temp_write(&folder, "a.txt", "hello");
		temp_touch(&folder, "a.txt", MODIFIED);
		worker.time = NOW;
		restart();
	}
}
END_TEST

static void shorten(struct mu_conn *slow)
{
	(void)slow;
	ck_assert_int_eq(truncate(temp_path(&folder, "large"), 100000), 0);
}

START_TEST(a_file_that_shrinks_while_sent_ends_the_connection)
{
	prepare("GET /large HTTP/1.1\r\n" H "\r\nGET /a.txt HTTP/1.1\r\n" H "\r\n");
	conn.on_wait = shorten;
	conn.write_room = 10000;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_int_eq(count(conn.output, "HTTP/1.1"), 1);
	ck_has(worker.log, "/large was changed while it was sent");
	fake_conn_cleanup(&conn);
	/* Within the same second: one client was enough to notice. */
	ck_has(ask("GET /large HTTP/1.1\r\n" H "\r\n"), "Content-Length: 100000\r\n");
}
END_TEST

START_TEST(a_client_that_is_gone_is_not_written_to_again)
{
	prepare("GET /a.txt HTTP/1.1\r\n" H "\r\nGET /a.txt HTTP/1.1\r\n" H "\r\n");
	conn.gone = true;
	ck_assert_int_eq(fake_conn_serve(&conn, &mu_http, state), MU_DONE);
	ck_assert_uint_eq(conn.sends, 1);
	ck_assert_uint_eq(conn.requests, 0);
	fake_conn_cleanup(&conn);
}
END_TEST

START_TEST(the_server_field_can_be_left_out)
{
	ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "Server: musterd\r\n");
	ck_has(ask("GET /none HTTP/1.1\r\n" H "\r\n"), "Server: musterd\r\n");
	conf.server_header = false;
	restart();
	ck_has_not(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "Server");
	ck_has_not(ask("GET /none HTTP/1.1\r\n" H "\r\n"), "Server");
}
END_TEST

START_TEST(without_a_cache_all_is_the_same)
{
	conf.cache.entries = 0;
	restart();
	for (int i = 0; i < 2; i++) {
		ck_has(ask("GET /a.txt HTTP/1.1\r\n" H "\r\n"), "\r\n\r\nhello");
		ck_has(ask("HEAD /large HTTP/1.1\r\n" H "\r\n"), "Content-Length: 200000\r\n");
	}
}
END_TEST

START_TEST(health_says_whether_to_send_more_clients)
{
	const char *got;

	temp_write(&folder, "healthz", "a file");
	ck_has(ask("GET /healthz HTTP/1.1\r\n" H "\r\n"), "\r\n\r\na file");
	conf.health = "/healthz";
	restart();
	got = ask("GET /healthz?full HTTP/1.1\r\n" H "\r\n");
	ck_has(got, "HTTP/1.1 200 OK\r\n");
	ck_has(got, "Cache-Control: no-store\r\n");
	ck_has(got, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n");
	ck_has(got, "\r\n\r\nready\n");
	worker.closing = true;
	got = ask("GET /healthz HTTP/1.1\r\n" H "\r\nHEAD /healthz HTTP/1.1\r\n" H "\r\n"
		  "GET /a.txt HTTP/1.1\r\n" H "\r\n");
	ck_assert_int_eq(count(got, "HTTP/1.1 503 Service Unavailable\r\n"), 2);
	ck_assert_int_eq(count(got, "Content-Length: 10\r\n"), 2);
	ck_assert_int_eq(count(got, "\r\n\r\nnot ready\n"), 1);
	/* All else goes on, and so does the connection. */
	ck_has(got, "\r\n\r\nhello");
	ck_has_not(got, "Connection");
	ck_assert_int_eq(status_of(ask("POST /healthz HTTP/1.1\r\n" H "\r\n")), 405);
	worker.closing = false;
	ck_has(ask("HEAD /healthz HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 200 OK\r\n");
	for (const char *const *other = (const char *const[]){ "/health", "/healthz/", "/", NULL };
	     *other; other++) {
		char request[100];

		snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" H "\r\n", *other);
		ck_has_not(ask(request), "ready");
	}
}
END_TEST

static const char *refusal_of(const char *input)
{
	static char answer[4096];

	prepare(input);
	mu_http.refuse(&conn, state);
	snprintf(answer, sizeof answer, "%s", conn.output);
	ck_assert(conn.lingered);
	ck_assert_uint_eq(conn.requests, 0);
	fake_conn_cleanup(&conn);
	return answer;
}

START_TEST(who_is_refused_is_told_to_come_back)
{
	const char *got = refusal_of("GET /a.txt HTTP/1.1\r\n" H "\r\n");

	ck_has(got, "HTTP/1.1 503 Service Unavailable\r\n");
	ck_has(got, "Connection: close\r\n");
	ck_has(got, "Retry-After: 1\r\n");
	ck_has(got, "<h1>503 Service Unavailable</h1>");
	/* Nothing has come yet, or half a line. */
	ck_has(refusal_of(""), "<h1>503");
	ck_has(refusal_of("HEA"), "<h1>503");
	got = refusal_of("HEAD /a.txt HTTP/1.1\r\n" H "\r\n");
	ck_has(got, "HTTP/1.1 503");
	ck_has_not(got, "<h1>");
}
END_TEST

START_TEST(a_configuration_is_checked)
{
	static const char *const index[] = { "index.html", "sub/index.html", "" };
	struct mu_report report = { "" };

	conf.mime_types = CONF_MIME_TYPES;
	mu_http.check(&conf, &report);
	ck_assert_str_eq(report.text, "");
	conf.rules.root = "/nonexistent";
	conf.rules.index = (struct mu_words){ 3, index };
	mu_http.check(&conf, &report);
	ck_assert_str_eq(report.text, "root: cannot use /nonexistent: No such file or directory\n"
				      "sub/index.html: \"sub/index.html\" is no file name\n"
				      ": \"\" is no file name\n");
	report.text[0] = '\0';
	conf.rules.root = "/dev/null";
	conf.rules.index.n = 1;
	mu_http.check(&conf, &report);
	ck_assert_str_eq(report.text, "root: /dev/null is not a folder\n");
	conf.rules.root = folder.path;
	report.text[0] = '\0';
	conf.health = "healthz";
	mu_http.check(&conf, &report);
	ck_assert_str_eq(report.text,
			 "healthz: \"healthz\" is no path of a request: a path begins with /\n");
}
END_TEST

START_TEST(a_root_that_is_gone_keeps_a_worker_from_starting)
{
	void *other = NULL;

	conf.rules.root = "/nonexistent";
	ck_assert_int_eq(mu_http.prepare(&worker, &conf, &other), -1);
	ck_has(worker.log, "cannot open root /nonexistent: No such file or directory");
	conf.rules.root = folder.path;
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_small_file_costs_one_receive_and_one_send);
	tcase_add_test(tcase, head_is_get_without_the_content);
	tcase_add_test(tcase, a_large_file_follows_its_head);
	tcase_add_test(tcase, pipelined_requests_are_answered_in_order);
	tcase_add_test(tcase, a_long_pipeline_gives_others_a_turn);
	tcase_add_test(tcase, a_request_in_pieces_is_under_the_header_limit);
	tcase_add_test(tcase, time_running_out_in_a_header_is_408_and_before_one_is_nothing);
	tcase_add_test(tcase, who_goes_on_with_empty_lines_is_under_the_header_limit);
	tcase_add_test(tcase, a_client_that_stops_within_a_header_is_told);
	tcase_add_test(tcase, http_1_0_closes_unless_asked_not_to);
	tcase_add_test(tcase, a_client_that_asks_for_the_end_gets_it);
	tcase_add_test(tcase, a_draining_worker_says_goodbye);
	tcase_add_test(tcase, the_number_of_requests_can_be_limited);
	tcase_add_loop_test(tcase, a_refused_request_ends_the_connection_gently, 0,
			    (int)(sizeof refusals / sizeof *refusals));
	tcase_add_test(tcase, too_large_heads_are_414_and_431);
	tcase_add_test(tcase, methods_that_are_not_for_files);
	tcase_add_test(tcase, content_is_never_taken_for_a_request);
	tcase_add_test(tcase, who_expects_100_gets_the_answer_and_the_end);
	tcase_add_loop_test(tcase, too_much_content_does_not_hide_what_is_wrong, 0, 2);
	tcase_add_test(tcase, content_that_never_comes_is_408);
	tcase_add_loop_test(tcase, paths_lead_where_they_should, 0,
			    (int)(sizeof leads / sizeof *leads));
	tcase_add_test(tcase, what_the_client_has_is_not_sent_again);
	tcase_add_test(tcase, the_date_moves_on_in_cached_answers);
	tcase_add_test(tcase, a_file_replaced_is_seen_within_a_second);
	tcase_add_test(tcase, a_better_index_is_seen_within_a_second);
	tcase_add_test(tcase, a_root_that_is_switched_is_seen_within_a_second);
	tcase_add_test(tcase, a_slow_client_gets_one_answer_whole);
	tcase_add_test(tcase, a_file_that_shrinks_while_sent_ends_the_connection);
	tcase_add_test(tcase, a_client_that_is_gone_is_not_written_to_again);
	tcase_add_test(tcase, the_server_field_can_be_left_out);
	tcase_add_test(tcase, without_a_cache_all_is_the_same);
	tcase_add_test(tcase, health_says_whether_to_send_more_clients);
	tcase_add_test(tcase, who_is_refused_is_told_to_come_back);
	tcase_add_test(tcase, a_configuration_is_checked);
	tcase_add_test(tcase, a_root_that_is_gone_keeps_a_worker_from_starting);
	return unit_main("http", tcase);
}
