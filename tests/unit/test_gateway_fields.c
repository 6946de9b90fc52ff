/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/fields.h"

#include "gateway_fixture.h"

static struct access *trusted;

static void set_up(void)
{
	static const char *const networks[] = { "10.0.0.0/8", "2001:db8::/32" };
	static const char *const others[] = { "all" };
	const struct mu_words allow = { 2, networks }, deny = { 1, others };

	trusted = access_new(&allow, &deny);
	ck_assert_ptr_nonnull(trusted);
}

static void tear_down(void)
{
	access_free(trusted);
	trusted = NULL;
}

static char out[4096];

/* The whole head for what the client sent; peer NULL: 192.0.2.7, whom nobody trusts. */
static const char *pass_from(const char *peer, const struct fields_rules *rules, const char *head,
			     const char *path)
{
	struct request request = gateway_parse(head);
	struct sockaddr_storage from = fixture_address(peer ? peer : "192.0.2.7", 4711);
	struct sockaddr_storage local = fixture_address("192.0.2.1", 8080);
	const struct fields_request what = {
		.rules = rules,
		.request = &request,
		.data = head,
		.path = path,
		.path_len = path ? strlen(path) : 0,
		.server = "127.0.0.1:3000",
		.peer = &from,
		.local = &local,
	};
	size_t len = fields_write_request(&what, out, sizeof out - 1);

	ck_assert_uint_gt(len, 0);
	out[len] = '\0';
	/* One byte less is too little, whatever the last one is. */
	ck_assert_uint_eq(fields_write_request(&what, out + len + 1, len - 1), 0);
	return out;
}

/* ---- requests, where nothing is told of the client ---- */

static const struct fields_rules plain = { .forwarded = FIELDS_FORWARDED_NONE };
static const struct fields_rules upgrading = { .forwarded = FIELDS_FORWARDED_NONE,
					       .upgrade = true };

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"

