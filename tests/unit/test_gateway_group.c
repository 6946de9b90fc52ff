/* SPDX-License-Identifier: MIT */
/*
 * The servers behind gateways in a real worker: whom a request goes to, which connections are used again, and what
 * checks that run beside it find. Loop tests run with _i 0 and 1: direct and multiplexed. The module of the test does
 * what its client says, line by line; the servers are the test's.
 */
#include "services/http/gateway/group.h"

#include "worker_fixture.h"

#include "runtime/runtime.h"

#include "unit.h"

#include "gateway_fixture.h"

#include <bsd/unistd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 3, PATIENCE_MS = 20000 };

static struct worker_fixture fixture;

/* Listeners for connections of the worker's, of which test says whether they are servers. */
static int target[SERVERS];
static char address[SERVERS][TARGET_ADDRESS_MAX];

/* What the group is made of; to be changed before begin(). */
static struct upstream_check_conf check_conf;
static const char *check_path = "/up";
static void *check_item = &check_conf;
static const char *words[SERVERS][3];
static struct mu_words lines[SERVERS];
static struct upstream_conf conf;
static struct gateway gateway;

/* ---- the module ---- */

static struct groups *groups;
static struct group *group;

struct session {
	struct mu_conn *conn, *server;
	struct group_request request;
	char head[512];
};

static void do_begin(struct session *session, const char *line)
{
	struct request request;

	snprintf(session->head, sizeof(session->head), "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", line);
	request = gateway_parse(session->head);
	group_begin(&session->request, group, session->conn, &request, session->head);
}

/* line: NAME: VALUE */
static void do_begin_with(struct session *session, const char *line)
{
	struct request request;

	snprintf(session->head, sizeof(session->head), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
		 line);
	request = gateway_parse(session->head);
	group_begin(&session->request, group, session->conn, &request, session->head);
}

/* The number of the server, in the test's order. */
static void do_take(struct session *session)
{
	if (!group_take(&session->request)) {
		mu_printf(session->conn, "none\n");
		return;
	}
	for (int i = 0; i < SERVERS; i++)
		if (strcmp(group_address(&session->request), address[i]) == 0)
			mu_printf(session->conn, "%d\n", i);
}

static void do_connect(struct session *session, enum group_kept kept)
{
	bool is_kept;

	session->server = group_connect(&session->request, session->conn, 0, kept, &is_kept);
	mu_printf(session->conn, "%s\n", !session->server ? outcome(-1) : is_kept ? "kept" : "new");
}

/* As if so much time had passed, until the worker waits: what comes in the same bytes. */
static void do_age(const struct session *session, int64_t ms)
{
	session->conn->worker->now += ms;
}

static void do_line(struct session *session, const char *line)
{
	struct mu_conn *conn = session->conn;
	struct group_request *request = &session->request;

	if (strncmp(line, "begin ", 6) == 0)
		do_begin(session, line + 6);
	else if (strncmp(line, "with ", 5) == 0)
		do_begin_with(session, line + 5);
	else if (strcmp(line, "take") == 0)
		do_take(session);
	else if (strcmp(line, "label") == 0)
		mu_printf(conn, "%s\n", group_label(request));
	else if (strcmp(line, "connect") == 0)
		do_connect(session, GROUP_KEPT);
	else if (strcmp(line, "connect fresh") == 0)
		do_connect(session, GROUP_FRESH);
	else if (strcmp(line, "connect new") == 0)
		do_connect(session, GROUP_NEW);
	else if (strcmp(line, "keep") == 0)
		mu_printf(conn, "keep %s\n", outcome(group_keep(request, session->server)));
	else if (strcmp(line, "good") == 0)
		group_succeeded(request, conn);
	else if (strcmp(line, "bad") == 0)
		group_failed(request, conn);
	else if (strcmp(line, "release") == 0)
		group_release(request);
	else if (strcmp(line, "complain") == 0)
		group_log_none(request, conn);
	else if (strncmp(line, "age ", 4) == 0)
		do_age(session, atoi(line + 4));
	else if (strcmp(line, "echo") == 0)
		mu_printf(conn, "echo\n");
}

static int serve_lines(struct mu_conn *conn, void *state)
{
	struct session session = { .conn = conn };
	char line[128];

	(void)state;
	while (next_line(conn, line, sizeof(line)))
		do_line(&session, line);
	return MU_DONE;
}

