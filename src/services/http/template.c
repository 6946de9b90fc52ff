/* SPDX-License-Identifier: MIT */
/* Placeholders; see template.h. */
#include "services/http/template.h"

#include "services/http/host.h"
#include "services/http/octet.h"
#include "services/http/path.h"

#include <string.h>

/* From PART_QUERY on: not in a path. */
enum part { PART_TEXT = 0, PART_HOST, PART_PATH, PART_REST, PART_QUERY, PART_URI, PART_WRONG };

static const char *const part_names[] = {
	[PART_HOST] = "{host}",   [PART_PATH] = "{path}", [PART_REST] = "{rest}",
	[PART_QUERY] = "{query}", [PART_URI] = "{uri}",
};

struct piece {
	enum part part;
	const char *text; /* of PART_TEXT */
	size_t len;
};

/* The next piece of a template; false at its end. */
static bool next_piece(const char **template, struct piece *piece)
{
	const char *p = *template;

	*piece = (struct piece){ .part = PART_TEXT, .text = p, .len = strcspn(p, "{}") };
	if (!*p)
		return false;
	if (!piece->len) {
		piece->part = PART_WRONG;
		for (int i = PART_HOST; i <= PART_URI; i++)
			if (strncmp(p, part_names[i], strlen(part_names[i])) == 0)
				piece->part = (enum part)i;
		piece->len = piece->part == PART_WRONG ? 1 : strlen(part_names[piece->part]);
	}
	*template = p + piece->len;
	return true;
}

/* ------------------------------------------------------------------------------------ checks ---- */

/* What others call them. */
static const char *check_variables(const char *text)
{
	static const struct {
		const char *name, *message;
	} theirs[] = {
		{ "$scheme", "$scheme is not known here: write http or https" },
		{ "$host", "$host is written {host} here" },
		{ "$http_host", "$http_host is written {host} here" },
		{ "$server_name", "$server_name is written {host} here" },
		{ "$request_uri", "$request_uri is written {uri} here" },
		{ "$uri", "$uri is written {path} here" },
		{ "$document_uri", "$document_uri is written {path} here" },
		{ "$is_args", "$is_args$args is written {query} here" },
		{ "$args", "$is_args$args is written {query} here" },
		{ "$query_string", "?$query_string is written {query} here" },
		{ "$1", "$1 is not known here: {rest} is what follows the location's prefix" },
	};

	for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
		if (strstr(text, theirs[i].name))
			return theirs[i].message;
	return NULL;
}

static const char *check_text(const struct piece *piece)
{
	for (size_t i = 0; i < piece->len; i++) {
		int byte = (unsigned char)piece->text[i];

		if (byte == ' ')
			return "a blank is written %20";
		if (byte < ' ' || byte >= 0x7f || strchr("\"<>\\^`|", byte))
			return "letters that no URL has are written as %XX";
		if (byte == '%' &&
		    (octet_hex(piece->text[i + 1]) < 0 || octet_hex(piece->text[i + 2]) < 0))
			return "a % is written %25";
	}
	return NULL;
}

static size_t scheme_len(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
	size_t len = strspn(text, letters);

	return len && strncmp(text + len, "://", 3) == 0 ? len + 3 : 0;
}

static bool leads_back(const char *text)
{
	return !strcmp(text, "{uri}") || !strcmp(text, "{path}") || !strcmp(text, "{path}{query}");
}

