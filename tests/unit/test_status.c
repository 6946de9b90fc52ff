/* SPDX-License-Identifier: MIT */
/* The lines of the status: their wording is what scripts rely on. */
#include "master/status.h"

#include "unit.h"

#include <string.h>

static char text[4096];
static FILE *out;

static void set_up(void)
{
	memset(text, 0, sizeof(text));
	out = fmemopen(text, sizeof(text), "w");
}

static const char *written(void)
{
	fclose(out);
	return text;
}

START_TEST(the_head)
{
	struct status_head head = { .version = "1.2",
				    .pid = 4711,
				    .state = "serving",
				    .uptime = 3723456,
				    .generation = 3,
				    .reload = "ok",
				    .reload_age = 12300,
				    .reload_reason = "",
				    .conf_path = "/etc/musterd/my musterd.conf" };

	status_write_head(&head, out);
	ck_assert_str_eq(written(),
			 "musterd 1.2 pid 4711 state serving uptime 3723.4s generation 3 "
			 "reload ok reload-age 12.3s configuration /etc/musterd/my "
			 "musterd.conf\n");
}
END_TEST

START_TEST(a_refused_reload_has_a_line_with_its_reason)
{
	struct status_head head = { .version = "1.2",
				    .pid = 1,
				    .state = "stopping",
				    .generation = 1,
				    .reload = "refused",
				    .reload_reason = "the file is bad\nx.conf:1:1: no\n\t^\033[0m",
				    .conf_path = "/c" };

	status_write_head(&head, out);
	ck_assert_str_eq(written(),
			 "musterd 1.2 pid 1 state stopping uptime 0.0s generation 1 reload "
			 "refused reload-age 0.0s configuration /c\n"
			 "reload-reason the file is bad x.conf:1:1: no ^ [0m\n");
}
END_TEST

START_TEST(no_reload_yet)
{
	struct status_head head = { .version = "1",
				    .state = "serving",
				    .reload = "none",
				    .reload_age = -1,
				    .reload_reason = "",
				    .conf_path = "/c" };

	status_write_head(&head, out);
	ck_assert(strstr(written(), " reload none reload-age - ") != NULL);
}
END_TEST

START_TEST(a_service)
{
	struct status_service service = { .name = "www",
					  .state = "degraded",
					  .generation = 2,
					  .next_try = 1500,
					  .alive = 4,
					  .lowest = 2,
					  .highest = 16,
					  .idle = 3,
					  .busy = 1,
					  .connections = 70,
					  .accepted = 10,
					  .requests = 18446744073709551615U,
					  .limited = 12,
					  .cut = 13,
					  .refused = 14,
					  .waits = 15,
					  .lost = 16 };

	status_write_service(&service, out);
	ck_assert_str_eq(written(),
			 "service www state degraded next-try 1.5s generation 2 workers 4 range "
			 "2..16 idle 3 busy 1 connections 70 accepted 10 requests "
			 "18446744073709551615 limited 12 cut 13 refused 14 waits 15 lost 16\n");
}
END_TEST

START_TEST(a_worker)
{
	struct status_worker worker = { .service = "www",
					.number = 2,
					.pid = 4712,
					.generation = 3,
					.state = "busy",
					.since = 250,
					.connections = 1,
					.requests = 99,
					.memory = 1048576,
					.peer = "192.0.2.1:80" };

	status_write_worker(&worker, out);
	ck_assert_str_eq(written(),
			 "worker www 2 pid 4712 generation 3 state busy for 0.2s connections 1 "
			 "requests 99 memory 1048576 peer 192.0.2.1:80\n");
}
END_TEST

START_TEST(what_is_unknown_is_a_dash)
{
	struct status_worker worker = { .service = "x",
					.number = 1,
					.pid = 5,
					.generation = 1,
					.state = "idle",
					.since = -1,
					.peer = "-" };

	status_write_worker(&worker, out);
	ck_assert_str_eq(written(),
			 "worker x 1 pid 5 generation 1 state idle for - connections 0 requests 0 "
			 "memory - peer -\n");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("status");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, the_head);
	tcase_add_test(tcase, a_refused_reload_has_a_line_with_its_reason);
	tcase_add_test(tcase, no_reload_yet);
	tcase_add_test(tcase, a_service);
	tcase_add_test(tcase, a_worker);
	tcase_add_test(tcase, what_is_unknown_is_a_dash);
	return unit_main("status", tcase);
}
