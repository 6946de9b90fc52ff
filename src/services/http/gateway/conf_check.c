/* SPDX-License-Identifier: MIT */
/* Mistakes in the blocks of gateways; see conf_check.h. */
#include "services/http/gateway/conf_check.h"

#include "services/access.h"
#include "services/executable.h"
#include "services/http/host.h"
#include "services/http/octet.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* Names of upstreams that are longer are not compared with what was meant. */
enum { NAME_MAX_LEN = 64 };

static const char *const kind_name[GATEWAY_KINDS] = {
	[GATEWAY_PROXY] = "proxy", [GATEWAY_FASTCGI] = "fastcgi", [GATEWAY_UWSGI] = "uwsgi",
	[GATEWAY_SCGI] = "scgi",   [GATEWAY_CGI] = "cgi",
};

/* ------------------------------------------------------------------------------- addresses ---- */

static bool looks_like_address(const char *text)
{
	return strchr(text, ':') || strchr(text, '/') || text[0] == '[';
}

/* What is wrong with the address of a server, and what to write; NULL: nothing. */
static const char *check_address(const char *text)
{
	const char *rest = gateway_address(text);

	if (strncmp(text, "https://", 8) == 0)
		return "TLS is not spoken with servers: write http://HOST:PORT";
	if (strncmp(rest, "unix:", 5) == 0) {
		if (rest[5] != '/')
			return "a Unix socket is written unix:/PATH";
		if (rest[strlen(rest) - 1] == '/')
			return "a Unix socket is no folder, and nothing follows its path";
		return strlen(rest + 5) < sizeof((struct sockaddr_un *)0)->sun_path
			       ? NULL
			       : "the path of a Unix socket has 107 bytes at most";
	}
	if (strchr(rest, '/'))
		return "a server has no path: `strip-prefix yes` takes the location's away";
	if (host_is_valid(rest, rest + strlen(rest), true))
		return NULL;
	if (host_is_valid(rest, rest + strlen(rest), false))
		return "the port is missing: HOST:PORT";
	return "an address is written HOST:PORT, [2001:db8::1]:PORT or unix:/PATH";
}

/* Changes of a letter that make one of the other, each at most NAME_MAX_LEN long. */
static int distance(const char *one, const char *other)
{
	int row[NAME_MAX_LEN + 1], width = (int)strlen(other);

	for (int j = 0; j <= width; j++)
		row[j] = j;
	for (int i = 1; one[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= width; j++) {
			int changed =
				diagonal + (octet_fold(one[i - 1]) != octet_fold(other[j - 1]));
			int shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = changed < shorter ? changed : shorter;
		}
	}
	return row[width];
}

/* The upstream that may have been meant, or NULL. */
static const char *nearest(const char *name, const struct mu_blocks *upstreams)
{
	const char *found = NULL;
	int best = 3;

	if (strlen(name) > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < upstreams->n; i++) {
		const char *label = upstreams->label[i];
		size_t len = strlen(label);
		int far = len < 6 ? 1 : 2, changes;

		if (len > NAME_MAX_LEN)
			continue;
		changes = distance(name, label);
		if (changes <= far && changes < best) {
			best = changes;
			found = label;
		}
	}
	return found;
}

/* ------------------------------------------------------------------------------- upstreams ---- */

static void check_weight(struct check *check, const char *word)
{
	size_t len = strlen(word);

	if (len < 1 || len > 4 || strspn(word, "0123456789") != len || atoi(word) < 1 ||
	    atoi(word) > UPSTREAM_WEIGHT_MAX)
		FAIL_WORD(check, word, "`%s` is no weight: 1 to %d", word, UPSTREAM_WEIGHT_MAX);
}

static void check_server(struct check *check, const struct mu_words *words)
{
	const char *address = words->word[0], *wrong = check_address(address);

	if (wrong)
		FAIL_WORD(check, address, "`%s` is no server: %s", address, wrong);
	for (size_t i = 1; i < words->n; i++) {
		const char *word = words->word[i];

		if (strcmp(word, "backup") == 0 || strcmp(word, "down") == 0)
			continue;
		if (strncmp(word, "weight=", 7) == 0)
			FAIL_WORD(check, word, "write `weight %s`", word + 7);
		else if (strcmp(word, "weight") != 0)
			FAIL_WORD(check, word,
				  "`%s` is unknown: server ADDRESS [weight N] [backup] [down]",
				  word);
		else if (i + 1 == words->n)
			FAIL_WORD(check, word, "`weight` lacks its number: weight 2");
		else
			check_weight(check, words->word[++i]);
	}
}