static const struct {
	const struct fields_rules *rules;
	const char *head, *path, *passed;
} requests[] = {
	/* the request line */
	{ &plain, HEAD "\r\n", NULL, HEAD "\r\n" },
	{ &plain, "\r\n\r\nGET /a%2Eb/../c?d=%20 HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "GET /a%2Eb/../c?d=%20 HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ &plain, "PROPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "PROPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ &plain, "GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "GET /c?d HTTP/1.1\r\nHost: b:80\r\n\r\n" },
	{ &plain, "GET http://b?d HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "GET /?d HTTP/1.1\r\nHost: b\r\n\r\n" },
	{ &plain, "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n" },
	{ &plain, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
	  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ &plain, "GET /api/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x y/\xc3\xbc",
	  "GET /x%20y/%C3%BC?y HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ &plain, "GET /x HTTP/1.0\r\n\r\n", NULL,
	  "GET /x HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n" },

	/* how far it may go */
	{ &plain, "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\nX: 1\r\n\r\n", NULL,
	  "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9\r\nX: 1\r\n\r\n" },
	{ &plain,
	  "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1x\r\nMax-Forwards:\r\n"
	  "Max-Forwards: 1234567890\r\n\r\n",
	  NULL, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ &plain, HEAD "Max-Forwards: 10\r\n\r\n", NULL, HEAD "Max-Forwards: 10\r\n\r\n" },

	/* of this connection */
	{ &plain,
	  HEAD "Connection: close, X-One\r\nKeep-Alive: timeout=5\r\nX-One: 1\r\nX-Two: 2\r\n"
	       "Proxy-Connection: x\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\n"
	       "Proxy-Authentication-Info: x\r\nconnection: x_two\r\nUpgrade: websocket\r\n"
	       "HTTP2-Settings: AAMAAABk\r\nTrailer: X-Sum\r\nTE: gzip\r\nProxy: evil\r\n"
	       "X-Three:3 \r\n\r\n",
	  NULL, HEAD "X-Three: 3\r\n\r\n" },
	{ &plain, HEAD "Connection: keep-alive\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n", NULL,
	  HEAD "Cookie: a=b\r\nCookie: c=d\r\n\r\n" },
	{ &plain, HEAD "Connection: TE\r\nTE: deflate, trailers\r\n\r\n", NULL,
	  HEAD "TE: trailers\r\nConnection: TE\r\n\r\n" },
	{ &plain, "GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n", NULL, HEAD "\r\n" },

	/* content */
	{ &plain,
	  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\nExpect: 100-Continue\r\n\r\n", NULL,
	  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n" },
	{ &plain, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
	  NULL, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" },
	{ &plain,
	  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: x\r\n"
	  "Connection: transfer-encoding, host, content-length\r\n\r\n",
	  NULL, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" },

	/* another protocol */
	{ &upgrading, HEAD "Connection: Upgrade, x\r\nUpgrade: websocket\r\nX: 1\r\n\r\n", NULL,
	  HEAD "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n" },
	{ &upgrading,
	  HEAD "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, a/1,\r\nUpgrade: b\r\n"
	       "TE: trailers\r\n\r\n",
	  NULL, HEAD "TE: trailers\r\nUpgrade: a/1, b\r\nConnection: upgrade, TE\r\n\r\n" },
	{ &upgrading, HEAD "Connection: Upgrade\r\nUpgrade: h2c, TLS/1.2, HTTP/2.0\r\n\r\n", NULL,
	  HEAD "\r\n" },
	{ &upgrading, HEAD "Upgrade: websocket\r\n\r\n", NULL, HEAD "\r\n" },
	{ &upgrading, HEAD "Connection: upgrade\r\n\r\n", NULL, HEAD "\r\n" },
	{ &upgrading,
	  "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", NULL,
	  HEAD "\r\n" },

	/* what only we say: not in any spelling that an application takes for ours */
	{ &plain,
	  HEAD "X-Forwarded-For: 1\r\nx_forwarded-proto: 2\r\nX-Forwarded_Host: 3\r\n"
	       "X-Forwarded-Port: 4\r\nForwarded: for=5\r\nX-Real-IP: 6\r\nX-Forwarded: 7\r\n\r\n",
	  NULL, HEAD "X-Forwarded: 7\r\n\r\n" },
	{ &plain, HEAD "X-Forwarded-Ssl: on\r\nx-forwarded_prefix: //b\r\nX-Forwarded-: 1\r\n\r\n",
	  NULL, HEAD "X-Forwarded-: 1\r\n\r\n" },
	{ &plain, HEAD "Content_Length: 5\r\ntransfer_encoding: chunked\r\nb_c: 1\r\n\r\n", NULL,
	  HEAD "b_c: 1\r\n\r\n" },
};

START_TEST(a_request_on_its_way)
{
	ck_assert_str_eq(pass_from(NULL, requests[_i].rules, requests[_i].head, requests[_i].path),
			 requests[_i].passed);
}
END_TEST

static const struct {
	const char *line, *field;
	bool ends;
} hops[] = {
	{ "OPTIONS /", "Max-Forwards: 0", true },
	{ "OPTIONS *", "X: 0\r\nmax-forwards:00", true },
	{ "OPTIONS /", "Max-Forwards: 1", false },
	{ "OPTIONS /", "Max-Forwards: x", false },
	{ "OPTIONS /", "X-Max-Forwards: 0", false },
	{ "GET /", "Max-Forwards: 0", false },
};

START_TEST(a_request_that_goes_no_further)
{
	struct request request;
	char head[128];

	snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", hops[_i].line,
		 hops[_i].field);
	request = gateway_parse(head);
	ck_assert(fields_ends_here(&request, head) == hops[_i].ends);
}
END_TEST

START_TEST(host_by_choice)
{
	struct fields_rules rules = plain;

	rules.host = FIELDS_HOST_SERVER;
	ck_assert_str_eq(pass_from(NULL, &rules, HEAD "\r\n", NULL),
			 "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n");
	rules.host = FIELDS_HOST_TEXT;
	rules.host_text = "app.example";
	ck_assert_str_eq(pass_from(NULL, &rules, HEAD "\r\n", NULL),
			 "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n");
}
END_TEST

START_TEST(a_field_that_is_set_is_the_only_one)
{
	static const char *const words[] = { "X-User", "anna", "Accept-Encoding", "", "Via",
					     "us",     NULL };
	struct fields_rules rules = plain;

	rules.set = gateway_lines(words);
	rules.via = "musterd";
	ck_assert_str_eq(pass_from(NULL, &rules,
				   HEAD "x-user: root\r\nX_User: root\r\nAccept-Encoding: gzip\r\n"
					"Via: 1.1 x\r\n\r\n",
				   NULL),
			 HEAD "X-User: anna\r\nVia: us\r\n\r\n");
}
END_TEST

START_TEST(via_is_added_with_the_version_that_was_received)
{
	struct fields_rules rules = plain;

	rules.via = "musterd";
	ck_assert_str_eq(pass_from(NULL, &rules, HEAD "Via: 1.0 x\r\n\r\n", NULL),
			 HEAD "Via: 1.0 x\r\nVia: 1.1 musterd\r\n\r\n");
	ck_assert_str_eq(pass_from(NULL, &rules, "GET / HTTP/1.0\r\nHost: a\r\n\r\n", NULL),
			 HEAD "Via: 1.0 musterd\r\n\r\n");
}
END_TEST

START_TEST(the_last_request_says_close)
{
	static const char head[] = HEAD "\r\n", trailers[] = HEAD "TE: trailers\r\n\r\n";
	struct sockaddr_storage address = fixture_address("unix", 0);
	struct request request = gateway_parse(head);
	struct fields_request what = { .rules = &plain,
				       .request = &request,
				       .data = head,
				       .server = "localhost",
				       .peer = &address,
				       .local = &address,
				       .close = true };
	size_t len = fields_write_request(&what, out, sizeof out);

	out[len] = '\0';
	ck_assert_str_eq(out, HEAD "Connection: close\r\n\r\n");
	request = gateway_parse(trailers);
	what.data = trailers;
	len = fields_write_request(&what, out, sizeof out);
	out[len] = '\0';
	ck_assert_str_eq(out, HEAD "TE: trailers\r\nConnection: close, TE\r\n\r\n");
}
END_TEST

/* ---- who the client is ---- */

#define TOLD                                                                                    \
	"X-Forwarded-For: 198.51.100.1\r\nx-forwarded-for: 10.1.1.1\r\nX-Forwarded-Proto: "     \
	"https\r\n"                                                                             \
	"X-Forwarded-Host: www.example\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 198.51.100.1\r\n" \
	"Forwarded: for=198.51.100.1\r\n"

static const struct {
	const char *peer;
	enum fields_forwarded forwarded;
	const char *sent, *passed;
} told[] = {
	{ "192.0.2.7", FIELDS_FORWARDED_X, "",
	  "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:81\r\n"
	  "X-Forwarded-Port: 8080\r\n" },
	{ "192.0.2.7", FIELDS_FORWARDED_X, TOLD,
	  "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:81\r\n"
	  "X-Forwarded-Port: 8080\r\n" },
	{ "10.9.9.9", FIELDS_FORWARDED_X, TOLD,
	  "X-Forwarded-For: 198.51.100.1, 10.1.1.1, 10.9.9.9\r\nX-Forwarded-Proto: https\r\n"
	  "X-Forwarded-Host: www.example\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 198.51.100.1\r\n" },
	{ "10.9.9.9", FIELDS_FORWARDED_X, "X-Forwarded-For: \r\nX_Forwarded_For: 1\r\n",
	  "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:81\r\n"
	  "X-Forwarded-Port: 8080\r\n" },
	{ "192.0.2.7", FIELDS_FORWARDED_STANDARD, TOLD,
	  "Forwarded: for=192.0.2.7;host=\"a:81\";proto=http\r\n" },
	{ "10.9.9.9", FIELDS_FORWARDED_STANDARD, TOLD,
	  "Forwarded: for=198.51.100.1, for=10.9.9.9;host=\"a:81\";proto=http\r\n" },
	{ "2001:db8::1", FIELDS_FORWARDED_STANDARD, "Forwarded: for=x\r\nForwarded: for=y\r\n",
	  "Forwarded: for=x, for=y, for=\"[2001:db8::1]\";host=\"a:81\";proto=http\r\n" },
	{ "unix", FIELDS_FORWARDED_STANDARD, "Forwarded: for=x\r\n",
	  "Forwarded: for=unknown;host=\"a:81\";proto=http\r\n" },
	{ "2001:db9::1", FIELDS_FORWARDED_BOTH, TOLD,
	  "X-Forwarded-For: 2001:db9::1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:81\r\n"
	  "X-Forwarded-Port: 8080\r\n"
	  "Forwarded: for=\"[2001:db9::1]\";host=\"a:81\";proto=http\r\n" },
	{ "10.9.9.9", FIELDS_FORWARDED_NONE, TOLD, "" },
};

START_TEST(the_client_as_the_server_is_told)
{
	struct fields_rules rules = { .forwarded = told[_i].forwarded, .trusted = trusted };
	char head[1024], passed[1024];

	snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a:81\r\n%s\r\n", told[_i].sent);
	snprintf(passed, sizeof passed, "GET / HTTP/1.1\r\nHost: a:81\r\n%s\r\n", told[_i].passed);
	ck_assert_str_eq(pass_from(told[_i].peer, &rules, head, NULL), passed);
}
END_TEST

START_TEST(over_https_and_unix_and_without_host)
{
	static const char head[] = "GET / HTTP/1.0\r\n\r\n", named[] = HEAD "\r\n";
	const struct fields_rules rules = { .forwarded = FIELDS_FORWARDED_BOTH };
	struct sockaddr_storage local = fixture_address("unix", 0);
	struct sockaddr_storage peer = fixture_address("unix", 0);
	struct request request = gateway_parse(head);
	struct fields_request what = { .rules = &rules,
				       .request = &request,
				       .data = head,
				       .server = "localhost",
				       .peer = &peer,
				       .local = &local,
				       .https = true };

	out[fields_write_request(&what, out, sizeof out)] = '\0';
	ck_assert_str_eq(out, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: unknown\r\n"
			      "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
			      "Forwarded: for=unknown;proto=https\r\n\r\n");
	request = gateway_parse(named);
	what.data = named;
	what.https = false;
	local = fixture_address("2001:db8::5", 99);
	out[fields_write_request(&what, out, sizeof out)] = '\0';
	ck_assert_str_eq(out, HEAD "X-Forwarded-For: unknown\r\nX-Forwarded-Proto: http\r\n"
				   "X-Forwarded-Host: a\r\nX-Forwarded-Port: 99\r\n"
				   "Forwarded: for=unknown;host=a;proto=http\r\n\r\n");
	local = fixture_address("unix", 0);
	out[fields_write_request(&what, out, sizeof out)] = '\0';
	ck_assert_ptr_nonnull(strstr(out, "\r\nX-Forwarded-Port: 80\r\n"));
}
END_TEST

START_TEST(connection_names_no_more_than_anybody_means)
{
	for (int names = 64; names <= 65; names++) {
		char head[512] = HEAD "Connection: x1", lines[256] = "Connection: x1";
		struct fields_reply what = { .rules = &plain };
		struct request request;
		struct sockaddr_storage peer = fixture_address("192.0.2.7", 1);
		struct fields_request passed = { .rules = &plain,
						 .request = &request,
						 .data = head,
						 .server = "b",
						 .peer = &peer,
						 .local = &peer };

		for (int i = 1; i < names; i++) {
			strcat(head, ",x");
			strcat(lines, ",x");
		}
		strcat(head, "\r\nX1: 1\r\n\r\n");
		strcat(lines, "\r\nX1: 1\r\n\r\n");
		request = gateway_parse(head);
		ck_assert_int_eq(fields_write_request(&passed, out, sizeof out) > 0, names == 64);
		ck_assert_int_eq(
			fields_write_reply(&what, lines, lines + strlen(lines), out, sizeof out),
			names == 64 ? 0 : -1);
	}
}
END_TEST

START_TEST(nobody_is_trusted_unless_said)
{
	struct sockaddr_storage peer = fixture_address("10.9.9.9", 1);

	ck_assert(!fields_trusts(&plain, &peer));
	ck_assert(fields_trusts(&(struct fields_rules){ .trusted = trusted }, &peer));
	peer = fixture_address("unix", 0);
	ck_assert(!fields_trusts(&(struct fields_rules){ .trusted = trusted }, &peer));
}
END_TEST

/* ---- replies ---- */

static const char reply[] = "Server: x/1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
			    "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: x\r\n"
			    "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\n"
			    "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Powered-By: y\r\n"
			    "Content-Length: 7\r\nProxy-Authenticate: z\r\n\r\nX-Content: no\r\n";

static const char *pass_reply(struct fields_reply *what, const char *lines)
{
	ssize_t len = fields_write_reply(what, lines, lines + strlen(lines), out, sizeof out - 1);

	ck_assert_int_ge(len, 0);
	out[len] = '\0';
	if (len)
		ck_assert_int_eq(fields_write_reply(what, lines, lines + strlen(lines),
						    out + len + 1, (size_t)len - 1),
				 -1);
	return out;
}

START_TEST(a_reply_on_its_way)
{
	static const char *const hidden[] = { "X-Powered-By", "Date" };
	static const char *const passed[] = { "server", "Date" };
	struct fields_rules rules = { .via = NULL };
	struct fields_reply what = { .rules = &rules };

	ck_assert_str_eq(pass_reply(&what, reply),
			 "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nSet-Cookie: a=b\r\n"
			 "Set-Cookie: c=d\r\nX-Powered-By: y\r\nContent-Length: 7\r\n");
	ck_assert(what.date && !what.server);
	rules.hide = (struct mu_words){ 2, hidden };
	what.no_length = what.trailers = what.upgraded = true;
	ck_assert_str_eq(
		pass_reply(&what, reply),
		"Trailer: X-Sum\r\nUpgrade: h2c\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n");
	ck_assert(!what.date && !what.server);
	rules.pass = (struct mu_words){ 2, passed };
	ck_assert_str_eq(pass_reply(&what, "Server:x\nDate: y\nConnection: trailer,upgrade\n"
					   "Upgrade: a\nTrailer: b"),
			 "Server: x\r\nDate: y\r\nUpgrade: a\r\nTrailer: b\r\n");
	ck_assert(what.date && what.server);
	ck_assert_str_eq(pass_reply(&what, ""), "");
	ck_assert_str_eq(pass_reply(&what, "no colon\r\n"), "");
}
END_TEST

START_TEST(connection_cannot_take_the_length_away)
{
	const struct fields_rules rules = { .via = NULL };
	struct fields_reply what = { .rules = &rules };

	ck_assert_str_eq(pass_reply(&what, "Connection: content-length\r\nContent-Length: 7\r\n"),
			 "Content-Length: 7\r\n");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_fields");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_request_on_its_way, 0, sizeof requests / sizeof requests[0]);
	tcase_add_loop_test(tcase, a_request_that_goes_no_further, 0, sizeof hops / sizeof hops[0]);
	tcase_add_test(tcase, host_by_choice);
	tcase_add_test(tcase, a_field_that_is_set_is_the_only_one);
	tcase_add_test(tcase, via_is_added_with_the_version_that_was_received);
	tcase_add_test(tcase, the_last_request_says_close);
	tcase_add_loop_test(tcase, the_client_as_the_server_is_told, 0,
			    sizeof told / sizeof told[0]);
	tcase_add_test(tcase, over_https_and_unix_and_without_host);
	tcase_add_test(tcase, connection_names_no_more_than_anybody_means);
	tcase_add_test(tcase, nobody_is_trusted_unless_said);
	tcase_add_test(tcase, a_reply_on_its_way);
	tcase_add_test(tcase, connection_cannot_take_the_length_away);
	return unit_main("gateway_fields", tcase);
}
