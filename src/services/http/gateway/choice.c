/* SPDX-License-Identifier: MIT */
/*
 * The choice of a server; see choice.h. Sets of servers are bits of a word, and whole numbers are
 * all there is: a worker of another machine or compiler chooses the same.
 */
#include "services/http/gateway/choice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct server {
	uint64_t id;     /* of its name */
	int64_t turn;    /* smooth round robin: how far it lags behind its share */
	int64_t out_end; /* is_out: until then */
	int64_t *failed; /* times of the last max_fails failures; the next one goes to [next] */
	uint32_t next;
	uint32_t fails; /* how many of those there are */
	uint32_t weight;
	uint32_t busy;     /* requests */
	uint32_t deciding; /* requests whose outcome decides */
	bool backup, down, ill, is_out;
};

/* Of logarithms, for shares by weight. */
enum { LOG_BITS = 24, LOG_STEP_BITS = 8, LOG_STEPS = 1 << LOG_STEP_BITS };

struct choice {
	struct choice_rules rules;
	uint32_t logs[LOG_STEPS + 1];
	bool is_weighted; /* not all weights are the same */
	int n;
	struct server server[];
};

static uint64_t bit(int i)
{
	return UINT64_C(1) << i;
}

/* The lowest member of a set that is not empty. */
static int first_of(uint64_t set)
{
	assert(set);
	return __builtin_ctzll(set);
}

/* ----------------------------------------------------------------------------- round robin ---- */

/*
 * Each gains its weight and the one that is ahead pays for all: {5, 1, 1} goes a a b a c a a. A
 * server that takes no part keeps what it has; the sum over all stays 0, so none can run away.
 */
static int choose_in_turn(struct choice *choice, uint64_t set)
{
	struct server *best = &choice->server[first_of(set)];
	int64_t total = 0;

	for (uint64_t rest = set; rest; rest &= rest - 1) {
		struct server *server = &choice->server[first_of(rest)];

		server->turn += server->weight;
		total += server->weight;
		if (server->turn > best->turn)
			best = server;
	}
	best->turn -= total;
	return (int)(best - choice->server);
}

static uint64_t all_of(const struct choice *choice, bool backup)
{
	uint64_t set = 0;

	for (int i = 0; i < choice->n; i++)
		if (choice->server[i].backup == backup && !choice->server[i].down)
			set |= bit(i);
	return set;
}

/* To a place within the round that the seed says. */
static void begin_round(struct choice *choice, uint64_t set)
{
	uint64_t total = 0;

	for (uint64_t rest = set; rest; rest &= rest - 1)
		total += choice->server[first_of(rest)].weight;
	for (uint64_t steps = total ? choice->rules.seed % total : 0; steps; steps--)
		choose_in_turn(choice, set);
}

/* ------------------------------------------------------------------------------ least busy ---- */

static int choose_least_busy(struct choice *choice, uint64_t set)
{
	const struct server *least = NULL;
	uint64_t ties = 0;

	for (uint64_t rest = set; rest; rest &= rest - 1) {
		int i = first_of(rest);
		const struct server *server = &choice->server[i];
		uint64_t load = least ? (uint64_t)server->busy * least->weight : 0;
		uint64_t lowest = least ? (uint64_t)least->busy * server->weight : 1;

		if (load < lowest) {
			least = server;
			ties = 0;
		}
		if (load <= lowest)
			ties |= bit(i);
	}
	return choose_in_turn(choice, ties);
}

/* ------------------------------------------------------------------------------------ hash ---- */

/* All bits of the result hang on all bits of the word. */
static uint64_t mix(uint64_t word)
{
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
	word = (word ^ word >> 27) * 0x94d049bb133111eb;
	return word ^ word >> 31;
}

uint64_t choice_key(const char *data, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3;
	return mix(hash);
}

/* log2(1 + i / LOG_STEPS) with LOG_BITS bits behind the point, by repeated squaring. */
static uint32_t log2_of_step(uint64_t i)
{
	uint64_t x = (LOG_STEPS + i) << (31 - LOG_STEP_BITS); /* 1 to 2, of which 2^31 is 1 */
	uint32_t log2 = 0;

	for (int bits = 0; bits < LOG_BITS; bits++) {
		x = x * x >> 31;
		log2 = log2 << 1 | (uint32_t)(x >> 32);
		x >>= x >> 32;
	}
	return log2;
}

