/* SPDX-License-Identifier: MIT */
#include "services/http/path.h"

#include "exact_copy.h"
#include "unit.h"

#include <limits.h>
#include <string.h>

#define T(text) text, sizeof(text) - 1

static const struct row {
	const char *text;
	size_t len;
	int status;
	const char *clean;
} rows[] = {
	{ T("/"), 0, "/" },
	{ T(""), 0, "/" },
	{ T("/a"), 0, "/a" },
	{ T("/a/"), 0, "/a/" },
	{ T("/a/b.html"), 0, "/a/b.html" },
	{ T("//"), 0, "/" },
	{ T("//a///b//"), 0, "/a/b/" },
	{ T("/./"), 0, "/" },
	{ T("/."), 0, "/" },
	{ T("/a/."), 0, "/a/" },
	{ T("/a/./b"), 0, "/a/b" },
	{ T("/a/.."), 0, "/" },
	{ T("/a/../"), 0, "/" },
	{ T("/a/../b"), 0, "/b" },
	{ T("/a/b/.."), 0, "/a/" },
	{ T("/a/b/../../c"), 0, "/c" },
	{ T("/a/%2e%2e/b"), 0, "/b" },
	{ T("/a/%2E/b"), 0, "/a/b" },
	{ T("/a/.%2e/b"), 0, "/b" },
	{ T("/%61%2f"), PATH_NO_FILE, "/a/" },
	{ T("/a%20b"), 0, "/a b" },
	{ T("/%C3%A9"), 0, "/\xc3\xa9" },
	{ T("/100%25"), 0, "/100%" },
	{ T("/%2525"), 0, "/%25" },
	{ T("/a%3Fb"), 0, "/a?b" },
	{ T("/a..b"), 0, "/a..b" },
	{ T("/a.."), 0, "/a.." },
	{ T("/a\\..\\b"), 0, "/a\\..\\b" },
	{ T("/.."), 400, NULL },
	{ T("/../"), 400, NULL },
	{ T("/../etc/passwd"), 400, NULL },
	{ T("/a/../../b"), 400, NULL },
	{ T("/%2e%2e/etc/passwd"), 400, NULL },
	{ T("/..%2fetc"), 404, NULL },
	{ T("/a/..%2f..%2fetc"), 404, NULL },
	{ T("/%00"), 400, NULL },
	{ T("/a%00.html"), 400, NULL },
	{ T("/%"), 400, NULL },
	{ T("/%4"), 400, NULL },
	{ T("/%4g"), 400, NULL },
	{ T("/%g4"), 400, NULL },
	{ T("/%%41"), 400, NULL },
	{ T("/.git/config"), PATH_NO_FILE, "/.git/config" },
	{ T("/a/.htaccess"), PATH_NO_FILE, "/a/.htaccess" },
	{ T("/%2egit"), PATH_NO_FILE, "/.git" },
	{ T("/..."), PATH_NO_FILE, "/..." },
	{ T("/..a"), PATH_NO_FILE, "/..a" },
	{ T("/.well-known/acme"), 0, "/.well-known/acme" },
	{ T("/%2ewell-known/acme"), 0, "/.well-known/acme" },
	{ T("/a/.well-known/acme"), PATH_NO_FILE, "/a/.well-known/acme" },
	{ T("/.well-knownx"), PATH_NO_FILE, "/.well-knownx" },
	{ T("/.well-knowm/acme"), PATH_NO_FILE, "/.well-knowm/acme" },
	{ T("/.WELL-KNOWN/acme"), PATH_NO_FILE, "/.WELL-KNOWN/acme" },
	{ T("/.well-known"), 0, "/.well-known" },
	{ T("/a/../.well-known/acme"), 0, "/.well-known/acme" },
	{ T("/./.git"), PATH_NO_FILE, "/.git" },
	{ T("/a//../..//b"), 400, NULL },
	{ T("/a/.//../b/"), 0, "/b/" },
	{ T("/%2E%2E%2F%2E%2E%2Fetc"), 404, NULL },
	{ T("/a/%2e%2e/%2e%2e/b"), 400, NULL },
	{ T("/%252e%252e/etc"), 0, "/%2e%2e/etc" },
	{ T("/%c0%ae%c0%ae/etc"), 0, "/\xc0\xae\xc0\xae/etc" },
	{ T("/%ef%bc%8e%ef%bc%8e/etc"), 0, "/\xef\xbc\x8e\xef\xbc\x8e/etc" },
	{ T("/..\\..\\etc"), PATH_NO_FILE, "/..\\..\\etc" },
	{ T("/a/..;/b"), 404, NULL },
	{ T("/%0d%0aX:y"), 0, "/\r\nX:y" },
	{ T("/a%00/../b"), 400, NULL },
	{ T("/a%2Fb"), PATH_NO_FILE, "/a/b" },
	{ T("/a%2F%2fb%2F"), PATH_NO_FILE, "/a/b/" },
	{ T("/%2F"), PATH_NO_FILE, "/" },
	{ T("/a%2F/b"), PATH_NO_FILE, "/a/b" },
	{ T("/a/%2Fb"), PATH_NO_FILE, "/a/b" },
	{ T("/a/..%2Fb"), 404, NULL },
	{ T("/a%2F../b"), 404, NULL },
	{ T("/a%2F.."), 404, NULL },
	{ T("/a%2F."), 404, NULL },
	{ T("/a/.%2Fb"), 404, NULL },
	{ T("/a%2Fb/../c"), PATH_NO_FILE, "/a/c" },
	{ T("/a/..;x=1/b"), 404, NULL },
	{ T("/a/.;/b"), 404, NULL },
	{ T("/a;v=1/b"), 0, "/a;v=1/b" },
	{ T("/a%2Fb%"), 400, NULL },
	{ T("/a/b%"), 400, NULL },
	{ T("/a/b%2"), 400, NULL },
	{ T("/a%u002f"), 400, NULL },
	{ T("/a% 41"), 400, NULL },
	{ T("/a%-1"), 400, NULL },
	{ T("/a%@1"), 400, NULL },
	{ T("/a%1G"), 400, NULL },
	{ T("/a%1/b"), 400, NULL },
	{ T("/a%2\xc3"), 400, NULL },
	{ T("/a%3A%2f"), PATH_NO_FILE, "/a:/" },
	{ T("/a%5c..%5cb"), 0, "/a\\..\\b" },
	{ T("/a+b"), 0, "/a+b" },
	{ T("/.well-known/.x"), PATH_NO_FILE, "/.well-known/.x" },
};

