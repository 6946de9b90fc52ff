/* SPDX-License-Identifier: MIT */
/* A folder that exists while a test runs, and the few things done in it. */
#ifndef TESTS_TEMP_FOLDER_H
#define TESTS_TEMP_FOLDER_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_folder {
	char path[64];
};

static inline void temp_folder_init(struct temp_folder *folder)
{
	snprintf(folder->path, sizeof folder->path, "/tmp/musterd-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder->path));
}

static inline int temp_folder_remove_one(const char *path, const struct stat *st, int type,
					 struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void temp_folder_cleanup(struct temp_folder *folder)
{
	nftw(folder->path, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The full path of a name in it; a few can be used at a time. */
static inline const char *temp_path(const struct temp_folder *folder, const char *name)
{
	static char path[4][512];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder->path, name);
	return path[turn];
}

static inline void temp_mkdir(const struct temp_folder *folder, const char *name)
{
	ck_assert_int_eq(mkdir(temp_path(folder, name), 0755), 0);
}

/* Writes in place: what the file had before is gone. */
static inline void temp_write_bytes(const struct temp_folder *folder, const char *name,
				    const void *data, size_t len)
{
	int fd = open(temp_path(folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static inline void temp_write(const struct temp_folder *folder, const char *name, const char *text)
{
	temp_write_bytes(folder, name, text, strlen(text));
}

/* Sets the time of modification (and with it, the kernel, that of change). */
static inline void temp_touch(const struct temp_folder *folder, const char *name, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	ck_assert_int_eq(utimensat(AT_FDCWD, temp_path(folder, name), times, 0), 0);
}

#endif
