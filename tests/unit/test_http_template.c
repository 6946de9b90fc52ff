/* SPDX-License-Identifier: MIT */
#include "services/http/template.h"

#include "unit.h"

#include <string.h>

/* "host path query prefix_len" of a request. */
struct ask {
	const char *host, *path, *query;
	size_t prefix_len;
};

static struct template_values values_of(const struct ask *ask)
{
	return (struct template_values){
		.host = ask->host,
		.host_len = strlen(ask->host),
		.path = ask->path,
		.path_len = strlen(ask->path),
		.query = ask->query,
		.query_len = strlen(ask->query),
		.prefix_len = ask->prefix_len,
	};
}

static const struct {
	const char *text;
	struct ask ask;
	const char *target; /* "": none can be made */
} urls[] = {
	/* each placeholder */
	{ "/new", { "h", "/old", "?q", 0 }, "/new" },
	{ "https://{host}/x", { "h.example:8080", "/", "", 0 }, "https://h.example/x" },
	{ "https://{host}/x", { "H.Example.", "/", "", 0 }, "https://H.Example/x" },
	{ "https://{host}:8443{uri}", { "[::1]:80", "/a", "?b", 0 }, "https://[::1]:8443/a?b" },
	{ "/{path}/", { "h", "/a", "?b", 0 }, "/a/" },
	{ "{path}/", { "h", "/a", "?b", 0 }, "/a/" },
	{ "/new{path}", { "h", "/a/b", "", 0 }, "/new/a/b" },
	{ "/new/{path}", { "h", "/a/b", "", 0 }, "/new/a/b" },
	{ "/new{rest}", { "h", "/old/a/b", "", 4 }, "/new/a/b" },
	{ "/new/{rest}", { "h", "/old/a/b", "", 5 }, "/new/a/b" },
	{ "/new/{rest}", { "h", "/old/a/b", "", 4 }, "/new/a/b" },
	{ "/new/{rest}", { "h", "/old", "", 5 }, "/new/" },
	{ "/new{rest}", { "h", "/old", "", 4 }, "/new" },
	{ "/new{rest}", { "h", "/x", "", 0 }, "/new/x" },
	{ "/new{query}", { "h", "/x", "?a=b", 0 }, "/new?a=b" },
	{ "/new{query}", { "h", "/x", "", 0 }, "/new" },
	{ "/new{query}", { "h", "/x", "?", 0 }, "/new" },
	{ "/new?c{query}", { "h", "/x", "?a=b", 0 }, "/new?c&a=b" },
	{ "/new?to={path}{query}", { "h", "/x", "?a=b", 0 }, "/new?to=/x&a=b" },
	{ "/n/{uri}", { "h", "/x", "?a=b", 0 }, "/n/x?a=b" },
	{ "/n{uri}", { "h", "/x", "", 0 }, "/n/x" },
	{ "https://www.{host}{uri}",
	  { "example.org", "/x", "?y", 0 },
	  "https://www.example.org/x?y" },
	{ "//{host}{uri}", { "example.org", "/x", "?y", 0 }, "//example.org/x?y" },
	{ "https://login.example.org/?from=https://{host}{path}",
	  { "a.b", "/x", "", 0 },
	  "https://login.example.org/?from=https://a.b/x" },
	{ "{path}{path}", { "h", "/x", "", 0 }, "/x/x" },

	/* encoding: what is decoded in the path is encoded anew */
	{ "/n{path}", { "h", "/a b", "", 0 }, "/n/a%20b" },
	{ "/n{path}", { "h", "/\xc3\xbc", "", 0 }, "/n/%C3%BC" },
	{ "/n{path}", { "h", "/100%", "", 0 }, "/n/100%25" },
	{ "/n{path}", { "h", "/a?b#c", "", 0 }, "/n/a%3Fb%23c" },
	{ "/n{path}", { "h", "/{path}", "", 0 }, "/n/%7Bpath%7D" },
	{ "/n{uri}", { "h", "/x", "?a=%20+&c[]=d", 0 }, "/n/x?a=%20+&c[]=d" },
	{ "/a%20b{path}", { "h", "/x", "", 0 }, "/a%20b/x" },

	/* nothing of a client's ends a line or a header */
	{ "/n{path}", { "h", "/a\r\nSet-Cookie: b", "", 0 }, "/n/a%0D%0ASet-Cookie%3A%20b" },
	{ "/n{query}",
	  { "h", "/", "?\r\nX: \"<a>\x7f\xff#", 0 },
	  "/n?%0D%0AX:%20%22%3Ca%3E%7F%FF%23" },
	{ "https://{host}/", { "a\r\nb", "/", "", 0 }, "https://a%0D%0Ab/" },

	/* nor becomes a host, or a part of it */
	{ "/{rest}", { "h", "/old/evil.example", "", 4 }, "/evil.example" },
	{ "/{rest}", { "h", "/old/\\evil.example", "", 5 }, "/%5Cevil.example" },
	{ "{path}x", { "h", "/evil.example/", "", 0 }, "/evil.example/x" },
	{ "https://example.org{rest}",
	  { "h", "/old/.evil.example", "", 5 },
	  "https://example.org/.evil.example" },
	{ "https://example.org{rest}",
	  { "h", "/old/@evil.example", "", 5 },
	  "https://example.org/%40evil.example" },
	{ "https://example.org{rest}", { "h", "/old", "", 5 }, "https://example.org/" },
	{ "https://example.org:80{rest}", { "h", "/old/80", "", 5 }, "https://example.org:80/80" },
	{ "https://example.org{query}",
	  { "h", "/", "?@evil.example", 0 },
	  "https://example.org?@evil.example" },
	{ "https://{host}/", { "user@evil.example", "/", "", 0 }, "https://user%40evil.example/" },

	/* no host, where one is needed */
	{ "https://{host}{uri}", { "", "/", "", 0 }, "" },
	{ "https://{host}{uri}", { ":80", "/", "", 0 }, "" },
	{ "https://a{uri}", { "", "/", "", 0 }, "https://a/" },
};

