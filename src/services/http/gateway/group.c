/* SPDX-License-Identifier: MIT */
/*
 * The servers behind gateways; see group.h. Each has a pool of its own, for a connection is only of
 * use to whoever asks that very server; the group's choice remembers how each of them did.
 */
#include "services/http/gateway/group.h"

#include "services/http/gateway/health.h"
#include "services/http/gateway/line.h"
#include "services/http/gateway/probe.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	/*
	 * No server gives a connection up that soon, so what is sent on it is not lost: see
	 * GROUP_FRESH. But some close every one behind its first answer without having said so, as
	 * uWSGI's http-socket: for those this is late.
	 */
	FRESH_MS = 1000,
	PROVEN_MS = 100,
	COMPLAINT_MS = 1000 /* from one line that nobody can be asked to the next */
};

struct server {
	struct group *group;
	int index;
	bool down;
	const char *address;
	char *label;
	struct mu_pool *pool;
	uintptr_t kept_at; /* when one came to rest there last: mu_now_ms */
	bool keeps;        /* it does not close behind its first answer: that was seen */
	struct health_check check;
};

struct group {
	struct group *next;
	struct mu_worker *worker;
	enum gateway_kind kind;
	/* One of these says what it is; the other one is NULL. */
	const struct upstream_conf *conf;
	const char *address;

	const char *name;
	struct choice *choice;
	struct health_rules health;
	int64_t complained_at;
	int n;
	struct server server[];
};

struct groups {
	struct mu_worker *worker;
	struct group *first;
};

/* Of the block's table, for a single address that has none. */
static const struct upstream_conf lone = { .keep = UPSTREAM_KEEP, .keep_ms = UPSTREAM_KEEP_MS };

static const struct upstream_conf *conf_of(const struct group *group)
{
	return group->conf ? group->conf : &lone;
}

/* ----------------------------------------------------------------------------- their lives ---- */

static int set_server(struct server *server, const struct upstream_server *conf)
{
	const struct group *group = server->group;

	server->address = conf->address;
	/* FCGI_KEEP_CONN asks for it. */
	server->keeps = group->kind == GATEWAY_FASTCGI;
	server->down = conf->down;
	if (group->conf)
		return asprintf(&server->label, "%s (%s)", conf->address, group->name);
	server->label = strdup(conf->address);
	return server->label ? 0 : -1;
}

static int set_servers(struct group *group)
{
	static const enum choice_balance balance[] = {
		[UPSTREAM_ROUND_ROBIN] = CHOICE_ROUND_ROBIN,
		[UPSTREAM_LEAST_BUSY] = CHOICE_LEAST_BUSY,
		[UPSTREAM_HASH] = CHOICE_HASH,
	};
	const struct upstream_conf *conf = conf_of(group);
	struct choice_server choice[CHOICE_SERVERS_MAX];
	struct choice_rules rules = {
		.balance = balance[conf->balance],
		.max_fails = (uint32_t)conf->max_fails,
		.fail_ms = conf->fail_ms,
		.load_percent = (uint32_t)conf->hash_load,
	};

	arc4random_buf(&rules.seed, sizeof rules.seed);
	for (int i = 0; i < group->n; i++) {
		struct upstream_server server = { .address = group->address, .weight = 1 };

		if (group->conf)
			server = upstream_server_parse(&conf->server.line[i]);
		group->server[i].group = group;
		group->server[i].index = i;
		if (set_server(&group->server[i], &server) < 0)
			return -1;
		choice[i] = (struct choice_server){ .name = server.address,
						    .weight = (uint32_t)server.weight,
						    .backup = server.backup,
						    .down = server.down };
	}
	group->choice = choice_new(&rules, choice, group->n);
	return group->choice ? 0 : -1;
}

static void group_free(struct group *group)
{
	for (int i = 0; i < group->n; i++)
		free(group->server[i].label);
	choice_free(group->choice);
	free(group);
}

static struct group *group_new(struct mu_worker *worker, const struct gateway *gateway)
{
	size_t n = gateway->upstream ? gateway->upstream->server.n : 1;
	struct group *group = calloc(1, sizeof *group + n * sizeof(struct server));

	if (!group)
		return NULL;
	group->worker = worker;
	group->kind = gateway->kind;
	group->conf = gateway->upstream;
	group->address = gateway->address;
	group->name = gateway->name;
	group->complained_at = INT64_MIN / 2;
	group->n = (int)n;
	if (set_servers(group) == 0)
		return group;
	group_free(group);
	return NULL;
}

/* Connections of one protocol are of no use to another. */
static bool is_for(const struct group *group, const struct gateway *gateway)
{
	if (group->kind != gateway->kind || group->conf != gateway->upstream)
		return false;
	return group->conf || strcmp(group->address, gateway->address) == 0;
}

struct group *groups_get(struct groups *groups, const struct gateway *gateway)
{
	struct group *group = groups->first;

	while (group && !is_for(group, gateway))
		group = group->next;
	if (group)
		return group;
	group = group_new(groups->worker, gateway);
	if (group) {
		group->next = groups->first;
		groups->first = group;
	}
	return group;
}

