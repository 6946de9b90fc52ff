/* SPDX-License-Identifier: MIT */
#include "services/http/access_line.h"
#include "services/http/request.h"
#include "services/http/utf8.h"

#include "fake_conn.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1795370453 }; /* 2026-11-22 18:00:53 UTC */

static struct mu_worker worker;
static struct mu_conn conn;
static struct request request;
static struct access_entry entry;
static struct access_date date;
static char line[ACCESS_LINE_MAX + 1];

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
	access_date_set(&date, SECOND);
}

static void setup(void)
{
	memset(&worker, 0, sizeof worker);
	fake_conn_init(&conn, &worker);
	use_zone("UTC0");
}

static void teardown(void)
{
	fake_conn_cleanup(&conn);
}

static void receive_bytes(const char *data, size_t len)
{
	request_init(&request);
	request_parse(&request, data, len);
	entry = (struct access_entry){
		.conn = &conn,
		.request = &request,
		.data = data,
		.data_len = len,
		.status = 200,
		.bytes = 1234,
		.t_start = 5000000000,
		.t_first = 5000250000,
		.t_end = 6500001999,
		.count = 3,
	};
}

static void receive(const char *data)
{
	receive_bytes(data, strlen(data));
}

static const char *line_as(enum access_format format)
{
	size_t len = access_line(format, &entry, &date, 7, line);

	ck_assert_uint_le(len, ACCESS_LINE_MAX);
	line[len] = '\0';
	return line;
}

static const char browser[] =
	"GET /a%20b?c=d HTTP/1.1\r\nHost: www.example.org:80\r\n"
	"Referer: https://example.com/\r\nUser-Agent: Mozilla/5.0 (X11)\r\n\r\n";

START_TEST(each_format_of_a_complete_request)
{
	receive(browser);
	ck_assert_str_eq(line_as(ACCESS_COMMON), "192.0.2.1 - - [22/Nov/2026:18:00:53 +0000] \"GET "
						 "/a%20b?c=d HTTP/1.1\" 200 1234\n");
	ck_assert_str_eq(
		line_as(ACCESS_COMBINED),
		"192.0.2.1 - - [22/Nov/2026:18:00:53 +0000] \"GET /a%20b?c=d HTTP/1.1\" 200 1234 "
		"\"https://example.com/\" \"Mozilla/5.0 (X11)\"\n");
	entry.encoding = "gzip";
	ck_assert_str_eq(
		line_as(ACCESS_JSON),
		"{\"time\":\"2026-11-22T18:00:53.007+00:00\",\"peer\":\"192.0.2.1\",\"port\":4711,"
		"\"method\":\"GET\",\"target\":\"/a%20b?c=d\",\"protocol\":\"HTTP/1.1\","
		"\"status\":200,\"bytes\":1234,\"referer\":\"https://example.com/\","
		"\"user_agent\":\"Mozilla/5.0 (X11)\",\"host\":\"www.example.org:80\","
		"\"encoding\":\"gzip\",\"ttfb\":0.000250,\"total\":1.500001,\"count\":3,"
		"\"service\":\"fake\",\"worker\":1}\n");
}
END_TEST

START_TEST(what_a_request_does_not_say)
{
	receive("PURGE /x HTTP/1.0\r\n\r\n");
	entry.t_first = 0;
	ck_assert_str_eq(line_as(ACCESS_COMBINED), "192.0.2.1 - - [22/Nov/2026:18:00:53 +0000] "
						   "\"PURGE /x HTTP/1.0\" 200 1234 \"-\" \"-\"\n");
	ck_assert_str_eq(
		line_as(ACCESS_JSON),
		"{\"time\":\"2026-11-22T18:00:53.007+00:00\",\"peer\":\"192.0.2.1\",\"port\":4711,"
		"\"method\":\"PURGE\",\"target\":\"/x\",\"protocol\":\"HTTP/1.0\","
		"\"status\":200,\"bytes\":1234,\"referer\":null,\"user_agent\":null,\"host\":null,"
		"\"encoding\":null,\"ttfb\":null,\"total\":1.500001,\"count\":3,"
		"\"service\":\"fake\",\"worker\":1}\n");
}
END_TEST

