/* SPDX-License-Identifier: MIT */
#include "net/address.h"

#include "unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *text;
	enum listen_kind kind;
	const char *host, *port, *path, *name;
} good_names[] = {
	{ "*:8080", LISTEN_INET, NULL, "8080", NULL, NULL },
	{ ":8080", LISTEN_INET, NULL, "8080", NULL, NULL },
	{ "8080", LISTEN_INET, NULL, "8080", NULL, NULL },
	{ "*:http", LISTEN_INET, NULL, "http", NULL, NULL },
	{ "localhost:http-alt", LISTEN_INET, "localhost", "http-alt", NULL, NULL },
	{ "www-1.example.net:65535", LISTEN_INET, "www-1.example.net", "65535", NULL, NULL },
	{ "192.0.2.1:80", LISTEN_INET, "192.0.2.1", "80", NULL, NULL },
	{ "[::1]:80", LISTEN_INET, "::1", "80", NULL, NULL },
	{ "[::]:1", LISTEN_INET, "::", "1", NULL, NULL },
	{ "[fe80::1%lo]:80", LISTEN_INET, "fe80::1%lo", "80", NULL, NULL },
	{ "unix:/run/a:b.sock", LISTEN_UNIX, NULL, NULL, "/run/a:b.sock", NULL },
	{ "unix:@name", LISTEN_UNIX, NULL, NULL, "@name", NULL },
	{ "systemd:www", LISTEN_SYSTEMD, NULL, NULL, NULL, "www" },
};

/* Each with a piece of the reason that is to be given. */
static const struct {
	const char *text, *reason;
} bad_names[] = {
	{ "", "empty" },
	{ "localhost", "port is missing" },
	{ "localhost:", "port is missing" },
	{ ":", "port is missing" },
	{ "*:0", "1 to 65535" },
	{ "0", "1 to 65535" },
	{ "*:65536", "1 to 65535" },
	{ "*:99999999999999999999", "1 to 65535" },
	{ "*:-1x y", "service name" },
	{ "::1:80", "brackets" },
	{ "[::1:80", "']'" },
	{ "[::1]", "':'" },
	{ "[::1]80", "':'" },
	{ "[::1]:", "port is missing" },
	{ "[localhost]:80", "IPv6" },
	{ "[::g]:80", "IPv6" },
	{ "[]:80", "IPv6" },
	{ "[::ffff:192.0.2.1]:80", "without brackets" },
	{ "[fe80::1]:80", "interface" },
	{ "[fe80::1%]:80", "interface" },
	{ "300.1.1.1:80", "IPv4" },
	{ "127.1:80", "IPv4" },
	{ "a b:80", "host is" },
	{ "http://x:80", "brackets" },
	{ "unix:", "absolute" },
	{ "unix:name.sock", "absolute" },
	{ "unix:/", "missing" },
	{ "unix:@", "missing" },
	{ "unix:/run/", "end in" },
	{ "/run/x.sock", "unix:/PATH" },
	{ "@name", "unix:@NAME" },
	{ "systemd:", "FileDescriptorName" },
	{ "systemd:a:b", "':'" },
	{ "systemd:a\nb", "printable" },
};

static void check_word(const char *got, const char *wanted)
{
	if (wanted)
		ck_assert_str_eq(got, wanted);
	else
		ck_assert_ptr_null(got);
}

START_TEST(listen_arguments_are_taken_apart)
{
	struct listen_name name;
	const char *reason = NULL;

	ck_assert_msg(listen_name_parse(&name, good_names[_i].text, &reason) == 0, "%s: %s",
		      good_names[_i].text, reason);
	ck_assert_int_eq(name.kind, good_names[_i].kind);
	check_word(name.host, good_names[_i].host);
	check_word(name.port, good_names[_i].port);
	check_word(name.path, good_names[_i].path);
	check_word(name.name, good_names[_i].name);
}
END_TEST