struct groups *groups_new(struct mu_worker *worker)
{
	struct groups *groups = calloc(1, sizeof *groups);

	if (groups)
		groups->worker = worker;
	return groups;
}

void groups_free(struct groups *groups)
{
	if (!groups)
		return;
	while (groups->first) {
		struct group *group = groups->first;

		groups->first = group->next;
		group_free(group);
	}
	free(groups);
}

/* --------------------------------------------------------------------------- active checks ---- */

static void note_check(struct server *server, int status, const char *reason)
{
	struct group *group = server->group;
	char what[PROBE_REASON_MAX];

	if (status > 0) {
		snprintf(what, sizeof what, "it answered %d", status);
		reason = what;
	}
	switch (health_end(&server->check, status)) {
	case HEALTH_SAME:
		mu_worker_log(group->worker, MU_DEBUG, "server %s of %s was checked: %s",
			      server->address, group->name, reason);
		return;
	case HEALTH_ILL:
		choice_set_ill(group->choice, server->index, true);
		mu_worker_log(group->worker, MU_WARNING,
			      "server %s of %s is ill: %u checks in a row failed, the last: %s",
			      server->address, group->name, group->health.fall, reason);
		return;
	case HEALTH_WELL_AGAIN:
		choice_set_ill(group->choice, server->index, false);
		mu_worker_log(group->worker, MU_NOTICE,
			      "server %s of %s is well again: %u checks in a row were good",
			      server->address, group->name, group->health.rise);
	}
}

/* For Host: a path is none. */
static const char *host_of(const struct server *server, const struct upstream_check_conf *conf)
{
	if (conf->host)
		return conf->host;
	return strncmp(server->address, "unix:", 5) == 0 ? "localhost" : server->address;
}

/* In the background, until the worker is to finish. */
static void check_again_and_again(struct mu_conn *conn, void *arg)
{
	struct server *server = arg;
	const struct group *group = server->group;
	const struct upstream_check_conf *conf = group->conf->check.item[0];
	const char *path = group->conf->check.label[0];

	while (mu_sleep(conn, health_wait(&server->check, mu_now_ms(group->worker))) == 0) {
		char reason[PROBE_REASON_MAX];
		int status;

		health_begin(&server->check, mu_now_ms(group->worker));
		status = probe_server(conn, server->address, host_of(server, conf), path,
				      conf->timeout_ms, reason);
		if (status >= 0)
			note_check(server, status, reason);
		else if (errno != ECANCELED)
			mu_worker_log(group->worker, MU_WARNING, "cannot check server %s of %s: %s",
				      server->address, group->name, strerror(errno));
	}
}

static int start_checks(struct group *group)
{
	const struct upstream_check_conf *conf;

	if (!group->conf || !group->conf->check.n)
		return 0;
	conf = group->conf->check.item[0];
	group->health = (struct health_rules){ .every_ms = conf->every_ms,
					       .rise = (uint32_t)conf->rise,
					       .fall = (uint32_t)conf->fall,
					       .status = (int)conf->status };
	for (int i = 0; i < group->n; i++) {
		struct server *server = &group->server[i];
		uint64_t seed;

		if (server->down)
			continue;
		arc4random_buf(&seed, sizeof seed);
		health_init(&server->check, &group->health, mu_now_ms(group->worker), seed);
		if (mu_background(group->worker, check_again_and_again, server) < 0)
			return -1;
	}
	return 0;
}

static int start_pools(struct group *group)
{
	const struct upstream_conf *conf = conf_of(group);

	for (int i = 0; i < group->n; i++) {
		struct server *server = &group->server[i];

		server->pool = mu_pool_new(group->worker, (size_t)conf->keep, conf->keep_ms);
		if (!server->pool)
			return -1;
	}
	return 0;
}

int groups_start(struct groups *groups)
{
	for (struct group *group = groups->first; group; group = group->next)
		if (start_pools(group) < 0 || start_checks(group) < 0) {
			mu_worker_log(groups->worker, MU_ERR, "no memory for the servers of %s",
				      group->name);
			return -1;
		}
	return 0;
}

/* -------------------------------------------------------------------------------- requests ---- */

static uint64_t key_of_client(const struct mu_conn *conn)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;

	mu_peer_address(conn, &address);
	switch (address.ss_family) {
	case AF_INET:
		return choice_key((const char *)&in->sin_addr, sizeof in->sin_addr);
	case AF_INET6:
		return choice_key((const char *)&in6->sin6_addr, sizeof in6->sin6_addr);
	default:
		return choice_key("", 0);
	}
}

/* The path and the query behind it, as they were sent. */
static uint64_t key_of_uri(const struct request *request, const char *data)
{
	size_t len = (size_t)request->path.len + request->query.len;

	if (!request->path.len)
		return choice_key("/", 1);
	return choice_key(data + request->path.at, len);
}

static uint64_t key_of_header(const struct mu_conn *conn, const struct request *request,
			      const char *data, const char *name)
{
	const char *p = line_first(request, data), *end = line_end(request, data);
	size_t len = strlen(name);
	struct line line;

	while (line_next(&p, end, &line))
		if (line.name_len == len && strncasecmp(line.name, name, len) == 0)
			return choice_key(line.value, line.value_len);
	return key_of_client(conn);
}

