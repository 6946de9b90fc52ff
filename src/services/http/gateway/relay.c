/* SPDX-License-Identifier: MIT */
/*
 * The course of an exchange, its tries and its outcomes; see relay.h. Every way out of a try goes
 * through end_try, and out of the exchange through conclude.
 */
#include "services/http/gateway/gateway.h"
#include "services/http/gateway/relay_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------- outcomes ---- */

int relay_failed(struct relay *relay, int status, enum relay_again again, const char *format, ...)
{
	va_list args;

	relay->status = status;
	relay->again = (uint8_t)again;
	relay->blames_server = true;
	va_start(args, format);
	vsnprintf(relay->failure, sizeof relay->failure, format, args);
	va_end(args);
	return -1;
}

int relay_refused(struct relay *relay, int status, const char *format, ...)
{
	va_list args;

	relay->status = status;
	if (!format)
		return -1;
	va_start(args, format);
	vsnprintf(relay->failure, sizeof relay->failure, format, args);
	va_end(args);
	return -1;
}

int relay_limited(struct relay *relay, int error)
{
	relay->is_late = true;
	if (error == ECANCELED)
		return relay_refused(relay, 503, NULL);
	return relay_refused(relay, 504, "the time was over while waiting for %s", relay->label);
}

bool relay_has_read(const struct relay *relay)
{
	return relay->is_whole || relay_has_sent(relay) || (relay->spooled && relay->length >= 0);
}

bool relay_has_sent(const struct relay *relay)
{
	return relay->up_state == RELAY_UP_DONE ||
	       (relay->is_whole && relay->up_state == RELAY_UP_NONE);
}

/* ------------------------------------------------------------------------------ connecting ---- */

char *relay_room(struct relay *relay, size_t size)
{
	return mu_alloc(relay->x->conn, size + relay->room);
}

/* May be done twice without another effect (RFC 9110 section 9.2.2). */
static bool is_idempotent(const struct relay *relay)
{
	switch (relay->x->request.method) {
	case METHOD_GET:
	case METHOD_HEAD:
	case METHOD_OPTIONS:
	case METHOD_PUT:
	case METHOD_DELETE:
		return true;
	default:
		return false;
	}
}

/*
 * A connection that has rested may be given up by the server just as the request is written to it.
 * A request that can be made again takes any; one that cannot, such as has hardly rested; a change
 * of protocol is for a new one.
 */
static enum group_kept kept_allowed(const struct relay *relay)
{
	const struct exchange *x = relay->x;

	if (relay->wants_new ||
	    (!relay->has_content && fields_upgrades(&relay->gateway->fields, &x->request, x->data)))
		return GROUP_NEW;
	return is_idempotent(relay) && relay->is_whole ? GROUP_KEPT : GROUP_FRESH;
}

static const char *connect_error(const struct relay *relay, int error)
{
	bool is_path = strncmp(group_address(&relay->request), "unix:", 5) == 0;

	if (error == ENOENT && !is_path)
		return "there is no such name";
	if (error == EAGAIN)
		return "no name server has answered";
	return strerror(error);
}

static int connect_failed(struct relay *relay, int error)
{
	char text[GATEWAY_TIME_MAX];

	switch (error) {
	case ETIMEDOUT:
	case ECANCELED:
		return relay_limited(relay, error);
	case ETIME:
		return relay_failed(relay, 504, RELAY_ALWAYS,
				    "cannot connect to %s: no connection within connect-timeout %s",
				    relay->label,
				    gateway_time(relay->gateway->conf->connect_ms, text));
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
		/* It is we who cannot. */
		return relay_refused(relay, 503, "cannot connect to %s: %s", relay->label,
				     strerror(error));
	default:
		return relay_failed(relay, 502, RELAY_ALWAYS, "cannot connect to %s: %s",
				    relay->label, connect_error(relay, error));
	}
}

static int open_server(struct relay *relay)
{
	struct mu_conn *server;
	int status;

	if (relay->kind->open) {
		status = relay->kind->open(relay);
		if (status > 0)
			return relay_refused(relay, status, NULL);
		return status < 0 ? relay_limited(relay, errno) : 0;
	}
	relay->label = group_label(&relay->request);
	server = group_connect(&relay->request, relay->x->conn, relay->gateway->conf->connect_ms,
			       kept_allowed(relay), &relay->is_kept);
	if (!server)
		return connect_failed(relay, errno);
	relay->up = relay->down = server;
	return 0;
}

/* ----------------------------------------------------------------------------------- tries ---- */

static void begin_try(struct relay *relay)
{
	if (relay->kind->state_size)
		memset(relay->state, 0, relay->kind->state_size);
	relay->up = relay->down = NULL;
	relay->is_kept = relay->may_upgrade = false;
	relay->deadline = 0;
	relay->ended = relay->is_overloaded = false;
	relay->error = NULL;
	relay->run_len = relay->spent = 0;
	relay->gathered = NULL;
	relay->has_come = false;
	relay->up_state = RELAY_UP_NONE;
	relay->blames_server = relay->is_stale = relay->is_late = false;
	relay->again = RELAY_NEVER;
	relay->failure[0] = '\0';
}

static int try_server(struct relay *relay)
{
	int status;

	begin_try(relay);
	if (open_server(relay) < 0)
		return -1;
	status = relay->kind->write_head(relay);
	if (status)
		return relay_refused(relay, status, NULL);
	if (upload_begin(relay) < 0 || reply_receive(relay) < 0)
		return -1;
	return relay->reply.status == 101 ? tunnel_run(relay) : reply_pass_on(relay);
}