START_TEST(wrong_listen_arguments_are_refused_with_a_reason)
{
	struct listen_name name;
	const char *reason = NULL;

	ck_assert_msg(listen_name_parse(&name, bad_names[_i].text, &reason) == -1, "%s",
		      bad_names[_i].text);
	ck_assert_msg(strstr(reason, bad_names[_i].reason) != NULL, "%s: %s", bad_names[_i].text,
		      reason);
}
END_TEST

START_TEST(overlong_arguments_are_refused)
{
	struct listen_name name;
	const char *reason = NULL;
	char text[400];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(listen_name_parse(&name, text, &reason), -1);
	memcpy(text, "unix:/", 6);
	text[5 + 107] = '\0';
	ck_assert_int_eq(listen_name_parse(&name, text, &reason), 0);
	text[5 + 107] = 'a';
	text[5 + 108] = '\0';
	ck_assert_int_eq(listen_name_parse(&name, text, &reason), -1);
	ck_assert_ptr_nonnull(strstr(reason, "107"));
}
END_TEST

static int resolve(const char *text, struct address *address, size_t max, const char **reason_r)
{
	struct listen_name name;

	ck_assert_int_eq(listen_name_parse(&name, text, reason_r), 0);
	return address_resolve(&name, address, max, reason_r);
}

static bool machine_has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

START_TEST(star_is_one_dual_stack_address)
{
	struct address address[4];
	const char *reason = NULL;
	char text[ADDRESS_TEXT_MAX];

	ck_assert_int_eq(resolve("*:8080", address, 4, &reason), 1);
	if (machine_has_ipv6()) {
		ck_assert(address[0].dual);
		ck_assert_int_eq(address[0].u.sa.sa_family, AF_INET6);
		ck_assert_str_eq(address_text(&address[0], text), "*:8080");
	} else if (address[0].u.sa.sa_family == AF_INET) {
		ck_assert_str_eq(address_text(&address[0], text), "0.0.0.0:8080");
	}
}
END_TEST

START_TEST(literal_addresses_resolve_to_themselves)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:443", "[::]:80",
					     "[fe80::1%1]:80", "0.0.0.0:80" };
	struct address address[4];
	const char *reason = NULL;
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i][0] == '[' && !machine_has_ipv6())
			continue;
		ck_assert_msg(resolve(texts[i], address, 4, &reason) == 1, "%s: %s", texts[i],
			      reason);
		ck_assert_str_eq(address_text(&address[0], text), texts[i]);
		ck_assert(!address[0].dual);
	}
}
END_TEST

START_TEST(localhost_resolves_to_loopback_without_doubles)
{
	struct address address[8];
	const char *reason = NULL;
	int n;
	bool has_ipv4 = false;

	if (!gethostbyname("localhost")) {
		fprintf(stderr, "skipped: this machine does not know localhost (/etc/hosts)\n");
		return;
	}
	n = resolve("localhost:7", address, 8, &reason);
	ck_assert_msg(n >= 1, "%s", reason);
	for (int i = 0; i < n; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_text(&address[i], text);
		if (strcmp(text, "127.0.0.1:7") == 0)
			has_ipv4 = true;
		else
			ck_assert_str_eq(text, "[::1]:7");
		for (int j = 0; j < i; j++)
			ck_assert(!address_equal(&address[i], &address[j]));
	}
	ck_assert(has_ipv4);
}
END_TEST

START_TEST(service_names_become_ports)
{
	struct address address[2];
	const char *reason = NULL;

	if (access("/etc/services", R_OK) == 0) {
		ck_assert_msg(resolve("127.0.0.1:http", address, 2, &reason) == 1, "%s", reason);
		ck_assert_int_eq(ntohs(address[0].u.in.sin_port), 80);
	}
	ck_assert_int_eq(resolve("127.0.0.1:no-such-service", address, 2, &reason), -1);
	ck_assert_ptr_nonnull(strstr(reason, "/etc/services"));
}
END_TEST

START_TEST(an_unknown_interface_is_named_as_such)
{
	struct address address[2];
	const char *reason = NULL;

	ck_assert_int_eq(resolve("[fe80::1%nosuchif9]:80", address, 2, &reason), -1);
	ck_assert_ptr_nonnull(strstr(reason, "interface"));
}
END_TEST

