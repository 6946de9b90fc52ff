/* SPDX-License-Identifier: MIT */
/*
 * The choice of a server: exact sequences, shares, and what must hold whatever comes (the seed is
 * printed).
 */
#include "services/http/gateway/choice.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FAIL_MS = 10000, N_MAX = CHOICE_SERVERS_MAX };

static struct choice *choice;
static struct choice_server server[N_MAX];
static struct choice_rules rules;

/* n servers of weight 1, named a, b, c ...; round robin, three failures within ten seconds. */
static void setup(int n)
{
	static char name[N_MAX][16];

	rules = (struct choice_rules){ .max_fails = 3, .fail_ms = FAIL_MS };
	memset(server, 0, sizeof server);
	for (int i = 0; i < n; i++) {
		snprintf(name[i], sizeof name[i], "server-%c:80", 'a' + i);
		server[i].name = name[i];
		server[i].weight = 1;
	}
}

static void begin(int n)
{
	choice_free(choice);
	choice = choice_new(&rules, server, n);
	ck_assert_ptr_nonnull(choice);
}

static void teardown(void)
{
	choice_free(choice);
	choice = NULL;
}

/* One request, begun and ended. */
static int take_once(int64_t now, uint64_t key)
{
	struct choice_request request = { 0 };
	int chosen = choice_take(choice, now, key, &request);

	if (chosen >= 0)
		choice_release(choice, &request);
	return chosen;
}

/* "aabacaa" */
static const char *sequence(int len)
{
	static char text[256];

	for (int i = 0; i < len; i++)
		text[i] = (char)('a' + take_once(0, 0));
	text[len] = '\0';
	return text;
}

/* Requests to `server` alone, each of which fails; true: the last one put it out. */
static bool let_fail(int index, int64_t now, int times)
{
	bool put_out = false;

	while (times--) {
		struct choice_request request = { .tried = ~(UINT64_C(1) << index) };

		ck_assert_int_eq(choice_take(choice, now, 0, &request), index);
		put_out = choice_failed(choice, now, &request);
		choice_release(choice, &request);
	}
	return put_out;
}

/* ---------------------------------------------------------------------------------- round robin ---- */

START_TEST(round_robin_is_smooth)
{
	static const struct {
		uint32_t weight[4];
		const char *expected;
	} row[] = {
		{ { 1 }, "aaaa" },
		{ { 7 }, "aaaa" },
		{ { 1, 1 }, "abababab" },
		{ { 1, 1, 1 }, "abcabcabc" },
		{ { 5, 1, 1 }, "aabacaaaabacaa" },
		{ { 1, 2, 1 }, "bacbbacb" },
		{ { 3, 3, 3 }, "abcabcabc" },
		{ { 4, 3, 2, 1 }, "abcabdacbaabcabdacba" },
		{ { 1, 10 }, "bbbbbabbbbbbbbbbabbbbb" },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		int n = 0;

		setup(4);
		while (n < 4 && row[i].weight[n]) {
			server[n].weight = row[i].weight[n];
			n++;
		}
		begin(n);
		ck_assert_str_eq(sequence((int)strlen(row[i].expected)), row[i].expected);
	}
}
END_TEST

/* In each run of as many choices as the weights add up to, wherever it begins, each server has its weight. */
START_TEST(round_robin_is_exact)
{
	srandom(4711);
	for (int round = 0; round < 50; round++) {
		int n = 1 + (int)(random() % 10), count[10] = { 0 }, chosen[2000];
		uint32_t total = 0;

		setup(n);
		for (int i = 0; i < n; i++)
			total += server[i].weight = 1 + (uint32_t)(random() % 40);
		rules.seed = (uint64_t)random();
		begin(n);
		for (uint32_t k = 0; k < 5 * total; k++) {
			chosen[k] = take_once(0, 0);
			count[chosen[k]]++;
			if (k >= total)
				count[chosen[k - total]]--;
			for (int i = 0; k + 1 >= total && i < n; i++)
				ck_assert_int_eq(count[i], (int)server[i].weight);
		}
	}
}
END_TEST

