/* SPDX-License-Identifier: MIT */
#include "config/object.h"

#include "config/diff.h"

#include "conf_fixture.h"
#include "temp_folder.h"
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

static struct conf_errors errors;

static void set_up(void)
{
	fixture_identity = "1";
}

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
}

static struct config *load(const char *text)
{
	struct config *config = fixture_load(text, &errors);

	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	return config;
}

/* What the master gets of it. The first one is given. */
static struct config *restore(struct config *config)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct config *restored;

	ck_assert_int_eq(config_capture(config, fd), 0);
	restored = config_restore(fd, fixture_modules, &errors);
	ck_assert_ptr_nonnull(restored);
	close(fd);
	config_unref(config);
	return restored;
}

#define SERVICE(handler) "service a { listen 127.0.0.1:7; handler " handler " }"

START_TEST(the_master_has_a_name_flags_and_answers_but_no_functions)
{
	struct config *config = restore(load(SERVICE(
		"module full { path file; output /log; route north { target x; record /log2 } }")));
	const struct service_conf *service = config->service[0];

	ck_assert_ptr_ne(service->module, &fixture_full);
	ck_assert_str_eq(service->module->name, "full");
	ck_assert_uint_eq(service->module->flags, fixture_full.flags);
	ck_assert_int_eq(service->module->connections, fixture_full.connections);
	ck_assert_ptr_null(service->module->directives);
	ck_assert_ptr_null(service->module->serve);
	ck_assert_ptr_null(service->module->check);
	ck_assert_str_eq(service->object->asked, "full");
	ck_assert_str_eq(service->object->path, "/modules/full.so");
	ck_assert_str_eq(service->object->identity, "1");
	ck_assert_uint_eq(service->files, 1);
	ck_assert_str_eq(service->file[0].path, "/conf/file");
	ck_assert_uint_eq(service->outputs, 2);
	ck_assert_str_eq(service->output[0].path, "/log2");
	ck_assert_str_eq(service->output[0].directive, "record");
	ck_assert_str_eq(service->output[1].path, "/log");
	ck_assert_str_eq(service->output[1].at.file, FIXTURE_NAME);
	ck_assert_int_eq(service->output[1].at.line, 1);
	ck_assert_int_gt(service->output[1].at.column, 60);
	config_unref(config);
}
END_TEST

static void expect_plan(const char *old, const char *new, const char *expected)
{
	struct config *a = restore(load(old)), *b = restore(load(new));
	struct plan *plan = plan_new(a, b);
	char *text = plan_text(plan, false);

	ck_assert_str_eq(text, expected);
	free(text);
	plan_free(plan);
	config_unref(a);
	config_unref(b);
}

START_TEST(the_block_is_compared_by_its_effect)
{
	expect_plan(SERVICE("module full"), SERVICE("module full { count 4; flag on }"),
		    "nothing changes\n");
	expect_plan(SERVICE("module full { count 4 }"), SERVICE("module full { count 6 }"),
		    "service a: changed: handler module full { count } 4 -> 6\n");
	expect_plan(SERVICE("module full { route x { target a } }"),
		    SERVICE("module full { route x { target b } }"),
		    "service a: changed: handler module full { route x { target } } a -> b\n");
	expect_plan(SERVICE("module full { word a }"), SERVICE("module full { word '' }"),
		    "service a: changed: handler module full { word } a -> \"\"\n");
	expect_plan(SERVICE("module full { path /x }"), SERVICE("module full"),
		    "service a: changed: handler module full { path } /x -> (not set)\n");
}
END_TEST

START_TEST(another_module_is_one_change)
{
	expect_plan(SERVICE("module full { count 6 }"), SERVICE("module echo"),
		    "service a: changed: handler module full -> module echo\n");
	expect_plan(SERVICE("echo"), SERVICE("module echo"),
		    "service a: changed: handler echo -> module echo\n");
}
END_TEST

