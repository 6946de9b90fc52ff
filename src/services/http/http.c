/* SPDX-License-Identifier: MIT */
/*
 * The website service: the module, and the loop that takes one request after the other off a
 * connection and has it answered. What a request is stands in request.c, what is answered in
 * answer.c, what a path stands for in site.c, how it is sent in response.c.
 *
 * In the steady state a request costs one receive (the runtime's) and one send: after an answer the
 * loop does not look for more input, it parks.
 */
#include "services/builtin.h"

#include "services/http/body.h"
#include "services/http/exchange.h"
#include "services/http/gateway/group.h"
#include "services/http/nanoseconds.h"

#include <errno.h>
#include <string.h>

/* So many buffered requests are answered before other connections have their turn. */
enum { PIPELINE_TURN = 32 };

/* What the connection's word holds over parks. */
enum {
	WORD_BLANK = 1,   /* empty lines have come without a request */
	WORD_REQUEST = 2, /* and above: requests */
};

static void begin_response(struct exchange *x)
{
	struct site *site = x->site;

	site_turn(site);
	x->encoding = NULL;
	x->unlogged = !site->log;
	x->response = (struct response){
		.conn = x->conn,
		.date = site->date,
		.server = site->file.server,
		.now = site->now,
		.end = x->end,
		.without_content = x->request.method == METHOD_HEAD,
		.fields = "",
		.timed = site->timed,
	};
}

/*
 * A line for what was answered, whether all of it arrived or not. data_len: how much of x->data
 * there is.
 */
static void log_exchange(struct exchange *x, size_t data_len)
{
	struct access_entry entry;

	if (x->unlogged || !x->response.status)
		return;
	entry = (struct access_entry){
		.conn = x->conn,
		.request = &x->request,
		.data = x->data,
		.data_len = data_len,
		.encoding = x->encoding,
		.status = x->response.status,
		.bytes = x->response.bytes,
		.count = mu_word(x->conn) / WORD_REQUEST,
	};
	if (x->site->timed) {
		entry.t_start = x->start;
		entry.t_end = nanoseconds_now(CLOCK_MONOTONIC);
		entry.t_first = x->response.first_byte ? x->response.first_byte : entry.t_end;
	}
	access_log_add(x->site->log, &entry);
}

/* Called as the first bytes of a request are there. */
static void begin_request(struct exchange *x)
{
	request_init(&x->request);
	mu_set_word(x->conn, mu_word(x->conn) + WORD_REQUEST);
	if (x->site->timed)
		x->start = nanoseconds_now(CLOCK_MONOTONIC);
}

/* Answers a request that is refused as a whole: the end of the connection. */
static int refuse(struct exchange *x)
{
	const char *data;
	bool answered;

	mu_set_limit(x->conn, MU_REQUEST);
	x->end = RESPONSE_CLOSE;
	begin_response(x);
	mu_log(x->conn, MU_INFO, "request refused with %d: %s", x->request.status,
	       x->request.reason);
	answered = response_status(&x->response, x->request.status, "") == 0;
	log_exchange(x, mu_buffered(x->conn, &data));
	if (answered) {
		mu_count_request(x->conn);
		mu_linger(x->conn);
	}
	return MU_DONE;
}

/* The client's time limit ran out: it is told so if that needs no waiting. */
static void refuse_late(struct exchange *x, size_t len)
{
	x->end = RESPONSE_CLOSE;
	begin_response(x);
	response_last_words(&x->response, 408);
	log_exchange(x, len);
}

/*
 * Waits for the rest of a head that came in part. True: x->request is complete. False: the
 * connection is finished, and whatever there was to say has been said.
 */
static bool receive_head(struct exchange *x)
{
	enum request_state state = REQUEST_MORE;
	size_t len;

	mu_set_limit(x->conn, MU_HEADER);
	while (state == REQUEST_MORE) {
		ssize_t n = mu_fill(x->conn);

		/* Whatever came of it, the bytes may have moved. */
		len = mu_buffered(x->conn, &x->data);
		if (n == 0) {
			x->request.status = 400;
			x->request.reason = "the client stopped in the middle of a header";
			state = REQUEST_BAD;
		} else if (n < 0 && errno == ENOBUFS) {
			request_too_large(&x->request);
			state = REQUEST_BAD;
		} else if (n < 0) {
			if (errno == ETIMEDOUT)
				refuse_late(x, len);
			return false;
		} else {
			state = request_parse(&x->request, x->data, len);
		}
	}
	if (state == REQUEST_BAD)
		refuse(x);
	return state == REQUEST_DONE;
}

static bool has_content(const struct request *request)
{
	return request->chunked || request->length > 0;
}

/*
 * The answer comes without all of the content having been read: where that ends we do not learn.
 * Where content has no meaning the request is refused for its size; else whatever is wrong with the
 * request is the better answer.
 */
static int leave_content(struct exchange *x)
{
	const enum request_method method = x->request.method;

	x->end = RESPONSE_CLOSE;
	x->unread = true;
	if (x->request.expects)
		return 0;
	return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS ? 413 : 0;
}

/*
 * Gets content out of the way before the answer. The head is copied, for the buffer is needed. 0; a
 * status to refuse with; -1.
 */
static int drop_content(struct exchange *x)
{
	const struct request *request = &x->request;
	int status;

	if (request->expects || body_is_too_large(request->length))
		return leave_content(x);
	if (exchange_keep_head(x) < 0)
		return 503;
	/*
	 * Who is slow with so little, of which nobody has any use, is not to have a place for it.
	 */
	mu_set_limit(x->conn, MU_HEADER);
	status = body_discard(x->conn, request->chunked, request->length);
	mu_set_limit(x->conn, MU_REQUEST);
	return status == 413 ? leave_content(x) : status;
}