START_TEST(an_interface_name_becomes_a_scope_id)
{
	struct address address[2];
	const char *reason = NULL;

	if (!machine_has_ipv6())
		return;
	ck_assert_msg(resolve("[fe80::1%lo]:80", address, 2, &reason) == 1, "%s", reason);
	ck_assert_uint_eq(address[0].u.in6.sin6_scope_id, if_nametoindex("lo"));
}
END_TEST

START_TEST(no_room_is_an_error_not_a_cut)
{
	struct address address[1];
	const char *reason = NULL;

	ck_assert_int_eq(resolve("*:80", address, 0, &reason), -1);
	ck_assert_ptr_nonnull(reason);
}
END_TEST

START_TEST(a_systemd_name_has_no_address)
{
	struct address address[1];
	const char *reason = NULL;

	ck_assert_int_eq(resolve("systemd:www", address, 1, &reason), -1);
	ck_assert_ptr_nonnull(reason);
}
END_TEST

START_TEST(unix_names_resolve)
{
	struct address address[1];
	const char *reason = NULL;
	char text[ADDRESS_TEXT_MAX];

	ck_assert_int_eq(resolve("unix:/run/x.sock", address, 1, &reason), 1);
	ck_assert_uint_eq(address[0].len, offsetof(struct sockaddr_un, sun_path) + 12);
	ck_assert_str_eq(address_text(address, text), "unix:/run/x.sock");
	ck_assert_int_eq(resolve("unix:@x", address, 1, &reason), 1);
	ck_assert_uint_eq(address[0].len, offsetof(struct sockaddr_un, sun_path) + 2);
	ck_assert_int_eq(address[0].u.un.sun_path[0], '\0');
	ck_assert_str_eq(address_text(address, text), "unix:@x");
}
END_TEST

START_TEST(text_is_read_back_as_the_same_address)
{
	static const char *const texts[] = {
		"192.0.2.1:80",
		"0.0.0.0:0",
		"[2001:db8::1%2]:80",
		"[::]:80",
		"*:80",
		"[fe80::1%4294967295]:65535",
		"[::1]:7",
		"unix:/run/x.sock",
		"unix:@name",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct address address, again;
		char text[ADDRESS_TEXT_MAX];

		ck_assert_msg(address_parse(&address, texts[i]) == 0, "%s", texts[i]);
		ck_assert_str_eq(address_text(&address, text), texts[i]);
		ck_assert_int_eq(address_parse(&again, text), 0);
		ck_assert(address_equal(&address, &again));
	}
}
END_TEST

START_TEST(wrong_text_is_refused)
{
	static const char *const texts[] = {
		"",
		"80",
		":80",
		"localhost:80",
		"1.2.3.4:http",
		"1.2.3.4:65536",
		"1.2.3:80",
		"[::1]",
		"[::1:80",
		"[::1%lo]:80",
		"[::1%0]:80",
		"[::1%4294967296]:80",
		"[:80",
		"[]:80",
		"unix:",
		"unix:x",
		"unix:/",
		"systemd:x",
		"*:",
		"1.2.3.4:+1",
		"1.2.3.4: 1",
		"[::1%1%2]:80",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct address address;

		ck_assert_msg(address_parse(&address, texts[i]) == -1, "%s", texts[i]);
	}
}
END_TEST

START_TEST(equality_is_family_host_port_and_dual)
{
	static const char *const texts[] = { "*:80",           "[::]:80",     "0.0.0.0:80",
					     "0.0.0.0:81",     "[::1]:80",    "[fe80::1%1]:80",
					     "[fe80::1%2]:80", "unix:/run/x", "unix:/run/xy",
					     "unix:@/run/x",   "unix:@a",     "unix:@ab" };
	enum { N = sizeof(texts) / sizeof(texts[0]) };
	struct address address[N];

	for (size_t i = 0; i < N; i++)
		ck_assert_msg(address_parse(&address[i], texts[i]) == 0, "%s", texts[i]);
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++)
			ck_assert_msg(address_equal(&address[i], &address[j]) == (i == j), "%s %s",
				      texts[i], texts[j]);
}
END_TEST