START_TEST(of_a_refused_request_the_line_that_was_sent)
{
	static const struct {
		const char *data, *shown;
	} table[] = {
		{ "\r\n\r\n\x16\x03\x01 TLS\"\r\nHost: x\r\n\r\n", "\\x16\\x03\\x01 TLS\\x22" },
		{ "GET /half", "GET /half" },
		{ "GET /x HTTP/3.0\r\n\r\n", "GET /x HTTP/3.0" },
		{ "GET  /x HTTP/1.1\r\n\r\n", "GET  /x HTTP/1.1" },
		{ "GET /x HTTP/1.1\nHost: x\n\n", "GET /x HTTP/1.1" },
		{ "\r\n\r\n\r\n\r\n\r\n\r\n", "-" },
		{ "", "-" },
		/* The line was good, what came after it was not. */
		{ "\r\nGET /x HTTP/1.1\r\nHost : x\r\n\r\n", "GET /x HTTP/1.1" },
	};
	char expected[256];

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		receive(table[i].data);
		snprintf(expected, sizeof expected,
			 "192.0.2.1 - - [22/Nov/2026:18:00:53 +0000] \"%s\" 200 1234\n",
			 table[i].shown);
		ck_assert_str_eq(line_as(ACCESS_COMMON), expected);
	}
	receive("GET  / HTTP/1.1\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON),
				     "\"method\":null,\"target\":null,\"protocol\":null,"
				     "\"line\":\"GET  / HTTP/1.1\",\"status\""));
}
END_TEST

START_TEST(blank_lines_are_no_part_of_the_method)
{
	receive("\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_COMMON), "] \"HEAD / HTTP/1.1\" 200"));
}
END_TEST

START_TEST(what_clients_send_is_escaped)
{
	receive("GET / HTTP/1.1\r\nHost: x\r\nReferer: a\"b\\c\td\r\n"
		"User-Agent: \xe2\x80\xa8\xe2\x80\xae \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xff "
		"\xc2\x9b \xed\xa0\x80 "
		"\xe2\x82\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_COMBINED),
				     " \"a\\x22b\\x5Cc\\x09d\" \"\\xE2\\x80\\xA8\\xE2\\x80\\xAE "
				     "\\xC3\\xA4 \\xE2\\x82\\xAC \\xF0\\x9F\\x98\\x80 "
				     "\\xFF \\xC2\\x9B \\xED\\xA0\\x80 \\xE2\\x82\"\n"));
	ck_assert_ptr_nonnull(
		strstr(line_as(ACCESS_JSON),
		       "\"referer\":\"a\\\"b\\\\c\\u0009d\",\"user_agent\":\"\\u2028\\u202e "
		       "\xc3\xa4 \xe2\x82\xac "
		       "\xf0\x9f\x98\x80 \\ufffd \\u009b \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\""));
}
END_TEST

/* Values are copied by blocks and parts of such: wherever a byte stands, it is escaped. */
START_TEST(in_a_value_of_any_length)
{
	char agent[64], data[256], expected[128];

	for (int len = 1; len < 40; len++) {
		for (int at = 0; at <= len; at++) {
			for (int i = 0; i < len; i++)
				agent[i] = (char)('a' + i % 26);
			agent[len] = '\0';
			if (at < len)
				agent[at] = '"';
			snprintf(data, sizeof data, "GET / HTTP/1.0\r\nUser-Agent: %s\r\n\r\n",
				 agent);
			receive(data);
			if (at < len)
				snprintf(expected, sizeof expected,
					 "\"user_agent\":\"%.*s\\\"%s\",\"host\"", at, agent,
					 agent + at + 1);
			else
				snprintf(expected, sizeof expected,
					 "\"user_agent\":\"%s\",\"host\"", agent);
			ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON), expected));
		}
	}
}
END_TEST

