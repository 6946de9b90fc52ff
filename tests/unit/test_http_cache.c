/* SPDX-License-Identifier: MIT */
#include "services/http/cache.h"

#include "temp_folder.h"
#include "unit.h"

enum { NOW = 1700000000, MODIFIED = 784111777 };

static struct temp_folder folder;
static struct root root;
static struct mime *mime;
static struct file_options options;
static struct cache cache;

static void setup(void)
{
	temp_folder_init(&folder);
	ck_assert_int_eq(root_open(&root, folder.path), 0);
	mime = mime_new(NULL);
	options = (struct file_options){
		.root = &root, .mime = mime, .server = "", .content_max = 100
	};
	ck_assert_int_eq(cache_init(&cache, &root, 4, 1 << 20, 2), 0);
}

static void teardown(void)
{
	cache_cleanup(&cache);
	mime_free(mime);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

/* Makes the file "n" with so many bytes and adds it as "/n". */
static void add(char n, size_t size, int64_t now)
{
	char name[2] = { n, '\0' }, data[200];
	struct file *file;

	memset(data, n, sizeof data);
	temp_write_bytes(&folder, name, data, size);
	temp_touch(&folder, name, MODIFIED);
	ck_assert_int_eq(file_open(&file, &options, name, 2, now), 0);
	file->is_first = true;
	cache_add(&cache, file);
	file_unref(file);
}

static bool has(char n, int64_t now)
{
	char key[2] = { '/', n };
	struct file *file = cache_find(&cache, key, 2, now);

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
	ck_assert_ptr_null(cache_find(&cache, "/", 1, NOW));
	ck_assert_ptr_null(cache_find(&cache, "/ab", 3, NOW));
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
	file = cache_find(&cache, "/a", 2, NOW);
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
	ck_assert_int_eq(cache_init(&cache, &root, 0, 1 << 20, 2), 0);
	add('a', 10, NOW);
	ck_assert(!has('a', NOW));
}
END_TEST

START_TEST(many_files_find_their_places)
{
	char name[16];

	cache_cleanup(&cache);
	ck_assert_int_eq(cache_init(&cache, &root, 100, 1 << 20, 2), 0);
	for (int i = 0; i < 150; i++) {
		struct file *file;

		snprintf(name, sizeof name, "file%d", i);
		temp_write(&folder, name, name);
		ck_assert_int_eq(file_open(&file, &options, name, strlen(name) + 1, NOW), 0);
		cache_add(&cache, file);
		file_unref(file);
	}
	for (int i = 0; i < 150; i++) {
		int len = snprintf(name, sizeof name, "/file%d", i);
		struct file *file = cache_find(&cache, name, (size_t)len, NOW);

		ck_assert(!file == (i < 50));
		if (file)
			ck_assert_int_eq(
				strncmp(file->head + file->head_len, name + 1, (size_t)len - 1), 0);
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
	return unit_main("http_cache", tcase);
}
