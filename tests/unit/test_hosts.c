/* SPDX-License-Identifier: MIT */
#include "runtime/hosts.h"

#include "temp_folder.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>

static struct temp_folder folder;
static struct hosts *hosts;

static void set_up(void)
{
	temp_folder_init(&folder);
	hosts = NULL;
}

static void tear_down(void)
{
	hosts_free(hosts);
	temp_folder_cleanup(&folder);
}

static void read_text(const char *text)
{
	temp_write(&folder, "hosts", text);
	hosts = hosts_read(temp_path(&folder, "hosts"));
	ck_assert_ptr_nonnull(hosts);
}

/* The addresses of a name, one after the other, "-" where there are none. */
static const char *find(const char *name, sa_family_t family)
{
	static char text[512];
	struct address address[4];
	size_t n = hosts_find(hosts, name, family, address, 4);
	char *end = text;

	strcpy(text, "-");
	for (size_t i = 0; i < n; i++) {
		const void *data = family == AF_INET ? (const void *)&address[i].u.in.sin_addr
						     : (const void *)&address[i].u.in6.sin6_addr;

		ck_assert_uint_eq(address[i].u.sa.sa_family, family);
		ck_assert_uint_eq(address[i].len, family == AF_INET ? sizeof(address->u.in)
								    : sizeof(address->u.in6));
		if (i)
			*end++ = ' ';
		ck_assert_ptr_nonnull(inet_ntop(family, data, end, 64));
		end += strlen(end);
	}
	return text;
}

static const char *name_of(const char *text)
{
	struct address address;

	ck_assert_int_eq(address_parse(&address, text), 0);
	return hosts_name_of(hosts, &address);
}

START_TEST(names_and_aliases_have_the_addresses_of_their_lines)
{
	read_text("127.0.0.1 localhost\n"
		  "# 192.0.2.9 commented\n"
		  "\n"
		  "192.0.2.1\tone.example  one # the first\n"
		  "2001:db8::1 one.example\n"
		  "  192.0.2.2 two.example\r\n"
		  "192.0.2.3 one.example");
	ck_assert_str_eq(find("localhost", AF_INET), "127.0.0.1");
	ck_assert_str_eq(find("localhost", AF_INET6), "-");
	ck_assert_str_eq(find("one.example", AF_INET), "192.0.2.1 192.0.2.3");
	ck_assert_str_eq(find("ONE.example", AF_INET6), "2001:db8::1");
	ck_assert_str_eq(find("one", AF_INET), "192.0.2.1");
	ck_assert_str_eq(find("two.example", AF_INET), "192.0.2.2");
	ck_assert_str_eq(find("commented", AF_INET), "-");
	ck_assert_str_eq(find("the", AF_INET), "-");
	ck_assert_str_eq(find("three.example", AF_INET), "-");
	ck_assert_str_eq(find("", AF_INET), "-");
}
END_TEST

START_TEST(an_address_has_the_first_name_of_its_first_line)
{
	read_text("192.0.2.1 z.example a.example\n"
		  "192.0.2.1 b.example\n"
		  "2001:db8::1 six.example\n");
	ck_assert_str_eq(name_of("192.0.2.1:80"), "z.example");
	ck_assert_str_eq(name_of("[2001:db8::1]:80"), "six.example");
	ck_assert_ptr_null(name_of("192.0.2.2:80"));
	ck_assert_ptr_null(name_of("[2001:db8::2]:80"));
}
END_TEST

START_TEST(lines_that_are_no_hosts_are_passed_over)
{
	read_text("nonsense one\n"
		  "192.0.2 two\n"
		  "192.0.2.1\n"
		  "#\n"
		  "192.0.2.1 good\n");
	ck_assert_str_eq(find("one", AF_INET), "-");
	ck_assert_str_eq(find("two", AF_INET), "-");
	ck_assert_str_eq(find("good", AF_INET), "192.0.2.1");
}
END_TEST

START_TEST(no_more_than_the_caller_has_room_for)
{
	read_text("192.0.2.1 x\n192.0.2.2 x\n192.0.2.3 x\n192.0.2.4 x\n192.0.2.5 x\n");
	ck_assert_str_eq(find("x", AF_INET), "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4");
}
END_TEST

START_TEST(each_of_many_is_found)
{
	enum { MANY = 3000 };
	char *text = malloc(MANY * 40), *end = text, name[32], expected[32];

	for (int i = 0; i < MANY; i++)
		end += sprintf(end, "10.0.%d.%d host%d.example\n", i / 256, i % 256, i);
	read_text(text);
	free(text);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "host%d.example", i);
		snprintf(expected, sizeof(expected), "10.0.%d.%d", i / 256, i % 256);
		ck_assert_str_eq(find(name, AF_INET), expected);
	}
}
END_TEST

START_TEST(a_file_may_be_missing_or_empty)
{
	hosts = hosts_read(temp_path(&folder, "missing"));
	ck_assert_ptr_nonnull(hosts);
	ck_assert_str_eq(find("localhost", AF_INET), "-");
	ck_assert_ptr_null(name_of("127.0.0.1:1"));
	hosts_free(hosts);
	read_text("");
	ck_assert_str_eq(find("localhost", AF_INET), "-");
}
END_TEST

START_TEST(a_file_that_is_none_is_an_error)
{
	temp_mkdir(&folder, "hosts");
	ck_assert_ptr_null(hosts_read(temp_path(&folder, "hosts")));
	ck_assert_int_ne(errno, 0);
}
END_TEST

START_TEST(services_are_those_of_the_machine)
{
	const struct servent *http = getservbyname("http", "tcp");

	read_text("");
	ck_assert_uint_eq(hosts_port(hosts, "no-such-service"), 0);
	if (!http) {
		fprintf(stderr, "skipped: /etc/services does not know http (Debian: netbase)\n");
		return;
	}
	ck_assert_uint_eq(hosts_port(hosts, "http"), 80);
	ck_assert_uint_eq(hosts_port(hosts, http->s_aliases[0] ? http->s_aliases[0] : "http"), 80);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("hosts");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, names_and_aliases_have_the_addresses_of_their_lines);
	tcase_add_test(tcase, an_address_has_the_first_name_of_its_first_line);
	tcase_add_test(tcase, lines_that_are_no_hosts_are_passed_over);
	tcase_add_test(tcase, no_more_than_the_caller_has_room_for);
	tcase_add_test(tcase, each_of_many_is_found);
	tcase_add_test(tcase, a_file_may_be_missing_or_empty);
	tcase_add_test(tcase, a_file_that_is_none_is_an_error);
	tcase_add_test(tcase, services_are_those_of_the_machine);
	return unit_main("hosts", tcase);
}
