/* SPDX-License-Identifier: MIT */
/*
 * The time limits of connections, and with them the beginning and the end of requests: how long
 * each took, and what the slot says of it. That a limit has passed is noticed by whoever waits
 * (conn.c) or by the timers (runtime.c).
 */
#include "runtime/runtime.h"

#include "base/clock.h"

static void log_slow(struct mu_conn *conn)
{
	const struct mu_worker *worker = conn->worker;
	int64_t took = (uint32_t)worker->now - conn->began;
	char text[CLOCK_TEXT_MAX], slow[CLOCK_TEXT_MAX];

	if (took > worker->limits.slow_ms)
		mu_log(conn, MU_WARNING, "slow request: it took %s, which is more than %s",
		       clock_text(took, text), clock_text(worker->limits.slow_ms, slow));
}

static void set_request_since(struct mu_worker *worker, int64_t when)
{
	atomic_store_explicit(&worker->slot->request_since, when, memory_order_relaxed);
}

static void end_request(struct mu_conn *conn)
{
	struct mu_worker *worker = conn->worker;

	if (worker->direct)
		set_request_since(worker, 0);
	if (!worker->limits.slow_ms)
		return;
	runtime_tick(worker); /* the handler may have computed for long */
	log_slow(conn);
}

void conn_set_limit(struct mu_conn *conn, enum mu_limit limit, int64_t ms)
{
	struct mu_worker *worker = conn->worker;

	if (conn->limit == MU_REQUEST)
		end_request(conn);
	if (limit == MU_REQUEST && worker->direct) {
		runtime_tick(worker); /* blocking code may have run since the last wait */
		set_request_since(worker, worker->now);
	}
	/* The header is part of its request. */
	if (limit != MU_REQUEST || conn->limit != MU_HEADER)
		conn->began = (uint32_t)worker->now;
	conn->limit = (uint8_t)limit;
	conn->limit_at = ms ? worker->now + ms : 0;
}

/* The header, request or linger limit. */
static int64_t limit_at(const struct mu_conn *conn)
{
	if (conn->state <= CONN_SERVING)
		return conn->limit_at;
	return clock_earlier(conn->limit_at, conn->parent->limit_at);
}

static int64_t deadline_from(const struct mu_conn *conn, int64_t since)
{
	int64_t idle = conn->worker->limits.idle_ms;

	if (!idle || conn->lingering)
		return limit_at(conn);
	return clock_earlier(limit_at(conn), since + idle);
}

int64_t conn_deadline(const struct mu_conn *conn)
{
	return deadline_from(conn, conn->worker->now);
}

int64_t conn_deadline_moved(const struct mu_conn *conn)
{
	const struct family *family = conn_client(conn)->family;
	int64_t deadline = family ? deadline_from(conn, family->moved) : 0;

	return deadline > conn->worker->now ? deadline : 0;
}

bool conn_limit_is_over(const struct mu_conn *conn)
{
	int64_t at = limit_at(conn);

	return at && at <= conn->worker->now;
}

bool conn_has_park_limit(const struct mu_conn *conn)
{
	const struct limits *limits = &conn->worker->limits;

	return conn->worker->direct && conn->state == CONN_PARKED && limits->park_ms &&
	       (!limits->idle_ms || limits->park_ms < limits->idle_ms);
}

void conn_log_limit(struct mu_conn *conn)
{
	static const char *const names[] = {
		[MU_IDLE] = "idle", [MU_HEADER] = "header", [MU_REQUEST] = "request"
	};
	const struct mu_worker *worker = conn->worker;
	const struct limits *limits = &worker->limits;
	struct mu_conn *client = conn_client(conn);
	enum mu_limit limit = MU_IDLE;
	bool park = conn_has_park_limit(conn);
	char text[CLOCK_TEXT_MAX];
	int64_t ms;

	if (conn->lingering)
		return;
	/* All tasks of a connection reach its limit. */
	if (client->family && client->family->limited)
		return;
	if (client->family)
		client->family->limited = true;
	if (conn_limit_is_over(client))
		limit = client->limit;
	ms = limit == MU_HEADER    ? limits->header_ms
	     : limit == MU_REQUEST ? limits->request_ms
				   : limits->idle_ms;
	slot_count(&worker->slot->limited);
	/* That an idle client is let go between requests is no news. */
	mu_log(conn, conn->state == CONN_PARKED ? MU_DEBUG : MU_INFO, "%s limit of %s ran out",
	       park ? "park" : names[limit], clock_text(park ? limits->park_ms : ms, text));
}
