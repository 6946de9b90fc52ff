/* SPDX-License-Identifier: MIT */
/*
 * The configuration of gateways: the blocks `upstream` of the handler and `proxy`, `fastcgi`,
 * `uwsgi`, `scgi` and `cgi` of a location, and what a location's comes to. What stands around them
 * is ../conf.h's, mistakes are conf_check.h's.
 */
#ifndef SERVICES_HTTP_GATEWAY_CONF_H
#define SERVICES_HTTP_GATEWAY_CONF_H

#include "services/http/gateway/fields.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stdint.h>

/* The active check of the servers: `check /PATH { }`. */
struct upstream_check_conf {
	int64_t every_ms, timeout_ms;
	int64_t rise, fall;
	int64_t status;   /* 0: 200 to 399 */
	const char *host; /* of the request; NULL: the server's address */
};

enum upstream_balance { UPSTREAM_ROUND_ROBIN = 0, UPSTREAM_LEAST_BUSY, UPSTREAM_HASH };

struct upstream_conf {
	struct mu_lines server; /* ADDRESS [weight N] [backup] [down] */
	int balance;            /* enum upstream_balance */
	const char *hash_key;   /* client, uri, or header:NAME */
	int64_t hash_load;      /* per cent of a server's share; 0: no bound */
	int64_t keep, keep_ms;
	int64_t max_fails, fail_ms;
	struct mu_blocks check; /* at most one struct upstream_check_conf, its path as label */
};

enum {
	UPSTREAM_SERVERS_MAX = 64,
	UPSTREAM_WEIGHT_MAX = 1000,
	/* Where nothing is said. */
	UPSTREAM_KEEP = 32,
	UPSTREAM_KEEP_MS = 60000
};

/* One line of `server`, of a configuration that was checked. */
struct upstream_server {
	const char *address; /* for mu_connect */
	int weight;
	bool backup, down;
};

struct upstream_server upstream_server_parse(const struct mu_words *words);

/* One block of a location, of whatever kind: what its table does not have stays zero. */
struct gateway_conf {
	int64_t connect_ms, send_ms, read_ms;
	int64_t retry;
	int64_t max_body;
	struct mu_words trusted;
	struct mu_words hide_header, pass_header;
	bool intercept_errors;
	/* proxy */
	const char *host; /* client, server, or the text */
	int forwarded;    /* enum fields_forwarded */
	const char *via;  /* "no": nothing */
	bool upgrade;
	struct mu_lines set_header;
	/* the others */
	struct mu_lines param; /* NAME VALUE */
	const char *split;     /* fastcgi: ".php"; "no": the whole path is the script */
	bool file;             /* fastcgi: the script must be a file below root */
	bool keep;             /* fastcgi: connections are used for further requests */
	/* cgi */
	struct mu_words argument;
	int64_t limit, timeout_ms;
};

struct group;

enum gateway_kind {
	GATEWAY_PROXY = 0,
	GATEWAY_FASTCGI,
	GATEWAY_UWSGI,
	GATEWAY_SCGI,
	GATEWAY_CGI,
	GATEWAY_KINDS
};

/* The tables: of the handler's `upstream`, and of a location's block of each kind. */
extern const struct mu_directive gateway_upstream_directives[];
extern const struct mu_directive gateway_proxy_directives[];
extern const struct mu_directive gateway_fastcgi_directives[];
extern const struct mu_directive gateway_application_directives[]; /* uwsgi, scgi */
extern const struct mu_directive gateway_cgi_directives[];

/* The lists of blocks of one location, of struct gateway_conf. */
struct gateway_blocks {
	struct mu_blocks kind[GATEWAY_KINDS];
};

/* Whether there is one. */
bool gateway_is_written(const struct gateway_blocks *blocks);

struct script_memo;

/*
 * What a location's block comes to; gateway_free frees programs, memo and fields.trusted, all else
 * is borrowed.
 */
struct gateway {
	enum gateway_kind kind;
	struct group *group; /* of the upstream or the address: set in `prepare`; NULL: of cgi */
	const struct gateway_conf *conf;
	/* One of these: */
	const struct upstream_conf *upstream;
	const char *address; /* of a single server, for mu_connect */
	const char *program; /* of cgi, absolute */
	int64_t *programs;   /* of cgi: how many of it run now in this worker; NULL: of others */
	struct script_memo *memo; /* of fastcgi, see script.h; NULL: of others */
	const char *name;         /* as written, for the log */
	const char *split;        /* NULL: the whole path is the script */
	struct fields_rules fields;
};

/* Of blocks that were checked. 0, *gateway_r NULL where there is none; -1 with ENOMEM. */
int gateway_new(const struct gateway_blocks *blocks, const struct mu_blocks *upstreams,
		struct gateway **gateway_r);
void gateway_free(struct gateway *gateway);

/* Milliseconds as they would be configured, for the log: "60s", "250ms". Returns text. */
enum { GATEWAY_TIME_MAX = 32 };
const char *gateway_time(int64_t ms, char text[GATEWAY_TIME_MAX]);

/* "http://HOST:PORT" without what mu_connect does not want. */
const char *gateway_address(const char *target);

#endif
