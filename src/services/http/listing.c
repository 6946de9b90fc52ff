/* SPDX-License-Identifier: MIT */
/* Pages for folders; see listing.h. */
#include "services/http/listing.h"

#include "services/http/nanoseconds.h"
#include "services/http/path.h"
#include "services/http/root.h"
#include "services/http/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum sort { SORT_NAME = 0, SORT_SIZE, SORT_TIME, SORTS };

static const char *const sort_word[SORTS] = { "name", "size", "time" };
static const char *const sort_title[SORTS] = { "Name", "Size", "Modified (UTC)" };

struct text {
	const char *at;
	size_t len;
};

struct order {
	enum sort sort;
	bool descending;
};

struct entry {
	char *name;
	bool is_folder;
	int64_t size, modified;
};

struct listing {
	struct entry *entry;
	size_t n, room;
	size_t more;     /* entries that are not shown */
	bool incomplete; /* and there may be yet more */
};

/* ---- reading the folder ---- */

/* What a link leads to is asked for as for serving it: nothing outside the root is told. */
static bool stat_target(const struct root *root, const char *folder, const char *name,
			struct stat *st)
{
	char path[PATH_MAX];
	int fd, len = snprintf(path, sizeof path, "%s%s", folder, name);
	bool good;

	if (len < 0 || (size_t)len >= sizeof path)
		return false;
	fd = root_open_file(root, path);
	if (fd < 0)
		return false;
	good = fstat(fd, st) == 0;
	close(fd);
	return good;
}