START_TEST(long_values_are_cut_with_a_mark)
{
	static char data[FAKE_BUFFER];
	static char agent[ACCESS_VALUE_MAX + 2];

	memset(agent, 'u', sizeof agent - 1);
	agent[ACCESS_VALUE_MAX] = '\0';
	snprintf(data, sizeof data, "GET / HTTP/1.0\r\nUser-Agent: %s\r\n\r\n", agent);
	receive(data);
	line_as(ACCESS_COMBINED);
	ck_assert_ptr_nonnull(strstr(line, agent));
	ck_assert_ptr_null(strstr(line, "..."));

	agent[ACCESS_VALUE_MAX] = 'u';
	snprintf(data, sizeof data, "GET / HTTP/1.0\r\nUser-Agent: %s\r\n\r\n", agent);
	receive(data);
	line_as(ACCESS_COMBINED);
	ck_assert_str_eq(line + strlen(line) - 6, "u...\"\n");
	ck_assert_uint_eq(strlen(strstr(line, "\"u")), ACCESS_VALUE_MAX + 6);

	/* An escape is not cut in the middle. */
	memset(agent, 0xff, sizeof agent - 1);
	snprintf(data, sizeof data, "GET / HTTP/1.0\r\nUser-Agent: %s\r\n\r\n", agent);
	receive(data);
	line_as(ACCESS_COMBINED);
	ck_assert_str_eq(line + strlen(line) - 9, "\\xFF...\"\n");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON), "\\ufffd...\",\"host\""));
}
END_TEST

static void come_from(const char *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&conn.peer;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(65535);
	ck_assert_int_eq(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
}

/* ---- whatever clients send ---- */

/* Behind a JSON string (RFC 8259 section 7, RFC 3629), or NULL. */
static const char *skip_string(const char *p)
{
	uint32_t code;
	size_t n;

	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		if (*p == '\\' && p[1] == 'u') {
			if (strspn(p + 2, "0123456789abcdefABCDEF") < 4)
				return NULL;
			p += 6;
			continue;
		}
		if (*p == '\\') {
			if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
				return NULL;
			p += 2;
			continue;
		}
		n = (unsigned char)*p < 0x20 ? 0 : utf8_decode(p, p + strlen(p), &code);
		if (!n)
			return NULL;
		p += n;
	}
	return p + 1;
}

static const char *skip_value(const char *p)
{
	if (*p == '"')
		return skip_string(p);
	if (strncmp(p, "null", 4) == 0)
		return p + 4;
	return *p >= '0' && *p <= '9' ? p + strspn(p, "0123456789.") : NULL;
}

static bool is_json_object(const char *p)
{
	if (*p++ != '{')
		return false;
	for (;;) {
		p = skip_string(p);
		if (!p || *p++ != ':')
			return false;
		p = skip_value(p);
		if (!p)
			return false;
		if (*p == '}')
			return strcmp(p, "}\n") == 0;
		if (*p++ != ',')
			return false;
	}
}

static size_t count_of(const char *text, char byte)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == byte;
	return n;
}

static bool is_printable(const char *text)
{
	for (; text[0] != '\n'; text++)
		if (text[0] < 0x20 || text[0] > 0x7e)
			return false;
	return !text[1];
}

/* A request whose method, target and fields are these bytes: more than the parser lets through. */
static void send_anything(const char *data, size_t len)
{
	struct slice part = { 0, (uint32_t)len };

	receive(browser);
	entry.data = data;
	entry.data_len = len;
	request.target = (struct slice){ 1 + (uint32_t)len / 3, (uint32_t)(len - len / 3) - 1 };
	request.host = part;
	request.field[FIELD_REFERER] = request.field[FIELD_USER_AGENT] = part;
}

static void check_all_formats(void)
{
	for (int understood = 0; understood < 2; understood++) {
		request.fields = (uint32_t)understood;
		line_as(ACCESS_COMMON);
		ck_assert_msg(is_printable(line) && count_of(line, '"') == 2, "%s", line);
		line_as(ACCESS_COMBINED);
		ck_assert_msg(is_printable(line) && count_of(line, '"') == 6, "%s", line);
		line_as(ACCESS_JSON);
		ck_assert_uint_eq(count_of(line, '\n'), 1);
		ck_assert_msg(is_json_object(line), "%s", line);
	}
}

START_TEST(every_byte_is_written_so_that_it_can_be_read)
{
	char data[256 + 16];

	for (unsigned at = 0; at < 17; at++) {
		memset(data, 'x', sizeof data);
		for (unsigned byte = 0; byte < 256; byte++)
			data[at + byte] = (char)byte;
		send_anything(data, sizeof data);
		check_all_formats();
	}
}
END_TEST