static int prepare(struct mu_worker *worker, const void *config, void **state)
{
	(void)config;
	(void)state;
	groups = groups_new(worker);
	group = groups ? groups_get(groups, &gateway) : NULL;
	return group ? 0 : -1;
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	(void)worker;
	(void)config;
	(void)state;
	return groups_start(groups);
}

static void stop(void *state)
{
	(void)state;
	groups_free(groups);
}

static const struct mu_module module = { MU_ABI,
					 .name = "lines",
					 .flags = MU_CLIENT_FIRST,
					 .prepare = prepare,
					 .start = start,
					 .serve = serve_lines,
					 .stop = stop };

/* ---- the test's side ---- */

static void add_words(int i, const char *second, const char *third)
{
	words[i][0] = address[i];
	words[i][1] = second;
	words[i][2] = third;
	lines[i] = (struct mu_words){ third ? 3 : second ? 2 : 1, words[i] };
}

static void setup(void)
{
	for (int i = 0; i < SERVERS; i++) {
		target[i] = target_listen(address[i]);
		add_words(i, NULL, NULL);
	}
	check_conf = (struct upstream_check_conf){
		.every_ms = 100, .timeout_ms = PATIENCE_MS, .rise = 2, .fall = 2
	};
	conf = (struct upstream_conf){ .server = { SERVERS, lines },
				       .hash_key = "client",
				       .keep = 8,
				       .keep_ms = 60000,
				       .max_fails = 2,
				       .fail_ms = 60000 };
	gateway = (struct gateway){ .upstream = &conf, .name = "app" };
}

static void teardown(void)
{
	for (int i = 0; i < SERVERS; i++)
		close(target[i]);
}

static int begin(int mode)
{
	worker_fixture_init(&fixture, &module, mode ? 16 : 1);
	fixture.service.idle_ms = 0;
	worker_fixture_go(&fixture);
	return client_connect(&fixture);
}

static void end(int client)
{
	close(client);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}

/* At once, or the kernel waits for more. line: several have a newline between them. */
static void say(int client, const char *line, const char *answer)
{
	char text[256];

	snprintf(text, sizeof(text), "%s\n", line);
	client_send(client, text);
	if (answer) {
		client_expect(client, answer);
		client_expect(client, "\n");
	}
}

/* All that was said has been done. */
static void settle(int client)
{
	say(client, "echo", "echo");
}

/* A whole request with that outcome; whom it went to is to be `answer`. */
static void ask(int client, const char *result, const char *answer)
{
	char text[64];

	say(client, "begin x\ntake", answer);
	snprintf(text, sizeof(text), "%s\nrelease", result);
	say(client, text, NULL);
}

static void ask_nobody(int client)
{
	say(client, "begin x\ntake", "none");
}

/* The number of the server that a request with this beginning goes to. */
static int taken(int client, const char *line)
{
	char text[128], number[3];

	snprintf(text, sizeof(text), "%s\ntake\nrelease", line);
	say(client, text, NULL);
	ck_assert_uint_eq(client_read(client, number, 2), 2);
	return atoi(number);
}

/* ---- whom a request goes to ---- */

START_TEST(a_group_of_one_is_its_address)
{
	int client;

	gateway = (struct gateway){ .address = address[1], .name = "http://the.address" };
	client = begin(_i);
	/* However often it fails. */
	for (int i = 0; i < 10; i++)
		ask(client, "bad", "1");
	say(client, "begin x", NULL);
	say(client, "take", "1");
	say(client, "label", address[1]);
	say(client, "connect", "new");
	say(client, "release", NULL);
	say(client, "take", "none");
	end(client);
	ck_assert_ptr_null(strstr(fixture.logged, "is out"));
}
END_TEST

START_TEST(each_has_its_weight)
{
	int client, count[SERVERS] = { 0 };

	add_words(0, "weight", "3");
	client = begin(_i);
	for (int i = 0; i < 20; i++)
		count[taken(client, "begin x")]++;
	ck_assert_int_eq(count[0], 12);
	ck_assert_int_eq(count[1], 4);
	ck_assert_int_eq(count[2], 4);
	end(client);
}
END_TEST

