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

int main(void)
{
	TCase *tcase = tcase_create("http_host");

	tcase_add_loop_test(tcase, port_and_final_dot_are_cut_off, 0,
			    sizeof hosts / sizeof hosts[0]);
	tcase_add_loop_test(tcase, a_good_name, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tcase, a_bad_name, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(tcase, a_name_has_253_letters_at_most);
	return unit_main("http_host", tcase);
}
