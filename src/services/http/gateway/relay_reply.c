/* SPDX-License-Identifier: MIT */
/*
 * The reply on its way down, in the runs of relay_input.c: its head is judged by reply.c, and what
 * goes on to the client is written out of the server's buffer.
 */
#include "services/http/gateway/relay_parts.h"

#include "services/http/gateway/fields.h"
#include "services/http/gateway/line.h"
#include "services/http/gateway/local.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
	INTERIMS_MAX = 32,
	PIECES = 8,
	MARKS = 4,
	TRAILERS_ROOM = 4096,
	/* How long the end of a record stream is waited for that is complete for the client. */
	OVER_MS = 100,
	OVER_BYTES = 16384,
	STATUS_LINE_MAX = 32 /* without its phrase */
};

/* -------------------------------------------------------------------------------- its head ---- */

/* Where every byte is the reply's the head grows in the buffer. */
static int receive_plain(struct relay *relay, struct reply *reply)
{
	for (;;) {
		enum reply_state state = REPLY_MORE;
		size_t len;
		int more;

		if (upload_has_failed(relay))
			return -1;
		len = mu_buffered(relay->down, &relay->reply_data);
		if (len)
			state = reply_parse(reply, relay->reply_data, len);
		if (state == REPLY_DONE) {
			relay->run = relay->reply_data + reply->head_len;
			relay->run_len = len - reply->head_len;
			relay->spent = len;
			return 0;
		}
		if (state == REPLY_MORE && len == mu_buffer_size(relay->down)) {
			reply_too_large(reply);
			state = REPLY_BAD;
		}
		if (state == REPLY_BAD)
			return input_bad(relay, reply->error);
		more = input_fill(relay);
		if (more == 0)
			return input_ended(relay, NULL);
		if (more < 0)
			return -1;
	}
}

/* Behind what has been gathered: how much of the run belongs to it. */
static size_t gather(struct relay *relay, size_t len)
{
	size_t n = relay->run_len;

	if (n > RELAY_HEAD_MAX - len)
		n = RELAY_HEAD_MAX - len;
	if (!relay->gathered)
		relay->gathered = mu_alloc(relay->x->conn, RELAY_HEAD_MAX);
	if (!relay->gathered)
		return 0;
	memcpy(relay->gathered + len, relay->run, n);
	relay->reply_data = relay->gathered;
	return n;
}

/* In runs: where the first has not all of the head it is gathered. */
static int receive_runs(struct relay *relay, struct reply *reply)
{
	size_t len = 0;

	for (;;) {
		enum reply_state state;
		size_t before = len;
		int more = input_next(relay);

		if (more == 0)
			return input_ended(relay, NULL);
		if (more < 0)
			return -1;
		relay->reply_data = relay->run;
		len = relay->run_len;
		state = REPLY_MORE;
		if (!before)
			state = reply_parse(reply, relay->run, relay->run_len);
		if (state == REPLY_MORE) {
			len = before + gather(relay, before);
			if (!relay->gathered)
				return relay_refused(relay, 503, NULL);
			state = reply_parse(reply, relay->gathered, len);
		}
		if (state == REPLY_DONE) {
			input_use(relay, reply->head_len - before);
			return 0;
		}
		if (state == REPLY_MORE && len == RELAY_HEAD_MAX) {
			reply_too_large(reply);
			state = REPLY_BAD;
		}
		if (state == REPLY_BAD)
			return input_bad(relay, reply->error);
		input_use(relay, relay->run_len);
	}
}

static int receive_head(struct relay *relay)
{
	const struct relay_kind *kind = relay->kind;
	struct reply *reply = &relay->reply;
	int result;

	reply_init(reply, kind->reply, (enum request_method)relay->x->request.method,
		   relay->may_upgrade);
	result = kind->take ? receive_runs(relay, reply) : receive_plain(relay, reply);
	if (result < 0 || kind->reply == REPLY_HTTP || reply->status >= 200)
		return result;
	return input_bad(relay, "interim status of a program");
}

/* ------------------------------------------------------------------------- interim replies ---- */

static const char *lines_of(const struct relay *relay)
{
	return relay->reply_data + relay->reply.fields;
}

static const char *lines_end(const struct relay *relay)
{
	return relay->reply_data + relay->reply.head_len;
}

