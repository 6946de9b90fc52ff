/* SPDX-License-Identifier: MIT */
/*
 * Hosts and their blocks; see rules.h. How a block is prepared stands in scope.c, how they are
 * merged in settings.c.
 */
#include "services/http/rules.h"

#include "services/http/hash.h"
#include "services/http/host.h"
#include "services/http/octet.h"
#include "services/http/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct host {
	struct scope scope;
};

/* One name of a host. */
struct name {
	struct name *next; /* in the bucket */
	const struct host *host;
	const char *text; /* of a wildcard: behind the * and its dot */
	size_t len;
	uint32_t hash;
	bool wildcard;
};

struct rules {
	struct mu_worker *worker;
	struct host site; /* the handler's own block */
	struct host *host;
	size_t hosts;
	struct name *name;
	size_t names;
	size_t buckets; /* of names, a power of two */
	struct name **bucket;
	bool wildcards;          /* there is one among the names */
	struct site_root *roots; /* the latest first */
	bool follow[2];          /* whether some block says so */
};

/* ------------------------------------------------------------------------------------- hosts ---- */

/* From its end on, so that one walk over a name gives the hash of each of its ends. */
static uint32_t hash_back(uint32_t hash, char byte)
{
	return hash_byte(hash, octet_fold(byte));
}

static uint32_t hash_name(const char *name, size_t len)
{
	uint32_t hash = HASH_BASIS;

	while (len > 0)
		hash = hash_back(hash, name[--len]);
	return hash;
}

static void add_name(struct rules *rules, const char *text, const struct host *host)
{
	struct name *name = &rules->name[rules->names++], **bucket;

	*name = (struct name){ .host = host, .text = text };
	name->wildcard = text[0] == '*';
	if (name->wildcard) {
		name->text += 2;
		rules->wildcards = true;
	}
	name->len = strlen(name->text);
	name->hash = hash_name(name->text, name->len);
	bucket = &rules->bucket[name->hash & (rules->buckets - 1)];
	name->next = *bucket;
	*bucket = name;
}

static const struct host *find_name(const struct rules *rules, const char *text, size_t len,
				    uint32_t hash, bool wildcard)
{
	const struct name *name = rules->bucket[hash & (rules->buckets - 1)];

	while (name && (name->hash != hash || name->wildcard != wildcard || name->len != len ||
			strncasecmp(name->text, text, len) != 0))
		name = name->next;
	return name ? name->host : NULL;
}

/* The longest of the wildcards that a name is below of. */
static const struct host *find_wildcard(const struct rules *rules, const char *name, size_t len)
{
	const struct host *longest = NULL, *found;
	uint32_t hash = HASH_BASIS;

	for (size_t i = len; i-- > 1;) {
		if (name[i] == '.') {
			found = find_name(rules, name + i + 1, len - i - 1, hash, true);
			if (found)
				longest = found;
		}
		hash = hash_back(hash, name[i]);
	}
	return longest;
}

const struct host *rules_host(const struct rules *rules, const char *name, size_t len)
{
	const struct host *found;

	if (!rules->hosts)
		return &rules->site;
	len = host_cut(name, len);
	if (!len || len > HOST_NAME_MAX_LEN)
		return &rules->site;
	found = find_name(rules, name, len, hash_name(name, len), false);
	if (!found && rules->wildcards)
		found = find_wildcard(rules, name, len);
	return found ? found : &rules->site;
}