/* Two lines for one address would be one server that fails twice. */
static void check_servers(struct check *check, const struct mu_lines *servers)
{
	bool usable = false;

	if (servers->n > UPSTREAM_SERVERS_MAX)
		FAIL_WORD(check, servers->line[UPSTREAM_SERVERS_MAX].word[0],
			  "an upstream has %d servers at most", UPSTREAM_SERVERS_MAX);
	for (size_t i = 0; i < servers->n; i++) {
		struct upstream_server server = upstream_server_parse(&servers->line[i]);

		check_server(check, &servers->line[i]);
		usable = usable || !server.down;
		for (size_t j = 0; j < i; j++)
			if (strcmp(gateway_address(servers->line[j].word[0]), server.address) ==
			    0) {
				FAIL_WORD(check, servers->line[i].word[0],
					  "server `%s` is there already: give it a weight",
					  servers->line[i].word[0]);
				break;
			}
	}
	if (servers->n && !usable)
		FAIL(check, "server", "all servers are `down`: nobody is left to be asked");
}

static bool is_token(const char *text)
{
	return *text && !*octets_skip(text, text + strlen(text), OCTET_TOKEN);
}

static void check_balance(struct check *check, const struct upstream_conf *conf)
{
	const char *key = conf->hash_key;

	if (strcmp(key, "client") != 0 && strcmp(key, "uri") != 0 &&
	    (strncmp(key, "header:", 7) != 0 || !is_token(key + 7)))
		FAIL_WORD(check, key, "`%s` is no key: client, uri, or header:NAME", key);
	if (conf->balance != UPSTREAM_HASH && strcmp(key, "client") != 0)
		FAIL(check, "hash-key", "`hash-key` is for `balance hash`");
	if (conf->balance != UPSTREAM_HASH && conf->hash_load)
		FAIL(check, "hash-load", "`hash-load` is for `balance hash`");
	if (conf->hash_load && conf->hash_load < 100)
		FAIL(check, "hash-load", "`hash-load` is 100 per cent or more, or 0");
}

static bool is_host(const char *text)
{
	return host_is_valid(text, text + strlen(text), false);
}

static void check_active(struct check *outer, const struct mu_blocks *checks)
{
	for (size_t i = 0; i < checks->n; i++) {
		const struct upstream_check_conf *conf = checks->item[i];
		const char *path = checks->label[i];
		struct check check = { .report = outer->report, .item = conf };

		if (i)
			FAIL_WORD(&check, path, "`check` is given twice in one upstream");
		else if (path[0] != '/')
			FAIL(&check, NULL, "a check needs the path to ask for: check /health { }");
		else if (*octets_skip(path, path + strlen(path), OCTET_TARGET))
			FAIL_WORD(&check, path,
				  "`%s` is no path of a request: it is written as it is sent",
				  path);
		if (conf->timeout_ms > conf->every_ms)
			FAIL(&check, "timeout",
			     "`timeout`, 2s if nothing is said, is longer than `every`");
		if (conf->status && conf->status < 200)
			FAIL(&check, "status", "a final status is 200 to 599");
		if (conf->host && !is_host(conf->host))
			FAIL_WORD(&check, conf->host, "`%s` is no host: NAME[:PORT]", conf->host);
		outer->failed = outer->failed || check.failed;
	}
}

static void check_name(struct check *check, const struct mu_blocks *upstreams, size_t at)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *name = upstreams->label[at];

	if (!*name)
		FAIL(check, NULL, "an upstream needs a name: upstream app { ... }");
	else if (name[strspn(name, letters)])
		FAIL_WORD(check, name,
			  "`%s`: the name of an upstream has letters, digits, - _ and . only",
			  name);
	for (size_t i = 0; *name && i < at; i++)
		if (strcmp(upstreams->label[i], name) == 0) {
			FAIL_WORD(check, name, "upstream `%s` is there already", name);
			break;
		}
}

void gateway_check_upstreams(struct check *outer, const struct mu_blocks *upstreams)
{
	for (size_t i = 0; i < upstreams->n; i++) {
		const struct upstream_conf *conf = upstreams->item[i];
		struct check check = { .report = outer->report, .item = conf };

		check_name(&check, upstreams, i);
		check_servers(&check, &conf->server);
		check_balance(&check, conf);
		check_active(&check, &conf->check);
		outer->failed = outer->failed || check.failed;
	}
}

