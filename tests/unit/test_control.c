/* SPDX-License-Identifier: MIT */
/*
 * The control socket and its clients, in a master that has nothing else: no configuration and no pools. Time passes
 * only as the tests say.
 */
#include "master/control.h"

#include "master/saved.h"
#include "master/state.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/musterd-test-XXXXXX";
static char path[64], other_path[64];
static struct master *master;
static struct control_socket next;
static char *error;

static struct conf_control conf_of(const char *where, mode_t mode)
{
	return (struct conf_control){
		.path = where, .mode = mode, .owner = (uid_t)-1, .group = (gid_t)-1
	};
}

static int prepare(const char *where, mode_t mode)
{
	struct conf_control conf = conf_of(where, mode);

	free(error);
	return control_socket_open(&next, &master->control.socket, &conf, &error);
}

/* As a reload does that succeeds. */
static void open_at(const char *where, mode_t mode)
{
	ck_assert_int_eq(prepare(where, mode), 0);
	ck_assert_int_eq(control_socket_listen(&next, &master->control.socket, &error), 0);
	control_commit(master, &next);
}

static void set_up(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/control", folder);
	snprintf(other_path, sizeof(other_path), "%s/other", folder);
	master = calloc(1, sizeof(*master));
	ck_assert_ptr_nonnull(master);
	TAILQ_INIT(&master->pools);
	SLIST_INIT(&master->totals);
	master->phase = MASTER_RUNNING;
	ck_assert_int_eq(loop_init(&master->loop), 0);
	master->systemd.notify = -1;
	ck_assert_int_eq(listeners_init(&master->listeners, &master->systemd), 0);
	control_init(master);
	reload_init(master);
	next = control_socket_none();
	error = NULL;
}

static void tear_down(void)
{
	control_cleanup(master);
	loop_cleanup(&master->loop);
	free(master);
	free(error);
	unlink(path);
	unlink(other_path);
	rmdir(folder);
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		loop_turn(&master->loop, true);
}

