/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/params.h"

#include "gateway_fixture.h"

static struct request request;
static struct sockaddr_storage peer, local;
static struct params_source source;

/* A request for /a.php/info that PHP is to answer. */
static void given(const char *head)
{
	request = gateway_parse(head);
	peer = fixture_address("192.0.2.7", 4711);
	local = fixture_address("192.0.2.1", 8080);
	source = (struct params_source){
		.kind = PARAMS_FASTCGI,
		.request = &request,
		.data = head,
		.path = "/a.php/info",
		.path_len = 11,
		.script_len = 6,
		.file = "/srv/a.php",
		.root = "/srv",
		.peer = &peer,
		.local = &local,
		.software = "musterd/1.0",
	};
}

/* All of them, "NAME=VALUE\n" each; "!" at the end where one did not fit. */
static const char *list(size_t size)
{
	static char text[8192];
	char buffer[1024];
	struct params params;
	struct param param;
	size_t at = 0;
	int more;

	ck_assert_uint_le(size, sizeof buffer);
	params_init(&params, &source, buffer, size);
	while ((more = params_next(&params, &param)) > 0)
		at += (size_t)snprintf(text + at, sizeof text - at, "%.*s=%.*s\n",
				       (int)param.name_len, param.name, (int)param.value_len,
				       param.value);
	snprintf(text + at, sizeof text - at, "%s", more < 0 ? "!" : "");
	/* It stays at its end. */
	if (!more)
		ck_assert_int_eq(params_next(&params, &param), 0);
	return text;
}

/* "VALUE" of a variable, NULL: there is none. */
static const char *value(const char *name)
{
	static char text[1024];
	char wanted[128];
	const char *line = list(1024), *end;

	snprintf(wanted, sizeof wanted, "%s=", name);
	while (strncmp(line, wanted, strlen(wanted)) != 0) {
		line = strchr(line, '\n');
		if (!line)
			return NULL;
		line++;
	}
	line += strlen(wanted);
	end = strchr(line, '\n');
	snprintf(text, sizeof text, "%.*s", (int)(end - line), line);
	return text;
}

#define GET "GET /a.php/info?b=c&d HTTP/1.1\r\nHost: www.example:81\r\n"

START_TEST(what_php_is_told)
{
	given("POST /a.php/info?b=c&d HTTP/1.1\r\nHost: www.example:81\r\n"
	      "Content-Type: text/plain\r\nContent-Length: 5\r\nUser-Agent: x\r\n"
	      "Authorization: Basic Og==\r\n\r\n");
	source.length = 5;
	ck_assert_str_eq(list(1024), "CONTENT_LENGTH=5\n"
				     "REQUEST_METHOD=POST\n"
				     "REQUEST_URI=/a.php/info?b=c&d\n"
				     "QUERY_STRING=b=c&d\n"
				     "CONTENT_TYPE=text/plain\n"
				     "GATEWAY_INTERFACE=CGI/1.1\n"
				     "SERVER_PROTOCOL=HTTP/1.1\n"
				     "SERVER_SOFTWARE=musterd/1.0\n"
				     "REQUEST_SCHEME=http\n"
				     "SCRIPT_NAME=/a.php\n"
				     "SCRIPT_FILENAME=/srv/a.php\n"
				     "PATH_INFO=/info\n"
				     "PATH_TRANSLATED=/srv/info\n"
				     "DOCUMENT_URI=/a.php/info\n"
				     "DOCUMENT_ROOT=/srv\n"
				     "REDIRECT_STATUS=200\n"
				     "REMOTE_ADDR=192.0.2.7\n"
				     "REMOTE_PORT=4711\n"
				     "SERVER_ADDR=192.0.2.1\n"
				     "SERVER_NAME=www.example\n"
				     "SERVER_PORT=8080\n"
				     "HTTP_HOST=www.example:81\n"
				     "HTTP_USER_AGENT=x\n"
				     "HTTP_AUTHORIZATION=Basic Og==\n");
}
END_TEST

