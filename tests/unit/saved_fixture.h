/* SPDX-License-Identifier: MIT */
/* A state with one of everything and two of some, and knowledge of its bytes. */
#ifndef SAVED_FIXTURE_H
#define SAVED_FIXTURE_H

#include "master/saved.h"

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Where the numbers of the head stand, and its length. */
enum {
	HEAD_VERSION = 8,
	HEAD_OLDEST = 12,
	HEAD_RECORD = 16,
	HEAD_SLOT = 20,
	HEAD_SLOT_SIZE = 24,
	HEAD_TOTAL = 28,
	HEAD_LENGTH = 32
};

static inline void fixture_pools(struct saved *saved)
{
	static const struct saved_pool pool[] = {
		{ .service = "www",
		  .generation = 3,
		  .ending = 1,
		  .served = 1,
		  .board = 20,
		  .slots = 40,
		  .round = 1,
		  .grow = 1,
		  .cut = 2,
		  .ending_at = 123456 },
		{ .config = 1,
		  .service = "www",
		  .generation = 4,
		  .served = 1,
		  .board = 21,
		  .slots = 40,
		  .offset = -1,
		  .failures = 2,
		  .retry_at = 99,
		  .grow = 4 },
	};
	static const struct saved_use use[] = { { .pool = 1, .listener = 1 }, { .pool = 1 } };
	static const struct saved_worker worker[] = {
		{ .number = 1,
		  .phase = 4,
		  .pid = 100,
		  .control = 30,
		  .most = 64,
		  .deadline = 777,
		  .started_at = 5,
		  .was_ready = 1,
		  .because = "the drain limit passed",
		  .reason = "",
		  .trace = "" },
		{ .pool = 1,
		  .number = 1,
		  .phase = 3,
		  .pid = 101,
		  .control = 31,
		  .most = 64,
		  .because = "",
		  .reason = "",
		  .trace = "" },
		{ .pool = 1,
		  .number = 2,
		  .phase = 1,
		  .pid = 102,
		  .control = -1,
		  .most = 64,
		  .because = "",
		  .reason = "",
		  .trace = "" },
	};

	saved->pool = arena_alloc(saved->arena, sizeof(pool));
	saved->use = arena_alloc(saved->arena, sizeof(use));
	saved->worker = arena_alloc(saved->arena, sizeof(worker));
	memcpy(saved->pool, pool, sizeof(pool));
	memcpy(saved->use, use, sizeof(use));
	memcpy(saved->worker, worker, sizeof(worker));
	saved->pools = saved->uses = 2;
	saved->workers = 3;
}

static inline struct saved *fixture_state(void)
{
	static const struct saved_master master = {
		.version = "1.2.3",
		.program = "/usr/sbin/musterd",
		.conf_path = "/etc/musterd.conf",
		.pidfile_arg = "/run/pid",
		.pidfile = 3,
		.pidfile_path = "/run/pid",
		.log_kind = 1,
		.log_facility = 24,
		.log_level = 6,
		.log = 4,
		.daemon = 1,
		.error_file = -1,
		.generation = 4,
		.config = 1,
		.tickets = 9,
		.ticket = 9,
	};
	static const struct saved_config config[] = { { 5 }, { 6 } };
	static const struct saved_listener listener[] = {
		{ .fd = 10, .asked = "*:80", .systemd_name = "", .generation = 4, .stored = "" },
		{ .fd = 11,
		  .asked = "unix:/run/www",
		  .systemd_name = "",
		  .dev = 5,
		  .ino = -6,
		  .stored = "musterd-1-5-6-run-www" },
		{ .fd = 12, .asked = "", .systemd_name = "web", .adopted = 1, .stored = "" },
	};
	static const struct saved_totals totals = {
		"www", 11, 12, 13, 14, 16, 17, 15, 1, 2, 3, 4, 5
	};
	static const struct saved_control control = { 40, 1, 2 };
	static const struct saved_client client[] = {
		{ 41, 2, 9, 200, 0, 1, "upgrade\n", "" },
		{ 42, 1, 0, 201, 1000, 0, "stat", "ok" },
	};
	static const struct saved_output output[] = { { 1, "/var/log/www", 50 },
						      { 0, "/var/log/www", 51 } };
	struct saved *saved = saved_new();
	struct arena *arena = saved->arena;

	saved->master = memcpy(arena_alloc(arena, sizeof(master)), &master, sizeof(master));
	saved->config = memcpy(arena_alloc(arena, sizeof(config)), config, sizeof(config));
	saved->listener = memcpy(arena_alloc(arena, sizeof(listener)), listener, sizeof(listener));
	saved->totals = memcpy(arena_alloc(arena, sizeof(totals)), &totals, sizeof(totals));
	saved->control = memcpy(arena_alloc(arena, sizeof(control)), &control, sizeof(control));
	saved->client = memcpy(arena_alloc(arena, sizeof(client)), client, sizeof(client));
	saved->masters = saved->services = saved->controls = 1;
	saved->configs = saved->clients = 2;
	saved->listeners = 3;
	fixture_pools(saved);
	saved->output = memcpy(arena_alloc(arena, sizeof(output)), output, sizeof(output));
	saved->outputs = 2;
	return saved;
}

static inline uint32_t get_u32(const char *bytes, size_t at)
{
	uint32_t number;

	memcpy(&number, bytes + at, sizeof(number));
	return number;
}

static inline void set_u32(char *bytes, size_t at, uint32_t number)
{
	memcpy(bytes + at, &number, sizeof(number));
}

/*
 * The same state as a later version could write it: more values at the end of every record, and records of a
 * tag that is not known yet, between the others and last. malloc'd.
 */
static inline char *fixture_longer(const char *bytes, size_t len, size_t *len_r)
{
	static const char more[] = "\1\7\7\7\7\7\7\7\7\3\5\0\0\0later\x7fwhatever";
	const uint32_t unknown[] = { 0xfffffff0, sizeof(more) };
	char *longer = malloc(len * 8);
	size_t to = HEAD_LENGTH;

	memcpy(longer, bytes, HEAD_LENGTH);
	for (size_t at = HEAD_LENGTH; at < len;) {
		size_t record = 8 + get_u32(bytes, at + 4);

		memcpy(longer + to, bytes + at, record);
		set_u32(longer, to + 4, (uint32_t)(record - 8 + sizeof(more)));
		memcpy(longer + to + record, more, sizeof(more));
		to += record + sizeof(more);
		memcpy(longer + to, unknown, sizeof(unknown));
		memcpy(longer + to + sizeof(unknown), more, sizeof(more));
		to += sizeof(unknown) + sizeof(more);
		at += record;
	}
	set_u32(longer, HEAD_TOTAL, (uint32_t)to);
	*len_r = to;
	return longer;
}

#endif
