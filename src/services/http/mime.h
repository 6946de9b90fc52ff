/* SPDX-License-Identifier: MIT */
/*
 * Media types by file name: the system's table (mime.types(5)) with a built-in one behind it.
 */
#ifndef SERVICES_HTTP_MIME_H
#define SERVICES_HTTP_MIME_H

#include <stddef.h>

struct mime;

/*
 * path: a file in the form of /etc/mime.types; NULL or one that cannot be read (errno is then set
 * and not 0) leaves the built-in table alone. NULL with ENOMEM.
 */
struct mime *mime_new(const char *path);
void mime_free(struct mime *mime);

/*
 * The type for a file name or path, without parameters; shorter than MIME_TYPE_MAX bytes. Never
 * NULL. Lives as long as the mime.
 */
enum { MIME_TYPE_MAX = 160 };
const char *mime_type(struct mime *mime, const char *name, size_t len);

#endif
