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

static void setup(void)
{
	temp_folder_init(&folder);
	ck_assert_int_eq(root_open(&root, folder.path), 0);
	mime = mime_new(NULL);
	options = (struct file_options){
		.root = &root, .mime = mime, .server = "Server: x\r\n", .content_max = 100
	};
}

static void teardown(void)
{
	mime_free(mime);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

static struct file *open_name(const char *name)
{
	struct file *file = NULL;

	ck_assert_int_eq(file_open(&file, &options, name, strlen(name) + 1, NOW), 0);
	file->is_first = true;
	return file;
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
	ck_assert_int_eq(file_open(&file, &options, "sub", 4, NOW), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(file_open(&file, &options, "pipe", 5, NOW), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(file_open(&file, &options, "none", 5, NOW), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_change_on_disk_is_seen)
{
	struct file *file;

	temp_write(&folder, "a", "one");
	temp_touch(&folder, "a", MODIFIED);
	file = open_name("a");
	ck_assert(file_is_current(file, &root));
	/* The same size and time, in place: the time of change tells. */
	temp_write(&folder, "a", "two");
	temp_touch(&folder, "a", MODIFIED);
	ck_assert(!file_is_current(file, &root));
	file_unref(file);

	file = open_name("a");
	temp_write(&folder, "b", "two");
	temp_touch(&folder, "b", MODIFIED);
	ck_assert_int_eq(rename(temp_path(&folder, "b"), temp_path(&folder, "a")), 0);
	ck_assert(!file_is_current(file, &root));
	file_unref(file);

	file = open_name("a");
	ck_assert_int_eq(unlink(temp_path(&folder, "a")), 0);
	ck_assert(!file_is_current(file, &root));
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
	ck_assert(!file_is_current(file, &root));
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
	return unit_main("http_file", tcase);
}