static int add_hosts(struct rules *rules, const struct mu_blocks *blocks,
		     const struct mu_blocks *upstreams)
{
	size_t names = blocks->n;

	if (!blocks->n)
		return 0;
	for (size_t i = 0; i < blocks->n; i++)
		names += ((const struct host_conf *)blocks->item[i])->alias.n;
	rules->buckets = 1;
	while (rules->buckets < 2 * names)
		rules->buckets *= 2;
	rules->host = calloc(blocks->n, sizeof *rules->host);
	rules->name = calloc(names, sizeof *rules->name);
	rules->bucket = calloc(rules->buckets, sizeof(struct name *));
	if (!rules->host || !rules->name || !rules->bucket)
		return -1;
	while (rules->hosts < blocks->n) {
		const struct host_conf *conf = blocks->item[rules->hosts];
		struct host *host = &rules->host[rules->hosts];

		add_name(rules, blocks->label[rules->hosts++], host);
		for (size_t i = 0; i < conf->alias.n; i++)
			add_name(rules, conf->alias.word[i], host);
		if (scope_init(&host->scope, &conf->rules, &conf->location, upstreams) < 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- roots ---- */

static int open_root(struct rules *rules, struct site_root *root)
{
	for (int follow = 0; follow < 2; follow++) {
		if (!rules->follow[follow])
			continue;
		if (root_open(&root->root[follow], root->path, follow) < 0) {
			mu_worker_log(rules->worker, MU_ERR, "cannot open root %s: %s", root->path,
				      strerror(errno));
			return -1;
		}
		root->is_open[follow] = true;
	}
	return 0;
}

static int add_root(struct rules *rules, struct layer *layer)
{
	const char *path = layer->conf->root;
	struct site_root *root = rules->roots;

	if (!path)
		return 0;
	while (root && strcmp(root->path, path) != 0)
		root = root->next;
	layer->root = root;
	if (root)
		return 0;
	root = calloc(1, sizeof *root);
	if (!root) {
		mu_worker_log(rules->worker, MU_ERR, "no memory for a website");
		return -1;
	}
	root->path = path;
	root->next = rules->roots;
	rules->roots = root;
	layer->root = root;
	return open_root(rules, root);
}

static void note_follow(struct rules *rules, const struct scope *scope)
{
	for (size_t i = 0; i <= scope->n; i++) {
		const struct layer *layer = i ? &scope->location[i - 1] : &scope->base;

		if (layer->conf->follow_symlinks)
			rules->follow[layer->conf->follow_symlinks - 1] = true;
	}
}

static int add_roots(struct rules *rules, struct scope *scope)
{
	for (size_t i = 0; i <= scope->n; i++)
		if (add_root(rules, i ? &scope->location[i - 1] : &scope->base) < 0)
			return -1;
	return 0;
}

static int open_roots(struct rules *rules)
{
	if (!rules->site.scope.base.conf->follow_symlinks)
		rules->follow[0] = true;
	note_follow(rules, &rules->site.scope);
	for (size_t i = 0; i < rules->hosts; i++)
		note_follow(rules, &rules->host[i].scope);
	if (add_roots(rules, &rules->site.scope) < 0)
		return -1;
	for (size_t i = 0; i < rules->hosts; i++)
		if (add_roots(rules, &rules->host[i].scope) < 0)
			return -1;
	return 0;
}

void rules_settle(struct rules *rules)
{
	for (struct site_root *root = rules->roots; root; root = root->next)
		for (int follow = 0; follow < 2; follow++)
			if (root->is_open[follow])
				root_settle(&root->root[follow]);
}

/* ----------------------------------------------------------------------------------- gateways ---- */

static int visit_gateways(const struct scope *scope,
			  int (*visit)(struct gateway *gateway, void *arg), void *arg)
{
	for (size_t i = 0; i < scope->n; i++)
		if (scope->location[i].gateway && visit(scope->location[i].gateway, arg) < 0)
			return -1;
	return 0;
}

int rules_gateways(struct rules *rules, int (*visit)(struct gateway *gateway, void *arg), void *arg)
{
	if (visit_gateways(&rules->site.scope, visit, arg) < 0)
		return -1;
	for (size_t i = 0; i < rules->hosts; i++)
		if (visit_gateways(&rules->host[i].scope, visit, arg) < 0)
			return -1;
	return 0;
}

static void free_roots(struct rules *rules)
{
	while (rules->roots) {
		struct site_root *root = rules->roots;

		for (int follow = 0; follow < 2; follow++)
			if (root->is_open[follow])
				root_close(&root->root[follow]);
		rules->roots = root->next;
		free(root);
	}
}

void rules_settings(const struct rules *rules, const struct host *host, const char *path,
		    size_t len, struct settings *settings_r)
{
	settings_merge(settings_r, &rules->site.scope, &host->scope, path, len);
}

/* ------------------------------------------------------------------------------ life and limits ---- */

static struct rules *build(const struct site_conf *conf)
{
	struct rules *rules = calloc(1, sizeof *rules);

	if (rules &&
	    scope_init(&rules->site.scope, &conf->rules, &conf->location, &conf->upstream) == 0 &&
	    add_hosts(rules, &conf->host, &conf->upstream) == 0)
		return rules;
	rules_free(rules);
	return NULL;
}

struct rules *rules_new(const struct site_conf *conf, struct mu_worker *worker)
{
	struct rules *rules = build(conf);

	if (!rules) {
		mu_worker_log(worker, MU_ERR, "no memory for a website");
		return NULL;
	}
	rules->worker = worker;
	if (open_roots(rules) == 0)
		return rules;
	rules_free(rules);
	return NULL;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	free_roots(rules);
	for (size_t i = 0; i < rules->hosts; i++)
		scope_cleanup(&rules->host[i].scope);
	scope_cleanup(&rules->site.scope);
	free(rules->host);
	free(rules->name);
	free(rules->bucket);
	free(rules);
}

/* How much can come together: blocks, and bytes of their `header` lines. */
struct load {
	size_t blocks, bytes;
};

static void add_load(struct load *load, const struct layer *layer)
{
	if (!layer)
		return;
	load->blocks++;
	for (size_t i = 0; i < layer->headers; i++)
		load->bytes += layer->header[i].len;
}

static void raise(struct load *most, struct load load)
{
	if (load.blocks > most->blocks)
		most->blocks = load.blocks;
	if (load.bytes > most->bytes)
		most->bytes = load.bytes;
}

/* Of the locations that match what this one does, those of its kind. */
static struct load load_of(const struct scope *scope, const struct layer *layer)
{
	struct settings settings = { .layers = 0 };
	static const struct scope none;
	struct load load = { 0 };

	if (layer->kind == LAYER_EXACT) {
		add_load(&load, layer);
	} else if (layer->kind == LAYER_SUFFIX) {
		for (size_t i = 0; i < scope->suffixes; i++)
			if (layer_is_suffix(scope->suffix[i], layer->text, layer->len))
				add_load(&load, scope->suffix[i]);
	} else {
		settings_add_prefixes(&settings, scope, &none, layer->len ? layer->text : "/",
				      layer->len ? layer->len : 1);
		for (int i = 0; i < settings.layers; i++)
			add_load(&load, settings.layer[i]);
	}
	return load;
}

/* At most this for any path. */
static struct load worst_of(const struct scope *scope)
{
	struct load most[LAYER_EXACT + 1] = { { 0 } }, sum = { 0 };

	add_load(&most[LAYER_BASE], &scope->base);
	for (size_t i = 0; i < scope->n; i++)
		raise(&most[scope->location[i].kind], load_of(scope, &scope->location[i]));
	for (int kind = LAYER_BASE; kind <= LAYER_EXACT; kind++) {
		sum.blocks += most[kind].blocks;
		sum.bytes += most[kind].bytes;
	}
	return sum;
}

static void check_load(struct load load, const char *where, struct mu_report *report)
{
	static const char blocks[] =
		"%zu blocks could hold for one path, %d at most: fewer locations in one another";
	static const char bytes[] =
		"%zu bytes of `header` lines could come together for one path, %d at most";

	if (load.blocks > SETTINGS_LAYERS && where)
		mu_error_word(report, where, blocks, load.blocks, SETTINGS_LAYERS);
	else if (load.blocks > SETTINGS_LAYERS)
		mu_error(report, "location", blocks, load.blocks, SETTINGS_LAYERS);
	else if (load.bytes > SETTINGS_HEADERS_MAX && where)
		mu_error_word(report, where, bytes, load.bytes, SETTINGS_HEADERS_MAX);
	else if (load.bytes > SETTINGS_HEADERS_MAX)
		mu_error(report, "header", bytes, load.bytes, SETTINGS_HEADERS_MAX);
}

void rules_check(const struct site_conf *conf, struct mu_report *report)
{
	struct rules *rules = build(conf);
	struct load site, load;

	if (!rules) {
		mu_error(report, NULL, "no memory for a website");
		return;
	}
	site = worst_of(&rules->site.scope);
	check_load(site, NULL, report);
	for (size_t i = 0; i < rules->hosts; i++) {
		load = worst_of(&rules->host[i].scope);
		load.blocks += site.blocks;
		load.bytes += site.bytes;
		/* The handler's own is reported once. */
		if (site.blocks <= SETTINGS_LAYERS && site.bytes <= SETTINGS_HEADERS_MAX)
			check_load(load, conf->host.label[i], report);
	}
	rules_free(rules);
}
