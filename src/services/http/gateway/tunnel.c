/* SPDX-License-Identifier: MIT */
/*
 * After a server has said 101 (Switching Protocols): the connection is that of another protocol, of
 * which we know nothing but that bytes go both ways (RFC 9110 section 7.8). Serve carries them
 * down, a task up; each end of a stream is passed on by itself. The limit is `timeout { idle }`:
 * nothing moved in either direction.
 */
#include "services/http/gateway/relay_parts.h"

#include <errno.h>

/* What is buffered of `from` goes to `to`, and is added to *bytes. 0 or -1. */
static int pass(struct mu_conn *from, struct mu_conn *to, int64_t *bytes)
{
	const char *data;
	size_t len;

	while ((len = mu_buffered(from, &data))) {
		if (mu_write(to, data, len) < 0)
			return -1;
		mu_consume(from, len);
		*bytes += (int64_t)len;
	}
	return 0;
}

/* More of it: 1; 0: the end; -1. */
static int receive(struct mu_conn *from)
{
	ssize_t n = mu_fill(from);

	return n > 0 ? 1 : (int)n;
}

/*
 * A client that is gone is found by serve as it writes; where it waits for the server it is woken.
 */
static void up_failed(struct relay *relay)
{
	struct mu_conn *server = relay->down;

	relay->up_state = RELAY_UP_CLIENT;
	if (!relay->is_waiting)
		return;
	relay->up = relay->down = NULL;
	mu_close(server);
}

static void go_up(struct mu_conn *conn, void *arg)
{
	struct relay *relay = arg;
	int64_t bytes = 0;
	int more;

	do {
		/* A server that takes no more may still have something to say. */
		if (pass(conn, relay->up, &bytes) < 0) {
			relay->up_state = RELAY_UP_SERVER;
			return;
		}
		more = receive(conn);
	} while (more > 0);
	relay->up_state = RELAY_UP_DONE;
	if (more == 0)
		mu_shutdown(relay->up);
	else if (errno != ECANCELED)
		up_failed(relay);
}

static int go_down(struct relay *relay)
{
	struct mu_conn *conn = relay->x->conn;
	int more;

	do {
		if (pass(relay->down, conn, &relay->x->response.bytes) < 0 ||
		    relay->up_state == RELAY_UP_CLIENT)
			return -1;
		relay->is_waiting = true;
		more = receive(relay->down);
		relay->is_waiting = false;
	} while (more > 0);
	if (more == 0)
		mu_shutdown(conn);
	return more;
}

/* The client is told, and gets what the server has said already. */
static int change(struct relay *relay)
{
	struct exchange *x = relay->x;
	struct iovec piece[2];
	const char *head;
	size_t len;

	x->end = RESPONSE_CLOSE;
	x->response.end = RESPONSE_UPGRADE;
	if (reply_make_head(relay, &head, &len) < 0) {
		exchange_close(x);
		return -1;
	}
	if (exchange_keep_head(x) < 0) {
		exchange_close(x);
		return relay_refused(relay, 503, NULL);
	}
	piece[0] = (struct iovec){ (char *)(uintptr_t)head, len };
	piece[1] = (struct iovec){ (char *)(uintptr_t)relay->run, relay->run_len };
	response_begin(&x->response, 101);
	relay->has_answered = true;
	if (response_write(&x->response, piece, 2, false, false) < 0)
		return relay_refused(relay, 0, NULL);
	x->response.bytes = (int64_t)relay->run_len;
	mu_consume(relay->down, relay->spent);
	relay->run_len = relay->spent = 0;
	return 0;
}

int tunnel_run(struct relay *relay)
{
	struct mu_conn *conn = relay->x->conn;

	if (change(relay) < 0)
		return -1;
	mu_set_limit(conn, MU_IDLE);
	relay->up_state = RELAY_UP_RUNNING;
	if (mu_go(conn, go_up, relay) < 0) {
		relay->up_state = RELAY_UP_NONE;
		return relay_refused(relay, 0, "no memory for a task");
	}
	if (go_down(relay) < 0)
		mu_cancel(conn);
	mu_join(conn);
	return 0;
}