const char *template_check_url(const char *text)
{
	static const char begins[] = "it begins with /, {path} or https://";
	const char *wrong = check_variables(text), *p = text;
	size_t scheme = scheme_len(text);
	struct piece piece;

	if (wrong)
		return wrong;
	if (leads_back(text + (text[0] == '/')))
		return "it leads back to where it comes from";
	if (!scheme && text[0] != '/' && strncmp(text, "{path}", 6) != 0)
		return begins;
	if (text[0] == '/' && text[1] == '/')
		scheme = 2;
	if (scheme && (!text[scheme] || strchr("/?#}", text[scheme]) ||
		       (text[scheme] == '{' && strncmp(text + scheme, "{host}", 6) != 0)))
		return "a host follows the //: a name, or {host}";
	while (next_piece(&p, &piece)) {
		if (piece.part == PART_WRONG)
			return "there are {host}, {path}, {rest}, {query} and {uri}, and no other "
			       "braces";
		wrong = piece.part == PART_TEXT ? check_text(&piece) : NULL;
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* Segments that path_clean would not let through. */
static bool has_hidden(const char *path, size_t len)
{
	static const char well_known[] = "/.well-known";
	const size_t known_len = sizeof well_known - 1;

	for (size_t i = 0; i + 1 < len; i++) {
		if (path[i] != '/' || path[i + 1] != '.')
			continue;
		if (i || len < known_len || memcmp(path, well_known, known_len) != 0 ||
		    (len > known_len && path[known_len] != '/'))
			return true;
	}
	return false;
}

const char *template_check_path(const char *text)
{
	const char *wrong = check_variables(text), *p = text;
	struct piece piece;

	if (wrong)
		return wrong;
	if (text[0] != '/' && strncmp(text, "{path}", 6) != 0 && strncmp(text, "{rest}", 6) != 0)
		return "it begins with /, {path} or {rest}";
	if (strchr(text, '?') || strstr(text, "{query}") || strstr(text, "{uri}"))
		return "a path has no query";
	if (strstr(text, "//"))
		return "it has an empty segment";
	if (has_hidden(text, strlen(text)))
		return "files whose name begins with a dot are not served";
	while (next_piece(&p, &piece)) {
		if (piece.part == PART_WRONG)
			return "there are {path}, {rest} and {host}, and no other braces";
		for (size_t i = 0; piece.part == PART_TEXT && i < piece.len; i++)
			if ((unsigned char)piece.text[i] < ' ' || piece.text[i] == 0x7f)
				return "a control byte is no part of a path";
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------- output ---- */

struct sink {
	char *out;
	size_t size, len;
	char last, before; /* the last two bytes written */
	bool in_host;      /* behind "//", and the host has not ended yet */
	bool has_query;
};

static void put_raw(struct sink *sink, char byte)
{
	if (sink->len + 1 < sink->size)
		sink->out[sink->len] = byte;
	sink->len++;
	sink->before = sink->last;
	sink->last = byte;
}

static void put(struct sink *sink, char byte)
{
	/* The only "//" of a target stands at its beginning or behind the scheme. */
	bool opens = byte == '/' && sink->last == '/' && !sink->has_query &&
		     (sink->len == 1 || sink->before == ':');

	if (opens)
		sink->in_host = true;
	else if (byte == '/' || byte == '?' || byte == '#')
		sink->in_host = false;
	sink->has_query = sink->has_query || byte == '?';
	put_raw(sink, byte);
}

static void put_text(struct sink *sink, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(sink, text[i]);
}

static void put_encoded(struct sink *sink, const char *text, size_t len)
{
	char encoded[3];

	for (size_t i = 0; i < len; i++)
		put_text(sink, encoded, path_encode(text + i, 1, encoded));
}

/*
 * A path of the client's: neither does it make a "//" at the beginning, which would name another
 * host, nor does it become a part of the host before it.
 */
static void put_path(struct sink *sink, const char *path, size_t len)
{
	if (sink->in_host && (!len || path[0] != '/')) {
		put(sink, '/');
	} else if (!sink->in_host && sink->last == '/' && len && path[0] == '/') {
		path++;
		len--;
	}
	put_encoded(sink, path, len);
}

/* As it was sent: what it means is not ours to know. */
static void put_query(struct sink *sink, const char *query, size_t len)
{
	if (len < 2)
		return;
	put(sink, sink->has_query ? '&' : '?');
	for (size_t i = 1; i < len; i++) {
		if (query[i] > ' ' && query[i] < 0x7f && !strchr("#\"<>", query[i]))
			put(sink, query[i]);
		else
			put_encoded(sink, query + i, 1);
	}
}

static void put_host(struct sink *sink, const char *host, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (strchr("[]:", host[i]))
			put(sink, host[i]);
		else
			put_encoded(sink, host + i, 1);
	}
}

/*
 * What the client sent for a piece, in {uri} the path; of PART_TEXT the text itself. NULL: nothing
 * stands for it.
 */
static const char *value_of(const struct piece *piece, const struct template_values *values,
			    size_t *len_r)
{
	size_t skip = 0;

	switch (piece->part) {
	case PART_TEXT:
		*len_r = piece->len;
		return piece->text;
	case PART_HOST:
		*len_r = host_cut(values->host, values->host_len);
		return *len_r ? values->host : NULL;
	case PART_REST:
		skip = values->prefix_len < values->path_len ? values->prefix_len
							     : values->path_len;
		break;
	case PART_QUERY:
		*len_r = values->query_len;
		return values->query;
	case PART_PATH:
	case PART_URI:
		break;
	case PART_WRONG:
		return NULL;
	}
	*len_r = values->path_len - skip;
	return values->path + skip;
}

size_t template_url(const char *text, const struct template_values *values, char *out, size_t size)
{
	struct sink sink = { .out = out, .size = size };
	struct piece piece;
	size_t len;

	while (next_piece(&text, &piece)) {
		const char *value = value_of(&piece, values, &len);

		if (!value)
			return 0;
		if (piece.part == PART_TEXT)
			put_text(&sink, value, len);
		else if (piece.part == PART_HOST)
			put_host(&sink, value, len);
		else if (piece.part == PART_QUERY)
			put_query(&sink, value, len);
		else
			put_path(&sink, value, len);
		if (piece.part == PART_URI)
			put_query(&sink, values->query, values->query_len);
	}
	if (size)
		out[sink.len < size ? sink.len : size - 1] = '\0';
	return sink.len;
}

/* Never two slashes: "{path}/" is also for paths that end with one. */
static void add_path(struct sink *sink, const char *text, size_t len)
{
	if (!sink->len && (!len || text[0] != '/'))
		put_raw(sink, '/');
	for (size_t i = 0; i < len; i++)
		if (text[i] != '/' || sink->last != '/')
			put_raw(sink, text[i]);
}

static void add_host(struct sink *sink, const char *host, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char folded = octet_fold(host[i]);

		add_path(sink, &folded, 1);
	}
}

size_t template_path(const char *text, const struct template_values *values, char *out, size_t size)
{
	struct sink sink = { .out = out, .size = size };
	struct piece piece;
	size_t len;

	while (next_piece(&text, &piece)) {
		const char *value = value_of(&piece, values, &len);

		if (!value || piece.part >= PART_QUERY)
			return 0;
		if (piece.part == PART_HOST)
			add_host(&sink, value, len);
		else
			add_path(&sink, value, len);
	}
	if (!sink.len || sink.len >= size || has_hidden(out, sink.len))
		return 0;
	out[sink.len] = '\0';
	return sink.len;
}
