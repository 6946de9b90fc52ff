/* SPDX-License-Identifier: MIT */
/*
 * Variables of applications; see params.h. First those that say what the request is, from a table,
 * then the request's fields as HTTP_..., then those of the configuration.
 */
#include "services/http/gateway/params.h"

#include "services/http/gateway/fields.h"
#include "services/http/gateway/line.h"
#include "services/http/gateway/output.h"
#include "services/http/host.h"

#include <arpa/inet.h>
#include <strings.h>

size_t params_split(const char *path, size_t len, const char *ending)
{
	size_t ending_len = strlen(ending);

	for (size_t at = ending_len; ending_len && at <= len; at++)
		if ((at == len || path[at] == '/') &&
		    memcmp(path + at - ending_len, ending, ending_len) == 0)
			return at;
	return len;
}

/* The same for names that are one. Those of browsers differ in their ends. */
static uint64_t name_bit(const struct line *line)
{
	const char *last = line->name + line->name_len - 1;
	unsigned hash = (unsigned)line->name_len * 5;

	hash += (unsigned char)octet_fold(line->name[0]) * 3U;
	hash += (unsigned char)octet_fold(*last);
	if (last > line->name)
		hash += (unsigned char)octet_fold(last[-1]) * 7U;
	return UINT64_C(1) << (hash & 63);
}

/* So that not every line has to be compared with every other. */
static uint64_t find_twice(const struct params_source *source)
{
	const char *end = line_end(source->request, source->data);
	uint64_t once = 0, twice = 0;
	struct line line;

	for (const char *p = line_first(source->request, source->data);
	     line_next(&p, end, &line);) {
		twice |= once & name_bit(&line);
		once |= name_bit(&line);
	}
	return twice;
}

void params_init(struct params *params, const struct params_source *source, char *buffer,
		 size_t size)
{
	*params = (struct params){
		.source = source,
		.at = line_first(source->request, source->data),
		.twice = find_twice(source),
		.buffer = buffer,
		.size = size,
	};
}

/* --------------------------------------------------------------------- what the request is ---- */

/* What a variable of the table may come to. */
enum result { RESULT_NONE = 0, RESULT_VALUE = 1, RESULT_FULL = -1 };

static enum result give(struct param *param, const char *value, size_t len)
{
	param->value = value;
	param->value_len = len;
	return RESULT_VALUE;
}

static enum result give_text(struct param *param, const char *value)
{
	return value ? give(param, value, strlen(value)) : RESULT_NONE;
}

static enum result give_slice(struct param *param, const char *data, struct slice slice)
{
	return give(param, data + slice.at, slice.len);
}

static enum result give_number(struct params *params, struct param *param, uint64_t number)
{
	struct output out = output_of(params->small, sizeof params->small);

	output_number(&out, number);
	return give(param, params->small, output_len(&out));
}

/* The interface has a text for each request; a peer over a Unix socket has no address. */
static enum result give_address(struct params *params, struct param *param,
				const struct sockaddr_storage *address, const char *otherwise)
{
	struct output out = output_of(params->small, sizeof params->small);

	output_address(&out, address);
	if (output_len(&out))
		return give(param, params->small, output_len(&out));
	return give_text(param, otherwise);
}

/* 0: a Unix socket's. */
static unsigned port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	if (address->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return 0;
}

/* The client speaks HTTPS, to us or to the proxy in front of us. */
static bool is_https(const struct params_source *source)
{
	const char *end = line_end(source->request, source->data);
	struct line line;

	if (source->https || !source->trusted)
		return source->https;
	for (const char *p = line_first(source->request, source->data); line_next(&p, end, &line);)
		if (line_is(&line, "x-forwarded-proto"))
			return octets_are(line.value, line.value + line.value_len, "https");
	return false;
}

static enum result method(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;

	return give_slice(param, source->data, fields_method(source->request, source->data));
}

/* As it was sent, in origin-form. */
static enum result request_uri(struct params *params, struct param *param)
{
	const struct request *request = params->source->request;
	struct slice uri = request->path.len ? request->path : request->query;
	struct output out = output_of(params->buffer, params->size);

