/* SPDX-License-Identifier: MIT */
/*
 * The page that shows what is in a folder. Only what would be served is shown: regular files and
 * folders, symbolic links as what they lead to, no dot files.
 */
#ifndef SERVICES_HTTP_LISTING_H
#define SERVICES_HTTP_LISTING_H

#include <stddef.h>

struct root;

enum {
	LISTING_MAX = 10000,  /* entries on a page; how many more there are stands there too */
	LISTING_TIME_MS = 250 /* after so long no further entries are looked at */
};

#define LISTING_TYPE "text/html; charset=utf-8"
/* For the head of its response: nothing on it may load or run anything. */
#define LISTING_FIELDS "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
/*
 * And this where the configuration does not say how long to keep it. The order is the query's, and
 * what changes in a folder need not show in its time: so the page is never taken for current.
 */
#define LISTING_UNKEPT "Cache-Control: no-cache\r\n"

/*
 * name: the folder below root, as root_open_file takes it, with a slash at its end unless it is "".
 * path, path_len: what it is called on the page, cleaned and decoded, with a slash at both ends.
 * query: as sent, with or without its "?"; "sort=name|size|time" and "order=asc|desc" are
 * understood, all else is passed over. *page_r is the caller's to free. 0, or -1 with errno: the
 * folder cannot be read, ENOMEM. Does not yield.
 */
int listing_make(const struct root *root, const char *name, const char *path, size_t path_len,
		 const char *query, size_t query_len, char **page_r, size_t *len_r);

#endif
