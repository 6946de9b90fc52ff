/* SPDX-License-Identifier: MIT */
/*
 * The request on its way up: its head, and content out of the client's buffer, framed as the kind
 * says. Content that is all there goes with the head, and stays in the buffer for another try; else
 * a task carries it while serve looks for the reply. So it does with content that was received
 * before, and lies in a file (relay_spool.c).
 *
 * A server that takes no more may have answered: that is left to serve to find out. Where the task
 * knows that nothing will come of the exchange it closes the server's connection, if that is what
 * serve waits for; if it is not, serve looks before it waits again.
 */
#include "services/http/gateway/relay_parts.h"

#include "services/http/gateway/spool.h"

#include <errno.h>
#include <string.h>

enum {
	FILE_TURN = 256 * 1024, /* of a file that is sent at once */
	COPIED_MAX = 4096, /* content that is worth copying to be sent with the head in one piece */
	PIECES = 8,
	MARKS_ROOM = 4 * RELAY_MARK_MAX
};

/*
 * What is written at once: the first piece may have room behind it, for small ones to be copied to.
 */
struct batch {
	struct iovec piece[PIECES];
	int n;
	size_t room;
	size_t marks_len;
	char marks[MARKS_ROOM];
};

/* --------------------------------------------------------------------- what there is of it ---- */

/* Chunked content that is all there: how long it is, and is encoded. 0 or a status. */
static int judge_chunks(struct relay *relay, const char *data, size_t len, uint64_t limit)
{
	struct content content;
	size_t at = 0, piece;

	content_init(&content, CONTENT_CHUNKED, 0, limit);
	while (at < len && content.state == CONTENT_MORE)
		at += content_take(&content, data + at, len - at, &piece);
	if (content.state == CONTENT_BAD)
		return 400;
	if (content.state == CONTENT_TOO_LARGE)
		return 413;
	relay->length = -1;
	relay->is_whole = content.state == CONTENT_DONE;
	if (relay->is_whole) {
		relay->length = (int64_t)content.total;
		relay->x->pending += at;
	}
	return 0;
}

static void judge_length(struct relay *relay, size_t len)
{
	struct exchange *x = relay->x;

	relay->length = (int64_t)x->request.length;
	relay->is_whole = x->request.length <= len;
	if (relay->is_whole)
		x->pending += x->request.length;
}

uint64_t upload_limit(const struct relay *relay)
{
	int64_t max = relay->gateway->conf->max_body;

	return max ? (uint64_t)max : UINT64_MAX;
}

void upload_set_room(struct relay *relay)
{
	relay->room = MARKS_ROOM;
	/* A little of it fits behind the head. */
	if (relay->is_whole && relay->length <= COPIED_MAX)
		relay->room += (size_t)relay->length;
}

int upload_judge(struct relay *relay)
{
	struct exchange *x = relay->x;
	const struct request *request = &x->request;
	const char *data = x->data;
	size_t len = 0;
	int status = 0;

	/* A request that a program has made is not in the buffer; nor has it any content. */
	if (x->pending)
		len = mu_buffered(x->conn, &data) - request->head_len;

	relay->has_content = request->chunked || request->length;
	if (request->chunked)
		status = judge_chunks(relay, data + request->head_len, len, upload_limit(relay));
	else if (request->length > upload_limit(relay) || request->length > INT64_MAX)
		status = 413;
	else
		judge_length(relay, len);
	upload_set_room(relay);
	return status;
}

static void begin_content(struct relay *relay)
{
	const struct request *request = &relay->x->request;
	enum content_framing framing = request->chunked  ? CONTENT_CHUNKED
				       : request->length ? CONTENT_LENGTH
							 : CONTENT_NONE;

	if (relay->spooled)
		content_init(&relay->content, CONTENT_LENGTH, relay->spooled->len, UINT64_MAX);
	else
		content_init(&relay->content, framing, request->length, upload_limit(relay));
}

/* --------------------------------------------------------------------------------- a batch ---- */

