/* SPDX-License-Identifier: MIT */
/* Heads as they are passed on; see fields.h. */
#include "services/http/gateway/fields.h"

#include "services/http/gateway/line.h"
#include "services/http/gateway/output.h"
#include "services/http/path.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>

/* --------------------------------------------------------------------- what is asked of us ---- */

bool fields_trusts(const struct fields_rules *rules, const struct sockaddr_storage *peer)
{
	return rules->trusted && access_admits(rules->trusted, peer);
}

struct slice fields_method(const struct request *request, const char *data)
{
	const char *from = data;

	/* The empty lines that may precede a request. */
	while (*from == '\r')
		from += 2;
	return slice_of(data, from, data + request->target.at - 1);
}

/* Fields whose name is `name` have this element in one of their lists. */
static bool has_element(const char *from, const char *end, const char *name, const char *element)
{
	struct line line;

	for (const char *p = from; line_next(&p, end, &line);)
		if (line_is(&line, name) && line_lists(&line, element))
			return true;
	return false;
}

bool fields_takes_trailers(const struct request *request, const char *data)
{
	return request->minor &&
	       has_element(line_first(request, data), line_end(request, data), "te", "trailers");
}

/* One protocol of Upgrade, as "websocket" or "TLS/1.0". */
static bool may_upgrade_to(const char *from, const char *to)
{
	const char *slash = memchr(from, '/', (size_t)(to - from));
	const char *name_end = slash ? slash : to;

	return !octets_are(from, name_end, "h2c") && !octets_are(from, name_end, "tls") &&
	       !octets_are(from, name_end, "http");
}

/* The protocols that may be asked for, as a list. False: there are none. */
static bool write_protocols(struct output *out, const char *from, const char *end)
{
	struct line line;
	bool any = false;

	for (const char *p = from; line_next(&p, end, &line);) {
		const char *value = line.value, *value_end = value + line.value_len, *one, *to;

		if (!line_is(&line, "upgrade"))
			continue;
		while (octets_next(&value, value_end, &one, &to)) {
			if (!may_upgrade_to(one, to))
				continue;
			output_text(out, any ? ", " : "");
			output_bytes(out, one, (size_t)(to - one));
			any = true;
		}
	}
	return any;
}

bool fields_upgrades(const struct fields_rules *rules, const struct request *request,
		     const char *data)
{
	const char *from = line_first(request, data), *end = line_end(request, data);
	struct output nowhere = { .full = true };

	return rules->upgrade && request->minor &&
	       has_element(from, end, "connection", "upgrade") &&
	       write_protocols(&nowhere, from, end);
}

/* A number of up to nine digits, as that many hops are as good as any number. -1: it is none. */
static int64_t number_of(const struct line *line)
{
	const char *end = line->value + line->value_len;
	int64_t number = 0;

	if (!line->value_len || line->value_len > 9 ||
	    octets_skip(line->value, end, OCTET_DIGIT) != end)
		return -1;
	for (const char *p = line->value; p < end; p++)
		number = 10 * number + (*p - '0');
	return number;
}

bool fields_ends_here(const struct request *request, const char *data)
{
	const char *end = line_end(request, data);
	struct line line;

	if (request->method != METHOD_OPTIONS)
		return false;
	for (const char *p = line_first(request, data); line_next(&p, end, &line);)
		if (line_is(&line, "max-forwards") && number_of(&line) == 0)
			return true;
	return false;
}

/* ------------------------------------------------------------------------ what is left out ---- */

/* More names in Connection than anybody has use for: all lines would be compared with each. */
enum { NAMED_MAX = 64 };

/* What was seen of the lines while they were written. */
struct seen {
	size_t named; /* by Connection */
	/* Such as line_is_hop_by_hop does not know, hardly ever: they were written. */
	bool others;
	bool te;
};

/* line: a Connection. */
static void note_named(struct seen *seen, const struct line *line)
{
	const char *p = line->value, *end = p + line->value_len, *one, *to;

	while (octets_next(&p, end, &one, &to)) {
		struct line named = { .name = one, .name_len = (size_t)(to - one) };

		seen->named++;
		if (!line_is(&named, "close") && !line_is_hop_by_hop(&named))
			seen->others = true;
	}
}

/* Connection says that this line is for whoever receives it, and goes no further. */
static bool is_named(const struct line *line, const char *from, const char *end)
{
	struct line other;

	for (const char *p = from; line_next(&p, end, &other);) {
		const char *value = other.value, *value_end = value + other.value_len, *one, *to;

		if (!line_is(&other, "connection"))
			continue;
		while (octets_next(&value, value_end, &one, &to))
			if (line_names_collide(line->name, line->name_len, one, (size_t)(to - one)))
				return true;
	}
	return false;
}

