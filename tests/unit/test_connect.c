/* SPDX-License-Identifier: MIT */
/*
 * mu_connect and mu_peer_name in a real worker, in both run modes: loop tests run with _i 0 and 1, direct and
 * multiplexed. The module of the test does what its client says, line by line.
 */
#include "base/clock.h"
#include "fake_dns.h"
#include "runtime/names.h"
#include "runtime/runtime.h"
#include "temp_folder.h"
#include "unit.h"
#include "worker_fixture.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LONG_MS = 10000, SHORT_MS = 700 };

static const struct fake_record zone[] = {
	{ "good.test", ns_t_a, "127.0.0.1" },
	{ "both.test", ns_t_a, "127.0.0.1" },
	{ "both.test", ns_t_aaaa, "::1" },
	{ "late6.test", ns_t_a, "127.0.0.1" },
	{ "late6.test", ns_t_aaaa, "::1", .late_ms = 10000 },
	{ "soon6.test", ns_t_a, "127.0.0.1", .late_ms = 1 },
	{ "soon6.test", ns_t_aaaa, "::1", .late_ms = 2 },
	{ "silent6.test", ns_t_a, "127.0.0.1" },
	{ "silent6.test", ns_t_aaaa, NULL, FAKE_SILENCE },
	{ "broken6.test", ns_t_a, "127.0.0.1" },
	{ "broken6.test", ns_t_aaaa, NULL, FAKE_FAILURE },
	{ "second.test", ns_t_a, "127.0.0.2" },
	{ "second.test", ns_t_a, "127.0.0.3" },
	{ "second.test", ns_t_a, "127.0.0.1" },
	{ "hole.test", ns_t_a, "127.0.0.9" },
	{ "hole.test", ns_t_a, "127.0.0.1" },
	{ "onlyhole.test", ns_t_a, "127.0.0.9" },
	{ "empty.test", ns_t_txt, NULL },
	{ "silent.test", ns_t_a, NULL, FAKE_SILENCE },
	{ "silent.test", ns_t_aaaa, NULL, FAKE_SILENCE },
	{ "broken.test", ns_t_a, NULL, FAKE_FAILURE },
	{ "broken.test", ns_t_aaaa, NULL, FAKE_FAILURE },
	{ "cut.test", ns_t_a, "127.0.0.1", FAKE_TRUNCATION },
	{ "cut.test", ns_t_aaaa, NULL, FAKE_TRUNCATION },
	{ "lies.test", ns_t_a, "127.0.0.1", FAKE_LIES },
	{ "client.test", ns_t_a, "127.0.0.1" },
	{ "liar.test", ns_t_a, "192.0.2.1" },
	{ "1.0.0.127.in-addr.arpa", ns_t_ptr, "liar.test" },
	{ "1.0.0.127.in-addr.arpa", ns_t_ptr, "client.test" },
	{ NULL },
};
static const struct fake_record liars[] = {
	{ "liar.test", ns_t_a, "192.0.2.1" },
	{ "1.0.0.127.in-addr.arpa", ns_t_ptr, "liar.test" },
	{ NULL },
};
static const struct fake_record slow_names[] = {
	{ "slow.test", ns_t_a, NULL, FAKE_SILENCE },
	{ "1.0.0.127.in-addr.arpa", ns_t_ptr, "slow.test" },
	{ NULL },
};

static struct worker_fixture fixture;
static struct temp_folder folder;
static struct fake_dns dns;
static int target, target_port; /* on 127.0.0.1 */
/* Of a question. Long, so that a slow machine is no failure, but where silence is what is tested. */
static int timeout_ms;

/* ---- the module ---- */

static void answer_error(struct mu_conn *conn, const char *what, int64_t began)
{
	mu_printf(conn, "%s %s after %d\n", what, strerrorname_np(errno),
		  (int)(clock_ms() - began));
}

/* Connects, says "hello", gives back what the target answers. */
static void do_connect(struct mu_conn *conn, const char *address, int64_t ms)
{
	char peer[MU_ADDRESS_MAX], *line;
	int64_t began = clock_ms();
	struct mu_conn *other = mu_connect(conn, address, ms);
	ssize_t n;

	if (!other) {
		int error = errno;

		mu_log(conn, MU_INFO, "no connection: %s", strerrorname_np(error));
		errno = error;
		answer_error(conn, "error", began);
		return;
	}
	mu_peer(other, peer);
	if (mu_write(other, "hello\n", 6) < 0 || (n = mu_readline(other, &line)) <= 0)
		mu_printf(conn, "broken %s\n", peer);
	else
		mu_printf(conn, "%.*s %s after %d\n", (int)n - 1, line, peer,
			  (int)(clock_ms() - began));
	mu_close(other);
}

