/* SPDX-License-Identifier: MIT */
/*
 * The directives of a website; see conf.h. The same ones may be said for the handler, a host and a
 * location, so they stand here once; only the handler's have defaults, what an inner block does not
 * say it takes over. What is wrong with a value is said in conf_check.c.
 */
#include "services/http/conf.h"

#include <stddef.h>

/* So that one table serves all three. */
_Static_assert(offsetof(struct site_conf, rules) == 0, "rules come first");
_Static_assert(offsetof(struct host_conf, rules) == 0, "rules come first");
_Static_assert(offsetof(struct location_conf, rules) == 0, "rules come first");

#define DEFAULT(base, text) (base) ? (text) : NULL

/* clang-format off */
#define RULES(base) \
	{ .name = "root", \
	  .type = MU_PATH, \
	  .offset = offsetof(struct rules_conf, root), \
	  .help = "the folder whose files are served" }, \
	{ .name = "index", \
	  .type = MU_WORDS, \
	  .offset = offsetof(struct rules_conf, index), \
	  .dflt = DEFAULT(base, "index.html"), \
	  .help = "the files served for a folder, the first that is there" }, \
	{ .name = "try", \
	  .type = MU_WORDS, \
	  .offset = offsetof(struct rules_conf, try), \
	  .help = "paths served for a path, the first that is there; the last may be =404" }, \
	{ .name = "redirect", \
	  .type = MU_LINES, \
	  .offset = offsetof(struct rules_conf, redirect), \
	  .min = 1, \
	  .max = 2, \
	  .help = "sends the client elsewhere: redirect [STATUS] TARGET" }, \
	{ .name = "answer", \
	  .type = MU_LINES, \
	  .offset = offsetof(struct rules_conf, answer), \
	  .min = 1, \
	  .max = 2, \
	  .help = "answers without looking for a file: answer STATUS [TEXT]" }, \
	{ .name = "allow", \
	  .type = MU_WORDS, \
	  .offset = offsetof(struct rules_conf, allow), \
	  .help = "who is admitted: addresses, networks, all, unix" }, \
	{ .name = "deny", \
	  .type = MU_WORDS, \
	  .offset = offsetof(struct rules_conf, deny), \
	  .help = "who is answered with 403: addresses, networks, all, unix" }, \
	{ .name = "header", \
	  .type = MU_LINES, \
	  .offset = offsetof(struct rules_conf, header), \
	  .min = 2, \
	  .max = 3, \
	  .help = "adds a header line: header NAME VALUE [always]" }, \
	{ .name = "error-page", \
	  .type = MU_LINES, \
	  .offset = offsetof(struct rules_conf, error_page), \
	  .min = 2, \
	  .help = "the page of an error: error-page STATUS ... PATH" }, \
	{ .name = "expires", \
	  .type = MU_STRING, \
	  .offset = offsetof(struct rules_conf, expires), \
	  .help = "how long files stay fresh in caches: a time, 0 or no" }, \
	{ .name = "charset", \
	  .type = MU_STRING, \
	  .offset = offsetof(struct rules_conf, charset), \
	  .dflt = DEFAULT(base, "utf-8"), \
	  .help = "what text is said to be encoded in; no: nothing is said" }, \
	{ .name = "nosniff", \
	  .type = MU_SWITCH, \
	  .offset = offsetof(struct rules_conf, nosniff), \
	  .dflt = DEFAULT(base, "yes"), \
	  .help = "browsers must not guess another media type" }, \
	{ .name = "listing", \
	  .type = MU_SWITCH, \
	  .offset = offsetof(struct rules_conf, listing), \
	  .dflt = DEFAULT(base, "no"), \
	  .help = "a page of what a folder has, where it has no index" }, \
	{ .name = "precompressed", \
	  .type = MU_SWITCH, \
	  .offset = offsetof(struct rules_conf, precompressed), \
	  .dflt = DEFAULT(base, "no"), \
	  .help = "NAME.zst, NAME.br or NAME.gz are sent for NAME to who takes them" }, \
	{ .name = "follow-symlinks", \
	  .type = MU_SWITCH, \
	  .offset = offsetof(struct rules_conf, follow_symlinks), \
	  .dflt = DEFAULT(base, "no"), \
	  .help = "symbolic links may lead out of the root" }, \
	{ .name = "log", \
	  .type = MU_SWITCH, \
	  .offset = offsetof(struct rules_conf, log), \
	  .dflt = DEFAULT(base, "yes"), \
	  .help = "requests are written to the access log" }
/* clang-format on */

