/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a website: what the directives of the handler's block, of its hosts and
 * their locations fill, and the check of it all. What a block does not say it takes over from those
 * around it: rules.h says how.
 */
#ifndef SERVICES_HTTP_CONF_H
#define SERVICES_HTTP_CONF_H

#include "services/http/gateway/conf.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stdint.h>

#define CONF_MIME_TYPES "/etc/mime.types" /* where nothing else is said */

/*
 * What may be said for a site, for a host and for a location. A MU_SWITCH is 0 where it is not
 * written.
 */
struct rules_conf {
	const char *root;
	struct mu_words index;
	struct mu_words try;        /* templates of paths, the last may be "=404" */
	struct mu_lines header;     /* NAME VALUE [always] */
	struct mu_lines error_page; /* STATUS ... PATH */
	struct mu_lines redirect;   /* once: [STATUS] TARGET */
	struct mu_lines answer;     /* once: STATUS [TEXT] */
	struct mu_words allow, deny;
	const char *charset;                                       /* "no": none */
	const char *expires;                                       /* see expires_parse */
	int listing, precompressed, nosniff, follow_symlinks, log; /* MU_SWITCH */
};

struct location_conf {
	struct rules_conf rules;
	int strip_prefix; /* MU_SWITCH */
	struct gateway_blocks gateway;
};

struct host_conf {
	struct rules_conf rules;
	struct mu_words alias;
	struct mu_blocks location; /* of struct location_conf */
};

struct site_conf {
	struct rules_conf rules;
	struct mu_blocks location; /* of struct location_conf */
	struct mu_blocks host;     /* of struct host_conf */
	struct mu_blocks upstream; /* of struct upstream_conf */
	const char *mime_types;
	const char *health;         /* the path that says whether we are ready; NULL: none */
	int64_t keepalive_requests; /* 0: no limit */
	bool server_header;
	const char *access_log; /* NULL: none */
	int access_log_format;  /* enum access_format: common, combined, json */
	struct {
		int64_t entries, memory, file_size;
	} cache;
};

/* The table of the handler's block, for struct site_conf. */
extern const struct mu_directive conf_directives[];

/* struct mu_module's `check`: an error for all that cannot be meant, at its place. */
void conf_check(void *config, struct mu_report *report);

/* The status of a `redirect` that does not give one. */
enum { REDIRECT_STATUS = 302 };

/* How long a response stays fresh, where nothing is said about it. */
enum { EXPIRES_NONE = -1 };
/*
 * `expires`: a time in s, min, h or d as seconds; 0: it must be asked for each time; "no":
 * EXPIRES_NONE. False: neither.
 */
bool expires_parse(const char *word, int64_t *seconds_r);

/* `charset`: what is said, NULL for "no". */
const char *charset_parse(const char *word);

#endif
