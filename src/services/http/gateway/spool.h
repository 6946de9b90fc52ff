/* SPDX-License-Identifier: MIT */
/*
 * A place for content that has to be there as a whole before anything can be done with it: what is little stays in
 * memory, the rest goes to a file without a name, which is gone when its descriptor is. What is put there, and why, is
 * relay_spool.c's.
 *
 * Files are written and read as the kernel's cache of pages has it: on a disk that is behind with its work a write may
 * hold up the worker, as reading a file that is served may.
 */
#ifndef SERVICES_HTTP_GATEWAY_SPOOL_H
#define SERVICES_HTTP_GATEWAY_SPOOL_H

#include "musterd/module.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Up to so much there is no file; and a file is read in pieces of that. */
enum { SPOOL_PIECE = 16384 };

/* Where a worker has its files. */
struct spool;

/* Zeroed but for fd, which is -1. */
struct spooled {
	int fd;       /* -1: all of it is in memory */
	size_t held;  /* bytes in memory; with a file: those that are not in it yet */
	uint64_t len; /* of all */
	char memory[SPOOL_PIECE];
};

/*
 * For `prepare`: opens $TMPDIR, or /var/tmp, which may lie outside a chroot; whether files can be made there shows
 * when one is. NULL with ENOMEM. worker is borrowed.
 */
struct spool *spool_new(struct mu_worker *worker);
void spool_free(struct spool *spool);
/* For the log. */
const char *spool_path(const struct spool *spool);

/*
 * Adds bytes. Where no file can be made in the folder it is one of the kernel's memory, memfd_create(2): said in
 * the log once. 0, or -1 with errno: ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM, EIO. Does not yield.
 */
int spooled_add(struct spooled *spooled, struct spool *spool, const char *data, size_t len);
/* No more is added: what is held goes to the file, if there is one. As spooled_add. */
int spooled_finish(struct spooled *spooled);
/*
 * Of a file: the bytes from offset on, SPOOL_PIECE at most, in memory until the next call. How many, less only at its end;
 * -1 with errno. Does not yield.
 */
ssize_t spooled_read(struct spooled *spooled, uint64_t offset);
/* Closes the file, which is gone then. May be called again. */
void spooled_end(struct spooled *spooled);

#endif
