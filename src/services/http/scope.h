/* SPDX-License-Identifier: MIT */
/*
 * The blocks of one host, or of the handler for all hosts, ready to be found by path: the block
 * itself and its locations, each prepared as a layer. rules.c merges them.
 */
#ifndef SERVICES_HTTP_SCOPE_H
#define SERVICES_HTTP_SCOPE_H

#include "services/access.h"
#include "services/http/conf.h"
#include "services/http/root.h"
#include "services/http/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One `header` line. */
struct header {
	char *line; /* with CRLF; NULL: takes away what outer blocks say */
	const char *name;
	size_t len, name_len;
	bool always;
};

/* A folder that some blocks have as root, opened as often as links are treated differently. */
struct site_root {
	struct site_root *next;
	const char *path;
	bool is_open[2]; /* by follow-symlinks */
	struct root root[2];
};

enum layer_kind { LAYER_BASE = 0, LAYER_PREFIX, LAYER_SUFFIX, LAYER_EXACT };

/* One block. */
struct layer {
	const struct rules_conf *conf;
	const char *label; /* as written; NULL: LAYER_BASE */
	enum layer_kind kind;
	/* What paths are compared with: without = or *, a prefix without final slash. */
	const char *text;
	size_t len;
	struct layer *next; /* in the bucket */
	uint32_t hash;

	int strip; /* MU_SWITCH */
	struct site_root *root;
	struct access *access;
	struct redirect redirect; /* target NULL: none */
	int answer;
	const char *answer_text;
	int64_t expires;
	struct header *header;
	size_t headers;
	struct gateway *gateway; /* NULL: none */
};

struct scope {
	struct layer base;
	struct layer *location;
	size_t n;
	size_t buckets; /* a power of two */
	struct layer **bucket;
	struct layer **suffix; /* the shortest first */
	size_t suffixes;
};

/* What a label of a location is: its kind and the text to compare with, *len_r bytes. */
enum layer_kind layer_parse(const char *label, const char **text_r, size_t *len_r);

/*
 * All is borrowed; upstreams: those of the handler. 0 or -1 with ENOMEM; the scope is to be cleaned up in both
 * cases.
 */
int scope_init(struct scope *scope, const struct rules_conf *conf,
	       const struct mu_blocks *locations, const struct mu_blocks *upstreams);
void scope_cleanup(struct scope *scope);

/*
 * The location of that kind (LAYER_PREFIX or LAYER_EXACT) and very text, or NULL. hash: of the
 * text's bytes, one after the other, by hash_byte.
 */
const struct layer *scope_find(const struct scope *scope, enum layer_kind kind, const char *text,
			       size_t len, uint32_t hash);

static inline bool layer_is_suffix(const struct layer *layer, const char *path, size_t len)
{
	return layer->len <= len &&
	       __builtin_memcmp(path + len - layer->len, layer->text, layer->len) == 0;
}

#endif
