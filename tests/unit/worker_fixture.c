/* SPDX-License-Identifier: MIT */
/* The worker in a child, as worker_fixture.h says. */
#include "worker_fixture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "worker/worker.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

static int listen_somewhere(int flags, int *port_r)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(fd, 512), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port_r = ntohs(address.sin_port);
	return fd;
}

void worker_fixture_init(struct worker_fixture *fixture, const struct mu_module *module,
			 int connections)
{
	static const struct conf_node handler = { .at = { "test.conf", 1, 1 } };
	memset(fixture, 0, sizeof(*fixture));
	fixture->service = (struct service_conf){
		.name = "test",
		.module = module,
		.handler = &handler,
		.connections = connections,
		.workers_min = 1,
		.workers_max = 1,
		.umask = 022,
		.nofile = CONF_INHERIT,
		.core = CONF_INHERIT,
		.as = CONF_INHERIT,
		.park_ms = 10000,
		.orphan_ms = 20000,
	};
	fixture->number = 1;
	ck_assert_int_eq(board_init(&fixture->board, 2), 0);
	fixture->listener = listen_somewhere(SOCK_NONBLOCK, &fixture->port);
}

static void run_child(struct worker_fixture *fixture, int control, int log)
{
	struct log_target target = { .kind = LOG_TO_FILE, .path = "/dev/null", .level = LOG_DEBUG };
	struct worker_args args = { .service = &fixture->service,
				    .module = fixture->service.module,
				    .control = control,
				    .listener = &fixture->listener,
				    .listeners = 1,
				    .output = fixture->output,
				    .board = &fixture->board,
				    .number = fixture->number,
				    .generation = 1,
				    .master = fixture->has_master ? getppid() : 0,
				    .refuses = fixture->refuses };

	log_use(&target, log);
	_exit(worker_main(&args));
}

/* A process in between that does nothing but be the parent; at SIGUSR1 it executes a program that does the same. */
static void fork_master(struct worker_fixture *fixture, const int *control, const int *log)
{
	int told[2];

	ck_assert_int_eq(pipe(told), 0);
	/* Whose parent died becomes ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	fixture->master = fork();
	if (!fixture->master) {
		pid_t pid;
		sigset_t usr1;
		int signal;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pid = fork();
		close(control[0]);
		close(log[0]);
		if (!pid)
			run_child(fixture, control[1], log[1]);
		close(fixture->listener);
		close(control[1]);
		close(log[1]);
		sigemptyset(&usr1);
		sigaddset(&usr1, SIGUSR1);
		sigprocmask(SIG_BLOCK, &usr1, NULL);
		if (write(told[1], &pid, sizeof(pid)) == sizeof(pid) &&
		    sigwait(&usr1, &signal) == 0)
			execlp("sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	ck_assert_int_eq(read(told[0], &fixture->pid, sizeof(fixture->pid)), sizeof(pid_t));
	close(told[0]);
	close(told[1]);
}

void worker_fixture_fork(struct worker_fixture *fixture)
{
	int control[2], log[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	ck_assert_int_eq(pipe(log), 0);
	if (fixture->has_master)
		fork_master(fixture, control, log);
	else
		fixture->pid = fork();
	if (!fixture->pid) {
		close(control[0]);
		close(log[0]);
		run_child(fixture, control[1], log[1]);
	}
	ck_assert_int_ge(fixture->pid, 0);
	close(control[1]);
	close(log[1]);
	fixture->control = control[0];
	fixture->log = log[0];
}

int64_t worker_fixture_start(struct worker_fixture *fixture)
{
	worker_fixture_fork(fixture);
	return worker_fixture_expect(fixture, RECORD_READY);
}

void worker_fixture_go(struct worker_fixture *fixture)
{
	worker_fixture_start(fixture);
	worker_fixture_send(fixture, RECORD_GO, 0, 0);
}

void worker_fixture_send(struct worker_fixture *fixture, enum record_type type, uint32_t flags,
			 int64_t value)
{
	ck_assert_int_eq(record_send(fixture->control, type, flags, value, -1), 0);
}

static int64_t expect(struct worker_fixture *fixture, enum record_type type, int *fd_r)
{
	struct pollfd pollfd = { .fd = fixture->control, .events = POLLIN };
	struct record record;

	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(record_receive(fixture->control, &record, fd_r), 1);
	ck_assert_int_eq(record.type, type);
	return record.value;
}

int64_t worker_fixture_expect(struct worker_fixture *fixture, enum record_type type)
{
	int fd;
	int64_t value = expect(fixture, type, &fd);

	ck_assert_int_eq(fd, -1);
	return value;
}

void worker_fixture_expect_trace(struct worker_fixture *fixture, char *text, size_t size)
{
	ssize_t n;
	int fd;

	expect(fixture, RECORD_TRACE, &fd);
	n = pread(fd, text, size - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	close(fd);
}

void worker_fixture_settle(struct worker_fixture *fixture)
{
	const struct log_target target = { .kind = LOG_TO_FILE, .level = LOG_DEBUG };
	int log[2];
	ssize_t n;

	/* The new log is taken after what came before it, and then nobody writes to the old one. */
	ck_assert_int_eq(pipe(log), 0);
	ck_assert_int_eq(
		record_send(fixture->control, RECORD_REOPEN, 0, log_target_encode(&target), log[1]),
		0);
	close(log[1]);
	do {
		struct pollfd pollfd = { .fd = fixture->log, .events = POLLIN };

		ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
		n = read(fixture->log, fixture->logged + fixture->logged_len,
			 sizeof(fixture->logged) - 1 - fixture->logged_len);
		ck_assert_int_ge(n, 0);
		fixture->logged_len += (size_t)n;
	} while (n > 0);
	close(fixture->log);
	fixture->log = log[0];
}

