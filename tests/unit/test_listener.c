/* SPDX-License-Identifier: MIT */
#include "net/listener.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct listener_options plain = {
	.backlog = 16, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1
};

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/musterd-listener-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	ck_assert_msg(rmdir(folder) == 0, "%s is not empty", folder);
}

static struct address parse(const char *text)
{
	struct address address;

	ck_assert_msg(address_parse(&address, text) == 0, "%s", text);
	return address;
}

static struct address in_folder(const char *name)
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(text, sizeof(text), "unix:%s/%s", folder, name);
	return parse(text);
}

static struct listener open_listener(struct address address, const struct listener_options *options)
{
	struct listener listener;
	char *error = NULL;

	ck_assert_msg(listener_bind(&listener, &address, options, &error) == 0, "%s", error);
	ck_assert_msg(listener_listen(&listener, options, &error) == 0, "%s", error);
	return listener;
}

/*
 * A port that is nobody else's until it is closed: bound, not listening, which keeps our own from none of it. One that is
 * closed and then bound again could be another process's meanwhile.
 */
static struct listener keep_port(const char *text)
{
	struct address address = parse(text);
	struct listener listener;
	char *error = NULL;

	ck_assert_msg(listener_bind(&listener, &address, &plain, &error) == 0, "%s", error);
	return listener;
}

/* The error must have all the pieces, which end with NULL. */
static void check_error(int result, char *error, const char *const *pieces)
{
	ck_assert_int_eq(result, -1);
	ck_assert_ptr_nonnull(error);
	for (; *pieces; pieces++)
		ck_assert_msg(strstr(error, *pieces) != NULL, "\"%s\" lacks \"%s\"", error,
			      *pieces);
	free(error);
}

#define CHECK_ERROR(call, error, ...)                                                           \
	do {                                                                                    \
		int result_of_call = (call);                                                    \
		check_error(result_of_call, error, (const char *const[]){ __VA_ARGS__, NULL }); \
	} while (0)

