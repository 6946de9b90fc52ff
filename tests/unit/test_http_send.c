/* SPDX-License-Identifier: MIT */
#include "services/http/send.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

enum { SIZE = 5 << 20, MODIFIED = 784111777 };

static struct temp_folder folder;
static struct mu_worker worker;
static struct mu_conn conn;
static struct file *file;
static char *content;
static int64_t sent;

static void setup(void)
{
	struct stat st;

	temp_folder_init(&folder);
	content = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		content[i] = (char)(i * 31 + i / 251);
	temp_write_bytes(&folder, "a", content, SIZE);
	temp_touch(&folder, "a", MODIFIED);
	file = calloc(1, sizeof *file + 3);
	strcpy(file->text, "/a");
	file->fd = open(temp_path(&folder, "a"), O_RDONLY | O_CLOEXEC);
	file->fds = 1;
	ck_assert_int_eq(fstat(file->fd, &st), 0);
	file->size = st.st_size;
	file->identity.modified = st.st_mtim;
	memset(&worker, 0, sizeof worker);
	fake_conn_init(&conn, &worker);
	sent = 0;
}

static void teardown(void)
{
	/* Whatever became of it. */
	ck_assert_int_eq(sent, (int64_t)conn.output_len);
	fake_conn_cleanup(&conn);
	close(file->fd);
	free(file);
	free(content);
	temp_folder_cleanup(&folder);
}

START_TEST(any_part_is_sent_as_it_is)
{
	static const struct {
		int64_t offset, len;
	} part[] = { { 0, SIZE },         { 0, 0 },       { 0, 1 },
		     { 5, 8192 },         { 7, 8193 },    { SIZE - 1, 1 },
		     { 100, SIZE - 100 }, { 1, 1 << 20 }, { 0, 8000 } };

	/* The last of it bit by bit, or all at once. */
	conn.write_room = _i % 2 ? SIZE_MAX : (size_t)part[_i / 2].len / 50000 * 50000;
	ck_assert_int_eq(
		send_content(&conn, file, part[_i / 2].offset, part[_i / 2].len, true, &sent), 0);
	ck_assert_uint_eq(conn.output_len, (size_t)part[_i / 2].len);
	ck_assert_int_eq(memcmp(conn.output ? conn.output : "", content + part[_i / 2].offset,
				(size_t)part[_i / 2].len),
			 0);
	ck_assert_str_eq(worker.log, "");
	if (_i % 2 && part[_i / 2].len <= 1 << 20)
		ck_assert_int_eq(conn.room_waits, 0);
}
END_TEST

START_TEST(small_parts_gather_with_what_follows)
{
	ck_assert_int_eq(send_content(&conn, file, 0, 100, false, &sent), 0);
	ck_assert(conn.more);
	ck_assert_int_eq(send_content(&conn, file, 0, 100, true, &sent), 0);
	ck_assert(!conn.more);
}
END_TEST

/* Writes into the middle: the size stays. */
static void rewrite(struct mu_conn *slow)
{
	int fd = open(temp_path(&folder, "a"), O_WRONLY | O_CLOEXEC);

	(void)slow;
	ck_assert_int_eq(pwrite(fd, "x", 1, SIZE / 2), 1);
	close(fd);
}

static void shorten(struct mu_conn *slow)
{
	(void)slow;
	ck_assert_int_eq(truncate(temp_path(&folder, "a"), 4096), 0);
}

static void lengthen(struct mu_conn *slow)
{
	(void)slow;
	ck_assert_int_eq(truncate(temp_path(&folder, "a"), SIZE + 1), 0);
}

START_TEST(a_change_during_a_wait_keeps_the_end_back)
{
	static void (*const change[])(struct mu_conn *) = { rewrite, shorten, lengthen };

	/* The client waits for its last bytes only: of so few all goes in one turn. */
	conn.on_wait = change[_i];
	conn.write_room = (1 << 20) - 10;
	ck_assert_int_eq(send_content(&conn, file, 0, 1 << 20, true, &sent), -1);
	ck_assert_uint_eq(conn.output_len, (1 << 20) - 10);
	ck_assert_int_eq(memcmp(conn.output, content, conn.output_len), 0);
	ck_assert_str_eq(worker.log, "/a was changed while it was sent: connection closed\n");
}
END_TEST

START_TEST(a_change_before_a_small_part_sends_none_of_it)
{
	if (_i)
		shorten(NULL);
	else
		rewrite(NULL);
	ck_assert_int_eq(send_content(&conn, file, 5000, 1000, true, &sent), -1);
	ck_assert_uint_eq(conn.output_len, 0);
	ck_assert_str_eq(worker.log, "/a was changed while it was sent: connection closed\n");
}
END_TEST

START_TEST(a_variant_that_is_made_meanwhile_is_another_content)
{
	struct file variant = { .size = 1, .fd = file->fd, .fds = 1 };

	file->variant[ENCODING_GZIP] = &variant;
	file->fds = 2;
	ck_assert(file_has_changed(file));
	ck_assert_int_eq(send_content(&conn, file, 0, SIZE, true, &sent), 0);
	ck_assert_int_eq(send_content(&conn, file, 0, 100, true, &sent), 0);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

START_TEST(a_client_that_is_gone_is_no_fault_of_the_file)
{
	conn.gone = true;
	ck_assert_int_eq(send_content(&conn, file, 0, SIZE, true, &sent), -1);
	ck_assert_int_eq(send_content(&conn, file, 0, 10, true, &sent), -1);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

static void others_run(struct mu_conn *fast)
{
	++*(int *)fast->on_wait_arg;
}

START_TEST(others_have_their_turn_while_a_fast_client_takes_all)
{
	int turns = 0;

	conn.on_wait = others_run;
	conn.on_wait_arg = &turns;
	ck_assert_int_eq(send_content(&conn, file, 0, SIZE, true, &sent), 0);
	ck_assert_int_ge(turns, 2);
	ck_assert_int_eq(conn.room_waits, turns);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_send");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, any_part_is_sent_as_it_is, 0, 18);
	tcase_add_test(tcase, small_parts_gather_with_what_follows);
	tcase_add_loop_test(tcase, a_change_during_a_wait_keeps_the_end_back, 0, 3);
	tcase_add_loop_test(tcase, a_change_before_a_small_part_sends_none_of_it, 0, 2);
	tcase_add_test(tcase, a_variant_that_is_made_meanwhile_is_another_content);
	tcase_add_test(tcase, a_client_that_is_gone_is_no_fault_of_the_file);
	tcase_add_test(tcase, others_have_their_turn_while_a_fast_client_takes_all);
	return unit_main("http_send", tcase);
}