static bool is_last_request(const struct exchange *x)
{
	int64_t max = x->site->conf->keepalive_requests;

	return max && mu_word(x->conn) / WORD_REQUEST >= (uintptr_t)max;
}

static enum response_end end_of(const struct exchange *x)
{
	/* After CONNECT the client may send anything but requests. */
	if (!x->request.persistent || x->request.method == METHOD_CONNECT || is_last_request(x) ||
	    mu_draining(x->conn))
		return RESPONSE_CLOSE;
	return x->request.minor ? RESPONSE_KEEP : RESPONSE_KEEP_ALIVE;
}

/* A complete request; true: the connection goes on with the next one. */
static bool exchange(struct exchange *x)
{
	const char *rest;
	int status;

	/* A client that takes its time from here on is not one that is slow with its header. */
	mu_set_limit(x->conn, MU_REQUEST);
	x->unread = false;
	x->end = end_of(x);
	x->pending = x->request.head_len;
	begin_response(x);
	x->is_found = has_content(&x->request) && answer_is_gateway(x);
	if (has_content(&x->request) && !x->is_found) {
		status = drop_content(x);
		if (status == 408) {
			refuse_late(x, 0);
		} else if (status > 0) {
			x->request.status = (uint16_t)status;
			x->request.reason = "content that cannot be read";
			refuse(x);
		}
		if (status)
			return false;
	}
	site_turn(x->site);
	x->response.now = x->site->now;
	x->response.end = x->end;
	status = answer(x);
	if (status == -400) {
		x->request.status = 400;
		x->request.reason = "invalid path";
		refuse(x);
		return false;
	}
	log_exchange(x, 0);
	if (status < 0)
		return false;
	mu_count_request(x->conn);
	mu_consume(x->conn, x->pending);
	if (x->end != RESPONSE_CLOSE)
		return true;
	/* Input left in the socket turns the close into a reset, which may overtake the answer. */
	if (x->unread || mu_buffered(x->conn, &rest) > 0)
		mu_linger(x->conn);
	return false;
}

/*
 * Only empty lines so far: what some clients send behind the content of a request is passed over.
 * Once: who goes on with them would never be under the header limit, nor let a direct worker go.
 */
static bool is_pause(struct exchange *x, size_t len)
{
	if (!request_is_blank(&x->request, len) || (mu_word(x->conn) & WORD_BLANK))
		return false;
	mu_set_word(x->conn, (mu_word(x->conn) | WORD_BLANK) - WORD_REQUEST);
	mu_consume(x->conn, len);
	return true;
}

static int http_serve(struct mu_conn *conn, void *state)
{
	struct exchange x; /* not cleared: all of it is set before it is used, for each request */
	size_t len = mu_buffered(conn, &x.data);

	if (!len) {
		ssize_t n = mu_try_fill(conn);

		if (n <= 0)
			return n < 0 && errno == EAGAIN ? mu_park(conn) : MU_DONE;
		len = mu_buffered(conn, &x.data);
	}
	x.conn = conn;
	x.site = state;
	for (int turn = 0; len && turn < PIPELINE_TURN; turn++) {
		begin_request(&x);
		switch (request_parse(&x.request, x.data, len)) {
		case REQUEST_BAD:
			return refuse(&x);
		case REQUEST_MORE:
			if (is_pause(&x, len))
				return mu_park(conn);
			if (!receive_head(&x))
				return MU_DONE;
			break;
		case REQUEST_DONE:
			break;
		}
		if (!exchange(&x))
			return MU_DONE;
		len = mu_buffered(conn, &x.data);
	}
	mu_set_limit(conn, MU_IDLE);
	return mu_park(conn);
}

/*
 * All workers are busy: of the request no more is read than whether its answer may have content,
 * and that only if it is there already.
 */
static void http_refuse(struct mu_conn *conn, void *state)
{
	static const char head[] = "HEAD ";
	struct exchange x = { .conn = conn, .site = state, .end = RESPONSE_CLOSE };
	size_t len;
	int status;

	if (mu_try_fill(conn) < 0 && errno != EAGAIN)
		return;
	len = mu_buffered(conn, &x.data);
	if (len >= sizeof head - 1 && memcmp(x.data, head, sizeof head - 1) == 0)
		x.request.method = METHOD_HEAD;
	if (x.site->timed)
		x.start = nanoseconds_now(CLOCK_MONOTONIC);
	begin_response(&x);
	status = response_status(&x.response, 503, "Retry-After: 1\r\n");
	log_exchange(&x, len);
	if (status == 0)
		mu_linger(conn);
}

/* Before a chroot: the root may lie outside, and so does the system's table of media types. */
static int http_prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	*state_r = site_new(config, worker);
	return *state_r ? 0 : -1;
}

static int http_start(struct mu_worker *worker, const void *config, void **state)
{
	struct site *site = *state;

	(void)worker;
	(void)config;
	rules_settle(site->rules);
	return groups_start(site->groups);
}

static void http_stop(void *state)
{
	site_free(state);
}

static void http_wake(void *state)
{
	struct site *site = state;

	access_log_flush(site->log);
}

const struct mu_module mu_http = {
	.abi = MU_ABI,
	.name = "http",
	.help = "a website: the files below a folder, and applications behind it",
	.flags = MU_CLIENT_FIRST | MU_REQUESTS | MU_NAMES,
	.directives = conf_directives,
	.config_size = sizeof(struct site_conf),
	.check = conf_check,
	.prepare = http_prepare,
	.start = http_start,
	.serve = http_serve,
	.refuse = http_refuse,
	.stop = http_stop,
	.wake = http_wake,
};