bool fields_are_about_client(const char *name, size_t len)
{
	static const char *const names[] = { "forwarded",         "x-forwarded-for",
					     "x-forwarded-proto", "x-forwarded-host",
					     "x-forwarded-port",  "x-real-ip" };

	if (len != 9 && (len < 15 || len > 17))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (line_names_collide(name, len, names[i], strlen(names[i])))
			return true;
	return false;
}

bool fields_are_forwarded(const char *name, size_t len)
{
	static const char prefix[] = "x-forwarded-";
	const size_t prefix_len = sizeof prefix - 1;

	return len > prefix_len && line_names_collide(name, prefix_len, prefix, prefix_len);
}

/* To a server that takes `_` for `-` it would say where the content ends. */
static bool is_framing_in_disguise(const struct line *line)
{
	static const char length[] = "content-length", encoding[] = "transfer-encoding";

	return line_names_collide(line->name, line->name_len, length, sizeof length - 1) ||
	       line_names_collide(line->name, line->name_len, encoding, sizeof encoding - 1);
}

static bool is_word(const struct mu_words *words, const struct line *line)
{
	for (size_t i = 0; i < words->n; i++)
		if (line_names_collide(line->name, line->name_len, words->word[i],
				       strlen(words->word[i])))
			return true;
	return false;
}

static bool is_set(const struct mu_lines *set, const char *name, size_t len)
{
	for (size_t i = 0; i < set->n; i++)
		if (line_names_collide(name, len, set->line[i].word[0],
				       strlen(set->line[i].word[0])))
			return true;
	return false;
}

static void write_line(struct output *out, const struct line *line)
{
	size_t len = line->name_len + line->value_len + 4;
	char *p = output_room(out, len);

	if (!p)
		return;
	memcpy(p, line->name, line->name_len);
	p += line->name_len;
	*p++ = ':';
	*p++ = ' ';
	memcpy(p, line->value, line->value_len);
	p += line->value_len;
	*p++ = '\r';
	*p = '\n';
}

/* ----------------------------------------------------------------------- a request's lines ---- */

static void write_slice(struct output *out, const char *data, struct slice slice)
{
	output_bytes(out, data + slice.at, slice.len);
}

/*
 * In origin-form or asterisk-form (RFC 9112 sections 3.2.1, 3.2.4), whatever form the client used.
 */
static void write_target(struct output *out, const struct fields_request *what)
{
	const struct request *request = what->request;
	char encoded[3 * 256];

	if (what->path) {
		for (size_t i = 0; i < what->path_len; i += 256) {
			size_t left = what->path_len - i;

			output_bytes(out, encoded,
				     path_encode(what->path + i, left < 256 ? left : 256, encoded));
		}
	} else if (request->path.len) {
		write_slice(out, what->data, request->path);
	} else if (request->method == METHOD_OPTIONS && !request->query.len) {
		output_text(out, "*");
	} else {
		output_text(out, "/");
	}
	write_slice(out, what->data, request->query);
}

static void write_request_line(struct output *out, const struct fields_request *what)
{
	write_slice(out, what->data, fields_method(what->request, what->data));
	output_text(out, " ");
	write_target(out, what);
	output_text(out, " HTTP/1.1\r\n");
}

static void write_host(struct output *out, const struct fields_request *what)
{
	const struct fields_rules *rules = what->rules;

	output_text(out, "Host: ");
	if (rules->host == FIELDS_HOST_TEXT)
		output_text(out, rules->host_text);
	else if (rules->host == FIELDS_HOST_CLIENT && what->request->host.len)
		write_slice(out, what->data, what->request->host);
	else
		output_text(out, what->server);
	output_text(out, "\r\n");
}

static bool has_content(const struct request *request)
{
	return request->chunked || request->length;
}

/* One Content-Length or Transfer-Encoding of ours, and Expect where somebody waits for 100. */
static void write_framing(struct output *out, const struct request *request)
{
	if (request->chunked) {
		output_text(out, "Transfer-Encoding: chunked\r\n");
	} else if (request_has(request, FIELD_CONTENT_LENGTH)) {
		output_text(out, "Content-Length: ");
		output_number(out, request->length);
		output_text(out, "\r\n");
	}
	if (request->expects && has_content(request))
		output_text(out, "Expect: 100-continue\r\n");
}

/* Those that we write ourselves, those of this connection, and httpoxy's. */
static bool is_dropped(const struct fields_request *what, const struct line *line)
{
	const struct fields_rules *rules = what->rules;

	return line_is(line, "host") || is_framing_in_disguise(line) || line_is(line, "expect") ||
	       line_is(line, "proxy") || line_is_hop_by_hop(line) ||
	       fields_are_about_client(line->name, line->name_len) ||
	       (fields_are_forwarded(line->name, line->name_len) &&
		!fields_trusts(rules, what->peer)) ||
	       is_set(&rules->set, line->name, line->name_len);
}

