/* SPDX-License-Identifier: MIT */
/*
 * What a connection can have beside itself: tasks, notifications, connections of its own, foreign descriptors. A
 * loop test runs with _i 0 and 1: direct and multiplexed. What a handler sees it tells its client.
 */
#include "worker_fixture.h"

#include "base/fd.h"
#include "runtime/runtime.h"

#include "unit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 1024 * 1024, SMALL_BUFFER = 256 * 1024, MANY = 300 };

static struct worker_fixture fixture;
/* The worker has [1], the test [0]: what a connection of our own leads to. */
static int pair[2];

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 64 : 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void go(void)
{
	worker_fixture_go(&fixture);
	close(pair[1]);
}

/* What the handler tells, in words, and that nothing else comes. */
static void serves(const struct mu_module *module, int mode, const char *told)
{
	int fd;

	begin(module, mode);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, told);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	close(pair[0]);
}

static struct mu_conn *open_pair(struct mu_conn *conn)
{
	int fd = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);

	fd_close(&pair[0]);
	fd_set_nonblocking(fd, true);
	return conn_open_other(conn, fd, false);
}

/* ---- tasks ---- */

struct story {
	char text[256];
};

static void add(struct story *story, const char *text)
{
	strcat(story->text, text);
}

static void task_abc(struct mu_conn *conn, void *arg)
{
	add(arg, "a");
	mu_sleep(conn, 0);
	add(arg, "c");
}

static int serve_order(struct mu_conn *conn, void *state)
{
	struct story story = { "" };

	(void)state;
	if (mu_join(conn) == 0 && mu_go(conn, task_abc, &story) == 0)
		add(&story, "b");
	mu_join(conn);
	add(&story, "d");
	mu_printf(conn, "%s", story.text);
	return MU_DONE;
}

START_TEST(a_task_runs_until_it_waits_and_then_beside)
{
	static const struct mu_module module = { MU_ABI, .name = "order", .serve = serve_order };

	serves(&module, _i, "abcd");
}
END_TEST

static void task_count(struct mu_conn *conn, void *arg)
{
	int *n = arg;

	mu_sleep(conn, *n % 7);
	(*n)++;
}

static void task_starts(struct mu_conn *conn, void *arg)
{
	for (int i = 0; i < MANY; i++)
		if (mu_go(conn, task_count, arg) < 0)
			return;
	mu_sleep(conn, 1);
	(*(int *)arg)++;
}

static int serve_many(struct mu_conn *conn, void *state)
{
	int n = 0;

	(void)state;
	mu_go(conn, task_starts, &n);
	mu_join(conn);
	mu_printf(conn, "%d", n);
	return MU_DONE;
}

START_TEST(tasks_start_many_tasks)
{
	static const struct mu_module module = { MU_ABI, .name = "many", .serve = serve_many };

	serves(&module, _i, "301");
}
END_TEST

static void task_late(struct mu_conn *conn, void *arg)
{
	(void)arg;
	mu_sleep(conn, 5);
	mu_printf(conn, "late");
}

static int serve_returns(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_go(conn, task_late, NULL);
	return MU_DONE;
}

START_TEST(serve_that_returned_is_over_when_its_tasks_are)
{
	static const struct mu_module module = { MU_ABI, .name = "returns",
						 .serve = serve_returns };

	serves(&module, _i, "late");
}
END_TEST

static void task_joins(struct mu_conn *conn, void *arg)
{
	struct story *story = arg;
	int result = mu_join(conn);

	add(story, outcome(result));
	add(story, ";");
}

static int serve_joins(struct mu_conn *conn, void *state)
{
	struct story story = { "" };
	int n = 0;

	(void)state;
	mu_go(conn, task_count, &n);
	mu_go(conn, task_joins, &story);
	mu_go(conn, task_joins, &story);
	mu_join(conn);
	mu_printf(conn, "%s%d", story.text, n);
	return MU_DONE;
}

START_TEST(two_tasks_cannot_join_each_other)
{
	static const struct mu_module module = { MU_ABI, .name = "joins", .serve = serve_joins };

	serves(&module, _i, "EDEADLK;0;1");
}
END_TEST

static void task_reads(struct mu_conn *conn, void *arg)
{
	char byte;

	if (mu_read(conn, &byte, 1) == 1)
		*(char *)arg = byte;
}

static int serve_busy(struct mu_conn *conn, void *state)
{
	char byte = '-';

	(void)state;
	mu_go(conn, task_reads, &byte);
	mu_printf(conn, "%s,%s;", outcome(mu_read(conn, &byte, 1)), outcome(mu_sleep(conn, 1)));
	mu_join(conn);
	mu_printf(conn, "%c", byte);
	return MU_DONE;
}

START_TEST(one_at_a_time_waits_for_input)
{
	static const struct mu_module module = { MU_ABI, .name = "busy", .serve = serve_busy };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "EBUSY,0;");
	client_send(fd, "x");
	client_expect(fd, "x");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_parks(struct mu_conn *conn, void *state)
{
	struct story story = { "" };
	char byte;

	(void)state;
	if (mu_read(conn, &byte, 1) != 1 || mu_wait_notify(conn, 0) != 0)
		return MU_DONE;
	mu_go(conn, task_abc, &story);
	mu_join(conn);
	mu_notify(conn);
	mu_printf(conn, "%c%s%p", byte, story.text, open_pair(conn) ? NULL : conn);
	return mu_park(conn);
}

