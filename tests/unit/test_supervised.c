/* SPDX-License-Identifier: MIT */
/*
 * What a worker does for its master: pauses, says where it is, wants to be replaced, refuses, goes
 * when the master is dead. A loop test runs with _i 0 and 1: direct and multiplexed.
 */
#include "worker_fixture.h"

#include "base/clock.h"
#include "runtime/coroutine.h"
#include "worker/orphan.h"

#include "unit.h"

#include <arpa/inet.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRACE_BYTES = 20000, PATIENCE_MS = 20000 };

static struct worker_fixture fixture;
static struct slot *slot; /* the worker's */
static char trace[TRACE_BYTES];

static void begin(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 64 : 1);
	slot = &fixture.board.slot[0];
}

static int ask(const char *text)
{
	int fd = client_connect(&fixture);

	client_send(fd, text);
	return fd;
}

static void wait_until(bool (*is_so)(void))
{
	int64_t end = clock_ms() + PATIENCE_MS;

	while (!is_so()) {
		ck_assert_int_lt(clock_ms(), end);
		sched_yield();
	}
}

/* One line is one request, and comes back. Some say what shall happen meanwhile. */
static volatile int *go_on; /* shared with the workers */

static __attribute__((__noinline__)) void compute_for_long(void)
{
	go_on[0] = 1;
	while (!go_on[1])
		;
}

static __attribute__((__noinline__)) int fall(volatile int *where)
{
	return *where + 1;
}

static __attribute__((__noinline__)) int sink(volatile char *above)
{
	volatile char frame[4096];

	if (!above)
		return 0;
	frame[0] = above[0];
	return sink(frame) + frame[0];
}

static volatile int *volatile nowhere;

static int serve(struct mu_conn *conn, void *state)
{
	char first[1] = { 1 };
	char *line;
	ssize_t n = mu_readline(conn, &line);

	(void)state;
	if (n <= 0)
		return MU_DONE;
	mu_set_limit(conn, MU_REQUEST);
	if (line[0] == 'L')
		compute_for_long();
	if (line[0] == 'F')
		fall(nowhere);
	if (line[0] == 'A')
		abort();
	if (line[0] == 'S')
		sink(first);
	if (line[0] == 'W')
		mu_sleep(conn, 100);
	if (line[0] == 'R') {
		mu_printf(conn, "%s\n", mu_is_ready(mu_worker_of(conn)) ? "yes" : "no");
		return mu_park(conn);
	}
	if (line[0] == 'E')
		mu_log(conn, MU_ERR, "bad\n%s", "luck");
	if (mu_write(conn, line, (size_t)n) < 0)
		return MU_DONE;
	mu_count_request(conn);
	mu_set_limit(conn, MU_IDLE);
	return mu_park(conn);
}

static const struct mu_module lines = { MU_ABI, .name = "lines",
					.flags = MU_CLIENT_FIRST | MU_REQUESTS, .serve = serve };

/* Says it, with bytes of the client unread, as http does. */
static void refuse(struct mu_conn *conn, void *state)
{
	(void)state;
	mu_write(conn, "full\n", 5);
	mu_linger(conn);
}

static const struct mu_module polite = { MU_ABI, .name = "polite", .flags = MU_CLIENT_FIRST,
					 .serve = serve, .refuse = refuse };

static void set_up(void)
{
	go_on = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)(uintptr_t)go_on, MAP_FAILED);
}

static bool is_computing(void)
{
	return go_on[0];
}

static void stop(void)
{
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}

/* ---- PAUSE and GO ---- */

START_TEST(a_paused_worker_serves_what_it_has_and_takes_nothing)
{
	int one, two;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	one = ask("a\n");
	client_expect(one, "a\n");
	worker_fixture_send(&fixture, RECORD_PAUSE, 0, 0);
	worker_fixture_settle(&fixture);
	two = ask("b\n");
	worker_fixture_send(&fixture, RECORD_TRY_ACCEPT, 0, 0);
	client_send(one, "c\n");
	client_expect(one, "c\n");
	worker_fixture_settle(&fixture);
	ck_assert_uint_eq(slot->accepted, 1);
	ck_assert_uint_eq(slot->state, SLOT_BUSY);
	close(one);
	worker_fixture_wait_state(&fixture, SLOT_READY);
	worker_fixture_send(&fixture, RECORD_TRY_ACCEPT, 0, 0);
	worker_fixture_settle(&fixture);
	ck_assert_uint_eq(slot->accepted, 1);
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	client_expect(two, "b\n");
	close(two);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	stop();
}
END_TEST