/*
 * Who asked for 100 gets it once, nobody else does; the others are for all who know them (RFC 9110
 * section 15.2).
 */
static bool is_wanted(struct relay *relay)
{
	const struct request *request = &relay->x->request;

	if (!request->minor)
		return false;
	if (relay->reply.status != 100)
		return true;
	if (!request->expects || relay->is_continued)
		return false;
	relay->is_continued = true;
	return true;
}

static int put_status_line(const struct relay *relay, char *out)
{
	const struct reply *reply = &relay->reply;
	const char *phrase = relay->reply_data + reply->phrase.at;
	size_t len = reply->phrase.len;
	char *p = mempcpy(out, "HTTP/1.1 ", 9);

	if (!len) {
		phrase = response_reason(reply->status);
		len = strlen(phrase);
	}
	*p++ = (char)('0' + reply->status / 100);
	*p++ = (char)('0' + reply->status / 10 % 10);
	*p++ = (char)('0' + reply->status % 10);
	*p++ = ' ';
	p = mempcpy(p, phrase, len);
	p = mempcpy(p, "\r\n", 2);
	return (int)(p - out);
}

/* For the client's head: the server's, each line a blank and a CR longer at most. */
static size_t lines_room(const struct relay *relay)
{
	return (size_t)relay->reply.head_len + 2 * REPLY_FIELDS_MAX;
}

static int pass_interim(struct relay *relay)
{
	struct fields_reply fields = { .rules = &relay->gateway->fields, .no_length = true };
	size_t room = lines_room(relay);
	char *out = mu_alloc(relay->x->conn, STATUS_LINE_MAX + room);
	ssize_t n;
	int len;

	if (!out)
		return relay_refused(relay, 503, NULL);
	len = put_status_line(relay, out);
	n = fields_write_reply(&fields, lines_of(relay), lines_end(relay), out + len, room - 2);
	if (n < 0)
		return input_bad(relay, "header that does not fit");
	memcpy(out + len + n, "\r\n", 2);
	relay->has_told = true;
	if (mu_write(relay->x->conn, out, (size_t)(len + n + 2)) < 0)
		return relay_refused(relay, 0, NULL);
	return 0;
}

int reply_receive(struct relay *relay)
{
	for (;;) {
		const struct reply *reply = &relay->reply;

		if (receive_head(relay) < 0)
			return -1;
		if (reply->status >= 200 || reply->status == 101)
			break;
		if (++relay->interims > INTERIMS_MAX)
			return input_bad(relay, "interim replies without end");
		if (is_wanted(relay) && pass_interim(relay) < 0)
			return -1;
		if (upload_has_failed(relay))
			return -1;
		mu_consume(relay->down, reply->head_len);
		relay->run_len = relay->spent = 0;
	}
	if (relay->request.group)
		group_succeeded(&relay->request, relay->x->conn);
	return 0;
}

/* ----------------------------------------------------------------------- the client's head ---- */

int reply_make_head(struct relay *relay, const char **head_r, size_t *len_r)
{
	static const char chunked[] = "Transfer-Encoding: chunked\r\n";
	struct exchange *x = relay->x;
	const struct reply *reply = &relay->reply;
	struct fields_reply fields = { .rules = &relay->gateway->fields,
				       .upgraded = reply->status == 101,
				       .no_length = reply->status == 101 || reply->status == 204,
				       .program = reply->kind == REPLY_CGI,
				       .trailers = relay->reply_content.trailers };
	size_t room = lines_room(relay);
	char *head = mu_alloc(x->conn, STATUS_LINE_MAX + 64 + room + RESPONSE_OWN_MAX +
					       strlen(x->response.fields));
	size_t len;
	ssize_t n;

	if (!head)
		return relay_refused(relay, 503, NULL);
	len = (size_t)put_status_line(relay, head);
	n = fields_write_reply(&fields, lines_of(relay), lines_end(relay), head + len, room);
	if (n < 0)
		return input_bad(relay, "header that does not fit");
	len += (size_t)n;
	if (relay->marks.is_chunked)
		len = (size_t)((char *)mempcpy(head + len, chunked, sizeof chunked - 1) - head);
	len += response_own_lines(&x->response, fields.date, fields.server || reply->status == 101,
				  head + len);
	*head_r = head;
	*len_r = len;
	return 0;
}

