/* SPDX-License-Identifier: MIT */
/*
 * Media types; see mime.h. One hash table from extensions (small letters) to types, filled first
 * from the system's file, then from the table below where an extension is still free.
 */
#include "services/http/mime.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 1024, /* a power of two; Debian's table has 1,500 extensions */
	EXTENSION_MAX = 15,
	ENTRIES_MAX = 20000 /* whatever the file says */
};

struct entry {
	struct entry *next;
	char extension[EXTENSION_MAX + 1];
	char type[];
};

struct mime {
	size_t entries;
	struct entry *bucket[BUCKETS];
};

static const char *const built_in[] = {
	"text/html html htm shtml",
	"text/css css",
	"text/javascript js mjs",
	"text/plain txt text log conf md",
	"text/csv csv",
	"text/calendar ics",
	"text/vtt vtt",
	"text/xml xml xsl",
	"application/json json map",
	"application/ld+json jsonld",
	"application/manifest+json webmanifest",
	"application/xhtml+xml xhtml xht",
	"application/rss+xml rss",
	"application/atom+xml atom",
	"application/wasm wasm",
	"application/pdf pdf",
	"application/postscript ps eps ai",
	"application/rtf rtf",
	"application/msword doc dot",
	"application/vnd.ms-excel xls",
	"application/vnd.ms-powerpoint ppt pps",
	"application/vnd.ms-fontobject eot",
	"application/vnd.oasis.opendocument.text odt",
	"application/vnd.oasis.opendocument.spreadsheet ods",
	"application/vnd.oasis.opendocument.presentation odp",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation pptx",
	"application/epub+zip epub",
	"application/zip zip",
	"application/gzip gz tgz",
	"application/x-bzip2 bz2",
	"application/x-xz xz",
	"application/zstd zst",
	"application/x-7z-compressed 7z",
	"application/x-tar tar",
	"application/vnd.rar rar",
	"application/java-archive jar war ear",
	"application/vnd.debian.binary-package deb",
	"application/x-redhat-package-manager rpm",
	"application/x-iso9660-image iso",
	"image/png png",
	"image/jpeg jpeg jpg jpe",
	"image/gif gif",
	"image/webp webp",
	"image/avif avif",
	"image/svg+xml svg svgz",
	"image/vnd.microsoft.icon ico",
	"image/bmp bmp",
	"image/tiff tif tiff",
	"image/jxl jxl",
	"font/woff woff",
	"font/woff2 woff2",
	"font/ttf ttf",
	"font/otf otf",
	"audio/mpeg mp3 mpga",
	"audio/ogg oga ogg opus spx",
	"audio/mp4 m4a",
	"audio/flac flac",
	"audio/x-wav wav",
	"audio/midi mid midi kar",
	"video/mp4 mp4 mpg4",
	"video/mpeg mpeg mpg mpe",
	"video/webm webm",
	"video/ogg ogv",
	"video/quicktime mov qt",
	"video/x-matroska mkv",
	"video/x-msvideo avi",
	"video/x-flv flv",
	"video/mp2t ts",
	"application/vnd.apple.mpegurl m3u8",
	"application/octet-stream bin exe dll dmg img msi",
};

static char small(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? (char)(letter | 0x20) : letter;
}

/* Makes a key of the extension; false when it is none that a table could hold. */
static bool make_key(const char *extension, size_t len, char key[EXTENSION_MAX + 1],
		     size_t *bucket_r)
{
	uint32_t hash = 2166136261; /* FNV-1a */

	if (!len || len > EXTENSION_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		key[i] = small(extension[i]);
		hash = (hash ^ (unsigned char)key[i]) * 16777619;
	}
	key[len] = '\0';
	*bucket_r = (hash ^ hash >> 16) % BUCKETS;
	return true;
}

static const struct entry *find(const struct mime *mime, size_t bucket, const char *key)
{
	for (const struct entry *entry = mime->bucket[bucket]; entry; entry = entry->next)
		if (!strcmp(entry->extension, key))
			return entry;
	return NULL;
}

/* "type/subtype" of token bytes: it goes into a header as it is. */
static bool is_type(const char *type)
{
	const char *slash = strchr(type, '/');

	return slash && slash > type && slash[1] && !strchr(slash + 1, '/') &&
	       strlen(type) <= MIME_TYPE_MAX - sizeof "; charset=utf-8" &&
	       type[strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789/!#$&^_.+-")] == '\0';
}

/* The first to claim an extension keeps it. 0 or -1 with ENOMEM. */
static int add(struct mime *mime, const char *extension, const char *type)
{
	const char *charset = strncmp(type, "text/", 5) ? "" : "; charset=utf-8";
	size_t size = strlen(type) + strlen(charset) + 1;
	char key[EXTENSION_MAX + 1];
	struct entry *entry;
	size_t bucket;

	if (mime->entries == ENTRIES_MAX || !make_key(extension, strlen(extension), key, &bucket) ||
	    find(mime, bucket, key))
		return 0;
	entry = malloc(sizeof *entry + size);
	if (!entry)
		return -1;
	memcpy(entry->extension, key, sizeof key);
	snprintf(entry->type, size, "%s%s", type, charset);
	entry->next = mime->bucket[bucket];
	mime->bucket[bucket] = entry;
	mime->entries++;
	return 0;
}

/*
 * "type ext ext ... # comment"; lines that are anything else are passed over. 0 or -1 with ENOMEM.
 */
static int add_line(struct mime *mime, char *line)
{
	static const char blanks[] = " \t\r\n\v\f";
	char *rest = NULL, *type, *extension;

	line[strcspn(line, "#")] = '\0';
	type = strtok_r(line, blanks, &rest);
	if (!type || !is_type(type))
		return 0;
	while ((extension = strtok_r(NULL, blanks, &rest)))
		if (add(mime, extension, type) < 0)
			return -1;
	return 0;
}

/* 0, or -1 with errno; what was read until then stays. */
static int read_file(struct mime *mime, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int status = 0, saved;

	if (!file)
		return -1;
	errno = 0;
	while (status == 0 && getline(&line, &size, file) >= 0)
		status = add_line(mime, line);
	if (ferror(file))
		status = -1;
	saved = errno;
	free(line);
	fclose(file);
	errno = saved;
	return status;
}

struct mime *mime_new(const char *path)
{
	struct mime *mime = calloc(1, sizeof *mime);
	int unread = 0;

	if (!mime)
		return NULL;
	if (path && read_file(mime, path) < 0)
		unread = errno;
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
		char line[128];

		snprintf(line, sizeof line, "%s", built_in[i]);
		if (add_line(mime, line) < 0) {
			mime_free(mime);
			errno = ENOMEM;
			return NULL;
		}
	}
	errno = unread;
	return mime;
}

void mime_free(struct mime *mime)
{
	if (!mime)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *next;

		for (struct entry *entry = mime->bucket[i]; entry; entry = next) {
			next = entry->next;
			free(entry);
		}
	}
	free(mime);
}

const char *mime_type(const struct mime *mime, const char *name, size_t len)
{
	const char *end = name + len, *dot = memrchr(name, '.', len);
	const struct entry *entry = NULL;
	char key[EXTENSION_MAX + 1];
	size_t bucket;

	if (dot && !memchr(dot, '/', (size_t)(end - dot)) &&
	    make_key(dot + 1, (size_t)(end - dot - 1), key, &bucket))
		entry = find(mime, bucket, key);
	return entry ? entry->type : "application/octet-stream";
}