static uint64_t key_of(const struct group *group, const struct mu_conn *conn,
		       const struct request *request, const char *data)
{
	static const char header[] = "header:";
	const char *key;

	if (!group->conf || group->conf->balance != UPSTREAM_HASH)
		return 0;
	key = group->conf->hash_key;
	if (strcmp(key, "uri") == 0)
		return key_of_uri(request, data);
	if (strncmp(key, header, sizeof header - 1) == 0)
		return key_of_header(conn, request, data, key + sizeof header - 1);
	return key_of_client(conn);
}

void group_begin(struct group_request *what, struct group *group, struct mu_conn *conn,
		 const struct request *request, const char *data)
{
	*what = (struct group_request){ .group = group, .key = key_of(group, conn, request, data) };
}

bool group_take(struct group_request *what)
{
	struct group *group = what->group;

	return choice_take(group->choice, mu_now_ms(group->worker), what->key, &what->choice) >= 0;
}

bool group_has_another(const struct group_request *what)
{
	const struct group *group = what->group;
	int64_t now = mu_now_ms(group->worker);

	for (int i = 0; i < group->n; i++)
		if (!(what->choice.tried >> i & 1) &&
		    choice_standing(group->choice, i, now) < CHOICE_ILL)
			return true;
	return false;
}

static struct server *server_of(const struct group_request *what)
{
	return &what->group->server[what->choice.server];
}

static int64_t rested(const struct server *server, uintptr_t kept_at)
{
	return (int64_t)((uintptr_t)mu_now_ms(server->group->worker) - kept_at);
}

static bool is_fresh(struct server *server, const struct mu_conn *kept)
{
	int64_t ms = rested(server, mu_word(kept));

	if (ms >= PROVEN_MS)
		server->keeps = true;
	return server->keeps && ms < FRESH_MS;
}

static struct mu_conn *take_kept(struct server *server, struct mu_conn *conn,
				 enum group_kept may_be)
{
	struct mu_conn *kept;

	if (may_be == GROUP_NEW)
		return NULL;
	if (may_be == GROUP_FRESH && rested(server, server->kept_at) >= FRESH_MS)
		return NULL;
	kept = mu_pool_take(server->pool, conn);
	if (!kept || may_be == GROUP_KEPT || is_fresh(server, kept))
		return kept;
	/* Not to be trusted, or the last one that came is in use again, and this one came before. */
	mu_pool_put(server->pool, kept);
	return NULL;
}

struct mu_conn *group_connect(struct group_request *what, struct mu_conn *conn, int64_t connect_ms,
			      enum group_kept may_be, bool *kept_r)
{
	struct server *server = server_of(what);
	struct mu_conn *kept = take_kept(server, conn, may_be);

	*kept_r = kept != NULL;
	return kept ? kept : mu_connect(conn, server->address, connect_ms);
}

int group_keep(struct group_request *what, struct mu_conn *conn)
{
	struct server *server = server_of(what);

	/* It has rested before. */
	if (mu_word(conn))
		server->keeps = true;
	server->kept_at = (uintptr_t)mu_now_ms(what->group->worker);
	mu_set_word(conn, server->kept_at);
	return mu_pool_put(server->pool, conn);
}

/* ------------------------------------------------------------------------- what came of it ---- */

void group_succeeded(struct group_request *what, struct mu_conn *conn)
{
	if (choice_succeeded(what->group->choice, &what->choice))
		mu_worker_log(mu_worker_of(conn), MU_NOTICE, "server %s of %s is back",
			      group_address(what), what->group->name);
}

void group_failed(struct group_request *what, struct mu_conn *conn)
{
	const struct group *group = what->group;
	const struct upstream_conf *conf = conf_of(group);
	struct mu_worker *worker = mu_worker_of(conn);
	char time[GATEWAY_TIME_MAX];

	if (!choice_failed(group->choice, mu_now_ms(worker), &what->choice))
		return;
	gateway_time(conf->fail_ms, time);
	mu_worker_log(worker, MU_WARNING, "server %s of %s is out for %s: %d failures within %s",
		      group_address(what), group->name, time, (int)conf->max_fails, time);
}

void group_release(struct group_request *what)
{
	choice_release(what->group->choice, &what->choice);
}

void group_log_none(const struct group_request *what, struct mu_conn *conn)
{
	struct group *group = what->group;
	int64_t now = mu_now_ms(group->worker);
	int ill = 0, down = 0;

	if (now - group->complained_at < COMPLAINT_MS)
		return;
	group->complained_at = now;
	for (int i = 0; i < group->n; i++) {
		enum choice_standing standing = choice_standing(group->choice, i, now);

		ill += standing == CHOICE_ILL;
		down += standing == CHOICE_DOWN;
	}
	mu_log(conn, MU_WARNING, "no server of %s can be asked: %d are ill, %d are down",
	       group->name, ill, down);
}

const char *group_address(const struct group_request *what)
{
	return server_of(what)->address;
}

const char *group_label(const struct group_request *what)
{
	return server_of(what)->label;
}
