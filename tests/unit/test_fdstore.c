/* SPDX-License-Identifier: MIT */
#include "net/fdstore.h"

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct listener_options options = {
	.backlog = 16, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1
};

static struct listener bound(const char *text)
{
	struct listener listener;
	struct address address;
	char *error;

	ck_assert_int_eq(address_parse(&address, text), 0);
	ck_assert_msg(listener_bind(&listener, &address, &options, &error) == 0, "%s", text);
	return listener;
}

START_TEST(a_name_leads_back_to_its_socket)
{
	struct listener listener = bound("127.0.0.1:0");
	char name[FDSTORE_NAME_MAX];
	dev_t dev = 1;
	ino_t ino = 1;

	ck_assert_int_eq(fdstore_name(&listener, name), 0);
	ck_assert_int_eq(strncmp(name, "musterd-", 8), 0);
	ck_assert_ptr_nonnull(strstr(name, "127.0.0.1_"));
	ck_assert_ptr_null(strchr(name, ':'));
	ck_assert(fdstore_is_ours(listener.fd, name, &dev, &ino));
	ck_assert(dev == 0 && ino == 0);
	listener_close(&listener);
}
END_TEST

START_TEST(a_name_knows_the_file_of_a_unix_socket)
{
	char text[96], name[FDSTORE_NAME_MAX];
	struct listener listener;
	dev_t dev;
	ino_t ino;

	snprintf(text, sizeof(text), "unix:/tmp/musterd: fdstore \xc3\xa4 %d", (int)getpid());
	listener = bound(text);
	ck_assert_int_eq(fdstore_name(&listener, name), 0);
	for (const char *p = name; *p; p++)
		ck_assert(*p > ' ' && *p <= '~' && *p != ':');
	ck_assert(fdstore_is_ours(listener.fd, name, &dev, &ino));
	ck_assert(dev == listener.dev && ino == listener.ino && ino != 0);
	listener_close(&listener);
}
END_TEST

START_TEST(the_longest_path_fits)
{
	struct listener listener = bound("127.0.0.1:0");
	char name[FDSTORE_NAME_MAX];
	dev_t dev;
	ino_t ino;

	listener.address.u.un.sun_family = AF_UNIX;
	memset(listener.address.u.un.sun_path, 'x', sizeof(listener.address.u.un.sun_path));
	listener.address.u.un.sun_path[0] = '/';
	listener.address.u.un.sun_path[sizeof(listener.address.u.un.sun_path) - 1] = '\0';
	listener.dev = (dev_t)-1;
	ck_assert_int_eq(fdstore_name(&listener, name), 0);
	ck_assert_uint_lt(strlen(name), FDSTORE_NAME_MAX);
	ck_assert(fdstore_is_ours(listener.fd, name, &dev, &ino));
	listener_close(&listener);
}
END_TEST

START_TEST(names_of_others_are_not_ours)
{
	static const char *const names[] = { "",
					     "musterd",
					     "musterd.socket",
					     "musterd-www.socket",
					     "musterd-1",
					     "musterd-1-0-0",
					     "musterd-1-0-0-x",
					     "musterd-99999999999999999999999-0-0-x",
					     "www",
					     "stored" };
	struct listener listener = bound("127.0.0.1:0"), other = bound("127.0.0.1:0");
	char name[FDSTORE_NAME_MAX];
	dev_t dev;
	ino_t ino;
	int file;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_msg(!fdstore_is_ours(listener.fd, names[i], &dev, &ino), "%s", names[i]);
	/* The right form for another socket. */
	ck_assert_int_eq(fdstore_name(&other, name), 0);
	ck_assert(!fdstore_is_ours(listener.fd, name, &dev, &ino));
	ck_assert(!fdstore_is_ours(-1, name, &dev, &ino));
	file = open("/dev/null", O_RDONLY);
	ck_assert(!fdstore_is_ours(file, name, &dev, &ino));
	close(file);
	listener_close(&other);
	listener_close(&listener);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("fdstore");

	tcase_add_test(tcase, a_name_leads_back_to_its_socket);
	tcase_add_test(tcase, a_name_knows_the_file_of_a_unix_socket);
	tcase_add_test(tcase, the_longest_path_fits);
	tcase_add_test(tcase, names_of_others_are_not_ours);
	return unit_main("fdstore", tcase);
}
