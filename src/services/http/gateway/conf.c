/* SPDX-License-Identifier: MIT */
/*
 * The directives of gateways, and what they come to; see conf.h. Mistakes are said in conf_check.c.
 */
#include "services/http/gateway/conf.h"

#include "services/http/gateway/script.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define COMMON \
	{ "send-timeout", MU_TIME, offsetof(struct gateway_conf, send_ms), "60s", 1, INT64_C(86400000), \
	  .help = "how long a server may take nothing of a request" }, \
	{ "read-timeout", MU_TIME, offsetof(struct gateway_conf, read_ms), "60s", 1, INT64_C(86400000), \
	  .help = "how long a server may send nothing of its reply" }, \
	{ "max-body", MU_SIZE, offsetof(struct gateway_conf, max_body), "10M", \
	  .help = "larger content is answered with 413; 0: no limit" }, \
	{ "trusted", MU_WORDS, offsetof(struct gateway_conf, trusted), \
	  .help = "proxies that are believed whom they received a request from: addresses, networks, all, unix" }, \
	{ "hide-header", MU_WORDS, offsetof(struct gateway_conf, hide_header), \
	  .help = "header lines of replies that are not passed on" }, \
	{ "pass-header", MU_WORDS, offsetof(struct gateway_conf, pass_header), \
	  .help = "header lines of replies that are passed on: Server" }, \
	{ "intercept-errors", MU_BOOL, offsetof(struct gateway_conf, intercept_errors), "no", \
	  .help = "an `error-page` takes the place of the application's own" }

#define SERVERS \
	{ "connect-timeout", MU_TIME, offsetof(struct gateway_conf, connect_ms), "5s", 1, INT64_C(86400000), \
	  .help = "how long a connection to a server may take" }, \
	{ "retry", MU_INT, offsetof(struct gateway_conf, retry), "1", 0, UPSTREAM_SERVERS_MAX, \
	  .help = "further servers that are tried where it does no harm" }

#define PARAM \
	{ "param", MU_LINES, offsetof(struct gateway_conf, param), .min = 2, .max = 2, \
	  .help = "a variable for the application: param NAME VALUE" }
/* clang-format on */

static const struct mu_directive check_directives[] = {
	{ "every", MU_TIME, offsetof(struct upstream_check_conf, every_ms), "5s", 100,
	  INT64_C(86400000), .help = "from one check of a server to the next" },
	{ "timeout", MU_TIME, offsetof(struct upstream_check_conf, timeout_ms), "2s", 1,
	  INT64_C(86400000), .help = "how long its answer may take" },
	{ "rise", MU_INT, offsetof(struct upstream_check_conf, rise), "2", 1, 100,
	  .help = "good checks in a row that bring it back" },
	{ "fall", MU_INT, offsetof(struct upstream_check_conf, fall), "3", 1, 100,
	  .help = "bad checks in a row that take it out" },
	{ "status", MU_INT, offsetof(struct upstream_check_conf, status), "0", 0, 599,
	  .help = "the status of a good answer; 0: 200 to 399" },
	{ "host", MU_STRING, offsetof(struct upstream_check_conf, host),
	  .help = "the Host that is asked for; not said: the server's address" },
	{ 0 },
};

const struct mu_directive gateway_upstream_directives[] = {
	{ "server", MU_LINES, offsetof(struct upstream_conf, server), .min = 1, .max = 5,
	  .required = true, .help = "one of them: server ADDRESS [weight N] [backup] [down]" },
	{ "balance", MU_ENUM, offsetof(struct upstream_conf, balance), "round-robin",
	  .words = "round-robin|least-busy|hash", .help = "which server a request goes to" },
	{ "hash-key", MU_STRING, offsetof(struct upstream_conf, hash_key), "client",
	  .help = "what `balance hash` goes by: client, uri, or header:NAME" },
	{ "hash-load", MU_INT, offsetof(struct upstream_conf, hash_load), "0", 0, 1000,
	  .help = "per cent of its share that a server has of the requests in hand; 0: no "
		  "bound" },
	{ "keep", MU_INT, offsetof(struct upstream_conf, keep), "32", 0, 65536,
	  .help = "idle connections to each server that a worker keeps open" },
	{ "keep-time", MU_TIME, offsetof(struct upstream_conf, keep_ms), "60s", 1,
	  INT64_C(86400000), .help = "how long it keeps one" },
	{ "max-fails", MU_INT, offsetof(struct upstream_conf, max_fails), "3", 0, 100,
	  .help = "failures within `fail-time` that put a server out; 0: none do" },
	{ "fail-time", MU_TIME, offsetof(struct upstream_conf, fail_ms), "10s", 1,
	  INT64_C(86400000), .help = "how long it is out" },
	{ "check", MU_BLOCKS, offsetof(struct upstream_conf, check), .block = check_directives,
	  .block_size = sizeof(struct upstream_check_conf),
	  .help = "asks each server for a path, again and again" },
	{ 0 },
};

const struct mu_directive gateway_proxy_directives[] = {
	SERVERS,
	COMMON,
	{ "host", MU_STRING, offsetof(struct gateway_conf, host), "client",
	  .help = "the Host that a server is told: client, server, or a name" },
	{ "forwarded", MU_ENUM, offsetof(struct gateway_conf, forwarded), "both",
	  .words = "both|x-forwarded|standard|no",
	  .help = "by which header lines it is told of the client" },
	{ "via", MU_STRING, offsetof(struct gateway_conf, via), "musterd",
	  .help = "our name in Via; no: it is not sent" },
	{ "upgrade", MU_BOOL, offsetof(struct gateway_conf, upgrade), "yes",
	  .help = "clients may change to another protocol: WebSocket" },
	{ "set-header", MU_LINES, offsetof(struct gateway_conf, set_header), .min = 2, .max = 2,
	  .help = "a header line in place of the client's: set-header NAME VALUE" },
	{ 0 },
};