/* ------------------------------------------------------------------------------- locations ---- */

static const struct upstream_conf *find_upstream(const struct mu_blocks *upstreams,
						 const char *name)
{
	for (size_t i = 0; i < upstreams->n; i++)
		if (strcmp(upstreams->label[i], name) == 0)
			return upstreams->item[i];
	return NULL;
}

static void check_target(struct check *check, enum gateway_kind kind, const char *label,
			 const struct mu_blocks *upstreams)
{
	const struct upstream_conf *upstream = find_upstream(upstreams, label);
	const char *what = kind_name[kind], *wrong, *near;

	if (!*label) {
		FAIL(check, NULL,
		     "`%s` needs to know whom to ask: an upstream, HOST:PORT or unix:/PATH", what);
	} else if (upstream && kind != GATEWAY_PROXY && upstream->check.n) {
		FAIL_WORD(check, label,
			  "upstream `%s` has a `check`, which is asked by HTTP: not for `%s`",
			  label, what);
	} else if (upstream) {
		return;
	} else if (!looks_like_address(label)) {
		near = nearest(label, upstreams);
		FAIL_WORD(check, label,
			  near ? "there is no upstream `%s`; did you mean `%s`?"
			       : "there is no upstream `%s`: upstream NAME { server "
				 "HOST:PORT }, or write HOST:PORT here",
			  label, near);
	} else if (kind != GATEWAY_PROXY && gateway_address(label) != label) {
		FAIL_WORD(check, label, "`%s` does not speak HTTP: write %s", what,
			  gateway_address(label));
	} else if ((wrong = check_address(label))) {
		FAIL_WORD(check, label, "`%s` is no server: %s", label, wrong);
	}
}

static void check_program(struct check *check, const char *program)
{
	char reason[EXECUTABLE_REASON_MAX];

	if (program[0] != '/')
		FAIL(check, NULL, "`cgi` needs a program, as an absolute path: cgi /PATH { }");
	else if (!executable_check(mu_chroot(check->report), program, reason))
		FAIL_WORD(check, program, "cannot run %s: %s", program, reason);
}

static void check_host_choice(struct check *check, const char *host)
{
	if (host && strcmp(host, "client") != 0 && strcmp(host, "server") != 0 && !is_host(host))
		FAIL_WORD(check, host, "`%s` is no host: client, server, or NAME[:PORT]", host);
}

/* Those that are made anew with each request; NULL: it may be set. */
static const char *reserved_field(const char *name)
{
	static const struct {
		const char *name, *instead;
	} reserved[] = {
		{ "Connection" },
		{ "Content-Length" },
		{ "Expect" },
		{ "Host", "write `host NAME`" },
		{ "Keep-Alive" },
		{ "Proxy-Connection" },
		{ "TE" },
		{ "Trailer" },
		{ "Transfer-Encoding" },
		{ "Upgrade", "write `upgrade yes`" },
		{ "Forwarded", "write `forwarded`" },
		{ "X-Forwarded-For", "write `forwarded`" },
		{ "X-Forwarded-Proto", "write `forwarded`" },
		{ "X-Forwarded-Host", "write `forwarded`" },
		{ "X-Forwarded-Port", "write `forwarded`" },
	};

	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (strcasecmp(reserved[i].name, name) == 0)
			return reserved[i].instead ? reserved[i].instead
						   : "it is made with each request";
	return NULL;
}

static void check_field_name(struct check *check, const char *name)
{
	if (!is_token(name))
		FAIL_WORD(check, name,
			  "`%s` is no name of a header: letters, digits and - as in X-Powered-By",
			  name);
}

static void check_set_header(struct check *check, const struct mu_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		const char *const *word = lines->line[i].word;
		const char *wrong = reserved_field(word[0]);

		if (wrong)
			FAIL_WORD(check, word[0], "`%s` cannot be set: %s", word[0], wrong);
		else
			check_field_name(check, word[0]);
		if (check_has_control(word[1], "\t"))
			FAIL_WORD(check, word[1],
				  "the value of a header is one line, without control bytes");
		for (size_t j = 0; j < i; j++)
			if (strcasecmp(lines->line[j].word[0], word[0]) == 0) {
				FAIL_WORD(check, word[0], "`%s` is set already", word[0]);
				break;
			}
	}
}