START_TEST(a_connection_with_tasks_can_be_parked_and_begins_anew)
{
	static const struct mu_module module = { MU_ABI, .name = "parks", .flags = MU_CLIENT_FIRST,
						 .serve = serve_parks };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	for (int i = 0; i < 3; i++) {
		client_send(fd, "1");
		client_expect(fd, "1ac(nil)");
	}
	ck_assert_uint_eq(fixture.board.slot[0].accepted, 1);
	ck_assert_uint_eq(fixture.board.slot[0].connections, 1);
	client_send(fd, "23");
	client_expect(fd, "2ac(nil)3ac(nil)");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static void refuse_with_a_task(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_printf(conn, "%s", outcome(mu_go(conn, task_late, NULL)));
}

START_TEST(who_refuses_can_have_tasks)
{
	static const struct mu_module module = { MU_ABI, .name = "refuses", .serve = serve_order,
						 .refuse = refuse_with_a_task };
	int fd;

	begin(&module, 1);
	fixture.refuses = true;
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "0late");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- the others' turn ---- */

/* How often something that never has to wait is done at most; without a turn of the others, each time. */
enum { OFTEN = 20000 };

struct flood {
	struct mu_conn *zero, *null; /* have bytes and room whenever they are asked */
	int fd;                      /* a file of so many bytes: */
	size_t len;
	int done;
	bool seen; /* by another task, which had a turn */
	bool let;  /* ... while the flood went on */
};

/* /dev/zero and /dev/null as streams. */
static bool open_flood(struct mu_conn *conn, struct flood *flood)
{
	*flood = (struct flood){ .len = 65536 };
	flood->zero = conn_open_other(conn, open("/dev/zero", O_RDONLY | O_CLOEXEC), true);
	flood->null = conn_open_other(conn, open("/dev/null", O_WRONLY | O_CLOEXEC), true);
	if (flood->zero)
		flood->zero->ready |= CONN_IN; /* epoll(7) does not take it */
	flood->fd = memfd_create("flood", MFD_CLOEXEC);
	return flood->zero && flood->null && ftruncate(flood->fd, (off_t)flood->len) == 0;
}

static int read_bytes(struct flood *flood)
{
	char data[16];

	return mu_read(flood->zero, data, sizeof(data)) > 0 ? 0 : -1;
}

static int fill_buffer(struct flood *flood)
{
	ssize_t n = mu_fill(flood->zero);

	if (n > 0)
		mu_consume(flood->zero, (size_t)n);
	return n > 0 ? 0 : -1;
}

static int write_bytes(struct flood *flood)
{
	return mu_write(flood->null, "x", 1);
}

static int send_file(struct flood *flood)
{
	return mu_sendfile(flood->null, flood->fd, 0, flood->len);
}

static int (*const floods[])(struct flood *flood) = { read_bytes, fill_buffer, write_bytes,
						      send_file };

static void task_sees(struct mu_conn *conn, void *arg)
{
	struct flood *flood = arg;

	mu_sleep(conn, 0);
	flood->seen = true;
}

static void task_floods(struct mu_conn *conn, void *arg)
{
	struct flood *flood = arg;
	int (*call)(struct flood * flood) = floods[flood->done];

	(void)conn;
	for (int i = 0; i < OFTEN && !flood->seen; i++)
		if (call(flood) < 0)
			return;
	flood->let = flood->seen;
}

/* In serve itself, and in a task. */
static int serve_floods(struct mu_conn *conn, void *state)
{
	struct flood flood;

	(void)state;
	if (!open_flood(conn, &flood))
		return MU_DONE;
	for (; flood.done < (int)(sizeof(floods) / sizeof(*floods)); flood.done++) {
		flood.seen = flood.let = false;
		mu_go(conn, task_sees, &flood);
		task_floods(conn, &flood);
		mu_printf(conn, "%d", flood.let);
		mu_join(conn);
		flood.seen = flood.let = false;
		mu_go(conn, task_sees, &flood);
		mu_go(conn, task_floods, &flood);
		mu_join(conn);
		mu_printf(conn, "%d ", flood.let);
	}
	close(flood.fd);
	return MU_DONE;
}

START_TEST(who_never_has_to_wait_lets_tasks_have_their_turn)
{
	static const struct mu_module module = { MU_ABI, .name = "floods", .serve = serve_floods };

	serves(&module, _i, "11 11 11 11 ");
}
END_TEST

/* Waits with a full buffer that no call has found full. */
static void task_waits_for_room(struct mu_conn *conn, void *arg)
{
	struct pollfd pollfd = { .fd = conn->fd, .events = POLLOUT };
	int waited = mu_wait_room(conn);

	(void)arg;
	mu_log(conn, MU_INFO, "room: %s, %d", outcome(waited), poll(&pollfd, 1, 0));
}

static int serve_full(struct mu_conn *conn, void *state)
{
	int fd = memfd_create("full", MFD_CLOEXEC), size = SMALL_BUFFER;
	ssize_t n;

	(void)state;
	if (ftruncate(fd, 4 * BIG) == 0 &&
	    setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0) {
		n = mu_try_sendfile(conn, fd, 0, 4 * BIG);
		if (n > 0 && n < 4 * BIG)
			mu_go(conn, task_waits_for_room, NULL);
		mu_log(conn, MU_INFO, "full");
	}
	close(fd);
	mu_join(conn);
	return MU_DONE;
}

START_TEST(who_filled_a_buffer_waits_until_there_is_room_for_much)
{
	static const struct mu_module module = { MU_ABI, .name = "full", .serve = serve_full };
	static char data[4 * BIG];
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect_small(&fixture, SMALL_BUFFER / 8);
	worker_fixture_wait_log(&fixture, "full");
	client_read(fd, data, sizeof(data) - 1);
	worker_fixture_wait_log(&fixture, "room: 0, 1");
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
	close(pair[0]);
}
END_TEST

/* The second one comes when the turn is spent. */
static void task_writes_long(struct mu_conn *conn, void *arg)
{
	struct story *story = arg;
	static char data[BIG];
	const struct iovec piece[8] = {
		{ data, BIG }, { data, BIG }, { data, BIG }, { data, BIG },
		{ data, BIG }, { data, BIG }, { data, BIG }, { data, BIG }
	};

	add(story, outcome(mu_writev(conn, piece, 8, 0)));
	add(story, ";");
	add(story, outcome(mu_writev(conn, piece, 8, 0)));
	add(story, ";");
}

static int serve_long_write(struct mu_conn *conn, void *state)
{
	struct story story = { "" };
	struct flood flood;

	(void)state;
	if (!open_flood(conn, &flood))
		return MU_DONE;
	mu_go(flood.null, task_writes_long, &story);
	add(&story, outcome(mu_write(flood.null, "x", 1)));
	add(&story, ",");
	add(&story, outcome(mu_try_write(flood.null, "x", 1, 0)));
	add(&story, ",");
	mu_join(conn);
	add(&story, outcome(mu_write(flood.null, "x", 1)));
	mu_printf(conn, "%s", story.text);
	close(flood.fd);
	return MU_DONE;
}

START_TEST(nobody_else_writes_while_a_write_lets_others_have_their_turn)
{
	static const struct mu_module module = { MU_ABI, .name = "long",
						 .serve = serve_long_write };

	serves(&module, _i, "0;EBUSY,EAGAIN,0;0");
}
END_TEST

/* Floods until something else has been heard of: another client, or the master. */
static int serve_deaf(struct mu_conn *conn, void *state)
{
	static bool second, heard;
	struct flood flood;

	(void)state;
	heard = second;
	second = true;
	mu_printf(conn, "ready");
	if (heard || !open_flood(conn, &flood))
		return MU_DONE;
	for (int i = 0; i < 250 * OFTEN && !heard && !mu_draining(conn); i++)
		if (read_bytes(&flood) < 0)
			return MU_DONE;
	mu_printf(conn, "%d%d", heard, mu_draining(conn));
	close(flood.fd);
	return MU_DONE;
}

static const struct mu_module deaf = { MU_ABI, .name = "deaf", .serve = serve_deaf };

START_TEST(who_never_has_to_wait_lets_other_clients_come)
{
	int fd[2];

	begin(&deaf, 1);
	go();
	fd[0] = client_connect(&fixture);
	client_expect(fd[0], "ready");
	fd[1] = client_connect(&fixture);
	client_expect(fd[1], "ready");
	client_expect_end(fd[1]);
	client_expect(fd[0], "10");
	client_expect_end(fd[0]);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(who_never_has_to_wait_hears_of_the_drain)
{
	int fd;

	begin(&deaf, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "ready");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	client_expect(fd, "01");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* ---- notifications ---- */

static void task_notifies(struct mu_conn *conn, void *arg)
{
	(void)arg;
	mu_sleep(conn, 1);
	mu_notify(conn);
	mu_notify(conn);
}

static int serve_notified(struct mu_conn *conn, void *state)
{
	int early[3], late[2];

	(void)state;
	mu_notify(conn);
	mu_notify(conn);
	early[0] = mu_wait_notify(conn, -1);
	early[1] = mu_wait_notify(conn, 0);
	early[2] = mu_wait_notify(conn, 1);
	mu_go(conn, task_notifies, NULL);
	late[0] = mu_wait_notify(conn, -1);
	mu_join(conn);
	late[1] = mu_wait_notify(conn, 1);
	mu_printf(conn, "%d%d%d%d%d", early[0], early[1], early[2], late[0], late[1]);
	return MU_DONE;
}

START_TEST(notifications_are_kept_and_several_are_one)
{
	static const struct mu_module module = { MU_ABI, .name = "notified",
						 .serve = serve_notified };

	serves(&module, _i, "10010");
}
END_TEST

/* Each line goes to the other one, by its task. */
static struct {
	struct mu_conn *member[2];
	char line[64];
} room;

static void task_tells(struct mu_conn *conn, void *arg)
{
	(void)arg;
	while (mu_wait_notify(conn, -1) == 1)
		mu_printf(conn, "%s", room.line);
}

static int serve_chat(struct mu_conn *conn, void *state)
{
	int me = room.member[0] != NULL;
	char *line;
	ssize_t n;

	(void)state;
	room.member[me] = conn;
	mu_go(conn, task_tells, NULL);
	mu_printf(conn, "hello\n");
	while ((n = mu_readline(conn, &line)) > 0) {
		snprintf(room.line, sizeof(room.line), "%.*s", (int)n, line);
		mu_notify(room.member[!me]);
	}
	mu_cancel(conn);
	return MU_DONE;
}

START_TEST(connections_of_a_worker_notify_each_other)
{
	static const struct mu_module module = { MU_ABI, .name = "chat", .serve = serve_chat };
	int fd[2];

	begin(&module, 1);
	go();
	for (int i = 0; i < 2; i++) {
		fd[i] = client_connect(&fixture);
		client_expect(fd[i], "hello\n");
	}
	client_send(fd[0], "one\n");
	client_expect(fd[1], "one\n");
	client_send(fd[1], "two\n");
	client_expect(fd[0], "two\n");
	shutdown(fd[0], SHUT_WR);
	client_expect_end(fd[0]);
	close(fd[1]);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- the end of tasks ---- */

struct waits {
	struct mu_conn *other, *pipe;
	int event;
	struct story story;
};

static void task_sleeps(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	int first = mu_sleep(conn, 60000);

	add(&waits->story, outcome(first));
	add(&waits->story, mu_sleep(conn, 60000) < 0 ? " s;" : " ?");
}

static void task_reads_client(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	char byte;
	ssize_t n = mu_read(conn, &byte, 1);

	add(&waits->story, outcome(n));
	add(&waits->story, mu_read(conn, &byte, 1) < 0 ? " c;" : " ?");
}

static void task_reads_other(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	ssize_t n = mu_fill(waits->other);

	(void)conn;
	add(&waits->story, outcome(n));
	add(&waits->story, " o;");
}

static void task_waits_notify(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	int got = mu_wait_notify(conn, -1);

	add(&waits->story, outcome(got));
	add(&waits->story, " n;");
}

static void task_waits_fd(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	int got = mu_wait_fd(conn, waits->event, MU_READABLE, -1);

	add(&waits->story, outcome(got));
	add(&waits->story, " f;");
}

static void (*const all_waits[])(struct mu_conn *conn,
				 void *arg) = { task_sleeps, task_reads_client, task_reads_other,
						task_waits_notify, task_waits_fd };

static void start_all(struct mu_conn *conn, struct waits *waits)
{
	waits->other = open_pair(conn);
	waits->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (size_t i = 0; i < sizeof(all_waits) / sizeof(*all_waits); i++)
		mu_go(conn, all_waits[i], waits);
}

static int serve_cancels(struct mu_conn *conn, void *state)
{
	struct waits waits = { 0 };
	struct story after = { "" };

	(void)state;
	start_all(conn, &waits);
	mu_sleep(conn, 1);
	mu_cancel(conn);
	mu_join(conn);
	mu_go(conn, task_abc, &after);
	mu_join(conn);
	mu_printf(conn, "%zu %s", strlen(waits.story.text), after.text);
	for (const char *text = waits.story.text; (text = strstr(text, "ECANCELED ")); text += 9)
		mu_printf(conn, "%c", text[10]);
	close(waits.event);
	return MU_DONE;
}

START_TEST(a_cancel_ends_every_wait_of_every_task)
{
	static const struct mu_module module = { MU_ABI, .name = "cancels",
						 .serve = serve_cancels };

	/* The task last started was woken first or last: the order is nobody's business. */
	int fd;
	char told[32];

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	ck_assert_uint_eq(client_read(fd, told, 10), 10);
	ck_assert_int_eq(strncmp(told, "60 ac", 5), 0);
	ck_assert_uint_eq(strspn(told + 5, "sconf"), 5);
	for (const char *each = "sconf"; *each; each++)
		ck_assert_ptr_nonnull(strchr(told + 5, *each));
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static void task_goes_on(struct mu_conn *conn, void *arg)
{
	struct story *story = arg;

	mu_sleep(conn, 60000);
	mu_go(conn, task_abc, story);
	add(story, mu_wait_notify(conn, -1) < 0 ? "-" : "?");
}

static int serve_cancelled_starter(struct mu_conn *conn, void *state)
{
	struct story story = { "" };

	(void)state;
	mu_notify(conn);
	mu_go(conn, task_goes_on, &story);
	mu_cancel(conn);
	mu_join(conn);
	mu_printf(conn, "%s", story.text);
	return MU_DONE;
}

START_TEST(what_a_cancelled_task_starts_is_cancelled)
{
	static const struct mu_module module = { MU_ABI, .name = "starter",
						 .serve = serve_cancelled_starter };

	serves(&module, _i, "ac-");
}
END_TEST

static int serve_all_waits(struct mu_conn *conn, void *state)
{
	struct waits waits = { 0 };

	(void)state;
	start_all(conn, &waits);
	mu_printf(conn, "ready");
	mu_join(conn);
	mu_log(conn, MU_NOTICE, "waited %zu", strlen(waits.story.text));
	close(waits.event);
	return MU_DONE;
}

static void drained(void *state)
{
	(void)state;
	if (room.member[0])
		mu_notify(room.member[0]);
}

static const struct mu_module all = { MU_ABI, .name = "all", .serve = serve_all_waits,
				      .drain = drained };

START_TEST(the_drain_limit_ends_every_wait)
{
	int fd;

	begin(&all, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "ready");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 20);
	worker_fixture_wait_log(&fixture, "waited 60");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

static int serve_parks_late(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_printf(conn, "ready");
	mu_wait_notify(conn, -1);
	return mu_park(conn);
}

START_TEST(who_parks_after_the_drain_limit_is_closed)
{
	static const struct mu_module module = { MU_ABI, .name = "parks",
						 .serve = serve_parks_late };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "ready");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 20);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

static int serve_parks_lingering(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_linger(conn);
	return mu_park(conn);
}

/* No limit would count for it any more. */
START_TEST(who_parks_after_a_lingering_close_is_closed)
{
	static const struct mu_module module = { MU_ABI, .name = "lingers",
						 .serve = serve_parks_lingering };
	int fd;

	begin(&module, 1);
	go();
	fd = client_connect(&fixture);
	worker_fixture_wait_state(&fixture, SLOT_BUSY);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(when_the_master_dies_tasks_end_in_time)
{
	int fd;

	begin(&all, _i);
	fixture.service.orphan_ms = 3000;
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "ready");
	shutdown(fixture.control, SHUT_RDWR);
	worker_fixture_wait_log(&fixture, "waited 60");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

static int serve_until_drained(struct mu_conn *conn, void *state)
{
	int got;

	(void)state;
	room.member[0] = conn;
	mu_printf(conn, "ready");
	got = mu_wait_notify(conn, -1);
	mu_printf(conn, "%d%d", got, mu_draining(conn));
	room.member[0] = NULL;
	return MU_DONE;
}

START_TEST(the_drain_hook_can_wake_who_waits)
{
	static const struct mu_module module = { MU_ABI, .name = "drained",
						 .serve = serve_until_drained, .drain = drained };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "ready");
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 0);
	client_expect(fd, "11");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
}
END_TEST

/* ---- limits ---- */

static void task_dribbles(struct mu_conn *conn, void *arg)
{
	for (int i = 0; i < 20; i++) {
		mu_sleep(conn, 75);
		mu_printf(arg, ".");
	}
}

static int serve_dribble(struct mu_conn *conn, void *state)
{
	char byte;
	ssize_t n;

	(void)state;
	mu_go(conn, task_dribbles, conn);
	n = mu_read(conn, &byte, 1);
	mu_log(conn, MU_NOTICE, "read gave %s", outcome(n));
	mu_join(conn);
	return MU_DONE;
}

START_TEST(a_connection_is_idle_when_no_task_of_it_moves_a_byte)
{
	static const struct mu_module module = { MU_ABI, .name = "dribble",
						 .serve = serve_dribble };
	int fd;

	begin(&module, _i);
	fixture.service.idle_ms = 1000;
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "....................");
	worker_fixture_wait_log(&fixture, "idle limit of 1s ran out");
	worker_fixture_wait_log(&fixture, "read gave ETIMEDOUT");
	client_expect_end(fd);
	ck_assert_uint_eq(fixture.board.slot[0].limited, 1);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_limited(struct mu_conn *conn, void *state)
{
	struct waits waits = { 0 };

	(void)state;
	mu_set_limit(conn, MU_REQUEST);
	start_all(conn, &waits);
	mu_join(conn);
	mu_printf(conn, "%zu", strlen(waits.story.text));
	close(waits.event);
	return MU_DONE;
}

START_TEST(the_request_limit_is_for_all_waits_and_logged_once)
{
	static const struct mu_module module = { MU_ABI, .name = "limited",
						 .serve = serve_limited };
	int fd;

	begin(&module, _i);
	fixture.service.request_ms = 50;
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "60");
	client_expect_end(fd);
	worker_fixture_wait_log(&fixture, "request limit of 50ms ran out");
	ck_assert_uint_eq(fixture.board.slot[0].limited, 1);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_changes_limits(struct mu_conn *conn, void *state)
{
	struct waits waits = { .story = { "" } };

	(void)state;
	mu_set_limit(conn, MU_REQUEST);
	mu_go(conn, task_waits_notify, &waits);
	mu_set_limit(conn, MU_IDLE);
	mu_sleep(conn, 100);
	mu_notify(conn);
	mu_join(conn);
	mu_go(conn, task_waits_notify, &waits);
	mu_set_limit(conn, MU_REQUEST);
	mu_join(conn);
	mu_printf(conn, "%s", waits.story.text);
	return MU_DONE;
}

START_TEST(a_limit_that_changes_counts_for_waits_that_have_begun)
{
	static const struct mu_module module = { MU_ABI, .name = "changes",
						 .serve = serve_changes_limits };
	int fd;

	begin(&module, _i);
	fixture.service.request_ms = 50;
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "1 n;ETIMEDOUT n;");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- connections of our own ---- */

static void copy(struct mu_conn *from, struct mu_conn *to)
{
	char data[4096];
	ssize_t n;

	while ((n = mu_read(from, data, sizeof(data))) > 0)
		if (mu_write(to, data, (size_t)n) < 0)
			return;
	mu_shutdown(to);
}

static void task_copies_up(struct mu_conn *conn, void *arg)
{
	copy(conn, arg);
}

static int serve_relay(struct mu_conn *conn, void *state)
{
	struct mu_conn *other = open_pair(conn);

	(void)state;
	if (mu_go(conn, task_copies_up, other) == 0)
		copy(other, conn);
	return MU_DONE;
}

static const struct mu_module relay = { MU_ABI, .name = "relay", .serve = serve_relay };

static pid_t fork_sender(int fd)
{
	pid_t pid = fork();
	static char data[BIG];

	if (pid)
		return pid;
	for (size_t i = 0; i < BIG; i++)
		data[i] = (char)('a' + (i * 7 + i / 1000) % 26);
	_exit(fd_write_all(fd, data, BIG) < 0 || shutdown(fd, SHUT_WR) < 0);
}

static pid_t fork_echo(int fd)
{
	pid_t pid = fork();
	char data[4096];
	ssize_t n;

	if (pid)
		return pid;
	while ((n = read(fd, data, sizeof(data))) > 0)
		if (fd_write_all(fd, data, (size_t)n) < 0)
			_exit(1);
	_exit(n < 0 || fd_write_all(fd, "end", 3) < 0);
}

START_TEST(a_relay_is_two_tasks_with_half_closes)
{
	static char got[BIG + 16];
	size_t wrong = 0;
	pid_t sender, echo;
	int fd;

	begin(&relay, _i);
	go();
	echo = fork_echo(pair[0]);
	close(pair[0]);
	fd = client_connect(&fixture);
	sender = fork_sender(fd);
	ck_assert_uint_eq(client_read(fd, got, BIG + 3), BIG + 3);
	for (size_t i = 0; i < BIG; i++)
		wrong += got[i] != (char)('a' + (i * 7 + i / 1000) % 26);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_str_eq(got + BIG, "end");
	ck_assert_int_eq(waitpid(sender, NULL, 0), sender);
	ck_assert_int_eq(waitpid(echo, NULL, 0), echo);
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_leaves(struct mu_conn *conn, void *state)
{
	struct mu_conn *other = open_pair(conn);
	char peer[MU_ADDRESS_MAX];

	(void)state;
	close(pair[1]);
	mu_printf(other, "for %s", mu_peer(other, peer));
	mu_printf(conn, "sent");
	return MU_DONE;
}

START_TEST(others_are_closed_at_the_end_of_serve)
{
	static const struct mu_module module = { MU_ABI, .name = "leaves", .serve = serve_leaves };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "sent");
	client_expect(pair[0], "for unix");
	client_expect_end(pair[0]);
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

static int serve_closes(struct mu_conn *conn, void *state)
{
	struct waits waits = { .other = open_pair(conn) };

	(void)state;
	mu_go(conn, task_reads_other, &waits);
	mu_sleep(conn, 1);
	mu_close(waits.other);
	mu_join(conn);
	mu_printf(conn, "%s%s", waits.story.text, outcome(mu_write(waits.other, "x", 1)));
	return MU_DONE;
}

START_TEST(who_waits_for_what_is_closed_goes_on)
{
	static const struct mu_module module = { MU_ABI, .name = "closes", .serve = serve_closes };

	serves(&module, _i, "ECANCELED o;EBADF");
}
END_TEST

/* The task is woken by a byte, and before it goes on its connection is closed. */
static void task_reads_closed(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	char byte;
	ssize_t n = mu_read(waits->other, &byte, 1);

	(void)conn;
	add(&waits->story, outcome(n));
}

static int serve_closes_woken(struct mu_conn *conn, void *state)
{
	struct waits waits = { .other = open_pair(conn) };
	bool kept;

	(void)state;
	mu_go(conn, task_reads_closed, &waits);
	conn_wake(waits.other, CONN_IN, 0);
	mu_close(waits.other);
	kept = waits.other->state == CONN_OTHER;
	mu_join(conn);
	mu_printf(conn, "%s %d", waits.story.text, kept);
	return MU_DONE;
}

START_TEST(what_is_closed_is_nobody_elses_before_who_was_woken_for_it_has_seen_that)
{
	static const struct mu_module module = { MU_ABI, .name = "woken",
						 .serve = serve_closes_woken };

	serves(&module, _i, "ECANCELED 1");
}
END_TEST

static int serve_reopens(struct mu_conn *conn, void *state)
{
	unsigned long long opened = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct mu_conn *other = open_pair(conn);

		opened += other && mu_write(other, "x", 1) == 0;
		mu_close(other);
	}
	mu_printf(conn, "%llu", opened);
	return MU_DONE;
}

START_TEST(others_come_and_go)
{
	static const struct mu_module module = { MU_ABI, .name = "reopens",
						 .serve = serve_reopens };

	serves(&module, _i, "100");
}
END_TEST

static int serve_pipes(struct mu_conn *conn, void *state)
{
	int fd[2];
	struct mu_conn *in, *out;
	char *line, data[64];
	ssize_t n, ended;
	int sent;

	(void)state;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return MU_DONE;
	in = conn_open_other(conn, fd[0], true);
	out = conn_open_other(conn, fd[1], true);
	mu_printf(out, "line\nrest");
	n = mu_readline(in, &line);
	mu_printf(conn, "%.*s", (int)n, line);
	mu_close(out);
	n = mu_read(in, data, sizeof(data));
	ended = mu_read(in, data + n, 1);
	mu_printf(conn, "%.*s %zd ", (int)n, data, ended);
	mu_close(in);
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return MU_DONE;
	out = conn_open_other(conn, fd[1], true);
	close(fd[0]);
	sent = mu_write(out, "x", 1);
	mu_printf(conn, "%s", outcome(sent));
	return MU_DONE;
}

START_TEST(pipes_are_connections_too)
{
	static const struct mu_module module = { MU_ABI, .name = "pipes", .serve = serve_pipes };

	serves(&module, _i, "line\nrest 0 EPIPE");
}
END_TEST

static void task_fills_pipe(struct mu_conn *conn, void *arg)
{
	struct waits *waits = arg;
	static char data[BIG];

	(void)conn;
	mu_write(waits->pipe, data, BIG);
	mu_close(waits->pipe);
}

static int serve_full_pipe(struct mu_conn *conn, void *state)
{
	struct waits waits = { 0 };
	size_t total = 0;
	ssize_t n;
	int fd[2];

	(void)state;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return MU_DONE;
	waits.pipe = conn_open_other(conn, fd[1], true);
	waits.other = conn_open_other(conn, fd[0], true);
	mu_go(conn, task_fills_pipe, &waits);
	while ((n = mu_fill(waits.other)) > 0) {
		mu_consume(waits.other, (size_t)n);
		total += (size_t)n;
	}
	mu_printf(conn, "%zu", total);
	return MU_DONE;
}

START_TEST(a_full_pipe_is_waited_for)
{
	static const struct mu_module module = { MU_ABI, .name = "full", .serve = serve_full_pipe };

	serves(&module, _i, "1048576");
}
END_TEST

struct ending {
	struct at_end end; /* first */
	struct mu_conn *conn;
	int number;
};

static void tell_end(struct at_end *end)
{
	const struct ending *self = (const struct ending *)end;

	mu_try_write(self->conn, &"12"[self->number], 1, 0);
}

static int serve_at_end(struct mu_conn *conn, void *state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ending *ending = mu_alloc(conn, sizeof(*ending));

		*ending = (struct ending){ { NULL, tell_end }, conn, i };
		mu_printf(conn, "%s", outcome(conn_at_end(conn, &ending->end)));
	}
	mu_go(conn, task_late, NULL);
	return MU_DONE;
}

START_TEST(what_is_to_be_undone_is_done_after_the_tasks)
{
	static const struct mu_module module = { MU_ABI, .name = "end", .serve = serve_at_end };

	serves(&module, _i, "00late21");
}
END_TEST

/* ---- descriptors that are not ours ---- */

static int serve_foreign(struct mu_conn *conn, void *state)
{
	int fd[2], other[2], got[5];

	(void)state;
	if (pipe2(fd, O_CLOEXEC) < 0 || pipe2(other, O_CLOEXEC) < 0)
		return MU_DONE;
	got[0] = mu_wait_fd(conn, fd[0], MU_READABLE, 1);
	got[1] = mu_wait_fd(conn, fd[1], MU_WRITABLE, -1);
	got[2] = write(fd[1], "x", 1) == 1 ? mu_wait_fd(conn, fd[0], MU_READABLE, 0) : -1;
	close(other[1]);
	got[3] = mu_wait_fd(conn, other[0], MU_READABLE, -1);
	got[4] = mu_wait_fd(conn, pair[1], MU_READABLE | MU_WRITABLE, -1);
	mu_printf(conn, "%d%d%d%d%d ", got[0], got[1], got[2], got[3], got[4]);
	mu_printf(conn, "%s ", outcome(mu_wait_fd(conn, fd[0], 0, -1)));
	mu_printf(conn, "%s ", outcome(mu_wait_fd(conn, -1, MU_READABLE, -1)));
	close(fd[0]);
	mu_printf(conn, "%s", outcome(mu_wait_fd(conn, fd[0], MU_READABLE, -1)));
	return MU_DONE;
}

START_TEST(foreign_descriptors_are_waited_for)
{
	static const struct mu_module module = { MU_ABI, .name = "foreign",
						 .serve = serve_foreign };

	serves(&module, _i, "02112 EINVAL EBADF EBADF");
}
END_TEST

static int serve_twice(struct mu_conn *conn, void *state)
{
	struct waits waits = { .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	int got;

	(void)state;
	mu_go(conn, task_waits_fd, &waits);
	got = mu_wait_fd(conn, waits.event, MU_READABLE, 1000);
	mu_printf(conn, "%s;", outcome(got));
	eventfd_write(waits.event, 1);
	mu_join(conn);
	mu_printf(conn, "%s", waits.story.text);
	close(waits.event);
	return MU_DONE;
}

START_TEST(one_at_a_time_waits_for_a_foreign_descriptor)
{
	static const struct mu_module module = { MU_ABI, .name = "twice", .serve = serve_twice };

	serves(&module, _i, "EBUSY;1 f;");
}
END_TEST

/* The number of what was closed goes to a connection of ours, which must not lose its place in epoll by that. */
static int serve_closed(struct mu_conn *conn, void *state)
{
	struct waits waits = { .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	char data[8];
	ssize_t n;

	(void)state;
	mu_go(conn, task_waits_fd, &waits);
	close(waits.event);
	waits.other = open_pair(conn);
	mu_go(conn, task_late, NULL);
	n = mu_read(waits.other, data, sizeof(data));
	mu_printf(conn, "%d %.*s ", waits.other->fd == waits.event, (int)n, data);
	mu_sleep(conn, 1);
	mu_printf(conn, "%s", waits.story.text);
	n = mu_read(waits.other, data, sizeof(data));
	mu_printf(conn, "%.*s", (int)n, data);
	return MU_DONE;
}

START_TEST(a_foreign_descriptor_that_is_closed_meanwhile_harms_nobody)
{
	static const struct mu_module module = { MU_ABI, .name = "closed", .serve = serve_closed };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "late");
	client_send(pair[0], "one");
	client_expect(fd, "1 one EBADF f;");
	client_send(pair[0], "two");
	client_expect(fd, "two");
	client_expect_end(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

/* ---- handing out ---- */

static int serve_detached(struct mu_conn *conn, void *state)
{
	struct sockaddr_storage local;
	socklen_t len = mu_local_address(conn, &local);
	int fd = mu_detach(conn), again = mu_detach(conn);
	struct timeval limit = { -1, -1 };
	socklen_t size = sizeof(limit);
	char byte;

	(void)state;
	if (len != sizeof(struct sockaddr_in) || local.ss_family != AF_INET)
		return MU_DONE;
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size);
	dprintf(fd, "%d %d %ld ", again, fcntl(fd, F_GETFL) & O_NONBLOCK, (long)limit.tv_usec);
	dprintf(fd, "%s ", outcome(mu_read(conn, &byte, 1)));
	dprintf(fd, "%d ", mu_wait_room(conn));
	dprintf(fd, "%s ", outcome(mu_write(conn, "x", 1)));
	dprintf(fd, "%d", mu_wait_fd(conn, fd, MU_READABLE, -1));
	if (read(fd, &byte, 1) == 1)
		mu_wait_fd(conn, fd, MU_READABLE, -1); /* until the client has looked */
	close(fd);
	return MU_DONE;
}

START_TEST(a_detached_connection_is_its_takers_and_counts_until_the_end)
{
	static const struct mu_module module = { MU_ABI, .name = "detached",
						 .serve = serve_detached };
	int fd;

	begin(&module, _i);
	go();
	fd = client_connect(&fixture);
	client_expect(fd, "-1 0 0 EBADF 0 EBADF ");
	client_send(fd, "x");
	client_expect(fd, "1");
	ck_assert_uint_eq(fixture.board.slot[0].connections, 1);
	close(fd);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}
END_TEST

START_TEST(a_connection_stays_small)
{
	ck_assert_uint_le(sizeof(struct mu_conn), 112);
}
END_TEST

int main(int argc, char *argv[], char *envp[])
{
	TCase *tcase = tcase_create("task");

	setproctitle_init(argc, argv, envp);
	tcase_add_loop_test(tcase, who_filled_a_buffer_waits_until_there_is_room_for_much, 0, 2);
	tcase_add_loop_test(tcase, a_task_runs_until_it_waits_and_then_beside, 0, 2);
	tcase_add_loop_test(tcase, tasks_start_many_tasks, 0, 2);
	tcase_add_loop_test(tcase, serve_that_returned_is_over_when_its_tasks_are, 0, 2);
	tcase_add_loop_test(tcase, two_tasks_cannot_join_each_other, 0, 2);
	tcase_add_loop_test(tcase, one_at_a_time_waits_for_input, 0, 2);
	tcase_add_loop_test(tcase, a_connection_with_tasks_can_be_parked_and_begins_anew, 0, 2);
	tcase_add_test(tcase, who_refuses_can_have_tasks);
	tcase_add_loop_test(tcase, who_never_has_to_wait_lets_tasks_have_their_turn, 0, 2);
	tcase_add_loop_test(tcase, nobody_else_writes_while_a_write_lets_others_have_their_turn, 0,
			    2);
	tcase_add_test(tcase, who_never_has_to_wait_lets_other_clients_come);
	tcase_add_loop_test(tcase, who_never_has_to_wait_hears_of_the_drain, 0, 2);
	tcase_add_loop_test(tcase, notifications_are_kept_and_several_are_one, 0, 2);
	tcase_add_test(tcase, connections_of_a_worker_notify_each_other);
	tcase_add_loop_test(tcase, a_cancel_ends_every_wait_of_every_task, 0, 2);
	tcase_add_loop_test(tcase, what_a_cancelled_task_starts_is_cancelled, 0, 2);
	tcase_add_loop_test(tcase, the_drain_limit_ends_every_wait, 0, 2);
	tcase_add_loop_test(tcase, who_parks_after_the_drain_limit_is_closed, 0, 2);
	tcase_add_test(tcase, who_parks_after_a_lingering_close_is_closed);
	tcase_add_loop_test(tcase, when_the_master_dies_tasks_end_in_time, 0, 2);
	tcase_add_loop_test(tcase, the_drain_hook_can_wake_who_waits, 0, 2);
	tcase_add_loop_test(tcase, a_connection_is_idle_when_no_task_of_it_moves_a_byte, 0, 2);
	tcase_add_loop_test(tcase, the_request_limit_is_for_all_waits_and_logged_once, 0, 2);
	tcase_add_loop_test(tcase, a_limit_that_changes_counts_for_waits_that_have_begun, 0, 2);
	tcase_add_loop_test(tcase, a_relay_is_two_tasks_with_half_closes, 0, 2);
	tcase_add_loop_test(tcase, others_are_closed_at_the_end_of_serve, 0, 2);
	tcase_add_loop_test(tcase, who_waits_for_what_is_closed_goes_on, 0, 2);
	tcase_add_loop_test(
		tcase, what_is_closed_is_nobody_elses_before_who_was_woken_for_it_has_seen_that, 0,
		2);
	tcase_add_loop_test(tcase, others_come_and_go, 0, 2);
	tcase_add_loop_test(tcase, pipes_are_connections_too, 0, 2);
	tcase_add_loop_test(tcase, a_full_pipe_is_waited_for, 0, 2);
	tcase_add_loop_test(tcase, what_is_to_be_undone_is_done_after_the_tasks, 0, 2);
	tcase_add_loop_test(tcase, foreign_descriptors_are_waited_for, 0, 2);
	tcase_add_loop_test(tcase, one_at_a_time_waits_for_a_foreign_descriptor, 0, 2);
	tcase_add_loop_test(tcase, a_foreign_descriptor_that_is_closed_meanwhile_harms_nobody, 0,
			    2);
	tcase_add_loop_test(tcase, a_detached_connection_is_its_takers_and_counts_until_the_end, 0,
			    2);
	tcase_add_test(tcase, a_connection_stays_small);
	return unit_main("task", tcase);
}