const struct mu_directive gateway_fastcgi_directives[] = {
	SERVERS,
	COMMON,
	PARAM,
	{ "split", MU_STRING, offsetof(struct gateway_conf, split), "no",
	  .help = "how a script's name ends, where more of the path follows: .php" },
	{ "file", MU_BOOL, offsetof(struct gateway_conf, file), "yes",
	  .help = "the script must be a file below root" },
	{ "keep", MU_BOOL, offsetof(struct gateway_conf, keep), "no",
	  .help = "connections stay open for further requests" },
	{ 0 },
};

const struct mu_directive gateway_application_directives[] = { SERVERS, COMMON, PARAM, { 0 } };

const struct mu_directive gateway_cgi_directives[] = {
	COMMON,
	PARAM,
	{ "argument", MU_WORDS, offsetof(struct gateway_conf, argument),
	  .help = "arguments of the program" },
	{ "limit", MU_INT, offsetof(struct gateway_conf, limit), "8", 1, 4096,
	  .help = "programs that a worker runs at once; further requests are answered with 503" },
	{ "timeout", MU_TIME, offsetof(struct gateway_conf, timeout_ms), "60s", 1,
	  INT64_C(86400000), .help = "how long one may run" },
	{ 0 },
};

struct upstream_server upstream_server_parse(const struct mu_words *words)
{
	struct upstream_server server = { .address = gateway_address(words->word[0]), .weight = 1 };

	for (size_t i = 1; i < words->n; i++) {
		if (strcmp(words->word[i], "backup") == 0)
			server.backup = true;
		else if (strcmp(words->word[i], "down") == 0)
			server.down = true;
		else if (strcmp(words->word[i], "weight") == 0 && i + 1 < words->n)
			server.weight = atoi(words->word[++i]);
	}
	return server;
}

const char *gateway_address(const char *target)
{
	return strncmp(target, "http://", 7) == 0 ? target + 7 : target;
}

const char *gateway_time(int64_t ms, char text[GATEWAY_TIME_MAX])
{
	if (ms % 1000 == 0)
		snprintf(text, GATEWAY_TIME_MAX, "%" PRId64 "s", ms / 1000);
	else
		snprintf(text, GATEWAY_TIME_MAX, "%" PRId64 "ms", ms);
	return text;
}

/* The one that is written, NULL where there is none. */
static const struct mu_blocks *find_block(const struct gateway_blocks *blocks,
					  enum gateway_kind *kind_r)
{
	for (int kind = 0; kind < GATEWAY_KINDS; kind++)
		if (blocks->kind[kind].n) {
			*kind_r = (enum gateway_kind)kind;
			return &blocks->kind[kind];
		}
	return NULL;
}

bool gateway_is_written(const struct gateway_blocks *blocks)
{
	enum gateway_kind kind;

	return find_block(blocks, &kind) != NULL;
}

static int set_fields(struct fields_rules *fields, const struct gateway_conf *conf)
{
	static const struct mu_words none;

	*fields = (struct fields_rules){
		.forwarded = (enum fields_forwarded)conf->forwarded,
		.via = conf->via && strcmp(conf->via, "no") != 0 ? conf->via : NULL,
		.upgrade = conf->upgrade,
		.set = conf->set_header,
		.hide = conf->hide_header,
		.pass = conf->pass_header,
	};
	if (conf->host && strcmp(conf->host, "server") == 0) {
		fields->host = FIELDS_HOST_SERVER;
	} else if (conf->host && strcmp(conf->host, "client") != 0) {
		fields->host = FIELDS_HOST_TEXT;
		fields->host_text = conf->host;
	}
	if (!conf->trusted.n)
		return 0;
	fields->trusted = access_new(&conf->trusted, &none);
	return fields->trusted ? 0 : -1;
}

static int set_target(struct gateway *gateway, const char *label, const struct mu_blocks *upstreams)
{
	gateway->name = label;
	if (gateway->kind == GATEWAY_CGI) {
		gateway->program = label;
		gateway->programs = calloc(1, sizeof *gateway->programs);
		return gateway->programs ? 0 : -1;
	}
	if (gateway->kind == GATEWAY_FASTCGI) {
		gateway->memo = calloc(1, sizeof *gateway->memo);
		if (!gateway->memo)
			return -1;
	}
	for (size_t i = 0; i < upstreams->n; i++)
		if (strcmp(upstreams->label[i], label) == 0)
			gateway->upstream = upstreams->item[i];
	if (!gateway->upstream)
		gateway->address = gateway_address(label);
	return 0;
}

int gateway_new(const struct gateway_blocks *blocks, const struct mu_blocks *upstreams,
		struct gateway **gateway_r)
{
	const struct mu_blocks *block;
	enum gateway_kind kind;
	struct gateway *gateway;

	*gateway_r = NULL;
	block = find_block(blocks, &kind);
	if (!block)
		return 0;
	gateway = calloc(1, sizeof *gateway);
	if (!gateway)
		return -1;
	gateway->kind = kind;
	gateway->conf = block->item[0];
	if (gateway->conf->split && strcmp(gateway->conf->split, "no") != 0)
		gateway->split = gateway->conf->split;
	if (set_target(gateway, block->label[0], upstreams) < 0 ||
	    set_fields(&gateway->fields, gateway->conf) < 0) {
		gateway_free(gateway);
		return -1;
	}
	*gateway_r = gateway;
	return 0;
}

void gateway_free(struct gateway *gateway)
{
	if (!gateway)
		return;
	access_free(gateway->fields.trusted);
	free(gateway->programs);
	free(gateway->memo);
	free(gateway);
}