/* The last step, log2(2), is beyond what the loop above can tell. */
static void make_logs(uint32_t *logs)
{
	for (uint64_t i = 0; i < LOG_STEPS; i++)
		logs[i] = log2_of_step(i);
	logs[LOG_STEPS] = 1U << LOG_BITS;
}

/* -log2(hash / 2^64) with LOG_BITS bits behind the point: straight lines between the steps. */
static uint64_t distance(const uint32_t *logs, uint64_t hash)
{
	int zeros = __builtin_clzll(hash | 1);
	uint64_t rest = (hash | 1) << zeros << 1; /* behind the first 1 */
	const uint32_t *step = &logs[rest >> (64 - LOG_STEP_BITS)];
	uint64_t part = rest << LOG_STEP_BITS >> 32;
	uint64_t log2 = step[0] + ((step[1] - step[0]) * part >> 32);

	return ((uint64_t)(zeros + 1) << LOG_BITS) - log2;
}

/*
 * Rendezvous: the server whose hash with the key is best. One that leaves gives its own keys to all
 * the others and moves no other key; each gets the share of its weight, because its distance is
 * divided by that. Measured with a million keys for 3, 8, 16 and 64 servers: 30, 90, 130 and 500 ns
 * (70, 80, 160, 730 where weights differ), shares off by what chance does. A ring of 160 points for
 * a unit of weight: 75 to 130 ns, 8 to 320 KiB, shares off by 8 to 19 %.
 */
static int choose_by_key(const struct choice *choice, uint64_t set, uint64_t key)
{
	uint64_t least = 0, least_weight = 0;
	int best = -1;

	assert(set);
	for (uint64_t rest = set; rest; rest &= rest - 1) {
		int i = first_of(rest);
		uint64_t hash = mix(key ^ choice->server[i].id);
		uint64_t weight = choice->is_weighted ? choice->server[i].weight : 1;
		uint64_t far = choice->is_weighted ? distance(choice->logs, hash) : ~hash;

		if (best < 0 || far * least_weight < least * weight) {
			least = far;
			least_weight = weight;
			best = i;
		}
	}
	return best;
}

/*
 * Those of the set that have room for one more within the bound (consistent hashing with bounded
 * loads, by Mirrokni, Thorup and Zadimoghaddam). Never none: the places add up to more than the
 * requests.
 */
static uint64_t within_bound(const struct choice *choice, uint64_t set)
{
	uint64_t busy = 1, total = 0, roomy = 0;

	for (uint64_t rest = set; rest; rest &= rest - 1) {
		busy += choice->server[first_of(rest)].busy;
		total += choice->server[first_of(rest)].weight;
	}
	for (uint64_t rest = set; rest; rest &= rest - 1) {
		const struct server *server = &choice->server[first_of(rest)];

		/* busy is below its share, before that is rounded up */
		if (server->busy * total * 100 < busy * server->weight * choice->rules.load_percent)
			roomy |= rest & -rest;
	}
	return roomy;
}

/* ------------------------------------------------------------------------- who can have it ---- */

static enum choice_standing standing_of(const struct server *server, int64_t now)
{
	if (server->down)
		return CHOICE_DOWN;
	if (server->ill)
		return CHOICE_ILL;
	if (!server->is_out)
		return CHOICE_IN;
	return now < server->out_end ? CHOICE_OUT : CHOICE_DUE;
}

enum choice_standing choice_standing(const struct choice *choice, int server, int64_t now)
{
	assert(server >= 0 && server < choice->n);
	return standing_of(&choice->server[server], now);
}

static uint64_t candidates(const struct choice *choice, int64_t now, uint64_t tried)
{
	uint64_t usable[2] = { 0, 0 }, resort = 0;

	for (int i = 0; i < choice->n; i++) {
		const struct server *server = &choice->server[i];
		enum choice_standing standing = standing_of(server, now);

		if (tried & bit(i) || standing >= CHOICE_ILL)
			continue;
		if (standing == CHOICE_IN || (standing == CHOICE_DUE && !server->deciding))
			usable[server->backup] |= bit(i);
		else
			resort |= bit(i);
	}
	if (usable[false])
		return usable[false];
	return usable[true] ? usable[true] : resort;
}

