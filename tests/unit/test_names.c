/* SPDX-License-Identifier: MIT */
#include "runtime/names.h"

#include "base/clock.h"
#include "fake_dns.h"
#include "temp_folder.h"
#include "unit.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>

enum { PATIENCE_MS = 20000, LONG_MS = 10000, SHORT_MS = 300 };

static const struct fake_record zone[] = {
	{ "both.test", ns_t_a, "192.0.2.1" },
	{ "both.test", ns_t_a, "192.0.2.2" },
	{ "both.test", ns_t_aaaa, "2001:db8::1" },
	{ "four.test", ns_t_a, "192.0.2.4" },
	{ "six.test", ns_t_aaaa, "2001:db8::6" },
	{ "empty.test", ns_t_txt, NULL },
	{ "late6.test", ns_t_a, "192.0.2.5" },
	{ "late6.test", ns_t_aaaa, "2001:db8::5", .late_ms = 300 },
	{ "silent6.test", ns_t_a, "192.0.2.7" },
	{ "silent6.test", ns_t_aaaa, NULL, FAKE_SILENCE },
	{ "silent.test", ns_t_a, NULL, FAKE_SILENCE },
	{ "silent.test", ns_t_aaaa, NULL, FAKE_SILENCE },
	{ "broken.test", ns_t_a, NULL, FAKE_FAILURE },
	{ "broken.test", ns_t_aaaa, NULL, FAKE_FAILURE },
	{ "refused.test", ns_t_a, NULL, FAKE_REFUSAL },
	{ "refused.test", ns_t_aaaa, NULL, FAKE_REFUSAL },
	{ "cut.test", ns_t_a, "192.0.2.8", FAKE_TRUNCATION },
	{ "cut.test", ns_t_aaaa, "2001:db8::8", FAKE_TRUNCATION },
	{ "lies.test", ns_t_a, "192.0.2.9", FAKE_LIES },
	{ "lies.test", ns_t_aaaa, "2001:db8::9", FAKE_LIES },
	{ "garbage.test", ns_t_a, NULL, FAKE_GARBAGE },
	{ "garbage.test", ns_t_aaaa, NULL, FAKE_GARBAGE },
	{ "short.search.test", ns_t_a, "192.0.2.10" },
	{ "one.2.0.192.in-addr.arpa", ns_t_ptr, NULL },
	{ "1.2.0.192.in-addr.arpa", ns_t_ptr, "client.test" },
	{ "2.2.0.192.in-addr.arpa", ns_t_ptr, "first.test" },
	{ "2.2.0.192.in-addr.arpa", ns_t_ptr, "second.test" },
	{ "3.2.0.192.in-addr.arpa", ns_t_ptr, "$(reboot).test" },
	{ "4.2.0.192.in-addr.arpa", ns_t_ptr, NULL, FAKE_SILENCE },
	{ "5.2.0.192.in-addr.arpa", ns_t_ptr, NULL, FAKE_FAILURE },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ns_t_ptr,
	  "client6.test" },
	{ NULL },
};

static struct temp_folder folder;
static char hosts_path[128], resolv_path[128];
static struct fake_dns dns;
static struct names *names;
static int epoll;

static struct names *make(const char *servers, int timeout_ms)
{
	const char *reason = "";
	struct names_source source = { .hosts = hosts_path,
				       .resolv_conf = resolv_path,
				       .servers = servers,
				       .timeout_ms = timeout_ms,
				       .tries = 2 };
	struct names *made = names_new(&source, &reason);

	ck_assert_msg(made != NULL, "%s", reason);
	return made;
}