START_TEST(workers_begin_at_different_places)
{
	char all[64];

	setup(3);
	server[0].weight = 3;
	server[1].weight = 2;
	begin(3);
	strcpy(all, sequence(24));
	for (uint64_t seed = 0; seed < 20; seed++) {
		rules.seed = seed;
		begin(3);
		ck_assert_msg(strncmp(sequence(12), all + seed % 6, 12) == 0, "seed %d", (int)seed);
	}
}
END_TEST

START_TEST(workers_begin_at_different_backups)
{
	setup(3);
	server[0].down = server[1].backup = server[2].backup = true;
	begin(3);
	ck_assert_str_eq(sequence(3), "bcb");
	rules.seed = 1;
	begin(3);
	ck_assert_str_eq(sequence(3), "cbc");
}
END_TEST

/* Weights that have drifted apart while servers came and went are soon forgotten. */
START_TEST(round_robin_is_exact_again_after_an_outage)
{
	int count[3] = { 0 };

	setup(3);
	server[0].weight = 4;
	server[1].weight = 2;
	begin(3);
	for (int i = 0; i < 1000; i++) {
		choice_set_ill(choice, i % 3, i % 7 != 0);
		take_once(0, 0);
	}
	for (int i = 0; i < 3; i++)
		choice_set_ill(choice, i, false);
	for (int i = 0; i < 700; i++)
		count[take_once(0, 0)]++;
	ck_assert_int_ge(count[0], 398);
	ck_assert_int_le(count[0], 402);
	ck_assert_int_ge(count[1], 198);
	ck_assert_int_le(count[1], 202);
	ck_assert_int_ge(count[2], 98);
}
END_TEST

/* ----------------------------------------------------------------------------------- least busy ---- */

START_TEST(the_least_busy_is_chosen_by_weight)
{
	struct choice_request request[9] = { 0 };
	char got[10] = "";

	setup(3);
	rules.balance = CHOICE_LEAST_BUSY;
	server[0].weight = 2;
	begin(3);
	for (int i = 0; i < 8; i++)
		got[i] = (char)('a' + choice_take(choice, 0, 0, &request[i]));
	/* idle ones first, by turns; then who has least for its weight */
	ck_assert_str_eq(got, "abcacaba");
	/* b has become free, whoever's turn it is */
	choice_release(choice, &request[1]);
	choice_release(choice, &request[6]);
	ck_assert_int_eq(choice_take(choice, 0, 0, &request[8]), 1);
}
END_TEST

START_TEST(those_that_are_equally_busy_take_turns)
{
	setup(3);
	rules.balance = CHOICE_LEAST_BUSY;
	server[0].weight = 5;
	begin(3);
	ck_assert_str_eq(sequence(14), "aabacaaaabacaa");
}
END_TEST

START_TEST(nobody_is_less_busy_than_the_chosen_one)
{
	struct choice_request request[200];
	uint64_t busy[5] = { 0 };
	int held = 0;

	srandom(815);
	setup(5);
	rules.balance = CHOICE_LEAST_BUSY;
	for (int i = 0; i < 5; i++)
		server[i].weight = 1 + (uint32_t)(random() % 9);
	begin(5);
	for (int step = 0; step < 20000; step++) {
		if (held == 200 || (held && random() % 2)) {
			int i = (int)(random() % held);

			busy[request[i].server]--;
			choice_release(choice, &request[i]);
			request[i] = request[--held];
			continue;
		}
		request[held] = (struct choice_request){ 0 };
		int chosen = choice_take(choice, 0, 0, &request[held++]);

		for (int i = 0; i < 5; i++)
			ck_assert_uint_le(busy[chosen] * server[i].weight,
					  busy[i] * server[chosen].weight);
		busy[chosen]++;
	}
}
END_TEST

