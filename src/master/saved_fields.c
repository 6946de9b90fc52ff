/* SPDX-License-Identifier: MIT */
/*
 * The tables of what the records of a state hold, as saved_fields.h says. A table only grows, at its end, each new
 * value with the version that brought it; a tag is for ever. How to: HACKING.md.
 */
#include "master/saved_fields.h"

#include "base/contract.h"
#include "master/saved.h"

#include <limits.h>
#include <signal.h>
#include <syslog.h>

enum { SLOTS_MAX = 1 << 20 };

#define N(record, member, low, high)                                                   \
	{                                                                              \
		NUMBER, offsetof(struct saved_##record, member), low, high, .since = 1 \
	}
#define FLAG(record, member)  N(record, member, 0, 1)
#define COUNT(record, member) N(record, member, 0, INT64_MAX)
#define INDEX(record, member) N(record, member, 0, INT_MAX)
#define FD(record, member)                                                             \
	{                                                                              \
		DESCRIPTOR, offsetof(struct saved_##record, member), -1, 0, .since = 1 \
	}
/* One that must be there. */
#define OPEN(record, member)                                                                       \
	{                                                                                          \
		DESCRIPTOR, offsetof(struct saved_##record, member), SAVED_FIRST_FD, 0, .since = 1 \
	}
#define STRING(record, member)                                                  \
	{                                                                       \
		TEXT, offsetof(struct saved_##record, member), 0, 0, .since = 1 \
	}

static const struct field master_fields[] = {
	STRING(master, version),
	STRING(master, program),
	STRING(master, conf_path),
	STRING(master, pidfile_arg),
	FD(master, pidfile),
	STRING(master, pidfile_path),
	N(master, log_kind, 0, 2),
	N(master, log_facility, 0, LOG_FACMASK),
	N(master, log_level, LOG_EMERG, LOG_DEBUG),
	FD(master, log),
	FLAG(master, daemon),
	FD(master, error_file),
	FLAG(master, hangup_ignored),
	N(master, generation, 0, UINT_MAX),
	N(master, serving, 0, UINT_MAX),
	INDEX(master, config),
	COUNT(master, started_at),
	N(master, killed, 0, UINT_MAX),
	N(master, tickets, 0, UINT_MAX),
	N(master, ticket, 0, UINT_MAX),
	N(master, queued, 0, UINT_MAX),
};

static const struct field config_fields[] = {
	OPEN(config, capture),
};

static const struct field listener_fields[] = {
	OPEN(listener, fd),
	STRING(listener, asked),
	STRING(listener, systemd_name),
	N(listener, generation, 0, UINT_MAX),
	FLAG(listener, adopted),
	N(listener, dev, INT64_MIN, INT64_MAX),
	N(listener, ino, INT64_MIN, INT64_MAX),
	STRING(listener, stored),
};

static const struct field totals_fields[] = {
	STRING(totals, service),       COUNT(totals, accepted),      COUNT(totals, requests),
	COUNT(totals, limited),        COUNT(totals, cut),           COUNT(totals, refused),
	COUNT(totals, waits),          COUNT(totals, deaths),        COUNT(totals, shown_accepted),
	COUNT(totals, shown_requests), COUNT(totals, shown_limited), COUNT(totals, shown_cut),
	COUNT(totals, shown_refused),
};

static const struct field pool_fields[] = {
	INDEX(pool, config),
	STRING(pool, service),
	N(pool, generation, 0, UINT_MAX),
	FLAG(pool, ending),
	FLAG(pool, served),
	OPEN(pool, board),
	N(pool, slots, 1, SLOTS_MAX),
	N(pool, offset, -SLOTS_MAX, SLOTS_MAX),
	N(pool, round, 0, UINT_MAX),
	N(pool, failures, 0, INT_MAX),
	COUNT(pool, retry_at),
	COUNT(pool, proven_at),
	N(pool, grow, 1, SLOTS_MAX),
	COUNT(pool, grow_at),
	COUNT(pool, shrink_at),
	N(pool, queue_state, 0, 4),
	COUNT(pool, queue_at),
	COUNT(pool, waiting_since),
	COUNT(pool, full_since),
	COUNT(pool, full_seen),
	FLAG(pool, full),
	COUNT(pool, refused_before),
	COUNT(pool, refuse_until),
	FLAG(pool, paused),
	COUNT(pool, watch_at),
	FLAG(pool, degraded),
	N(pool, cut, 0, UINT_MAX),
	N(pool, killed, 0, UINT_MAX),
	COUNT(pool, ending_at),
};

static const struct field use_fields[] = {
	INDEX(use, pool),
	INDEX(use, listener),
};

static const struct field worker_fields[] = {
	INDEX(worker, pool),
	N(worker, number, 1, SLOTS_MAX),
	N(worker, phase, 1, 4),
	N(worker, pid, 2, INT_MAX),
	FD(worker, control),
	COUNT(worker, deadline),
	COUNT(worker, started_at),
	N(worker, round, 0, UINT_MAX),
	FLAG(worker, was_ready),
	FLAG(worker, said_goodbye),
	FLAG(worker, failed),
	N(worker, most, 1, INT_MAX),
	N(worker, expired, EXPIRY_NONE, EXPIRY_LIFETIME),
	N(worker, signalled, 0, _NSIG),
	STRING(worker, because),
	STRING(worker, reason),
	FLAG(worker, stopped),
	COUNT(worker, stopped_at),
	COUNT(worker, fresh_since),
	COUNT(worker, stuck_since),
	COUNT(worker, stuck_until),
	COUNT(worker, slow_since),
	COUNT(worker, slow_said_at),
	INDEX(worker, tracer),
	FLAG(worker, awaits_trace),
	COUNT(worker, asked_at),
	COUNT(worker, traced_at),
	STRING(worker, trace),
#ifdef MUSTERD_STATE_NEXT
	MUSTERD_STATE_NEXT, /* what the next version would add, in tests */
#endif
};

static const struct field control_fields[] = {
	OPEN(control, fd),
	N(control, dev, INT64_MIN, INT64_MAX),
	N(control, ino, INT64_MIN, INT64_MAX),
};

static const struct field client_fields[] = {
	OPEN(client, fd),           N(client, phase, 1, 3),      N(client, ticket, 0, UINT_MAX),
	N(client, pid, 0, INT_MAX), N(client, uid, 0, UINT_MAX), FLAG(client, allowed),
	STRING(client, line),       STRING(client, answer),
};

static const struct field output_fields[] = {
	INDEX(output, pool),
	STRING(output, path),
	OPEN(output, fd),
};

#define KIND(number, record, items, counts, least, most)                                          \
	{                                                                                         \
		number, #record, record##_fields, sizeof(record##_fields) / sizeof(struct field), \
			sizeof(struct saved_##record), offsetof(struct saved, items),             \
			offsetof(struct saved, counts), least, most                               \
	}

/* Tags are for ever. */
const struct kind saved_kinds[SAVED_KINDS] = {
	KIND(1, master, master, masters, 1, 1),
	KIND(2, config, config, configs, 1, INT_MAX),
	KIND(3, listener, listener, listeners, 0, INT_MAX),
	KIND(4, totals, totals, services, 0, INT_MAX),
	KIND(5, pool, pool, pools, 0, INT_MAX),
	KIND(6, use, use, uses, 0, INT_MAX),
	KIND(7, worker, worker, workers, 0, INT_MAX),
	KIND(8, control, control, controls, 0, 1),
	KIND(9, client, client, clients, 0, INT_MAX),
	KIND(10, output, output, outputs, 0, INT_MAX),
};