static void set_up(void)
{
	temp_folder_init(&folder);
	temp_write(&folder, "hosts", "192.0.2.77 hosts.test hosts\n2001:db8::77 hosts.test\n");
	temp_write(&folder, "resolv.conf", "search search.test\n");
	snprintf(hosts_path, sizeof(hosts_path), "%s", temp_path(&folder, "hosts"));
	snprintf(resolv_path, sizeof(resolv_path), "%s", temp_path(&folder, "resolv.conf"));
	fake_dns_start(&dns, zone, 0);
	names = make(dns.servers, LONG_MS);
	epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void tear_down(void)
{
	close(epoll);
	names_free(names);
	fake_dns_stop(&dns);
	temp_folder_cleanup(&folder);
}

/* What an owner does once; false: there was nothing to do for PATIENCE_MS. */
static void turn(struct lookup *lookup, int owner)
{
	struct epoll_event event;
	int64_t due = lookup_due(lookup), now = clock_ms();
	int64_t wait = due ? due - now : PATIENCE_MS;
	int n = epoll_wait(owner, &event, 1, wait > 0 ? (int)wait : 0);

	ck_assert_msg(n > 0 || due, "nothing happened");
	if (n > 0)
		ck_assert_uint_eq(event.data.u32, LOOKUP_TAG);
	lookup_turn(lookup);
}

/* Where silence is what is tested. */
static void lose_patience(void)
{
	names_free(names);
	names = make(dns.servers, SHORT_MS);
}

static bool is_done(const struct lookup *lookup)
{
	return lookup_answer(lookup, RACE_IPV6)->done && lookup_answer(lookup, RACE_IPV4)->done &&
	       lookup_pointers(lookup)->done;
}

static struct lookup *start(const char *host)
{
	struct lookup *lookup = lookup_start(names, host, epoll);

	ck_assert_ptr_nonnull(lookup);
	return lookup;
}

static void add_text(char *text, size_t size, const struct answer *answer, const char *what)
{
	size_t len = strlen(text);

	len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "", what);
	if (answer->error)
		snprintf(text + len, size - len, " %s", strerrorname_np(answer->error));
	for (size_t i = 0; i < answer->n; i++) {
		char address[ADDRESS_TEXT_MAX];

		address_text(&answer->address[i], address);
		len += (size_t)snprintf(text + len, size - len, " %s", address);
	}
}

/* All that is known of a host, when all is known. */
static const char *ask(const char *host)
{
	static char text[1024];
	struct lookup *lookup = start(host);

	while (!is_done(lookup))
		turn(lookup, epoll);
	text[0] = '\0';
	add_text(text, sizeof(text), lookup_answer(lookup, RACE_IPV6), "6:");
	add_text(text, sizeof(text), lookup_answer(lookup, RACE_IPV4), "4:");
	lookup_end(lookup);
	return text;
}

static const char *ask_reverse(const char *address_text)
{
	static char text[1024];
	struct address address;
	struct lookup *lookup;
	const struct pointers *pointers;

	ck_assert_int_eq(address_parse(&address, address_text), 0);
	lookup = lookup_start_reverse(names, &address, epoll);
	ck_assert_ptr_nonnull(lookup);
	while (!is_done(lookup))
		turn(lookup, epoll);
	pointers = lookup_pointers(lookup);
	text[0] = '\0';
	if (pointers->error)
		strcpy(text, strerrorname_np(pointers->error));
	for (size_t i = 0; i < pointers->n; i++) {
		strcat(text, i ? " " : "");
		strcat(text, pointers->name[i]);
	}
	lookup_end(lookup);
	return text;
}

static const char *find_ipv4(const struct lookup *lookup)
{
	static char text[ADDRESS_TEXT_MAX];
	const struct answer *answer = lookup_answer(lookup, RACE_IPV4);

	ck_assert_uint_eq(answer->n, 1);
	return address_text(&answer->address[0], text);
}

