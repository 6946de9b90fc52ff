/* SPDX-License-Identifier: MIT */
/*
 * A file that is ready to be sent: the head of its 200 response, made once, and behind it in the
 * same piece of memory the content of a small file, or a descriptor for a large one. Counted: the
 * cache holds one reference, and so does everybody who sends it.
 *
 * Only the Date in the head ever changes, between two requests; who waits for a client therefore
 * waits with a copy of the head, never with the head itself.
 */
#ifndef SERVICES_HTTP_FILE_H
#define SERVICES_HTTP_FILE_H

#include "services/http/date.h"
#include "services/http/mime.h"
#include "services/http/root.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

/* A head is never longer: what a configuration adds to it is bounded. */
enum { FILE_HEAD_MAX = 8192 };

/* What a site's files have in common. All borrowed. */
struct file_options {
	const struct root *root;
	struct mime *mime;
	const char *server;  /* "Server: musterd\r\n", or "" */
	int64_t content_max; /* a larger file is sent from its descriptor */
};

/* By what a file is recognised as still the same. */
struct file_identity {
	dev_t dev;
	ino_t ino;
	int64_t size;
	struct timespec modified, changed;
};

struct file {
	/* For the cache. */
	struct file *next; /* in the bucket */
	uint64_t hash;
	uint32_t key_len; /* of text */
	bool is_racy;  /* modified as it was read: its times may not tell it from what came after */
	bool is_first; /* a direct name, or the first of the index names */
	int64_t checked; /* the second it was last found unchanged */
	TAILQ_ENTRY(file) lru;

	unsigned references;
	int fd; /* -1: the content follows the head */
	/*
	 * Complete, with the empty line: the status line, Content-Length, and from there on what other
	 * responses have as well.
	 */
	char *head;
	uint32_t head_len;
	uint32_t type_at; /* Content-Type: in a 206, and what follows it */
	uint32_t
		encoding_at; /* Content-Encoding, or common_at: the same, in parts of other types */
	uint32_t common_at;  /* Date and all the rest: in a 304 */
	uint32_t date_at;    /* of the values */
	uint32_t expires_at; /* 0: no Expires */
	uint32_t etag_at, etag_len; /* with its quotes */
	int64_t expires;            /* seconds from Date to Expires */
	int64_t date;               /* the second that the head shows */
	int64_t modified;           /* as in Last-Modified */
	int64_t size;
	size_t memory; /* of all of this */
	struct file_identity identity;
	char text[]; /* "/" and the name below the root, NUL; its first key_len bytes are the key */
};

/*
 * Opens name (below the root, without the leading slash) and makes it ready; reads a small one. key
 * is a prefix of "/" name. now: seconds since 1970. 0 with one reference for the caller, or -1 with
 * errno: EISDIR for a folder, EACCES also for what is neither file nor folder, else as
 * root_open_file.
 */
int file_open(struct file **file_r, const struct file_options *options, const char *name,
	      size_t key_len, int64_t now);

/* True when name still stands for the file that was opened. */
bool file_is_current(const struct file *file, const struct root *root);

/* True when the file behind a descriptor is no longer what the head says of it. */
bool file_has_changed(const struct file *file);

/* Brings the dates in the head up to `now`; date: DATE_LEN bytes, of the same second. */
void file_set_date(struct file *file, int64_t now, const char *date);

static inline struct file *file_ref(struct file *file)
{
	file->references++;
	return file;
}

/* The last one closes and frees. NULL is fine. */
void file_unref(struct file *file);

#endif