	if (request->path.len || !request->query.len) {
		uri.len += request->path.len ? request->query.len : 0;
		return uri.len ? give_slice(param, params->source->data, uri)
			       : give_text(param, request->form == FORM_ASTERISK ? "*" : "/");
	}
	/* http://host?query */
	output_text(&out, "/");
	output_bytes(&out, params->source->data + uri.at, uri.len);
	return out.full ? RESULT_FULL : give(param, params->buffer, output_len(&out));
}

static enum result query_string(struct params *params, struct param *param)
{
	struct slice query = params->source->request->query;

	if (query.len) {
		query.at++;
		query.len--;
	}
	return give_slice(param, params->source->data, query);
}

static enum result content_type(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	const char *end = line_end(source->request, source->data);
	struct line line;

	for (const char *p = line_first(source->request, source->data); line_next(&p, end, &line);)
		if (line_is(&line, "content-type"))
			return give(param, line.value, line.value_len);
	return RESULT_NONE;
}

/* RFC 3875 section 4.1.2: only where there is content; SCGI has it always, and first. */
static enum result content_length(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	const struct request *request = source->request;

	if (source->kind == PARAMS_SCGI || source->length > 0 ||
	    (source->length == 0 &&
	     (request->chunked || request_has(request, FIELD_CONTENT_LENGTH))))
		return give_number(params, param, (uint64_t)source->length);
	return RESULT_NONE;
}

static enum result scgi(struct params *params, struct param *param)
{
	return params->source->kind == PARAMS_SCGI ? give_text(param, "1") : RESULT_NONE;
}

static enum result interface(struct params *params, struct param *param)
{
	(void)params;
	return give_text(param, "CGI/1.1");
}

static enum result protocol(struct params *params, struct param *param)
{
	return give_text(param, params->source->request->minor ? "HTTP/1.1" : "HTTP/1.0");
}

static enum result software(struct params *params, struct param *param)
{
	return give_text(param, params->source->software);
}

static enum result scheme(struct params *params, struct param *param)
{
	return give_text(param, is_https(params->source) ? "https" : "http");
}

static enum result https(struct params *params, struct param *param)
{
	return is_https(params->source) ? give_text(param, "on") : RESULT_NONE;
}

static enum result script_name(struct params *params, struct param *param)
{
	return give(param, params->source->path, params->source->script_len);
}

/* WSGI wants it even where it is empty; others take a missing one for what it is. */
static enum result path_info(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	size_t from = source->script_len;

	return give(param, source->path + from, source->path_len - from);
}

/* What PATH_INFO would be as a path of its own (RFC 3875 section 4.1.6). */
static enum result path_translated(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	size_t from = source->script_len;
	struct output out = output_of(params->buffer, params->size);

	if (source->kind == PARAMS_UWSGI || !source->root || from == source->path_len)
		return RESULT_NONE;
	output_text(&out, source->root);
	output_bytes(&out, source->path + from, source->path_len - from);
	return out.full ? RESULT_FULL : give(param, params->buffer, output_len(&out));
}

static enum result document_uri(struct params *params, struct param *param)
{
	return give(param, params->source->path, params->source->path_len);
}

static enum result document_root(struct params *params, struct param *param)
{
	return give_text(param, params->source->root);
}

static enum result script_filename(struct params *params, struct param *param)
{
	return give_text(param, params->source->file);
}

/* PHP built with --enable-force-cgi-redirect serves nobody without. */
static enum result redirect_status(struct params *params, struct param *param)
{
	return params->source->file ? give_text(param, "200") : RESULT_NONE;
}

static enum result remote_addr(struct params *params, struct param *param)
{
	return give_address(params, param, params->source->peer, "unix");
}

static enum result remote_port(struct params *params, struct param *param)
{
	unsigned port = port_of(params->source->peer);

	return port ? give_number(params, param, port) : RESULT_NONE;
}

static enum result server_addr(struct params *params, struct param *param)
{
	return give_address(params, param, params->source->local, NULL);
}

/* The host that was asked for (RFC 3875 section 4.1.14), else our address. */
static enum result server_name(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	const char *host = source->data + source->request->host.at;
	size_t len = host_cut(host, source->request->host.len);

	if (len)
		return give(param, host, len);
	return give_address(params, param, source->local, "localhost");
}

static enum result server_port(struct params *params, struct param *param)
{
	unsigned port = port_of(params->source->local);

	return give_number(params, param, port ? port : is_https(params->source) ? 443 : 80);
}