/* False: there is no such entry (any more), or none that is served. */
static bool look_at(const struct root *root, const char *folder, int folder_fd, const char *name,
		    struct stat *st)
{
	if (name[0] == '.' || fstatat(folder_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISLNK(st->st_mode) && !stat_target(root, folder, name, st))
		return false;
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

static int add_entry(struct listing *listing, const char *name, const struct stat *st)
{
	if (listing->n == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		struct entry *entry = reallocarray(listing->entry, room, sizeof *listing->entry);

		if (!entry)
			return -1;
		listing->entry = entry;
		listing->room = room;
	}
	listing->entry[listing->n] = (struct entry){
		.name = strdup(name),
		.is_folder = S_ISDIR(st->st_mode),
		.size = S_ISDIR(st->st_mode) ? 0 : st->st_size,
		.modified = st->st_mtime,
	};
	if (!listing->entry[listing->n].name)
		return -1;
	listing->n++;
	return 0;
}

static int read_entries(struct listing *listing, const struct root *root, const char *folder,
			DIR *dir)
{
	int64_t end = nanoseconds_now(CLOCK_MONOTONIC) + LISTING_TIME_MS * INT64_C(1000000);
	struct dirent *dirent;
	struct stat st;

	for (size_t seen = 0; errno = 0, (dirent = readdir(dir)); seen++) {
		/* The clock is not asked for each: that would cost as much as the entry. */
		if (seen % 64 == 63 && nanoseconds_now(CLOCK_MONOTONIC) >= end) {
			listing->incomplete = true;
			return 0;
		}
		if (listing->n == LISTING_MAX) {
			listing->more += dirent->d_name[0] != '.';
			continue;
		}
		if (look_at(root, folder, dirfd(dir), dirent->d_name, &st) &&
		    add_entry(listing, dirent->d_name, &st) < 0)
			return -1;
	}
	return errno ? -1 : 0;
}

static void free_entries(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->entry[i].name);
	free(listing->entry);
}

/* ---- the order ---- */

static int compare(const void *left, const void *right, void *context)
{
	const struct entry *a = left, *b = right;
	const struct order *order = context;
	int64_t difference = 0;
	int result;

	if (a->is_folder != b->is_folder)
		return a->is_folder ? -1 : 1;
	if (order->sort == SORT_SIZE)
		difference = (a->size > b->size) - (a->size < b->size);
	else if (order->sort == SORT_TIME)
		difference = (a->modified > b->modified) - (a->modified < b->modified);
	result = difference ? (int)difference : strcmp(a->name, b->name);
	return order->descending ? -result : result;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static struct order order_of(const char *query, size_t len)
{
	struct order order = { SORT_NAME, false };
	const char *p = query, *end = query + len;

	if (p < end && *p == '?')
		p++;
	while (p < end) {
		const char *stop = memchr(p, '&', (size_t)(end - p));
		size_t part = (size_t)((stop ? stop : end) - p);

		for (int i = 0; i < SORTS; i++)
			if (part > 5 && memcmp(p, "sort=", 5) == 0 &&
			    is_word(p + 5, part - 5, sort_word[i]))
				order.sort = (enum sort)i;
		if (is_word(p, part, "order=desc"))
			order.descending = true;
		else if (is_word(p, part, "order=asc"))
			order.descending = false;
		p += part + 1;
	}
	return order;
}

/* ---- the page ---- */

/*
 * What has no place in a name on a page: controls, what is no character, and marks that turn the
 * direction of writing, with which "gpj.exe" is shown as "exe.jpg".
 */
static bool is_unfit(uint32_t code)
{
	return (code >= 0x80 && code < 0xa0) || (code & 0xfffe) == 0xfffe ||
	       (code >= 0xfdd0 && code <= 0xfdef) || (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

/* Printable ASCII that means nothing else in a page. */
static bool is_plain(char byte)
{
	return byte >= 0x20 && byte < 0x7f && !strchr("&<>\"'", byte);
}

/*
 * Text of a page. Control characters of ASCII are shown as their pictures (U+2400), all else that
 * is unfit, or no UTF-8, as U+FFFD.
 */
static void put_text(FILE *page, struct text text)
{
	const char *p = text.at, *end = text.at + text.len;

	while (p < end) {
		uint32_t code;
		size_t n = 0;

		while (p + n < end && is_plain(p[n]))
			n++;
		if (n) {
			fwrite(p, 1, n, page);
			p += n;
			continue;
		}
		n = utf8_decode(p, end, &code);
		if (!n || is_unfit(code))
			fputs("\xef\xbf\xbd", page);
		else if (code < 0x20 || code == 0x7f)
			fprintf(page, "\xe2\x90%c", (int)(0x80 + (code == 0x7f ? 0x21 : code)));
		else if (code < 0x80 && strchr("&<>\"'", (int)code))
			fprintf(page, "&#%u;", (unsigned)code);
		else
			fwrite(p, 1, n, page);
		p += n ? n : 1;
	}
}

/* One segment of a path, for a relative reference. */
static void put_reference(FILE *page, const char *name)
{
	char encoded[3 * NAME_MAX];

	fwrite(encoded, 1, path_encode(name, strnlen(name, NAME_MAX), encoded), page);
}

/*
 * The path as the heading, each folder of it a link: relative, so that it holds behind a proxy too.
 */
static void put_heading(FILE *page, struct text path)
{
	const char *p = path.at, *end = path.at + path.len, *slash;
	size_t below = 0;

	for (size_t i = 1; i < path.len; i++)
		below += path.at[i] == '/';
	fputs("<h1>", page);
	for (; p < end && (slash = memchr(p, '/', (size_t)(end - p))); p = slash + 1) {
		fputs("<a href=\"", page);
		if (!below)
			fputs("./", page);
		for (size_t i = 0; i < below; i++)
			fputs("../", page);
		fputs("\"><bdi>", page);
		put_text(page, (struct text){ p, (size_t)(slash - p) });
		fputs("</bdi>/</a>", page);
		below--;
	}
	fputs("</h1>\n", page);
}

static void put_size(FILE *page, int64_t size)
{
	static const char unit[] = "KMGTPE";
	int64_t whole = size, tenths = 0;
	int i = -1;

	while (whole >= 1024) {
		tenths = whole % 1024 * 10 / 1024;
		whole /= 1024;
		i++;
	}
	fprintf(page, "<data value=\"%" PRId64 "\">%" PRId64, size, whole);
	if (i < 0) {
		fputs(" B", page);
	} else {
		if (whole < 10)
			fprintf(page, ".%" PRId64, tenths);
		fprintf(page, " %ciB", unit[i]);
	}
	fputs("</data>", page);
}

static void put_time(FILE *page, int64_t seconds)
{
	time_t time = (time_t)seconds;
	char full[32], brief[64];
	struct tm tm;

	if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 + 1 || tm.tm_year > 9999 - 1900) {
		fputs("&#8211;", page);
		return;
	}
	snprintf(brief, sizeof brief, "%04d-%02d-%02d %02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min);
	strftime(full, sizeof full, ":%SZ", &tm);
	fprintf(page, "<time datetime=\"%s%s\">%s</time>", brief, full, brief);
}

static void put_entry(FILE *page, const struct entry *entry)
{
	const char *slash = entry->is_folder ? "/" : "";

	fputs("<tr><td><a href=\"", page);
	put_reference(page, entry->name);
	fprintf(page, "%s\"><bdi>", slash);
	put_text(page, (struct text){ entry->name, strlen(entry->name) });
	fprintf(page, "</bdi>%s</a></td><td>", slash);
	if (!entry->is_folder)
		put_size(page, entry->size);
	fputs("</td><td>", page);
	put_time(page, entry->modified);
	fputs("</td></tr>\n", page);
}

/* The column that sorts the page turns it round when it is asked for again. */
static void put_columns(FILE *page, struct order order)
{
	fputs("<table>\n<thead><tr>", page);
	for (int i = 0; i < SORTS; i++) {
		bool sorts = i == (int)order.sort;

		fputs("<th scope=\"col\"", page);
		if (sorts)
			fprintf(page, " aria-sort=\"%s\"",
				order.descending ? "descending" : "ascending");
		fprintf(page, "><a href=\"?sort=%s&amp;order=%s\">%s</a></th>", sort_word[i],
			sorts && !order.descending ? "desc" : "asc", sort_title[i]);
	}
	fputs("</tr></thead>\n<tbody>\n", page);
}

static const char style[] =
	":root{color-scheme:light dark}"
	"body{font:1rem/1.5 system-ui,sans-serif;margin:1rem auto;max-width:60rem;padding:0 1rem}"
	"h1{font-size:1.25rem;overflow-wrap:anywhere}"
	"table{border-collapse:collapse;width:100%}"
	"th,td{padding:.3rem .5rem;text-align:right;white-space:nowrap}"
	"th:first-child,td:first-child{text-align:left;width:100%;padding-left:0}"
	"td:first-child{white-space:pre-wrap;overflow-wrap:anywhere}"
	"tr{border-bottom:1px solid #8884}"
	"a{text-decoration:none}a:hover{text-decoration:underline}"
	"[aria-sort=ascending] a::after{content:\" \\2191\"}"
	"[aria-sort=descending] a::after{content:\" \\2193\"}"
	"td{font-variant-numeric:tabular-nums}"
	"td:last-child,th:last-child{padding-right:0}"
	"@media(max-width:40rem){"
	"th:last-child,td:last-child{font-size:.8rem;line-height:1.2;white-space:normal;min-width:"
	"5.5rem}}";

static void put_page(FILE *page, struct text path, struct order order,
		     const struct listing *listing)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
	      page);
	put_text(page, path);
	fprintf(page, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
	put_heading(page, path);
	put_columns(page, order);
	if (path.len > 1)
		fputs("<tr><td><a href=\"../\">..</a></td><td></td><td></td></tr>\n", page);
	for (size_t i = 0; i < listing->n; i++)
		put_entry(page, &listing->entry[i]);
	fputs("</tbody>\n</table>\n", page);
	if (listing->more || listing->incomplete)
		fprintf(page, "<p>%s%zu more entries are not shown.</p>\n",
			listing->incomplete ? "At least " : "", listing->more);
	fputs("</body>\n</html>\n", page);
}

static int make_page(struct text path, struct order order, const struct listing *listing,
		     char **page_r, size_t *len_r)
{
	FILE *page = open_memstream(page_r, len_r);
	bool failed;

	if (!page)
		return -1;
	put_page(page, path, order, listing);
	failed = ferror(page);
	if (fclose(page) == 0 && !failed)
		return 0;
	free(*page_r);
	errno = ENOMEM;
	return -1;
}

static DIR *open_folder(const struct root *root, const char *name)
{
	int fd = root_open_file(root, name), saved;
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return dir;
}

int listing_make(const struct root *root, const char *name, const char *path, size_t path_len,
		 const char *query, size_t query_len, char **page_r, size_t *len_r)
{
	struct listing listing = { 0 };
	struct order order = order_of(query, query_len);
	DIR *dir = open_folder(root, name);
	int result, saved;

	if (!dir)
		return -1;
	result = read_entries(&listing, root, name, dir);
	if (result == 0) {
		if (listing.n)
			qsort_r(listing.entry, listing.n, sizeof *listing.entry, compare, &order);
		result = make_page((struct text){ path, path_len }, order, &listing, page_r, len_r);
	}
	saved = errno;
	closedir(dir);
	free_entries(&listing);
	errno = saved;
	return result;
}