static int choose(struct choice *choice, uint64_t set, uint64_t key)
{
	switch (choice->rules.balance) {
	case CHOICE_LEAST_BUSY:
		return choose_least_busy(choice, set);
	case CHOICE_HASH:
		if (choice->rules.load_percent)
			set = within_bound(choice, set);
		return choose_by_key(choice, set, key);
	case CHOICE_ROUND_ROBIN:
		break;
	}
	return choose_in_turn(choice, set);
}

int choice_take(struct choice *choice, int64_t now, uint64_t key, struct choice_request *request)
{
	uint64_t set = candidates(choice, now, request->tried);
	struct server *server;

	assert(!request->holds);
	if (!set)
		return -1;
	request->server = choose(choice, set, key);
	server = &choice->server[request->server];
	request->tried |= bit(request->server);
	request->holds = true;
	request->decides = server->is_out;
	server->deciding += request->decides;
	server->busy++;
	return request->server;
}

/* ------------------------------------------------------------------------- what came of it ---- */

/* No longer the one whose outcome is waited for; whether it was. */
static bool settle(struct server *server, struct choice_request *request)
{
	bool decides = request->decides;

	server->deciding -= decides;
	request->decides = false;
	return decides;
}

static void let_in(struct server *server)
{
	server->is_out = false;
	server->fails = 0;
}

bool choice_succeeded(struct choice *choice, struct choice_request *request)
{
	struct server *server = &choice->server[request->server];

	assert(request->holds);
	/* An answer to what was asked before the server went out says nothing of how it is now. */
	if (!settle(server, request) || !server->is_out)
		return false;
	let_in(server);
	return true;
}

/* True: with this one there are max_fails of them within fail_ms. */
static bool is_one_too_many(struct server *server, const struct choice_rules *rules, int64_t now)
{
	if (!rules->max_fails)
		return false;
	server->failed[server->next] = now;
	server->next = (server->next + 1) % rules->max_fails;
	if (server->fails < rules->max_fails)
		server->fails++;
	/* failed[next] is now the oldest */
	return server->fails == rules->max_fails &&
	       now - server->failed[server->next] <= rules->fail_ms;
}

bool choice_failed(struct choice *choice, int64_t now, struct choice_request *request)
{
	struct server *server = &choice->server[request->server];
	bool was_out = server->is_out, decides;

	assert(request->holds);
	decides = settle(server, request);
	if (was_out ? decides : is_one_too_many(server, &choice->rules, now)) {
		server->is_out = true;
		server->out_end = now + choice->rules.fail_ms;
	}
	return server->is_out && !was_out;
}

void choice_release(struct choice *choice, struct choice_request *request)
{
	struct server *server = &choice->server[request->server];

	assert(request->holds && server->busy);
	settle(server, request);
	server->busy--;
	request->holds = false;
}

void choice_set_ill(struct choice *choice, int server, bool ill)
{
	assert(server >= 0 && server < choice->n);
	if (choice->server[server].ill && !ill)
		let_in(&choice->server[server]);
	choice->server[server].ill = ill;
}

/* -------------------------------------------------------------------------------- its life ---- */

struct choice *choice_new(const struct choice_rules *rules, const struct choice_server *server,
			  int n)
{
	size_t times = (size_t)n * rules->max_fails * sizeof(int64_t);
	struct choice *choice;
	int64_t *failed;

	assert(n >= 1 && n <= CHOICE_SERVERS_MAX && rules->max_fails <= CHOICE_FAILS_MAX);
	choice = calloc(1, sizeof(*choice) + (size_t)n * sizeof(struct server) + times);
	if (!choice)
		return NULL;
	choice->rules = *rules;
	choice->n = n;
	failed = (int64_t *)(void *)&choice->server[n];
	for (int i = 0; i < n; i++) {
		assert(server[i].weight >= 1 && server[i].weight <= CHOICE_WEIGHT_MAX);
		choice->is_weighted |= server[i].weight != server[0].weight;
		choice->server[i] = (struct server){
			.id = choice_key(server[i].name, strlen(server[i].name)),
			.failed = failed + (size_t)i * rules->max_fails,
			.weight = server[i].weight,
			.backup = server[i].backup,
			.down = server[i].down,
		};
	}
	make_logs(choice->logs);
	begin_round(choice, all_of(choice, false));
	begin_round(choice, all_of(choice, true));
	return choice;
}

void choice_free(struct choice *choice)
{
	free(choice);
}