START_TEST(a_pause_before_go_lasts_until_go)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_start(&fixture);
	worker_fixture_send(&fixture, RECORD_PAUSE, 0, 0);
	worker_fixture_settle(&fixture);
	ck_assert_uint_eq(slot->state, SLOT_READY);
	fd = ask("a\n");
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	client_expect(fd, "a\n");
	close(fd);
	stop();
}
END_TEST

START_TEST(a_paused_worker_drains)
{
	int one, two;
	char data[2];

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	one = ask("a\n");
	client_expect(one, "a\n");
	worker_fixture_send(&fixture, RECORD_PAUSE, 0, 0);
	worker_fixture_settle(&fixture);
	two = ask("b\n");
	/* Even a last call: paused is paused. */
	worker_fixture_send(&fixture, RECORD_DRAIN, RECORD_LAST_CALL, 20000);
	worker_fixture_wait_state(&fixture, SLOT_DRAINING);
	client_send(one, "c\n");
	client_expect(one, "c\n");
	close(one);
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 0);
	ck_assert_uint_eq(slot->accepted, 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
	/* The test's own listener was the last. */
	ck_assert_int_lt(recv(two, data, 1, 0), 0);
	close(two);
}
END_TEST

START_TEST(a_service_that_is_closing_serves_on_but_is_not_ready)
{
	int one, two;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	one = ask("R\n");
	client_expect(one, "yes\n");
	worker_fixture_send(&fixture, RECORD_CLOSING, 0, 0);
	worker_fixture_settle(&fixture);
	client_send(one, "R\n");
	client_expect(one, "no\n");
	close(one);
	two = ask("R\na\n");
	client_expect(two, "no\na\n");
	close(two);
	stop();
}
END_TEST

/* ---- TRACE ---- */

static bool is_in_trace(const char *what)
{
	return strstr(trace, what) != NULL;
}

#define ck_in_trace(what) ck_assert_msg(is_in_trace(what), "no %s in\n%s", what, trace)

START_TEST(a_spinning_worker_says_where_and_goes_on)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	fd = ask("L\n");
	wait_until(is_computing);
	kill(fixture.pid, SIGUSR2);
	worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
	ck_assert_msg(strncmp(trace, "compute_for_long+0x", 19) == 0, "begins with %s", trace);
	ck_in_trace("\nserve+0x");
	ck_in_trace(_i ? "\ncoroutine_main" : "\nrun_direct");
	/* As often as one likes. */
	for (int i = 0; i < 20; i++) {
		kill(fixture.pid, SIGUSR2);
		worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
		ck_in_trace("compute_for_long");
	}
	go_on[1] = 1;
	client_expect(fd, "L\n");
	client_send(fd, "a\n");
	client_expect(fd, "a\n");
	close(fd);
	stop();
}
END_TEST

START_TEST(a_worker_that_waits_is_not_disturbed_by_being_asked)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_start(&fixture);
	/* It may still be on its way from READY to there. */
	do {
		kill(fixture.pid, SIGUSR2);
		worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
	} while (!is_in_trace("control_wait+0x"));
	/* How it came to be forked is no part of it. */
	ck_assert(!is_in_trace("worker_fixture_fork"));
	worker_fixture_send(&fixture, RECORD_GO, 0, 0);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	kill(fixture.pid, SIGUSR2);
	worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
	fd = ask("x");
	for (int i = 0; i < 20; i++) {
		kill(fixture.pid, SIGUSR2);
		worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
		client_send(fd, "x");
	}
	client_send(fd, "\n");
	client_expect(fd, "xxxxxxxxxxxxxxxxxxxxx\n");
	close(fd);
	stop();
}
END_TEST

