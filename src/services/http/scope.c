/* SPDX-License-Identifier: MIT */
/* Blocks prepared; see scope.h. */
#include "services/http/scope.h"

#include "services/http/hash.h"

#include <stdlib.h>
#include <string.h>

enum layer_kind layer_parse(const char *label, const char **text_r, size_t *len_r)
{
	enum layer_kind kind = label[0] == '='   ? LAYER_EXACT
			       : label[0] == '*' ? LAYER_SUFFIX
						 : LAYER_PREFIX;

	*text_r = label + (kind != LAYER_PREFIX);
	*len_r = strlen(*text_r);
	if (kind == LAYER_PREFIX && *len_r && label[*len_r - 1] == '/')
		--*len_r;
	return kind;
}

static char *make_line(const char *name, const char *value, size_t *len_r)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	char *line = malloc(name_len + value_len + sizeof ": \r\n"), *p = line;

	if (!line)
		return NULL;
	p = mempcpy(p, name, name_len);
	p = mempcpy(p, ": ", 2);
	p = mempcpy(p, value, value_len);
	p = mempcpy(p, "\r\n", 3);
	*len_r = (size_t)(p - line) - 1;
	return line;
}

static int prepare_headers(struct layer *layer)
{
	const struct mu_lines *lines = &layer->conf->header;

	if (!lines->n)
		return 0;
	layer->header = calloc(lines->n, sizeof *layer->header);
	if (!layer->header)
		return -1;
	layer->headers = lines->n;
	for (size_t i = 0; i < lines->n; i++) {
		const struct mu_words *words = &lines->line[i];
		struct header *header = &layer->header[i];

		header->name = words->word[0];
		header->name_len = strlen(header->name);
		header->always = words->n > 2;
		if (!*words->word[1])
			continue;
		header->line = make_line(header->name, words->word[1], &header->len);
		if (!header->line)
			return -1;
	}
	return 0;
}

static int layer_init(struct layer *layer, const struct rules_conf *conf)
{
	const struct mu_words *redirect = conf->redirect.line, *answer = conf->answer.line;

	layer->conf = conf;
	layer->expires = EXPIRES_NONE;
	if (conf->expires)
		expires_parse(conf->expires, &layer->expires);
	if (conf->redirect.n)
		layer->redirect = (struct redirect){
			.status = redirect->n > 1 ? atoi(redirect->word[0]) : REDIRECT_STATUS,
			.target = redirect->word[redirect->n > 1],
		};
	if (conf->answer.n) {
		layer->answer = atoi(answer->word[0]);
		layer->answer_text = answer->n > 1 ? answer->word[1] : NULL;
	}
	if (conf->allow.n || conf->deny.n) {
		layer->access = access_new(&conf->allow, &conf->deny);
		if (!layer->access)
			return -1;
	}
	return prepare_headers(layer);
}

static void layer_cleanup(struct layer *layer)
{
	for (size_t i = 0; i < layer->headers; i++)
		free(layer->header[i].line);
	free(layer->header);
	gateway_free(layer->gateway);
	access_free(layer->access);
}

static uint32_t hash_of(const char *text, size_t len)
{
	uint32_t hash = HASH_BASIS;

	for (size_t i = 0; i < len; i++)
		hash = hash_byte(hash, text[i]);
	return hash;
}

static void add_location(struct scope *scope, struct layer *layer)
{
	struct layer **bucket;

	if (layer->kind == LAYER_SUFFIX) {
		scope->suffix[scope->suffixes++] = layer;
		return;
	}
	layer->hash = hash_of(layer->text, layer->len);
	bucket = &scope->bucket[layer->hash & (scope->buckets - 1)];
	layer->next = *bucket;
	*bucket = layer;
}

static int compare_length(const void *a, const void *b)
{
	const struct layer *const *one = a, *const *other = b;

	if ((*one)->len != (*other)->len)
		return (*one)->len < (*other)->len ? -1 : 1;
	/* Neither is the end of the other; the order is only to be always the same. */
	return *one < *other ? -1 : *one > *other;
}

static int add_locations(struct scope *scope, const struct mu_blocks *locations,
			 const struct mu_blocks *upstreams)
{
	scope->buckets = 1;
	while (scope->buckets < 2 * locations->n)
		scope->buckets *= 2;
	scope->location = calloc(locations->n, sizeof *scope->location);
	scope->bucket = calloc(scope->buckets, sizeof(struct layer *));
	scope->suffix = calloc(locations->n, sizeof(struct layer *));
	if (!scope->location || !scope->bucket || !scope->suffix)
		return -1;
	for (; scope->n < locations->n; scope->n++) {
		const struct location_conf *conf = locations->item[scope->n];
		struct layer *layer = &scope->location[scope->n];

		layer->label = locations->label[scope->n];
		layer->kind = layer_parse(layer->label, &layer->text, &layer->len);
		layer->strip = conf->strip_prefix;
		if (layer_init(layer, &conf->rules) < 0 ||
		    gateway_new(&conf->gateway, upstreams, &layer->gateway) < 0) {
			scope->n++;
			return -1;
		}
		add_location(scope, layer);
	}
	qsort(scope->suffix, scope->suffixes, sizeof(struct layer *), compare_length);
	return 0;
}

int scope_init(struct scope *scope, const struct rules_conf *conf,
	       const struct mu_blocks *locations, const struct mu_blocks *upstreams)
{
	memset(scope, 0, sizeof *scope);
	if (layer_init(&scope->base, conf) < 0)
		return -1;
	return locations->n ? add_locations(scope, locations, upstreams) : 0;
}

void scope_cleanup(struct scope *scope)
{
	layer_cleanup(&scope->base);
	for (size_t i = 0; i < scope->n; i++)
		layer_cleanup(&scope->location[i]);
	free(scope->location);
	free(scope->bucket);
	free(scope->suffix);
}

const struct layer *scope_find(const struct scope *scope, enum layer_kind kind, const char *text,
			       size_t len, uint32_t hash)
{
	const struct layer *layer =
		scope->buckets ? scope->bucket[hash & (scope->buckets - 1)] : NULL;

	while (layer && (layer->hash != hash || layer->kind != kind || layer->len != len ||
			 memcmp(layer->text, text, len) != 0))
		layer = layer->next;
	return layer;
}