/* Max-Forwards of an OPTIONS counts the servers on its way; of other methods it means nothing. */
static bool write_hops(struct output *out, const struct request *request, const struct line *line)
{
	int64_t hops;

	if (request->method != METHOD_OPTIONS || !line_is(line, "max-forwards"))
		return false;
	hops = number_of(line);
	if (hops > 0) {
		output_text(out, "Max-Forwards: ");
		output_number(out, (uint64_t)hops - 1);
		output_text(out, "\r\n");
	}
	return true;
}

/* named: what Connection names is left out. */
static struct seen write_lines(struct output *out, const struct fields_request *what, bool named)
{
	const char *from = line_first(what->request, what->data);
	const char *end = line_end(what->request, what->data);
	struct seen seen = { 0 };
	struct line line;

	for (const char *p = from; line_next(&p, end, &line);) {
		seen.te = seen.te || line_is(&line, "te");
		if (line_is(&line, "connection"))
			note_named(&seen, &line);
		else if (!is_dropped(what, &line) && !(named && is_named(&line, from, end)) &&
			 !write_hops(out, what->request, &line))
			write_line(out, &line);
	}
	return seen;
}

/* True: there is a TE. */
static bool write_kept(struct output *out, const struct fields_request *what)
{
	struct output before = *out;
	struct seen seen = write_lines(out, what, false);

	if (seen.named > NAMED_MAX) {
		out->full = true;
	} else if (seen.others) {
		*out = before;
		write_lines(out, what, true);
	}
	return seen.te;
}

/* ----------------------------------------------------------------------- who the client is ---- */

/* A client over a Unix socket has no address. */
static void write_address(struct output *out, const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET || address->ss_family == AF_INET6)
		output_address(out, address);
	else
		output_text(out, "unknown");
}

/* The port that the client came to; over a Unix socket that of its scheme. */
static unsigned port_of(const struct fields_request *what)
{
	const struct sockaddr_storage *local = what->local;

	if (local->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)local)->sin_port);
	if (local->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)local)->sin6_port);
	return what->https ? 443 : 80;
}

/*
 * What a trusted proxy says in all lines of this name, joined, in a line that is left open. False:
 * nothing, and nothing was written.
 */
static bool begin_told(struct output *out, const struct fields_request *what, bool trusts,
		       const char *title, const char *name)
{
	const char *end = line_end(what->request, what->data);
	struct line line;
	bool any = false;

	if (!trusts)
		return false;
	for (const char *p = line_first(what->request, what->data); line_next(&p, end, &line);) {
		if (!line_is(&line, name) || !line.value_len)
			continue;
		output_text(out, any ? ", " : title);
		output_bytes(out, line.value, line.value_len);
		any = true;
	}
	return any;
}

/* A list to which each proxy adds whom it received the request from. */
static void begin_list(struct output *out, const struct fields_request *what, bool trusts,
		       const char *title, const char *name)
{
	output_text(out, begin_told(out, what, trusts, title, name) ? ", " : title);
}

static void write_x_forwarded(struct output *out, const struct fields_request *what, bool trusts)
{
	begin_list(out, what, trusts, "X-Forwarded-For: ", "x-forwarded-for");
	write_address(out, what->peer);
	/* What the first proxy saw; the ones behind it see each other. */
	if (!begin_told(out, what, trusts, "\r\nX-Forwarded-Proto: ", "x-forwarded-proto"))
		output_text(out, what->https ? "\r\nX-Forwarded-Proto: https"
					     : "\r\nX-Forwarded-Proto: http");
	if (!begin_told(out, what, trusts, "\r\nX-Forwarded-Host: ", "x-forwarded-host") &&
	    what->request->host.len) {
		output_text(out, "\r\nX-Forwarded-Host: ");
		write_slice(out, what->data, what->request->host);
	}
	if (!begin_told(out, what, trusts, "\r\nX-Forwarded-Port: ", "x-forwarded-port")) {
		output_text(out, "\r\nX-Forwarded-Port: ");
		output_number(out, port_of(what));
	}
	output_text(out, "\r\n");
	if (begin_told(out, what, trusts, "X-Real-IP: ", "x-real-ip"))
		output_text(out, "\r\n");
}

/* RFC 7239 section 4: what is no token is quoted, IPv6 addresses have brackets (section 6). */
static void write_forwarded(struct output *out, const struct fields_request *what, bool trusts)
{
	const char *host = what->data + what->request->host.at;
	size_t host_len = what->request->host.len;
	bool is_ipv6 = what->peer->ss_family == AF_INET6;

	begin_list(out, what, trusts, "Forwarded: ", "forwarded");
	output_text(out, is_ipv6 ? "for=\"[" : "for=");
	write_address(out, what->peer);
	output_text(out, is_ipv6 ? "]\"" : "");
	if (host_len) {
		bool is_token = octets_skip(host, host + host_len, OCTET_TOKEN) == host + host_len;

		output_text(out, is_token ? ";host=" : ";host=\"");
		output_bytes(out, host, host_len);
		output_text(out, is_token ? "" : "\"");
	}
	output_text(out, what->https ? ";proto=https\r\n" : ";proto=http\r\n");
}