/* Wherever it is, in the middle of a switch of stacks too. */
START_TEST(being_asked_all_the_time_disturbs_nobody)
{
	enum { ASKED = 500, CLIENTS = 4 };
	int fd[CLIENTS] = { 0 }, status = 0;
	pid_t asker;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	for (int i = 0; i < (_i ? CLIENTS : 1); i++)
		fd[i] = ask("a\n");
	asker = fork();
	if (!asker) {
		for (int i = 0; i < ASKED; i++) {
			struct pollfd pollfd = { .fd = fixture.control, .events = POLLIN };
			struct record record;
			int trace_fd;

			if (kill(fixture.pid, SIGUSR2) < 0 || poll(&pollfd, 1, PATIENCE_MS) != 1 ||
			    record_receive(fixture.control, &record, &trace_fd) != 1 ||
			    record.type != RECORD_TRACE)
				_exit(1);
			close(trace_fd);
		}
		_exit(0);
	}
	while (waitpid(asker, &status, WNOHANG) == 0) {
		for (int i = 0; i < CLIENTS && fd[i]; i++) {
			client_expect(fd[i], "a\n");
			client_send(fd[i], "a\n");
		}
	}
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < CLIENTS && fd[i]; i++) {
		client_expect(fd[i], "a\n");
		close(fd[i]);
	}
	stop();
}
END_TEST

static const struct {
	const char *line, *function;
	int signal;
} faults[] = {
	{ "F\n", "fall", SIGSEGV },
	{ "S\n", "sink", SIGSEGV }, /* on a coroutine's stack: the guard page */
	{ "A\n", "serve", SIGABRT },
};

START_TEST(a_crash_says_where_and_is_that_crash)
{
	enum { N = sizeof(faults) / sizeof(*faults) };
	int status, fd;

	if (WITH_ASAN || skipped_under_valgrind("reports of crashes"))
		return;
	begin(&lines, _i / N);
	worker_fixture_go(&fixture);
	fd = ask(faults[_i % N].line);
	worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
	ck_in_trace(faults[_i % N].function);
	status = worker_fixture_reap(&fixture);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), faults[_i % N].signal);
	close(fd);
}
END_TEST

START_TEST(a_signal_of_a_crash_that_somebody_sends_ends_it_too)
{
	int status;

	/* One that comes while valgrind itself is at work waits there for the next system call to end. */
	if (WITH_ASAN || skipped_under_valgrind("handling of faults"))
		return;
	begin(&lines, _i);
	worker_fixture_go(&fixture);
	kill(fixture.pid, SIGBUS);
	worker_fixture_expect_trace(&fixture, trace, sizeof(trace));
	status = worker_fixture_reap(&fixture);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGBUS);
}
END_TEST

/* ---- what the slot and the log say ---- */

static bool is_in_request(void)
{
	return slot->request_since != 0;
}

START_TEST(a_direct_worker_says_since_when_it_serves_a_request)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	fd = ask("L\n");
	wait_until(is_computing);
	ck_assert_int_eq(is_in_request(), _i == 0);
	if (!_i) {
		ck_assert_int_le(slot->request_since, clock_ms());
		ck_assert_int_gt(slot->request_since, clock_ms() - PATIENCE_MS);
	}
	go_on[1] = 1;
	client_expect(fd, "L\n");
	client_send(fd, "a\n");
	client_expect(fd, "a\n");
	close(fd);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	ck_assert_int_eq(slot->request_since, 0);
	stop();
}
END_TEST

START_TEST(a_request_that_is_not_slow_is_not_logged)
{
	int fd;

	begin(&lines, _i);
	fixture.service.slow_ms = 1000000;
	worker_fixture_go(&fixture);
	fd = ask("W\n");
	client_expect(fd, "W\n");
	close(fd);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
	worker_fixture_settle(&fixture);
	ck_assert_ptr_null(strstr(fixture.logged, "slow"));
	stop();
}
END_TEST

START_TEST(a_slow_request_is_logged)
{
	char peer[64];
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int fd;

	begin(&lines, _i);
	fixture.service.slow_ms = 60;
	worker_fixture_go(&fixture);
	fd = ask("W\n");
	client_expect(fd, "W\n");
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(peer, sizeof(peer), "127.0.0.1:%d: slow request: it took ",
		 ntohs(address.sin_port));
	worker_fixture_wait_log(&fixture, peer);
	worker_fixture_wait_log(&fixture, ", which is more than 60ms");
	close(fd);
	stop();
}
END_TEST