struct two {
	char address[2][200];
	int64_t ms;
	int next;
};

static void connect_task(struct mu_conn *conn, void *arg)
{
	struct two *two = arg;

	do_connect(conn, two->address[two->next++], two->ms);
}

static void do_line(struct mu_conn *conn, char *line)
{
	char address[300] = "";
	struct two two = { 0 };
	int ms = 0;

	if (sscanf(line, "connect %d %299[^\n]", &ms, address) >= 1) {
		do_connect(conn, address, ms);
	} else if (sscanf(line, "two %d %199s %199s", &ms, two.address[0], two.address[1]) == 3) {
		two.ms = ms;
		mu_go(conn, connect_task, &two);
		mu_go(conn, connect_task, &two);
		mu_join(conn);
	} else if (sscanf(line, "name %d %d", &ms, &two.next) == 2) {
		int64_t began = clock_ms();

		if (mu_peer_name(conn, address, (size_t)two.next, ms) < 0)
			answer_error(conn, "error", began);
		else
			mu_printf(conn, "name %s\n", address);
	} else if (strcmp(line, "request\n") == 0) {
		mu_set_limit(conn, MU_REQUEST);
	} else if (strcmp(line, "files\n") == 0) {
		mu_printf(conn, "files %d\n", open_files());
	}
}

static int serve_lines(struct mu_conn *conn, void *state)
{
	char line[512], *data;
	ssize_t n;

	(void)state;
	while ((n = mu_readline(conn, &data)) > 0) {
		snprintf(line, sizeof(line), "%.*s", (int)n, data);
		do_line(conn, line);
	}
	return MU_DONE;
}

/* The machine's name servers are never asked. */
static int use_fake(struct mu_worker *worker, const void *config, void **state)
{
	const char *reason;
	struct names_source source = { .hosts = temp_path(&folder, "hosts"),
				       .resolv_conf = temp_path(&folder, "resolv.conf"),
				       .servers = dns.servers,
				       .timeout_ms = timeout_ms,
				       .tries = 2,
				       .once = true };

	(void)config;
	(void)state;
	worker->names = names_new(&source, &reason);
	return worker->names ? 0 : -1;
}

static const struct mu_module with_names = { MU_ABI, .name = "lines",
					     .flags = MU_CLIENT_FIRST | MU_NAMES,
					     .serve = serve_lines, .start = use_fake };
static const struct mu_module without_names = { MU_ABI, .name = "lines", .flags = MU_CLIENT_FIRST,
						.serve = serve_lines };

/* ---- the test's side ---- */

static int listen_on(const char *text, int backlog)
{
	struct address address;
	int fd;

	ck_assert_int_eq(address_parse(&address, text), 0);
	fd = socket(address.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (address.u.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (fd < 0 || bind(fd, &address.u.sa, address.len) < 0 || listen(fd, backlog) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int port_of(int fd)
{
	struct address address = { .len = sizeof(address.u) };

	ck_assert_int_eq(getsockname(fd, &address.u.sa, &address.len), 0);
	return ntohs(address.u.in.sin_port);
}

/* A port that nobody listens on, held so that nobody gets it. */
static int closed_port(int *fd_r)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd_r = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*fd_r, (struct sockaddr *)&address, sizeof(address)), 0);
	return port_of(*fd_r);
}

/* 127.0.0.9 takes no more connections on the port, and refuses none: SYNs are dropped. */
struct hole {
	int listener, filler[4];
};

static void hole_open(struct hole *hole, const char *host, int port)
{
	char text[64];
	struct address address;

	snprintf(text, sizeof(text), "%s:%d", host, port);
	hole->listener = listen_on(text, 0);
	ck_assert_int_ge(hole->listener, 0);
	ck_assert_int_eq(address_parse(&address, text), 0);
	for (size_t i = 0; i < sizeof(hole->filler) / sizeof(int); i++) {
		hole->filler[i] = socket(address.u.sa.sa_family,
					 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(hole->filler[i], &address.u.sa, address.len);
	}
}

static void hole_close(struct hole *hole)
{
	for (size_t i = 0; i < sizeof(hole->filler) / sizeof(int); i++)
		close(hole->filler[i]);
	close(hole->listener);
}

/* The target takes one connection and answers. */
static void answer_on(int listener, const char *text)
{
	int fd = target_accept(listener);

	client_expect(fd, "hello\n");
	client_send(fd, text);
	client_expect_end(fd);
}

static void say(int client, const char *format, ...) MU_PRINTF(2, 3);
static void say(int client, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	client_send(client, text);
}

/* The module's answer, a line. */
static const char *hear(int client)
{
	static char line[512];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(client, line + n, 1, 0) == 1 && line[n] != '\n')
		n++;
	ck_assert_msg(line[n] == '\n', "no line: %.*s", (int)n, line);
	line[n] = '\0';
	return line;
}

/* "WHAT ... after MS": MS, when it begins with what is expected. */
static int expect(int client, const char *expected)
{
	const char *line = hear(client), *after = strstr(line, " after ");

	ck_assert_msg(after && strncmp(line, expected, strlen(expected)) == 0 &&
			      after == line + strlen(expected),
		      "%s, not %s", line, expected);
	return atoi(after + strlen(" after "));
}

static void expect_error(int client, const char *error)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "error %s", error);
	expect(client, expected);
}