/* ----------------------------------------------------------------------------- its content ---- */

/* What goes to the client at once. */
struct batch {
	struct iovec piece[PIECES];
	int n;
	int marks;
	int64_t bytes; /* of content */
	char mark[MARKS][CONTENT_MARK_MAX];
};

static void add(struct batch *batch, const char *data, size_t len)
{
	if (len)
		batch->piece[batch->n++] = (struct iovec){ (char *)(uintptr_t)data, len };
}

/* Where the next mark is written, which stays if it has any bytes. */
static char *mark_room(struct batch *batch)
{
	return batch->mark[batch->marks];
}

static void add_mark(struct batch *batch, size_t len)
{
	add(batch, mark_room(batch), len);
	batch->marks += len > 0;
}

static void add_end(struct relay *relay, struct batch *batch)
{
	const struct content *content = &relay->reply_content;

	if (!relay->marks.is_chunked)
		return;
	add_mark(batch, content_mark_last(&relay->marks, mark_room(batch)));
	if (content->trailers)
		add(batch, content->trailers, content->trailers_len);
	add(batch, "\r\n", 2);
}

/* The client need not wait for what comes next to know that a chunk is all there. */
static void add_pause(struct relay *relay, struct batch *batch)
{
	add_mark(batch, content_mark_pause(&relay->marks, mark_room(batch)));
}

/* Of the run what finds place, and what is behind the last piece. */
static void fill_batch(struct relay *relay, struct batch *batch)
{
	struct content *content = &relay->reply_content;
	size_t piece;

	/* Two for a piece, and three for the end. */
	while (relay->run_len && content->state == CONTENT_MORE && batch->n <= PIECES - 5) {
		size_t taken = content_take(content, relay->run, relay->run_len, &piece);

		if (piece) {
			add_mark(batch, content_mark(&relay->marks, piece, mark_room(batch)));
			add(batch, relay->run + taken - piece, piece);
			batch->bytes += (int64_t)piece;
		}
		input_use(relay, taken);
	}
	if (content->state == CONTENT_DONE)
		add_end(relay, batch);
	else if (!relay->run_len)
		add_pause(relay, batch);
}

static int write_batch(struct relay *relay, struct batch *batch)
{
	struct response *response = &relay->x->response;
	bool last = relay->reply_content.state == CONTENT_DONE;

	if (!relay->has_answered)
		response_begin(response, relay->reply.status);
	relay->has_answered = relay->has_told = true;
	if (response_write(response, batch->piece, batch->n, !last && relay->run_len, last) < 0)
		return relay_refused(relay, 0, NULL);
	response->bytes += batch->bytes;
	batch->n = batch->marks = 0;
	batch->bytes = 0;
	return 0;
}

/* The head is in the batch. */
static int pass_content(struct relay *relay, struct batch *batch)
{
	struct content *content = &relay->reply_content;

	for (;;) {
		int more;

		fill_batch(relay, batch);
		if (content->state > CONTENT_DONE)
			return input_bad(relay, content->error);
		if (batch->n && write_batch(relay, batch) < 0)
			return -1;
		if (content->state == CONTENT_DONE)
			return 0;
		more = input_next(relay);
		if (more < 0)
			return -1;
		if (more > 0)
			continue;
		content_end(content);
		if (content->state != CONTENT_DONE)
			return input_ended(relay, NULL);
	}
}

/* ------------------------------------------------------------------------------- the whole ---- */

/* Of a reply that an error page stands for: what the client is still to know. */
static const char *fields_for_page(struct relay *relay)
{
	static const char *const names[] = { "allow", "retry-after", "www-authenticate" };
	char *out = mu_alloc(relay->x->conn, lines_room(relay)), *p = out;
	struct line line;

	if (!out)
		return "";
	for (const char *at = lines_of(relay); line_next(&at, lines_end(relay), &line);)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (line_is(&line, names[i])) {
				p = mempcpy(p, line.name, line.name_len);
				p = mempcpy(p, ": ", 2);
				p = mempcpy(p, line.value, line.value_len);
				p = mempcpy(p, "\r\n", 2);
			}
	return out;
}

