/* SPDX-License-Identifier: MIT */
#include "services/http/file.h"

#include "temp_folder.h"
#include "unit.h"

#include <errno.h>

enum { NOW = 1700000000, MODIFIED = 784111777 };

static struct temp_folder folder;
static struct root root;
static struct mime *mime;
static struct file_options options;
static struct settings settings;
static const char *lines; /* of `header` */

/* In place of the directives'. */
size_t settings_headers(const struct settings *given, bool error, char *out, size_t size)
{
	ck_assert_ptr_eq(given, &settings);
	ck_assert(!error);
	ck_assert_uint_ge(size, strlen(lines));
	memcpy(out, lines, strlen(lines));
	return strlen(lines);
}

static void setup(void)
{
	temp_folder_init(&folder);
	ck_assert_int_eq(root_open(&root, folder.path, false), 0);
	mime = mime_new(NULL);
	options = (struct file_options){ .mime = mime,
					 .server = "Server: x\r\n",
					 .content_max = 100 };
	settings = (struct settings){ .root = &root, .charset = "utf-8", .expires = EXPIRES_NONE };
	lines = "";
}

static void teardown(void)
{
	mime_free(mime);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

static int try_name(const char *name, struct file **file_r)
{
	return file_open(file_r, &settings, &options, name, &folder, "/key", 4, NOW);
}

static struct file *open_name(const char *name)
{
	struct file *file = NULL;

	ck_assert_int_eq(try_name(name, &file), 0);
	file->is_first = true;
	return file;
}

/* The head as a string, and what is in memory behind it. */
static const char *head_of(const struct file *file)
{
	static char text[4][FILE_HEAD_MAX + 200];
	static unsigned turn;
	size_t len = file->head_len + (file->fd < 0 ? (size_t)file->size : 0);

	turn = (turn + 1) % 4;
	ck_assert_uint_lt(len, sizeof text[turn]);
	memcpy(text[turn], file->head, len);
	text[turn][len] = '\0';
	return text[turn];
}

static void ck_has(const struct file *file, const char *part)
{
	if (!strstr(head_of(file), part))
		ck_abort_msg("%s\nlacks %s", head_of(file), part);
}

static void ck_has_not(const struct file *file, const char *part)
{
	if (strstr(head_of(file), part))
		ck_abort_msg("%s\nhas %s", head_of(file), part);
}

/* A variant that is as old as the file. */
static void write_old(const char *name, const char *text)
{
	temp_write(&folder, name, text);
	temp_touch(&folder, name, MODIFIED);
}

START_TEST(a_small_file_is_one_piece_of_memory)
{
	struct file *file;

	temp_write(&folder, "a.html", "hello");
	temp_touch(&folder, "a.html", MODIFIED);
	file = open_name("a.html");
	ck_assert_int_eq(file->fd, -1);
	ck_assert_int_eq(strncmp(file->head,
				 "HTTP/1.1 200 OK\r\n"
				 "Content-Length: 5\r\n"
				 "Content-Type: text/html; charset=utf-8\r\n"
				 "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
				 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				 "ETag: \"ae1b981bc490a00-5\"\r\n"
				 "Accept-Ranges: bytes\r\n"
				 "Server: x\r\n"
				 "\r\n"
				 "hello",
				 file->head_len + 5),
			 0);
	ck_assert_int_eq(strncmp(file->head + file->type_at, "Content-Type: ", 14), 0);
	ck_assert_uint_eq(file->encoding_at, file->common_at);
	ck_assert_int_eq(strncmp(file->head + file->common_at, "Date: ", 6), 0);
	ck_assert_int_eq(strncmp(file->head + file->date_at, "Tue, ", 5), 0);
	ck_assert_int_eq(
		strncmp(file->head + file->etag_at, "\"ae1b981bc490a00-5\"\r", file->etag_len + 1),
		0);
	ck_assert_int_eq(strncmp(file->head + file->head_len - 4, "\r\n\r\n", 4), 0);
	ck_assert_int_eq(file->modified, MODIFIED);
	ck_assert_str_eq(file->text, "/a.html");
	ck_assert_int_eq(strncmp(file->key, "/key", file->key_len), 0);
	ck_assert_uint_eq(file->encodings, 1);
	file_unref(file);
}
END_TEST

START_TEST(a_large_file_is_a_descriptor)
{
	char data[101] = "";
	struct file *file;

	temp_write_bytes(&folder, "large", data, 101);
	temp_write_bytes(&folder, "limit", data, 100);
	temp_write(&folder, "empty", "");
	file = open_name("large");
	ck_assert_int_ge(file->fd, 0);
	ck_assert_int_eq(file->size, 101);
	file_unref(file);
	file = open_name("limit");
	ck_assert_int_eq(file->fd, -1);
	file_unref(file);
	file = open_name("empty");
	ck_assert_int_eq(file->fd, -1);
	ck_assert_int_eq(file->size, 0);
	file_unref(file);
}
END_TEST

START_TEST(only_files_are_opened)
{
	struct file *file;

	temp_mkdir(&folder, "sub");
	ck_assert_int_eq(mkfifo(temp_path(&folder, "pipe"), 0644), 0);
	ck_assert_int_eq(try_name("sub", &file), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(try_name("pipe", &file), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(try_name("none", &file), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_change_on_disk_is_seen)
{
	struct file *file;

	temp_write(&folder, "a", "one");
	temp_touch(&folder, "a", MODIFIED);
	file = open_name("a");
	ck_assert(file_is_current(file, NOW));
	/* The same size and time, in place: the time of change tells. */
	temp_write(&folder, "a", "two");
	temp_touch(&folder, "a", MODIFIED);
	ck_assert(!file_is_current(file, NOW));
	file_unref(file);

	file = open_name("a");
	temp_write(&folder, "b", "two");
	temp_touch(&folder, "b", MODIFIED);
	ck_assert_int_eq(rename(temp_path(&folder, "b"), temp_path(&folder, "a")), 0);
	ck_assert(!file_is_current(file, NOW));
	file_unref(file);

	file = open_name("a");
	ck_assert_int_eq(unlink(temp_path(&folder, "a")), 0);
	ck_assert(!file_is_current(file, NOW));
	file_unref(file);
}
END_TEST

START_TEST(a_file_just_written_is_not_trusted)
{
	struct file *file;

	temp_write(&folder, "a", "one");
	temp_touch(&folder, "a", time(NULL) + 1000);
	file = open_name("a");
	ck_assert(file->is_racy);
	ck_assert(!file_is_current(file, NOW));
	/* RFC 9110 section 8.8.2.1: Last-Modified is not after Date. */
	ck_assert_int_eq(file->modified, NOW);
	file_unref(file);
}
END_TEST

START_TEST(the_longest_head_fits)
{
	char line[400] = "text/", path[] = "/tmp/test_http_file.XXXXXX";
	int fd = mkstemp(path);
	struct file *file;

	memset(line + 5, 'x', 130);
	strcpy(line + 135, " big\n");
	ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	close(fd);
	mime_free(mime);
	mime = mime_new(path);
	unlink(path);
	options.mime = mime;
	temp_write(&folder, "a.big", "");
	ck_assert_int_eq(truncate(temp_path(&folder, "a.big"), (off_t)1 << 40), 0);
	file = open_name("a.big");
	ck_assert_uint_lt(file->head_len, FILE_HEAD_MAX);
	ck_assert_int_eq(strncmp(file->head + file->head_len - 4, "\r\n\r\n", 4), 0);
	file_unref(file);
}
END_TEST

START_TEST(settings_are_said_in_the_head)
{
	char date[DATE_LEN];
	struct file *file;

	temp_write(&folder, "a.js", "1");
	temp_write(&folder, "a.png", "1");
	settings.nosniff = true;
	settings.expires = 3600;
	lines = "X-One: 1\r\nX-Two: 2\r\n";
	file = open_name("a.js");
	ck_has(file, "Content-Type: text/javascript; charset=utf-8\r\n");
	ck_has(file,
	       "\r\nX-Content-Type-Options: nosniff\r\nX-One: 1\r\nX-Two: 2\r\nServer: x\r\n\r\n1");
	ck_has(file,
	       "\r\nCache-Control: max-age=3600\r\nExpires: Tue, 14 Nov 2023 23:13:20 GMT\r\n");
	ck_has_not(file, "Vary");
	/* The dates go on together. */
	date_format(NOW + 100, date);
	file_set_date(file, NOW + 100, date);
	ck_has(file, "\r\nDate: Tue, 14 Nov 2023 22:15:00 GMT\r\n");
	ck_has(file, "\r\nExpires: Tue, 14 Nov 2023 23:15:00 GMT\r\n");
	ck_assert_int_eq(file->date, NOW + 100);
	file_unref(file);

	file = open_name("a.png");
	ck_has(file, "Content-Type: image/png\r\n");
	file_unref(file);

	settings = (struct settings){ .root = &root };
	file = open_name("a.js");
	ck_has(file, "Content-Type: text/javascript\r\n");
	ck_has(file, "\r\nCache-Control: no-cache\r\n");
	ck_has_not(file, "Expires");
	ck_has_not(file, "nosniff");
	file_unref(file);
}
END_TEST

/* RFC 9111 section 4.2.1: of two times caches take the first or none. */
START_TEST(a_time_in_a_line_of_the_configuration_goes_before_expires)
{
	static const char *const own[] = {
		"Cache-Control: public, max-age=31536000, immutable\r\n",
		"X-A: b\r\ncache-control: private\r\nCache-Control: No-Store\r\nX-C: d\r\n",
		"Cache-Control: no-cache\r\n",
	};
	struct file *file;

	temp_write(&folder, "a", "1");
	settings.expires = 3600;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		lines = own[i];
		file = open_name("a");
		ck_has(file, own[i]);
		ck_has_not(file, "max-age=3600");
		ck_has_not(file, "Expires");
		file_unref(file);
	}
	lines = "Cache-Control: immutable\r\nX-A: max-age=1, no-cache\r\nX-Cache-Control: "
		"no-store\r\n";
	file = open_name("a");
	ck_has(file, "\r\nCache-Control: max-age=3600\r\nExpires: ");
	file_unref(file);
}
END_TEST

START_TEST(lines_of_the_configuration_go_before_our_own)
{
	struct file *file;

	temp_write(&folder, "a", "1");
	settings.nosniff = true;
	lines = "X-Server: no\r\nserver: mine\r\nX-Content-Type-Options: other\r\n";
	file = open_name("a");
	ck_has_not(file, "Server: x");
	ck_has_not(file, "nosniff");
	file_unref(file);
	lines = "X-Server: no\r\nX-A: server: b\r\nServers: c\r\n";
	file = open_name("a");
	ck_has(file, "Servers: c\r\nServer: x\r\n\r\n");
	file_unref(file);
}
END_TEST

START_TEST(a_head_that_is_too_long_is_an_error)
{
	static char charset[FILE_HEAD_MAX];
	struct file *file;
	size_t rest;

	memset(charset, 'c', sizeof charset - 1);
	settings.charset = charset;
	temp_write(&folder, "a.txt", "1");
	ck_assert_int_eq(try_name("a.txt", &file), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	/* The first that fits leaves one byte for the NUL. */
	for (rest = sizeof charset - 2; try_name("a.txt", &file) < 0; rest--)
		charset[rest] = '\0';
	ck_assert_uint_eq(file->head_len, FILE_HEAD_MAX - 1);
	ck_has(file, "\r\n\r\n1");
	file_unref(file);
}
END_TEST

START_TEST(variants_have_heads_of_their_own)
{
	struct file *file, *gzip;

	write_old("a.html", "hello");
	write_old("a.html.gz", "gzip");
	write_old("a.html.br", "brotli");
	write_old("a.html.zst", "zstandard");
	settings.precompressed = true;
	settings.expires = 60;
	file = open_name("a.html");
	gzip = file->variant[ENCODING_GZIP];
	ck_assert_uint_eq(file->encodings, 15);
	ck_assert_ptr_null(file->variant[ENCODING_IDENTITY]);
	ck_has(file, "\r\nVary: Accept-Encoding\r\n");
	ck_has(file, "ETag: \"ae1b981bc490a00-5\"\r\n");
	ck_has_not(file, "Content-Encoding");
	ck_has(gzip, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
		     "Content-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\nDate: ");
	ck_has(gzip, "ETag: \"ae1b981bc490a00-4-gzip\"\r\n");
	ck_has(gzip, "\r\nVary: Accept-Encoding\r\n");
	ck_has(gzip, "\r\nCache-Control: max-age=60\r\nExpires: ");
	ck_has(gzip, "\r\n\r\ngzip");
	ck_assert_int_eq(strncmp(gzip->head + gzip->encoding_at, "Content-Encoding: ", 18), 0);
	ck_assert_int_eq(strncmp(gzip->head + gzip->common_at, "Date: ", 6), 0);
	ck_has(file->variant[ENCODING_BR], "Content-Encoding: br\r\n");
	ck_has(file->variant[ENCODING_BR], "\r\n\r\nbrotli");
	ck_has(file->variant[ENCODING_ZSTD], "Content-Encoding: zstd\r\n");
	ck_has(file->variant[ENCODING_ZSTD], "\r\n\r\nzstandard");
	ck_assert_uint_eq(file->fds, 0);
	ck_assert(file_is_current(file, NOW));
	file_unref(file);

	/* Asked for itself it is a file like others. */
	file = open_name("a.html.gz");
	ck_has(file, "Content-Type: application/gzip\r\n");
	ck_has_not(file, "Content-Encoding");
	ck_has_not(file, "Vary");
	file_unref(file);
	settings.precompressed = false;
	file = open_name("a.html");
	ck_assert_uint_eq(file->encodings, 1);
	ck_has_not(file, "Vary");
	file_unref(file);
}
END_TEST

START_TEST(what_cannot_be_a_variant_is_none)
{
	struct file *file;

	write_old("a", "hello");
	temp_mkdir(&folder, "a.gz");
	ck_assert_int_eq(symlink("/etc/passwd", temp_path(&folder, "a.br")), 0);
	write_old("a.zst", "");
	settings.precompressed = true;
	file = open_name("a");
	ck_assert_uint_eq(file->encodings, 1);
	ck_has_not(file, "Vary");
	ck_assert(file_is_current(file, NOW));
	file_unref(file);
	/* Nobody is kept from a file that is only there compressed by its own name, nor given it by another. */
	ck_assert_int_eq(unlink(temp_path(&folder, "a")), 0);
	ck_assert_int_eq(try_name("a", &file), -1);
	ck_assert_int_eq(errno, ENOENT);
	if (geteuid() == 0)
		return; /* may read all */
	write_old("b", "hello");
	write_old("b.gz", "gzip");
	ck_assert_int_eq(chmod(temp_path(&folder, "b.gz"), 0), 0);
	file = open_name("b");
	ck_assert_uint_eq(file->encodings, 1);
	file_unref(file);
}
END_TEST

/* Does something to a.gz; what the file then has is to be noticed. */
static void change_variant(int how)
{
	switch (how) {
	case 0:
		write_old("a.gz", "other");
		break;
	case 1:
		ck_assert_int_eq(unlink(temp_path(&folder, "a.gz")), 0);
		break;
	case 2:
		write_old("new", "gzip");
		ck_assert_int_eq(rename(temp_path(&folder, "new"), temp_path(&folder, "a.gz")), 0);
		break;
	case 3:
		write_old("a.zst", "zstd");
		break;
	case 4:
		ck_assert_int_eq(rename(temp_path(&folder, "a.gz"), temp_path(&folder, "a.br")), 0);
		break;
	case 5:
		ck_assert_int_eq(unlink(temp_path(&folder, "a.gz")), 0);
		temp_mkdir(&folder, "a.gz");
		break;
	}
}

START_TEST(variants_that_come_go_or_change_are_noticed)
{
	static const unsigned expected[] = { 3, 1, 3, 11, 5, 1 };
	struct file *file;

	write_old("a", "hello");
	write_old("a.gz", "gzip");
	settings.precompressed = true;
	file = open_name("a");
	ck_assert_uint_eq(file->encodings, 3);
	ck_assert(file_is_current(file, NOW));
	change_variant(_i);
	ck_assert(!file_is_current(file, NOW));
	file_unref(file);
	file = open_name("a");
	ck_assert_uint_eq(file->encodings, expected[_i]);
	file_unref(file);
}
END_TEST

START_TEST(a_variant_that_is_being_written_is_not_trusted)
{
	struct file *file;

	write_old("a", "hello");
	temp_write(&folder, "a.gz", "gzip");
	temp_touch(&folder, "a.gz", time(NULL) + 1000);
	settings.precompressed = true;
	file = open_name("a");
	ck_assert(!file_is_current(file, NOW));
	file_unref(file);
}
END_TEST

START_TEST(descriptors_tell_when_they_were_written_to)
{
	char data[102] = "";
	struct file *file;

	temp_write_bytes(&folder, "a", data, 101);
	temp_touch(&folder, "a", MODIFIED);
	write_old("b", "small");
	write_old("a.gz", "gzip");
	settings.precompressed = true;
	file = open_name("a");
	ck_assert_uint_eq(file->fds, 1);
	ck_assert(!file_has_changed(file));
	/* Other names are no other content. */
	ck_assert_int_eq(rename(temp_path(&folder, "a"), temp_path(&folder, "c")), 0);
	ck_assert(!file_has_changed(file));
	temp_write_bytes(&folder, "c", data, 102);
	temp_touch(&folder, "c", MODIFIED);
	ck_assert(file_has_changed(file));
	temp_write_bytes(&folder, "c", data, 101);
	ck_assert(file_has_changed(file));
	temp_touch(&folder, "c", MODIFIED);
	ck_assert(!file_has_changed(file));
	file_unref(file);

	temp_write_bytes(&folder, "b.gz", data, 101);
	file = open_name("b");
	ck_assert_int_eq(file->fd, -1);
	ck_assert_uint_eq(file->fds, 1);
	ck_assert(!file_has_changed(file));
	temp_write_bytes(&folder, "b.gz", data, 50);
	ck_assert(file_has_changed(file));
	file_unref(file);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_file");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_small_file_is_one_piece_of_memory);
	tcase_add_test(tcase, a_large_file_is_a_descriptor);
	tcase_add_test(tcase, only_files_are_opened);
	tcase_add_test(tcase, a_change_on_disk_is_seen);
	tcase_add_test(tcase, a_file_just_written_is_not_trusted);
	tcase_add_test(tcase, the_longest_head_fits);
	tcase_add_test(tcase, settings_are_said_in_the_head);
	tcase_add_test(tcase, a_time_in_a_line_of_the_configuration_goes_before_expires);
	tcase_add_test(tcase, lines_of_the_configuration_go_before_our_own);
	tcase_add_test(tcase, a_head_that_is_too_long_is_an_error);
	tcase_add_test(tcase, variants_have_heads_of_their_own);
	tcase_add_test(tcase, what_cannot_be_a_variant_is_none);
	tcase_add_loop_test(tcase, variants_that_come_go_or_change_are_noticed, 0, 6);
	tcase_add_test(tcase, a_variant_that_is_being_written_is_not_trusted);
	tcase_add_test(tcase, descriptors_tell_when_they_were_written_to);
	return unit_main("http_file", tcase);
}