START_TEST(both_families_are_asked_for)
{
	ck_assert_str_eq(ask("both.test"), "6: [2001:db8::1]:0 4: 192.0.2.1:0 192.0.2.2:0");
	ck_assert_str_eq(ask("BOTH.test."), "6: [2001:db8::1]:0 4: 192.0.2.1:0 192.0.2.2:0");
	ck_assert_str_eq(ask("four.test"), "6: ENOENT 4: 192.0.2.4:0");
	ck_assert_str_eq(ask("six.test"), "6: [2001:db8::6]:0 4: ENOENT");
	ck_assert_str_eq(ask("empty.test"), "6: ENOENT 4: ENOENT");
	ck_assert_str_eq(ask("missing.test"), "6: ENOENT 4: ENOENT");
}
END_TEST

START_TEST(one_family_does_not_wait_for_the_other)
{
	struct lookup *lookup = start("silent6.test");

	while (!lookup_answer(lookup, RACE_IPV4)->done)
		turn(lookup, epoll);
	ck_assert(!lookup_answer(lookup, RACE_IPV6)->done);
	lookup_end(lookup);
	lookup = start("late6.test");
	while (!is_done(lookup))
		turn(lookup, epoll);
	ck_assert_uint_eq(lookup_answer(lookup, RACE_IPV6)->n, 1);
	lookup_end(lookup);
}
END_TEST

START_TEST(a_server_that_is_silent_or_fails_is_no_answer)
{
	lose_patience();
	ck_assert_str_eq(ask("silent.test"), "6: EAGAIN 4: EAGAIN");
	ck_assert_str_eq(ask("silent6.test"), "6: EAGAIN 4: 192.0.2.7:0");
	ck_assert_str_eq(ask("broken.test"), "6: EAGAIN 4: EAGAIN");
	ck_assert_str_eq(ask("refused.test"), "6: EAGAIN 4: EAGAIN");
	ck_assert_str_eq(ask("garbage.test"), "6: EAGAIN 4: EAGAIN");
}
END_TEST

START_TEST(a_server_that_is_not_there_is_no_answer)
{
	char servers[sizeof(dns.servers)];

	strcpy(servers, dns.servers);
	fake_dns_stop(&dns);
	ck_assert_str_eq(ask("both.test"), "6: EAGAIN 4: EAGAIN");
	fake_dns_start(&dns, zone, 0);
}
END_TEST

START_TEST(the_next_server_is_asked)
{
	struct fake_dns second;
	char servers[64];

	fake_dns_start(&second, zone, 0);
	fake_dns_stop(&second);
	snprintf(servers, sizeof(servers), "%s,%s", second.servers, dns.servers);
	/* c-ares hears of a refusal only once for two questions: one of them waits. */
	names_free(names);
	names = make(servers, SHORT_MS);
	ck_assert_str_eq(ask("four.test"), "6: ENOENT 4: 192.0.2.4:0");
}
END_TEST

START_TEST(what_was_cut_is_asked_for_again_over_tcp)
{
	ck_assert_str_eq(ask("cut.test"), "6: [2001:db8::8]:0 4: 192.0.2.8:0");
	ck_assert_int_eq(atomic_load(&dns.counts->tcp), 2);
}
END_TEST

START_TEST(answers_to_what_was_not_asked_are_passed_over)
{
	ck_assert_str_eq(ask("lies.test"), "6: [2001:db8::9]:0 4: 192.0.2.9:0");
}
END_TEST

START_TEST(the_hosts_file_comes_before_the_servers)
{
	ck_assert_str_eq(ask("hosts.test"), "6: [2001:db8::77]:0 4: 192.0.2.77:0");
	ck_assert_str_eq(ask("Hosts.Test."), "6: [2001:db8::77]:0 4: 192.0.2.77:0");
	ck_assert_str_eq(ask("hosts"), "6: ENOENT 4: 192.0.2.77:0");
	ck_assert_int_eq(atomic_load(&dns.counts->udp), 0);
}
END_TEST

