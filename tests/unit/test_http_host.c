/* SPDX-License-Identifier: MIT */
#include "services/http/host.h"

#include "unit.h"

#include <string.h>

static const struct {
	const char *host, *name;
} hosts[] = {
	{ "a", "a" },
	{ "", "" },
	{ "a:80", "a" },
	{ "a.:80", "a" },
	{ "a.", "a" },
	{ "a..", "a." },
	{ ".", "" },
	{ ":80", "" },
	{ "www.example.org.:8080", "www.example.org" },
	{ "[::1]", "[::1]" },
	{ "[::1]:80", "[::1]" },
	{ "[::1].:80", "[::1]" },
	{ "[::1", "[" },
	{ "192.0.2.1:80", "192.0.2.1" },
};

START_TEST(port_and_final_dot_are_cut_off)
{
	size_t len = host_cut(hosts[_i].host, strlen(hosts[_i].host));

	ck_assert_uint_eq(len, strlen(hosts[_i].name));
	ck_assert_int_eq(strncmp(hosts[_i].host, hosts[_i].name, len), 0);
}
END_TEST

static const char *const good[] = {
	"a",         "www.example.org", "*.example.org", "xn--bcher-kva.example",
	"192.0.2.1", "[2001:db8::1]",   "a_b-c",         "WWW.EXAMPLE.ORG",
	"*.a"
};
static const char *const bad[] = { "",
				   "_",
				   "*",
				   "*.",
				   "default",
				   ".a",
				   "a.",
				   "a..b",
				   "a:1",
				   "a b",
				   "a/",
				   "*a",
				   "*.*.a",
				   "a.*",
				   "~a",
				   "[::1",
				   "[]",
				   "[x]",
				   "[1.2.3.4]",
				   "b\xc3\xbc",
				   "http://a",
				   "*..a",
				   "[00000000000000000000000000000000000000000000000000001::]",
				   "a\tb" };

START_TEST(a_good_name)
{
	ck_assert_msg(!host_check(good[_i]), "%s", good[_i]);
}
END_TEST

START_TEST(a_bad_name)
{
	ck_assert_msg(host_check(bad[_i]) != NULL, "%s", bad[_i]);
}
END_TEST

START_TEST(a_name_has_253_letters_at_most)
{
	char name[HOST_NAME_MAX_LEN + 2];

	memset(name, 'a', sizeof name);
	name[HOST_NAME_MAX_LEN] = '\0';
	ck_assert_ptr_null(host_check(name));
	name[HOST_NAME_MAX_LEN] = 'a';
	name[HOST_NAME_MAX_LEN + 1] = '\0';
	ck_assert_ptr_nonnull(host_check(name));
}
END_TEST

/* RFC 3986 section 3.2.2 and 3.2.3; port: with one that is not 0, as CONNECT needs it. */
static const struct {
	const char *text;
	bool valid, port;
} authorities[] = {
	{ "a", true, false },
	{ "a:", true, false },
	{ "a:0", true, false },
	{ "a:000", true, false },
	{ "a:80", true, true },
	{ "a:00080", true, true },
	{ "a:000080", false, false },
	{ "a:65535", true, true },
	{ "a:65536", false, false },
	{ "a:8o", false, false },
	{ "a%2Db:1", true, true },
	{ "a%2", false, false },
	{ "a%g0", false, false },
	{ "a%0g", false, false },
	{ "a/b", false, false },
	{ "", false, false },
	{ ":80", false, false },
	{ "[::1]", true, false },
	{ "[::1]:80", true, true },
	{ "[::1]80", false, false },
	{ "[::1", false, false },
	{ "[]", false, false },
	{ "[x]:80", false, false },
	{ "[00000000000000000000000000000000000000000000000000001::]", false, false },
};

START_TEST(an_authority)
{
	size_t len = strlen(authorities[_i].text);
	const char *text = authorities[_i].text, *end = text + len;

	ck_assert_msg(host_is_valid(text, end, false) == authorities[_i].valid, "%s", text);
	ck_assert_msg(host_is_valid(text, end, true) == authorities[_i].port, "%s", text);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_host");

	tcase_add_loop_test(tcase, port_and_final_dot_are_cut_off, 0,
			    sizeof hosts / sizeof hosts[0]);
	tcase_add_loop_test(tcase, a_good_name, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tcase, a_bad_name, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(tcase, a_name_has_253_letters_at_most);
	tcase_add_loop_test(tcase, an_authority, 0, sizeof authorities / sizeof authorities[0]);
	return unit_main("http_host", tcase);
}
