/* SPDX-License-Identifier: MIT */
/* Files made ready to be sent; see file.h. */
#include "services/http/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_ATTEMPTS = 3, /* of a file that is being written just now */
	/* File times move on with the kernel's tick; within it two contents can bear one time. */
	RACY_NS = 50 * 1000 * 1000
};

static void identity_of(const struct stat *st, struct file_identity *identity)
{
	*identity = (struct file_identity){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
	};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_identical(const struct file_identity *identity, const struct stat *st)
{
	return identity->ino == st->st_ino && identity->dev == st->st_dev &&
	       identity->size == st->st_size && same_time(&identity->modified, &st->st_mtim) &&
	       same_time(&identity->changed, &st->st_ctim);
}

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)((uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec);
}

static bool is_racy(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return nanoseconds(&now) - nanoseconds(&st->st_mtim) < RACY_NS;
}

/* Writes the head to out and where its parts are to file. */
static void make_head(struct file *file, const struct file_options *options, const char *type,
		      char out[FILE_HEAD_MAX], int64_t now)
{
	char date[DATE_LEN], modified[DATE_LEN], etag[40];
	int len;

	/* RFC 9110 section 8.8.2.1: never later than the Date. */
	file->modified =
		file->identity.modified.tv_sec < now ? file->identity.modified.tv_sec : now;
	file->date = now;
	date_format(file->date, date);
	date_format(file->modified, modified);
	file->etag_len = (uint32_t)snprintf(etag, sizeof etag, "\"%" PRIx64 "-%" PRIx64 "\"",
					    (uint64_t)nanoseconds(&file->identity.modified),
					    (uint64_t)file->size);

	len = snprintf(out, FILE_HEAD_MAX, "HTTP/1.1 200 OK\r\nContent-Length: %" PRId64 "\r\n",
		       file->size);
	file->type_at = (uint32_t)len;
	len += snprintf(out + len, FILE_HEAD_MAX - (size_t)len, "Content-Type: %s\r\n", type);
	file->encoding_at = (uint32_t)len;
	file->common_at = (uint32_t)len;
	file->date_at = file->common_at + (uint32_t)strlen("Date: ");
	len += snprintf(out + len, FILE_HEAD_MAX - (size_t)len,
			"Date: %.*s\r\nLast-Modified: %.*s\r\nETag: ", DATE_LEN, date, DATE_LEN,
			modified);
	file->etag_at = (uint32_t)len;
	len += snprintf(out + len, FILE_HEAD_MAX - (size_t)len,
			"%s\r\nAccept-Ranges: bytes\r\n%s\r\n", etag, options->server);
	file->head_len = (uint32_t)len;
}

/* One allocation with room for `content` bytes behind the head. NULL with ENOMEM. */
static struct file *file_new(const struct file_options *options, const char *name, size_t key_len,
			     const struct stat *st, size_t content, int64_t now)
{
	size_t name_len = strlen(name);
	struct file made = { .references = 1, .fd = -1, .checked = now, .size = st->st_size };
	char head[FILE_HEAD_MAX];
	struct file *file;

	identity_of(st, &made.identity);
	made.key_len = (uint32_t)key_len;
	made.is_racy = is_racy(st);
	make_head(&made, options, mime_type(options->mime, name, name_len), head, now);
	made.memory = sizeof made + name_len + 2 + made.head_len + content;
	file = malloc(made.memory);
	if (!file)
		return NULL;
	*file = made;
	file->text[0] = '/';
	memcpy(file->text + 1, name, name_len + 1);
	file->head = file->text + name_len + 2;
	memcpy(file->head, head, file->head_len);
	return file;
}

/*
 * Reads the content behind the head. False when the file changed meanwhile, or cannot be read
 * (errno).
 */
static bool read_content(struct file *file, int fd)
{
	char *content = file->head + file->head_len;
	struct stat st;
	int64_t at = 0;

	while (at < file->size) {
		ssize_t n = pread(fd, content + at, (size_t)(file->size - at), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
	}
	return fstat(fd, &st) == 0 && is_identical(&file->identity, &st);
}

static int check_kind(int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -1;
	if (S_ISREG(st->st_mode))
		return 0;
	errno = S_ISDIR(st->st_mode) ? EISDIR : EACCES;
	return -1;
}

int file_open(struct file **file_r, const struct file_options *options, const char *name,
	      size_t key_len, int64_t now)
{
	int fd = root_open_file(options->root, name), saved;
	struct file *file = NULL;
	struct stat st;

	if (fd < 0)
		return -1;
	for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
		if (check_kind(fd, &st) < 0)
			goto fail;
		if (st.st_size > options->content_max)
			break;
		file = file_new(options, name, key_len, &st, (size_t)st.st_size, now);
		if (!file)
			goto fail;
		if (read_content(file, fd)) {
			close(fd);
			*file_r = file;
			return 0;
		}
		file_unref(file);
	}
	/* Large, or never still: what is there is sent from the descriptor. */
	file = file_new(options, name, key_len, &st, 0, now);
	if (!file)
		goto fail;
	file->fd = fd;
	*file_r = file;
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

bool file_is_current(const struct file *file, const struct root *root)
{
	struct stat st;

	return file->is_first && !file->is_racy && root_stat(root, file->text + 1, &st) == 0 &&
	       is_identical(&file->identity, &st);
}

bool file_has_changed(const struct file *file)
{
	struct stat st;

	/* Not the time of change: a file that is renamed or linked has it as well, and is the same. */
	return fstat(file->fd, &st) < 0 || st.st_size != file->size ||
	       !same_time(&file->identity.modified, &st.st_mtim);
}

void file_set_date(struct file *file, int64_t now, const char *date)
{
	memcpy(file->head + file->date_at, date, DATE_LEN);
	if (file->expires_at)
		date_format(now + file->expires, file->head + file->expires_at);
	file->date = now;
}

void file_unref(struct file *file)
{
	if (!file || --file->references)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}