static void add(struct batch *batch, const char *data, size_t len)
{
	struct iovec *piece = batch->piece;

	if (!len)
		return;
	if (batch->n == 1 && len <= batch->room) {
		memcpy((char *)piece->iov_base + piece->iov_len, data, len);
		piece->iov_len += len;
		batch->room -= len;
		return;
	}
	/* From here on nothing is copied, or it would come in another order. */
	batch->room = 0;
	piece[batch->n++] = (struct iovec){ (char *)(uintptr_t)data, len };
}

/* Of the kind: NULL, nothing. */
static void add_mark(struct relay *relay, struct batch *batch, size_t len)
{
	const struct relay_kind *kind = relay->kind;
	char *mark = batch->marks + batch->marks_len;
	size_t mark_len = 0;

	if (len && kind->mark)
		mark_len = kind->mark(relay, len, mark);
	else if (!len && kind->mark_last)
		mark_len = kind->mark_last(relay, mark);
	batch->marks_len += mark_len;
	add(batch, mark, mark_len);
}

static void add_pause(struct relay *relay, struct batch *batch)
{
	char *mark = batch->marks + batch->marks_len;
	size_t len = relay->kind->mark_pause ? relay->kind->mark_pause(relay, mark) : 0;

	batch->marks_len += len;
	add(batch, mark, len);
}

/*
 * Of the bytes at data, what finds place beside its marks, and what is behind the last: how many.
 */
static size_t gather(struct relay *relay, struct batch *batch, const char *data, size_t len)
{
	struct content *content = &relay->content;
	size_t at = 0, piece;

	while (at < len && content->state == CONTENT_MORE && batch->n + 3 <= PIECES &&
	       batch->marks_len + 2 * RELAY_MARK_MAX <= MARKS_ROOM) {
		size_t left = len - at < RELAY_PIECE_MAX ? len - at : RELAY_PIECE_MAX;

		at += content_take(content, data + at, left, &piece);
		if (!piece)
			continue;
		add_mark(relay, batch, piece);
		add(batch, data + at - piece, piece);
	}
	if (content->state == CONTENT_DONE)
		add_mark(relay, batch, 0);
	else if (at == len)
		add_pause(relay, batch);
	return at;
}

/* Until more of it is taken. ETIME: send-timeout. */
static int wait_for_room(struct relay *relay)
{
	int ready = mu_wait_output(relay->up, relay->gateway->conf->send_ms);

	if (ready == 0)
		errno = ETIME;
	return ready > 0 ? 0 : -1;
}