START_TEST(targets_of_redirects)
{
	struct template_values values = values_of(&urls[_i].ask);
	size_t len = strlen(urls[_i].target);
	char out[256];

	ck_assert_ptr_null(template_check_url(urls[_i].text));
	ck_assert_uint_eq(template_url(urls[_i].text, &values, out, sizeof out), len);
	if (!len)
		return;
	ck_assert_str_eq(out, urls[_i].target);
	/* The length alone, and each size that is too small. */
	ck_assert_uint_eq(template_url(urls[_i].text, &values, NULL, 0), len);
	for (size_t size = 1; size <= len; size++) {
		memset(out, '!', sizeof out);
		ck_assert_uint_eq(template_url(urls[_i].text, &values, out, size), len);
		ck_assert_int_eq(strncmp(out, urls[_i].target, size - 1), 0);
		ck_assert_int_eq(out[size - 1], '\0');
		ck_assert_int_eq(out[size], '!');
	}
}
END_TEST

static const struct {
	const char *text;
	struct ask ask;
	const char *path; /* "": none */
} paths[] = {
	{ "{path}", { "h", "/a/b", "?q", 0 }, "/a/b" },
	{ "{path}", { "h", "/", "", 0 }, "/" },
	{ "{path}.html", { "h", "/a", "", 0 }, "/a.html" },
	{ "{path}.html", { "h", "/a b%\xc3\xbc", "", 0 }, "/a b%\xc3\xbc.html" },
	{ "{path}/", { "h", "/a", "", 0 }, "/a/" },
	{ "{path}/", { "h", "/a/", "", 0 }, "/a/" },
	{ "{path}/", { "h", "/", "", 0 }, "/" },
	{ "{path}/index.html", { "h", "/a/", "", 0 }, "/a/index.html" },
	{ "/index.html", { "h", "/a", "", 0 }, "/index.html" },
	{ "/new{rest}", { "h", "/old/a", "", 4 }, "/new/a" },
	{ "/new/{rest}", { "h", "/old/a", "", 4 }, "/new/a" },
	{ "/new/{rest}", { "h", "/old/a", "", 5 }, "/new/a" },
	{ "/new/{rest}", { "h", "/old", "", 5 }, "/new/" },
	{ "{rest}", { "h", "/old/a", "", 5 }, "/a" },
	{ "{rest}", { "h", "/old/", "", 5 }, "/" },
	{ "/{host}{path}", { "WWW.Example.Org.:80", "/a", "", 0 }, "/www.example.org/a" },
	{ "/{host}{path}", { "[::1]:80", "/a", "", 0 }, "/[::1]/a" },
	{ "/.well-known/acme-challenge/{rest}",
	  { "h", "/x/t", "", 3 },
	  "/.well-known/acme-challenge/t" },
	{ "{path}", { "h", "/.well-known/x", "", 0 }, "/.well-known/x" },
	{ "{path}", { "h", "/.well-known", "", 0 }, "/.well-known" },

	/* what would be a dot file or a dot segment is not there */
	{ "{path}.html", { "h", "/", "", 0 }, "" },
	{ "{path}.html", { "h", "/a/", "", 0 }, "" },
	{ "/{host}{path}", { "..", "/a", "", 0 }, "" },
	{ "/{host}{path}", { "..:80", "/a", "", 0 }, "" },
	{ "/{host}{path}", { ".hidden", "/a", "", 0 }, "" },
	{ "/{host}{path}", { ".well-known", "/a", "", 0 }, "/.well-known/a" },
	{ "/sites/{host}{path}", { ".well-known", "/a", "", 0 }, "" },
	{ "/{host}{path}", { ".well-known.x", "/a", "", 0 }, "" },
	{ "/x{path}", { "h", "/.well-known/a", "", 0 }, "" },

	/* no host */
	{ "/{host}{path}", { "", "/a", "", 0 }, "" },
	{ "/{host}{path}", { ":80", "/a", "", 0 }, "" },
};