START_TEST(lines_of_random_bytes_are_valid)
{
	static char data[2 * ACCESS_VALUE_MAX];
	/* Many of what may go wrong: the parts of characters, quotes, escapes. */
	static const char bytes[] = "\xc2\x80\xe2\x82\xac\xed\xa0\xf0\x9f\x98\x80\xf4\xff\"\\\nu";
	uint32_t random = 4711;

	for (int turn = 0; turn < 3000; turn++) {
		size_t len = 3 + (turn % 100 ? (unsigned)turn % 97 : sizeof data - 3);

		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			data[i] = turn % 2 ? (char)(random >> 24)
					   : bytes[(random >> 16) % (sizeof bytes - 1)];
		}
		send_anything(data, len);
		check_all_formats();
	}
}
END_TEST

START_TEST(peers_of_all_families)
{
	static const char *const address[] = {
		"::",
		"::1",
		"1::",
		"2001:db8::1",
		"2001:db8:0:1:1:1:1:1",
		"1:0:0:2::3",
		"fe80::abcd:ef01:2345:6789",
		"1:2:3:4:5:6:7:8",
		"1:0:2:0:3:0:4:0",
		"::1:0:0:1:0",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"1::2:0:0:3:4",
		"10:20:300:4000::",
	};
	char expected[64];

	receive(browser);
	for (size_t i = 0; i < sizeof address / sizeof *address; i++) {
		come_from(address[i]);
		snprintf(expected, sizeof expected, "%s - - [", address[i]);
		line_as(ACCESS_COMMON);
		ck_assert_msg(strncmp(line, expected, strlen(expected)) == 0, "%s: %s", address[i],
			      line);
	}
	ck_assert_ptr_nonnull(
		strstr(line_as(ACCESS_JSON), "\"peer\":\"10:20:300:4000::\",\"port\":65535,"));
	conn.peer.ss_family = AF_UNIX;
	ck_assert_int_eq(strncmp(line_as(ACCESS_COMMON), "unix - - [", 10), 0);
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON), "\"peer\":\"unix\",\"port\":0,"));
}
END_TEST

START_TEST(dates_are_of_the_local_time_zone)
{
	receive(browser);
	use_zone("NPT-05:45");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_COMMON), "[22/Nov/2026:23:45:53 +0545]"));
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON), "\"2026-11-22T23:45:53.007+05:45\""));
	use_zone("MIT9:30");
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_COMMON), "[22/Nov/2026:08:30:53 -0930]"));
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_JSON), "\"2026-11-22T08:30:53.007-09:30\""));
}
END_TEST

START_TEST(large_numbers)
{
	receive(browser);
	entry.bytes = INT64_MAX;
	entry.count = UINT64_MAX;
	entry.t_end = entry.t_start - 1;
	entry.t_first = entry.t_start + INT64_C(86400) * 1000000000;
	ck_assert_ptr_nonnull(strstr(line_as(ACCESS_COMMON), " 200 9223372036854775807\n"));
	ck_assert_ptr_nonnull(
		strstr(line_as(ACCESS_JSON),
		       "\"ttfb\":86400.000000,\"total\":0.000000,\"count\":18446744073709551615,"));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_access_line");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_format_of_a_complete_request);
	tcase_add_test(tcase, what_a_request_does_not_say);
	tcase_add_test(tcase, of_a_refused_request_the_line_that_was_sent);
	tcase_add_test(tcase, blank_lines_are_no_part_of_the_method);
	tcase_add_test(tcase, what_clients_send_is_escaped);
	tcase_add_test(tcase, in_a_value_of_any_length);
	tcase_add_test(tcase, long_values_are_cut_with_a_mark);
	tcase_add_test(tcase, every_byte_is_written_so_that_it_can_be_read);
	tcase_add_test(tcase, lines_of_random_bytes_are_valid);
	tcase_add_test(tcase, peers_of_all_families);
	tcase_add_test(tcase, dates_are_of_the_local_time_zone);
	tcase_add_test(tcase, large_numbers);
	return unit_main("http_access_line", tcase);
}