/* ----------------------------------------------------------------------------------------- hash ---- */

static void expect_share(int count, int all, double share)
{
	double expected = all * share, difference = count - expected;

	/* five standard deviations */
	ck_assert_msg(difference * difference < 25 * expected * (1 - share), "%d of %d, not %.0f",
		      count, all, expected);
}

static void count_keys(int n, int keys, int *count)
{
	memset(count, 0, (size_t)n * sizeof *count);
	for (int k = 0; k < keys; k++) {
		char key[32];
		int len = snprintf(key, sizeof key, "/item/%d", k);

		count[take_once(0, choice_key(key, (size_t)len))]++;
	}
}

START_TEST(keys_are_shared_by_weight)
{
	static const uint32_t weights[][8] = {
		{ 1 },       { 1, 1 },       { 7, 7, 7 },
		{ 1, 2 },    { 1, 2, 3, 4 }, { 1, 1, 1, 1, 1, 1, 1, 5 },
		{ 1, 1000 }, { 1000, 1, 1 }, { 1000, 999, 998, 500, 300, 20, 10, 100 },
	};

	for (size_t row = 0; row < sizeof weights / sizeof *weights; row++) {
		int n = 0, count[8], keys = 60000;
		uint32_t total = 0;

		setup(8);
		rules.balance = CHOICE_HASH;
		while (n < 8 && weights[row][n]) {
			server[n].weight = weights[row][n];
			total += weights[row][n++];
		}
		begin(n);
		count_keys(n, keys, count);
		for (int i = 0; n > 1 && i < n; i++)
			expect_share(count[i], keys, (double)server[i].weight / total);
		if (n == 1)
			ck_assert_int_eq(count[0], keys);
	}
}
END_TEST

START_TEST(numbers_are_keys_as_good_as_texts)
{
	int count[N_MAX] = { 0 };

	setup(N_MAX);
	rules.balance = CHOICE_HASH;
	begin(N_MAX);
	for (uint32_t address = 0; address < 64000; address++)
		count[take_once(0, choice_key((const char *)&address, sizeof address))]++;
	for (int i = 0; i < N_MAX; i++)
		expect_share(count[i], 64000, 1.0 / N_MAX);
}
END_TEST

/*
 * What must not change between workers, programs, machines: by another program, with logarithms in
 * floating point. The first ten keys are shared by equals.
 */
START_TEST(keys_stay_where_they_are)
{
	static const char expected[] = "dbbdacddbcaacacacabc";
	char got[32] = "";

	ck_assert_uint_eq(choice_key("", 0), choice_key("x", 0));
	ck_assert_uint_ne(choice_key("a", 1), choice_key("b", 1));
	for (uint64_t seed = 0; seed < 3; seed++) {
		setup(4);
		rules.balance = CHOICE_HASH;
		rules.seed = seed;
		begin(4);
		for (int i = 0; i < 10; i++)
			got[i] = (char)('a' +
					take_once(0, choice_key((char[]){ (char)('0' + i) }, 1)));
		server[1].weight = 2;
		begin(4);
		for (int i = 0; i < 10; i++)
			got[10 + i] =
				(char)('a' +
				       take_once(0, choice_key((char[]){ (char)('k' + i) }, 1)));
		ck_assert_str_eq(got, expected);
	}
}
END_TEST

enum { KEYS = 20000 };

static void map_keys(const char **name_of_key)
{
	for (int k = 0; k < KEYS; k++) {
		int chosen = take_once(0, choice_key((const char *)&k, sizeof k));

		name_of_key[k] = chosen < 0 ? NULL : server[chosen].name;
	}
}

static void set_weights(int n, bool differ)
{
	setup(n);
	rules.balance = CHOICE_HASH;
	for (int i = 0; differ && i < n; i++)
		server[i].weight = 1 + (uint32_t)i % 3;
}