static bool can_keep(struct relay *relay)
{
	const struct relay_kind *kind = relay->kind;

	return relay->request.group && relay->down && relay_has_sent(relay) && kind->can_keep &&
	       !relay->is_dropped && !relay->local && relay->reply.status != 101 &&
	       reply_is_over(relay) && kind->can_keep(relay);
}

static void close_server(struct relay *relay)
{
	if (relay->up && relay->up != relay->down)
		mu_close(relay->up);
	if (relay->down)
		mu_close(relay->down);
	relay->up = relay->down = NULL;
}

/* The connection is kept or closed, whatever came of the try. */
static void end_try(struct relay *relay, int result)
{
	bool keeps;

	upload_end(relay);
	keeps = result == 0 && can_keep(relay);
	if (relay->kind->end)
		relay->kind->end(relay);
	if (keeps) {
		group_keep(&relay->request, relay->down);
		relay->up = relay->down = NULL;
	}
	close_server(relay);
}

static bool can_repeat(const struct relay *relay)
{
	return !relay->is_consumed && !relay->has_told && !relay->is_late;
}

/* To the same server; on a new connection where the one that had rested was none any more. */
static int ask_server(struct relay *relay)
{
	int result = try_server(relay);

	end_try(relay, result);
	if (result < 0 && relay->is_stale && is_idempotent(relay) && can_repeat(relay)) {
		relay->wants_new = true;
		result = try_server(relay);
		end_try(relay, result);
		relay->wants_new = false;
	}
	return result;
}

static bool may_try_another(const struct relay *relay)
{
	if (!relay->request.group || !relay->tries || !can_repeat(relay))
		return false;
	return relay->again == RELAY_ALWAYS ||
	       (relay->again == RELAY_IF_IDEMPOTENT && is_idempotent(relay));
}

/* A 503 that is no server's fault is ours: we lack descriptors or memory, which somebody has to do something about. */
static void log_failure(const struct relay *relay, bool another)
{
	bool is_warning = relay->blames_server || relay->status == 503;

	if (relay->failure[0])
		mu_log(relay->x->conn, is_warning ? MU_WARNING : MU_INFO, "%s%s", relay->failure,
		       another ? ", trying another server" : "");
}

/* ------------------------------------------------------------------------------- the whole ---- */

/* The client may still be sending what nobody wants. */
static void leave_content(const struct relay *relay)
{
	if (relay_has_read(relay))
		return;
	relay->x->unread = true;
	exchange_close(relay->x);
}

static int conclude_local(const struct relay *relay)
{
	leave_content(relay);
	relay->x->local = relay->local;
	relay->x->local_len = relay->local_len;
	return GATEWAY_LOCAL;
}

/* The answer where there was no reply, or it is not passed on. */
static int conclude(struct relay *relay)
{
	struct exchange *x = relay->x;
	const char *fields = relay->status == 503 ? "Retry-After: 1\r\n" : "";

	if (relay->has_answered)
		return -1;
	if (!relay->status) {
		x->response.status = 499; /* for the access log: the client did not wait */
		return -1;
	}
	leave_content(relay);
	if (relay->is_late) {
		exchange_close(x);
		response_last_words(&x->response, relay->status);
		return -1;
	}
	return answer_status(x, relay->status, relay->is_dropped ? relay->kept_fields : fields);
}

static int refuse(struct relay *relay, int status)
{
	relay->status = status;
	return conclude(relay);
}

/* None was tried. */
static int no_server(struct relay *relay)
{
	group_log_none(&relay->request, relay->x->conn);
	return relay_refused(relay, 503, NULL);
}

static int run_group(struct relay *relay)
{
	struct mu_conn *conn = relay->x->conn;
	int result;

	group_begin(&relay->request, relay->gateway->group, conn, &relay->x->request,
		    relay->x->data);
	if (!group_take(&relay->request))
		return no_server(relay);
	for (;;) {
		bool another;

		result = ask_server(relay);
		another =
			result < 0 && may_try_another(relay) && group_has_another(&relay->request);
		log_failure(relay, another);
		if (relay->blames_server)
			group_failed(&relay->request, conn);
		group_release(&relay->request);
		if (!another || !group_take(&relay->request))
			return result;
		relay->tries--;
	}
}

static int run_alone(struct relay *relay)
{
	int result = try_server(relay);

	end_try(relay, result);
	log_failure(relay, false);
	return result;
}

static int run(struct relay *relay)
{
	struct exchange *x = relay->x;
	const struct relay_kind *kind = relay->kind;
	int result, status = upload_judge(relay);

	relay->tries = (int)relay->gateway->conf->retry;
	if (!status && kind->begin)
		status = kind->begin(relay);
	if (status < 0)
		return -1;
	if (status)
		return refuse(relay, status);
	if (kind->state_size && !(relay->state = mu_alloc(x->conn, kind->state_size)))
		return refuse(relay, 503);
	if (kind->needs_length && relay->length < 0 && spool_begin(relay) < 0) {
		log_failure(relay, false);
		return conclude(relay);
	}
	result = relay->gateway->group ? run_group(relay) : run_alone(relay);
	if (result < 0 || relay->is_dropped)
		return conclude(relay);
	if (relay->local)
		return conclude_local(relay);
	leave_content(relay);
	return 0;
}

int relay_run(struct relay *relay)
{
	int result = run(relay);

	spool_end(relay);
	return result;
}
