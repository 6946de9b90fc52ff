/* SPDX-License-Identifier: MIT */
#include "master/listeners.h"

#include "net/fdstore.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct listener_options options = { .backlog = 16 };
static struct systemd no_systemd = { .notify = -1, .probe = -1 };

static struct address any_port(void)
{
	struct address address;

	ck_assert_int_eq(address_parse(&address, "127.0.0.1:0"), 0);
	return address;
}

static struct open_listener *take(struct listeners *listeners, const struct address *address,
				  unsigned generation)
{
	struct open_listener *listener;
	char *error;

	listener = listeners_take(listeners, address, &options, generation, &error);
	ck_assert_msg(listener != NULL, "%s", error ? error : "");
	return listener;
}

START_TEST(an_address_that_is_open_gives_the_same_socket)
{
	struct listeners listeners;
	struct address address = any_port();
	struct open_listener *first, *second;

	ck_assert_int_eq(listeners_init(&listeners, &no_systemd), 0);
	first = take(&listeners, &address, 1);
	address = first->socket.address;
	second = take(&listeners, &address, 2);
	ck_assert_ptr_eq(first, second);
	ck_assert_uint_eq(listeners_count(&listeners), 1);
	listeners_release(&listeners, first);
	ck_assert_uint_eq(listeners_count(&listeners), 1);
	listeners_release(&listeners, second);
	ck_assert_uint_eq(listeners_count(&listeners), 0);
	listeners_cleanup(&listeners);
}
END_TEST

START_TEST(any_port_is_kept_over_generations_and_apart_within_one)
{
	struct listeners listeners;
	struct address address = any_port();
	struct open_listener *first, *second;

	ck_assert_int_eq(listeners_init(&listeners, &no_systemd), 0);
	first = take(&listeners, &address, 1);
	second = take(&listeners, &address, 1);
	ck_assert_ptr_ne(first, second);
	ck_assert_ptr_eq(take(&listeners, &address, 2), first);
	ck_assert_ptr_eq(take(&listeners, &address, 2), second);
	ck_assert_uint_eq(listeners_count(&listeners), 2);
	listeners_cleanup(&listeners);
}
END_TEST

START_TEST(a_port_that_is_taken_is_an_error_and_leaves_nothing)
{
	struct listeners ours, theirs;
	struct address address = any_port();
	struct open_listener *listener;
	char *error;

	ck_assert_int_eq(listeners_init(&ours, &no_systemd), 0);
	ck_assert_int_eq(listeners_init(&theirs, &no_systemd), 0);
	listener = take(&theirs, &address, 1);
	ck_assert_int_eq(listener_listen(&listener->socket, &options, &error), 0);
	ck_assert_ptr_null(listeners_take(&ours, &listener->socket.address, &options, 1, &error));
	ck_assert_ptr_nonnull(strstr(error, "127.0.0.1:"));
	free(error);
	ck_assert_uint_eq(listeners_count(&ours), 0);
	listeners_cleanup(&theirs);
}
END_TEST

START_TEST(an_address_that_overlaps_one_of_ours_is_not_blamed_on_others)
{
	struct listeners listeners;
	struct address address = any_port(), wide;
	char text[ADDRESS_TEXT_MAX];
	struct open_listener *open;
	char *error;

	ck_assert_int_eq(listeners_init(&listeners, &no_systemd), 0);
	open = take(&listeners, &address, 1);
	snprintf(text, sizeof(text), "0.0.0.0:%d", ntohs(open->socket.address.u.in.sin_port));
	ck_assert_int_eq(address_parse(&wide, text), 0);
	ck_assert_ptr_null(listeners_take(&listeners, &wide, &options, 1, &error));
	ck_assert_ptr_nonnull(strstr(error, "the configuration names both"));
	free(error);
	ck_assert_int_eq(listener_listen(&open->socket, &options, &error), 0);
	ck_assert_ptr_null(listeners_take(&listeners, &wide, &options, 2, &error));
	ck_assert_ptr_nonnull(strstr(error, "the running configuration has it"));
	free(error);
	ck_assert_uint_eq(listeners_count(&listeners), 1);
	listeners_cleanup(&listeners);
}
END_TEST

/* In a process of its own: 3, 4, 5 are taken here. The exit status says which step failed. */
static int use_passed(const int fd[3])
{
	const char *name[] = { "web", "other", "web" };
	struct systemd systemd = { .notify = -1, .probe = -1, .fds = 3, .name = name };
	struct listeners listeners;
	struct open_listener *first, *second;

	for (int i = 0; i < 3; i++)
		dup2(fd[i], 20 + i);
	for (int i = 0; i < 3; i++)
		dup2(20 + i, SYSTEMD_FIRST_FD + i);
	if (listeners_init(&listeners, &systemd) < 0)
		return 1;
	first = listeners_take_passed(&listeners, "web", NULL);
	if (!first || first->socket.fd != SYSTEMD_FIRST_FD)
		return 2;
	second = listeners_take_passed(&listeners, "web", first);
	if (!second || second->socket.fd != SYSTEMD_FIRST_FD + 2)
		return 3;
	if (listeners_take_passed(&listeners, "web", second) ||
	    listeners_take_passed(&listeners, "none", NULL))
		return 4;
	listeners_release(&listeners, first);
	listeners_release(&listeners, second);
	if (listeners_count(&listeners) != 3)
		return 5;
	listeners_cleanup(&listeners);
	return 0;
}

