/* SPDX-License-Identifier: MIT */
/*
 * Exchanges with servers behind a gateway, over connections made of memory: what goes to the server, what to the client, what
 * becomes of both connections, and what is logged. Everything that needs time or a real socket is in
 * tests/system/test_gateway_*.py.
 */
#include "services/builtin.h"
#include "services/http/site.h"

#include "ck_text.h"
#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

enum { NOW = 1700000000, SERVERS = 3 };

static struct temp_folder folder;
static struct mu_worker worker;
static struct mu_conn conn, server[SERVERS];
static void *state;

/* "/" leads to the upstream `app` of two servers, "/one/" to a single address. */
static struct gateway_conf app_conf, one_conf;
static struct location_conf location[5];
static void *locations[] = { &location[0], &location[1], &location[2], &location[3], &location[4] };
static const char *const labels[] = { "/", "/one/", "/files/", "*.php", "/plain/" };
static void *app_item = &app_conf, *one_item = &one_conf;
static const char *const app_label = "app", *const one_label = "http://127.0.0.1:3000";
static struct upstream_conf upstream;
static void *upstream_item = &upstream;
static const char *const first[] = { "192.0.2.10:80" }, *const second[] = { "unix:/run/b",
									    "backup" };
static const struct mu_words server_lines[] = { { 1, first }, { 2, second } };
static const char *const index_words[] = { "index.php", "index.html" };
static const char *const try_words[] = { "{path}", "/run.php" };
static struct site_conf conf;

static const struct gateway_conf usual = {
	.connect_ms = 5000,
	.send_ms = 250,
	.read_ms = 60000,
	.retry = 1,
	.max_body = 100,
	.host = "client",
	.forwarded = FIELDS_FORWARDED_NONE,
	.via = "no",
	.upgrade = true,
};

static void start(void)
{
	ck_assert_int_eq(mu_http.prepare(&worker, &conf, &state), 0);
	ck_assert_int_eq(mu_http.start(&worker, &conf, &state), 0);
}

