/* SPDX-License-Identifier: MIT */
/*
 * A path looked for below a root: the file that is kept for it, the file itself, the index of a folder. What is said of the
 * path, and which path that is, is site.c's.
 */
#ifndef SERVICES_HTTP_LOOK_H
#define SERVICES_HTTP_LOOK_H

#include "services/http/site.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>

/* What is looked for below a root: the path of a request, or one that stands in for it. */
struct look {
	const struct mu_conn *conn; /* who asks; NULL: it does not matter who */
	const struct host *host;
	struct settings *settings;
	const char *path;
	size_t len;
	bool no_file; /* nothing but a gateway will do: the method is not for files */
	bool no_gateway;
};

/* Whether the client may have what `access` is about; NULL: everybody may. */
bool look_admits(const struct mu_conn *conn, const struct access *access);

/*
 * 0 with a file, which the caller has a reference of, or without one: site->name is a folder to be listed. Else a
 * status, or SITE_GATEWAY: path and settings are those of the folder's index then. *file_r is NULL before. Does not yield.
 */
int look_open(struct site *site, struct look *look, struct file **file_r);

#endif