START_TEST(the_least_busy_is_asked)
{
	int client, other, third;

	conf.balance = UPSTREAM_LEAST_BUSY;
	client = begin(1);
	other = client_connect(&fixture);
	third = client_connect(&fixture);
	/* Two of three have a request each. */
	say(client, "begin x", NULL);
	say(other, "begin x", NULL);
	say(client, "take", NULL);
	client_read(client, (char[3]){ 0 }, 2);
	say(other, "take", NULL);
	client_read(other, (char[3]){ 0 }, 2);
	for (int i = 0, first = taken(third, "begin x"); i < 3; i++)
		ck_assert_int_eq(taken(third, "begin x"), first);
	close(other);
	close(third);
	end(client);
}
END_TEST

START_TEST(backups_and_those_that_are_down)
{
	int client;

	add_words(0, "backup", NULL);
	add_words(1, "down", NULL);
	client = begin(_i);
	ask(client, "bad", "2");
	ask(client, "bad", "2");
	worker_fixture_wait_log(&fixture, "is out for 60s: 2 failures within 60s");
	ask(client, "good", "0");
	ask(client, "bad", "0");
	ask(client, "bad", "0");
	/* Nobody is left: as if none had failed. */
	say(client, "begin x", NULL);
	say(client, "take", NULL);
	client_read(client, (char[3]){ 0 }, 2);
	end(client);
}
END_TEST

START_TEST(one_that_was_out_is_back_when_it_answers)
{
	int client;
	char line[128];

	add_words(0, "down", NULL);
	add_words(1, "backup", NULL);
	client = begin(_i);
	ask(client, "bad", "2");
	ask(client, "bad", "2");
	ask(client, "good", "1");
	settle(client);
	snprintf(line, sizeof(line), "server %s of app is out for", address[2]);
	worker_fixture_wait_log(&fixture, line);
	say(client, "age 60001\nbegin x\ntake\ngood\nrelease", "2");
	snprintf(line, sizeof(line), "server %s of app is back", address[2]);
	worker_fixture_wait_log(&fixture, line);
	ask(client, "good", "2");
	end(client);
}
END_TEST

START_TEST(a_request_goes_to_each_server_once)
{
	int client, sum = 0;
	char text[3];

	client = begin(_i);
	say(client, "begin x", NULL);
	for (int i = 0; i < SERVERS; i++) {
		say(client, "take", NULL);
		ck_assert_uint_eq(client_read(client, text, 2), 2);
		sum += 1 << atoi(text);
		say(client, "release", NULL);
	}
	ck_assert_int_eq(sum, 7);
	say(client, "take", "none");
	end(client);
}
END_TEST

/* ---- keys ---- */

enum { KEYS = 60 };

/* Whatever number follows the beginning of a request. */
static void all_go_to(int client, int server, const char *beginning)
{
	for (int i = 0; i < KEYS; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s%d", beginning, i);
		ck_assert_int_eq(taken(client, line), server);
	}
}

/* Each number always to the same, and none is left without. */
static void keys_go_home(int client, const char *beginning)
{
	int count[SERVERS] = { 0 };

	for (int i = 0; i < KEYS; i++) {
		char line[64];
		int first;

		snprintf(line, sizeof(line), "%s%d", beginning, i);
		first = taken(client, line);
		count[first]++;
		ck_assert_int_eq(taken(client, line), first);
	}
	for (int i = 0; i < SERVERS; i++)
		ck_assert_int_gt(count[i], 0);
}

START_TEST(the_same_uri_goes_to_the_same_server)
{
	int client;

	conf.balance = UPSTREAM_HASH;
	conf.hash_key = "uri";
	client = begin(_i);
	keys_go_home(client, "begin a");
	keys_go_home(client, "begin a?");
	/* What is no part of the target is no part of the key. */
	all_go_to(client, taken(client, "with X-A: 1"), "with X-A: ");
	end(client);
}
END_TEST

START_TEST(the_same_header_goes_to_the_same_server)
{
	int client;

	conf.balance = UPSTREAM_HASH;
	conf.hash_key = "header:X-User";
	client = begin(_i);
	keys_go_home(client, "with x-user: ");
	/* Without it the client's address counts. */
	all_go_to(client, taken(client, "begin a"), "with X-Users: ");
	end(client);
}
END_TEST

START_TEST(the_same_client_goes_to_the_same_server)
{
	int client, other, first;

	conf.balance = UPSTREAM_HASH;
	client = begin(1);
	other = client_connect(&fixture);
	first = taken(client, "begin a");
	all_go_to(client, first, "begin ");
	/* From another port. */
	all_go_to(other, first, "begin ");
	close(other);
	end(client);
}
END_TEST