START_TEST(what_wsgi_is_told)
{
	given(GET "\r\n");
	source.kind = PARAMS_UWSGI;
	source.script_len = 0;
	source.file = NULL;
	ck_assert_str_eq(value("SCRIPT_NAME"), "");
	ck_assert_str_eq(value("PATH_INFO"), "/a.php/info");
	ck_assert_ptr_null(value("PATH_TRANSLATED"));
	ck_assert_ptr_null(value("SCRIPT_FILENAME"));
	ck_assert_ptr_null(value("REDIRECT_STATUS"));
	ck_assert_ptr_null(value("CONTENT_LENGTH"));
	ck_assert_ptr_null(value("SCGI"));
}
END_TEST

START_TEST(scgi_begins_with_the_length)
{
	given(GET "\r\n");
	source.kind = PARAMS_SCGI;
	ck_assert_int_eq(strncmp(list(1024), "CONTENT_LENGTH=0\nSCGI=1\nREQUEST", 31), 0);
}
END_TEST

START_TEST(the_length_is_said_where_there_is_content)
{
	given(GET "\r\n");
	ck_assert_ptr_null(value("CONTENT_LENGTH"));
	given("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	ck_assert_str_eq(value("CONTENT_LENGTH"), "0");
	given("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	source.length = PARAMS_LENGTH_UNKNOWN;
	ck_assert_ptr_null(value("CONTENT_LENGTH"));
	source.length = 18446744073;
	ck_assert_str_eq(value("CONTENT_LENGTH"), "18446744073");
	ck_assert_ptr_null(value("HTTP_TRANSFER_ENCODING"));
}
END_TEST

START_TEST(a_whole_path_that_is_the_script)
{
	given(GET "\r\n");
	source.path_len = 6;
	ck_assert_str_eq(value("PATH_INFO"), "");
	ck_assert_ptr_null(value("PATH_TRANSLATED"));
	source.path_len = 11;
	source.root = NULL;
	ck_assert_ptr_null(value("PATH_TRANSLATED"));
	ck_assert_ptr_null(value("DOCUMENT_ROOT"));
}
END_TEST

static const struct {
	const char *line, *uri, *query;
} uris[] = {
	{ "GET /a%20b/../c HTTP/1.1", "/a%20b/../c", "" },
	{ "GET /? HTTP/1.1", "/?", "" },
	{ "GET http://b/c?d HTTP/1.1", "/c?d", "d" },
	{ "GET http://b?d=?e HTTP/1.1", "/?d=?e", "d=?e" },
	{ "GET http://b HTTP/1.1", "/", "" },
	{ "OPTIONS * HTTP/1.1", "*", "" },
};

START_TEST(the_uri_as_it_was_sent)
{
	char head[128];

	snprintf(head, sizeof head, "%s\r\nHost: a\r\n\r\n", uris[_i].line);
	given(head);
	ck_assert_str_eq(value("REQUEST_URI"), uris[_i].uri);
	ck_assert_str_eq(value("QUERY_STRING"), uris[_i].query);
}
END_TEST

START_TEST(addresses)
{
	given("GET / HTTP/1.0\r\n\r\n");
	ck_assert_str_eq(value("SERVER_NAME"), "192.0.2.1");
	ck_assert_str_eq(value("SERVER_PROTOCOL"), "HTTP/1.0");
	local = fixture_address("2001:db8::1", 443);
	peer = fixture_address("2001:db8::2", 5);
	ck_assert_str_eq(value("SERVER_ADDR"), "2001:db8::1");
	ck_assert_str_eq(value("SERVER_PORT"), "443");
	ck_assert_str_eq(value("REMOTE_ADDR"), "2001:db8::2");
	ck_assert_str_eq(value("REMOTE_PORT"), "5");
	local = peer = fixture_address("unix", 0);
	ck_assert_ptr_null(value("SERVER_ADDR"));
	ck_assert_ptr_null(value("REMOTE_PORT"));
	ck_assert_str_eq(value("REMOTE_ADDR"), "unix");
	ck_assert_str_eq(value("SERVER_NAME"), "localhost");
	ck_assert_str_eq(value("SERVER_PORT"), "80");
	source.https = true;
	ck_assert_str_eq(value("SERVER_PORT"), "443");
	ck_assert_str_eq(value("HTTPS"), "on");
	ck_assert_str_eq(value("REQUEST_SCHEME"), "https");
}
END_TEST

START_TEST(the_host_of_the_target_counts)
{
	given("GET http://b:1/ HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert_str_eq(value("HTTP_HOST"), "b:1");
	ck_assert_str_eq(value("SERVER_NAME"), "b");
}
END_TEST

START_TEST(what_no_client_may_say)
{
	given(GET "Proxy: http://evil\r\nX_Remote_User: root\r\nX.Dot: 1\r\nConnection: x\r\n"
		  "Keep-Alive: 1\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: x\r\n"
		  "Proxy-Connection: x\r\nProxy-Authorization: x\r\nHTTP2-Settings: x\r\n"
		  "X-Forwarded-For: 1\r\nForwarded: for=1\r\nX-Real-IP: 1\r\n"
		  "X-Forwarded-Proto: https\r\nContent-Type: a/b\r\n\r\n");
	ck_assert_str_eq(value("HTTP_HOST"), "www.example:81");
	ck_assert_ptr_null(strstr(strstr(list(1024), "HTTP_") + 1, "HTTP_"));
	ck_assert_ptr_null(value("HTTPS"));
	source.trusted = true;
	ck_assert_str_eq(value("HTTP_X_FORWARDED_FOR"), "1");
	ck_assert_str_eq(value("HTTP_FORWARDED"), "for=1");
	ck_assert_str_eq(value("HTTPS"), "on");
	ck_assert_str_eq(value("REMOTE_ADDR"), "192.0.2.7");
}
END_TEST

START_TEST(a_name_that_is_only_like_another_has_no_say)
{
	given(GET "X_Remote_User: root\r\nX-Remote-User: bob\r\nX-Remote_User: eve\r\n\r\n");
	ck_assert_str_eq(value("HTTP_X_REMOTE_USER"), "bob");
}
END_TEST

START_TEST(a_trusted_proxy_need_not_say_https)
{
	given(GET "\r\n");
	source.trusted = true;
	ck_assert_ptr_null(value("HTTPS"));
	given(GET "X-Forwarded-Proto: http\r\n\r\n");
	source.trusted = true;
	ck_assert_ptr_null(value("HTTPS"));
}
END_TEST

START_TEST(lines_of_one_name_are_joined)
{
	given(GET
	      "X-One: 1\r\nCookie: a=b\r\nx-one:\r\nX-Two: 2\r\nCOOKIE: c=d\r\nX-ONE: 3\r\n\r\n");
	ck_assert_str_eq(value("HTTP_X_ONE"), "1, , 3");
	ck_assert_str_eq(value("HTTP_COOKIE"), "a=b; c=d");
	ck_assert_str_eq(value("HTTP_X_TWO"), "2");
	ck_assert_ptr_null(strstr(strstr(list(1024), "HTTP_X_ONE") + 1, "HTTP_X_ONE"));
}
END_TEST

START_TEST(the_configuration_has_the_last_word)
{
	static const char *const words[] = { "SERVER_NAME", "x", "HTTP_X_ONE", "y", "HTTPS", "",
					     "EXTRA",       "1", NULL };
	static const char *const again[] = { "EXTRA", "1", "EXTRA", "2", "HTTP_HOST", "", NULL };

	given(GET "X-One: 1\r\n\r\n");
	source.https = true;
	source.set = gateway_lines(words);
	ck_assert_str_eq(value("SERVER_NAME"), "x");
	ck_assert_str_eq(value("HTTP_X_ONE"), "y");
	ck_assert_ptr_null(strstr(strstr(list(1024), "HTTP_X_ONE") + 1, "HTTP_X_ONE"));
	ck_assert_ptr_null(value("HTTPS"));
	ck_assert_str_eq(value("EXTRA"), "1");
	source.set = gateway_lines(again);
	ck_assert_str_eq(value("EXTRA"), "2");
	ck_assert_ptr_null(strstr(strstr(list(1024), "EXTRA") + 1, "EXTRA"));
	ck_assert_ptr_null(value("HTTP_HOST"));
}
END_TEST

/* Each thing that is put together stops the list where it does not fit, and not before. */
static const struct {
	const char *head;
	size_t needed;
} rooms[] = {
	{ GET "\r\n", sizeof "HTTP_HOST" - 1 },
	{ "GET http://b?query HTTP/1.1\r\nHost: a\r\n\r\n", sizeof "HTTP_HOST" - 1 },
	{ "GET http://b?longer-query HTTP/1.1\r\nHost: a\r\n\r\n", sizeof "/?longer-query" - 1 },
	{ GET "A: 1\r\nA: 22\r\n\r\n", sizeof "HTTP_A1, 22" - 1 },
	{ GET "Long-Name: 1\r\n\r\n", sizeof "HTTP_LONG_NAME" - 1 },
};

START_TEST(a_buffer_is_enough_or_it_is_said)
{
	given(rooms[_i].head);
	ck_assert_ptr_null(strchr(list(rooms[_i].needed), '!'));
	ck_assert_ptr_nonnull(strchr(list(rooms[_i].needed - 1), '!'));
}
END_TEST

START_TEST(a_root_that_does_not_fit)
{
	given(GET "\r\n");
	source.root = "/a/rather/long/folder";
	ck_assert_ptr_null(strchr(list(sizeof "/a/rather/long/folder/info" - 1), '!'));
	ck_assert_ptr_nonnull(strchr(list(sizeof "/a/rather/long/folder/info" - 2), '!'));
}
END_TEST

static const struct {
	const char *path, *ending;
	size_t len;
} splits[] = {
	{ "/a.php", ".php", 6 },       { "/a.php/b", ".php", 6 },
	{ "/a.php/b.php", ".php", 6 }, { "/a.phpx/b.php/c", ".php", 13 },
	{ "/a.phpx", ".php", 7 },      { "/a/b", ".php", 4 },
	{ "/.php/x", ".php", 5 },      { "/", ".php", 1 },
	{ "/a.PHP/x", ".php", 8 },     { "/a/b", "", 4 },
};

START_TEST(where_the_script_ends)
{
	ck_assert_uint_eq(params_split(splits[_i].path, strlen(splits[_i].path), splits[_i].ending),
			  splits[_i].len);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_params");

	tcase_add_test(tcase, what_php_is_told);
	tcase_add_test(tcase, what_wsgi_is_told);
	tcase_add_test(tcase, scgi_begins_with_the_length);
	tcase_add_test(tcase, the_length_is_said_where_there_is_content);
	tcase_add_test(tcase, a_whole_path_that_is_the_script);
	tcase_add_loop_test(tcase, the_uri_as_it_was_sent, 0, sizeof uris / sizeof uris[0]);
	tcase_add_test(tcase, addresses);
	tcase_add_test(tcase, the_host_of_the_target_counts);
	tcase_add_test(tcase, what_no_client_may_say);
	tcase_add_test(tcase, a_name_that_is_only_like_another_has_no_say);
	tcase_add_test(tcase, a_trusted_proxy_need_not_say_https);
	tcase_add_test(tcase, lines_of_one_name_are_joined);
	tcase_add_test(tcase, the_configuration_has_the_last_word);
	tcase_add_loop_test(tcase, a_buffer_is_enough_or_it_is_said, 0,
			    sizeof rooms / sizeof rooms[0]);
	tcase_add_test(tcase, a_root_that_does_not_fit);
	tcase_add_loop_test(tcase, where_the_script_ends, 0, sizeof splits / sizeof splits[0]);
	return unit_main("gateway_params", tcase);
}
