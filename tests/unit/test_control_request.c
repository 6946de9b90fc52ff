/* SPDX-License-Identifier: MIT */
#include "master/control_request.h"

#include "unit.h"

#include <string.h>

static struct control_request request;
static char reason[REQUEST_REASON_MAX];

static bool parses(const char *line)
{
	return control_request_parse(&request, line, strlen(line), reason);
}

static void must_refuse(const char *line, const char *why)
{
	ck_assert_msg(!parses(line), "accepted: %s", line);
	ck_assert_msg(strstr(reason, why) != NULL, "%s: %s", line, reason);
}

START_TEST(requests_of_one_word)
{
	static const struct {
		const char *line;
		enum control_request_kind kind;
	} cases[] = {
		{ "status", REQUEST_STATUS },   { "plan", REQUEST_PLAN },
		{ "help", REQUEST_HELP },       { "reload", REQUEST_RELOAD },
		{ "stop", REQUEST_STOP },       { "upgrade", REQUEST_UPGRADE },
		{ "reopen", REQUEST_REOPEN },   { " reload\t", REQUEST_RELOAD },
		{ "reload\r", REQUEST_RELOAD },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ck_assert_msg(parses(cases[i].line), "%s: %s", cases[i].line, reason);
		ck_assert_int_eq(request.kind, cases[i].kind);
		ck_assert_str_eq(request.service, "");
	}
}
END_TEST

START_TEST(requests_about_a_service)
{
	ck_assert(parses("pause www"));
	ck_assert_int_eq(request.kind, REQUEST_PAUSE);
	ck_assert_str_eq(request.service, "www");
	ck_assert(parses("resume  my-service_2"));
	ck_assert_int_eq(request.kind, REQUEST_RESUME);
	ck_assert_str_eq(request.service, "my-service_2");
}
END_TEST

START_TEST(numbers_of_workers)
{
	static const struct {
		const char *line;
		int workers;
		bool absolute;
	} cases[] = {
		{ "workers www +2", 2, false },       { "workers www -3", -3, false },
		{ "workers www 4", 4, true },         { "workers www 0", 0, true },
		{ "workers www 65535", 65535, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ck_assert_msg(parses(cases[i].line), "%s: %s", cases[i].line, reason);
		ck_assert_int_eq(request.workers, cases[i].workers);
		ck_assert_int_eq(request.absolute, cases[i].absolute);
		ck_assert_str_eq(request.service, "www");
	}
}
END_TEST

START_TEST(what_is_no_request)
{
	char longest[REQUEST_LINE_MAX + 1];

	must_refuse("", "no such request");
	must_refuse("   ", "no such request");
	must_refuse("relod", "`help`");
	must_refuse("RELOAD", "`help`");
	must_refuse("GET / HTTP/1.1", "`help`");
	must_refuse("reload now", "the request is: reload");
	must_refuse("pause", "pause SERVICE");
	must_refuse("pause a b", "pause SERVICE");
	must_refuse("workers", "+N|-N|N");
	must_refuse("workers www", "+N|-N|N");
	must_refuse("workers www +2 3", "+N|-N|N");
	must_refuse("status\033[2J", "one line of text");
	memset(longest, 'x', sizeof(longest));
	ck_assert(!control_request_parse(&request, longest, sizeof(longest), reason));
	ck_assert(strstr(reason, "256 bytes") != NULL);
	ck_assert(!control_request_parse(&request, "stop\0 now", 9, reason));
	ck_assert(strstr(reason, "one line of text") != NULL);
}
END_TEST

START_TEST(what_is_no_number_of_workers)
{
	static const char *const words[] = { "x",     "+",   "-",      "++2",
					     "+-2",   "2x",  "+0",     "-0",
					     "65536", "1e3", "0x10",   "2.5",
					     "",      "+ 2", "-65536", "9999999999999999999999" };
	char line[128];

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		snprintf(line, sizeof(line), "workers www %s", words[i]);
		must_refuse(line, "workers SERVICE +N|-N|N");
	}
}
END_TEST

START_TEST(only_questions_are_queries)
{
	for (int kind = 0; kind < REQUEST_KINDS; kind++)
		ck_assert_int_eq(control_request_is_query(kind),
				 kind == REQUEST_STATUS || kind == REQUEST_HELP);
}
END_TEST

START_TEST(help_names_every_request)
{
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	control_request_help(out);
	fclose(out);
	for (int kind = 0; kind < REQUEST_KINDS; kind++)
		ck_assert_msg(strstr(text, control_request_name(kind)) != NULL, "%s",
			      control_request_name(kind));
}
END_TEST

/* ------------------------------------------------------------------------------- permission ---- */

enum { OWN = 100, OWNER = 200, STRANGER = 300, GROUP = 50 };
static const uid_t no_owner = (uid_t)-1;
static const gid_t no_group = (gid_t)-1;

static bool may(uid_t uid, gid_t gid, const gid_t *group, size_t groups, uid_t owner, gid_t wanted)
{
	struct control_peer peer = { .uid = uid, .gid = gid, .group = group, .groups = groups };

	return control_request_is_allowed(&peer, OWN, owner, wanted);
}

START_TEST(root_the_master_and_the_owner_may)
{
	ck_assert(may(0, 0, NULL, 0, no_owner, no_group));
	ck_assert(may(OWN, STRANGER, NULL, 0, no_owner, no_group));
	ck_assert(may(OWNER, STRANGER, NULL, 0, OWNER, no_group));
	ck_assert(!may(OWNER, STRANGER, NULL, 0, no_owner, no_group));
	ck_assert(!may(STRANGER, STRANGER, NULL, 0, OWNER, no_group));
}
END_TEST

START_TEST(members_of_the_group_may)
{
	static const gid_t groups[] = { 10, 20, GROUP };

	ck_assert(may(STRANGER, GROUP, NULL, 0, no_owner, GROUP));
	ck_assert(may(STRANGER, STRANGER, groups, 3, no_owner, GROUP));
	ck_assert(!may(STRANGER, STRANGER, groups, 2, no_owner, GROUP));
	ck_assert(!may(STRANGER, 0, NULL, 0, no_owner, no_group));
}
END_TEST

START_TEST(no_owner_is_nobodys_number)
{
	ck_assert(!may(no_owner, no_group, &no_group, 1, no_owner, no_group));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("control_request");

	tcase_add_test(tcase, requests_of_one_word);
	tcase_add_test(tcase, requests_about_a_service);
	tcase_add_test(tcase, numbers_of_workers);
	tcase_add_test(tcase, what_is_no_request);
	tcase_add_test(tcase, what_is_no_number_of_workers);
	tcase_add_test(tcase, only_questions_are_queries);
	tcase_add_test(tcase, help_names_every_request);
	tcase_add_test(tcase, root_the_master_and_the_owner_may);
	tcase_add_test(tcase, members_of_the_group_may);
	tcase_add_test(tcase, no_owner_is_nobodys_number);
	return unit_main("control_request", tcase);
}
