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

/*
 * Decodes and normalises. path begins with "/" or is empty ("/" is meant). out has room for `size`
 * bytes with the terminating NUL; *len_r is without it. 0, or the status to be answered: 400 for an
 * invalid encoding, an encoded NUL or a path that climbs above the root; 404 for a dot file, an
 * encoded slash or a path that is too long to exist.
 */
int path_clean(const char *path, size_t len, char *out, size_t size, size_t *len_r);

/*
 * Percent-encodes for use in a header or a page: everything but unreserved characters and "/".
 * Writes at most 3 * len bytes and no NUL; the length.
 */
size_t path_encode(const char *path, size_t len, char *out);

#endif