static bool has_ipv6(void)
{
	int fd = listen_on("[::1]:0", 1);

	if (fd < 0)
		fprintf(stderr, "skipped: this machine has no IPv6\n");
	else
		close(fd);
	return fd >= 0;
}

static void prepare(const struct mu_module *module, int mode)
{
	worker_fixture_init(&fixture, module, mode ? 300 : 1);
}

static int begin(int mode)
{
	prepare(&with_names, mode);
	worker_fixture_go(&fixture);
	return client_connect(&fixture);
}

static void end(int client)
{
	close(client);
	ck_assert_int_eq(worker_fixture_stop(&fixture), 0);
}

static void set_up(void)
{
	timeout_ms = LONG_MS;
	temp_folder_init(&folder);
	temp_write(&folder, "hosts", "# empty\n");
	temp_write(&folder, "resolv.conf", "search search.test\n");
	fake_dns_start(&dns, zone, 0);
	target = listen_on("127.0.0.1:0", 512);
	target_port = port_of(target);
}

static void tear_down(void)
{
	close(target);
	fake_dns_stop(&dns);
	temp_folder_cleanup(&folder);
}

/* ---- where to ---- */

START_TEST(an_address_is_connected_to)
{
	int client = begin(_i);
	char expected[64];

	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 127.0.0.1:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	end(client);
}
END_TEST

START_TEST(a_name_is_connected_to)
{
	static const char *const names[] = { "good.test", "GOOD.test.",   "hosts.test",
					     "localhost", "silent6.test", "broken6.test",
					     "cut.test",  "lies.test",    "second.test" };
	char expected[64];
	int client;

	temp_write(&folder, "hosts", "127.0.0.1 hosts.test\n");
	client = begin(_i);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		say(client, "connect 0 %s:%d\n", names[i], target_port);
		answer_on(target, "hi\n");
		expect(client, expected);
	}
	end(client);
}
END_TEST

START_TEST(an_ipv6_address_is_connected_to)
{
	int listener, client;
	char expected[64];

	if (!has_ipv6())
		return;
	listener = listen_on("[::1]:0", 8);
	snprintf(expected, sizeof(expected), "hi [::1]:%d", port_of(listener));
	client = begin(_i);
	say(client, "connect 0 [::1]:%d\n", port_of(listener));
	answer_on(listener, "hi\n");
	expect(client, expected);
	say(client, "connect 0 [::1%%lo]:%d\n", port_of(listener));
	answer_on(listener, "hi\n");
	expect(client, expected);
	say(client, "connect 0 [::1%%1]:%d\n", port_of(listener));
	answer_on(listener, "hi\n");
	expect(client, expected);
	end(client);
	close(listener);
}
END_TEST

/* A listener on 127.0.0.1 on the port of some service, which is none of this machine's. -1: there is none. */
static int listen_on_service(char name[64])
{
	const struct servent *entry;
	int fd = -1;

	setservent(1);
	while (fd < 0 && (entry = getservent())) {
		char text[64];

		if (strcmp(entry->s_proto, "tcp") != 0 ||
		    ntohs((in_port_t)entry->s_port) < IPPORT_RESERVED)
			continue;
		snprintf(name, 64, "%s", entry->s_name);
		snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs((in_port_t)entry->s_port));
		fd = listen_on(text, 8);
	}
	endservent();
	return fd;
}

