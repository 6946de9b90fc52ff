/* SPDX-License-Identifier: MIT */
/*
 * A module for tests/system/test_module.py: uses what a module can have, and misbehaves where its block or a client says
 * so. One line, one answer; between them the connection is parked.
 */
#include <musterd/module.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ANSWER
#define ANSWER "first"
#endif
#ifndef CONNECTIONS
#define CONNECTIONS 0
#endif

enum where { NOWHERE, CHECK, PREPARE, START, STOP };
enum how { CRASH, EXIT, REFUSE, HANG };

struct room {
	int64_t seats;
};

struct conf {
	const char *greeting, *notes, *file;
	int where, how;
	struct mu_blocks room;
};

static const struct mu_directive room_directives[] = {
	{ "seats", MU_INT, offsetof(struct room, seats), "4", 1, 99, .help = "how many" },
	{ NULL },
};

static const struct mu_directive directives[] = {
	{ "greeting", MU_STRING, offsetof(struct conf, greeting), "hello", .help = "what is said" },
	{ "notes", MU_OUTPUT, offsetof(struct conf, notes), .help = "where it is noted" },
	{ "file", MU_PATH, offsetof(struct conf, file), .help = "a file of ours" },
	{ "fail", MU_ENUM, offsetof(struct conf, where), "nowhere",
	  .words = "nowhere|check|prepare|start|stop", .help = "where it fails" },
	{ "how", MU_ENUM, offsetof(struct conf, how), "crash", .words = "crash|exit|refuse|hang",
	  .help = "and how" },
	{ "room", MU_BLOCKS, offsetof(struct conf, room), .block = room_directives,
	  .block_size = sizeof(struct room), .help = "a room" },
	{ NULL },
};

struct tester {
	const struct conf *conf;
	struct mu_worker *worker;
	int notes;
	int64_t seats, answers;
};

static int *volatile nowhere;

static int crash(void)
{
	*nowhere = 1;
	return 0;
}

/* -1 where it is to say no. */
static int fail(const struct conf *conf, enum where where)
{
	if (conf->where != (int)where)
		return 0;
	if (conf->how == CRASH)
		crash();
	else if (conf->how == EXIT)
		exit(0);
	else if (conf->how == HANG)
		for (;;)
			pause();
	return -1;
}

static void check(void *config, struct mu_report *report)
{
	struct conf *conf = config;

	if (fail(conf, CHECK) < 0)
		mu_error(report, "how", "the tester was told to refuse");
}

static int prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	const struct conf *conf = config;
	struct tester *tester = calloc(1, sizeof(*tester));

	if (!tester || fail(conf, PREPARE) < 0)
		return -1;
	tester->conf = conf;
	tester->worker = worker;
	tester->notes = conf->notes ? mu_output(worker, conf->notes) : -1;
	for (size_t i = 0; i < conf->room.n; i++)
		tester->seats += ((struct room *)conf->room.item[i])->seats;
	*state_r = tester;
	return 0;
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	struct tester *tester = *state;

	if (fail(config, START) < 0) {
		mu_worker_log(worker, MU_ERR, "the tester was told not to start");
		return -1;
	}
	if (tester->notes >= 0)
		dprintf(tester->notes, "start\n");
	return 0;
}

static void stop(void *state)
{
	struct tester *tester = state;

	fail(tester->conf, STOP);
	if (tester->notes >= 0)
		dprintf(tester->notes, "stop %lld\n", (long long)tester->answers);
	free(tester);
}

/* Deeper than any stack; the compiler must not make a loop of it. */
static int overrun(int depth)
{
	volatile char waste[512];

	waste[0] = (char)depth;
	return depth == INT_MAX ? 0 : overrun(depth + 1) + waste[0];
}

/* One frame beyond the end of a connection's stack, of which only the far end is written to: the guard lies between. */
static char leap(void)
{
	static volatile size_t end;
	volatile char waste[96 * 1024];

	waste[end] = 1;
	return waste[end];
}

static void spin(void)
{
	for (;;)
		__asm__ volatile("");
}

static char *volatile lost;

static void leak(size_t megabytes)
{
	lost = malloc(megabytes << 20);
	if (lost)
		memset(lost, 1, megabytes << 20);
}

static int obey(struct mu_conn *conn, struct tester *tester, const char *word)
{
	if (strcmp(word, "crash") == 0)
		crash();
	if (strcmp(word, "overrun") == 0)
		return mu_printf(conn, "%d\n", overrun(0));
	if (strcmp(word, "leap") == 0)
		return mu_printf(conn, "%d\n", leap());
	if (strcmp(word, "spin") == 0)
		spin();
	if (strcmp(word, "exit") == 0)
		exit(3);
	if (strcmp(word, "close") == 0)
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
	if (strcmp(word, "leak") == 0)
		leak(64);
	if (strcmp(word, "seats") == 0)
		return mu_printf(conn, "%lld\n", (long long)tester->seats);
	if (strcmp(word, "pid") == 0)
		return mu_printf(conn, "%d\n", (int)getpid());
	return mu_printf(conn, "%s " ANSWER "\n", tester->conf->greeting);
}

static int serve(struct mu_conn *conn, void *state)
{
	struct tester *tester = state;
	char *line, word[32];
	ssize_t n = mu_readline(conn, &line);

	if (n <= 1 || n > (ssize_t)sizeof(word))
		return MU_DONE;
	memcpy(word, line, (size_t)n - 1);
	word[n - 1] = '\0';
	mu_set_limit(conn, MU_REQUEST);
	tester->answers++;
	if (obey(conn, tester, word) < 0)
		return MU_DONE;
	mu_count_request(conn);
	return mu_draining(conn) ? MU_DONE : mu_park(conn);
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "tester",
	.help = "does what it should not",
	.flags = MU_CLIENT_FIRST,
	.directives = directives,
	.config_size = sizeof(struct conf),
	.check = check,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.stop = stop,
	.connections = CONNECTIONS,
};