START_TEST(passed_sockets_are_found_by_name_and_kept)
{
	struct listeners source;
	struct address address = any_port();
	int fd[3], status;
	char *error;
	pid_t pid;

	ck_assert_int_eq(listeners_init(&source, &no_systemd), 0);
	for (int i = 0; i < 3; i++) {
		struct open_listener *listener = take(&source, &address, 1);

		ck_assert_int_eq(listener_listen(&listener->socket, &options, &error), 0);
		fd[i] = listener->socket.fd;
	}
	pid = fork();
	if (pid == 0)
		_exit(use_passed(fd));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	listeners_cleanup(&source);
}
END_TEST

/* The names under which the listeners went into the store, and they themselves, as they come back from it. */
struct kept {
	int fd[2];
	char name[2][256];
};

/*
 * In a process of its own, as above, where Check's own descriptors are lost: two that were stored come back, and
 * one is not named any more.
 */
static int take_back(struct kept *kept)
{
	const char *name[] = { kept->name[0], kept->name[1] };
	struct systemd systemd = { .notify = -1, .probe = -1, .fds = 2, .name = name };
	struct conf_listen listen = { .kind = LISTEN_INET, .addresses = 1 };
	struct service_conf service = { .listens = 1 };
	struct service_conf *const services[] = { &service };
	struct config config = { .services = 1 };
	struct listeners listeners;
	struct open_listener *first;
	struct address address;
	char *error;

	for (int i = 0; i < 2; i++)
		dup2(kept->fd[i], 20 + i);
	for (int i = 0; i < 2; i++)
		dup2(20 + i, SYSTEMD_FIRST_FD + i);
	if (listeners_init(&listeners, &systemd) < 0 || listeners_count(&listeners) != 2)
		return 1;
	if (listeners_take_passed(&listeners, name[0], NULL))
		return 2;
	first = TAILQ_FIRST(&listeners.open);
	address = first->socket.address;
	if (first->systemd_name || first->socket.adopted || strcmp(first->stored, name[0]) != 0)
		return 3;
	listen.address = &address;
	service.listen = &listen;
	config.service = services;
	listeners_drop_unnamed(&listeners, &config);
	if (listeners_count(&listeners) != 1 || TAILQ_FIRST(&listeners.open) != first)
		return 4;
	if (listeners_take(&listeners, &address, &options, 1, &error) != first)
		return 5;
	/* A start that is given up leaves it where it is. */
	listeners_release(&listeners, first);
	if (listeners_count(&listeners) != 1 || !listener_outlives_us(&listeners, first))
		return 6;
	/* One that serves, and closes it, does not. */
	if (listeners_take(&listeners, &address, &options, 1, &error) != first)
		return 7;
	listeners_store(&listeners);
	if (listener_outlives_us(&listeners, first))
		return 8;
	listeners_release(&listeners, first);
	if (listeners_count(&listeners) != 0)
		return 9;
	listeners_cleanup(&listeners);
	return 0;
}

START_TEST(what_was_stored_comes_back_as_ours)
{
	struct listeners source;
	struct address address = any_port();
	struct kept kept;
	char *error;
	int status;
	pid_t pid;

	ck_assert_int_eq(listeners_init(&source, &no_systemd), 0);
	for (int i = 0; i < 2; i++) {
		struct open_listener *listener = take(&source, &address, 1);

		ck_assert_int_eq(listener_listen(&listener->socket, &options, &error), 0);
		kept.fd[i] = listener->socket.fd;
		ck_assert_int_eq(fdstore_name(&listener->socket, kept.name[i]), 0);
	}
	pid = fork();
	if (pid == 0)
		_exit(take_back(&kept));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	listeners_cleanup(&source);
}
END_TEST

/* What is in the store is not known to be kept then, and a stop would close it. */
START_TEST(a_store_that_could_not_be_asked_for_is_asked_for_again)
{
	struct systemd systemd = { .probe = -1, .store = -1 };
	struct listeners listeners;
	char byte;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	TAILQ_INIT(&systemd.unsent);
	systemd.notify = ends[0];
	ck_assert_int_eq(listeners_init(&listeners, &systemd), 0);
	while (send(ends[0], "", 1, MSG_DONTWAIT) == 1)
		;
	listeners_store(&listeners);
	ck_assert(listeners.unstored);
	ck_assert_int_eq(systemd.probe, -1);
	while (recv(ends[1], &byte, 1, MSG_DONTWAIT) == 1)
		;
	listeners_store_more(&listeners);
	ck_assert(!listeners.unstored);
	ck_assert_int_ge(systemd.probe, 0);
	listeners_cleanup(&listeners);
	systemd_cleanup(&systemd);
	close(ends[1]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("listeners");

	tcase_add_test(tcase, an_address_that_is_open_gives_the_same_socket);
	tcase_add_test(tcase, any_port_is_kept_over_generations_and_apart_within_one);
	tcase_add_test(tcase, a_port_that_is_taken_is_an_error_and_leaves_nothing);
	tcase_add_test(tcase, an_address_that_overlaps_one_of_ours_is_not_blamed_on_others);
	tcase_add_test(tcase, passed_sockets_are_found_by_name_and_kept);
	tcase_add_test(tcase, what_was_stored_comes_back_as_ours);
	tcase_add_test(tcase, a_store_that_could_not_be_asked_for_is_asked_for_again);
	return unit_main("listeners", tcase);
}