static void write_client(struct output *out, const struct fields_request *what)
{
	const struct fields_rules *rules = what->rules;
	bool trusts = fields_trusts(rules, what->peer);

	if (rules->forwarded == FIELDS_FORWARDED_BOTH || rules->forwarded == FIELDS_FORWARDED_X)
		write_x_forwarded(out, what, trusts);
	if (rules->forwarded == FIELDS_FORWARDED_BOTH ||
	    rules->forwarded == FIELDS_FORWARDED_STANDARD)
		write_forwarded(out, what, trusts);
}

/* ----------------------------------------------------------------------------- whole heads ---- */

static void write_set(struct output *out, const struct mu_lines *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const char *const *word = set->line[i].word;
		struct line line = { word[0], word[1], strlen(word[0]), strlen(word[1]) };

		if (line.value_len)
			write_line(out, &line);
	}
}

/*
 * Our own connection: what it is asked for, with the fields that Connection has to name. te: there
 * is one.
 */
static void write_connection(struct output *out, const struct fields_request *what, bool te)
{
	const struct request *request = what->request;
	const char *from = line_first(request, what->data), *end = line_end(request, what->data);
	bool trailers = te && fields_takes_trailers(request, what->data);
	bool upgrades = fields_upgrades(what->rules, request, what->data);

	if (trailers)
		output_text(out, "TE: trailers\r\n");
	if (upgrades) {
		output_text(out, "Upgrade: ");
		write_protocols(out, from, end);
		output_text(out, trailers ? "\r\nConnection: upgrade, TE\r\n"
					  : "\r\nConnection: upgrade\r\n");
	} else if (what->close) {
		output_text(out, trailers ? "Connection: close, TE\r\n" : "Connection: close\r\n");
	} else if (trailers) {
		output_text(out, "Connection: TE\r\n");
	}
}

size_t fields_write_request(const struct fields_request *what, char *buffer, size_t size)
{
	struct output output = output_of(buffer, size), *out = &output;
	const struct fields_rules *rules = what->rules;
	bool te;

	write_request_line(out, what);
	write_host(out, what);
	write_framing(out, what->request);
	te = write_kept(out, what);
	write_client(out, what);
	if (rules->via && !is_set(&rules->set, "via", 3)) {
		output_text(out, what->request->minor ? "Via: 1.1 " : "Via: 1.0 ");
		output_text(out, rules->via);
		output_text(out, "\r\n");
	}
	write_set(out, &rules->set);
	write_connection(out, what, te);
	output_text(out, "\r\n");
	return output.full ? 0 : output_len(&output);
}

/* --------------------------------------------------------------------------------- replies ---- */

/* The server is ours to name, unless said otherwise. */
static bool is_hidden(const struct fields_reply *reply, const struct line *line)
{
	if (is_word(&reply->rules->pass, line))
		return false;
	return line_is(line, "server") || is_word(&reply->rules->hide, line);
}

/* named: Connection names it. */
static bool stays_here(const struct fields_reply *reply, const struct line *line, bool named)
{
	if (line_is(line, "upgrade"))
		return !reply->upgraded;
	if (line_is(line, "trailer"))
		return !reply->trailers;
	if (line_is(line, "content-length"))
		return reply->no_length;
	if (reply->program && line_is(line, "status"))
		return true;
	return named || line_is_hop_by_hop(line) || is_hidden(reply, line);
}

/* named: what Connection names is left out. */
static struct seen write_reply(struct output *out, struct fields_reply *reply, const char *from,
			       const char *end, bool named)
{
	struct seen seen = { 0 };
	struct line line;

	reply->date = reply->server = false;
	for (const char *p = from; line_next(&p, end, &line);) {
		if (line_is(&line, "connection"))
			note_named(&seen, &line);
		if (stays_here(reply, &line, named && is_named(&line, from, end)))
			continue;
		reply->date = reply->date || line_is(&line, "date");
		reply->server = reply->server || line_is(&line, "server");
		write_line(out, &line);
	}
	return seen;
}

ssize_t fields_write_reply(struct fields_reply *reply, const char *from, const char *end,
			   char *buffer, size_t size)
{
	struct output out = output_of(buffer, size);
	struct seen seen = write_reply(&out, reply, from, end, false);

	if (seen.named > NAMED_MAX)
		return -1;
	if (seen.others) {
		out = output_of(buffer, size);
		write_reply(&out, reply, from, end, true);
	}
	return out.full ? -1 : (ssize_t)output_len(&out);
}
