/* SPDX-License-Identifier: MIT */
/*
 * Media types; see mime.h. The system's table has 1,500 extensions, of which a site uses a handful,
 * and each worker has a table of its own: so the file is only opened at the start, and read when a
 * file is sent whose extension was not met before. What was found is kept in a hash table.
 */
#include "services/http/mime.h"

#include "services/http/hash.h"
#include "services/http/octet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUCKETS = 256, /* a power of two */
	EXTENSION_MAX = 15,
	ENTRIES_MAX = 4096, /* kept; others are looked for each time */
	FILE_MAX = 16 << 20
};

struct entry {
	struct entry *next;
	const char *type; /* NULL: there is none */
	char extension[EXTENSION_MAX + 1];
	char text[];
};

struct mime {
	int fd; /* of the file; -1: none */
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

/* Makes a key of the extension; false when it is none that a table could hold. */
static bool make_key(const char *extension, size_t len, char key[EXTENSION_MAX + 1],
		     size_t *bucket_r)
{
	uint32_t hash = HASH_BASIS;

	if (!len || len > EXTENSION_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		key[i] = octet_fold(extension[i]);
		hash = hash_byte(hash, key[i]);
	}
	key[len] = '\0';
	*bucket_r = (hash ^ hash >> 16) % BUCKETS;
	return true;
}

/* ----------------------------------------------------------------------------- looking for it ---- */

/* A word of a line: its length; 0: the line is over. *at is moved behind it. */
static size_t next_word(const char **at, const char *end, const char **word_r)
{
	const char *p = *at;

	while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
		p++;
	*word_r = p;
	while (p < end && *p != ' ' && !(*p >= '\t' && *p <= '\r'))
		p++;
	*at = p;
	return (size_t)(p - *word_r);
}

static bool is_key(const char *word, size_t len, const char *key)
{
	for (size_t i = 0; i < len; i++)
		if (octet_fold(word[i]) != key[i])
			return false;
	return key[len] == '\0';
}

/* "type/subtype" of token bytes: it goes into a header as it is. */
static bool is_type(const char *type, size_t len)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/!#$&^_.+-";
	const char *slash = memchr(type, '/', len), *end = type + len;

	if (!slash || slash == type || slash + 1 == end ||
	    memchr(slash + 1, '/', (size_t)(end - slash - 1)) || len >= MIME_TYPE_MAX)
		return false;
	for (const char *p = type; p < end; p++)
		if (!*p || !strchr(good, *p))
			return false;
	return true;
}

/*
 * The type in "type ext ext ... # comment" if the extension is one of these; lines that are
 * anything else have none. Its length; 0: no.
 */
static size_t type_in_line(const char *line, size_t len, const char *key, const char **type_r)
{
	const char *comment = memchr(line, '#', len);
	const char *end = comment ? comment : line + len, *word;
	size_t type_len = next_word(&line, end, type_r), word_len;

	while ((word_len = next_word(&line, end, &word))) {
		/* Lines of nginx's table end with a semicolon. */
		word_len -= word[word_len - 1] == ';';
		if (word_len <= EXTENSION_MAX && is_key(word, word_len, key))
			return is_type(*type_r, type_len) ? type_len : 0;
	}
	return 0;
}

static size_t look_in_text(const char *text, size_t text_len, const char *key, const char **type_r)
{
	const char *end = text + text_len, *next;
	size_t len;

	for (const char *line = text; line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		len = type_in_line(line, (size_t)(next - line), key, type_r);
		if (len)
			return len;
	}
	return 0;
}

static size_t look_in_table(const char *key, const char **type_r)
{
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
		size_t len = type_in_line(built_in[i], strlen(built_in[i]), key, type_r);

		if (len)
			return len;
	}
	return 0;
}

/* The whole file, malloc'd; NULL with errno (0: there is none). */
static char *read_text(int fd, size_t *len_r)
{
	size_t len = 0;
	struct stat st;
	char *text;
	ssize_t n;

	errno = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EFBIG;
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	while ((n = pread(fd, text + len, (size_t)st.st_size - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (n == 0) {
		*len_r = len;
		return text;
	}
	free(text);
	return NULL;
}

/* The first to claim an extension has it: the file before the built-in table. */
static struct entry *new_entry(const struct mime *mime, const char *key)
{
	struct entry *entry = malloc(sizeof *entry + MIME_TYPE_MAX);
	const char *type = NULL;
	size_t text_len = 0, len;
	char *text;

	if (!entry)
		return NULL;
	text = read_text(mime->fd, &text_len);
	len = text ? look_in_text(text, text_len, key, &type) : 0;
	if (!len)
		len = look_in_table(key, &type);
	memcpy(entry->extension, key, sizeof entry->extension);
	snprintf(entry->text, MIME_TYPE_MAX, "%.*s", (int)len, len ? type : "");
	entry->type = len ? entry->text : NULL;
	free(text);
	return entry;
}

/* Finds out about the key, and keeps it. NULL: no memory or no room. */
static const struct entry *keep(struct mime *mime, size_t bucket, const char *key)
{
	struct entry *entry = mime->entries < ENTRIES_MAX ? new_entry(mime, key) : NULL;

	if (!entry)
		return NULL;
	entry->next = mime->bucket[bucket];
	mime->bucket[bucket] = entry;
	mime->entries++;
	return entry;
}

const char *mime_type(struct mime *mime, const char *name, size_t len)
{
	const char *end = name + len, *dot = memrchr(name, '.', len);
	const struct entry *entry = NULL;
	char key[EXTENSION_MAX + 1] = "";
	size_t bucket;

	if (dot && !memchr(dot, '/', (size_t)(end - dot)) &&
	    make_key(dot + 1, (size_t)(end - dot - 1), key, &bucket)) {
		entry = mime->bucket[bucket];
		while (entry && strcmp(entry->extension, key) != 0)
			entry = entry->next;
		if (!entry)
			entry = keep(mime, bucket, key);
	}
	return entry && entry->type ? entry->type : "application/octet-stream";
}

/* ------------------------------------------------------------------------- making and unmaking ---- */

struct mime *mime_new(const char *path)
{
	struct mime *mime = calloc(1, sizeof *mime);
	size_t len;
	int error = 0;

	if (!mime)
		return NULL;
	mime->fd = -1;
	if (path) {
		mime->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		error = mime->fd < 0 ? errno : 0;
	}
	if (mime->fd >= 0) {
		char *text = read_text(mime->fd, &len);

		error = text ? 0 : errno;
		free(text);
	}
	errno = error;
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
	if (mime->fd >= 0)
		close(mime->fd);
	free(mime);
}