void worker_fixture_wait_log(struct worker_fixture *fixture, const char *text)
{
	while (!strstr(fixture->logged, text)) {
		struct pollfd pollfd = { .fd = fixture->log, .events = POLLIN };
		ssize_t n;

		ck_assert_msg(poll(&pollfd, 1, PATIENCE_MS) == 1, "no '%s' in the log:\n%s", text,
			      fixture->logged);
		n = read(fixture->log, fixture->logged + fixture->logged_len,
			 sizeof(fixture->logged) - 1 - fixture->logged_len);
		ck_assert_msg(n > 0, "no '%s' in the log:\n%s", text, fixture->logged);
		fixture->logged_len += (size_t)n;
	}
}

void worker_fixture_wait_state(struct worker_fixture *fixture, enum slot_state state)
{
	int64_t end = clock_ms() + PATIENCE_MS;

	while (atomic_load(&fixture->board.slot[0].state) != (uint32_t)state) {
		ck_assert_int_lt(clock_ms(), end);
		sched_yield();
	}
}

int worker_fixture_reap(struct worker_fixture *fixture)
{
	int status;

	ck_assert_int_eq(waitpid(fixture->pid, &status, 0), fixture->pid);
	close(fixture->control);
	close(fixture->log);
	close(fixture->listener);
	board_cleanup(&fixture->board);
	return status;
}

int64_t worker_fixture_stop(struct worker_fixture *fixture)
{
	int64_t cut;

	worker_fixture_send(fixture, RECORD_DRAIN, 0, 0);
	cut = worker_fixture_expect(fixture, RECORD_GOODBYE);
	ck_assert_int_eq(worker_fixture_reap(fixture), 0);
	return cut;
}

int client_connect(const struct worker_fixture *fixture)
{
	return client_connect_small(fixture, 0);
}

int client_connect_small(const struct worker_fixture *fixture, int receive_buffer)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)fixture->port) };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void client_send(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

size_t client_read(int fd, char *data, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len && (n = recv(fd, data + got, len - got, 0)) != 0) {
		ck_assert_msg(n > 0, "after %zu bytes: %s", got, strerror(errno));
		got += (size_t)n;
	}
	data[got] = '\0';
	return got;
}

void client_expect(int fd, const char *text)
{
	char data[4096];

	ck_assert_uint_lt(strlen(text), sizeof(data));
	client_read(fd, data, strlen(text));
	ck_assert_str_eq(data, text);
}

void client_expect_end(int fd)
{
	char data[2];

	ck_assert_uint_eq(client_read(fd, data, 1), 0);
	close(fd);
}

int target_listen(char address[TARGET_ADDRESS_MAX])
{
	int port, fd = listen_somewhere(0, &port);

	snprintf(address, TARGET_ADDRESS_MAX, "127.0.0.1:%d", port);
	return fd;
}

int target_accept(int target)
{
	const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct pollfd pollfd = { .fd = target, .events = POLLIN };
	int fd;

	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	fd = accept(target, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

const char *outcome(ssize_t result)
{
	return result < 0 ? strerrorname_np(errno) : result ? "1" : "0";
}

bool next_line(struct mu_conn *conn, char *line, size_t size)
{
	char *data;
	ssize_t n = mu_readline(conn, &data);

	if (n <= 0)
		return false;
	snprintf(line, size, "%.*s", (int)n - 1, data);
	return true;
}