START_TEST(localhost_is_never_asked_for)
{
	ck_assert_str_eq(ask("localhost"), "6: [::1]:0 4: 127.0.0.1:0");
	ck_assert_str_eq(ask("LocalHost."), "6: [::1]:0 4: 127.0.0.1:0");
	ck_assert_str_eq(ask("db.localhost"), "6: [::1]:0 4: 127.0.0.1:0");
	ck_assert_int_eq(atomic_load(&dns.counts->udp), 0);
	ck_assert_str_eq(ask("notlocalhost"), "6: ENOENT 4: ENOENT");
	ck_assert_int_gt(atomic_load(&dns.counts->udp), 0);
}
END_TEST

START_TEST(short_names_are_looked_for_in_the_search_list)
{
	ck_assert_str_eq(ask("short"), "6: ENOENT 4: 192.0.2.10:0");
	ck_assert_str_eq(ask("short."), "6: ENOENT 4: ENOENT");
}
END_TEST

START_TEST(what_is_no_name_is_said_to_be_none)
{
	char label[80], host[NI_MAXHOST + 10];

	memset(label, 'x', sizeof(label));
	strcpy(label + 64, ".test");
	ck_assert_str_eq(ask(label), "6: EINVAL 4: EINVAL");
	ck_assert_str_eq(ask("a..test"), "6: EINVAL 4: EINVAL");
	memset(host, 'x', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	ck_assert_ptr_null(lookup_start(names, host, epoll));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(lookup_start(names, "", epoll));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(an_address_has_names)
{
	ck_assert_str_eq(ask_reverse("192.0.2.1:80"), "client.test");
	ck_assert_str_eq(ask_reverse("192.0.2.2:80"), "first.test second.test");
	ck_assert_str_eq(ask_reverse("[2001:db8::1]:80"), "client6.test");
	ck_assert_str_eq(ask_reverse("192.0.2.77:80"), "hosts.test");
	ck_assert_str_eq(ask_reverse("[2001:db8::77]:80"), "hosts.test");
	ck_assert_str_eq(ask_reverse("192.0.2.99:80"), "ENOENT");
	lose_patience();
	ck_assert_str_eq(ask_reverse("192.0.2.4:80"), "EAGAIN");
	ck_assert_str_eq(ask_reverse("192.0.2.5:80"), "EAGAIN");
}
END_TEST

START_TEST(a_name_of_other_letters_than_hosts_have_is_none)
{
	ck_assert_str_eq(ask_reverse("192.0.2.3:80"), "ENOENT");
}
END_TEST

START_TEST(a_silent_server_holds_up_nobody_else)
{
	int other = epoll_create1(EPOLL_CLOEXEC);
	/* This one drives: it came first. */
	struct lookup *silent = lookup_start(names, "silent.test", other);

	ck_assert_ptr_nonnull(silent);
	for (int i = 0; i < 10; i++) {
		struct lookup *lookup = start("both.test");

		while (!is_done(lookup)) {
			struct pollfd fds[2] = { { .fd = epoll, .events = POLLIN },
						 { .fd = other, .events = POLLIN } };

			ck_assert_int_gt(poll(fds, 2, PATIENCE_MS), 0);
			if (fds[1].revents)
				lookup_turn(silent);
			if (fds[0].revents)
				lookup_turn(lookup);
		}
		ck_assert_uint_eq(lookup_answer(lookup, RACE_IPV4)->n, 2);
		lookup_end(lookup);
	}
	ck_assert(!is_done(silent));
	lookup_end(silent);
	close(other);
}
END_TEST

START_TEST(who_drives_may_leave_at_any_time)
{
	enum { MANY = 20 };
	struct lookup *lookup[MANY];
	int own[MANY];

	for (int i = 0; i < MANY; i++) {
		own[i] = epoll_create1(EPOLL_CLOEXEC);
		lookup[i] =
			lookup_start(names, i == MANY - 1 ? "late6.test" : "silent.test", own[i]);
		ck_assert_ptr_nonnull(lookup[i]);
	}
	/* Whoever drives leaves, without having read anything; the next one is told. */
	for (int i = 0; i < MANY - 1; i++) {
		lookup_end(lookup[i]);
		close(own[i]);
	}
	while (!is_done(lookup[MANY - 1]))
		turn(lookup[MANY - 1], own[MANY - 1]);
	ck_assert_uint_eq(lookup_answer(lookup[MANY - 1], RACE_IPV6)->n, 1);
	lookup_end(lookup[MANY - 1]);
	close(own[MANY - 1]);
}
END_TEST

START_TEST(who_waits_is_told_by_the_one_who_drives)
{
	int first = epoll_create1(EPOLL_CLOEXEC);
	struct lookup *driver = lookup_start(names, "late6.test", first);
	struct lookup *lookup = start("both.test");
	struct epoll_event event;

	ck_assert_int_eq(lookup_due(lookup), 0);
	while (!is_done(driver))
		turn(driver, first);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
	ck_assert(is_done(lookup));
	lookup_turn(lookup);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	lookup_end(lookup);
	lookup_end(driver);
	close(first);
}
END_TEST

START_TEST(nothing_stays_open)
{
	int before;
	struct lookup *lookup;

	ask("both.test");
	before = open_files();
	for (int i = 0; i < 10; i++) {
		ask("both.test");
		ask("cut.test");
		ask("broken.test");
		ask_reverse("192.0.2.1:80");
		lookup_end(start("silent.test"));
		lookup = start("late6.test");
		turn(lookup, epoll);
		lookup_end(lookup);
	}
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(questions_that_nobody_waits_for_are_dropped)
{
	struct lookup *first = start("silent.test"), *second = start("silent6.test");

	lookup_end(first);
	lookup_end(second);
	/* A fresh question has nothing to do with them. */
	ck_assert_str_eq(ask("four.test"), "6: ENOENT 4: 192.0.2.4:0");
	lookup_end(start("silent.test"));
	names_free(names);
	names = make(dns.servers, LONG_MS);
}
END_TEST

START_TEST(sources_that_cannot_be_read_are_refused)
{
	const char *reason = NULL;
	struct names_source source = { .hosts = folder.path,
				       .resolv_conf = temp_path(&folder, "resolv.conf") };

	ck_assert_ptr_null(names_new(&source, &reason));
	ck_assert_ptr_nonnull(reason);
	reason = NULL;
	source = (struct names_source){ .hosts = temp_path(&folder, "missing"),
					.resolv_conf = temp_path(&folder, "resolv.conf"),
					.servers = "nonsense" };
	ck_assert_ptr_null(names_new(&source, &reason));
	ck_assert_ptr_nonnull(reason);
	names_free(NULL);
	lookup_end(NULL);
}
END_TEST

START_TEST(files_that_have_changed_are_read_again)
{
	int64_t now = clock_ms();
	struct names *before = names;

	names_renew(&names, now);
	ck_assert_ptr_eq(names, before);
	temp_write(&folder, "hosts", "192.0.2.78 hosts.test other.test\n");
	/* Not at each question. */
	names_renew(&names, now + 999);
	ck_assert_ptr_eq(names, before);
	names_renew(&names, now + 1000);
	ck_assert_str_eq(ask("hosts.test"), "6: ENOENT 4: 192.0.2.78:0");
	ck_assert_str_eq(ask("other.test"), "6: ENOENT 4: 192.0.2.78:0");
	ck_assert_str_eq(ask("short"), "6: ENOENT 4: 192.0.2.10:0");
	temp_write(&folder, "resolv.conf", "search elsewhere.test\n");
	names_renew(&names, now + 2000);
	ck_assert_str_eq(ask("short"), "6: ENOENT 4: ENOENT");
	/* No file is an empty one. */
	ck_assert_int_eq(unlink(temp_path(&folder, "hosts")), 0);
	names_renew(&names, now + 3000);
	ck_assert_str_eq(ask("hosts.test"), "6: ENOENT 4: ENOENT");
}
END_TEST

START_TEST(files_that_cannot_be_read_any_more_change_nothing)
{
	struct names *before = names;

	ck_assert_int_eq(unlink(temp_path(&folder, "hosts")), 0);
	temp_mkdir(&folder, "hosts");
	names_renew(&names, clock_ms() + 1000);
	ck_assert_ptr_eq(names, before);
	ck_assert_str_eq(ask("hosts.test"), "6: [2001:db8::77]:0 4: 192.0.2.77:0");
}
END_TEST

START_TEST(who_waits_is_answered_by_the_names_of_then)
{
	struct lookup *lookup = start("late6.test"), *left = start("silent.test");
	int other = epoll_create1(EPOLL_CLOEXEC);
	struct lookup *late;
	int before;

	temp_write(&folder, "hosts", "192.0.2.78 late6.test\n");
	names_renew(&names, clock_ms() + 1000);
	before = open_files();
	late = lookup_start(names, "late6.test", other);
	ck_assert_str_eq(find_ipv4(late), "192.0.2.78:0");
	lookup_end(late);
	close(other);
	lookup_end(left);
	while (!is_done(lookup))
		turn(lookup, epoll);
	ck_assert_str_eq(find_ipv4(lookup), "192.0.2.5:0");
	lookup_end(lookup);
	/* With the last of them the old ones went. */
	ck_assert_int_lt(open_files(), before);
}
END_TEST

START_TEST(behind_a_chroot_no_file_is_looked_at_again)
{
	struct names_source source = { .hosts = hosts_path,
				       .resolv_conf = resolv_path,
				       .once = true };
	const char *reason;
	struct names *once = names_new(&source, &reason), *before = once;

	ck_assert_ptr_nonnull(once);
	temp_write(&folder, "hosts", "192.0.2.78 hosts.test other.test\n");
	names_renew(&once, clock_ms() + 5000);
	ck_assert_ptr_eq(once, before);
	names_free(once);
}
END_TEST

START_TEST(services_are_known)
{
	ck_assert_uint_eq(names_port(names, "no-such-service"), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, both_families_are_asked_for);
	tcase_add_test(tcase, one_family_does_not_wait_for_the_other);
	tcase_add_test(tcase, a_server_that_is_silent_or_fails_is_no_answer);
	tcase_add_test(tcase, a_server_that_is_not_there_is_no_answer);
	tcase_add_test(tcase, the_next_server_is_asked);
	tcase_add_test(tcase, what_was_cut_is_asked_for_again_over_tcp);
	tcase_add_test(tcase, answers_to_what_was_not_asked_are_passed_over);
	tcase_add_test(tcase, the_hosts_file_comes_before_the_servers);
	tcase_add_test(tcase, localhost_is_never_asked_for);
	tcase_add_test(tcase, short_names_are_looked_for_in_the_search_list);
	tcase_add_test(tcase, what_is_no_name_is_said_to_be_none);
	tcase_add_test(tcase, an_address_has_names);
	tcase_add_test(tcase, a_name_of_other_letters_than_hosts_have_is_none);
	tcase_add_test(tcase, a_silent_server_holds_up_nobody_else);
	tcase_add_test(tcase, who_drives_may_leave_at_any_time);
	tcase_add_test(tcase, who_waits_is_told_by_the_one_who_drives);
	tcase_add_test(tcase, nothing_stays_open);
	tcase_add_test(tcase, questions_that_nobody_waits_for_are_dropped);
	tcase_add_test(tcase, sources_that_cannot_be_read_are_refused);
	tcase_add_test(tcase, files_that_have_changed_are_read_again);
	tcase_add_test(tcase, files_that_cannot_be_read_any_more_change_nothing);
	tcase_add_test(tcase, who_waits_is_answered_by_the_names_of_then);
	tcase_add_test(tcase, behind_a_chroot_no_file_is_looked_at_again);
	tcase_add_test(tcase, services_are_known);
	return unit_main("names", tcase);
}
