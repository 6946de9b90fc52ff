/* SPDX-License-Identifier: MIT */
#include "services/http/mime.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *type_of(struct mime *mime, const char *name)
{
	return mime_type(mime, name, strlen(name));
}

/* A table of this text; the file is gone again when it returns. */
static struct mime *mime_of(const char *text)
{
	char path[] = "/tmp/test_http_mime.XXXXXX";
	int fd = mkstemp(path);
	struct mime *mime;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	mime = mime_new(path);
	ck_assert_int_eq(errno, 0);
	ck_assert_ptr_nonnull(mime);
	unlink(path);
	return mime;
}

START_TEST(the_usual_types_are_built_in)
{
	struct mime *mime = mime_new(NULL);

	ck_assert_int_eq(errno, 0);
	ck_assert_str_eq(type_of(mime, "index.html"), "text/html");
	ck_assert_str_eq(type_of(mime, "/a/b.c/x.css"), "text/css");
	ck_assert_str_eq(type_of(mime, "x.js"), "text/javascript");
	ck_assert_str_eq(type_of(mime, "x.json"), "application/json");
	ck_assert_str_eq(type_of(mime, "x.PNG"), "image/png");
	ck_assert_str_eq(type_of(mime, "x.tar.gz"), "application/gzip");
	ck_assert_str_eq(type_of(mime, "x.mp4"), "video/mp4");
	ck_assert_str_eq(type_of(mime, "x.woff2"), "font/woff2");
	mime_free(mime);
}
END_TEST

START_TEST(what_is_unknown_is_bytes)
{
	struct mime *mime = mime_new(NULL);
	static const char *const names[] = {
		"",     "x", "x.",      "x.unknown",  "/a.html/x",
		"html", ".", "x.html.", "x.html.bak", "x.extensionthatistoolong"
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_str_eq(type_of(mime, names[i]), "application/octet-stream");
	mime_free(mime);
}
END_TEST

START_TEST(the_systems_table_goes_first)
{
	struct mime *mime = mime_of("# a comment\n"
				    "\n"
				    "text/x-page  html\tHTM # and another\n"
				    "application/x-thing thing\r\n"
				    "text/later html\n"
				    "application/x-none\n"
				    "types {\n"
				    "    text/x-theirs  one two;\n"
				    "}\n"
				    "application/x-last last");

	ck_assert_str_eq(type_of(mime, "a.html"), "text/x-page");
	ck_assert_str_eq(type_of(mime, "a.htm"), "text/x-page");
	ck_assert_str_eq(type_of(mime, "a.thing"), "application/x-thing");
	ck_assert_str_eq(type_of(mime, "a.one"), "text/x-theirs");
	ck_assert_str_eq(type_of(mime, "a.two"), "text/x-theirs");
	ck_assert_str_eq(type_of(mime, "a.last"), "application/x-last");
	ck_assert_str_eq(type_of(mime, "a.png"), "image/png");
	mime_free(mime);
}
END_TEST

START_TEST(lines_that_could_harm_a_header_are_passed_over)
{
	char text[1024];
	struct mime *mime;

	snprintf(text, sizeof text,
		 "text a1\n/x a2\nx/ a3\nx/y/z a4\nx/\"y a5\nx/\x01y a6\nx/%0200d a7\nx/y;z=1 a8\n"
		 "x/%0130d a9\n",
		 0, 0);
	mime = mime_of(text);
	for (int i = 1; i <= 8; i++) {
		char name[] = "x.a0";

		name[3] = (char)('0' + i);
		ck_assert_str_eq(type_of(mime, name), "application/octet-stream");
	}
	ck_assert_uint_eq(strlen(type_of(mime, "x.a9")), 132);
	mime_free(mime);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told_and_survived)
{
	struct mime *mime = mime_new("/nonexistent/mime.types");

	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(type_of(mime, "x.png"), "image/png");
	mime_free(mime);
	mime = mime_new("/");
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_str_eq(type_of(mime, "x.png"), "image/png");
	mime_free(mime);
	mime_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_mime");

	tcase_add_test(tcase, the_usual_types_are_built_in);
	tcase_add_test(tcase, what_is_unknown_is_bytes);
	tcase_add_test(tcase, the_systems_table_goes_first);
	tcase_add_test(tcase, lines_that_could_harm_a_header_are_passed_over);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_told_and_survived);
	return unit_main("http_mime", tcase);
}
