/* SPDX-License-Identifier: MIT */
/*
 * FastCGI (specification 1.0), one request at a time on a connection. Its records are
 * fastcgi_record.h's, its reply is that of a CGI program (STDOUT); what it says in STDERR goes into
 * the log.
 *
 * A connection is kept for further requests only where the configuration says so: PHP-FPM and
 * others give a process to each connection for as long as it is open, so a few that rest can be all
 * that there are, and nobody else is served.
 *
 * The length of content has to be known: PHP-FPM reads none where CONTENT_LENGTH is missing, and
 * would take an upload in chunks for an empty one.
 */
#include "services/http/gateway/application.h"
#include "services/http/gateway/fastcgi_record.h"
#include "services/http/gateway/messages.h"

struct fastcgi {
	struct fastcgi_reader reader;
	struct messages *messages; /* NULL: there were none */
};

static size_t write_kept(const struct params_source *source, char *out, size_t size)
{
	return packet_fastcgi(source, true, out, size);
}

static size_t write_once(const struct params_source *source, char *out, size_t size)
{
	return packet_fastcgi(source, false, out, size);
}

static int write_head(struct relay *relay)
{
	return application_write_head(relay, relay->gateway->conf->keep ? write_kept : write_once);
}

static size_t mark(struct relay *relay, size_t len, char out[RELAY_MARK_MAX])
{
	(void)relay;
	fastcgi_header(out, FASTCGI_STDIN, len);
	return FASTCGI_HEADER;
}

static size_t mark_last(struct relay *relay, char out[RELAY_MARK_MAX])
{
	return mark(relay, 0, out);
}

/* Without memory for it a message is lost, and nothing else. */
static void add_message(struct relay *relay, const char *data, size_t len)
{
	struct fastcgi *fastcgi = relay->state;

	if (!fastcgi->messages) {
		fastcgi->messages = mu_alloc(relay->x->conn, sizeof *fastcgi->messages);
		if (!fastcgi->messages)
			return;
		fastcgi->messages->conn = relay->x->conn;
		fastcgi->messages->name = relay->label;
	}
	messages_add(fastcgi->messages, data, len);
}

/* END_REQUEST has come (section 5.5). */
static void finish(struct relay *relay, const struct fastcgi *fastcgi)
{
	const struct fastcgi_reader *reader = &fastcgi->reader;

	/* What it said comes before how it ended. */
	if (fastcgi->messages)
		messages_end(fastcgi->messages);
	switch (reader->protocol_status) {
	case FASTCGI_REQUEST_COMPLETE:
		relay->ended = true;
		if (reader->app_status)
			mu_log(relay->x->conn, MU_NOTICE, "%s: exit status %u", relay->label,
			       reader->app_status);
		break;
	case FASTCGI_OVERLOADED:
		relay->error = "it is overloaded";
		relay->is_overloaded = true;
		break;
	case FASTCGI_CANT_MPX_CONN:
		relay->error = "it takes no request on this connection";
		break;
	default:
		relay->error = "it is no responder";
	}
}

static size_t take(struct relay *relay, const char *data, size_t len, size_t *piece_r)
{
	struct fastcgi *fastcgi = relay->state;
	enum fastcgi_stream stream;
	size_t taken = fastcgi_take(&fastcgi->reader, data, len, piece_r, &stream);

	if (stream == FASTCGI_STREAM_ERR) {
		add_message(relay, data + taken - *piece_r, *piece_r);
		*piece_r = 0;
	}
	if (fastcgi->reader.state == FASTCGI_BAD)
		relay->error = fastcgi->reader.error;
	else if (fastcgi->reader.state == FASTCGI_DONE)
		finish(relay, fastcgi);
	return taken;
}

static bool can_keep(const struct relay *relay)
{
	return relay->gateway->conf->keep && relay->ended;
}

static void end(struct relay *relay)
{
	struct fastcgi *fastcgi = relay->state;

	if (fastcgi->messages)
		messages_end(fastcgi->messages);
}

const struct relay_kind fastcgi_kind = {
	.protocol = "FastCGI",
	.reply = REPLY_CGI,
	.needs_length = true,
	.state_size = sizeof(struct fastcgi),
	.begin = application_begin,
	.write_head = write_head,
	.mark = mark,
	.mark_last = mark_last,
	.take = take,
	.can_keep = can_keep,
	.end = end,
};
