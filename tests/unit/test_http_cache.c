/* SPDX-License-Identifier: MIT */
#include "services/http/cache.h"

#include "temp_folder.h"
#include "unit.h"

enum { NOW = 1700000000, MODIFIED = 784111777 };

static struct temp_folder folder;
static struct root root;
static struct mime *mime;
static struct file_options options;
static struct settings settings;
static struct cache cache;
static const char host, other_host;

/* In place of the directives': these files have none. */
size_t settings_headers(const struct settings *unused, bool error, char *out, size_t size)
{
	(void)unused;
	(void)error;
	(void)out;
	(void)size;
	return 0;
}

static void setup(void)
{
	temp_folder_init(&folder);
	ck_assert_int_eq(root_open(&root, folder.path, false), 0);
	mime = mime_new(NULL);
	options = (struct file_options){ .mime = mime, .server = "", .content_max = 100 };
	settings = (struct settings){ .root = &root, .expires = EXPIRES_NONE };
	ck_assert_int_eq(cache_init(&cache, 4, 1 << 20, 2), 0);
}

static void teardown(void)
{
	cache_cleanup(&cache);
	mime_free(mime);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

/* Opens name for the path "/name". */
static void open_for(struct file **file_r, const char *name, int64_t now)
{
	char key[20];
	int len = snprintf(key, sizeof key, "/%s", name);

	ck_assert_int_eq(file_open(file_r, &settings, &options, name, &host, key, (size_t)len, now),
			 0);
}

/* Makes the file "n" with so many bytes and adds it as "/n". */
static void add(char n, size_t size, int64_t now)
{
	char name[2] = { n, '\0' }, data[200];
	struct file *file;

	memset(data, n, sizeof data);
	temp_write_bytes(&folder, name, data, size);
	temp_touch(&folder, name, MODIFIED);
	open_for(&file, name, now);
	file->is_first = true;
	cache_add(&cache, file);
	file_unref(file);
}

static bool has(char n, int64_t now)
{
	char key[2] = { '/', n };
	struct file *file = cache_find(&cache, &host, key, 2, now);

	if (!file)
		return false;
	ck_assert_int_eq(file->text[1], n);
	file_unref(file);
	return true;
}

START_TEST(what_was_added_is_found_by_its_path_alone)
{
	add('a', 10, NOW);
	ck_assert(has('a', NOW));
	ck_assert(!has('b', NOW));
	ck_assert_ptr_null(cache_find(&cache, &host, "/", 1, NOW));
	ck_assert_ptr_null(cache_find(&cache, &host, "/ab", 3, NOW));
	ck_assert_ptr_null(cache_find(&cache, &other_host, "/a", 2, NOW));
}
END_TEST

START_TEST(the_disk_is_asked_once_a_second)
{
	add('a', 10, NOW);
	temp_write(&folder, "a", "new");
	ck_assert(has('a', NOW));
	ck_assert(!has('a', NOW + 1));
	ck_assert_uint_eq(cache.entries, 0);
	add('a', 10, NOW);
	ck_assert(has('a', NOW + 1));
	ck_assert(has('a', NOW + 2));
}
END_TEST

START_TEST(who_was_not_asked_for_longest_goes_first)
{
	add('a', 10, NOW);
	add('b', 10, NOW);
	add('c', 10, NOW);
	add('d', 10, NOW);
	ck_assert(has('a', NOW + 1));
	ck_assert(has('c', NOW + 2));
	add('e', 10, NOW + 3);
	add('f', 10, NOW + 3);
	ck_assert(!has('b', NOW + 3));
	ck_assert(!has('d', NOW + 3));
	ck_assert(has('a', NOW + 3));
	ck_assert(has('c', NOW + 3));
	ck_assert_uint_eq(cache.entries, 4);
}
END_TEST

START_TEST(memory_is_bounded)
{
	add('a', 100, NOW);
	cache.memory_max = cache.memory * 2 + 50;
	add('b', 100, NOW);
	ck_assert_uint_eq(cache.entries, 2);
	add('c', 100, NOW);
	ck_assert_uint_eq(cache.entries, 2);
	ck_assert_uint_le(cache.memory, cache.memory_max);
	ck_assert(!has('a', NOW));
	cache_flush(&cache);
	ck_assert_uint_eq(cache.memory, 0);
	/* What alone is too much is not taken, and costs the others nothing. */
	add('a', 10, NOW);
	cache.memory_max = cache.memory + 10;
	add('b', 100, NOW);
	ck_assert(has('a', NOW));
	ck_assert(!has('b', NOW));
}
END_TEST

START_TEST(descriptors_are_bounded)
{
	add('a', 101, NOW);
	add('b', 10, NOW);
	add('c', 101, NOW);
	ck_assert_uint_eq(cache.fds, 2);
	add('d', 101, NOW);
	ck_assert_uint_eq(cache.fds, 2);
	ck_assert(!has('a', NOW));
	ck_assert(has('b', NOW));
	ck_assert(cache_release_fd(&cache));
	ck_assert(!has('c', NOW));
	ck_assert(cache_release_fd(&cache));
	ck_assert(!cache_release_fd(&cache));
	ck_assert(has('b', NOW));
	cache.fds_max = 0;
	add('a', 101, NOW);
	ck_assert(!has('a', NOW));
}
END_TEST

START_TEST(who_is_sent_just_now_outlives_the_cache)
{
	struct file *file;

	add('a', 101, NOW);
	file = cache_find(&cache, &host, "/a", 2, NOW);
	ck_assert(!cache_release_fd(&cache));
	cache_flush(&cache);
	ck_assert_int_eq(file->head[0], 'H');
	ck_assert_int_ne(fcntl(file->fd, F_GETFD), -1);
	file_unref(file);
}
END_TEST

START_TEST(a_cache_of_nothing_keeps_nothing)
{
	cache_cleanup(&cache);
	ck_assert_int_eq(cache_init(&cache, 0, 1 << 20, 2), 0);
	add('a', 10, NOW);
	ck_assert(!has('a', NOW));
}
END_TEST

START_TEST(many_files_find_their_places)
{
	char name[16];

	cache_cleanup(&cache);
	ck_assert_int_eq(cache_init(&cache, 100, 1 << 20, 2), 0);
	for (int i = 0; i < 150; i++) {
		struct file *file;

		snprintf(name, sizeof name, "file%d", i);
		temp_write(&folder, name, name);
		open_for(&file, name, NOW);
		cache_add(&cache, file);
		file_unref(file);
	}
	for (int i = 0; i < 150; i++) {
		int len = snprintf(name, sizeof name, "/file%d", i);
		struct file *file = cache_find(&cache, &host, name, (size_t)len, NOW);

		ck_assert(!file == (i < 50));
		if (file)
			ck_assert_int_eq(
				strncmp(file->head + file->head_len, name + 1, (size_t)len - 1), 0);
		file_unref(file);
	}
}
END_TEST

START_TEST(one_name_at_two_hosts_is_two_entries)
{
	struct file *file;

	add('a', 10, NOW);
	ck_assert_int_eq(file_open(&file, &settings, &options, "a", &other_host, "/b", 2, NOW), 0);
	cache_add(&cache, file);
	ck_assert_ptr_eq(cache_find(&cache, &other_host, "/b", 2, NOW), file);
	ck_assert_ptr_null(cache_find(&cache, &host, "/b", 2, NOW));
	ck_assert_ptr_null(cache_find(&cache, &other_host, "/a", 2, NOW));
	ck_assert_uint_eq(cache.entries, 2);
	file_unref(file);
	file_unref(file);
}
END_TEST

START_TEST(what_was_written_to_is_noticed_at_once_where_it_would_be_sent)
{
	char data[200] = "";

	add('a', 101, NOW);
	ck_assert(has('a', NOW));
	temp_write_bytes(&folder, "a", data, 150);
	ck_assert(!has('a', NOW));
	ck_assert_uint_eq(cache.fds, 0);
	/* A file that replaces it can wait. */
	add('a', 101, NOW);
	temp_write_bytes(&folder, "b", data, 150);
	ck_assert_int_eq(rename(temp_path(&folder, "b"), temp_path(&folder, "a")), 0);
	ck_assert(has('a', NOW));
	ck_assert(!has('a', NOW + 1));
}
END_TEST

START_TEST(another_folder_in_place_of_the_root_makes_all_files_old)
{
	char path[80];

	temp_mkdir(&folder, "one");
	temp_mkdir(&folder, "two");
	temp_write(&folder, "one/a", "1");
	temp_touch(&folder, "one/a", MODIFIED);
	ck_assert_int_eq(link(temp_path(&folder, "one/a"), temp_path(&folder, "two/a")), 0);
	ck_assert_int_eq(symlink("one", temp_path(&folder, "now")), 0);
	snprintf(path, sizeof path, "%s/now", folder.path);
	root_close(&root);
	ck_assert_int_eq(root_open(&root, path, false), 0);
	root_settle(&root);
	for (int turn = 0; turn < 2; turn++) {
		struct file *file;

		open_for(&file, "a", NOW + turn);
		file->is_first = true;
		cache_add(&cache, file);
		file_unref(file);
		ck_assert(has('a', NOW + turn));
		if (turn == 0) {
			ck_assert_int_eq(unlink(path), 0);
			ck_assert_int_eq(symlink("two", path), 0);
			ck_assert(has('a', NOW));
			/* The same inode even, but not by this path: what is beside it is not. */
			ck_assert(!has('a', NOW + 1));
		}
	}
	ck_assert_uint_eq(root.generation, 1);
}
END_TEST

START_TEST(what_nobody_asks_for_goes_when_others_come)
{
	add('a', 101, NOW);
	add('b', 10, NOW);
	add('c', 10, NOW + 30);
	ck_assert(has('c', NOW + 60));
	ck_assert_uint_eq(cache.entries, 3);
	ck_assert(has('c', NOW + 61));
	ck_assert_uint_eq(cache.entries, 2);
	ck_assert_uint_eq(cache.fds, 0);
	ck_assert(has('c', NOW + 62));
	ck_assert_uint_eq(cache.entries, 1);
	ck_assert(has('c', NOW + 200));
	ck_assert(has('c', NOW + 300));
}
END_TEST

START_TEST(variants_count_with_their_file)
{
	struct file *file;
	char data[101];

	memset(data, 'z', sizeof data);
	temp_write_bytes(&folder, "a.gz", data, 101);
	temp_touch(&folder, "a.gz", MODIFIED);
	settings.precompressed = true;
	add('a', 101, NOW);
	ck_assert_uint_eq(cache.entries, 1);
	ck_assert_uint_eq(cache.fds, 2);
	file = cache_find(&cache, &host, "/a", 2, NOW);
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(cache.memory, file->memory);
	ck_assert_uint_gt(file->memory, file->variant[ENCODING_GZIP]->memory);
	file_unref(file);
	/* Written to, in place: not in the next second only. */
	temp_write(&folder, "a.gz", "new");
	ck_assert(!has('a', NOW));
	ck_assert_uint_eq(cache.fds, 0);
	ck_assert_uint_eq(cache.memory, 0);
	/* There is no room for both. */
	temp_write_bytes(&folder, "a.gz", data, 101);
	cache.fds_max = 1;
	add('a', 101, NOW);
	ck_assert(!has('a', NOW));
}
END_TEST

START_TEST(the_table_grows_with_what_is_in_it)
{
	size_t buckets = cache.buckets;
	char name[16];

	cache_cleanup(&cache);
	ck_assert_int_eq(cache_init(&cache, 1 << 20, 1 << 24, 2), 0);
	ck_assert_uint_eq(cache.buckets, buckets);
	temp_write(&folder, "a", "content");
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(name, sizeof name, "/%d", i);
		struct file *file;

		ck_assert_int_eq(
			file_open(&file, &settings, &options, "a", &host, name, (size_t)len, NOW),
			0);
		cache_add(&cache, file);
		file_unref(file);
	}
	ck_assert_uint_ge(cache.buckets, 1000);
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(name, sizeof name, "/%d", i);
		struct file *file = cache_find(&cache, &host, name, (size_t)len, NOW);

		ck_assert_ptr_nonnull(file);
		file_unref(file);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_cache");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_was_added_is_found_by_its_path_alone);
	tcase_add_test(tcase, the_disk_is_asked_once_a_second);
	tcase_add_test(tcase, who_was_not_asked_for_longest_goes_first);
	tcase_add_test(tcase, memory_is_bounded);
	tcase_add_test(tcase, descriptors_are_bounded);
	tcase_add_test(tcase, who_is_sent_just_now_outlives_the_cache);
	tcase_add_test(tcase, a_cache_of_nothing_keeps_nothing);
	tcase_add_test(tcase, many_files_find_their_places);
	tcase_add_test(tcase, one_name_at_two_hosts_is_two_entries);
	tcase_add_test(tcase, what_was_written_to_is_noticed_at_once_where_it_would_be_sent);
	tcase_add_test(tcase, another_folder_in_place_of_the_root_makes_all_files_old);
	tcase_add_test(tcase, what_nobody_asks_for_goes_when_others_come);
	tcase_add_test(tcase, variants_count_with_their_file);
	tcase_add_test(tcase, the_table_grows_with_what_is_in_it);
	return unit_main("http_cache", tcase);
}