static void setup(void)
{
	temp_folder_init(&folder);
	temp_mkdir(&folder, "files");
	temp_mkdir(&folder, "files/plain");
	temp_write(&folder, "files/index.php", "the source");
	temp_write(&folder, "files/a.txt", "a file");
	temp_write(&folder, "files/plain/index.html", "the index");
	temp_mkdir(&folder, "plain");
	temp_write(&folder, "plain/error.html", "our page");
	app_conf = one_conf = usual;
	memset(location, 0, sizeof location);
	location[0].gateway.kind[GATEWAY_PROXY] = (struct mu_blocks){ 1, &app_label, &app_item };
	location[1].gateway.kind[GATEWAY_PROXY] = (struct mu_blocks){ 1, &one_label, &one_item };
	location[1].strip_prefix = 2;
	location[2].rules.root = folder.path;
	location[2].rules.index = (struct mu_words){ 2, index_words };
	location[2].rules.try = (struct mu_words){ 2, try_words };
	location[3].gateway.kind[GATEWAY_PROXY] = (struct mu_blocks){ 1, &one_label, &one_item };
	location[4].rules.root = folder.path;
	upstream = (struct upstream_conf){
		.server = { 2, server_lines },
		.keep = 4,
		.keep_ms = 60000,
		.max_fails = 3,
		.fail_ms = 10000,
	};
	conf = (struct site_conf){
		.location = { 5, labels, locations },
		.upstream = { 1, &app_label, &upstream_item },
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
	for (int i = 0; i < SERVERS; i++)
		fake_conn_cleanup(&server[i]);
	fake_conn_cleanup(&conn);
	temp_folder_cleanup(&folder);
}

static void restart(void)
{
	mu_http.stop(state);
	start();
}

/* What the next server that is connected to will say, and then ends. NULL: it refuses. */
static struct mu_conn *expect(const char *reply)
{
	struct mu_conn *one = &server[worker.servers];

	ck_assert_uint_lt(worker.servers, SERVERS);
	worker.server[worker.servers++] = reply ? one : NULL;
	if (!reply)
		return NULL;
	fake_conn_cleanup(one);
	fake_conn_init(one, &worker);
	fake_conn_say(one, reply);
	one->ends = true;
	return one;
}

static void prepare(const char *input)
{
	fake_conn_cleanup(&conn);
	fake_conn_init(&conn, &worker);
	fake_conn_say(&conn, input);
	conn.ends = true;
}

/* What the client got that sends input, and ends. */
static const char *ask(const char *input)
{
	prepare(input);
	fake_conn_serve(&conn, &mu_http, state);
	return conn.output ? conn.output : "";
}

static const char *sent_to(int i)
{
	return server[i].output ? server[i].output : "";
}

#define H         "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define OK        "HTTP/1.1 200 OK\r\n"
#define REPLY     OK "Content-Length: 5\r\n\r\nhello"

/* ---------------------------------------------------------------------------------- the usual ---- */

START_TEST(a_request_costs_one_receive_and_one_send_on_each_side)
{
	struct mu_conn *to = expect(REPLY);

	to->ends = false;
	for (int i = 0; i < 3; i++) {
		prepare(GET("/a?b"));
		ck_assert_int_gt(mu_try_fill(&conn), 0);
		ck_assert_int_eq(mu_http.serve(&conn, state), MU_PARKED);
		ck_assert_uint_eq(conn.receives, 1);
		ck_assert_uint_eq(conn.sends, 1);
		ck_assert_uint_eq(conn.requests, 1);
		ck_assert_uint_eq(to->sends, (unsigned)i + 1);
		ck_assert_uint_eq(to->receives, (unsigned)i + 1);
		ck_assert(to->rests);
		ck_starts(conn.output, OK);
		ck_has(conn.output, "Server: musterd\r\n");
		ck_has(conn.output, "\r\nDate: ");
		ck_ends(conn.output, "Content-Length: 5\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
				     "Server: musterd\r\n\r\nhello");
		fake_conn_say(to, REPLY);
	}
	ck_starts(sent_to(0), "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\nGET /a?b HTTP/1.1\r\n");
	ck_assert_uint_eq(worker.connects, 1);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(paths_go_on_as_they_were_sent)
{
	static const struct {
		const char *asked, *sent;
	} rows[] = {
		{ "/a%20b/%2e?q=%20", "/a%20b/?q=%20" }, /* a dot segment: what it comes to */
		{ "/a%20b/+;x", "/a%20b/+;x" },
		{ "/a/../b", "/b" },
		{ "//b//c", "/b/c" },
		{ "/b//c/", "/b//c/" },
		{ "/one//b", "/b" },
		{ "/a%2Fb", "/a%2Fb" },
		{ "/.git/config", "/.git/config" },
		{ "/one/a%20b?c", "/a%20b?c" },
		{ "/one/", "/" },
		{ "/one", "/" },
		{ "/x/../one/%41", "/%41" },
		{ "/one/a/../b%20c", "/b%20c" },
		{ "/one/a%2Fb", "/a%2Fb" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[256];

		worker.servers = worker.connects = 0;
		expect(OK "Connection: close\r\nContent-Length: 0\r\n\r\n");
		snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" H "\r\n", rows[i].asked);
		ck_starts(ask(text), OK);
		snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n", rows[i].sent);
		ck_starts(sent_to(0), text);
	}
	ck_starts(ask(GET("/a%2F..%2Fb")), "HTTP/1.1 404 ");
	ck_starts(ask(GET("/files/%2Fa.txt")), "HTTP/1.1 404 ");
}
END_TEST

/* Whatever the server frames, the client of either version can tell the end. */
static const struct {
	const char *reply, *to_11, *to_10; /* the ends of what they get */
	bool keeps, keeps_10;              /* the client's connection */
} framings[] = {
	{ REPLY, "Content-Length: 5\r\nDate: *\r\n\r\nhello", NULL, true, true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n",
	  "\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "\r\n\r\nhello", true, false },
	{ OK "\r\nhello", "\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "\r\n\r\nhello", true, false },
	{ "HTTP/1.0 200 OK\r\n\r\n", "\r\n\r\n0\r\n\r\n", "\r\n\r\n", true, false },
	{ "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n", "\r\n\r\n", true, true },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "\r\n\r\n", "\r\n\r\n", true,
	  true },
};

static const char *behind_head(const char *text)
{
	return strstr(text, "\r\n\r\n");
}

START_TEST(content_ends_where_it_should)
{
	const char *to_10 = framings[_i].to_10 ? framings[_i].to_10 : "\r\n\r\nhello";

	expect(framings[_i].reply);
	ask(GET("/"));
	ck_assert_str_eq(behind_head(conn.output), behind_head(framings[_i].to_11));
	ck_assert(conn.shut == !framings[_i].keeps);
	worker.servers = worker.connects = 0;
	restart();
	expect(framings[_i].reply);
	ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ck_assert_str_eq(behind_head(conn.output), behind_head(to_10));
	ck_has_not(conn.output, "Transfer-Encoding");
	ck_assert((strstr(conn.output, "Connection: keep-alive\r\n") != NULL) ==
		  framings[_i].keeps_10);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(a_byte_at_a_time_changes_nothing)
{
	struct mu_conn *to =
		expect(OK "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
			  "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\nContent-Length: 3\r\n\r\n");

	to->step = 1;
	ask("GET / HTTP/1.1\r\n" H "TE: trailers\r\nConnection: TE\r\n\r\n");
	ck_has(sent_to(0), "TE: trailers\r\nConnection: TE\r\n\r\n");
	ck_has(conn.output, "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n");
	ck_ends(conn.output, "\r\n\r\n1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\nX-T: 1"
			     "\r\n\r\n");
	ck_assert(to->rests);
}
END_TEST

START_TEST(head_has_no_content)
{
	struct mu_conn *to = expect(OK "Content-Length: 5\r\n\r\n");

	to->ends = false;
	ask("HEAD / HTTP/1.1\r\n" H "\r\n");
	ck_has(conn.output, "Content-Length: 5\r\n");
	ck_ends(conn.output, "\r\n\r\n");
	ck_assert(to->rests);
}
END_TEST

START_TEST(unknown_methods_are_the_servers_business)
{
	expect(REPLY);
	ck_starts(ask("PROPFIND / HTTP/1.1\r\n" H "\r\n"), OK);
	ck_starts(sent_to(0), "PROPFIND / HTTP/1.1\r\n");
	ck_starts(ask("PROPFIND /plain/a.txt HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 501 ");
	ck_starts(ask("POST /plain/a.txt HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 405 ");
	ck_starts(ask("TRACE / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 405 ");
	ck_starts(ask("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), "HTTP/1.1 501 ");
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

/* ------------------------------------------------------------------------------------ what is found ---- */

START_TEST(programs_are_never_sent_as_files)
{
	expect(REPLY);
	ck_starts(ask(GET("/files/index.php")), OK);
	ck_starts(sent_to(0), "GET /files/index.php HTTP/1.1\r\n");
	ck_has_not(conn.output, "the source");
}
END_TEST

START_TEST(try_ends_at_a_gateway)
{
	expect(REPLY REPLY REPLY)->step = sizeof REPLY - 1;
	ck_ends(ask(GET("/files/a.txt")), "a file");
	ck_starts(ask(GET("/files/none?q")), OK);
	ck_starts(ask(GET("/files/none")), OK);
	ck_starts(sent_to(0), "GET /run.php?q HTTP/1.1\r\n");
	/* Files are not for other methods. */
	ck_starts(ask("POST /files/a.txt HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi"), OK);
	ck_has(sent_to(0), "POST /run.php HTTP/1.1\r\n");
	ck_ends(sent_to(0), "\r\n\r\nhi");
}
END_TEST

START_TEST(an_index_may_be_a_program)
{
	location[2].rules.try.n = 0;
	restart();
	expect(REPLY REPLY REPLY)->step = sizeof REPLY - 1;
	ck_starts(ask(GET("/files/")), OK);
	ck_starts(ask(GET("/files/")), OK);
	ck_starts(sent_to(0), "GET /files/index.php HTTP/1.1\r\n");
	ck_ends(ask(GET("/files/plain/")), "the index");
	ck_starts(ask("POST /files/ HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi"), OK);
	ck_has(sent_to(0), "POST /files/index.php HTTP/1.1\r\n");
	ck_starts(ask("POST /files/plain/ HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 405 ");
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

START_TEST(nobody_is_asked_where_access_is_denied)
{
	static const char *const all[] = { "all" };

	location[1].rules.deny = (struct mu_words){ 1, all };
	restart();
	ck_starts(ask("POST /one/ HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi" GET("/one/%2Fa")),
		  "HTTP/1.1 403 ");
	ck_starts(ask(GET("/one%2Fa")), "HTTP/1.1 403 ");
	ck_assert_uint_eq(worker.connects, 0);
}
END_TEST

/* ------------------------------------------------------------------------------------- content up ---- */

START_TEST(content_that_is_there_goes_with_the_head)
{
	struct mu_conn *to = expect(REPLY);

	ask("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n12345" GET("/b"));
	ck_starts(sent_to(0), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345GET /b");
	ck_assert_uint_eq(to->sends, 2);
	ck_assert_uint_eq(conn.requests, 2);
}
END_TEST

START_TEST(content_is_passed_on_as_it_comes)
{
	static const char text[] =
		"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n12345" GET("/b");
	struct mu_conn *to;

	for (size_t step = 1; step < sizeof text; step++) {
		worker.servers = worker.connects = 0;
		restart();
		to = expect(REPLY REPLY);
		to->step = sizeof REPLY - 1;
		prepare(text);
		conn.step = step;
		fake_conn_serve(&conn, &mu_http, state);
		ck_has(sent_to(0), "Content-Length: 5\r\n\r\n12345GET /b HTTP/1.1\r\n");
		ck_assert_uint_eq(conn.requests, 2);
		ck_ends(conn.output, "hello");
	}
}
END_TEST

START_TEST(chunks_are_made_anew)
{
	static const char text[] = "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
				   "002;x=y\r\nab\r\n3\r\ncde\r\n0\r\nX: y\r\n\r\n" GET("/b");

	for (size_t step = 1; step < sizeof text; step++) {
		size_t len = 0;
		const char *p;

		worker.servers = worker.connects = 0;
		restart();
		expect(REPLY REPLY)->step = sizeof REPLY - 1;
		prepare(text);
		conn.step = step;
		fake_conn_serve(&conn, &mu_http, state);
		p = strstr(sent_to(0), "Transfer-Encoding: chunked\r\n\r\n");
		ck_assert_ptr_nonnull(p);
		p += strlen("Transfer-Encoding: chunked\r\n\r\n");
		for (; *p != '0'; p += 3 + *p - '0' + 2)
			len += (size_t)(*p - '0');
		ck_assert_uint_eq(len, 5);
		ck_starts(p, "0\r\n\r\nGET /b HTTP/1.1\r\n");
		ck_assert_uint_eq(conn.requests, 2);
		ck_assert_str_eq(worker.log, "");
	}
}
END_TEST

static const struct {
	const char *request, *status, *log;
	unsigned connects;
} refused[] = {
	{ "Content-Length: 101\r\n\r\n", "413", "", 0 },
	{ "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n", "413", "", 0 },
	{ "Transfer-Encoding: chunked\r\n\r\n65\r\n", "413", "", 0 },
	{ "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nx\r\n", "400", "", 0 },
};

START_TEST(content_that_is_none_is_refused)
{
	char text[256];

	expect(REPLY);
	snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" H "%s", refused[_i].request);
	ask(text);
	ck_assert(strncmp(conn.output + 9, refused[_i].status, 3) == 0);
	ck_has(conn.output, "Connection: close\r\n");
	ck_assert(conn.lingered);
	ck_assert_uint_eq(worker.connects, refused[_i].connects);
}
END_TEST

/* It comes behind what was passed on already. */
START_TEST(content_that_turns_bad_ends_the_servers_connection)
{
	struct mu_conn *to = expect("");

	to->ends = false;
	prepare("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nx\r\n");
	conn.step = 60;
	fake_conn_serve(&conn, &mu_http, state);
	ck_starts(conn.output, "HTTP/1.1 400 ");
	ck_assert(to->closed);
	ck_has(worker.log, "the content cannot be passed on: malformed chunk");
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

START_TEST(a_client_that_stops_ends_the_servers_connection)
{
	struct mu_conn *to = expect("");

	to->ends = false;
	ask("POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\n1234");
	ck_starts(conn.output, "HTTP/1.1 400 ");
	ck_ends(sent_to(0), "1234");
	ck_assert(to->closed);
	ck_has(worker.log, "the client stopped in the middle of it");
}
END_TEST

START_TEST(a_slow_client_is_told_so)
{
	struct mu_conn *to = expect("");

	to->ends = false;
	prepare("POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\n1234");
	conn.ends = false;
	fake_conn_serve(&conn, &mu_http, state);
	ck_starts(conn.output, "HTTP/1.1 408 ");
	ck_assert(to->closed);
}
END_TEST

START_TEST(a_server_may_answer_before_it_has_all)
{
	struct mu_conn *to = expect("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");

	to->gone = true;
	ask("POST / HTTP/1.1\r\n" H "Content-Length: 90\r\n\r\n1234");
	ck_starts(conn.output, "HTTP/1.1 403 Forbidden\r\n");
	ck_has(conn.output, "Connection: close\r\n");
	ck_ends(conn.output, "\r\n\r\nno");
	ck_assert(conn.lingered && to->closed);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(a_server_that_takes_nothing_has_failed)
{
	struct mu_conn *to = expect("");

	to->stuck = to->silent = true;
	to->ends = false;
	to->write_room = 10;
	upstream.server.n = 1;
	restart();
	ck_starts(ask(GET("/")), "HTTP/1.1 504 ");
	ck_assert_str_eq(worker.log,
			 "192.0.2.10:80 (app) has taken nothing of the request for send-timeout "
			 "250ms\n");
	ck_assert(to->closed);
}
END_TEST

/* ---------------------------------------------------------------------------------- interim replies ---- */

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define HINTS    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n"

START_TEST(interim_replies_are_passed_on_to_who_knows_them)
{
	expect(CONTINUE HINTS REPLY);
	ck_starts(ask(GET("/")),
		  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n");
	worker.servers = worker.connects = 0;
	restart();
	expect(CONTINUE HINTS REPLY);
	ck_starts(ask("GET / HTTP/1.0\r\n\r\n"), OK);
}
END_TEST

START_TEST(continue_is_for_who_waits_for_it)
{
	expect(CONTINUE CONTINUE REPLY);
	ask("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
	/* Nobody has to wait for what is there. */
	ck_has_not(sent_to(0), "Expect:");
	ck_starts(conn.output, CONTINUE OK);
}
END_TEST

START_TEST(connections_that_are_one_users_are_not_kept)
{
	static const char *const credentials[] = { "ntlm TlRM", "Negotiate YII=", "Basic YTpi" };

	for (size_t i = 0; i < 3; i++) {
		struct mu_conn *to = expect(REPLY);
		char text[128];

		snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "authorization: %s\r\n\r\n",
			 credentials[i]);
		ck_starts(ask(text), OK);
		ck_assert_int_eq(to->closed, i < 2);
		restart();
	}
}
END_TEST

START_TEST(interim_replies_have_an_end)
{
	char text[40 * sizeof HINTS] = "";

	for (int i = 0; i < 33; i++)
		strcat(text, HINTS);
	expect(text);
	ask(GET("/"));
	ck_has(conn.output, "\r\n\r\nHTTP/1.1 502 ");
	ck_assert_str_eq(worker.log,
			 "192.0.2.10:80 (app) answered what is no HTTP: interim replies "
			 "without end\n");
	/* The client has been told something: nobody else is asked. */
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

/* -------------------------------------------------------------------------------------------- tries ---- */

START_TEST(another_server_is_tried_where_the_first_refuses)
{
	expect(NULL);
	expect(REPLY);
	ck_starts(ask("POST / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi"), OK);
	ck_assert_str_eq(worker.connected[0], "192.0.2.10:80");
	ck_assert_str_eq(worker.connected[1], "unix:/run/b");
	ck_assert_str_eq(
		worker.log,
		"cannot connect to 192.0.2.10:80 (app): Connection refused, trying another "
		"server\n");
	ck_ends(sent_to(1), "\r\n\r\nhi");
}
END_TEST

START_TEST(no_server_is_tried_twice)
{
	ck_starts(ask(GET("/")), "HTTP/1.1 502 ");
	ck_assert_uint_eq(worker.connects, 2);
	ck_assert(!conn.shut || conn.requests == 1);
	app_conf.retry = 0;
	ck_starts(ask(GET("/")), "HTTP/1.1 502 ");
	ck_assert_uint_eq(worker.connects, 3);
}
END_TEST

START_TEST(what_may_have_been_done_is_not_asked_for_twice)
{
	expect("");
	expect(REPLY);
	ck_starts(ask("POST / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi"), "HTTP/1.1 502 ");
	ck_assert_uint_eq(worker.connects, 1);
	ck_assert_str_eq(worker.log,
			 "192.0.2.10:80 (app) closed the connection without an answer\n");
	worker.servers = worker.connects = 0;
	restart();
	expect("");
	expect(REPLY);
	ck_starts(ask("PUT / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi"), OK);
	ck_assert_uint_eq(worker.connects, 2);
}
END_TEST

START_TEST(content_that_was_passed_on_is_not_there_for_another)
{
	expect("");
	expect(REPLY);
	prepare("PUT / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi");
	conn.step = 47;
	fake_conn_serve(&conn, &mu_http, state);
	ck_starts(conn.output, "HTTP/1.1 502 ");
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

/* Two requests leave a connection behind, which ends as the next is written to it. */
static void leave_stale(void)
{
	struct mu_conn *to = expect(REPLY REPLY);

	to->step = sizeof REPLY - 1;
	upstream.server.n = 1;
	restart();
	to->ends = false;
	ck_starts(ask(GET("/")), OK);
	ck_starts(ask(GET("/")), OK);
	ck_assert(to->rests);
	to->ends = to->gone = true;
	expect(REPLY);
}

START_TEST(a_connection_that_rested_may_have_been_given_up)
{
	leave_stale();
	ck_starts(ask(GET("/")), OK);
	ck_assert_uint_eq(worker.connects, 2);
	ck_assert_str_eq(worker.log, "");
	ck_assert(server[0].closed && server[1].rests);
}
END_TEST

START_TEST(who_cannot_repeat_takes_none_that_rested_for_long)
{
	leave_stale();
	worker.time += 2;
	ck_starts(ask("POST / HTTP/1.1\r\n" H "\r\n"), OK);
	ck_assert_uint_eq(worker.connects, 2);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(nor_is_it_repeated_on_one_that_had_hardly_rested)
{
	leave_stale();
	ck_starts(ask("POST / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 502 ");
	ck_assert_uint_eq(worker.connects, 1);
}
END_TEST

START_TEST(a_group_without_servers_is_said_so)
{
	static const char *const down[] = { "192.0.2.10:80", "down" };
	static const struct mu_words lines[] = { { 2, down } };

	upstream.server = (struct mu_lines){ 1, lines };
	restart();
	ck_starts(ask(GET("/")), "HTTP/1.1 503 ");
	ck_has(conn.output, "Retry-After: 1\r\n");
	ck_has(worker.log, "app");
	ck_assert_uint_eq(worker.connects, 0);
}
END_TEST

/* ------------------------------------------------------------------------------------ faults ---- */

static const struct {
	const char *reply, *log;
} faults[] = {
	{ "SSH-2.0-OpenSSH\r\n", "answered what is no HTTP: " },
	{ OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "answered what is no HTTP: " },
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "answered what is no HTTP: Content-Length and Transfer-Encoding" },
	{ OK "A: b\r\n c\r\n\r\n", "answered what is no HTTP: folded line" },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
	  "answered what is no HTTP: status 101 that nobody asked for" },
	{ OK "Content-Le", "closed the connection in the header of its answer" },
	{ OK "Transfer-Encoding: chunked\r\n\r\nx\r\n",
	  "answered what is no HTTP: malformed chunk" },
};

START_TEST(a_reply_that_is_none_is_a_502)
{
	upstream.server.n = 1;
	restart();
	expect(faults[_i].reply);
	ck_starts(ask(GET("/")), "HTTP/1.1 502 ");
	ck_starts(worker.log, "192.0.2.10:80 (app) ");
	ck_has(worker.log, faults[_i].log);
	ck_assert_ptr_eq(strchr(worker.log, '\n'), worker.log + strlen(worker.log) - 1);
	ck_assert(server[0].closed);
	ck_assert(!conn.lingered);
}
END_TEST

START_TEST(a_head_has_to_fit)
{
	static char text[20000];

	upstream.server.n = 1;
	restart();
	memset(text, 'a', sizeof text - 1);
	memcpy(text, OK "A: ", sizeof OK "A: " - 1);
	expect(text);
	ck_starts(ask(GET("/")), "HTTP/1.1 502 ");
	ck_has(worker.log, "head is larger than the buffer");
}
END_TEST

START_TEST(a_reply_that_breaks_off_ends_the_clients_connection)
{
	static const char *const reply[] = { OK "Content-Length: 9\r\n\r\nhello",
					     OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
					     OK "Transfer-Encoding: chunked\r\n\r\n"
						"5\r\nhello\r\nx\r\n" };

	for (size_t i = 0; i < sizeof reply / sizeof *reply; i++) {
		worker.servers = worker.connects = 0;
		worker.log[0] = '\0';
		restart();
		expect(reply[i])->step = i ? 57 : 43;
		ask(GET("/"));
		ck_starts(conn.output, OK);
		ck_has(conn.output, "hello");
		ck_assert_uint_eq(conn.requests, 0);
		ck_assert(server[0].closed);
		ck_has(worker.log, "(app) broke off its answer after 5 bytes: ");
		ck_assert_uint_eq(worker.connects, 1);
	}
}
END_TEST

START_TEST(silence_has_a_limit)
{
	upstream.server.n = 1;
	restart();
	expect("")->ends = false;
	server[0].silent = true;
	ck_starts(ask(GET("/")), "HTTP/1.1 504 ");
	ck_assert_str_eq(worker.log, "192.0.2.10:80 (app) has not answered: nothing for "
				     "read-timeout 60s\n");
	worker.log[0] = '\0';
	expect(OK "Content-Length: 9\r\n\r\nhello")->ends = false;
	server[1].silent = true;
	ask(GET("/"));
	ck_ends(conn.output, "hello");
	ck_assert_uint_eq(conn.requests, 0);
	ck_assert_str_eq(worker.log, "192.0.2.10:80 (app) stopped in its answer after 5 bytes: "
				     "nothing for read-timeout 60s\n");
}
END_TEST

START_TEST(a_limit_of_the_service_is_nobodys_failure)
{
	expect("")->ends = false;
	ck_starts(ask(GET("/")), "HTTP/1.1 504 ");
	ck_has(worker.log, "the time was over while waiting for 192.0.2.10:80 (app)");
	ck_assert_uint_eq(worker.connects, 1);
	ck_assert(server[0].closed);
}
END_TEST

START_TEST(more_than_the_reply_is_no_beginning_of_the_next)
{
	expect(OK "Content-Length: 2\r\n\r\nhello");
	ask(GET("/"));
	ck_ends(conn.output, "\r\n\r\nhe");
	ck_assert(server[0].closed);
	ck_has(worker.log, "192.0.2.10:80 (app) sent more than its answer");
}
END_TEST

START_TEST(a_client_that_is_gone_ends_it_all)
{
	expect(REPLY);
	prepare(GET("/"));
	conn.gone = true;
	fake_conn_serve(&conn, &mu_http, state);
	ck_assert(server[0].closed);
	ck_assert_uint_eq(conn.requests, 0);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

/* --------------------------------------------------------------------------------- what is said of it ---- */

START_TEST(an_error_page_may_take_the_place_of_theirs)
{
	static const char *const words[] = { "404", "401", "502", "/plain/error.html" };
	static const struct mu_words lines[] = { { 4, words } };

	location[0].rules.error_page = (struct mu_lines){ 1, lines };
	restart();
	expect("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n\r\nhere");
	ask(GET("/"));
	ck_assert_str_eq(worker.log, "");
	ck_ends(conn.output, "here");
	ck_assert(server[0].closed);
	app_conf.intercept_errors = true;
	expect("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a\r\n"
	       "Content-Length: 4\r\n\r\nhere");
	ask(GET("/"));
	ck_starts(conn.output, "HTTP/1.1 401 ");
	ck_has(conn.output, "WWW-Authenticate: Basic\r\n");
	ck_has_not(conn.output, "Set-Cookie");
	ck_ends(conn.output, "our page");
	expect("rubbish\r\n");
	ask(GET("/"));
	ck_starts(conn.output, "HTTP/1.1 502 ");
	ck_ends(conn.output, "our page");
}
END_TEST

START_TEST(the_sites_lines_are_added)
{
	static const char *const words[] = { "X-A", "b" }, *const more[] = { "Server", "s" };
	static const struct mu_words lines[] = { { 2, words }, { 2, more } };

	location[0].rules.header = (struct mu_lines){ 2, lines };
	location[0].rules.nosniff = 2;
	location[0].rules.expires = "1h";
	restart();
	expect(OK "Date: then\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n\r\n");
	ask(GET("/"));
	ck_ends(conn.output,
		"Date: then\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n"
		"X-A: b\r\nServer: s\r\n\r\n");
	fake_conn_say(&server[0], "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	ask(GET("/"));
	ck_has_not(conn.output, "X-Content-Type-Options");
	ck_has_not(conn.output, "X-A");
}
END_TEST

/* ----------------------------------------------------------------------------------------- upgrades ---- */

#define UPGRADE "Connection: upgrade\r\nUpgrade: websocket\r\n"

START_TEST(a_tunnel_begins_behind_both_heads)
{
	struct mu_conn *to;

	expect(REPLY);
	ck_starts(ask(GET("/one/")), OK); /* leaves a connection behind, which will not do */
	to = expect("HTTP/1.1 101 Switching Protocols\r\n" UPGRADE "\r\nserver's");
	ask("GET /one/ HTTP/1.1\r\n" H UPGRADE "\r\nclient's");
	ck_has(sent_to(1), "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
	ck_ends(sent_to(1), "\r\n\r\nclient's");
	ck_starts(conn.output, "HTTP/1.1 101 Switching Protocols\r\n");
	ck_has(conn.output, "Upgrade: websocket\r\n");
	ck_has(conn.output, "Connection: upgrade\r\n");
	ck_ends(conn.output, "\r\n\r\nserver's");
	ck_assert(to->shut && to->closed && conn.shut);
	ck_assert_int_eq(conn.limit, MU_IDLE);
	ck_assert_uint_eq(conn.requests, 1);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(a_request_with_content_does_not_change_protocols)
{
	expect(REPLY);
	ask("POST / HTTP/1.1\r\n" H UPGRADE "Content-Length: 2\r\n\r\nhi");
	ck_has_not(sent_to(0), "pgrade");
	ck_starts(conn.output, OK);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_relay");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_request_costs_one_receive_and_one_send_on_each_side);
	tcase_add_test(tcase, paths_go_on_as_they_were_sent);
	tcase_add_loop_test(tcase, content_ends_where_it_should, 0,
			    sizeof framings / sizeof *framings);
	tcase_add_test(tcase, a_byte_at_a_time_changes_nothing);
	tcase_add_test(tcase, head_has_no_content);
	tcase_add_test(tcase, unknown_methods_are_the_servers_business);
	tcase_add_test(tcase, programs_are_never_sent_as_files);
	tcase_add_test(tcase, try_ends_at_a_gateway);
	tcase_add_test(tcase, an_index_may_be_a_program);
	tcase_add_test(tcase, nobody_is_asked_where_access_is_denied);
	tcase_add_test(tcase, content_that_is_there_goes_with_the_head);
	tcase_add_test(tcase, content_is_passed_on_as_it_comes);
	tcase_add_test(tcase, chunks_are_made_anew);
	tcase_add_loop_test(tcase, content_that_is_none_is_refused, 0,
			    sizeof refused / sizeof *refused);
	tcase_add_test(tcase, content_that_turns_bad_ends_the_servers_connection);
	tcase_add_test(tcase, a_client_that_stops_ends_the_servers_connection);
	tcase_add_test(tcase, a_slow_client_is_told_so);
	tcase_add_test(tcase, a_server_may_answer_before_it_has_all);
	tcase_add_test(tcase, a_server_that_takes_nothing_has_failed);
	tcase_add_test(tcase, interim_replies_are_passed_on_to_who_knows_them);
	tcase_add_test(tcase, continue_is_for_who_waits_for_it);
	tcase_add_test(tcase, connections_that_are_one_users_are_not_kept);
	tcase_add_test(tcase, interim_replies_have_an_end);
	tcase_add_test(tcase, another_server_is_tried_where_the_first_refuses);
	tcase_add_test(tcase, no_server_is_tried_twice);
	tcase_add_test(tcase, what_may_have_been_done_is_not_asked_for_twice);
	tcase_add_test(tcase, content_that_was_passed_on_is_not_there_for_another);
	tcase_add_test(tcase, a_connection_that_rested_may_have_been_given_up);
	tcase_add_test(tcase, who_cannot_repeat_takes_none_that_rested_for_long);
	tcase_add_test(tcase, nor_is_it_repeated_on_one_that_had_hardly_rested);
	tcase_add_test(tcase, a_group_without_servers_is_said_so);
	tcase_add_loop_test(tcase, a_reply_that_is_none_is_a_502, 0,
			    sizeof faults / sizeof *faults);
	tcase_add_test(tcase, a_head_has_to_fit);
	tcase_add_test(tcase, a_reply_that_breaks_off_ends_the_clients_connection);
	tcase_add_test(tcase, silence_has_a_limit);
	tcase_add_test(tcase, a_limit_of_the_service_is_nobodys_failure);
	tcase_add_test(tcase, more_than_the_reply_is_no_beginning_of_the_next);
	tcase_add_test(tcase, a_client_that_is_gone_ends_it_all);
	tcase_add_test(tcase, an_error_page_may_take_the_place_of_theirs);
	tcase_add_test(tcase, the_sites_lines_are_added);
	tcase_add_test(tcase, a_tunnel_begins_behind_both_heads);
	tcase_add_test(tcase, a_request_with_content_does_not_change_protocols);
	return unit_main("gateway_relay", tcase);
}
