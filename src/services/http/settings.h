/* SPDX-License-Identifier: MIT */
/*
 * What holds for one path of one host: the directives of all blocks that match it, merged.
 *
 * First the handler's block, then the host's, then all locations that match, each adding to what
 * those before it said: prefixes (`location /static/`) the shortest first, then suffixes (`location
 * *.php`) the shortest first, then the exact path (`location =/robots.txt`). Of two with the same
 * text the handler's comes before the host's: the locations of the handler hold for all hosts.
 *
 * Of most directives the last one said counts. `header` and `error-page` add up: a block's lines of
 * a name, or of a status, replace all earlier ones of it. `allow` and `deny` of a block replace
 * both of the blocks around. `redirect`, `answer`, a gateway (`proxy`, `fastcgi`, ...), and `root` or `try` (look
 * for a file) exclude one another: the last one said. A gateway counts where its own block has a root for it too.
 *
 * A prefix matches whole segments: `/static` and `/static/` both match /static, /static/ and
 * /static/x, not /statics.
 */
#ifndef SERVICES_HTTP_SETTINGS_H
#define SERVICES_HTTP_SETTINGS_H

#include "services/access.h"
#include "services/http/conf.h"
#include "services/http/root.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * More blocks never match one path; more bytes of `header` lines are never made of them. See
 * rules_check.
 */
enum { SETTINGS_LAYERS = 32, SETTINGS_HEADERS_MAX = 4096 };

struct layer;
struct scope;

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
	const struct gateway *gateway;   /* who answers in place of a file; NULL: nobody */
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
 * The `header` lines, each with CRLF, no NUL; on an error (a status of 400 or above) those only
 * that say `always`. Writes at most size bytes, of which SETTINGS_HEADERS_MAX are always enough;
 * the length.
 */
size_t settings_headers(const struct settings *settings, bool error, char *out, size_t size);
/* False: they add no field to any response. */
bool settings_have_fields(const struct settings *settings);

/* The path of the page for a status, NULL where there is none. */
const char *settings_error_page(const struct settings *settings, int status);

/* The name of a path (or of a `try`) below the root: without leading slash and stripped prefix. */
const char *settings_name(const struct settings *settings, const char *path, size_t len,
			  size_t *len_r);

/*
 * For rules.c: the same without the hosts; site is the handler's scope, host may be the same one.
 */
void settings_merge(struct settings *settings, const struct scope *site, const struct scope *host,
		    const char *path, size_t len);
/* Adds the layers of all prefixes that match; the hash of the whole path, for scope_find. */
uint32_t settings_add_prefixes(struct settings *settings, const struct scope *site,
			       const struct scope *host, const char *path, size_t len);

#endif