static bool has_own_page(const struct relay *relay)
{
	return relay->gateway->conf->intercept_errors && relay->reply.status >= 400 &&
	       settings_error_page(&relay->x->found.settings, relay->reply.status);
}

/* How the content goes on. */
static int begin_content(struct relay *relay)
{
	struct exchange *x = relay->x;
	const struct reply *reply = &relay->reply;
	struct content *content = &relay->reply_content;
	enum content_framing framing = (enum content_framing)reply->framing;
	enum content_framing down = content_passed_on(framing, x->request.minor);
	char *room;

	content_init(content, framing, reply->length, UINT64_MAX);
	if (framing == CONTENT_CHUNKED && down == CONTENT_CHUNKED &&
	    fields_takes_trailers(&x->request, x->data)) {
		room = mu_alloc(x->conn, TRAILERS_ROOM);
		if (!room)
			return relay_refused(relay, 503, NULL);
		content_keep_trailers(content, room, TRAILERS_ROOM);
	}
	relay->marks = (struct content_marks){ .is_chunked = down == CONTENT_CHUNKED };
	/*
	 * That the worker is to go, or not all that the client sends will be read, is better said
	 * than found.
	 */
	if (down == CONTENT_UNTIL_END || mu_draining(x->conn) ||
	    (!relay_has_read(relay) && reply->status >= 300))
		exchange_close(x);
	return 0;
}

/* All of the reply has come: whatever follows the head is none of it. */
static int take_local(struct relay *relay)
{
	const struct exchange *x = relay->x;
	struct slice location = relay->reply.field[REPLY_LOCATION];

	relay->local = mu_alloc(x->conn, local_head_size(&x->request, location.len));
	if (!relay->local)
		return relay_refused(relay, 503, NULL);
	relay->local_len = local_head(&x->request, x->data, relay->reply_data + location.at,
				      location.len, relay->local);
	relay->reply_content.state = CONTENT_DONE;
	return 0;
}

int reply_pass_on(struct relay *relay)
{
	struct exchange *x = relay->x;
	struct settings *settings = &x->found.settings;
	bool nosniff = settings->nosniff;
	struct batch batch = { .n = 0 };
	const char *head = NULL;
	size_t len = 0;

	if (relay->reply.is_local)
		return take_local(relay);
	if (has_own_page(relay)) {
		relay->is_dropped = true;
		relay->status = relay->reply.status;
		relay->kept_fields = fields_for_page(relay);
		return 0;
	}
	/* What is said of files of ours; and of our page, should it come to that yet. */
	settings->nosniff = false;
	settings->expires = EXPIRES_NONE;
	answer_apply_settings(x, relay->reply.status);
	settings->nosniff = nosniff;
	if (begin_content(relay) < 0 || reply_make_head(relay, &head, &len) < 0)
		return -1;
	add(&batch, head, len);
	return pass_content(relay, &batch);
}

/* More of the server's bytes, now or until that time. */
static bool fill_until(struct mu_conn *server, int64_t until)
{
	int64_t left = until - mu_now_ms(mu_worker_of(server));

	if (mu_try_fill(server) > 0)
		return true;
	return left > 0 && mu_wait_input(server, left) > 0 && mu_try_fill(server) > 0;
}

/* Of a stream of records, the end: it is hardly ever late. */
bool reply_is_over(struct relay *relay)
{
	int64_t until = mu_now_ms(mu_worker_of(relay->x->conn)) + OVER_MS;
	const char *data;

	if (relay->run_len) {
		mu_log(relay->x->conn, MU_WARNING, "%s sent more than its answer", relay->label);
		return false;
	}
	mu_consume(relay->down, relay->spent);
	relay->spent = 0;
	if (!relay->kind->take)
		return mu_buffered(relay->down, &data) == 0;
	for (size_t dropped = 0; !relay->ended && !relay->error && dropped < OVER_BYTES;) {
		size_t len = mu_buffered(relay->down, &data);

		if (!len) {
			if (!fill_until(relay->down, until))
				return false;
			continue;
		}
		relay->run_len = relay->spent = relay->silent = 0;
		input_take(relay, data, len);
		dropped += relay->run_len + relay->silent;
		mu_consume(relay->down, relay->spent);
		relay->run_len = relay->spent = 0;
	}
	return relay->ended && mu_buffered(relay->down, &data) == 0;
}
