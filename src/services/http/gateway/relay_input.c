/* SPDX-License-Identifier: MIT */
/*
 * What a server sends: waiting for it within the limits, what it means that it does not come, and
 * the runs of a reply in it (the whole buffer, or what the kind takes out of it). No more is read
 * before that was used up, so a slow client holds up the server.
 */
#include "services/http/gateway/relay_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { SILENT_TURN = 64 * 1024 };

/* -------------------------------------------------------------------------- waiting for it ---- */

static bool is_overdue(const struct relay *relay)
{
	return relay->deadline && mu_now_ms(mu_worker_of(relay->x->conn)) >= relay->deadline;
}

/* Nothing has come for as long as it may take. -1. */
static int fail_silent(struct relay *relay)
{
	const struct gateway_conf *conf = relay->gateway->conf;
	char text[GATEWAY_TIME_MAX];

	if (is_overdue(relay))
		return relay_failed(relay, 504, RELAY_NEVER, "%s has not finished within %s",
				    relay->label, relay->ends_by);
	gateway_time(conf->read_ms, text);
	if (relay->has_answered)
		return relay_failed(relay, 504, RELAY_NEVER,
				    "%s stopped in its answer after %" PRId64
				    " bytes: nothing for read-timeout %s",
				    relay->label, relay->x->response.bytes, text);
	return relay_failed(relay, 504, RELAY_IF_IDEMPOTENT,
			    "%s has not answered: nothing for read-timeout %s", relay->label, text);
}

int input_ended(struct relay *relay, const char *how)
{
	const char *label = relay->label;

	if (relay->has_answered)
		return relay_failed(relay, 502, RELAY_NEVER,
				    "%s broke off its answer after %" PRId64 " bytes: %s", label,
				    relay->x->response.bytes, how ? how : "the stream ended");
	relay->is_stale = relay->is_kept && !relay->has_come;
	return relay_failed(relay, 502, RELAY_IF_IDEMPOTENT, "%s closed the connection %s%s%s",
			    label,
			    relay->has_come                      ? "in the header of its answer"
			    : relay->up_state == RELAY_UP_SERVER ? "while the request was sent"
								 : "without an answer",
			    how ? ": " : "", how ? how : "");
}

/*
 * So many milliseconds may pass until something comes; since: from when it is waited for. Content
 * that goes up lets the server be silent: how long that may take is send-timeout's, and the limits'
 * of the client.
 */
static int64_t read_left(const struct relay *relay, int64_t since)
{
	int64_t now = mu_now_ms(mu_worker_of(relay->x->conn));
	int64_t left = relay->gateway->conf->read_ms;

	if (relay->up_state != RELAY_UP_RUNNING)
		left -= now - (relay->moved_at > since ? relay->moved_at : since);
	if (relay->deadline && relay->deadline - now < left)
		left = relay->deadline - now;
	return left > 0 ? left : 0;
}

/* Until something comes, or the end. */
static int await(struct relay *relay)
{
	int64_t since = mu_now_ms(mu_worker_of(relay->x->conn));
	int ready, error;

	do {
		if (upload_has_failed(relay))
			return -1;
		relay->is_waiting = true;
		ready = mu_wait_input(relay->down, read_left(relay, since));
		error = errno;
		relay->is_waiting = false;
		if (upload_has_failed(relay))
			return -1;
	} while (ready == 0 && read_left(relay, since) > 0);
	if (ready == 0)
		return fail_silent(relay);
	if (ready > 0)
		return 0;
	return error == ETIMEDOUT || error == ECANCELED ? relay_limited(relay, error)
							: input_ended(relay, strerror(error));
}

int input_fill(struct relay *relay)
{
	for (;;) {
		ssize_t n;

		if (upload_has_failed(relay))
			return -1;
		/* Also of who always has something to say. */
		if (is_overdue(relay))
			return fail_silent(relay);
		n = mu_try_fill(relay->down);
		if (n > 0)
			relay->has_come = true;
		if (n >= 0)
			return n > 0;
		if (errno != EAGAIN)
			return input_ended(relay, strerror(errno));
		if (await(relay) < 0)
			return -1;
	}
}

int input_bad(struct relay *relay, const char *error)
{
	if (relay->has_answered)
		return input_ended(relay, error);
	if (relay->is_overloaded)
		return relay_failed(relay, 503, RELAY_ALWAYS, "%s refused the request: %s",
				    relay->label, error);
	return relay_failed(relay, 502, RELAY_IF_IDEMPOTENT, "%s answered what is no %s: %s",
			    relay->label, relay->kind->protocol, error);
}

/* -------------------------------------------------------------------------------- its runs ---- */

void input_take(struct relay *relay, const char *data, size_t len)
{
	size_t taken, piece;

	if (!relay->kind->take) {
		relay->run = data;
		relay->run_len = relay->spent = len;
		return;
	}
	taken = relay->kind->take(relay, data, len, &piece);
	if (!piece) {
		mu_consume(relay->down, taken);
		relay->silent += taken;
		return;
	}
	relay->silent = 0;
	relay->run = data + taken - piece;
	relay->run_len = piece;
	relay->spent = taken;
}

/* Where nothing is written to the client, others would never have their turn, nor limits. */
static int give_way(struct relay *relay)
{
	if (relay->silent < SILENT_TURN)
		return 0;
	relay->silent = 0;
	return mu_sleep(relay->x->conn, 0) < 0 ? relay_limited(relay, errno) : 0;
}

int input_next(struct relay *relay)
{
	while (!relay->run_len) {
		const char *data;
		size_t len;
		int more;

		if (upload_has_failed(relay))
			return -1;
		mu_consume(relay->down, relay->spent);
		relay->spent = 0;
		if (relay->error)
			return input_bad(relay, relay->error);
		if (relay->ended)
			return 0;
		len = mu_buffered(relay->down, &data);
		if (len) {
			input_take(relay, data, len);
			if (!relay->run_len && give_way(relay) < 0)
				return -1;
			continue;
		}
		more = input_fill(relay);
		if (more == 0 && relay->kind->take)
			return input_ended(relay, NULL);
		if (more <= 0)
			return more;
	}
	return 1;
}

void input_use(struct relay *relay, size_t n)
{
	relay->run += n;
	relay->run_len -= n;
}