START_TEST(the_last_error_stands_in_the_slot)
{
	int fd;

	begin(&lines, _i);
	worker_fixture_go(&fixture);
	fd = ask("a\n");
	client_expect(fd, "a\n");
	ck_assert_str_eq(slot->error, "");
	client_send(fd, "E\n");
	client_expect(fd, "E\n");
	ck_assert_ptr_nonnull(strstr(slot->error, ": bad\\nluck"));
	close(fd);
	stop();
}
END_TEST

static int refuse_to_start(struct mu_worker *worker, const void *config, void **state)
{
	(void)config;
	(void)state;
	mu_worker_log(worker, MU_ERR, "no database");
	return -1;
}

static const struct mu_module broken = { MU_ABI, .name = "broken", .start = refuse_to_start,
					 .serve = serve };

START_TEST(the_slot_says_why_a_worker_did_not_start)
{
	begin(&broken, 0);
	worker_fixture_fork(&fixture);
	worker_fixture_wait_log(&fixture, "broken did not start");
	ck_assert_str_eq(slot->error, "no database");
	worker_fixture_reap(&fixture);
}
END_TEST

/* ---- EXPIRED ---- */

START_TEST(enough_requests_are_said_once_and_it_serves_on)
{
	int fd;

	begin(&lines, _i);
	fixture.service.max_requests = 3;
	worker_fixture_go(&fixture);
	fd = ask("a\n");
	client_expect(fd, "a\n");
	client_send(fd, "b\nc\n");
	client_expect(fd, "b\nc\n");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_EXPIRED), EXPIRY_REQUESTS);
	client_send(fd, "d\n");
	client_expect(fd, "d\n");
	close(fd);
	fd = ask("e\n");
	client_expect(fd, "e\n");
	close(fd);
	stop(); /* nothing but GOODBYE comes */
}
END_TEST

START_TEST(too_much_memory_is_said)
{
	int fd;

	begin(&lines, _i);
	fixture.service.max_memory = 1;
	worker_fixture_go(&fixture);
	fd = ask("a\n");
	client_expect(fd, "a\n");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_EXPIRED), EXPIRY_MEMORY);
	ck_assert_uint_gt(slot->memory, 65536);
	close(fd);
	stop();
}
END_TEST

/* ---- refusing ---- */

static void begin_refusing(const struct mu_module *module, int mode)
{
	begin(module, mode);
	fixture.refuses = true;
	slot_set_state(&fixture.board.slot[1], SLOT_BUSY, 1);
	fixture.board.slot[1].connections = (uint32_t)fixture.service.connections;
	worker_fixture_go(&fixture);
}

START_TEST(a_client_that_is_refused_is_told_whatever_it_sends)
{
	char much[50000];
	int fd[8];

	begin_refusing(&polite, _i);
	memset(much, 'x', sizeof(much));
	for (int i = 0; i < 8; i++) {
		fd[i] = client_connect(&fixture);
		send(fd[i], much, sizeof(much), MSG_NOSIGNAL);
	}
	for (int i = 0; i < 8; i++) {
		client_expect(fd[i], "full\n");
		client_expect_end(fd[i]);
	}
	ck_assert_uint_eq(slot->refused, 8);
	ck_assert_uint_eq(slot->accepted, 0);
	ck_assert_uint_eq(slot->requests, 0);
	ck_assert_uint_eq(slot->state, SLOT_READY);
	stop();
}
END_TEST

static bool is_alone(void)
{
	return slot->connections == 0;
}

START_TEST(who_holds_on_to_a_refusal_is_closed_after_a_moment)
{
	char data[2];
	int fd;

	begin_refusing(&polite, _i);
	fd = client_connect(&fixture);
	client_expect(fd, "full\n");
	ck_assert_uint_eq(client_read(fd, data, 1), 0);
	/* Our end is open still: only the limit of a second lets the worker go. */
	wait_until(is_alone);
	ck_assert_uint_eq(slot->limited, 0);
	close(fd);
	stop();
}
END_TEST

