/* SPDX-License-Identifier: MIT */
/* Content that is kept until it is all there: where it is, that it comes back, and that nothing is left. */
#include "services/http/gateway/spool.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { LARGE = 10 * SPOOL_PIECE + 7 };

static struct mu_worker worker;
static struct temp_folder folder;
static struct spool *spool;
static struct spooled spooled;
static char content[LARGE];

static void begin(const char *tmpdir)
{
	if (tmpdir)
		setenv("TMPDIR", tmpdir, 1);
	else
		unsetenv("TMPDIR");
	spool = spool_new(&worker);
	ck_assert_ptr_nonnull(spool);
}

static void setup(void)
{
	memset(&worker, 0, sizeof worker);
	memset(&spooled, 0, sizeof spooled);
	spooled.fd = -1;
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (char)(i * 31 + i / 251);
	temp_folder_init(&folder);
}

static void teardown(void)
{
	spooled_end(&spooled);
	spool_free(spool);
	spool = NULL;
	temp_folder_cleanup(&folder);
}

static void add(size_t from, size_t len, size_t step)
{
	for (size_t n; len; from += n, len -= n) {
		n = step < len ? step : len;
		ck_assert_int_eq(spooled_add(&spooled, spool, content + from, n), 0);
	}
}

/* All of it is in the file. */
static void check_file(size_t len)
{
	size_t at = 0;

	ck_assert_int_ge(spooled.fd, 0);
	ck_assert_uint_eq(spooled.len, len);
	while (at < len) {
		ssize_t n = spooled_read(&spooled, at);

		ck_assert_int_gt(n, 0);
		ck_assert_mem_eq(spooled.memory, content + at, (size_t)n);
		at += (size_t)n;
	}
	ck_assert_int_eq(spooled_read(&spooled, len), 0);
}

static int entries_of(const char *path)
{
	DIR *stream = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(stream);
	while (readdir(stream))
		n++;
	closedir(stream);
	return n - 2; /* but itself and its parent */
}

START_TEST(a_little_stays_in_memory)
{
	static const size_t size[] = { 0, 1, SPOOL_PIECE - 1, SPOOL_PIECE };

	begin(folder.path);
	for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
		spooled = (struct spooled){ .fd = -1 };
		add(0, size[i], 1000);
		ck_assert_int_eq(spooled_finish(&spooled), 0);
		ck_assert_int_eq(spooled.fd, -1);
		ck_assert_uint_eq(spooled.held, size[i]);
		ck_assert_uint_eq(spooled.len, size[i]);
		ck_assert_mem_eq(spooled.memory, content, size[i]);
	}
}
END_TEST

START_TEST(more_goes_to_a_file_without_a_name)
{
	static const size_t size[] = { SPOOL_PIECE + 1, 2 * SPOOL_PIECE, LARGE };
	static const size_t step[] = { 1, 999, SPOOL_PIECE, LARGE };

	begin(folder.path);
	for (size_t i = 0; i < 12; i++) {
		int before = open_files();

		add(0, size[i % 3], step[i / 3]);
		ck_assert_int_eq(spooled_finish(&spooled), 0);
		check_file(size[i % 3]);
		/* As often as it takes. */
		check_file(size[i % 3]);
		ck_assert_int_eq(entries_of(folder.path), 0);
		ck_assert_int_eq(open_files(), before + 1);
		spooled_end(&spooled);
		spooled_end(&spooled);
		ck_assert_int_eq(open_files(), before);
		spooled = (struct spooled){ .fd = -1 };
	}
	ck_assert_str_eq(worker.log, "");
}
END_TEST

/* From now on no file can be made without a name, as in NFS. */
static void forbid_nameless(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	ck_assert_int_lt(open(folder.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), 0);
}

START_TEST(a_file_that_has_to_have_a_name_loses_it)
{
	forbid_nameless();
	begin(folder.path);
	add(0, LARGE, 5000);
	ck_assert_int_eq(entries_of(folder.path), 0);
	ck_assert_int_eq(spooled_finish(&spooled), 0);
	check_file(LARGE);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

static bool is_in_memory(void)
{
	char path[64], name[64] = "";

	snprintf(path, sizeof path, "/proc/self/fd/%d", spooled.fd);
	ck_assert_int_gt(readlink(path, name, sizeof name - 1), 0);
	return strcmp(name, "/memfd:content (deleted)") == 0;
}

START_TEST(without_a_folder_it_is_in_memory_which_is_said_once)
{
	char once[sizeof worker.log];

	begin(temp_path(&folder, "none"));
	add(0, SPOOL_PIECE, SPOOL_PIECE);
	ck_assert_str_eq(worker.log, "");
	add(SPOOL_PIECE, LARGE - SPOOL_PIECE, 5000);
	ck_assert_int_eq(spooled_finish(&spooled), 0);
	check_file(LARGE);
	ck_assert(is_in_memory());
	ck_assert_ptr_nonnull(strstr(worker.log, "none: No such file or directory; content"));
	snprintf(once, sizeof once, "%s", worker.log);
	spooled_end(&spooled);
	spooled = (struct spooled){ .fd = -1 };
	add(0, LARGE, LARGE);
	ck_assert(is_in_memory());
	ck_assert_str_eq(worker.log, once);
}
END_TEST

START_TEST(the_folder_is_one_of_the_system_where_none_is_named)
{
	static const char *const tmpdir[] = { NULL, "", "relative" };

	for (size_t i = 0; i < sizeof tmpdir / sizeof *tmpdir; i++) {
		begin(tmpdir[i]);
		ck_assert_str_eq(spool_path(spool), "/var/tmp");
		spool_free(spool);
		spool = NULL;
	}
	begin(folder.path);
	ck_assert_str_eq(spool_path(spool), folder.path);
}
END_TEST

START_TEST(a_file_that_cannot_grow_is_an_error)
{
	struct rlimit limit = { 3 * SPOOL_PIECE, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	begin(folder.path);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	add(0, 4 * SPOOL_PIECE, 5000);
	ck_assert_int_eq(spooled_add(&spooled, spool, content, 1), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(spooled_finish(&spooled), -1);
	ck_assert_int_eq(errno, EFBIG);
}
END_TEST

START_TEST(without_descriptors_nothing_takes_the_place_of_a_file)
{
	struct rlimit limit;
	rlim_t before;

	if (skipped_under_valgrind("descriptors"))
		return;
	begin(folder.path);
	add(0, SPOOL_PIECE, SPOOL_PIECE);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(spooled_add(&spooled, spool, content, 1), -1);
	ck_assert_int_eq(errno, EMFILE);
	limit.rlim_cur = before;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_str_eq(worker.log, "");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("spool");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_little_stays_in_memory);
	tcase_add_test(tcase, more_goes_to_a_file_without_a_name);
	tcase_add_test(tcase, a_file_that_has_to_have_a_name_loses_it);
	tcase_add_test(tcase, without_a_folder_it_is_in_memory_which_is_said_once);
	tcase_add_test(tcase, the_folder_is_one_of_the_system_where_none_is_named);
	tcase_add_test(tcase, a_file_that_cannot_grow_is_an_error);
	tcase_add_test(tcase, without_descriptors_nothing_takes_the_place_of_a_file);
	return unit_main("gateway/spool", tcase);
}