static const struct mu_directive location_directives[] = {
	RULES(false),
	{ .name = "strip-prefix",
	  .type = MU_SWITCH,
	  .offset = offsetof(struct location_conf, strip_prefix),
	  .help = "the location's prefix is no part of the name below root" },
	{ .name = "proxy",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct location_conf, gateway.kind[GATEWAY_PROXY]),
	  .block = gateway_proxy_directives,
	  .block_size = sizeof(struct gateway_conf),
	  .bare = true,
	  .help = "passes requests on to HTTP servers: an upstream or http://HOST:PORT" },
	{ .name = "fastcgi",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct location_conf, gateway.kind[GATEWAY_FASTCGI]),
	  .block = gateway_fastcgi_directives,
	  .block_size = sizeof(struct gateway_conf),
	  .bare = true,
	  .help = "has them answered by FastCGI: an upstream, HOST:PORT or unix:/PATH" },
	{ .name = "uwsgi",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct location_conf, gateway.kind[GATEWAY_UWSGI]),
	  .block = gateway_application_directives,
	  .block_size = sizeof(struct gateway_conf),
	  .bare = true,
	  .help = "has them answered by uwsgi: an upstream, HOST:PORT or unix:/PATH" },
	{ .name = "scgi",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct location_conf, gateway.kind[GATEWAY_SCGI]),
	  .block = gateway_application_directives,
	  .block_size = sizeof(struct gateway_conf),
	  .bare = true,
	  .help = "has them answered by SCGI: an upstream, HOST:PORT or unix:/PATH" },
	{ .name = "cgi",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct location_conf, gateway.kind[GATEWAY_CGI]),
	  .block = gateway_cgi_directives,
	  .block_size = sizeof(struct gateway_conf),
	  .bare = true,
	  .help = "has each answered by a program: cgi /PATH" },
	{ 0 },
};

static const struct mu_directive host_directives[] = {
	RULES(false),
	{ .name = "alias",
	  .type = MU_WORDS,
	  .offset = offsetof(struct host_conf, alias),
	  .help = "further names of the host" },
	{ .name = "location",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct host_conf, location),
	  .block = location_directives,
	  .block_size = sizeof(struct location_conf),
	  .help = "what holds for some of its paths: /PREFIX, *SUFFIX or =/PATH" },
	{ 0 },
};

static const struct mu_directive cache_directives[] = {
	{ .name = "entries",
	  .type = MU_INT,
	  .offset = offsetof(struct site_conf, cache.entries),
	  .dflt = "1024",
	  .max = 1 << 20,
	  .help = "files that a worker keeps ready; 0: none" },
	{ .name = "memory",
	  .type = MU_SIZE,
	  .offset = offsetof(struct site_conf, cache.memory),
	  .dflt = "16M",
	  .max = (int64_t)1 << 40,
	  .help = "memory that a worker uses for them" },
	{ .name = "file-size",
	  .type = MU_SIZE,
	  .offset = offsetof(struct site_conf, cache.file_size),
	  .dflt = "128k",
	  .max = 16 << 20,
	  .help = "larger files are sent from disk" },
	{ 0 },
};

const struct mu_directive conf_directives[] = {
	RULES(true),
	{ .name = "location",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct site_conf, location),
	  .block = location_directives,
	  .block_size = sizeof(struct location_conf),
	  .help = "what holds for some paths, of all hosts: /PREFIX, *SUFFIX or =/PATH" },
	{ .name = "host",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct site_conf, host),
	  .block = host_directives,
	  .block_size = sizeof(struct host_conf),
	  .help = "what holds for requests to one host: NAME or *.NAME" },
	{ .name = "upstream",
	  .type = MU_BLOCKS,
	  .offset = offsetof(struct site_conf, upstream),
	  .block = gateway_upstream_directives,
	  .block_size = sizeof(struct upstream_conf),
	  .help = "servers that requests are passed on to, under one name" },
	{ .name = "mime-types",
	  .type = MU_PATH,
	  .offset = offsetof(struct site_conf, mime_types),
	  .dflt = CONF_MIME_TYPES,
	  .help = "media types by file name extension, see mime.types(5)" },
	{ .name = "keepalive-requests",
	  .type = MU_INT,
	  .offset = offsetof(struct site_conf, keepalive_requests),
	  .dflt = "0",
	  .max = INT32_MAX,
	  .help = "requests on one connection before it is closed; 0: no limit" },
	{ .name = "server-header",
	  .type = MU_BOOL,
	  .offset = offsetof(struct site_conf, server_header),
	  .dflt = "yes",
	  .help = "say \"Server: musterd\" in each response" },
	{ .name = "health",
	  .type = MU_STRING,
	  .offset = offsetof(struct site_conf, health),
	  .help = "the path of requests that ask whether the service is ready" },
	{ .name = "access-log",
	  .type = MU_OUTPUT,
	  .offset = offsetof(struct site_conf, access_log),
	  .help = "the file that requests are written to" },
	{ .name = "access-log-format",
	  .type = MU_ENUM,
	  .offset = offsetof(struct site_conf, access_log_format),
	  .dflt = "combined",
	  .words = "common|combined|json",
	  .help = "what is written of each request" },
	{ .name = "cache",
	  .type = MU_BLOCK,
	  .block = cache_directives,
	  .help = "the files that each worker keeps open or in memory" },
	{ 0 },
};