static const struct {
	const char *name;
	enum result (*make)(struct params *params, struct param *param);
} variables[] = {
	{ "CONTENT_LENGTH", content_length },
	{ "SCGI", scgi },
	{ "REQUEST_METHOD", method },
	{ "REQUEST_URI", request_uri },
	{ "QUERY_STRING", query_string },
	{ "CONTENT_TYPE", content_type },
	{ "GATEWAY_INTERFACE", interface },
	{ "SERVER_PROTOCOL", protocol },
	{ "SERVER_SOFTWARE", software },
	{ "REQUEST_SCHEME", scheme },
	{ "HTTPS", https },
	{ "SCRIPT_NAME", script_name },
	{ "SCRIPT_FILENAME", script_filename },
	{ "PATH_INFO", path_info },
	{ "PATH_TRANSLATED", path_translated },
	{ "DOCUMENT_URI", document_uri },
	{ "DOCUMENT_ROOT", document_root },
	{ "REDIRECT_STATUS", redirect_status },
	{ "REMOTE_ADDR", remote_addr },
	{ "REMOTE_PORT", remote_port },
	{ "SERVER_ADDR", server_addr },
	{ "SERVER_NAME", server_name },
	{ "SERVER_PORT", server_port },
};

enum { VARIABLES = sizeof variables / sizeof variables[0], FIELDS = VARIABLES, SET, END };

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

/*
 * Of the head each byte is in one variable at most, but for the target, which is REQUEST_URI and
 * has QUERY_STRING within, and Host and Content-Type, which are fields too. A field's "HTTP_" is
 * paid for by its line's end and colon, and by what is reserved for each pair.
 */
struct params_most params_most(const struct params_source *source)
{
	enum { NAMES = 512, NUMBERS = 256, EACH = 8 };
	const struct request *request = source->request;
	size_t root = length_of(source->root);
	struct params_most most = {
		.pairs = VARIABLES + REQUEST_FIELDS_MAX + source->set.n,
		.bytes = 2 * (size_t)request->head_len + 3 * source->path_len + 2 * root +
			 length_of(source->file) + length_of(source->software) + NAMES + NUMBERS,
		.buffer = (size_t)request->head_len + root + source->path_len + EACH,
	};

	for (size_t i = 0; i < source->set.n; i++)
		for (int j = 0; j < 2; j++)
			most.bytes += strlen(source->set.line[i].word[j]);
	most.bytes += EACH * most.pairs;
	return most;
}

/* The configuration says it itself; CONTENT_LENGTH and SCGI it cannot. */
static bool is_set(const struct params_source *source, const char *name, size_t len)
{
	for (size_t i = 0; i < source->set.n; i++) {
		const char *other = source->set.line[i].word[0];

		if (strlen(other) == len && memcmp(other, name, len) == 0)
			return true;
	}
	return false;
}

static enum result next_variable(struct params *params, struct param *param)
{
	while (params->step < VARIABLES) {
		const char *name = variables[params->step].name;
		enum result result;

		*param = (struct param){ .name = name, .name_len = strlen(name) };
		if (is_set(params->source, name, param->name_len)) {
			params->step++;
			continue;
		}
		result = variables[params->step].make(params, param);
		params->step++;
		if (result != RESULT_NONE)
			return result;
	}
	return RESULT_NONE;
}

/* ---------------------------------------------------------------------------------- fields ---- */

/*
 * Letters, digits and hyphens. What else a name may have becomes a variable that another name
 * becomes too, so a client could pass off its own X_Remote_User as what a proxy says.
 */
static bool is_plain(const struct line *line)
{
	for (size_t i = 0; i < line->name_len; i++) {
		char byte = octet_fold(line->name[i]);

		if (!(byte >= 'a' && byte <= 'z') && !octet_is(byte, OCTET_DIGIT) && byte != '-')
			return false;
	}
	return true;
}

/*
 * Those with a variable of their own, those of the client's connection, what an untrusted client
 * says of itself, and Proxy: HTTP_PROXY is where many programs look for the way out
 * (CVE-2016-5385).
 */
static bool is_left_out(const struct params_source *source, const struct line *line)
{
	if (line_is_hop_by_hop(line) || line_is(line, "content-type") ||
	    line_is(line, "content-length") || line_is(line, "proxy") || line_is(line, "expect"))
		return true;
	return !is_plain(line) ||
	       (!source->trusted && (fields_are_about_client(line->name, line->name_len) ||
				     fields_are_forwarded(line->name, line->name_len)));
}

