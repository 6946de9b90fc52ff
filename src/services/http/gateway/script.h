/* SPDX-License-Identifier: MIT */
/*
 * Which script a path leads to, as an application is told: how much of the path names it, and which
 * file it is. A file is found below the root by root.c, as those that we send ourselves are; it is
 * not opened, for the application does that.
 */
#ifndef SERVICES_HTTP_GATEWAY_SCRIPT_H
#define SERVICES_HTTP_GATEWAY_SCRIPT_H

#include "services/http/gateway/conf.h"
#include "services/http/settings.h"

#include "musterd/module.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The script that a gateway's last request led to: most applications have but one, and files are
 * looked at once a second. Zeroed at first.
 */
struct script_memo {
	const struct root *root;
	unsigned generation; /* of the root */
	int64_t second;      /* in which it was there */
	char name[256];      /* below the root */
};

struct script {
	const char *path; /* the whole of it, decoded and clean */
	size_t path_len;
	size_t len;       /* of path: the script; the rest is PATH_INFO */
	const char *file; /* that it is, absolute; NULL: none, or nobody knows */
	const char *root; /* below which it lies; NULL: there is none */
};

/*
 * script_r borrows path, gateway and settings; what has to be put together lives as long as conn's
 * serve. Of a folder, a path that ends with a slash, the script is the first of its `index` files.
 * 0, or a status to answer with: 403 and 404, 500 and 503 (logged). Does not yield.
 */
int script_find(struct script *script_r, struct mu_conn *conn, const struct gateway *gateway,
		const struct settings *settings, const char *path, size_t len);

#endif