/* ---- connections ---- */

/* At server 0, the only one. */
static int begin_with_one(int mode)
{
	int client;

	conf.server.n = 1;
	client = begin(mode);
	say(client, "begin x", NULL);
	say(client, "take", "0");
	return client;
}

START_TEST(a_connection_is_used_again)
{
	int client = begin_with_one(_i), fd;

	say(client, "connect", "new");
	fd = target_accept(target[0]);
	say(client, "keep", "keep 0");
	say(client, "connect", "kept");
	say(client, "keep", "keep 0");
	say(client, "connect new", "new");
	close(target_accept(target[0]));
	/* The server has given it up. */
	close(fd);
	say(client, "connect", "new");
	close(target_accept(target[0]));
	end(client);
}
END_TEST

START_TEST(one_that_has_rested_for_long_is_not_fresh)
{
	int client = begin_with_one(_i), fd, second;

	say(client, "connect", "new");
	fd = target_accept(target[0]);
	say(client, "keep\nconnect", "keep 0\nkept");
	say(client, "keep\nconnect fresh", "keep 0\nkept");
	say(client, "keep\nage 1000\nconnect fresh", "keep 0\nnew");
	second = target_accept(target[0]);
	/* Something came to rest just now, and it is not what is left. */
	say(client, "age 1000\nkeep\nconnect fresh\nconnect fresh", "keep 0\nkept\nnew");
	close(target_accept(target[0]));
	/* It rests on. */
	say(client, "connect", "kept");
	say(client, "keep", "keep 0");
	close(fd);
	close(second);
	end(client);
}
END_TEST

/* Some close behind each answer and do not say so before. */
START_TEST(one_of_a_server_that_may_keep_none_is_not_fresh)
{
	int client = begin_with_one(_i), fd, second;

	say(client, "connect", "new");
	fd = target_accept(target[0]);
	say(client, "keep\nconnect fresh", "keep 0\nnew");
	second = target_accept(target[0]);
	/* It has stayed open for a while. */
	say(client, "age 100\nconnect fresh", "kept");
	say(client, "keep\nconnect fresh", "keep 0\nkept");
	close(fd);
	close(second);
	end(client);
}
END_TEST

START_TEST(no_more_are_kept_than_is_said)
{
	int client, fd;

	conf.keep = 0;
	client = begin_with_one(_i);
	say(client, "connect", "new");
	fd = target_accept(target[0]);
	say(client, "keep", "keep ENOSPC");
	client_expect_end(fd);
	close(fd);
	say(client, "connect", "new");
	close(target_accept(target[0]));
	end(client);
}
END_TEST

START_TEST(a_server_that_is_not_there)
{
	int client = begin_with_one(_i);
	char label[128];

	shutdown(target[0], SHUT_RDWR);
	close(target[0]);
	say(client, "connect", "ECONNREFUSED");
	snprintf(label, sizeof(label), "%s (app)", address[0]);
	say(client, "label", label);
	end(client);
	target[0] = -1;
}
END_TEST

/* ---- groups of a site ---- */

START_TEST(gateways_share_what_they_ask)
{
	struct groups *all = groups_new(NULL);
	struct upstream_conf second = conf;
	struct gateway a = { .upstream = &conf, .name = "app" }, b = a, c = a, d = a;
	struct gateway e = { .address = "a:1", .name = "http://a:1" };
	struct gateway f = { .address = (char[]){ "a:1" }, .name = "a:1" }, g = e, h = e;

	b.kind = GATEWAY_FASTCGI;
	c.upstream = &second;
	g.kind = GATEWAY_SCGI;
	h.address = "a:2";
	ck_assert_ptr_eq(groups_get(all, &a), groups_get(all, &d));
	ck_assert_ptr_eq(groups_get(all, &e), groups_get(all, &f));
	for (struct gateway *const *one = (struct gateway *[]){ &a, &b, &c, &e, &g, &h, NULL };
	     *one; one++)
		for (struct gateway *const *other = one + 1; *other; other++)
			ck_assert_ptr_ne(groups_get(all, *one), groups_get(all, *other));
	groups_free(all);
	groups_free(NULL);
}
END_TEST