/* Out, ill, tried, taken from the configuration: its keys alone move, to all the others. */
START_TEST(who_leaves_moves_its_own_keys_alone)
{
	static const char *before[KEYS], *after[KEYS];

	for (int differ = 0; differ < 2; differ++) {
		int moved = 0, got[8] = { 0 };

		set_weights(8, differ);
		begin(8);
		map_keys(before);
		choice_set_ill(choice, 3, true);
		map_keys(after);
		for (int k = 0; k < KEYS; k++) {
			ck_assert(before[k] == server[3].name || before[k] == after[k]);
			moved += before[k] == server[3].name;
			for (int i = 0; i < 8; i++)
				got[i] += before[k] != after[k] && after[k] == server[i].name;
		}
		expect_share(moved, KEYS, (differ ? 1.0 / 15 : 1.0 / 8));
		for (int i = 0; i < 8; i++)
			if (i != 3)
				expect_share(got[i], moved,
					     differ ? server[i].weight / 14.0 : 1.0 / 7);
		choice_set_ill(choice, 3, false);
		map_keys(after);
		ck_assert_mem_eq(before, after, sizeof before);
	}
}
END_TEST

START_TEST(who_joins_takes_keys_and_moves_no_others)
{
	static const char *before[KEYS], *after[KEYS];

	for (int differ = 0; differ < 2; differ++) {
		struct choice_server first;

		set_weights(9, differ);
		begin(8);
		map_keys(before);
		/* the order in the configuration does not matter */
		first = server[0];
		server[0] = server[8];
		server[8] = first;
		begin(9);
		map_keys(after);
		for (int k = 0; k < KEYS; k++)
			ck_assert(after[k] == server[0].name || before[k] == after[k]);
	}
}
END_TEST

START_TEST(more_weight_only_brings_keys)
{
	static const char *before[KEYS], *after[KEYS];

	set_weights(5, true);
	begin(5);
	map_keys(before);
	server[2].weight *= 2;
	begin(5);
	map_keys(after);
	for (int k = 0; k < KEYS; k++)
		ck_assert(after[k] == server[2].name || before[k] == after[k]);
	ck_assert_mem_ne(before, after, sizeof before);
}
END_TEST