START_TEST(another_file_behind_a_name_is_a_change)
{
	struct config *old = restore(load(SERVICE("module echo"))), *new;
	struct plan *plan;
	char *text;

	fixture_identity = "2";
	new = restore(load(SERVICE("module echo")));
	plan = plan_new(old, new);
	text = plan_text(plan, false);
	ck_assert_str_eq(text, "service a: changed: handler module echo: the file /modules/echo.so "
			       "was changed\n");
	free(text);
	plan_free(plan);
	config_unref(old);
	config_unref(new);
}
END_TEST

static void expect_error(const char *text, int column, const char *message)
{
	ck_assert_ptr_null(fixture_load(text, &errors));
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_str_eq(errors.error[0].message, message);
	ck_assert_int_eq(errors.error[0].at.column, column);
	conf_errors_cleanup(&errors);
}

START_TEST(mistakes_are_told_at_their_place)
{
	expect_error(SERVICE("module"), 33,
		     "`handler module` needs the name of a module, or the path of its file");
	expect_error(SERVICE("module a b"), 50,
		     "`handler module` takes one name; quote a path that has blanks");
	expect_error(SERVICE("module none"), 48, "module `none`: there is no such file");
	expect_error(SERVICE("module echo { x }"), 55,
		     "the module `echo` has no directives of its own");
	expect_error(SERVICE("module web"), 33,
		     "`handler module web` has no `root`: the folder that is served");
	expect_error(SERVICE("module full { count 3 }"), 61, "the count 3 is odd");
}
END_TEST

START_TEST(what_a_module_is_asked_for_stands_there_while_it_is_asked)
{
	char step[100] = "";

	errors.step = step;
	errors.step_size = sizeof(step);
	config_unref(load(SERVICE("module full")));
	ck_assert_str_eq(step, "");
	conf_step(&(struct conf_context){ .errors = &errors }, "the check of %s", "x");
	ck_assert_str_eq(step, "the check of x");
	conf_step(&(struct conf_context){ .errors = &errors }, NULL);
	ck_assert_str_eq(step, "");
	errors.step = NULL;
}
END_TEST

static void expect_reason(const char *asked, const char *expected)
{
	char path[PATH_MAX], reason[RESOLVER_REASON_MAX];

	ck_assert_ptr_null(object_load(asked, path, reason));
	ck_assert_msg(strstr(reason, expected), "%s: not in: %s", expected, reason);
}

START_TEST(files_that_cannot_be_loaded_have_a_reason)
{
	struct temp_folder folder;
	char path[PATH_MAX];

	temp_folder_init(&folder);
	snprintf(path, sizeof(path), "%s/none", folder.path);
	expect_reason(path, "/none, ");
	expect_reason(path, "/none.so");
	expect_reason("none", "/none.so; one in this folder is written ./NAME.so");
	expect_reason("none.so", "/none.so; ");
	temp_write(&folder, "text.so",
		   "no ELF, and quite a lot of it: as long as a head of such a "
		   "file is, so that it is not merely too short\n");
	snprintf(path, sizeof(path), "%s/text", folder.path);
	expect_reason(path, "text.so: invalid ELF header: it is not a shared object");
	temp_mkdir(&folder, "folder");
	snprintf(path, sizeof(path), "%s/folder", folder.path);
	expect_reason(path, "/folder is not a file");
	temp_folder_cleanup(&folder);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("object");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, the_master_has_a_name_flags_and_answers_but_no_functions);
	tcase_add_test(tcase, the_block_is_compared_by_its_effect);
	tcase_add_test(tcase, another_module_is_one_change);
	tcase_add_test(tcase, another_file_behind_a_name_is_a_change);
	tcase_add_test(tcase, mistakes_are_told_at_their_place);
	tcase_add_test(tcase, what_a_module_is_asked_for_stands_there_while_it_is_asked);
	tcase_add_test(tcase, files_that_cannot_be_loaded_have_a_reason);
	return unit_main("object", tcase);
}
