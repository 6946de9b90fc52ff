/* SPDX-License-Identifier: MIT */
/*
 * The path of a request target, as text: percent-encoding, dot segments, dot files. What comes out
 * begins with "/", has neither empty nor dot segments, and can be opened below a folder; whether
 * there is such a file is for root.c to say.
 */
#ifndef SERVICES_HTTP_PATH_H
#define SERVICES_HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* True when path_clean would give back the very same bytes: then they can be used as they are. */
bool path_is_clean(const char *path, size_t len);

/* What path_clean says of a path that no file has. */
enum { PATH_NO_FILE = 1 };

/*
 * Decodes and normalises. path begins with "/" or is empty ("/" is meant). out has room for `size`
 * bytes with the terminating NUL; *len_r is without it. 0, PATH_NO_FILE for a dot file or one with
 * an encoded slash (RFC 3986 section 2.2: data, not a separator; in out it is a slash, as checks in
 * front of us may have it): an application may know it. Or the status to be answered: 400 for an
 * invalid encoding, an encoded NUL or a path that climbs above the root; 404 for one that is too
 * long to exist, or has a dot segment beside an encoded slash or with a parameter ("..;").
 */
int path_clean(const char *path, size_t len, char *out, size_t size, size_t *len_r);

/*
 * Percent-encodes for use in a header or a page: everything but unreserved characters and "/".
 * Writes at most 3 * len bytes and no NUL; the length.
 */
size_t path_encode(const char *path, size_t len, char *out);

#endif