START_TEST(no_server_has_more_than_its_bound)
{
	struct choice_request request[300];
	int busy[3] = { 0 }, held = 0, first = 0;

	setup(3);
	rules.balance = CHOICE_HASH;
	rules.load_percent = 125;
	server[0].weight = 2;
	begin(3);
	while (held < 300) {
		int chosen;

		request[held] = (struct choice_request){ 0 };
		chosen = choice_take(choice, 0, 42, &request[held]);
		if (!held)
			first = chosen;
		busy[chosen]++;
		held++;
		/* rounded up: at most one more than 125 % of the share */
		ck_assert_int_lt((busy[chosen] - 1) * 4 * 100,
				 held * (int)server[chosen].weight * 125);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(busy[i], 0);
	while (held)
		choice_release(choice, &request[--held]);
	ck_assert_int_eq(take_once(0, 42), first);
}
END_TEST

START_TEST(without_a_bound_one_key_may_fill_one_server)
{
	struct choice_request request[100] = { 0 };

	setup(3);
	rules.balance = CHOICE_HASH;
	begin(3);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(choice_take(choice, 0, 42, &request[i]), request[0].server);
}
END_TEST

/* ------------------------------------------------------------------------------------- failures ---- */

START_TEST(so_many_failures_within_the_time_put_a_server_out)
{
	static const struct {
		int64_t at[5];
		int64_t out_at; /* 0: never */
	} row[] = {
		{ { 1, 1, 1 }, 1 },
		{ { 1, 2, 3 }, 3 },
		{ { 1, 2, 1 + FAIL_MS }, 1 + FAIL_MS },
		{ { 1, 2, 2 + FAIL_MS }, 0 },
		{ { 1, 2, 2 + FAIL_MS, 2 + FAIL_MS }, 2 + FAIL_MS },
		{ { 1, FAIL_MS, FAIL_MS + 5, FAIL_MS + 6 }, FAIL_MS + 6 },
		{ { 1, 1 + FAIL_MS, 1 + 2 * FAIL_MS, 1 + 3 * FAIL_MS }, 0 },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		int64_t out_at = 0;

		setup(2);
		begin(2);
		for (int k = 0; k < 5 && row[i].at[k] && !out_at; k++) {
			ck_assert_int_eq(choice_standing(choice, 0, row[i].at[k]), CHOICE_IN);
			if (let_fail(0, row[i].at[k], 1))
				out_at = row[i].at[k];
		}
		ck_assert_msg(out_at == row[i].out_at, "row %zu: %d", i, (int)out_at);
		if (!out_at)
			continue;
		ck_assert_int_eq(choice_standing(choice, 0, out_at + FAIL_MS - 1), CHOICE_OUT);
		ck_assert_int_eq(choice_standing(choice, 0, out_at + FAIL_MS), CHOICE_DUE);
		for (int k = 0; k < 10; k++)
			ck_assert_int_eq(take_once(out_at + FAIL_MS - 1, 0), 1);
	}
}
END_TEST

START_TEST(without_max_fails_nobody_is_put_out)
{
	setup(2);
	rules.max_fails = 0;
	begin(2);
	ck_assert(!let_fail(0, 1, 1000));
	ck_assert_int_eq(choice_standing(choice, 0, 1), CHOICE_IN);
}
END_TEST

START_TEST(one_failure_is_enough_if_so_configured)
{
	setup(2);
	rules.max_fails = 1;
	begin(2);
	ck_assert(let_fail(0, 1, 1));
	ck_assert_int_eq(choice_standing(choice, 0, 1), CHOICE_OUT);
}
END_TEST

/* a and b; a is out and its time over: as many requests as wanted, until it is given one. */
static void try_again(struct choice_request *request, int64_t now)
{
	for (int i = 0; i < 3; i++) {
		*request = (struct choice_request){ 0 };
		if (choice_take(choice, now, 0, request) == 0)
			return;
		choice_release(choice, request);
	}
	ck_abort_msg("a is not tried");
}

START_TEST(a_server_comes_back_by_one_request_at_a_time)
{
	struct choice_request request;

	setup(2);
	begin(2);
	ck_assert(let_fail(0, 0, 3));
	try_again(&request, FAIL_MS);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(take_once(FAIL_MS, 0), 1);
	ck_assert_int_eq(choice_standing(choice, 0, FAIL_MS), CHOICE_DUE);
	ck_assert(choice_succeeded(choice, &request));
	ck_assert_int_eq(choice_standing(choice, 0, FAIL_MS), CHOICE_IN);
	ck_assert(!choice_succeeded(choice, &request));
	choice_release(choice, &request);
	/* what was before is forgotten */
	ck_assert(!let_fail(0, FAIL_MS, 2));
	ck_assert(let_fail(0, FAIL_MS, 1));
}
END_TEST

START_TEST(a_try_that_fails_keeps_it_out_for_as_long_again)
{
	struct choice_request request;

	setup(2);
	begin(2);
	let_fail(0, 0, 3);
	try_again(&request, FAIL_MS + 500);
	ck_assert(!choice_failed(choice, FAIL_MS + 700, &request));
	choice_release(choice, &request);
	ck_assert_int_eq(choice_standing(choice, 0, 2 * FAIL_MS + 699), CHOICE_OUT);
	ck_assert_int_eq(choice_standing(choice, 0, 2 * FAIL_MS + 700), CHOICE_DUE);
}
END_TEST

START_TEST(a_try_without_an_outcome_is_followed_by_another)
{
	struct choice_request request;

	setup(2);
	begin(2);
	let_fail(0, 0, 3);
	try_again(&request, FAIL_MS);
	choice_release(choice, &request);
	try_again(&request, FAIL_MS);
	ck_assert(choice_succeeded(choice, &request));
	choice_release(choice, &request);
}
END_TEST

START_TEST(outcomes_of_earlier_requests_do_not_count_for_one_that_is_out)
{
	struct choice_request early[2] = { { .tried = 2 }, { .tried = 2 } };

	setup(2);
	begin(2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(choice_take(choice, 0, 0, &early[i]), 0);
	let_fail(0, 0, 3);
	ck_assert(!choice_succeeded(choice, &early[0]));
	ck_assert(!choice_failed(choice, 5000, &early[1]));
	ck_assert_int_eq(choice_standing(choice, 0, FAIL_MS - 1), CHOICE_OUT);
	ck_assert_int_eq(choice_standing(choice, 0, FAIL_MS), CHOICE_DUE);
	choice_release(choice, &early[0]);
	choice_release(choice, &early[1]);
}
END_TEST

/* It answered, and died in the middle of its content. */
START_TEST(a_request_that_decided_may_still_fail)
{
	struct choice_request request;

	setup(2);
	rules.max_fails = 1;
	begin(2);
	let_fail(0, 0, 1);
	try_again(&request, FAIL_MS);
	ck_assert(choice_succeeded(choice, &request));
	ck_assert(choice_failed(choice, FAIL_MS + 1, &request));
	choice_release(choice, &request);
	ck_assert_int_eq(choice_standing(choice, 0, FAIL_MS + 1), CHOICE_OUT);
}
END_TEST

START_TEST(where_all_are_out_all_are_tried)
{
	struct choice_request request = { 0 };
	int count[3] = { 0 };

	setup(3);
	begin(3);
	for (int i = 0; i < 3; i++)
		let_fail(i, i, 3);
	for (int i = 0; i < 300; i++)
		count[take_once(10, 0)]++;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(count[i], 100);
	/* the first that answers is in, and has them all */
	ck_assert_int_ge(choice_take(choice, 10, 0, &request), 0);
	ck_assert(choice_succeeded(choice, &request));
	choice_release(choice, &request);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(take_once(10, 0), request.server);
}
END_TEST

START_TEST(a_single_server_is_never_given_up)
{
	setup(1);
	begin(1);
	ck_assert(let_fail(0, 0, 3));
	ck_assert(!let_fail(0, 1, 100));
	ck_assert_int_eq(take_once(2, 0), 0);
	choice_set_ill(choice, 0, true);
	ck_assert_int_eq(take_once(2, 0), -1);
}
END_TEST

/* ---------------------------------------------------------------------- backup, down, ill, tried ---- */

START_TEST(backups_serve_only_while_all_others_cannot)
{
	setup(4);
	server[2].backup = server[3].backup = true;
	begin(4);
	ck_assert_str_eq(sequence(6), "ababab");
	choice_set_ill(choice, 0, true);
	ck_assert_str_eq(sequence(4), "bbbb");
	let_fail(1, 0, 3);
	ck_assert_str_eq(sequence(4), "cdcd");
	let_fail(2, 0, 3);
	ck_assert_str_eq(sequence(4), "dddd");
	/* the time of b is over: a request tries it, and it is b that is chosen from then on */
	ck_assert_int_eq(take_once(FAIL_MS, 0), 1);
	choice_set_ill(choice, 0, false);
	ck_assert_str_eq(sequence(2), "aa");
}
END_TEST

START_TEST(down_is_down)
{
	setup(3);
	server[0].down = true;
	begin(3);
	ck_assert_str_eq(sequence(4), "bcbc");
	ck_assert_int_eq(choice_standing(choice, 0, 0), CHOICE_DOWN);
	choice_set_ill(choice, 1, true);
	choice_set_ill(choice, 2, true);
	ck_assert_int_eq(choice_standing(choice, 1, 0), CHOICE_ILL);
	ck_assert_int_eq(take_once(0, 0), -1);
	/* well again, and its failures of before forgotten */
	choice_set_ill(choice, 2, false);
	ck_assert_str_eq(sequence(2), "cc");
}
END_TEST

START_TEST(who_is_well_again_is_in)
{
	setup(2);
	begin(2);
	let_fail(0, 0, 3);
	choice_set_ill(choice, 0, false);
	ck_assert_int_eq(choice_standing(choice, 0, 0), CHOICE_OUT);
	choice_set_ill(choice, 0, true);
	choice_set_ill(choice, 0, false);
	ck_assert_int_eq(choice_standing(choice, 0, 0), CHOICE_IN);
}
END_TEST

START_TEST(a_request_goes_to_no_server_twice)
{
	for (int balance = CHOICE_ROUND_ROBIN; balance <= CHOICE_HASH; balance++) {
		struct choice_request request = { 0 };
		uint64_t seen = 0;

		setup(N_MAX);
		rules.balance = (enum choice_balance)balance;
		server[5].backup = true;
		server[6].down = true;
		begin(N_MAX);
		for (int i = 0; i < N_MAX - 1; i++) {
			int chosen = choice_take(choice, 0, 99, &request);

			ck_assert_int_ge(chosen, 0);
			ck_assert(!(seen >> chosen & 1));
			ck_assert_int_eq(chosen == 5, i == N_MAX - 2);
			seen |= UINT64_C(1) << chosen;
			choice_failed(choice, 0, &request);
			choice_release(choice, &request);
		}
		ck_assert_int_eq(choice_take(choice, 0, 99, &request), -1);
		ck_assert(!(seen >> 6 & 1));
	}
}
END_TEST

/* ----------------------------------------------------------------------------- whatever happens ---- */

enum { REQUESTS = 40 };

struct world {
	int n;
	int64_t now;
	struct choice_request request[REQUESTS];
};

static bool is_usable(const struct world *world, int i)
{
	enum choice_standing standing = choice_standing(choice, i, world->now);
	int deciding = 0;

	for (int k = 0; k < REQUESTS; k++)
		deciding += world->request[k].holds && world->request[k].decides &&
			    world->request[k].server == i;
	return standing == CHOICE_IN || (standing == CHOICE_DUE && !deciding);
}

/* What choice.h says of who is chosen, in other words. */
static void check_take(struct world *world, struct choice_request *request)
{
	uint64_t tried = request->tried, usable[2] = { 0 }, any = 0;
	int chosen;

	for (int i = 0; i < world->n; i++) {
		if (tried >> i & 1 || choice_standing(choice, i, world->now) >= CHOICE_ILL)
			continue;
		any |= UINT64_C(1) << i;
		if (is_usable(world, i))
			usable[server[i].backup] |= UINT64_C(1) << i;
	}
	chosen = choice_take(choice, world->now, (uint64_t)random(), request);
	if (!any) {
		ck_assert_int_eq(chosen, -1);
		ck_assert(!request->holds);
		return;
	}
	if (usable[0])
		any = usable[0];
	else if (usable[1])
		any = usable[1];
	ck_assert_int_ge(chosen, 0);
	ck_assert_msg(any >> chosen & 1, "%d is chosen", chosen);
	ck_assert_uint_eq(request->tried, tried | UINT64_C(1) << chosen);
}

static void check_end(struct world *world, struct choice_request *request)
{
	int i = request->server;
	enum choice_standing before = choice_standing(choice, i, world->now);

	switch (random() % 3) {
	case 0:
		if (choice_succeeded(choice, request)) {
			ck_assert(before != CHOICE_IN && before != CHOICE_DOWN);
			ck_assert_int_ne(choice_standing(choice, i, world->now), CHOICE_OUT);
		}
		break;
	case 1:
		if (choice_failed(choice, world->now, request))
			ck_assert_int_ge(choice_standing(choice, i, world->now), CHOICE_OUT);
		break;
	default:
		break;
	}
	choice_release(choice, request);
	if (random() % 2)
		*request = (struct choice_request){ 0 };
}

static void run_world(void)
{
	struct world world = { .n = 1 + (int)(random() % 9), .now = random() % 1000 };

	setup(world.n);
	rules = (struct choice_rules){
		.balance = (enum choice_balance)(random() % 3),
		.max_fails = (uint32_t)(random() % 4),
		.fail_ms = 1 + random() % 2000,
		.load_percent = random() % 2 ? 100 + (uint32_t)(random() % 100) : 0,
		.seed = (uint64_t)random(),
	};
	for (int i = 0; i < world.n; i++) {
		server[i].weight = 1 + (uint32_t)(random() % 5);
		server[i].backup = random() % 4 == 0;
		server[i].down = random() % 8 == 0;
	}
	begin(world.n);
	for (int step = 0; step < 2000; step++) {
		struct choice_request *request = &world.request[random() % REQUESTS];

		world.now += random() % 100;
		if (random() % 30 == 0)
			choice_set_ill(choice, (int)(random() % world.n), random() % 3 == 0);
		if (request->holds)
			check_end(&world, request);
		else
			check_take(&world, request);
	}
}

START_TEST(what_must_hold_holds_in_random_sequences)
{
	const char *given = getenv("CHOICE_SEED");
	unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);

	printf("CHOICE_SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed);
	for (int i = 0; i < 50; i++)
		run_world();
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("choice");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, round_robin_is_smooth);
	tcase_add_test(tcase, round_robin_is_exact);
	tcase_add_test(tcase, workers_begin_at_different_places);
	tcase_add_test(tcase, workers_begin_at_different_backups);
	tcase_add_test(tcase, round_robin_is_exact_again_after_an_outage);
	tcase_add_test(tcase, the_least_busy_is_chosen_by_weight);
	tcase_add_test(tcase, those_that_are_equally_busy_take_turns);
	tcase_add_test(tcase, nobody_is_less_busy_than_the_chosen_one);
	tcase_add_test(tcase, keys_are_shared_by_weight);
	tcase_add_test(tcase, numbers_are_keys_as_good_as_texts);
	tcase_add_test(tcase, keys_stay_where_they_are);
	tcase_add_test(tcase, who_leaves_moves_its_own_keys_alone);
	tcase_add_test(tcase, who_joins_takes_keys_and_moves_no_others);
	tcase_add_test(tcase, more_weight_only_brings_keys);
	tcase_add_test(tcase, no_server_has_more_than_its_bound);
	tcase_add_test(tcase, without_a_bound_one_key_may_fill_one_server);
	tcase_add_test(tcase, so_many_failures_within_the_time_put_a_server_out);
	tcase_add_test(tcase, without_max_fails_nobody_is_put_out);
	tcase_add_test(tcase, one_failure_is_enough_if_so_configured);
	tcase_add_test(tcase, a_server_comes_back_by_one_request_at_a_time);
	tcase_add_test(tcase, a_try_that_fails_keeps_it_out_for_as_long_again);
	tcase_add_test(tcase, a_try_without_an_outcome_is_followed_by_another);
	tcase_add_test(tcase, outcomes_of_earlier_requests_do_not_count_for_one_that_is_out);
	tcase_add_test(tcase, a_request_that_decided_may_still_fail);
	tcase_add_test(tcase, where_all_are_out_all_are_tried);
	tcase_add_test(tcase, a_single_server_is_never_given_up);
	tcase_add_test(tcase, backups_serve_only_while_all_others_cannot);
	tcase_add_test(tcase, down_is_down);
	tcase_add_test(tcase, who_is_well_again_is_in);
	tcase_add_test(tcase, a_request_goes_to_no_server_twice);
	tcase_add_test(tcase, what_must_hold_holds_in_random_sequences);
	return unit_main("gateway_choice", tcase);
}
