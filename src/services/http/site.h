/* SPDX-License-Identifier: MIT */
/*
 * A website in one worker: its rules, and what is kept ready. Answers the question what a request
 * leads to: a file, a folder to be listed, or a status.
 */
#ifndef SERVICES_HTTP_SITE_H
#define SERVICES_HTTP_SITE_H

#include "services/http/access_log.h"
#include "services/http/cache.h"
#include "services/http/conf.h"
#include "services/http/file.h"
#include "services/http/mime.h"
#include "services/http/request.h"
#include "services/http/rules.h"
#include "services/http/template.h"

#include "musterd/module.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct site {
	const struct site_conf *conf;
	struct mu_worker *worker;
	struct rules *rules;
	struct mime *mime;
	struct file_options file;
	struct cache cache;
	struct access_log *log; /* NULL: none */
	bool timed;             /* it tells how long a request took */
	int64_t now;            /* the second that date shows */
	int64_t warned;         /* the second of the last warning of an error page */
	struct groups *groups;  /* of servers behind gateways */
	bool has_gateways;
	struct spool
		*spool;  /* for content that they cannot take as it comes; NULL: none needs it */
	int64_t denied;  /* the second of the last warning of a file that may not be opened */
	bool is_listing; /* a listing was made in this turn of the worker */
	char date[DATE_LEN];
	/* Of the request being looked up; nothing yields meanwhile. */
	char path[PATH_MAX];
	char candidate[PATH_MAX]; /* a path of `try` */
	char index[PATH_MAX];     /* that of an index file */
	char name[PATH_MAX];      /* below the root */
};

/* What site_find says of a path that leads to a gateway: no status. */
enum { SITE_GATEWAY = 1000 };

/* What a request leads to, and the settings that hold for it. */
struct found {
	const struct host *host;
	/* Cleaned; valid until the next look-up or yield. */
	const char *path;
	size_t len;
	bool settled; /* the settings are there: always, but for a file from the cache */
	struct settings settings;
	struct file *file; /* with a reference for the caller; NULL: none */
};

/* conf and worker are borrowed. NULL when the site cannot be served (logged). */
struct site *site_new(const struct site_conf *conf, struct mu_worker *worker);
void site_free(struct site *site);

/* Brings now and date up to the worker's clock. To be called before site_find. */
void site_turn(struct site *site);

/*
 * What to answer to a request with a path, whose slices are of data. 0: with found->file, or
 * without one with the list of the folder that site->name is now. Else a status. 3xx:
 * found->settings.redirect says where to; without one it is 301 to the same path with a slash
 * behind it. -400: the path means nothing. Only GET and HEAD lead to files: 405 for the others
 * where nothing else is said. SITE_GATEWAY: found->settings.gateway answers, found->path being what
 * it is asked for: the path of the request, of a `try`, or of an index file.
 */
int site_find(struct site *site, const struct mu_conn *conn, const struct request *request,
	      const char *data, struct found *found);

/* To be called before the settings of a file from the cache are looked at. */
void site_settle(struct site *site, struct found *found);

/*
 * The page for a status, with a reference for the caller; NULL: there is none, or it cannot be had.
 */
struct file *site_error_file(struct site *site, const struct found *found, int status);

/* For template_url, in the settled found. */
struct template_values site_values(const struct request *request, const char *data,
				   const struct found *found);

#endif