static int send_piece(struct relay *relay, const char *data, size_t len, unsigned flags)
{
	while (len) {
		ssize_t n = mu_try_write(relay->up, data, len, flags);

		if (n < 0 && errno != EAGAIN) {
			/* The kernel's own, of a connection: none of our limits. */
			if (errno == ETIMEDOUT)
				errno = EPIPE;
			return -1;
		}
		if (n < 0) {
			if (wait_for_room(relay) < 0)
				return -1;
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_batch(struct relay *relay, const struct batch *batch, bool more)
{
	for (int i = 0; i < batch->n; i++) {
		const struct iovec *piece = &batch->piece[i];

		if (send_piece(relay, piece->iov_base, piece->iov_len,
			       more || i + 1 < batch->n ? MU_MORE : 0) < 0)
			return -1;
	}
	return 0;
}

/* -------------------------------------------------------------------------------- the task ---- */

/* The exchange is over by what was noted: who waits for the server is woken. */
static void wake_serve(struct relay *relay)
{
	struct mu_conn *down = relay->down;

	if (!relay->is_waiting)
		return;
	relay->down = NULL;
	if (relay->up == down)
		relay->up = NULL;
	mu_close(down);
}

static void end_by_client(struct relay *relay, int status)
{
	relay->up_state = RELAY_UP_CLIENT;
	relay->up_status = status;
	wake_serve(relay);
}

static void end_by_server(struct relay *relay, int error)
{
	if (error == ECANCELED || error == ETIMEDOUT) {
		relay->up_state = RELAY_UP_CANCELLED;
	} else if (error == ETIME && !relay->has_answered) {
		relay->up_state = RELAY_UP_STALLED;
		wake_serve(relay);
	} else {
		relay->up_state = RELAY_UP_SERVER;
	}
}

/* More of the client's bytes. False: there are none, and the task is over. */
static bool receive(struct relay *relay, struct mu_conn *conn)
{
	ssize_t n = mu_fill(conn);

	if (n > 0)
		return true;
	if (n < 0 && errno == ECANCELED)
		relay->up_state = RELAY_UP_CANCELLED;
	else if (n < 0)
		end_by_client(relay, errno == ETIMEDOUT ? 408 : 0);
	else
		end_by_client(relay, 400);
	return false;
}

static void end_in_order(struct relay *relay)
{
	relay->up_state = RELAY_UP_DONE;
	if (relay->kind->sent)
		relay->kind->sent(relay);
}

/* What is there of the content: *taken_r bytes of it are used up. False: the task is over. */
static bool carry(struct relay *relay, const char *data, size_t len, size_t *taken_r)
{
	struct batch batch = { .n = 0 };
	size_t taken = gather(relay, &batch, data, len);
	enum content_state state = (enum content_state)relay->content.state;

	*taken_r = taken;
	if (send_batch(relay, &batch, taken < len && state == CONTENT_MORE) < 0) {
		end_by_server(relay, errno);
		return false;
	}
	relay->moved_at = mu_now_ms(mu_worker_of(relay->x->conn));
	if (state == CONTENT_DONE)
		end_in_order(relay);
	else if (state != CONTENT_MORE)
		end_by_client(relay, state == CONTENT_BAD ? 400 : 413);
	return state == CONTENT_MORE;
}

static void upload(struct mu_conn *conn, void *arg)
{
	struct relay *relay = arg;
	bool goes_on = true;

	while (goes_on) {
		const char *data;
		size_t len = mu_buffered(conn, &data), taken;

		if (!len) {
			goes_on = receive(relay, conn);
			continue;
		}
		relay->is_consumed = true;
		goes_on = carry(relay, data, len, &taken);
		mu_consume(conn, taken);
	}
}

/* ----------------------------------------------------------------- the task, out of a file ---- */

/*
 * As far as the kernel takes it at once: it is sent without a look at it. -1 with errno, 0 where
 * nothing was taken.
 */
static ssize_t send_file(struct relay *relay, uint64_t at)
{
	uint64_t left = relay->spooled->len - at;
	ssize_t n = mu_try_sendfile(relay->up, relay->spooled->fd, (off_t)at,
				    left < FILE_TURN ? (size_t)left : FILE_TURN);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n == 0)
		errno = ENODATA;
	if (n <= 0)
		return -1;
	relay->moved_at = mu_now_ms(mu_worker_of(relay->x->conn));
	return n;
}

/* A file that cannot be read is nobody's fault but ours; what else goes wrong is the server's. */
static void end_of_file(struct relay *relay, int error)
{
	if (error == EIO || error == ENODATA)
		end_by_client(relay, 503);
	else
		end_by_server(relay, error);
}

static void upload_plain_file(struct mu_conn *conn, void *arg)
{
	struct relay *relay = arg;
	uint64_t at = 0;

	(void)conn;
	while (at < relay->spooled->len) {
		ssize_t n = wait_for_room(relay) < 0 ? -1 : send_file(relay, at);

		if (n < 0) {
			end_of_file(relay, errno);
			return;
		}
		at += (uint64_t)n;
	}
	end_in_order(relay);
}

static void upload_file(struct mu_conn *conn, void *arg)
{
	struct relay *relay = arg;
	struct spooled *spooled = relay->spooled;
	bool goes_on = true;
	size_t taken;

	(void)conn;
	for (uint64_t at = 0; goes_on; at += taken) {
		ssize_t n = spooled_read(spooled, at);

		if (n <= 0) {
			end_of_file(relay, n ? errno : ENODATA);
			return;
		}
		/* Also so that others have their turn. */
		if (wait_for_room(relay) < 0) {
			end_by_server(relay, errno);
			return;
		}
		goes_on = carry(relay, spooled->memory, (size_t)n, &taken);
	}
}

/* ------------------------------------------------------------------------------- beginning ---- */

/* What was not taken is not yet lost: the server may have answered before it closed. */
static int begin_failed(struct relay *relay, int error)
{
	char text[GATEWAY_TIME_MAX];

	if (error == ETIME)
		return relay_failed(relay, 504, RELAY_IF_IDEMPOTENT,
				    "%s has taken nothing of the request for send-timeout %s",
				    relay->label,
				    gateway_time(relay->gateway->conf->send_ms, text));
	if (error == ECANCELED || error == ETIMEDOUT)
		return relay_limited(relay, error);
	relay->up_state = RELAY_UP_SERVER;
	return 0;
}

static int send_whole(struct relay *relay, struct batch *batch)
{
	const struct exchange *x = relay->x;
	const struct spooled *spooled = relay->spooled;
	const char *data = spooled ? spooled->memory : x->data + x->request.head_len;
	size_t len = 0, at = 0;
	bool more;

	if (spooled)
		len = spooled->held;
	else if (x->pending)
		len = x->pending - x->request.head_len;

	do {
		at += gather(relay, batch, data + at, len - at);
		more = relay->content.state == CONTENT_MORE;
		if (send_batch(relay, batch, more) < 0)
			return begin_failed(relay, errno);
		batch->n = 0;
		batch->room = batch->marks_len = 0;
	} while (more);
	if (relay->kind->sent && relay->up)
		relay->kind->sent(relay);
	return 0;
}

int upload_say_continue(struct relay *relay)
{
	static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct exchange *x = relay->x;

	/* Who is asked in HTTP is asked that too. */
	if (!relay->kind->needs_length || !x->request.expects || !x->request.minor ||
	    relay->is_continued)
		return 0;
	relay->is_continued = true;
	return mu_write(x->conn, words, sizeof words - 1);
}

static void (*task_of(const struct relay *relay))(struct mu_conn *conn, void *arg)
{
	if (!relay->spooled)
		return upload;
	return relay->kind->mark || relay->kind->mark_last ? upload_file : upload_plain_file;
}

int upload_begin(struct relay *relay)
{
	struct exchange *x = relay->x;
	struct batch batch = { .n = 0 };
	const char *data;

	begin_content(relay);
	add(&batch, relay->head, relay->head_len);
	if (relay->is_whole) {
		batch.room = batch.n ? relay->room : 0;
		return send_whole(relay, &batch);
	}
	if (send_batch(relay, &batch, relay->spooled || mu_buffered(x->conn, &data) > x->pending) <
	    0)
		return begin_failed(relay, errno);
	if (exchange_keep_head(x) < 0)
		return relay_refused(relay, 503, NULL);
	if (upload_say_continue(relay) < 0)
		return relay_refused(relay, 0, NULL);
	relay->up_state = RELAY_UP_RUNNING;
	relay->moved_at = mu_now_ms(mu_worker_of(x->conn));
	if (mu_go(x->conn, task_of(relay), relay) < 0) {
		relay->up_state = RELAY_UP_NONE;
		return relay_refused(relay, 503, "no memory for a task");
	}
	return 0;
}

/* --------------------------------------------------------------------------------- its end ---- */

static void note_client(struct relay *relay)
{
	const char *error = relay->content.error;

	switch (relay->up_status) {
	case 400:
	case 413:
		relay_refused(relay, relay->up_status, "the content cannot be passed on: %s",
			      error ? error : "the client stopped in the middle of it");
		break;
	case 503:
		relay_refused(relay, 503, "the content cannot be read from where it was kept");
		break;
	case 408:
		relay->is_late = true;
		relay_refused(relay, 408, NULL);
		break;
	default:
		relay_refused(relay, 0, NULL);
	}
}

bool upload_has_failed(struct relay *relay)
{
	char text[GATEWAY_TIME_MAX];

	if (relay->up_state == RELAY_UP_STALLED)
		relay_failed(relay, 504, RELAY_IF_IDEMPOTENT,
			     "%s has taken nothing of the request for send-timeout %s",
			     relay->label, gateway_time(relay->gateway->conf->send_ms, text));
	else if (relay->up_state == RELAY_UP_CLIENT)
		note_client(relay);
	else
		return false;
	return true;
}

void upload_end(struct relay *relay)
{
	struct exchange *x = relay->x;

	if (relay->up_state == RELAY_UP_NONE)
		return;
	if (relay->up_state == RELAY_UP_RUNNING)
		mu_cancel(x->conn);
	mu_join(x->conn);
}
