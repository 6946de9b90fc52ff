/* SPDX-License-Identifier: MIT */
#include "services/http/listing.h"
#include "services/http/root.h"

#include "temp_folder.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

enum { MODIFIED = 784111777 }; /* 1994-11-06 08:49:37 UTC */

static struct temp_folder folder;
static struct root root;
static char *page;
static size_t len;

static void setup(void)
{
	temp_folder_init(&folder);
	temp_mkdir(&folder, "www");
	temp_mkdir(&folder, "www/sub");
	ck_assert_int_eq(root_open(&root, temp_path(&folder, "www"), false), 0);
	page = NULL;
}

static void teardown(void)
{
	free(page);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

static const char *list(const char *name, const char *path, const char *query)
{
	free(page);
	page = NULL;
	ck_assert_int_eq(
		listing_make(&root, name, path, strlen(path), query, strlen(query), &page, &len),
		0);
	ck_assert_uint_eq(strlen(page), len);
	return page;
}

/* Where a text stands on the page; it must be there once. */
static size_t place_of(const char *text)
{
	char *found = strstr(page, text);

	ck_assert_msg(found && !strstr(found + 1, text), "%s: %s", text, page);
	return (size_t)(found - page);
}

static void follow(const char *first, const char *second, const char *third)
{
	ck_assert_uint_lt(place_of(first), place_of(second));
	ck_assert_uint_lt(place_of(second), place_of(third));
}

START_TEST(files_and_folders_with_size_and_time)
{
	temp_write(&folder, "www/a.txt", "hello");
	temp_touch(&folder, "www/a.txt", MODIFIED);
	temp_touch(&folder, "www/sub", MODIFIED + 1);
	list("", "/", "");
	ck_assert_int_eq(strncmp(page, "<!DOCTYPE html>\n", 16), 0);
	place_of("<tr><td><a href=\"a.txt\"><bdi>a.txt</bdi></a></td>"
		 "<td><data value=\"5\">5 B</data></td>"
		 "<td><time datetime=\"1994-11-06 08:49:37Z\">1994-11-06 08:49</time></td></tr>\n");
	place_of("<tr><td><a href=\"sub/\"><bdi>sub</bdi>/</a></td><td></td>"
		 "<td><time datetime=\"1994-11-06 08:49:38Z\">1994-11-06 08:49</time></td></tr>\n");
	follow("href=\"sub/\"", "href=\"a.txt\"", "</html>\n");
}
END_TEST

START_TEST(the_way_up)
{
	list("", "/", "");
	ck_assert_ptr_null(strstr(page, ".."));
	place_of("<title>/</title>");
	place_of("<h1><a href=\"./\"><bdi></bdi>/</a></h1>");
	temp_mkdir(&folder, "www/sub/deep");
	list("sub/deep/", "/sub/deep/", "");
	place_of("<tr><td><a href=\"../\">..</a></td><td></td><td></td></tr>\n");
	place_of("<title>/sub/deep/</title>");
	place_of("<h1><a href=\"../../\"><bdi></bdi>/</a><a href=\"../\"><bdi>sub</bdi>/</a>"
		 "<a href=\"./\"><bdi>deep</bdi>/</a></h1>");
}
END_TEST

START_TEST(the_order_is_asked_for)
{
	temp_write(&folder, "www/b", "12");
	temp_touch(&folder, "www/b", MODIFIED);
	temp_write(&folder, "www/a", "123");
	temp_touch(&folder, "www/a", MODIFIED + 1);
	temp_write(&folder, "www/c", "1");
	temp_touch(&folder, "www/c", MODIFIED + 2);
#define A "href=\"a\""
#define B "href=\"b\""
#define C "href=\"c\""
	list("", "/", "");
	follow(A, B, C);
	follow("href=\"sub/\"", A, "</html>");
	list("", "/", "?sort=name&order=desc");
	follow(C, B, A);
	follow("href=\"sub/\"", C, "</html>");
	list("", "/", "sort=size");
	follow(C, B, A);
	list("", "/", "?sort=size&order=desc");
	follow(A, B, C);
	list("", "/", "?x&order=desc&sort=time&y=z&");
	follow(C, A, B);
	list("", "/", "?sort=time&order=asc");
	follow(B, A, C);
	list("", "/", "?sort=names&order=descending&sort=&=");
	follow(A, B, C);
	place_of(
		"<th scope=\"col\" aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">");
	place_of("<th scope=\"col\"><a href=\"?sort=time&amp;order=asc\">");
	list("", "/", "?sort=time&order=desc");
	place_of(
		"<th scope=\"col\" aria-sort=\"descending\"><a href=\"?sort=time&amp;order=asc\">");
}
END_TEST

START_TEST(what_is_not_served_is_not_shown)
{
	temp_write(&folder, "www/.hidden", "");
	temp_mkdir(&folder, "www/.git");
	temp_write(&folder, "secret", "");
	ck_assert_int_eq(mkfifo(temp_path(&folder, "www/pipe"), 0644), 0);
	ck_assert_int_eq(symlink("../secret", temp_path(&folder, "www/out")), 0);
	ck_assert_int_eq(symlink("/etc", temp_path(&folder, "www/etc")), 0);
	ck_assert_int_eq(symlink("none", temp_path(&folder, "www/dangling")), 0);
	ck_assert_int_eq(symlink("pipe", temp_path(&folder, "www/to-pipe")), 0);
	list("", "/", "");
	place_of("<a href=\"sub/\"");
	ck_assert_ptr_null(strstr(page, "hidden"));
	ck_assert_ptr_null(strstr(page, "git"));
	ck_assert_ptr_null(strstr(page, "pipe"));
	ck_assert_ptr_null(strstr(page, "\"out"));
	ck_assert_ptr_null(strstr(page, "etc"));
	ck_assert_ptr_null(strstr(page, "dangling"));
}
END_TEST

START_TEST(links_are_shown_as_what_they_lead_to)
{
	temp_write(&folder, "www/a", "12345");
	ck_assert_int_eq(symlink("../a", temp_path(&folder, "www/sub/to-file")), 0);
	ck_assert_int_eq(symlink("../sub", temp_path(&folder, "www/sub/to-folder")), 0);
	list("sub/", "/sub/", "");
	place_of("<a href=\"to-file\"><bdi>to-file</bdi></a></td><td><data value=\"5\">");
	place_of("<a href=\"to-folder/\">");
}
END_TEST

START_TEST(names_of_every_kind_of_byte)
{
	static const struct {
		const char *name, *row;
	} table[] = {
		{ "<b>&\"'", "href=\"%3Cb%3E%26%22%27\"><bdi>&#60;b&#62;&#38;&#34;&#39;</bdi>" },
		{ "a\nb\x7f", "href=\"a%0Ab%7F\"><bdi>a\xe2\x90\x8a"
			      "b\xe2\x90\xa1</bdi>" },
		{ "\xc3\xa4 \xff \xc2\x85",
		  "href=\"%C3%A4%20%FF%20%C2%85\"><bdi>\xc3\xa4 \xef\xbf\xbd \xef\xbf\xbd</bdi>" },
		{ "\xef\xbf\xbe\xef\xb7\x90", "><bdi>\xef\xbf\xbd\xef\xbf\xbd</bdi>" },
		{ "photo_\xe2\x80\xaegpj.exe", "<bdi>photo_\xef\xbf\xbdgpj.exe</bdi>" },
		{ "-rf", "href=\"-rf\"><bdi>-rf</bdi>" },
		{ "  two  ", "href=\"%20%20two%20%20\"><bdi>  two  </bdi>" },
		{ "javascript:alert(1)", "href=\"javascript%3Aalert%281%29\">" },
		{ "a?b#c%41", "href=\"a%3Fb%23c%2541\"><bdi>a?b#c%41</bdi>" },
		{ "\\", "href=\"%5C\"" },
		{ "~", "href=\"~\"" },
	};
	char path[300], name[256], expected[256 + 40];

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		snprintf(path, sizeof path, "www/%s", table[i].name);
		temp_write(&folder, path, "");
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	snprintf(path, sizeof path, "www/%s", name);
	temp_write(&folder, path, "");
	list("", "/", "");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		place_of(table[i].row);
	snprintf(expected, sizeof expected, "<a href=\"%s\">", name);
	place_of(expected);
	place_of("</html>\n");
}
END_TEST

START_TEST(the_path_is_escaped_too)
{
	temp_mkdir(&folder, "www/<x>&\"");
	list("<x>&\"/", "/<x>&\"/", "?sort=<script>");
	place_of("<title>/&#60;x&#62;&#38;&#34;/</title>");
	ck_assert_ptr_null(strstr(page, "<x>"));
	ck_assert_ptr_null(strstr(page, "<script>"));
}
END_TEST

static void make_size(const char *name, off_t size)
{
	temp_write(&folder, name, "");
	ck_assert_int_eq(truncate(temp_path(&folder, name), size), 0);
}

START_TEST(sizes_are_for_people)
{
	make_size("www/0", 0);
	make_size("www/1", 1023);
	make_size("www/2", 1024);
	make_size("www/3", 1024 * 10 - 1);
	make_size("www/4", 1024 * 1024 - 1);
	make_size("www/5", (off_t)1024 * 1024 * 3 / 2);
	make_size("www/6", (off_t)5 << 30);
	list("", "/", "");
	place_of(">0 B<");
	place_of(">1023 B<");
	place_of(">1.0 KiB<");
	place_of(">9.9 KiB<");
	place_of(">1023 KiB<");
	place_of(">1.5 MiB<");
	place_of("<data value=\"5368709120\">5.0 GiB<");
}
END_TEST

START_TEST(times_of_every_age)
{
	temp_write(&folder, "www/old", "");
	temp_touch(&folder, "www/old", -1000000000);
	list("", "/", "");
	place_of("<time datetime=\"1938-04-24 22:13:20Z\">1938-04-24 22:13</time>");
}
END_TEST

START_TEST(a_page_has_an_end)
{
	char name[32];

	for (int i = 0; i < LISTING_MAX + 10; i++) {
		snprintf(name, sizeof name, "www/sub/%05d", i);
		ck_assert_int_eq(
			close(open(temp_path(&folder, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)),
			0);
	}
	list("sub/", "/sub/", "");
	/* Either the number was too much or, on a slow machine, the time: it stands there. */
	ck_assert_ptr_nonnull(strstr(page, " more entries are not shown.</p>"));
	if (!strstr(page, "At least"))
		place_of("<p>10 more entries are not shown.</p>");
}
END_TEST

START_TEST(what_cannot_be_listed)
{
	temp_write(&folder, "www/a", "");
	ck_assert_int_eq(listing_make(&root, "none/", "/none/", 6, "", 0, &page, &len), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(listing_make(&root, "a", "/a/", 3, "", 0, &page, &len), -1);
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_int_eq(listing_make(&root, "../", "/../", 4, "", 0, &page, &len), -1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_listing");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, files_and_folders_with_size_and_time);
	tcase_add_test(tcase, the_way_up);
	tcase_add_test(tcase, the_order_is_asked_for);
	tcase_add_test(tcase, what_is_not_served_is_not_shown);
	tcase_add_test(tcase, links_are_shown_as_what_they_lead_to);
	tcase_add_test(tcase, names_of_every_kind_of_byte);
	tcase_add_test(tcase, the_path_is_escaped_too);
	tcase_add_test(tcase, sizes_are_for_people);
	tcase_add_test(tcase, times_of_every_age);
	tcase_add_test(tcase, a_page_has_an_end);
	tcase_add_test(tcase, what_cannot_be_listed);
	return unit_main("http_listing", tcase);
}