START_TEST(a_lone_address_keeps_what_the_block_would)
{
	for (const struct mu_directive *each = gateway_upstream_directives; each->name; each++) {
		if (strcmp(each->name, "keep") == 0)
			ck_assert_int_eq(atoi(each->dflt), UPSTREAM_KEEP);
		if (strcmp(each->name, "keep-time") == 0) {
			ck_assert_str_eq(each->dflt, "60s");
			ck_assert_int_eq(UPSTREAM_KEEP_MS, 60000);
		}
	}
}
END_TEST

/* ---- checks ---- */

/* Answers the next check of a server, and says whether it asked as it should. */
static void answer_check(int i, const char *answer)
{
	int fd = target_accept(target[i]);
	char expected[256];

	snprintf(expected, sizeof(expected),
		 "GET /up HTTP/1.1\r\nHost: %s\r\nUser-Agent: musterd\r\nConnection: "
		 "close\r\n\r\n",
		 check_conf.host ? check_conf.host : address[i]);
	client_expect(fd, expected);
	client_send(fd, answer);
	if (!*answer)
		shutdown(fd, SHUT_WR);
	client_expect_end(fd);
	close(fd);
}

static void answer_checks(const char *answer, int times)
{
	for (int n = 0; n < times; n++)
		answer_check(0, answer);
}

static int begin_checked(int mode)
{
	conf.server.n = 2;
	add_words(1, "down", NULL);
	conf.check = (struct mu_blocks){ 1, &check_path, &check_item };
	return begin(mode);
}

#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define SICK "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nsick"

START_TEST(a_server_that_checks_badly_gets_nothing_until_it_is_well)
{
	int client = begin_checked(_i);

	ask(client, "good", "0");
	answer_checks(OK, 1);
	answer_checks(SICK, 1);
	answer_checks(OK, 1);
	answer_checks(SICK, 2);
	worker_fixture_wait_log(
		&fixture, "of app is ill: 2 checks in a row failed, the last: it answered 500");
	ask_nobody(client);
	say(client, "complain", NULL);
	say(client, "complain", NULL);
	worker_fixture_wait_log(&fixture, "no server of app can be asked: 1 are ill, 1 are down");
	answer_checks(OK, 1);
	answer_checks(SICK, 1);
	answer_checks(OK, 2);
	worker_fixture_wait_log(&fixture, "of app is well again: 2 checks in a row were good");
	ask(client, "good", "0");
	end(client);
	/* Once is enough for a while. */
	ck_assert_ptr_null(strstr(strstr(fixture.logged, "can be asked") + 1, "can be asked"));
}
END_TEST

static const struct {
	const char *answer, *reason;
} bad_answers[] = {
	{ "", "it closed the connection without an answer" },
	{ "hello\r\n", "it answered what is no HTTP: " },
	{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "it answered 404" },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n",
	  "it answered 503" },
};

START_TEST(what_is_no_good_answer)
{
	int client;
	char line[128];

	check_conf.fall = 1;
	client = begin_checked(_i & 1);
	answer_checks(bad_answers[_i / 2].answer, 1);
	snprintf(line, sizeof(line), "is ill: 1 checks in a row failed, the last: %s",
		 bad_answers[_i / 2].reason);
	worker_fixture_wait_log(&fixture, line);
	end(client);
}
END_TEST

START_TEST(what_is_a_good_answer_can_be_said)
{
	int client;

	check_conf.status = 404;
	check_conf.fall = check_conf.rise = 1;
	check_conf.host = "app.example";
	client = begin_checked(_i);
	answer_checks(OK, 1);
	worker_fixture_wait_log(&fixture, "is ill");
	answer_checks("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.0 404 No\r\nContent-Length: 0\r\n\r\n", 1);
	worker_fixture_wait_log(&fixture, "is well again");
	end(client);
}
END_TEST

/* Else the server would see a reset in place of the end, and many a one complains. */
START_TEST(what_a_check_is_told_is_read)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n";
	char content[40000 + 1];
	int client, fd;

	memset(content, 'x', 40000);
	content[40000] = '\0';
	client = begin_checked(_i);
	fd = target_accept(target[0]);
	client_expect(fd, "GET /up HTTP/1.1\r\n");
	client_send(fd, head);
	client_send(fd, content);
	client_send(fd, "\r\n0\r\n\r\n");
	while (client_read(fd, content, 1))
		;
	ck_assert_int_eq(recv(fd, content, 1, MSG_DONTWAIT), 0);
	worker_fixture_wait_log(&fixture, "was checked: it answered 200");
	close(fd);
	end(client);
}
END_TEST