START_TEST(a_service_has_a_port)
{
	int client = begin(_i), listener;
	char service[64], expected[64];

	say(client, "connect 0 127.0.0.1:no-such-service\n");
	expect_error(client, "ENOENT");
	listener = listen_on_service(service);
	if (listener < 0) {
		fprintf(stderr, "skipped: no service that is in /etc/services (Debian: netbase)\n");
	} else {
		snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", port_of(listener));
		say(client, "connect 0 127.0.0.1:%s\n", service);
		answer_on(listener, "hi\n");
		expect(client, expected);
		close(listener);
	}
	end(client);
}
END_TEST

START_TEST(a_unix_socket_is_connected_to)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = begin(_i);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", temp_path(&folder, "sock"));
	say(client, "connect 0 unix:%s\n", address.sun_path);
	expect_error(client, "ENOENT");
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	say(client, "connect 0 unix:%s\n", address.sun_path);
	expect_error(client, "ECONNREFUSED");
	ck_assert_int_eq(listen(listener, 4), 0);
	say(client, "connect 0 unix:%s\n", address.sun_path);
	answer_on(listener, "hi\n");
	expect(client, "hi unix");
	end(client);
	close(listener);
}
END_TEST

START_TEST(a_unix_socket_with_a_full_backlog_is_waited_for)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = begin(_i);
	int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", temp_path(&folder, "sock"));
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 0), 0);
	ck_assert_int_eq(connect(filler, (struct sockaddr *)&address, sizeof(address)), 0);
	say(client, "connect 150 unix:%s\n", address.sun_path);
	ck_assert_int_ge(expect(client, "error ETIME"), 150);
	say(client, "connect 0 unix:%s\n", address.sun_path);
	close(accept(listener, NULL, NULL));
	answer_on(listener, "hi\n");
	expect(client, "hi unix");
	end(client);
	close(filler);
	close(listener);
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = { "",
					   "127.0.0.1",
					   "127.0.0.1:",
					   "127.0.0.1:0",
					   "127.0.0.1:65536",
					   "127.1:80",
					   "300.0.0.1:80",
					   "*:80",
					   ":80",
					   "80",
					   "::1:80",
					   "[::1]",
					   "[::1:80",
					   "[127.0.0.1]:80",
					   "[fe80::1]:80",
					   "[::g]:80",
					   "unix:",
					   "unix:relative",
					   "unix:/",
					   "/run/socket",
					   "systemd:web",
					   "a b:80",
					   "a..test:80",
					   "good.test:8 0" };
	int client = begin(_i);
	char path[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		say(client, "connect 0 %s\n", bad[i]);
		expect_error(client, "EINVAL");
	}
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	say(client, "connect 0 unix:%s\n", path);
	expect_error(client, "EINVAL");
	path[107] = '\0';
	say(client, "connect 0 unix:%s\n", path);
	expect_error(client, "ENOENT");
	say(client, "connect 0 [fe80::1%%no-such-if]:80\n");
	expect_error(client, "ENODEV");
	end(client);
}
END_TEST

START_TEST(a_name_that_is_none_is_not_found)
{
	static const char *const names[] = { "missing.test", "empty.test", "short" };
	int client = begin(_i);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		say(client, "connect 0 %s:80\n", names[i]);
		expect_error(client, "ENOENT");
	}
	end(client);
}
END_TEST

static int serve_first_name(struct mu_conn *conn, void *state)
{
	struct mu_worker *worker = conn->worker;
	bool before = worker->names, numeric, after;

	(void)state;
	numeric = mu_connect(conn, "127.0.0.1:1", 1) || worker->names;
	mu_connect(conn, "127.0.0.1:no-such-service", 1);
	after = errno == ENOENT && worker->names;
	mu_printf(conn, "%d%d%d", before, numeric, after);
	return MU_DONE;
}

START_TEST(without_a_chroot_files_are_read_for_the_first_name)
{
	static const struct mu_module first = { MU_ABI, .name = "first", .flags = MU_NAMES,
						.serve = serve_first_name };
	int client;

	prepare(&first, _i);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	client_expect(client, "001");
	end(client);
}
END_TEST

