/* SPDX-License-Identifier: MIT */
#include "master/death.h"

#include "unit.h"

#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

static struct death death_of(int code, int status)
{
	return (struct death){
		.service = "www",
		.number = 2,
		.pid = 4711,
		.code = code,
		.status = status,
		.was_ready = true,
		.age = 60000,
		.slot = { .state = SLOT_BUSY,
			  .state_for = 3000,
			  .connections = 1,
			  .peer = { .family = AF_INET, .port = 80, .address = { 192, 0, 2, 1 } } },
	};
}

START_TEST(a_crash_names_signal_state_and_peer)
{
	struct death death = death_of(CLD_DUMPED, SIGSEGV);
	char text[DEATH_TEXT_MAX];

	ck_assert_str_eq(death_text(&death, text),
			 "worker www 2 (pid 4711) was killed by SIGSEGV (core dumped), not sent by "
			 "us, 60s after its start; it was busy for 3s with 1 connection, last peer "
			 "192.0.2.1:80");
	ck_assert_int_eq(death_level(&death), LOG_ERR);
}
END_TEST

START_TEST(an_exit_that_nobody_asked_for_names_its_status)
{
	struct death death = death_of(CLD_EXITED, 71);
	char text[DEATH_TEXT_MAX];

	death.was_ready = false;
	ck_assert_str_eq(death_text(&death, text),
			 "worker www 2 (pid 4711) exited with status 71 "
			 "(its set-up failed), 60s after its start; it was not ready yet");
	ck_assert_int_eq(death_level(&death), LOG_ERR);
	death.status = 0;
	ck_assert_int_eq(death_level(&death), LOG_WARNING);
}
END_TEST

START_TEST(our_own_kill_is_said_to_be_ours)
{
	struct death death = death_of(CLD_KILLED, SIGKILL);
	char text[DEATH_TEXT_MAX];

	death.signalled = SIGKILL;
	death.because = "the drain limit passed (30s)";
	ck_assert_ptr_nonnull(strstr(death_text(&death, text), "SIGKILL, sent by us"));
	ck_assert_ptr_nonnull(strstr(text, ": the drain limit passed (30s);"));
	ck_assert_int_eq(death_level(&death), LOG_WARNING);
	/* Another signal came first: not ours after all. */
	death.status = SIGSEGV;
	ck_assert_ptr_nonnull(strstr(death_text(&death, text), "SIGSEGV, not sent by us"));
	ck_assert_int_eq(death_level(&death), LOG_ERR);
}
END_TEST

START_TEST(an_end_in_order_is_no_news)
{
	struct death death = death_of(CLD_EXITED, 0);
	char text[DEATH_TEXT_MAX];

	death.told = true;
	ck_assert_ptr_nonnull(strstr(death_text(&death, text), "it had been told to drain"));
	ck_assert_int_eq(death_level(&death), LOG_DEBUG);
}
END_TEST

START_TEST(a_slot_full_of_garbage_is_survived)
{
	struct death death = death_of(CLD_KILLED, SIGRTMIN + 3);
	char text[DEATH_TEXT_MAX];

	death.slot.state = 0xfffffff0;
	death.slot.state_for = -1;
	memset(&death.slot.peer, 0xff, sizeof(death.slot.peer));
	ck_assert_str_eq(death_text(&death, text),
			 "worker www 2 (pid 4711) was killed by signal 37, not sent by us, 60s "
			 "after its start; it was unknown with 1 connection, last peer -");
}
END_TEST

START_TEST(a_name_that_is_too_long_is_cut)
{
	struct death death = death_of(CLD_EXITED, 1);
	char name[2 * DEATH_TEXT_MAX], text[DEATH_TEXT_MAX];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	death.service = name;
	ck_assert_uint_eq(strlen(death_text(&death, text)), DEATH_TEXT_MAX - 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("death");

	tcase_add_test(tcase, a_crash_names_signal_state_and_peer);
	tcase_add_test(tcase, an_exit_that_nobody_asked_for_names_its_status);
	tcase_add_test(tcase, our_own_kill_is_said_to_be_ours);
	tcase_add_test(tcase, an_end_in_order_is_no_news);
	tcase_add_test(tcase, a_slot_full_of_garbage_is_survived);
	tcase_add_test(tcase, a_name_that_is_too_long_is_cut);
	return unit_main("death", tcase);
}
