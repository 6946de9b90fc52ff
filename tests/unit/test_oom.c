/* SPDX-License-Identifier: MIT */
#include "master/oom.h"

#include "unit.h"

#include <string.h>

static const char *path_of(const char *cgroup)
{
	static char path[128];

	return oom_counter_path(cgroup, path, sizeof(path)) ? path : NULL;
}

START_TEST(the_counter_is_found_in_the_unified_hierarchy)
{
	ck_assert_str_eq(path_of("0::/system.slice/musterd.service\n"),
			 "/sys/fs/cgroup/system.slice/musterd.service/memory.events");
	ck_assert_str_eq(path_of("0::/\n"), "/sys/fs/cgroup/memory.events");
}
END_TEST

START_TEST(the_old_memory_controller_goes_first)
{
	ck_assert_str_eq(path_of("9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/c\n"),
			 "/sys/fs/cgroup/memory/a/b/memory.oom_control");
	ck_assert_str_eq(path_of("4:memory:/\n"), "/sys/fs/cgroup/memory/memory.oom_control");
	ck_assert_str_eq(path_of("4:notmemory:/a\n3:memoryless:/b\n0::/c"),
			 "/sys/fs/cgroup/c/memory.events");
}
END_TEST

START_TEST(without_a_control_group_there_is_no_counter)
{
	char path[16];

	ck_assert_ptr_null(path_of(""));
	ck_assert_ptr_null(path_of("\n\n:\n::\n4:memory\n4:memory:relative\n0:"));
	ck_assert(!oom_counter_path("0::/too/long/for/this\n", path, sizeof(path)));
}
END_TEST

START_TEST(the_counter_is_read_by_its_name)
{
	uint64_t kills = 0;

	ck_assert(oom_counter_parse("low 1\noom 5\noom_kill 3\noom_group_kill 9\n", &kills));
	ck_assert_uint_eq(kills, 3);
	ck_assert(oom_counter_parse("oom_kill 7", &kills));
	ck_assert_uint_eq(kills, 7);
	ck_assert(!oom_counter_parse("", &kills));
	ck_assert(!oom_counter_parse("oom_kill_disable 0\nunder_oom 0\n", &kills));
	ck_assert(!oom_counter_parse("oom_kill -1\n", &kills));
	ck_assert(!oom_counter_parse("oom_kill \n", &kills));
	ck_assert(!oom_counter_parse("oom_kill 3x\n", &kills));
}
END_TEST

START_TEST(only_growth_is_a_reason)
{
	struct oom oom = { .kills = 5 };

	ck_assert(!oom_claim(&oom, 5, 1000));
	ck_assert(oom_claim(&oom, 6, 2000));
	ck_assert(!oom_claim(&oom, 6, 2001));
	/* Another control group, perhaps: not growth. */
	ck_assert(!oom_claim(&oom, 0, 2002));
	ck_assert(oom_claim(&oom, 1, 2003));
}
END_TEST

START_TEST(several_at_once_are_all_put_down_to_it)
{
	struct oom oom = { .kills = 0 };

	ck_assert(oom_claim(&oom, 3, 1000));
	ck_assert(oom_claim(&oom, 3, 1001));
	ck_assert(oom_claim(&oom, 3, 1002));
	ck_assert(!oom_claim(&oom, 3, 1003));
}
END_TEST

START_TEST(an_old_kill_is_not_blamed_for_a_new_death)
{
	struct oom oom = { .kills = 0 };

	ck_assert(oom_claim(&oom, 2, 1000));
	ck_assert(!oom_claim(&oom, 2, 1000 + OOM_REMEMBERED_MS + 1));
}
END_TEST

START_TEST(what_cannot_be_read_claims_nothing)
{
	struct oom oom = { .path = "/nowhere/memory.events", .kills = 0 };

	ck_assert(!oom_is_to_blame(&oom, 1000));
	oom.path[0] = '\0';
	ck_assert(!oom_is_to_blame(&oom, 1000));
	/* Whatever this machine has: nothing grew just now. */
	oom_init(&oom);
	ck_assert(!oom_is_to_blame(&oom, 1000));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("oom");

	tcase_add_test(tcase, the_counter_is_found_in_the_unified_hierarchy);
	tcase_add_test(tcase, the_old_memory_controller_goes_first);
	tcase_add_test(tcase, without_a_control_group_there_is_no_counter);
	tcase_add_test(tcase, the_counter_is_read_by_its_name);
	tcase_add_test(tcase, only_growth_is_a_reason);
	tcase_add_test(tcase, several_at_once_are_all_put_down_to_it);
	tcase_add_test(tcase, an_old_kill_is_not_blamed_for_a_new_death);
	tcase_add_test(tcase, what_cannot_be_read_claims_nothing);
	return unit_main("oom", tcase);
}
