/* SPDX-License-Identifier: MIT */
/* Blocks merged; see settings.h. */
#include "services/http/settings.h"

#include "services/http/hash.h"
#include "services/http/scope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void add_layer(struct settings *settings, const struct layer *layer)
{
	if (layer && settings->layers < SETTINGS_LAYERS)
		settings->layer[settings->layers++] = layer;
}

uint32_t settings_add_prefixes(struct settings *settings, const struct scope *site,
			       const struct scope *host, const char *path, size_t len)
{
	uint32_t hash = HASH_BASIS;

	for (size_t i = 0; i < len; i++) {
		/* Behind a whole segment; the prefix "/" is the empty text. */
		if (path[i] == '/') {
			add_layer(settings, scope_find(site, LAYER_PREFIX, path, i, hash));
			add_layer(settings, scope_find(host, LAYER_PREFIX, path, i, hash));
		}
		hash = hash_byte(hash, path[i]);
	}
	if (len && path[len - 1] != '/') {
		add_layer(settings, scope_find(site, LAYER_PREFIX, path, len, hash));
		add_layer(settings, scope_find(host, LAYER_PREFIX, path, len, hash));
	}
	return hash;
}

/* The shortest first, and of the same length the handler's. */
static void add_suffixes(struct settings *settings, const struct scope *site,
			 const struct scope *host, const char *path, size_t len)
{
	size_t s = 0, h = 0;

	while (s < site->suffixes || h < host->suffixes) {
		bool from_host =
			s == site->suffixes ||
			(h < host->suffixes && host->suffix[h]->len < site->suffix[s]->len);
		const struct layer *layer = from_host ? host->suffix[h++] : site->suffix[s++];

		if (layer_is_suffix(layer, path, len))
			add_layer(settings, layer);
	}
}

static void add_layers(struct settings *settings, const struct scope *site,
		       const struct scope *host, const char *path, size_t len)
{
	static const struct scope none;
	uint32_t hash;

	add_layer(settings, &site->base);
	if (host == site)
		host = &none;
	else
		add_layer(settings, &host->base);
	if (!site->n && !host->n)
		return;
	hash = settings_add_prefixes(settings, site, host, path, len);
	add_suffixes(settings, site, host, path, len);
	add_layer(settings, scope_find(site, LAYER_EXACT, path, len, hash));
	add_layer(settings, scope_find(host, LAYER_EXACT, path, len, hash));
}

static void merge_switch(bool *value, int written)
{
	if (written)
		*value = written == 2;
}

/* What is done about a request: of these the last one said. */
static void merge_answer(struct settings *settings, const struct layer *layer)
{
	bool looks = layer->conf->root || layer->conf->try.n;

	if (!layer->redirect.target && !layer->answer && !layer->gateway && !looks)
		return;
	settings->redirect = layer->redirect.target ? &layer->redirect : NULL;
	settings->answer = layer->answer;
	settings->answer_text = layer->answer_text;
	settings->gateway = layer->gateway;
}

static void merge_layer(struct settings *settings, const struct layer *layer,
			struct site_root **root, bool *follow)
{
	const struct rules_conf *conf = layer->conf;

	if (layer->kind == LAYER_PREFIX)
		settings->prefix_len = strlen(layer->label);
	if (layer->root) {
		*root = layer->root;
		settings->strip_len = 0;
	}
	if (layer->strip) {
		settings->strip = layer->text;
		settings->strip_len = layer->strip == 2 ? layer->len : 0;
	}
	if (conf->index.n)
		settings->index = &conf->index;
	if (conf->try.n)
		settings->try = &conf->try;
	if (layer->access)
		settings->access = layer->access;
	if (conf->charset)
		settings->charset = charset_parse(conf->charset);
	if (conf->expires)
		settings->expires = layer->expires;
	merge_answer(settings, layer);
	merge_switch(&settings->listing, conf->listing);
	merge_switch(&settings->precompressed, conf->precompressed);
	merge_switch(&settings->nosniff, conf->nosniff);
	merge_switch(&settings->log, conf->log);
	merge_switch(follow, conf->follow_symlinks);
}

void settings_merge(struct settings *settings, const struct scope *site, const struct scope *host,
		    const char *path, size_t len)
{
	static const struct mu_words none;
	struct site_root *root = NULL;
	bool follow = false;

	/* The list of layers is long, and only what is added to it is looked at. */
	memset(settings, 0, offsetof(struct settings, layer));
	settings->index = &none;
	settings->expires = EXPIRES_NONE;
	settings->log = true;
	add_layers(settings, site, host, path, len);
	for (int i = 0; i < settings->layers; i++)
		merge_layer(settings, settings->layer[i], &root, &follow);
	if (root)
		settings->root = &root->root[follow];
}

static bool is_replaced(const struct settings *settings, int after, const struct header *header)
{
	for (int i = after + 1; i < settings->layers; i++)
		for (size_t j = 0; j < settings->layer[i]->headers; j++) {
			const struct header *other = &settings->layer[i]->header[j];

			if (other->name_len == header->name_len &&
			    strcasecmp(other->name, header->name) == 0)
				return true;
		}
	return false;
}

bool settings_have_fields(const struct settings *settings)
{
	if (settings->nosniff || settings->expires != EXPIRES_NONE)
		return true;
	for (int i = 0; i < settings->layers; i++)
		if (settings->layer[i]->headers)
			return true;
	return false;
}

size_t settings_headers(const struct settings *settings, bool error, char *out, size_t size)
{
	size_t len = 0;

	for (int i = 0; i < settings->layers; i++)
		for (size_t j = 0; j < settings->layer[i]->headers; j++) {
			const struct header *header = &settings->layer[i]->header[j];

			if (!header->line || (error && !header->always) ||
			    header->len > size - len || is_replaced(settings, i, header))
				continue;
			memcpy(out + len, header->line, header->len);
			len += header->len;
		}
	return len;
}

const char *settings_error_page(const struct settings *settings, int status)
{
	for (int i = settings->layers; i-- > 0;) {
		const struct mu_lines *pages = &settings->layer[i]->conf->error_page;

		for (size_t j = pages->n; j-- > 0;)
			for (size_t k = 0; k + 1 < pages->line[j].n; k++)
				if (atoi(pages->line[j].word[k]) == status)
					return pages->line[j].word[pages->line[j].n - 1];
	}
	return NULL;
}

const char *settings_name(const struct settings *settings, const char *path, size_t len,
			  size_t *len_r)
{
	size_t skip = settings->strip_len;

	if (skip && (len < skip || memcmp(path, settings->strip, skip) != 0 ||
		     (len > skip && path[skip] != '/')))
		skip = 0;
	/* The slash. */
	skip += skip < len;
	*len_r = len - skip;
	return path + skip;
}