START_TEST(without_a_word_it_is_closed)
{
	char data[2];
	int fd;

	begin_refusing(&lines, _i);
	fd = client_connect(&fixture);
	ck_assert_int_le(recv(fd, data, 1, 0), 0);
	close(fd);
	while (!slot->refused)
		sched_yield();
	ck_assert_uint_eq(slot->refused, 1);
	stop();
}
END_TEST

START_TEST(nobody_is_refused_while_a_sibling_has_room)
{
	struct slot *sibling;
	int fd;

	begin_refusing(&polite, _i);
	sibling = &fixture.board.slot[1];
	sibling->connections--;
	slot_set_state(sibling, _i ? SLOT_BUSY : SLOT_IDLE, 1);
	fd = client_connect(&fixture);
	for (int i = 0; i < 20; i++)
		worker_fixture_settle(&fixture);
	ck_assert_uint_eq(slot->refused, 0);
	/* One that drains takes nobody, whatever it holds. */
	slot_set_state(sibling, SLOT_DRAINING, 1);
	client_expect(fd, "full\n");
	close(fd);
	stop();
}
END_TEST

START_TEST(a_sibling_that_is_idle_is_woken_for_whom_the_other_leaves_alone)
{
	static struct worker_fixture sibling;

	begin(&polite, 1);
	fixture.refuses = true;
	worker_fixture_go(&fixture);
	sibling = fixture;
	sibling.refuses = false;
	sibling.number = 2;
	worker_fixture_go(&sibling);
	while (fixture.board.slot[1].state != SLOT_IDLE)
		sched_yield();
	for (int i = 0; i < 100; i++) {
		int fd = ask("a\n");

		client_expect(fd, "a\n");
		close(fd);
	}
	ck_assert_uint_eq(slot->refused, 0);
	ck_assert_uint_eq(fixture.board.slot[1].accepted, 100);
	worker_fixture_send(&sibling, RECORD_DRAIN, 0, 0);
	worker_fixture_expect(&sibling, RECORD_GOODBYE);
	ck_assert_int_eq(waitpid(sibling.pid, NULL, 0), sibling.pid);
	stop();
}
END_TEST

/* ---- the master's death ---- */

static void begin_with_master(const struct mu_module *module, int mode, int64_t orphan_ms)
{
	begin(module, mode);
	fixture.has_master = true;
	fixture.service.orphan_ms = orphan_ms;
	worker_fixture_go(&fixture);
	worker_fixture_wait_state(&fixture, SLOT_IDLE);
}

static void kill_master(void)
{
	kill(fixture.master, SIGKILL);
	ck_assert_int_eq(waitpid(fixture.master, NULL, 0), fixture.master);
}

static bool is_refused(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)fixture.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result < 0;
}

/* The worker is the child of another process, so waitpid does not tell us. */
static bool is_stopped(void)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)fixture.pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
	fclose(file);
	return state == 'T';
}

static bool is_another_program(void)
{
	char path[64], name[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)fixture.master);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%63s", name), 1);
	fclose(file);
	return strcmp(name, "sleep") == 0;
}

START_TEST(a_spinning_orphan_leaves_the_address_and_is_ended)
{
	int status, fd;

	begin_with_master(&lines, _i, 300);
	close(fixture.listener);
	fd = ask("L\n");
	wait_until(is_computing);
	kill_master();
	wait_until(is_refused);
	ck_assert_int_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	close(fd);
}
END_TEST

