/* SPDX-License-Identifier: MIT */
/*
 * Keys and values in the memory of one worker. Commands are lines, and may be sent without waiting for answers:
 *     GET key            VALUE text, or NONE
 *     SET key text       OK; the text is the rest of the line, up to 8 KiB
 *     DEL key            OK or NONE
 *     INCR key [by]      VALUE sum; what is not there counts as 0
 * What cannot be done is answered with ERROR and a reason.
 *
 *     handler module kv { memory 64M };  workers 1
 *
 * Build: cc -shared -fPIC -O2 $(pkg-config --cflags musterd) -o kv.so kv.c
 */
#define _GNU_SOURCE
#include <musterd/module.h>

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 250, VALUE_MAX = 8192, ANSWER_MAX = VALUE_MAX + 64, OVERHEAD = 80 };

struct config {
	int64_t memory;
};

static const struct mu_directive directives[] = {
	{ "memory", MU_SIZE, offsetof(struct config, memory), "64M", 4096, INT64_MAX,
	  .help = "for all keys and values" },
	{ .name = NULL },
};

struct store {
	const struct config *config;
	void *tree; /* of pairs: see tsearch(3). A pair is a key and its value, each with its NUL, in one piece */
	int64_t used; /* OVERHEAD of each included, about: its node, and what malloc adds */
};

struct answers {
	size_t n;
	char text[2 * ANSWER_MAX];
};

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

static const char *value_of(const char *pair)
{
	return pair + strlen(pair) + 1;
}

static void drop(struct store *store, char *pair)
{
	store->used -= (int64_t)(strlen(pair) + strlen(value_of(pair)) + OVERHEAD);
	free(pair);
}

/* False: there is no room; then the old value stays. */
static bool set(struct store *store, const char *key, const char *value)
{
	int64_t cost = (int64_t)(strlen(key) + strlen(value) + OVERHEAD);
	char *pair, **place;

	if (store->used + cost > store->config->memory ||
	    asprintf(&pair, "%s%c%s", key, '\0', value) < 0)
		return false;
	place = tsearch(pair, &store->tree, compare_keys);
	if (!place) {
		free(pair);
		return false;
	}
	if (*place != pair)
		drop(store, *place);
	*place = pair;
	store->used += cost;
	return true;
}

/* Adds an answer: serve has made sure that there is room. */
MU_PRINTF(2, 3) static void say(struct answers *answers, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answers->n += (size_t)vsnprintf(answers->text + answers->n, ANSWER_MAX, format, args);
	va_end(args);
}

static void increase(struct store *store, const char *key, const char *value, const char *by,
		     struct answers *answers)
{
	char *end, *by_end, text[24];
	long long sum;

	errno = 0;
	if (__builtin_add_overflow(strtoll(value, &end, 10), strtoll(by, &by_end, 10), &sum) ||
	    errno || *end || *by_end) {
		say(answers, "ERROR not a number, or too large\n");
		return;
	}
	snprintf(text, sizeof(text), "%lld", sum);
	say(answers, set(store, key, text) ? "VALUE %s\n" : "ERROR full\n", text);
}

/* One command. It waits for nothing, so no other client sees half of it. */
static void run(struct store *store, char *line, struct answers *answers)
{
	char *text = line, *command = strsep(&text, " "), *key = strsep(&text, " ");
	char **place = key ? tfind(key, &store->tree, compare_keys) : NULL,
	     *pair = place ? *place : NULL;

	if (!key || !*key || strlen(key) > KEY_MAX)
		say(answers, "ERROR a command and a key of up to %d bytes, please\n", KEY_MAX);
	else if (text && strlen(text) > VALUE_MAX)
		say(answers, "ERROR too long\n");
	else if (strcasecmp(command, "SET") == 0)
		say(answers, set(store, key, text ? text : "") ? "OK\n" : "ERROR full\n");
	else if (strcasecmp(command, "INCR") == 0)
		increase(store, key, pair ? value_of(pair) : "0", text ? text : "1", answers);
	else if (strcasecmp(command, "GET") != 0 && strcasecmp(command, "DEL") != 0)
		say(answers, "ERROR there is no such command\n");
	else if (!pair)
		say(answers, "NONE\n");
	else if (strcasecmp(command, "GET") == 0)
		say(answers, "VALUE %s\n", value_of(pair));
	else {
		tdelete(key, &store->tree, compare_keys);
		drop(store, pair);
		say(answers, "OK\n");
	}
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	struct store *store = calloc(1, sizeof(*store));

	(void)worker;
	if (store)
		store->config = config;
	*state = store;
	return store ? 0 : -1;
}

static void stop(void *state)
{
	struct store *store = state;

	tdestroy(store->tree, free);
	free(store);
}

/* Called when something came: between commands a client is parked, and costs next to nothing. */
static int serve(struct mu_conn *conn, void *state)
{
	struct answers answers = { .n = 0 };
	const char *data;
	char *line;

	for (bool first = true;; first = false) {
		ssize_t n = (ssize_t)mu_buffered(conn, &data);

		/* Before a wait for the rest of a line, or short of room. Others have their turn in any case. */
		if (n == 0 || !memchr(data, '\n', (size_t)n) || answers.n > ANSWER_MAX) {
			if (mu_write(conn, answers.text, answers.n) < 0 ||
			    (n && mu_sleep(conn, 0) < 0))
				return MU_DONE;
			answers.n = 0;
		}
		if (n == 0 && !first)
			return mu_draining(conn) ? MU_DONE : mu_park(conn);
		n = mu_readline(conn, &line);
		if (n < 0 && errno == ENOBUFS && mu_printf(conn, "ERROR too long a line\n") == 0)
			mu_linger(conn); /* a close with bytes unread would destroy it */
		if (n <= 0 || line[n - 1] != '\n')
			return MU_DONE;
		line[n - (n > 1 && line[n - 2] == '\r' ? 2 : 1)] = '\0';
		run(state, line, &answers);
		mu_count_request(conn);
	}
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "kv",
	.help = "keys and values in the memory of one worker",
	.flags = MU_CLIENT_FIRST,
	.directives = directives,
	.config_size = sizeof(struct config),
	.start = start,
	.serve = serve,
	.stop = stop,
	.connections = 1024,
};