START_TEST(paths_to_be_tried)
{
	struct template_values values = values_of(&paths[_i].ask);
	size_t len = strlen(paths[_i].path);
	char out[256] = "";

	ck_assert_ptr_null(template_check_path(paths[_i].text));
	ck_assert_uint_eq(template_path(paths[_i].text, &values, out, sizeof out), len);
	if (!len)
		return;
	ck_assert_str_eq(out, paths[_i].path);
	ck_assert_uint_eq(template_path(paths[_i].text, &values, out, len + 1), len);
	/* One byte less, and it does not fit. */
	memset(out, '!', sizeof out);
	ck_assert_uint_eq(template_path(paths[_i].text, &values, out, len), 0);
	ck_assert_int_eq(out[len], '!');
}
END_TEST

START_TEST(what_is_not_known_to_be_right_makes_nothing)
{
	struct template_values values = values_of(&(struct ask){ "h", "/a", "?b", 0 });
	char out[64];

	ck_assert_uint_eq(template_url("/{nobody}", &values, out, sizeof out), 0);
	ck_assert_uint_eq(template_path("/{uri}", &values, out, sizeof out), 0);
	ck_assert_uint_eq(template_path("/}", &values, out, sizeof out), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_template");

	tcase_add_loop_test(tcase, targets_of_redirects, 0, sizeof urls / sizeof urls[0]);
	tcase_add_loop_test(tcase, paths_to_be_tried, 0, sizeof paths / sizeof paths[0]);
	tcase_add_test(tcase, what_is_not_known_to_be_right_makes_nothing);
	return unit_main("http_template", tcase);
}
