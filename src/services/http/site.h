/* SPDX-License-Identifier: MIT */
/*
 * A website in one worker: its configuration, its root, and what is kept ready. Answers the
 * question which file a request path stands for.
 */
#ifndef SERVICES_HTTP_SITE_H
#define SERVICES_HTTP_SITE_H

#include "services/http/cache.h"
#include "services/http/conf.h"
#include "services/http/file.h"
#include "services/http/mime.h"
#include "services/http/root.h"

#include "musterd/module.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct site {
	const struct site_conf *conf;
	struct mu_worker *worker;
	struct root root;
	struct mime *mime;
	struct file_options file;
	struct cache cache;
	int64_t now; /* the second that date shows */
	char date[DATE_LEN];
	char path[PATH_MAX]; /* of the request being looked up; nothing yields meanwhile */
	char name[PATH_MAX]; /* of an index file */
};

/* conf and worker are borrowed. NULL when the site cannot be served (logged). */
struct site *site_new(const struct site_conf *conf, struct mu_worker *worker);
void site_free(struct site *site);

/*
 * Brings now and date up to the worker's clock, and with each new second the root to the folder that
 * its path names. To be called before site_find.
 */
void site_turn(struct site *site);

/*
 * The file for a path as it was sent (RFC 3986). 0 with a reference in *file_r, or the status to
 * answer. 301: the path is a folder's and lacks its slash; *path_r, *len_r are then the path
 * decoded, valid until the next call or yield.
 */
int site_find(struct site *site, const char *path, size_t len, struct file **file_r,
	      const char **path_r, size_t *len_r);

#endif