START_TEST(a_path_is_the_same_with_and_without_its_nul)
{
	struct address a, b;

	ck_assert_int_eq(address_parse(&a, "unix:/run/x"), 0);
	b = a;
	b.len--;
	ck_assert(address_equal(&a, &b));
}
END_TEST

START_TEST(odd_socket_names_have_a_text)
{
	struct address address = { .len = sizeof(sa_family_t), .u.un.sun_family = AF_UNIX };
	char text[ADDRESS_TEXT_MAX];

	ck_assert_str_eq(address_text(&address, text), "unix:");
	memset(address.u.un.sun_path, 'a', sizeof(address.u.un.sun_path));
	address.len = sizeof(address.u.un);
	ck_assert_uint_eq(strlen(address_text(&address, text)), 5 + 108);
	memcpy(address.u.un.sun_path, "\0a\0b", 4);
	address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 4);
	ck_assert_str_eq(address_text(&address, text), "unix:@a@b");
	address.u.sa.sa_family = AF_UNSPEC;
	ck_assert_str_eq(address_text(&address, text), "family 0");
}
END_TEST

START_TEST(what_takes_in_another_address_overlaps)
{
	static const struct {
		const char *a, *b;
		bool overlaps;
	} cases[] = {
		{ "*:80", "127.0.0.1:80", true },   { "*:80", "0.0.0.0:80", true },
		{ "*:80", "[::1]:80", true },       { "*:80", "[::]:80", true },
		{ "0.0.0.0:80", "[::]:80", false }, { "0.0.0.0:80", "127.0.0.1:80", true },
		{ "[::]:80", "[::1]:80", true },    { "[::]:80", "127.0.0.1:80", false },
		{ "*:80", "127.0.0.1:81", false },  { "127.0.0.1:80", "127.0.0.2:80", false },
		{ "*:80", "unix:/x", false },       { "unix:/x", "unix:/x", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct address a, b;

		ck_assert_int_eq(address_parse(&a, cases[i].a), 0);
		ck_assert_int_eq(address_parse(&b, cases[i].b), 0);
		ck_assert_msg(address_overlaps(&a, &b) == cases[i].overlaps, "%s %s", cases[i].a,
			      cases[i].b);
		ck_assert(address_overlaps(&b, &a) == cases[i].overlaps);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("address");

	tcase_add_loop_test(tcase, listen_arguments_are_taken_apart, 0,
			    (int)(sizeof(good_names) / sizeof(good_names[0])));
	tcase_add_loop_test(tcase, wrong_listen_arguments_are_refused_with_a_reason, 0,
			    (int)(sizeof(bad_names) / sizeof(bad_names[0])));
	tcase_add_test(tcase, overlong_arguments_are_refused);
	tcase_add_test(tcase, star_is_one_dual_stack_address);
	tcase_add_test(tcase, literal_addresses_resolve_to_themselves);
	tcase_add_test(tcase, localhost_resolves_to_loopback_without_doubles);
	tcase_add_test(tcase, service_names_become_ports);
	tcase_add_test(tcase, an_unknown_interface_is_named_as_such);
	tcase_add_test(tcase, an_interface_name_becomes_a_scope_id);
	tcase_add_test(tcase, no_room_is_an_error_not_a_cut);
	tcase_add_test(tcase, a_systemd_name_has_no_address);
	tcase_add_test(tcase, unix_names_resolve);
	tcase_add_test(tcase, text_is_read_back_as_the_same_address);
	tcase_add_test(tcase, wrong_text_is_refused);
	tcase_add_test(tcase, equality_is_family_host_port_and_dual);
	tcase_add_test(tcase, a_path_is_the_same_with_and_without_its_nul);
	tcase_add_test(tcase, odd_socket_names_have_a_text);
	tcase_add_test(tcase, what_takes_in_another_address_overlaps);
	return unit_main("address", tcase);
}