START_TEST(without_the_flag_there_are_only_numbers)
{
	int client;
	char expected[64];

	prepare(&without_names, _i);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	say(client, "connect 0 localhost:%d\n", target_port);
	expect_error(client, "ENOENT");
	worker_fixture_wait_log(&fixture, "without the flag MU_NAMES");
	say(client, "connect 0 127.0.0.1:http\n");
	expect_error(client, "ENOENT");
	say(client, "name 0 100\n");
	expect_error(client, "ENOENT");
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 127.0.0.1:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	worker_fixture_settle(&fixture);
	/* Once. */
	ck_assert_ptr_null(strstr(strstr(fixture.logged, "MU_NAMES") + 1, "MU_NAMES"));
	end(client);
}
END_TEST

/* ---- failures ---- */

START_TEST(a_refusal_is_told)
{
	int client = begin(_i), held, port = closed_port(&held);

	say(client, "connect 0 127.0.0.1:%d\n", port);
	expect_error(client, "ECONNREFUSED");
	say(client, "connect 0 good.test:%d\n", port);
	expect_error(client, "ECONNREFUSED");
	say(client, "connect 0 second.test:%d\n", port);
	expect_error(client, "ECONNREFUSED");
	close(held);
	end(client);
}
END_TEST

START_TEST(ipv4_is_taken_where_ipv6_is_refused)
{
	int client;
	char expected[64];

	if (!has_ipv6())
		return;
	client = begin(_i);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 both.test:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	end(client);
}
END_TEST

START_TEST(ipv6_is_taken_where_ipv4_is_refused_and_where_both_are_there)
{
	int listener = -1, client;
	char text[64], expected[64];

	if (!has_ipv6())
		return;
	snprintf(text, sizeof(text), "[::1]:%d", target_port);
	listener = listen_on(text, 8);
	ck_assert_int_ge(listener, 0);
	client = begin(_i);
	snprintf(expected, sizeof(expected), "hi [::1]:%d", target_port);
	say(client, "connect 0 both.test:%d\n", target_port);
	answer_on(listener, "hi\n");
	expect(client, expected);
	/* Both answers come within 50 ms of each other, IPv4 first. */
	say(client, "connect 0 soon6.test:%d\n", target_port);
	answer_on(listener, "hi\n");
	expect(client, expected);
	close(target);
	say(client, "connect 0 both.test:%d\n", target_port);
	answer_on(listener, "hi\n");
	expect(client, expected);
	end(client);
	close(listener);
	target = listen_on("127.0.0.1:0", 1);
}
END_TEST

START_TEST(ipv6_that_is_late_is_waited_for_50_ms)
{
	int client = begin(_i), took;
	char expected[64];

	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 late6.test:%d\n", target_port);
	answer_on(target, "hi\n");
	took = expect(client, expected);
	ck_assert_int_ge(took, 50);
	ck_assert_int_lt(took, 10000);
	end(client);
}
END_TEST

START_TEST(an_address_that_says_nothing_is_passed_by_after_250_ms)
{
	struct hole hole;
	int client = begin(_i), took;
	char expected[64];

	hole_open(&hole, "127.0.0.9", target_port);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 hole.test:%d\n", target_port);
	answer_on(target, "hi\n");
	took = expect(client, expected);
	ck_assert_int_ge(took, 250);
	end(client);
	hole_close(&hole);
}
END_TEST

START_TEST(the_time_is_for_all_of_it)
{
	struct hole hole;
	int client = begin(_i);

	hole_open(&hole, "127.0.0.9", target_port);
	say(client, "connect 300 onlyhole.test:%d\n", target_port);
	ck_assert_int_ge(expect(client, "error ETIME"), 300);
	say(client, "connect 100 127.0.0.9:%d\n", target_port);
	ck_assert_int_ge(expect(client, "error ETIME"), 100);
	say(client, "connect 100 silent.test:%d\n", target_port);
	ck_assert_int_ge(expect(client, "error ETIME"), 100);
	say(client, "connect 1 silent.test:%d\n", target_port);
	expect(client, "error ETIME");
	end(client);
	hole_close(&hole);
}
END_TEST

START_TEST(name_servers_that_do_not_answer_are_told_apart)
{
	int client;

	timeout_ms = SHORT_MS;
	client = begin(_i);
	say(client, "connect 0 silent.test:80\n");
	expect_error(client, "EAGAIN");
	say(client, "connect 0 broken.test:80\n");
	expect_error(client, "EAGAIN");
	end(client);
}
END_TEST

/* ---- limits and drain, in each phase ---- */

