/* SPDX-License-Identifier: MIT */
/*
 * The kind of `proxy`, HTTP/1.1: the head of the request as fields.c writes it, content by its
 * length or in chunks, a reply that is what it is on the wire.
 */
#include "services/http/gateway/relay.h"

#include "services/http/gateway/fields.h"
#include "services/http/gateway/line.h"
#include "services/http/octet.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* What a head has beside the client's own lines, those that are set, and the names of hosts. */
enum { HEAD_ROOM = 1024 };

/* Its last byte, with what it stands for; where that begins. */
static const char *last_byte(const char *from, const char *end, char *byte_r)
{
	if (end - from > 2 && end[-3] == '%') {
		*byte_r = (char)(16 * octet_hex(end[-2]) + octet_hex(end[-1]));
		return end - 3;
	}
	*byte_r = end[-1];
	return end - 1;
}

/*
 * The part of the client's target that asks for this very path, escapes taken as what they stand
 * for and slashes in a row as one: all of it, or what is behind the prefix that was taken away. It
 * goes on as it was sent. A path with dot segments was judged by what it comes to, and goes on as
 * that: empty.
 */
static struct slice as_sent(const struct relay *relay)
{
	const char *data = relay->x->data;
	struct slice sent = relay->x->request.path;
	const char *from = data + sent.at, *end = from + sent.len, *p = end;
	const char *path = relay->path + relay->path_len;
	char byte = '/';

	while (p > from && path > relay->path) {
		char behind = p < end ? byte : '\0';

		p = last_byte(from, p, &byte);
		if (byte == '/' && behind == '/')
			continue;
		if (byte != *--path)
			return (struct slice){ 0 };
	}
	if (path > relay->path || (p > from && !relay->is_stripped) || p == end || *p != '/')
		return (struct slice){ 0 };
	return slice_of(data, p, end);
}

/* Of a server without a name that a Host could be. */
static const char *authority(const struct relay *relay)
{
	const char *address = group_address(&relay->request);

	return strncmp(address, "unix:", 5) == 0 ? "localhost" : address;
}

static size_t head_room(const struct relay *relay)
{
	const struct fields_rules *rules = &relay->gateway->fields;
	size_t room = HEAD_ROOM + relay->x->request.head_len + 2 * relay->x->request.host.len +
		      3 * relay->path_len + strlen(group_address(&relay->request));

	for (size_t i = 0; i < rules->set.n; i++)
		room += strlen(rules->set.line[i].word[0]) + strlen(rules->set.line[i].word[1]) + 4;
	if (rules->host_text)
		room += strlen(rules->host_text);
	if (rules->via)
		room += strlen(rules->via);
	return room;
}

static int write_head(struct relay *relay)
{
	const struct exchange *x = relay->x;
	const struct gateway *gateway = relay->gateway;
	struct content_marks *marks = relay->state;
	struct fields_rules rules = gateway->fields;
	struct request request = x->request;
	struct sockaddr_storage peer, local;
	struct fields_request what = {
		.rules = &rules,
		.request = &request,
		.data = x->data,
		.server = authority(relay),
		.peer = &peer,
		.local = &local,
		.close = gateway->upstream && !gateway->upstream->keep,
	};
	size_t room = head_room(relay);

	mu_peer_address(x->conn, &peer);
	mu_local_address(x->conn, &local);
	request.path = as_sent(relay);
	/* Without any it may be `OPTIONS *` (RFC 9112 section 3.2.4). */
	if (!request.path.len && (x->request.path.len || relay->is_stripped)) {
		what.path = relay->path;
		what.path_len = relay->path_len;
	}
	/* For content that goes with the head nobody has to wait. */
	request.expects = request.expects && !relay->is_whole;
	/* What follows the head would be taken for the other protocol's. */
	rules.upgrade = rules.upgrade && !relay->has_content;
	relay->may_upgrade = fields_upgrades(&rules, &x->request, x->data);
	marks->is_chunked = x->request.chunked;
	relay->head = relay_room(relay, room);
	if (!relay->head)
		return 503;
	relay->head_len = fields_write_request(&what, relay->head, room);
	if (relay->head_len)
		return 0;
	mu_log(x->conn, MU_INFO, "the header of the request is too long to be passed on");
	return 431;
}

static size_t mark(struct relay *relay, size_t len, char out[RELAY_MARK_MAX])
{
	return content_mark(relay->state, len, out);
}

static size_t mark_pause(struct relay *relay, char out[RELAY_MARK_MAX])
{
	return content_mark_pause(relay->state, out);
}

/* Trailers of a request are not passed on (RFC 9110 section 6.5.1). */
static size_t mark_last(struct relay *relay, char out[RELAY_MARK_MAX])
{
	size_t len = content_mark_last(relay->state, out);

	if (!len)
		return 0;
	out[len++] = '\r';
	out[len++] = '\n';
	return len;
}

/*
 * The connection is the user's whom these schemes have made known by it (RFC 4559 section 6):
 * whoever was given it next would be that user.
 */
static bool is_of_one_user(const struct exchange *x)
{
	static const char name[] = "authorization";
	const char *p = line_first(&x->request, x->data), *end = line_end(&x->request, x->data);
	struct line line;

	while (line_next(&p, end, &line))
		if (line.name_len == sizeof name - 1 && line_is(&line, name) &&
		    ((line.value_len >= 4 && !strncasecmp(line.value, "NTLM", 4)) ||
		     (line.value_len >= 9 && !strncasecmp(line.value, "Negotiate", 9))))
			return true;
	return false;
}

/*
 * A server that was asked whether it wants the content, and refused without saying so, may not have
 * read what came all the same: it could take it for a request.
 */
static bool is_doubtful(const struct relay *relay)
{
	return relay->x->request.expects && relay->has_content && !relay->is_whole &&
	       !relay->is_continued && relay->reply.status >= 300;
}

static bool can_keep(const struct relay *relay)
{
	return relay->reply.persistent && !is_doubtful(relay) && !is_of_one_user(relay->x);
}

const struct relay_kind proxy_kind = {
	.protocol = "HTTP",
	.reply = REPLY_HTTP,
	.state_size = sizeof(struct content_marks),
	.write_head = write_head,
	.mark = mark,
	.mark_last = mark_last,
	.mark_pause = mark_pause,
	.can_keep = can_keep,
};