START_TEST(a_check_has_its_time)
{
	int client, fd;

	check_conf.timeout_ms = 150;
	check_conf.every_ms = 200;
	check_conf.fall = 1;
	client = begin_checked(_i);
	fd = target_accept(target[0]);
	/* Now and then something: it does not help. */
	client_send(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2");
	worker_fixture_wait_log(&fixture, "is ill: 1 checks in a row failed, the last: no answer "
					  "within 150 ms");
	close(fd);
	end(client);
}
END_TEST

START_TEST(who_is_not_there_is_ill)
{
	int client;

	check_conf.fall = 2;
	shutdown(target[0], SHUT_RDWR);
	close(target[0]);
	target[0] = -1;
	client = begin_checked(_i);
	worker_fixture_wait_log(&fixture, "is ill: 2 checks in a row failed, the last: cannot "
					  "connect: Connection refused");
	ask_nobody(client);
	end(client);
}
END_TEST

START_TEST(a_header_without_end_is_no_answer)
{
	char big[BUFFER_SIZE + 1];
	int client;

	memset(big, 'x', BUFFER_SIZE);
	memcpy(big, "HTTP/1.1 200 OK\r\nX: ", 20);
	big[BUFFER_SIZE] = '\0';
	check_conf.fall = 1;
	client = begin_checked(_i);
	answer_checks(big, 1);
	worker_fixture_wait_log(&fixture, "the last: the header of its answer is too long");
	end(client);
}
END_TEST

/* In the middle of a check, with a connection that rests. */
START_TEST(a_worker_that_is_to_finish_does_so_at_once)
{
	int client = begin_checked(_i), resting, checked;

	checked = target_accept(target[0]);
	say(client, "begin x", NULL);
	say(client, "take", "0");
	say(client, "connect", "new");
	resting = target_accept(target[0]);
	say(client, "keep", "keep 0");
	close(client);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	client_expect_end(resting);
	client_read(checked, (char[4096]){ 0 }, 4095);
	ck_assert_ptr_null(strstr(fixture.logged, "is ill"));
	close(resting);
	close(checked);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_group");
	const int bad = sizeof(bad_answers) / sizeof(*bad_answers);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_group_of_one_is_its_address, 0, 2);
	tcase_add_loop_test(tcase, each_has_its_weight, 0, 2);
	tcase_add_test(tcase, the_least_busy_is_asked);
	tcase_add_loop_test(tcase, backups_and_those_that_are_down, 0, 2);
	tcase_add_loop_test(tcase, one_that_was_out_is_back_when_it_answers, 0, 2);
	tcase_add_loop_test(tcase, a_request_goes_to_each_server_once, 0, 2);
	tcase_add_loop_test(tcase, the_same_uri_goes_to_the_same_server, 0, 2);
	tcase_add_loop_test(tcase, the_same_header_goes_to_the_same_server, 0, 2);
	tcase_add_test(tcase, the_same_client_goes_to_the_same_server);
	tcase_add_loop_test(tcase, a_connection_is_used_again, 0, 2);
	tcase_add_loop_test(tcase, one_that_has_rested_for_long_is_not_fresh, 0, 2);
	tcase_add_loop_test(tcase, one_of_a_server_that_may_keep_none_is_not_fresh, 0, 2);
	tcase_add_loop_test(tcase, no_more_are_kept_than_is_said, 0, 2);
	tcase_add_loop_test(tcase, a_server_that_is_not_there, 0, 2);
	tcase_add_test(tcase, gateways_share_what_they_ask);
	tcase_add_test(tcase, a_lone_address_keeps_what_the_block_would);
	tcase_add_loop_test(tcase, a_server_that_checks_badly_gets_nothing_until_it_is_well, 0, 2);
	tcase_add_loop_test(tcase, what_is_no_good_answer, 0, 2 * bad);
	tcase_add_loop_test(tcase, what_is_a_good_answer_can_be_said, 0, 2);
	tcase_add_loop_test(tcase, what_a_check_is_told_is_read, 0, 2);
	tcase_add_loop_test(tcase, a_check_has_its_time, 0, 2);
	tcase_add_loop_test(tcase, who_is_not_there_is_ill, 0, 2);
	tcase_add_loop_test(tcase, a_header_without_end_is_no_answer, 0, 2);
	tcase_add_loop_test(tcase, a_worker_that_is_to_finish_does_so_at_once, 0, 2);
	return unit_main("gateway_group", tcase);
}