/* What waits for ever, or nearly: a name server, an address, a Unix socket. */
static const char *endless(int phase, struct hole *hole, int *listener)
{
	static char text[200];
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	hole_open(hole, "127.0.0.9", target_port);
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", temp_path(&folder, "full"));
	ck_assert_int_eq(bind(*listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(*listener, 0), 0);
	hole->filler[3] = (close(hole->filler[3]), socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	ck_assert_int_eq(connect(hole->filler[3], (struct sockaddr *)&address, sizeof(address)), 0);
	if (phase == 0)
		return "silent.test:80";
	if (phase == 1)
		snprintf(text, sizeof(text), "127.0.0.9:%d", target_port);
	else
		snprintf(text, sizeof(text), "unix:%s", address.sun_path);
	return text;
}

START_TEST(the_request_limit_ends_each_phase)
{
	struct hole hole;
	int listener, client;
	const char *address = endless(_i / 2, &hole, &listener);

	prepare(&with_names, _i % 2);
	fixture.service.request_ms = 200;
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	say(client, "request\nconnect 0 %s\n", address);
	worker_fixture_wait_log(&fixture, "request limit of 200ms ran out");
	worker_fixture_wait_log(&fixture, "no connection: ETIMEDOUT");
	end(client);
	close(listener);
	hole_close(&hole);
}
END_TEST

START_TEST(the_idle_limit_ends_none)
{
	struct hole hole;
	int listener, client;
	const char *address = endless(_i / 2, &hole, &listener);

	prepare(&with_names, _i % 2);
	fixture.service.idle_ms = 60;
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	say(client, "connect 250 %s\n", address);
	ck_assert_int_ge(expect(client, "error ETIME"), 250);
	end(client);
	close(listener);
	hole_close(&hole);
}
END_TEST

START_TEST(the_drain_limit_ends_each_phase)
{
	struct hole hole;
	int listener, client;
	const char *address = endless(_i / 2, &hole, &listener);

	prepare(&with_names, _i % 2);
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	say(client, "files\nconnect 0 %s\n", address);
	ck_assert_int_eq(strncmp(hear(client), "files ", 6), 0);
	worker_fixture_send(&fixture, RECORD_DRAIN, 0, 100);
	worker_fixture_wait_log(&fixture, "no connection: ECANCELED");
	ck_assert_int_eq(worker_fixture_expect(&fixture, RECORD_GOODBYE), 1);
	ck_assert_int_eq(worker_fixture_reap(&fixture), 0);
	close(client);
	close(listener);
	hole_close(&hole);
}
END_TEST

START_TEST(a_client_that_leaves_ends_nothing)
{
	int client;

	timeout_ms = SHORT_MS;
	client = begin(_i);
	say(client, "connect 0 silent.test:80\n");
	shutdown(client, SHUT_WR);
	expect_error(client, "EAGAIN");
	end(client);
}
END_TEST

/* ---- many ---- */

START_TEST(tasks_connect_side_by_side)
{
	int client;
	char expected[64];

	timeout_ms = SHORT_MS;
	client = begin(_i);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	/* The one that drives is not the one that is answered. */
	say(client, "two 0 silent.test:80 good.test:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	expect_error(client, "EAGAIN");
	/* And the one that drives leaves first. */
	say(client, "two 0 good.test:%d silent6.test:%d\n", target_port, target_port);
	answer_on(target, "hi\n");
	answer_on(target, "hi\n");
	expect(client, expected);
	expect(client, expected);
	end(client);
}
END_TEST

START_TEST(a_slow_name_server_holds_up_no_other_connection)
{
	enum { SILENT = 100, MANY = 100 };
	int client[SILENT + MANY];
	char expected[64];

	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	timeout_ms = SHORT_MS;
	client[0] = begin(1);
	for (int i = 1; i < SILENT + MANY; i++)
		client[i] = client_connect(&fixture);
	for (int i = 0; i < SILENT; i++)
		say(client[i], "connect %d silent.test:80\n", i % 2 ? 20 : 0);
	for (int i = SILENT; i < SILENT + MANY; i++)
		say(client[i], "connect 0 good.test:%d\n", target_port);
	for (int i = 0; i < MANY; i++)
		answer_on(target, "hi\n");
	for (int i = SILENT; i < SILENT + MANY; i++)
		expect(client[i], expected);
	for (int i = 0; i < SILENT; i++)
		expect_error(client[i], i % 2 ? "ETIME" : "EAGAIN");
	for (int i = 1; i < SILENT + MANY; i++)
		close(client[i]);
	end(client[0]);
}
END_TEST

START_TEST(no_descriptor_stays_open)
{
	struct hole hole;
	int client = begin(_i), held, port = closed_port(&held);
	char before[64], expected[64];

	hole_open(&hole, "127.0.0.9", target_port);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	/* What is opened once for all. */
	say(client, "connect 0 missing.test:80\n");
	expect_error(client, "ENOENT");
	say(client, "files\n");
	strcpy(before, hear(client));
	for (int i = 0; i < 3; i++) {
		say(client, "connect 0 both.test:%d\n", port);
		expect_error(client, "ECONNREFUSED");
		say(client, "connect 0 missing.test:%d\n", port);
		expect_error(client, "ENOENT");
		say(client, "connect 60 silent.test:80\n");
		expect_error(client, "ETIME");
		say(client, "connect 60 onlyhole.test:%d\n", target_port);
		expect_error(client, "ETIME");
		say(client, "connect 0 hole.test:%d\n", target_port);
		answer_on(target, "hi\n");
		expect(client, expected);
		say(client, "name 0 100\n");
		ck_assert_str_eq(hear(client), "name client.test");
	}
	say(client, "files\n");
	ck_assert_str_eq(hear(client), before);
	close(held);
	end(client);
	hole_close(&hole);
}
END_TEST

/* ---- behind a chroot ---- */

static void write_over(const char *file, const char *path)
{
	ck_assert_int_eq(mount(path, file, NULL, MS_BIND, NULL), 0);
}

/* A network and an /etc of the test's own: false where that is not permitted. */
static bool leave_the_machine(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	const char *forks = getenv("CK_FORK");
	int fd;

	if (forks && strcmp(forks, "no") == 0) {
		fprintf(stderr, "skipped: tests that share a process share its network\n");
		return false;
	}
	if (geteuid() != 0 || access("/etc/resolv.conf", F_OK) < 0 ||
	    access("/etc/hosts", F_OK) < 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "skipped: no network namespace of the test's own can be made\n");
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	return true;
}

START_TEST(the_machines_files_are_read_before_a_chroot)
{
	static const struct mu_module machine = { MU_ABI, .name = "lines",
						  .flags = MU_CLIENT_FIRST | MU_NAMES,
						  .serve = serve_lines };
	struct fake_dns own;
	char expected[64];
	int client;

	if (!leave_the_machine())
		return;
	close(target);
	target = listen_on("127.0.0.1:0", 8);
	target_port = port_of(target);
	temp_write(&folder, "hosts", "127.0.0.1 in-hosts.example\n");
	temp_write(&folder, "resolv.conf", "nameserver 127.0.0.1\n");
	write_over("/etc/hosts", temp_path(&folder, "hosts"));
	write_over("/etc/resolv.conf", temp_path(&folder, "resolv.conf"));
	fake_dns_start(&own, zone, NS_DEFAULTPORT);
	temp_mkdir(&folder, "root");
	prepare(&machine, _i);
	fixture.service.chroot = temp_path(&folder, "root");
	worker_fixture_go(&fixture);
	client = client_connect(&fixture);
	snprintf(expected, sizeof(expected), "hi 127.0.0.1:%d", target_port);
	say(client, "connect 0 in-hosts.example:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	say(client, "connect 0 good.test:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	say(client, "connect 0 cut.test:%d\n", target_port);
	answer_on(target, "hi\n");
	expect(client, expected);
	say(client, "name 0 100\n");
	ck_assert_str_eq(hear(client), "name in-hosts.example");
	end(client);
	fake_dns_stop(&own);
}
END_TEST

/* Where only two ports are there for outgoing connections, one to one of them meets itself. */
START_TEST(a_connection_to_itself_is_a_refusal)
{
	int client, fd;

	if (!leave_the_machine())
		return;
	client = begin(_i);
	fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "40000 40001\n", 12) != 12) {
		fprintf(stderr, "skipped: the range of ports cannot be set\n");
	} else {
		close(fd);
		say(client, "connect 0 127.0.0.1:40000\n");
		expect_error(client, "ECONNREFUSED");
		say(client, "connect 0 127.0.0.1:40001\n");
		expect_error(client, "ECONNREFUSED");
	}
	end(client);
}
END_TEST

/* ---- the client's name ---- */

START_TEST(a_client_has_the_name_that_has_its_address)
{
	int client = begin(_i);

	say(client, "name 0 100\n");
	ck_assert_str_eq(hear(client), "name client.test");
	say(client, "name 0 12\n");
	ck_assert_str_eq(hear(client), "name client.test");
	say(client, "name 0 11\n");
	expect_error(client, "ENOBUFS");
	end(client);
}
END_TEST

START_TEST(the_hosts_file_names_a_client_too)
{
	int client;

	temp_write(&folder, "hosts", "127.0.0.1 myself myself.test\n");
	client = begin(_i);
	say(client, "name 0 100\n");
	ck_assert_str_eq(hear(client), "name myself");
	ck_assert_int_eq(atomic_load(&dns.counts->udp), 0);
	end(client);
}
END_TEST

START_TEST(a_name_that_is_another_address_is_none)
{
	int client;

	fake_dns_stop(&dns);
	fake_dns_start(&dns, liars, 0);
	client = begin(_i);
	say(client, "name 0 100\n");
	expect_error(client, "ENOENT");
	end(client);
}
END_TEST

START_TEST(a_name_that_is_not_confirmed_in_time_is_none)
{
	int client;

	fake_dns_stop(&dns);
	fake_dns_start(&dns, slow_names, 0);
	timeout_ms = SHORT_MS;
	client = begin(_i);
	say(client, "name 100 100\n");
	ck_assert_int_ge(expect(client, "error ETIME"), 100);
	say(client, "name 0 100\n");
	expect_error(client, "EAGAIN");
	end(client);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tcase = tcase_create("connect");

	setproctitle_init(argc, argv, environ);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, an_address_is_connected_to, 0, 2);
	tcase_add_loop_test(tcase, a_name_is_connected_to, 0, 2);
	tcase_add_loop_test(tcase, an_ipv6_address_is_connected_to, 0, 2);
	tcase_add_loop_test(tcase, a_service_has_a_port, 0, 2);
	tcase_add_loop_test(tcase, a_unix_socket_is_connected_to, 0, 2);
	tcase_add_loop_test(tcase, a_unix_socket_with_a_full_backlog_is_waited_for, 0, 2);
	tcase_add_loop_test(tcase, what_is_no_address_is_refused, 0, 2);
	tcase_add_loop_test(tcase, a_name_that_is_none_is_not_found, 0, 2);
	tcase_add_loop_test(tcase, without_a_chroot_files_are_read_for_the_first_name, 0, 2);
	tcase_add_loop_test(tcase, without_the_flag_there_are_only_numbers, 0, 2);
	tcase_add_loop_test(tcase, a_refusal_is_told, 0, 2);
	tcase_add_loop_test(tcase, ipv4_is_taken_where_ipv6_is_refused, 0, 2);
	tcase_add_loop_test(tcase, ipv6_is_taken_where_ipv4_is_refused_and_where_both_are_there, 0,
			    2);
	tcase_add_loop_test(tcase, ipv6_that_is_late_is_waited_for_50_ms, 0, 2);
	tcase_add_loop_test(tcase, an_address_that_says_nothing_is_passed_by_after_250_ms, 0, 2);
	tcase_add_loop_test(tcase, the_time_is_for_all_of_it, 0, 2);
	tcase_add_loop_test(tcase, name_servers_that_do_not_answer_are_told_apart, 0, 2);
	tcase_add_loop_test(tcase, the_request_limit_ends_each_phase, 0, 6);
	tcase_add_loop_test(tcase, the_idle_limit_ends_none, 0, 6);
	tcase_add_loop_test(tcase, the_drain_limit_ends_each_phase, 0, 6);
	tcase_add_loop_test(tcase, a_client_that_leaves_ends_nothing, 0, 2);
	tcase_add_loop_test(tcase, tasks_connect_side_by_side, 0, 2);
	tcase_add_test(tcase, a_slow_name_server_holds_up_no_other_connection);
	tcase_add_loop_test(tcase, no_descriptor_stays_open, 0, 2);
	tcase_add_loop_test(tcase, the_machines_files_are_read_before_a_chroot, 0, 2);
	tcase_add_loop_test(tcase, a_connection_to_itself_is_a_refusal, 0, 2);
	tcase_add_loop_test(tcase, a_client_has_the_name_that_has_its_address, 0, 2);
	tcase_add_loop_test(tcase, the_hosts_file_names_a_client_too, 0, 2);
	tcase_add_loop_test(tcase, a_name_that_is_another_address_is_none, 0, 2);
	tcase_add_loop_test(tcase, a_name_that_is_not_confirmed_in_time_is_none, 0, 2);
	return unit_main("connect", tcase);
}