/*
 * Not as names collide: a line that another's name is only like is left out, and has no say in its
 * value.
 */
static bool is_same(const struct line *one, const struct line *other)
{
	return one->name_len == other->name_len &&
	       strncasecmp(one->name, other->name, one->name_len) == 0;
}

/* A line of that name came before it: both were given then. */
static bool is_repeated(const struct params *params, const struct line *line)
{
	const struct params_source *source = params->source;
	struct line other;
	const char *p = line_first(source->request, source->data);

	if (!(params->twice & name_bit(line)))
		return false;
	while (p < line->name && line_next(&p, line->name, &other))
		if (is_same(line, &other))
			return true;
	return false;
}

static void write_name(struct output *out, const struct line *line)
{
	output_text(out, "HTTP_");
	for (size_t i = 0; i < line->name_len; i++) {
		char byte = octet_fold(line->name[i]);

		byte = byte == '-' ? '_' : byte >= 'a' && byte <= 'z' ? (char)(byte & ~0x20) : byte;
		output_bytes(out, &byte, 1);
	}
}

/*
 * The values of all lines of that name, in their order (RFC 9110 section 5.3; cookies: RFC 9113
 * 8.2.3).
 */
static enum result give_values(struct params *params, struct param *param, struct output *out,
			       const struct line *line)
{
	const struct params_source *source = params->source;
	const char *p = params->at, *end = line_end(source->request, source->data);
	const char *comma = line_is(line, "cookie") ? "; " : ", ";
	char *from = out->at;
	struct line other;
	bool joined = false;

	if (!(params->twice & name_bit(line)))
		return give(param, line->value, line->value_len);
	while (line_next(&p, end, &other)) {
		if (!is_same(line, &other))
			continue;
		if (!joined)
			output_bytes(out, line->value, line->value_len);
		joined = true;
		output_text(out, comma);
		output_bytes(out, other.value, other.value_len);
	}
	if (out->full)
		return RESULT_FULL;
	return joined ? give(param, from, (size_t)(out->at - from))
		      : give(param, line->value, line->value_len);
}

/* Host is that of the target, where it has one (RFC 9112 section 3.2.2). */
static enum result give_field(struct params *params, struct param *param, const struct line *line)
{
	const struct params_source *source = params->source;
	struct output out = output_of(params->buffer, params->size);

	write_name(&out, line);
	if (out.full)
		return RESULT_FULL;
	*param = (struct param){ .name = out.start, .name_len = output_len(&out) };
	if (is_set(source, param->name, param->name_len))
		return RESULT_NONE;
	if (line_is(line, "host"))
		return give_slice(param, source->data, source->request->host);
	return give_values(params, param, &out, line);
}

static enum result next_field(struct params *params, struct param *param)
{
	const struct params_source *source = params->source;
	const char *end = line_end(source->request, source->data);
	enum result result;
	struct line line;

	while (line_next(&params->at, end, &line)) {
		if (is_left_out(source, &line) || is_repeated(params, &line))
			continue;
		result = give_field(params, param, &line);
		if (result != RESULT_NONE)
			return result;
	}
	return RESULT_NONE;
}

/* The last line of a name counts. */
static bool is_last(const struct mu_lines *set, size_t at)
{
	for (size_t i = at + 1; i < set->n; i++)
		if (strcmp(set->line[i].word[0], set->line[at].word[0]) == 0)
			return false;
	return true;
}

static enum result next_set(struct params *params, struct param *param)
{
	const struct mu_lines *set = &params->source->set;

	while (params->line < set->n) {
		size_t at = params->line++;
		const char *const *word = set->line[at].word;

		if (!*word[1] || !is_last(set, at))
			continue;
		*param = (struct param){ .name = word[0], .name_len = strlen(word[0]) };
		return give_text(param, word[1]);
	}
	return RESULT_NONE;
}

int params_next(struct params *params, struct param *param_r)
{
	enum result result = next_variable(params, param_r);

	if (result == RESULT_NONE && params->step == FIELDS) {
		result = next_field(params, param_r);
		if (result == RESULT_NONE)
			params->step = SET;
	}
	if (result == RESULT_NONE && params->step == SET) {
		result = next_set(params, param_r);
		if (result == RESULT_NONE)
			params->step = END;
	}
	return (int)result;
}