static void check_params(struct check *check, const struct mu_lines *lines)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

	for (size_t i = 0; i < lines->n; i++) {
		const char *const *word = lines->line[i].word;

		if (!*word[0] || word[0][strspn(word[0], letters)])
			FAIL_WORD(check, word[0],
				  "`%s` is no name of a variable: letters, digits and _", word[0]);
		else if (strcmp(word[0], "CONTENT_LENGTH") == 0 || strcmp(word[0], "SCGI") == 0)
			FAIL_WORD(check, word[0], "`%s` says what is sent: it cannot be another",
				  word[0]);
		else if (strcmp(word[0], "HTTP_PROXY") == 0)
			FAIL_WORD(check, word[0],
				  "`HTTP_PROXY` is what programs take for their own proxy");
	}
}

static void check_split(struct check *check, const char *split)
{
	if (split && strcmp(split, "no") != 0 &&
	    (split[0] != '.' || !split[1] || strchr(split, '/')))
		FAIL_WORD(check, split, "`%s` is no ending of a name: .php, or no", split);
}

static void check_block(struct check *check, enum gateway_kind kind, const char *label,
			const struct gateway_conf *conf, const struct mu_blocks *upstreams)
{
	char error[ACCESS_ERROR_MAX];

	if (kind == GATEWAY_CGI)
		check_program(check, label);
	else
		check_target(check, kind, label, upstreams);
	for (size_t i = 0; i < conf->trusted.n; i++)
		if (!access_check(conf->trusted.word[i], error))
			FAIL_WORD(check, conf->trusted.word[i], "%s", error);
	for (size_t i = 0; i < conf->hide_header.n; i++) {
		const char *name = conf->hide_header.word[i];

		if (strcasecmp(name, "Content-Length") == 0)
			FAIL_WORD(check, name, "`%s` cannot be hidden: content ends by it", name);
		else
			check_field_name(check, name);
	}
	for (size_t i = 0; i < conf->pass_header.n; i++)
		if (strcasecmp(conf->pass_header.word[i], "Server") != 0)
			FAIL_WORD(check, conf->pass_header.word[i],
				  "only Server can be named here: of what else is not passed on, "
				  "none "
				  "is for the client");
	check_host_choice(check, conf->host);
	if (conf->via && !is_token(conf->via))
		FAIL_WORD(check, conf->via, "`%s` is no name for Via: one word, or no", conf->via);
	check_set_header(check, &conf->set_header);
	check_params(check, &conf->param);
	check_split(check, conf->split);
}

/* Beside a gateway there is nothing else to be done about a request. */
static void check_others(struct check *check, enum gateway_kind kind,
			 const struct rules_conf *rules)
{
	const char *what = kind_name[kind];

	if (rules->redirect.n)
		FAIL_WORD(check, rules->redirect.line[0].word[0],
			  "`redirect` and `%s` exclude one another", what);
	if (rules->answer.n)
		FAIL_WORD(check, rules->answer.line[0].word[0],
			  "`answer` and `%s` exclude one another", what);
	if (rules->try.n)
		FAIL_WORD(check, rules->try.word[0],
			  "`try` looks for a file, `%s` does not: write it in a block around",
			  what);
	if (rules->root && kind == GATEWAY_PROXY)
		FAIL_WORD(check, rules->root, "`root` is where files are, `%s` asks a server",
			  what);
}

void gateway_check(struct check *outer, const struct gateway_blocks *blocks,
		   const struct rules_conf *rules, const struct mu_blocks *upstreams)
{
	const char *first = NULL;

	for (int kind = 0; kind < GATEWAY_KINDS; kind++)
		for (size_t i = 0; i < blocks->kind[kind].n; i++) {
			const char *label = blocks->kind[kind].label[i];
			const struct gateway_conf *conf = blocks->kind[kind].item[i];
			struct check check = { .report = outer->report, .item = conf };

			if (first)
				FAIL(&check, NULL, "`%s` and `%s` in one block exclude one another",
				     first, kind_name[kind]);
			else
				check_others(&check, (enum gateway_kind)kind, rules);
			first = kind_name[kind];
			check_block(&check, (enum gateway_kind)kind, label, conf, upstreams);
			outer->failed = outer->failed || check.failed;
		}
}
