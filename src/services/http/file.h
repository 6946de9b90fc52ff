/* SPDX-License-Identifier: MIT */
/*
 * A file that is ready to be sent: the head of its 200 response, made once, and behind it in the
 * same piece of memory the content of a small file, or a descriptor for a large one. Counted: the
 * cache holds one reference, and so does everybody who sends it.
 *
 * Where the file lies there compressed as well (page.html, and beside it page.html.br), each of
 * these variants is a file of its own with its own head, and belongs to the plain one.
 *
 * Only the dates in the head ever change, between two requests; who waits for a client therefore
 * waits with a copy of the head, never with the head itself.
 */
#ifndef SERVICES_HTTP_FILE_H
#define SERVICES_HTTP_FILE_H

#include "services/http/date.h"
#include "services/http/encoding.h"
#include "services/http/head.h"
#include "services/http/mime.h"
#include "services/http/root.h"
#include "services/http/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

/* What a site's files have in common. All borrowed. */
struct file_options {
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
	const void *host; /* only compared; with key: what it was opened for */
	const char *key;
	uint32_t key_len;
	bool is_racy;  /* modified as it was read: its times may not tell it from what came after */
	bool is_first; /* no other name was tried before this one */
	bool is_logged;  /* as the settings say */
	uint8_t fds;     /* descriptors, with those of the variants */
	int64_t checked; /* the second it was last found unchanged */
	TAILQ_ENTRY(file) lru;

	unsigned references;
	unsigned encodings; /* there is: 1 << each enum encoding; 0 in a variant */
	struct file *variant[ENCODINGS];
	const struct access *access; /* borrowed; NULL: everybody */
	int fd;                      /* -1: the content follows the head */
	/*
	 * Complete, with the empty line: the status line, Content-Length, and from there on what
	 * other responses have as well.
	 */
	char *head;
	uint32_t head_len;
	uint32_t type_at;     /* Content-Type: in a 206, and what follows it */
	uint32_t encoding_at; /* Content-Encoding, if any: where parts have types of their own */
	uint32_t common_at;   /* Date and all the rest: in a 304 */
	uint32_t date_at;     /* of the values */
	uint32_t expires_at;  /* 0: no Expires */
	uint32_t etag_at, etag_len; /* with its quotes */
	int64_t expires;            /* seconds from Date to Expires */
	int64_t date;               /* the second that the head shows */
	int64_t modified;           /* as in Last-Modified */
	int64_t size;
	size_t memory; /* of all of this, with the variants */
	struct root *root;
	unsigned root_generation;
	bool has_siblings; /* there may be variants */
	uint64_t siblings; /* a digest of what was there */
	struct file_identity identity;
	char text[]; /* "/" and the name below the root, NUL */
};

/*
 * Opens name (below settings->root, without the leading slash) and makes it ready, with its
 * variants if the settings want them; reads small ones. host, key: what it is opened for, the key
 * is copied. now: seconds since 1970. 0 with one reference for the caller, or -1 with errno: EISDIR
 * for a folder, EACCES also for what is neither file nor folder, else as root_open_file.
 */
int file_open(struct file **file_r, const struct settings *settings,
	      const struct file_options *options, const char *name, const void *host,
	      const char *key, size_t key_len, int64_t now);

/* True when its name still stands for the file that was opened, and for the same variants. */
bool file_is_current(const struct file *file, int64_t now);

/* True when the file behind the descriptor is no longer what the head says of it. False where there is none. */
bool file_is_rewritten(const struct file *file);
/* The same of the file or one of its variants. */
bool file_has_changed(const struct file *file);

/* Brings the dates in the head up to `now`; date: DATE_LEN bytes, of the same second. */
void file_set_date(struct file *file, int64_t now, const char *date);

/* True when there is more than one representation to choose from. */
static inline bool file_has_variants(const struct file *file)
{
	return file->encodings & (file->encodings - 1);
}

static inline struct file *file_ref(struct file *file)
{
	file->references++;
	return file;
}

/* The last one closes and frees. NULL is fine. */
void file_unref(struct file *file);

#endif