static int connect_to(const char *where)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, where, strlen(where) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ask(const char *request)
{
	int fd = connect_to(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	turn();
	return fd;
}

/* What has come until now. *ended_r: and nothing else will. */
static const char *got(int fd, bool *ended_r)
{
	static char text[8192];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*ended_r = n == 0;
	return text;
}

static void must_answer(int fd, const char *begin)
{
	bool ended;
	const char *text = got(fd, &ended);

	ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
	ck_assert(ended);
	close(fd);
}

static mode_t mode_of(const char *where)
{
	struct stat st;

	return stat(where, &st) == 0 ? st.st_mode & 07777 : 0;
}

static int clients(void)
{
	int n = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		n += master->control.client[i].phase != CONTROL_FREE;
	return n;
}

/* ------------------------------------------------------------------------------ the socket ---- */

START_TEST(it_is_reached_from_the_commit_on)
{
	ck_assert_int_eq(prepare(path, 0600), 0);
	ck_assert_int_eq(connect_to(path), -1);
	ck_assert_int_eq(control_socket_listen(&next, &master->control.socket, &error), 0);
	control_commit(master, &next);
	ck_assert_int_eq(mode_of(path), 0600);
	must_answer(ask("help\n"), "ok\nstatus ");
	control_cleanup(master);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(without_a_path_there_is_none)
{
	open_at(path, 0600);
	open_at(NULL, 0600);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(master->control.socket.listener.fd, -1);
}
END_TEST

START_TEST(what_is_discarded_leaves_the_running_one)
{
	open_at(path, 0600);
	ck_assert_int_eq(prepare(other_path, 0600), 0);
	control_socket_discard(&next, &master->control.socket);
	ck_assert_int_eq(access(other_path, F_OK), -1);
	must_answer(ask("help\n"), "ok\n");
	control_socket_discard(&next, &master->control.socket);
	must_answer(ask("help\n"), "ok\n");
}
END_TEST

START_TEST(it_moves_and_answers_those_who_were_there)
{
	int early, waiting;

	open_at(path, 0600);
	early = connect_to(path);
	ck_assert_int_eq(send(early, "help\n", 5, 0), 5);
	waiting = ask("reload\n");
	open_at(other_path, 0640);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(mode_of(other_path), 0640);
	turn();
	must_answer(early, "ok\n");
	control_answer(master, master->tickets, true, "done");
	must_answer(waiting, "ok\ndone\n");
}
END_TEST

START_TEST(the_same_path_stays_the_same_socket)
{
	int fd;

	open_at(path, 0600);
	fd = master->control.socket.listener.fd;
	ck_assert_int_eq(prepare(path, 0666), 0);
	ck_assert_int_eq(mode_of(path), 0600);
	ck_assert_int_eq(control_socket_listen(&next, &master->control.socket, &error), 0);
	ck_assert_int_eq(mode_of(path), 0666);
	control_socket_discard(&next, &master->control.socket);
	ck_assert_int_eq(mode_of(path), 0600);
	open_at(path, 0640);
	ck_assert_int_eq(mode_of(path), 0640);
	ck_assert_int_eq(master->control.socket.listener.fd, fd);
	must_answer(ask("help\n"), "ok\n");
}
END_TEST

START_TEST(a_file_that_was_removed_is_made_again)
{
	open_at(path, 0600);
	ck_assert_int_eq(unlink(path), 0);
	open_at(path, 0600);
	must_answer(ask("help\n"), "ok\n");
}
END_TEST

START_TEST(a_stale_file_is_replaced_and_a_live_one_is_not)
{
	struct control_socket second;
	struct conf_control conf = conf_of(path, 0600);

	open_at(path, 0600);
	ck_assert_int_eq(control_socket_open(&second, &next, &conf, &error), -1);
	ck_assert_ptr_nonnull(strstr(error, "another server"));
	must_answer(ask("help\n"), "ok\n");
	/* As a master that was killed leaves it. */
	loop_remove(&master->loop, &master->control.source);
	close(master->control.socket.listener.fd);
	master->control.socket = control_socket_none();
	ck_assert_int_eq(access(path, F_OK), 0);
	open_at(path, 0600);
	must_answer(ask("help\n"), "ok\n");
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	ck_assert_int_eq(prepare(path, 0600), -1);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* ------------------------------------------------------------------------------- its clients ---- */

START_TEST(a_request_may_come_in_pieces_and_without_its_end)
{
	bool ended;
	int fd;

	open_at(path, 0600);
	fd = ask("he");
	got(fd, &ended);
	ck_assert(!ended);
	ck_assert_int_eq(send(fd, "lp", 2, 0), 2);
	shutdown(fd, SHUT_WR);
	turn();
	must_answer(fd, "ok\n");
	ck_assert_int_eq(clients(), 0);
}
END_TEST

START_TEST(what_is_no_request_is_an_error)
{
	char much[4 * REQUEST_LINE_MAX];

	open_at(path, 0600);
	must_answer(ask("nonsense\n"), "error\n");
	must_answer(ask("\n"), "error\n");
	memset(much, 'x', sizeof(much));
	much[sizeof(much) - 1] = '\0';
	must_answer(ask(much), "error\na request has at most 256 bytes\n");
	ck_assert_int_eq(clients(), 0);
}
END_TEST

START_TEST(who_sends_nothing_is_left_in_the_end)
{
	int64_t before;
	bool ended;
	int fd;

	open_at(path, 0600);
	before = master->loop.now;
	fd = ask("");
	ck_assert_int_eq(clients(), 1);
	deadlines_run(&master->loop.deadlines, before + CONTROL_PATIENCE_MS - 1);
	ck_assert_int_eq(clients(), 1);
	deadlines_run(&master->loop.deadlines, master->loop.now + CONTROL_PATIENCE_MS);
	ck_assert_int_eq(clients(), 0);
	ck_assert_str_eq(got(fd, &ended), "");
	ck_assert(ended);
	close(fd);
}
END_TEST

START_TEST(an_outcome_takes_what_it_takes)
{
	unsigned first, second;
	bool ended;
	int one, two, three;

	open_at(path, 0600);
	one = ask("reload\n");
	first = master->tickets;
	two = ask("plan\n");
	second = master->tickets;
	three = ask("reload\n");
	ck_assert_uint_ne(first, second);
	deadlines_run(&master->loop.deadlines, master->loop.now + 100 * CONTROL_PATIENCE_MS);
	ck_assert_str_eq(got(one, &ended), "");
	ck_assert(!ended);
	control_answer(master, 0, true, "nobody's");
	control_answer(master, second + 1, true, "somebody else's");
	control_answer(master, first, false, "it is bad\nvery bad");
	must_answer(one, "refused\nit is bad\nvery bad\n");
	must_answer(three, "refused\nit is bad\nvery bad\n");
	got(two, &ended);
	ck_assert(!ended);
	control_answer(master, second, true, "");
	must_answer(two, "ok\n");
	ck_assert_int_eq(clients(), 0);
}
END_TEST

START_TEST(who_goes_away_is_forgotten_and_who_half_closes_is_not)
{
	int gone, half;

	open_at(path, 0600);
	gone = ask("reload\n");
	half = ask("reload\n");
	shutdown(half, SHUT_WR);
	close(gone);
	turn();
	ck_assert_int_eq(clients(), 1);
	control_answer(master, master->tickets, true, "done");
	must_answer(half, "ok\ndone\n");
}
END_TEST

START_TEST(a_long_answer_waits_for_its_reader_but_not_for_ever)
{
	enum { LONG = 4 << 20 };
	char *text = malloc(LONG + 1);
	char piece[8192];
	size_t len = 0;
	ssize_t n = -1;
	int patient, lazy;

	memset(text, 'x', LONG);
	text[LONG] = '\0';
	open_at(path, 0600);
	patient = ask("reload\n");
	lazy = ask("reload\n");
	control_answer(master, master->tickets, true, text);
	ck_assert_int_eq(clients(), 2);
	for (; n; turn()) {
		n = recv(patient, piece, sizeof(piece), 0);
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_uint_eq(len, 3 + LONG + 1);
	ck_assert_int_eq(clients(), 1);
	deadlines_run(&master->loop.deadlines, master->loop.now + CONTROL_PATIENCE_MS);
	ck_assert_int_eq(clients(), 0);
	close(patient);
	close(lazy);
	free(text);
}
END_TEST

START_TEST(too_many_are_told_so)
{
	int fd[CONTROL_CLIENTS], last;

	open_at(path, 0600);
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		fd[i] = ask("reload\n");
	last = connect_to(path);
	turn();
	must_answer(last, "refused\nbusy");
	control_answer(master, master->tickets, true, "done");
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		must_answer(fd[i], "ok\ndone\n");
	must_answer(ask("help\n"), "ok\n");
}
END_TEST

START_TEST(who_may_only_ask_gives_way)
{
	int fd[CONTROL_CLIENTS], last;

	open_at(path, 0600);
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		fd[i] = ask("");
	master->control.client[7].allowed = false;
	last = ask("help\n");
	must_answer(last, "ok\n");
	must_answer(fd[7], "");
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (i != 7)
			close(fd[i]);
	}
}
END_TEST

START_TEST(without_a_descriptor_it_accepts_later)
{
	struct rlimit limit, none;
	int fd;

	if (skipped_under_valgrind("descriptor limits"))
		return;
	open_at(path, 0600);
	fd = connect_to(path);
	ck_assert_int_eq(send(fd, "help\n", 5, 0), 5);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &none);
	turn();
	setrlimit(RLIMIT_NOFILE, &limit);
	/* Not watched meanwhile, or the loop would spin. */
	ck_assert_int_eq(master->control.source.fd, -1);
	ck_assert_int_eq(clients(), 0);
	deadlines_run(&master->loop.deadlines, deadlines_next(&master->loop.deadlines));
	turn();
	must_answer(fd, "ok\n");
}
END_TEST

START_TEST(the_end_answers_all)
{
	int reload, stop;
	bool ended;

	open_at(path, 0600);
	reload = ask("reload\n");
	stop = ask("stop\n");
	ck_assert_int_eq(master->phase, MASTER_STOPPING);
	must_answer(reload, "refused\n");
	must_answer(ask("reload\n"), "refused\nthe server is stopping\n");
	master->cut = 3;
	master->killed = 1;
	control_cleanup(master);
	/* The end of file is the end of the process. */
	ck_assert_str_eq(got(stop, &ended), "ok\nstopped: 3 connections cut, 1 worker killed\n");
	ck_assert(!ended);
	close(stop);
}
END_TEST

START_TEST(who_waited_before_an_upgrade_is_answered_after_it)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	control_adopt(master, &(struct saved_client){ .fd = ends[0],
						      .phase = CONTROL_WAITING,
						      .ticket = 7,
						      .line = "upgrade\n",
						      .answer = "" });
	control_answer(master, 7, true, "upgraded");
	must_answer(ends[1], "ok\nupgraded\n");
}
END_TEST

START_TEST(who_was_in_the_middle_of_it_at_an_upgrade_goes_on)
{
	int asking[2], reading[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, asking),
			 0);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, reading), 0);
	control_adopt(master, &(struct saved_client){ .fd = asking[0],
						      .phase = CONTROL_READING,
						      .allowed = 1,
						      .line = "nons",
						      .answer = "" });
	control_adopt(master, &(struct saved_client){ .fd = reading[0],
						      .phase = CONTROL_ANSWERING,
						      .line = "status\n",
						      .answer = "rest of it\n" });
	turn();
	must_answer(reading[1], "rest of it\n");
	ck_assert_int_eq(write(asking[1], "ense\n", 5), 5);
	turn();
	must_answer(asking[1], "error\n");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("control");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, it_is_reached_from_the_commit_on);
	tcase_add_test(tcase, without_a_path_there_is_none);
	tcase_add_test(tcase, what_is_discarded_leaves_the_running_one);
	tcase_add_test(tcase, it_moves_and_answers_those_who_were_there);
	tcase_add_test(tcase, the_same_path_stays_the_same_socket);
	tcase_add_test(tcase, a_file_that_was_removed_is_made_again);
	tcase_add_test(tcase, a_stale_file_is_replaced_and_a_live_one_is_not);
	tcase_add_test(tcase, a_file_that_is_no_socket_is_left_alone);
	tcase_add_test(tcase, a_request_may_come_in_pieces_and_without_its_end);
	tcase_add_test(tcase, what_is_no_request_is_an_error);
	tcase_add_test(tcase, who_sends_nothing_is_left_in_the_end);
	tcase_add_test(tcase, an_outcome_takes_what_it_takes);
	tcase_add_test(tcase, who_goes_away_is_forgotten_and_who_half_closes_is_not);
	tcase_add_test(tcase, a_long_answer_waits_for_its_reader_but_not_for_ever);
	tcase_add_test(tcase, too_many_are_told_so);
	tcase_add_test(tcase, who_may_only_ask_gives_way);
	tcase_add_test(tcase, without_a_descriptor_it_accepts_later);
	tcase_add_test(tcase, the_end_answers_all);
	tcase_add_test(tcase, who_waited_before_an_upgrade_is_answered_after_it);
	tcase_add_test(tcase, who_was_in_the_middle_of_it_at_an_upgrade_goes_on);
	return unit_main("control", tcase);
}
