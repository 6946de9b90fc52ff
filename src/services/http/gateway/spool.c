/* SPDX-License-Identifier: MIT */
/* Content that is kept, see spool.h. */
#include "services/http/gateway/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

struct spool {
	struct mu_worker *worker;
	char *path;
	int folder;  /* -1: it cannot be opened */
	int error;   /* why not */
	bool warned; /* of files in memory */
};

/* ------------------------------------------------------------------------------------- the folder ---- */

struct spool *spool_new(struct mu_worker *worker)
{
	const char *path = getenv("TMPDIR");
	struct spool *spool = calloc(1, sizeof *spool);

	if (!spool)
		return NULL;
	spool->worker = worker;
	spool->folder = -1;
	spool->path = strdup(path && *path == '/' ? path : "/var/tmp");
	if (!spool->path) {
		spool_free(spool);
		return NULL;
	}
	spool->folder = open(spool->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	spool->error = errno;
	return spool;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->folder >= 0)
		close(spool->folder);
	free(spool->path);
	free(spool);
}

const char *spool_path(const struct spool *spool)
{
	return spool->path;
}

/* -------------------------------------------------------------------------------------- its files ---- */

/* Where the file system has no files without a name. The folder may be one that everybody can write to. */
static int open_and_unlink(const struct spool *spool)
{
	uint64_t number;
	char name[48];
	int fd;

	do {
		if (getrandom(&number, sizeof number, 0) != sizeof number)
			return -1;
		snprintf(name, sizeof name, ".musterd-%016" PRIx64, number);
		fd = openat(spool->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	} while (fd < 0 && errno == EEXIST);
	if (fd >= 0)
		unlinkat(spool->folder, name, 0);
	return fd;
}

/* These would be no others in memory, or it would bear what the disk could not. */
static bool is_shortage(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE ||
	       error == ENOMEM || error == EIO;
}

static int open_in_folder(const struct spool *spool)
{
	int fd;

	if (spool->folder < 0) {
		errno = spool->error;
		return -1;
	}
	fd = openat(spool->folder, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 || is_shortage(errno) ? fd : open_and_unlink(spool);
}

static int open_file(struct spool *spool)
{
	int fd = open_in_folder(spool);

	if (fd >= 0 || is_shortage(errno))
		return fd;
	if (!spool->warned)
		mu_worker_log(
			spool->worker, MU_WARNING,
			"no file can be made in %s: %s; content of requests that comes without its "
			"length is kept in memory (TMPDIR names another folder)",
			spool->path, strerror(errno));
	spool->warned = true;
	return memfd_create("content", MFD_CLOEXEC);
}

static int write_all(int fd, const char *data, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_held(struct spooled *spooled)
{
	if (write_all(spooled->fd, spooled->memory, spooled->held, spooled->len - spooled->held) <
	    0)
		return -1;
	spooled->held = 0;
	return 0;
}

int spooled_add(struct spooled *spooled, struct spool *spool, const char *data, size_t len)
{
	while (len) {
		size_t n = sizeof spooled->memory - spooled->held;

		if (!n) {
			if (spooled->fd < 0 && (spooled->fd = open_file(spool)) < 0)
				return -1;
			if (write_held(spooled) < 0)
				return -1;
			continue;
		}
		if (n > len)
			n = len;
		memcpy(spooled->memory + spooled->held, data, n);
		spooled->held += n;
		spooled->len += n;
		data += n;
		len -= n;
	}
	return 0;
}

int spooled_finish(struct spooled *spooled)
{
	return spooled->fd < 0 ? 0 : write_held(spooled);
}

ssize_t spooled_read(struct spooled *spooled, uint64_t offset)
{
	ssize_t n;

	do
		n = pread(spooled->fd, spooled->memory, sizeof spooled->memory, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n;
}

void spooled_end(struct spooled *spooled)
{
	if (spooled->fd >= 0)
		close(spooled->fd);
	spooled->fd = -1;
}
