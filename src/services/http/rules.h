/* SPDX-License-Identifier: MIT */
/*
 * What holds for a request: which host of the configuration it is for, and the directives of all blocks
 * that match its path, merged.
 *
 * First the handler's block, then the host's, then all locations that match, each adding to what those
 * before it said: prefixes (`location /static/`) the shortest first, then suffixes (`location *.php`) the shortest
 * first, then the exact path (`location =/robots.txt`). Of two with the same text the handler's comes before the
 * host's: the locations of the handler hold for all hosts.
 *
 * Of most directives the last one said counts. `header` and `error-page` add up: a block's lines of a name, or of a
 * status, replace all earlier ones of it. `allow` and `deny` of a block replace both of the blocks around. `redirect`,
 * `answer`, and `root` or `try` (look for a file) exclude one another: the last one said.
 *
 * A prefix matches whole segments: `/static` and `/static/` both match /static, /static/ and /static/x, not /statics.
 *
 * Everything is prepared beforehand; a look-up allocates nothing and does not yield.
 */
#ifndef SERVICES_HTTP_RULES_H
#define SERVICES_HTTP_RULES_H

#include "services/http/access.h"
#include "services/http/conf.h"
#include "services/http/root.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More blocks never match one path; more bytes of `header` lines are never made of them. See rules_limits. */
enum { SETTINGS_LAYERS = 32, SETTINGS_HEADERS_MAX = 4096 };

struct rules;
struct host;
struct layer;

struct redirect {
	int status;         /* 301, 302, 303, 307 or 308 */
	const char *target; /* for template_url */
};

/* Borrowed from the rules, as long as they live. */
struct settings {
	struct root *root;               /* NULL: nothing is served; 404 */
	const struct mu_words *index;    /* never NULL */
	const struct mu_words *try;      /* NULL: the path itself */
	const struct access *access;     /* NULL: everybody */
	const struct redirect *redirect; /* NULL: none */
	int answer;                      /* status to answer with, in place of a file; 0: none */
	const char *answer_text;         /* its content; NULL: the page of the status */
	const char *charset;             /* of text; NULL: none is said */
	bool listing, precompressed, nosniff, log;
	int64_t expires;   /* seconds; 0: Cache-Control: no-cache; EXPIRES_NONE */
	size_t prefix_len; /* of the longest prefix that matched, as written: for {rest} */
	const char *strip; /* the prefix that names below root do not have, strip_len bytes */
	size_t strip_len;
	int layers;
	const struct layer *layer[SETTINGS_LAYERS];
};

/*
 * For `prepare`: opens all roots. conf is borrowed, and was checked. NULL when it cannot (logged). rules_settle: for
 * `start`, as root_settle for each root.
 */
struct rules *rules_new(const struct site_conf *conf, struct mu_worker *worker);
void rules_settle(struct rules *rules);
void rules_free(struct rules *rules);

/*
 * Which host a request is for: name as sent, with or without port, in any case, with or without a final dot. An
 * exact name goes before `*.example.org`, and of these the longest. Not known, or empty: the handler's own block.
 */
const struct host *rules_host(const struct rules *rules, const char *name, size_t len);

/* The merged settings for one path, as path_clean gives it, at a host. */
void rules_settings(const struct rules *rules, const struct host *host, const char *path,
		    size_t len, struct settings *settings_r);

/*
 * The `header` lines, each with CRLF, no NUL; on an error (a status of 400 or above) those only that say `always`.
 * Writes at most size bytes, of which SETTINGS_HEADERS_MAX are always enough; the length.
 */
size_t settings_headers(const struct settings *settings, bool error, char *out, size_t size);
/* The path of the page for a status, NULL where there is none. */
const char *settings_error_page(const struct settings *settings, int status);

/* The name of a path (or of a `try`) below the root: without leading slash and stripped prefix. */
const char *settings_name(const struct settings *settings, const char *path, size_t len,
			  size_t *len_r);

#endif