/* A blocking client, or -1 with errno. */
static int dial(const struct address *address)
{
	int fd = socket(address->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int saved;

	ck_assert_int_ge(fd, 0);
	if (connect(fd, &address->u.sa, address->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int get_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static bool has_ipv6(void)
{
	struct address address = parse("[::1]:0");
	struct listener listener;
	char *error = NULL;

	if (listener_bind(&listener, &address, &plain, &error) < 0) {
		free(error);
		return false;
	}
	listener_close(&listener);
	return true;
}

static bool exists(const struct address *address)
{
	struct stat st;

	return lstat(address->u.un.sun_path, &st) == 0;
}

static mode_t mode_of(const struct address *address)
{
	struct stat st;

	ck_assert_int_eq(lstat(address->u.un.sun_path, &st), 0);
	return st.st_mode;
}

/* Leaves a socket file behind that nobody listens on. */
static void leave_stale(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, &address->u.sa, address->len), 0);
	close(fd);
}

/* ------------------------------------------------------------------------------- TCP ---- */

START_TEST(a_bound_socket_refuses_until_it_listens)
{
	struct address address = parse("127.0.0.1:0");
	struct listener listener;
	char *error = NULL;
	int client;

	ck_assert_msg(listener_bind(&listener, &address, &plain, &error) == 0, "%s", error);
	ck_assert_int_ne(listener.address.u.in.sin_port, 0);
	ck_assert(!listener.listening);
	ck_assert_int_eq(dial(&listener.address), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(listener_listen(&listener, &plain, &error), 0);
	ck_assert(listener.listening);
	client = dial(&listener.address);
	ck_assert_int_ge(client, 0);
	close(client);
	listener_close(&listener);
	ck_assert_int_eq(listener.fd, -1);
}
END_TEST

START_TEST(sockets_are_nonblocking_cloexec_and_nodelay_is_inherited)
{
	struct listener listener = open_listener(parse("127.0.0.1:0"), &plain);
	int client = dial(&listener.address);
	int accepted;

	ck_assert(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(get_option(listener.fd, SOL_SOCKET, SO_REUSEADDR), 1);
	ck_assert_int_ge(client, 0);
	accepted = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(accepted, 0);
	ck_assert_int_eq(get_option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(accepted);
	close(client);
	listener_close(&listener);
}
END_TEST

START_TEST(defer_accept_follows_the_options_of_listen)
{
	struct listener_options defer = plain;
	struct listener listener;
	char *error = NULL;

	defer.defer_accept = true;
	listener = open_listener(parse("127.0.0.1:0"), &defer);
	ck_assert_int_gt(get_option(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	ck_assert_int_eq(listener_listen(&listener, &plain, &error), 0);
	ck_assert_int_eq(get_option(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	listener_close(&listener);
}
END_TEST

START_TEST(star_takes_both_families_and_brackets_take_ipv6_only)
{
	struct listener kept, both, only;
	struct address v4 = parse("127.0.0.1:0"), v6 = parse("[::1]:0"), all = parse("[::]:0");
	int client;

	if (!has_ipv6())
		return;
	kept = keep_port("*:0");
	ck_assert(kept.address.dual);
	all.u.in6.sin6_port = kept.address.u.in6.sin6_port;
	v4.u.in.sin_port = kept.address.u.in6.sin6_port;
	v6.u.in6.sin6_port = kept.address.u.in6.sin6_port;
	both = open_listener(kept.address, &plain);
	client = dial(&v4);
	ck_assert_int_ge(client, 0);
	close(client);
	client = dial(&v6);
	ck_assert_int_ge(client, 0);
	close(client);
	listener_close(&both);

	only = open_listener(all, &plain);
	ck_assert_int_eq(dial(&v4), -1);
	client = dial(&v6);
	ck_assert_int_ge(client, 0);
	close(client);
	/* The IPv4 port beside it is free. */
	both = open_listener(v4, &plain);
	listener_close(&both);
	listener_close(&only);
	listener_close(&kept);
}
END_TEST

START_TEST(a_taken_port_is_named_with_what_to_do)
{
	struct listener first = open_listener(parse("127.0.0.1:0"), &plain), second;
	char text[ADDRESS_TEXT_MAX], *error = NULL;
	int result = listener_bind(&second, &first.address, &plain, &error);

	CHECK_ERROR(result, error, address_text(&first.address, text), strerror(EADDRINUSE),
		    "ss -ltnp");
	ck_assert_int_eq(second.fd, -1);
	listener_close(&first);
}
END_TEST

START_TEST(the_second_to_listen_on_a_port_is_told_too)
{
	struct address address = parse("127.0.0.1:0");
	struct listener first, second;
	char *error = NULL;

	ck_assert_int_eq(listener_bind(&first, &address, &plain, &error), 0);
	ck_assert_int_eq(listener_bind(&second, &first.address, &plain, &error), 0);
	ck_assert_int_eq(listener_listen(&first, &plain, &error), 0);
	CHECK_ERROR(listener_listen(&second, &plain, &error), error, "cannot listen on",
		    "ss -ltnp");
	ck_assert(!second.listening);
	listener_close(&second);
	listener_close(&first);
}
END_TEST

START_TEST(a_foreign_address_is_named_as_such)
{
	struct address address = parse("192.0.2.1:0");
	struct listener listener;
	char *error = NULL;
	int result = listener_bind(&listener, &address, &plain, &error);

	CHECK_ERROR(result, error, "192.0.2.1:0", strerror(EADDRNOTAVAIL), "ip address");
}
END_TEST

START_TEST(a_port_may_be_bound_again_at_once_after_it_was_in_use)
{
	struct listener kept = keep_port("127.0.0.1:0");
	struct address address = kept.address;
	struct listener listener = open_listener(address, &plain);
	int client = dial(&address);
	int accepted = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);

	/* We close first, so the TIME_WAIT is ours. */
	close(accepted);
	close(client);
	listener_close(&listener);
	listener = open_listener(address, &plain);
	listener_close(&listener);
	listener_close(&kept);
}
END_TEST

/* Runs `child` without privileges in a process of its own; it returns 0 when all was as it should be. */
static void run_as_nobody(int (*child)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(99);
		_exit(child());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

static int bind_port_1(void)
{
	struct address address;
	struct listener listener;
	char *error = NULL;
	int wrong;

	if (address_parse(&address, "127.0.0.1:1") < 0)
		return 2;
	if (listener_bind(&listener, &address, &plain, &error) == 0)
		return 3;
	wrong = !strstr(error, "127.0.0.1:1: Permission denied") ||
		!strstr(error, "need root or CAP_NET_BIND_SERVICE");
	free(error);
	return wrong;
}

START_TEST(a_privileged_port_is_named_with_what_to_do)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	int start = 1024;

	if (file) {
		ck_assert_int_eq(fscanf(file, "%d", &start), 1);
		fclose(file);
	}
	if (start > 1)
		run_as_nobody(bind_port_1);
}
END_TEST

/* ------------------------------------------------------------------------------ Unix ---- */

START_TEST(a_unix_socket_has_its_mode_whatever_the_umask)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	struct listener_options options = plain;

	options.mode = 0660;
	for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
		mode_t before = umask(umasks[i]);
		struct listener listener = open_listener(in_folder("s"), &options);

		ck_assert_uint_eq(umask(before), umasks[i]);
		ck_assert_uint_eq(mode_of(&listener.address), S_IFSOCK | 0660);
		listener_close(&listener);
	}
}
END_TEST

START_TEST(close_removes_the_file)
{
	struct listener listener = open_listener(in_folder("s"), &plain);
	struct address address = listener.address;
	int client = dial(&address);

	ck_assert_int_ge(client, 0);
	close(client);
	listener_close(&listener);
	ck_assert(!exists(&address));
	/* Once more does nothing. */
	listener_close(&listener);
}
END_TEST

START_TEST(close_leaves_a_file_that_took_its_place)
{
	struct listener first = open_listener(in_folder("s"), &plain);
	struct listener second;

	ck_assert_int_eq(unlink(first.address.u.un.sun_path), 0);
	second = open_listener(in_folder("s"), &plain);
	listener_close(&first);
	ck_assert(exists(&second.address));
	listener_close(&second);
}
END_TEST

START_TEST(a_stale_file_is_replaced)
{
	struct address address = in_folder("s");
	struct listener listener;
	int client;

	leave_stale(&address);
	ck_assert(exists(&address));
	listener = open_listener(address, &plain);
	client = dial(&address);
	ck_assert_int_ge(client, 0);
	close(client);
	listener_close(&listener);
}
END_TEST

START_TEST(a_live_socket_is_refused_and_stays)
{
	struct listener first = open_listener(in_folder("s"), &plain), second;
	char text[ADDRESS_TEXT_MAX], *error = NULL;
	int result = listener_bind(&second, &first.address, &plain, &error);
	int client;

	CHECK_ERROR(result, error, address_text(&first.address, text), strerror(EADDRINUSE),
		    "ss -lxp");
	client = dial(&first.address);
	ck_assert_int_ge(client, 0);
	close(client);
	listener_close(&first);
}
END_TEST

START_TEST(a_live_socket_with_a_full_backlog_is_live)
{
	struct listener_options options = plain;
	struct listener first, second;
	char *error = NULL;
	int clients[2];

	options.backlog = 0;
	first = open_listener(in_folder("s"), &options);
	for (int i = 0; i < 2; i++) {
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(clients[i], &first.address.u.sa, first.address.len) < 0)
			ck_assert_int_eq(errno, EAGAIN);
	}
	CHECK_ERROR(listener_bind(&second, &first.address, &options, &error), error,
		    strerror(EADDRINUSE));
	ck_assert(exists(&first.address));
	close(clients[0]);
	close(clients[1]);
	listener_close(&first);
}
END_TEST

START_TEST(a_datagram_socket_is_live)
{
	struct address address = in_folder("s");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct listener listener;
	char *error = NULL;

	ck_assert_int_eq(bind(fd, &address.u.sa, address.len), 0);
	CHECK_ERROR(listener_bind(&listener, &address, &plain, &error), error,
		    strerror(EADDRINUSE));
	ck_assert(exists(&address));
	close(fd);
	unlink(address.u.un.sun_path);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_refused_and_stays)
{
	struct address address = in_folder("s");
	struct listener listener;
	char *error = NULL;
	int fd = open(address.u.un.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	CHECK_ERROR(listener_bind(&listener, &address, &plain, &error), error, "no socket");
	ck_assert(exists(&address));
	unlink(address.u.un.sun_path);
}
END_TEST

START_TEST(a_symbolic_link_is_not_followed)
{
	struct address address = in_folder("link"), target = in_folder("target");
	struct listener listener;
	char *error = NULL;

	leave_stale(&target);
	ck_assert_int_eq(symlink(target.u.un.sun_path, address.u.un.sun_path), 0);
	CHECK_ERROR(listener_bind(&listener, &address, &plain, &error), error, "no socket");
	ck_assert(exists(&target));
	unlink(address.u.un.sun_path);
	unlink(target.u.un.sun_path);
}
END_TEST

START_TEST(a_missing_folder_is_named)
{
	struct address address = in_folder("none/s");
	struct listener listener;
	char *error = NULL;

	CHECK_ERROR(listener_bind(&listener, &address, &plain, &error), error, strerror(ENOENT),
		    "/none does not exist");
}
END_TEST

static int bind_in_foreign_folder(void)
{
	struct address address = in_folder("s");
	struct listener listener;
	char *error = NULL;
	int wrong;

	if (listener_bind(&listener, &address, &plain, &error) == 0)
		return 3;
	wrong = !strstr(error, strerror(EACCES)) || !strstr(error, "may not make files in");
	free(error);
	return wrong;
}

START_TEST(a_forbidden_folder_is_named)
{
	ck_assert_int_eq(chmod(folder, 0500), 0);
	run_as_nobody(bind_in_foreign_folder);
}
END_TEST

START_TEST(owner_and_group_are_set_where_we_may)
{
	struct listener_options options = plain;
	struct listener listener;
	char *error = NULL;
	struct stat st;

	if (geteuid() != 0)
		return;
	options.owner = 65534;
	options.group = 65533;
	options.mode = 0620;
	listener = open_listener(in_folder("s"), &options);
	ck_assert_int_eq(lstat(listener.address.u.un.sun_path, &st), 0);
	ck_assert_uint_eq(st.st_uid, 65534);
	ck_assert_uint_eq(st.st_gid, 65533);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0620);
	/* They are named no more. */
	options.owner = (uid_t)-1;
	options.group = (gid_t)-1;
	ck_assert_int_eq(listener_listen(&listener, &options, &error), 0);
	ck_assert_int_eq(lstat(listener.address.u.un.sun_path, &st), 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_uint_eq(st.st_gid, getegid());
	listener_close(&listener);
}
END_TEST

static int give_away(void)
{
	struct listener_options options = plain;
	struct address address = in_folder("s");
	struct listener listener;
	char *error = NULL;
	int wrong;

	options.owner = 1;
	if (listener_bind(&listener, &address, &options, &error) == 0)
		return 3;
	wrong = !strstr(error, "only root");
	free(error);
	return wrong || exists(&address);
}

START_TEST(giving_a_socket_away_without_root_is_refused_and_leaves_nothing)
{
	ck_assert_int_eq(chmod(folder, 0777), 0);
	run_as_nobody(give_away);
}
END_TEST

START_TEST(listening_again_changes_the_mode)
{
	struct listener listener = open_listener(in_folder("s"), &plain);
	struct listener_options options = plain;
	char *error = NULL;

	ck_assert_uint_eq(mode_of(&listener.address), S_IFSOCK | 0600);
	options.mode = 0666;
	ck_assert_msg(listener_listen(&listener, &options, &error) == 0, "%s", error);
	ck_assert_uint_eq(mode_of(&listener.address), S_IFSOCK | 0666);
	listener_close(&listener);
}
END_TEST

START_TEST(a_file_taken_over_before_listen_is_noticed)
{
	struct address address = in_folder("s");
	struct listener first, second;
	char *error = NULL;

	ck_assert_int_eq(listener_bind(&first, &address, &plain, &error), 0);
	/* Another server takes what is only bound for stale. */
	second = open_listener(address, &plain);
	CHECK_ERROR(listener_listen(&first, &plain, &error), error, "replaced");
	listener_close(&first);
	ck_assert(exists(&address));
	listener_close(&second);
}
END_TEST

START_TEST(abstract_sockets_leave_no_file)
{
	char text[ADDRESS_TEXT_MAX], *error = NULL;
	struct listener first, second;
	int client;

	snprintf(text, sizeof(text), "unix:@%s", folder);
	first = open_listener(parse(text), &plain);
	client = dial(&first.address);
	ck_assert_int_ge(client, 0);
	close(client);
	CHECK_ERROR(listener_bind(&second, &first.address, &plain, &error), error, text,
		    strerror(EADDRINUSE), "ss -lxp");
	listener_close(&first);
}
END_TEST

/* --------------------------------------------------------------------------- adopting ---- */

/* A listening socket as systemd would make it, blocking and inheritable. */
static int make_passed(const struct address *address, int type)
{
	int fd = socket(address->u.sa.sa_family, type, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, &address->u.sa, address->len), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(accept_waits_only_where_it_is_somebody_elses_to_say)
{
	struct listener_options tended = { .backlog = 8, .tended = true }, ours = { .backlog = 8 };
	struct address address = parse("127.0.0.1:0");
	int fd = make_passed(&address, SOCK_STREAM);
	struct listener listener;
	char *error = NULL;

	ck_assert_int_eq(listener_adopt(&listener, fd, &error), 0);
	ck_assert(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	ck_assert_int_eq(listener_listen(&listener, &tended, &error), 0);
	ck_assert(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	ck_assert_int_eq(listener_listen(&listener, &ours, &error), 0);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	listener_close(&listener);
}
END_TEST

START_TEST(a_passed_tcp_socket_is_adopted)
{
	struct address address = parse("127.0.0.1:0");
	int fd = make_passed(&address, SOCK_STREAM);
	struct listener listener;
	char *error = NULL;

	ck_assert_msg(listener_adopt(&listener, fd, &error) == 0, "%s", error);
	ck_assert_int_eq(listener.fd, fd);
	ck_assert(listener.adopted && listener.listening && !listener.address.dual);
	ck_assert_int_ne(listener.address.u.in.sin_port, 0);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(listener_listen(&listener, &plain, &error), 0);
	listener_close(&listener);
}
END_TEST

START_TEST(dual_is_read_from_a_passed_socket)
{
	struct address address = parse("[::]:0");
	struct listener listener;
	char *error = NULL;

	if (!has_ipv6())
		return;
	for (int v6only = 0; v6only < 2; v6only++) {
		int fd = socket(AF_INET6, SOCK_STREAM, 0);

		ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)),
				 0);
		ck_assert_int_eq(bind(fd, &address.u.sa, address.len), 0);
		ck_assert_int_eq(listen(fd, 5), 0);
		ck_assert_int_eq(listener_adopt(&listener, fd, &error), 0);
		ck_assert_int_eq(listener.address.dual, !v6only);
		listener_close(&listener);
	}
}
END_TEST

START_TEST(the_file_of_a_passed_socket_stays)
{
	struct address address = in_folder("s");
	struct listener listener;
	char *error = NULL;

	ck_assert_int_eq(listener_adopt(&listener, make_passed(&address, SOCK_STREAM), &error), 0);
	ck_assert(address_equal(&listener.address, &address));
	ck_assert_int_eq(listener_listen(&listener, &plain, &error), 0);
	listener_close(&listener);
	ck_assert(exists(&address));
	unlink(address.u.un.sun_path);
}
END_TEST

START_TEST(what_is_no_listening_stream_socket_is_refused)
{
	struct address address = parse("127.0.0.1:0");
	struct listener listener;
	char *error = NULL;
	int pipes[2], fd;

	ck_assert_int_eq(pipe(pipes), 0);
	CHECK_ERROR(listener_adopt(&listener, pipes[0], &error), error, "not a socket");
	close(pipes[0]);
	close(pipes[1]);
	fd = make_passed(&address, SOCK_DGRAM);
	CHECK_ERROR(listener_adopt(&listener, fd, &error), error, "ListenStream=");
	ck_assert_int_ne(fcntl(fd, F_GETFD), -1);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERROR(listener_adopt(&listener, fd, &error), error, "Accept=no");
	close(fd);
	CHECK_ERROR(listener_adopt(&listener, -1, &error), error, strerror(EBADF));
	ck_assert_int_eq(listener.fd, -1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("listener");

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_add_test(tcase, a_bound_socket_refuses_until_it_listens);
	tcase_add_test(tcase, sockets_are_nonblocking_cloexec_and_nodelay_is_inherited);
	tcase_add_test(tcase, defer_accept_follows_the_options_of_listen);
	tcase_add_test(tcase, star_takes_both_families_and_brackets_take_ipv6_only);
	tcase_add_test(tcase, a_taken_port_is_named_with_what_to_do);
	tcase_add_test(tcase, the_second_to_listen_on_a_port_is_told_too);
	tcase_add_test(tcase, a_foreign_address_is_named_as_such);
	tcase_add_test(tcase, a_port_may_be_bound_again_at_once_after_it_was_in_use);
	tcase_add_test(tcase, a_privileged_port_is_named_with_what_to_do);
	tcase_add_test(tcase, a_unix_socket_has_its_mode_whatever_the_umask);
	tcase_add_test(tcase, close_removes_the_file);
	tcase_add_test(tcase, close_leaves_a_file_that_took_its_place);
	tcase_add_test(tcase, a_stale_file_is_replaced);
	tcase_add_test(tcase, a_live_socket_is_refused_and_stays);
	tcase_add_test(tcase, a_live_socket_with_a_full_backlog_is_live);
	tcase_add_test(tcase, a_datagram_socket_is_live);
	tcase_add_test(tcase, a_file_that_is_no_socket_is_refused_and_stays);
	tcase_add_test(tcase, a_symbolic_link_is_not_followed);
	tcase_add_test(tcase, a_missing_folder_is_named);
	tcase_add_test(tcase, a_forbidden_folder_is_named);
	tcase_add_test(tcase, owner_and_group_are_set_where_we_may);
	tcase_add_test(tcase, giving_a_socket_away_without_root_is_refused_and_leaves_nothing);
	tcase_add_test(tcase, listening_again_changes_the_mode);
	tcase_add_test(tcase, a_file_taken_over_before_listen_is_noticed);
	tcase_add_test(tcase, abstract_sockets_leave_no_file);
	tcase_add_test(tcase, accept_waits_only_where_it_is_somebody_elses_to_say);
	tcase_add_test(tcase, a_passed_tcp_socket_is_adopted);
	tcase_add_test(tcase, dual_is_read_from_a_passed_socket);
	tcase_add_test(tcase, the_file_of_a_passed_socket_stays);
	tcase_add_test(tcase, what_is_no_listening_stream_socket_is_refused);
	return unit_main("listener", tcase);
}
