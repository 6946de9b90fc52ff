/* SPDX-License-Identifier: MIT */
/* Files made ready to be sent; see file.h. What their heads say is in head.c. */
#include "services/http/file.h"

#include "services/http/hash.h"
#include "services/http/nanoseconds.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_ATTEMPTS = 3, /* of a file that is being written just now */
	/* File times move on with the kernel's tick; within it two contents can bear one time. */
	RACY_NS = 50 * 1000 * 1000
};

/* What the variants of a file are called. */
static const char *const extension[ENCODINGS] = {
	[ENCODING_GZIP] = ".gz",
	[ENCODING_BR] = ".br",
	[ENCODING_ZSTD] = ".zst",
};
enum { EXTENSION_MAX = 4 };

/* What all steps of opening a file need. */
struct opening {
	const struct file_options *options;
	const void *host;
	const char *key;
	size_t key_len;
	struct root *root;
	int64_t now;
	struct head_values head;
	struct file *variant[ENCODINGS];
	uint64_t siblings;
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

static bool is_racy(const struct stat *st)
{
	return nanoseconds_now(CLOCK_REALTIME) - nanoseconds_of(&st->st_mtim) < RACY_NS;
}

/* One allocation with room for `content` bytes behind the head. NULL with errno. */
static struct file *file_new(const struct opening *opening, const char *name, const struct stat *st,
			     size_t content)
{
	size_t text_len = strlen(name) + 2, key_len = opening->key_len;
	struct file made = {
		.references = 1,
		.fd = -1,
		.checked = opening->now,
		.size = st->st_size,
		.host = opening->host,
		.key_len = (uint32_t)key_len,
		.is_racy = is_racy(st),
		.is_logged = opening->head.settings->log,
		.access = opening->head.settings->access,
		.root = opening->root,
		.root_generation = opening->root->generation,
	};
	char head[FILE_HEAD_MAX];
	struct file *file;

	identity_of(st, &made.identity);
	if (head_make(&made, &opening->head, opening->now, head) < 0)
		return NULL;
	made.memory = sizeof made + text_len + key_len + made.head_len + content;
	file = malloc(made.memory);
	if (!file)
		return NULL;
	*file = made;
	file->text[0] = '/';
	memcpy(file->text + 1, name, text_len - 1);
	memcpy(file->text + text_len, opening->key, key_len);
	file->key = file->text + text_len;
	file->head = file->text + text_len + key_len;
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

static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/*
 * Makes a file of a descriptor, which it takes over: in memory, or of the descriptor when it is
 * large, or never still. NULL with errno.
 */
static struct file *load(const struct opening *opening, const char *name, int fd)
{
	struct stat st;

	for (int attempt = 0; fstat(fd, &st) == 0; attempt++) {
		bool fits = st.st_size <= opening->options->content_max && attempt < READ_ATTEMPTS;
		struct file *file = file_new(opening, name, &st, fits ? (size_t)st.st_size : 0);

		if (!file)
			break;
		if (!fits) {
			file->fd = fd;
			file->fds = 1;
			return file;
		}
		if (read_content(file, fd)) {
			close_quietly(fd);
			return file;
		}
		file_unref(file);
	}
	close_quietly(fd);
	return NULL;
}

/* A descriptor of a regular file, or -1 with errno. */
static int open_regular(const struct root *root, const char *name)
{
	int fd = root_open_file(root, name);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (S_ISREG(st.st_mode))
			return fd;
		errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	}
	close_quietly(fd);
	return -1;
}

/* ------------------------------------------------------------------------------ variants ---- */

/* Writes the name of a variant; false: too long. */
static bool make_sibling(const char *name, enum encoding encoding, char out[PATH_MAX])
{
	if (strlen(name) + EXTENSION_MAX >= PATH_MAX)
		return false;
	strcpy(stpcpy(out, name), extension[encoding]);
	return true;
}

/*
 * A digest of what the names of the variants stand for; another one when any of these came, went or
 * changed. *usable_r: bits of those that may be variants.
 */
static uint64_t digest_siblings(const struct root *root, const char *name, unsigned *usable_r)
{
	uint64_t digest = 0;
	char sibling[PATH_MAX];

	*usable_r = 0;
	for (int i = ENCODING_IDENTITY + 1; i < ENCODINGS; i++) {
		struct stat st;

		digest = hash_mix(digest, (uint64_t)i);
		if (!make_sibling(name, (enum encoding)i, sibling) ||
		    root_stat(root, sibling, &st) < 0)
			continue;
		digest = hash_mix(digest, (uint64_t)st.st_dev);
		digest = hash_mix(digest, (uint64_t)st.st_ino);
		digest = hash_mix(digest, (uint64_t)st.st_size);
		digest = hash_mix(digest, (uint64_t)nanoseconds_of(&st.st_mtim));
		digest = hash_mix(digest, (uint64_t)nanoseconds_of(&st.st_ctim));
		/* Not even an empty text is empty when it is compressed: this one is being made. */
		if (S_ISREG(st.st_mode) && st.st_size > 0)
			*usable_r |= 1U << i;
	}
	return digest;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* One variant; one that cannot be opened is none. 0, or -1 with errno when there is no room. */
static int open_variant(struct opening *opening, const char *name, enum encoding encoding)
{
	char sibling[PATH_MAX];
	int fd;

	if (!make_sibling(name, encoding, sibling))
		return 0;
	fd = open_regular(opening->root, sibling);
	if (fd < 0)
		return is_shortage(errno) ? -1 : 0;
	opening->head.encoding = encoding;
	opening->head.varies = true;
	opening->variant[encoding] = load(opening, sibling, fd);
	opening->head.encoding = ENCODING_IDENTITY;
	return opening->variant[encoding] ? 0 : -1;
}

static int open_variants(struct opening *opening, const char *name)
{
	unsigned usable;

	/* Looked at before they are opened: what changes in between is noticed later. */
	opening->siblings = digest_siblings(opening->root, name, &usable);
	for (int i = ENCODING_IDENTITY + 1; i < ENCODINGS; i++)
		if ((usable >> i & 1) && open_variant(opening, name, (enum encoding)i) < 0)
			return -1;
	return 0;
}

static void drop_variants(struct file *const variant[ENCODINGS])
{
	for (int i = 0; i < ENCODINGS; i++)
		file_unref(variant[i]);
}

static void adopt_variants(struct file *file, const struct opening *opening)
{
	file->encodings = 1U << ENCODING_IDENTITY;
	file->siblings = opening->siblings;
	for (int i = 0; i < ENCODINGS; i++) {
		struct file *variant = opening->variant[i];

		if (!variant)
			continue;
		file->variant[i] = variant;
		file->encodings |= 1U << i;
		file->fds = (uint8_t)(file->fds + variant->fds);
		file->memory += variant->memory;
		file->is_racy |= variant->is_racy;
	}
}

/* ---------------------------------------------------------------------------------------- ---- */

int file_open(struct file **file_r, const struct settings *settings,
	      const struct file_options *options, const char *name, const void *host,
	      const char *key, size_t key_len, int64_t now)
{
	struct opening opening = {
		.options = options,
		.host = host,
		.key = key,
		.key_len = key_len,
		.root = settings->root,
		.now = now,
		.head = { .settings = settings,
			  .type = mime_type(options->mime, name, strlen(name)),
			  .server = options->server },
	};
	struct file *file;
	int fd;

	root_refresh(settings->root, now);
	fd = open_regular(settings->root, name);
	if (fd < 0)
		return -1;
	if (settings->precompressed && open_variants(&opening, name) < 0) {
		close_quietly(fd);
		drop_variants(opening.variant);
		return -1;
	}
	file = load(&opening, name, fd);
	if (!file) {
		drop_variants(opening.variant);
		return -1;
	}
	file->has_siblings = settings->precompressed;
	adopt_variants(file, &opening);
	*file_r = file;
	return 0;
}

bool file_is_current(const struct file *file, int64_t now)
{
	const char *name = file->text + 1;
	unsigned usable;
	struct stat st;

	root_refresh(file->root, now);
	if (!file->is_first || file->is_racy || file->root_generation != file->root->generation)
		return false;
	if (root_stat(file->root, name, &st) < 0 || !is_identical(&file->identity, &st))
		return false;
	return !file->has_siblings || digest_siblings(file->root, name, &usable) == file->siblings;
}

bool file_is_rewritten(const struct file *file)
{
	struct stat st;

	/* Not the time of change: a file that is renamed or linked has another, and is the same. */
	return file->fd >= 0 && (fstat(file->fd, &st) < 0 || st.st_size != file->size ||
				 !same_time(&file->identity.modified, &st.st_mtim));
}

bool file_has_changed(const struct file *file)
{
	if (file_is_rewritten(file))
		return true;
	if (file->fds == (file->fd >= 0))
		return false;
	for (int i = 0; i < ENCODINGS; i++)
		if (file->variant[i] && file_is_rewritten(file->variant[i]))
			return true;
	return false;
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
	drop_variants(file->variant);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}