START_TEST(a_stopped_orphan_goes)
{
	int status;

	begin_with_master(&lines, _i, 20000);
	close(fixture.listener);
	kill(fixture.pid, SIGSTOP);
	wait_until(is_stopped);
	close(fixture.control);
	kill_master();
	wait_until(is_refused);
	ck_assert_int_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_orphan_limit_ends_with_all_gone)
{
	char data[2];
	int fd;

	ck_assert_int_eq(orphan_work_ms(2000), 1800);
	ck_assert_int_eq(orphan_work_ms(60000), 59500);
	ck_assert_int_eq(orphan_work_ms(1), 1);
	begin_with_master(&lines, _i, 1000);
	fd = ask("unfinished");
	while (!slot->accepted)
		sched_yield();
	close(fixture.control);
	kill_master();
	ck_assert_int_le(recv(fd, data, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(waitpid(fixture.pid, NULL, 0), fixture.pid);
}
END_TEST

START_TEST(an_orphan_in_a_request_may_finish_it)
{
	int status, fd;

	begin_with_master(&lines, _i, 20000);
	close(fixture.listener);
	fd = ask("unfinish");
	while (!slot->accepted)
		sched_yield();
	close(fixture.control);
	kill_master();
	wait_until(is_refused);
	client_send(fd, "ed\n");
	client_expect(fd, "unfinished\n");
	close(fd);
	ck_assert_int_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_sigcont_or_a_master_that_executes_another_program_is_no_death)
{
	int fd, status;

	begin_with_master(&lines, _i, 20000);
	kill(fixture.pid, SIGCONT);
	/* SIGUSR1 makes it execute a program that only waits. */
	kill(fixture.master, SIGUSR1);
	wait_until(is_another_program);
	fd = ask("a\n");
	client_expect(fd, "a\n");
	close(fd);
	kill(fixture.pid, SIGCONT);
	fd = ask("b\n");
	client_expect(fd, "b\n");
	close(fd);
	close(fixture.control);
	kill_master();
	ck_assert_int_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(int argc, char *argv[], char *envp[])
{
	TCase *tcase = tcase_create("supervised");
	int faults_n = (int)(sizeof(faults) / sizeof(*faults));

	setproctitle_init(argc, argv, envp);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, a_paused_worker_serves_what_it_has_and_takes_nothing, 0, 2);
	tcase_add_loop_test(tcase, a_pause_before_go_lasts_until_go, 0, 2);
	tcase_add_loop_test(tcase, a_paused_worker_drains, 0, 2);
	tcase_add_loop_test(tcase, a_service_that_is_closing_serves_on_but_is_not_ready, 0, 2);
	tcase_add_loop_test(tcase, a_spinning_worker_says_where_and_goes_on, 0, 2);
	tcase_add_loop_test(tcase, a_worker_that_waits_is_not_disturbed_by_being_asked, 0, 2);
	tcase_add_loop_test(tcase, being_asked_all_the_time_disturbs_nobody, 0, 2);
	tcase_add_loop_test(tcase, a_crash_says_where_and_is_that_crash, 0, 2 * faults_n);
	tcase_add_loop_test(tcase, a_signal_of_a_crash_that_somebody_sends_ends_it_too, 0, 2);
	tcase_add_loop_test(tcase, a_direct_worker_says_since_when_it_serves_a_request, 0, 2);
	tcase_add_loop_test(tcase, a_slow_request_is_logged, 0, 2);
	tcase_add_loop_test(tcase, a_request_that_is_not_slow_is_not_logged, 0, 2);
	tcase_add_loop_test(tcase, the_last_error_stands_in_the_slot, 0, 2);
	tcase_add_test(tcase, the_slot_says_why_a_worker_did_not_start);
	tcase_add_loop_test(tcase, enough_requests_are_said_once_and_it_serves_on, 0, 2);
	tcase_add_loop_test(tcase, too_much_memory_is_said, 0, 2);
	tcase_add_loop_test(tcase, a_client_that_is_refused_is_told_whatever_it_sends, 0, 2);
	tcase_add_loop_test(tcase, who_holds_on_to_a_refusal_is_closed_after_a_moment, 0, 2);
	tcase_add_loop_test(tcase, without_a_word_it_is_closed, 0, 2);
	tcase_add_loop_test(tcase, nobody_is_refused_while_a_sibling_has_room, 0, 2);
	tcase_add_test(tcase, a_sibling_that_is_idle_is_woken_for_whom_the_other_leaves_alone);
	tcase_add_loop_test(tcase, a_spinning_orphan_leaves_the_address_and_is_ended, 0, 2);
	tcase_add_loop_test(tcase, a_stopped_orphan_goes, 0, 2);
	tcase_add_loop_test(tcase, the_orphan_limit_ends_with_all_gone, 0, 2);
	tcase_add_loop_test(tcase, an_orphan_in_a_request_may_finish_it, 0, 2);
	tcase_add_loop_test(tcase, a_sigcont_or_a_master_that_executes_another_program_is_no_death,
			    0, 2);
	return unit_main("supervised", tcase);
}