START_TEST(a_path_is_decoded_and_freed_of_dot_segments)
{
	const struct row *row = &rows[_i];
	char out[256], *exact = exact_copy(row->text, row->len);
	size_t len = 0;
	int status;

	status = path_clean(exact, row->len, out, sizeof out, &len);
	ck_assert_msg(status == row->status, "%s: %d", row->text, status);
	if (row->clean) {
		ck_assert_str_eq(out, row->clean);
		ck_assert_uint_eq(len, strlen(row->clean));
	}
	/* The short cut says yes only to what would come out as it went in. */
	if (path_is_clean(exact, row->len))
		ck_assert_str_eq(row->text, row->clean);
	free(exact);
}
END_TEST

START_TEST(the_usual_paths_are_clean_already)
{
	ck_assert(path_is_clean(T("/")));
	ck_assert(path_is_clean(T("/index.html")));
	ck_assert(path_is_clean(T("/a/b-c_d~e/")));
	ck_assert(!path_is_clean(T("")));
	ck_assert(!path_is_clean(T("a")));
	ck_assert(!path_is_clean(T("//")));
	ck_assert(!path_is_clean(T("/.a")));
	ck_assert(!path_is_clean(T("/a/../b")));
	ck_assert(!path_is_clean(T("/%41")));
}
END_TEST

START_TEST(what_does_not_fit_is_not_found)
{
	char long_path[PATH_MAX + 10], out[PATH_MAX];
	size_t len;

	for (size_t size = 0; size < 12; size++) {
		memset(out, 'x', sizeof out);
		ck_assert_int_eq(path_clean(T("/abc/def/gh"), out, size, &len), 404);
		for (size_t i = size; i < 20; i++)
			ck_assert_int_eq(out[i], 'x');
	}
	ck_assert_int_eq(path_clean(T("/abc/def/gh"), out, 12, &len), 0);
	ck_assert_int_eq(path_clean(T("/abc/def/g/"), out, 12, &len), 0);
	ck_assert_int_eq(path_clean(T("/abc/def/gh/"), out, 12, &len), 404);
	memset(long_path, 'a', sizeof long_path);
	long_path[0] = '/';
	ck_assert(path_is_clean(long_path, PATH_MAX - 1));
	ck_assert(!path_is_clean(long_path, PATH_MAX));
	ck_assert_int_eq(path_clean(long_path, PATH_MAX, out, sizeof out, &len), 404);
	ck_assert_int_eq(path_clean(long_path, PATH_MAX - 1, out, sizeof out, &len), 0);
}
END_TEST

START_TEST(encoding_leaves_only_what_is_safe_everywhere)
{
	char out[64];
	size_t len = path_encode(T("/a b/\xc3\xa9?\"<%\r\n\0~-._z"), out);

	out[len] = '\0';
	ck_assert_str_eq(out, "/a%20b/%C3%A9%3F%22%3C%25%0D%0A%00~-._z");
}
END_TEST

START_TEST(every_byte_is_encoded_so_that_it_comes_back)
{
	static const char plain[] =
		"/-._~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (int i = 1; i < 256; i++) {
		char path[] = { '/', 'x', (char)i, '\0' }, encoded[16], back[8];
		size_t n = path_encode(path, 3, encoded), len;

		ck_assert_uint_eq(n, strchr(plain, i) ? 3 : 5);
		ck_assert_int_eq(path_clean(encoded, n, back, sizeof back, &len), 0);
		ck_assert_str_eq(back, path);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_path");

	tcase_add_loop_test(tcase, a_path_is_decoded_and_freed_of_dot_segments, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, the_usual_paths_are_clean_already);
	tcase_add_test(tcase, what_does_not_fit_is_not_found);
	tcase_add_test(tcase, encoding_leaves_only_what_is_safe_everywhere);
	tcase_add_test(tcase, every_byte_is_encoded_so_that_it_comes_back);
	return unit_main("http_path", tcase);
}
