/* SPDX-License-Identifier: MIT */
#include "config/diff.h"

#include "conf_fixture.h"
#include "temp_folder.h"
#include "unit.h"

#include <stdio.h>
#include <sys/mman.h>

static struct conf_errors errors;

static void set_up(void)
{
	fixture_identity = "1";
}

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
}

static struct config *load_with(const char *text, const struct resolver_ops *ops)
{
	struct config *config =
		load_text(FIXTURE_NAME, text, strlen(text), fixture_modules, ops, &errors);

	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	return config;
}

static struct config *load(const char *text)
{
	return load_with(text, &fixture_ops);
}

/* Both are given. */
static char *plan_of(struct config *old, struct config *new)
{
	struct plan *plan = plan_new(old, new);
	char *text;

	ck_assert_ptr_nonnull(plan);
	text = plan_text(plan, false);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(plan->nothing, strcmp(text, "nothing changes\n") == 0);
	plan_free(plan);
	config_unref(old);
	config_unref(new);
	return text;
}

static void expect_plan(struct config *old, struct config *new, const char *expected)
{
	char *text = plan_of(old, new);

	ck_assert_str_eq(text, expected);
	free(text);
}

/* Two files. */
static void expect(const char *old, const char *new, const char *expected)
{
	expect_plan(load(old), load(new), expected);
}

/* What differs in a service "a" that listens on *:80. */
static void expect_changes(const char *old, const char *new, const char *changes)
{
	char old_text[2048], new_text[2048], expected[2048];

	snprintf(old_text, sizeof(old_text), "service a { listen *:80\n%s\n}", old);
	snprintf(new_text, sizeof(new_text), "service a { listen *:80\n%s\n}", new);
	if (changes)
		snprintf(expected, sizeof(expected), "service a: changed: %s\n", changes);
	else
		strcpy(expected, "nothing changes\n");
	expect(old_text, new_text, expected);
}

#define A "service a { listen *:80; handler echo }\n"
#define B "service b { listen *:81; handler echo }\n"
#define C "service c { listen *:82; handler echo }\n"

/* --------------------------------------------------------------------------- the services ---- */

START_TEST(the_first_start_adds_everything)
{
	expect_plan(NULL, load("log syslog\n" A B),
		    "service a: added\n"
		    "service b: added\n"
		    "listener *:80: opened\n"
		    "listener *:81: opened\n");
}
END_TEST

START_TEST(services_come_go_and_stay)
{
	expect(A B, B C,
	       "service b: unchanged, its workers stay\n"
	       "service c: added\n"
	       "service a: removed\n"
	       "listener *:82: opened\n"
	       "listener *:80: closed\n");
}
END_TEST

static void expect_roll(const char *old_text, const char *new_text, const char *expected)
{
	struct config *old = load(old_text), *new = load(new_text);
	struct plan *plan = plan_new(old, new);
	char *text = plan ? plan_text(plan, true) : NULL;

	ck_assert_pstr_eq(text, expected);
	free(text);
	plan_free(plan);
	config_unref(old);
	config_unref(new);
}

START_TEST(where_all_get_new_workers_nobody_is_said_to_stay)
{
	expect_roll(A B, A B, "every service gets new workers\n");
	expect_roll(A B, A C,
		    "every service gets new workers\n"
		    "service c: added\n"
		    "service b: removed\n"
		    "listener *:82: opened\n"
		    "listener *:81: closed\n");
}
END_TEST

START_TEST(the_plan_has_both_sides_of_a_service)
{
	struct config *old = load(A B), *new = load(C "service b { listen *:83; handler echo }");
	struct plan *plan = plan_new(old, new);

	ck_assert_ptr_nonnull(plan);
	ck_assert_uint_eq(plan->services, 3);
	ck_assert_int_eq(plan->service[0].action, PLAN_ADDED);
	ck_assert_ptr_null(plan->service[0].old_service);
	ck_assert_ptr_eq(plan->service[0].new_service, new->service[0]);
	ck_assert_ptr_null(plan->service[0].changes);
	ck_assert_int_eq(plan->service[1].action, PLAN_CHANGED);
	ck_assert_ptr_eq(plan->service[1].old_service, old->service[1]);
	ck_assert_ptr_eq(plan->service[1].new_service, new->service[1]);
	ck_assert_str_eq(plan->service[1].changes, "listen *:81 -> *:83");
	ck_assert_int_eq(plan->service[2].action, PLAN_REMOVED);
	ck_assert_ptr_eq(plan->service[2].old_service, old->service[0]);
	ck_assert_ptr_null(plan->service[2].new_service);
	plan_free(plan);
	config_unref(old);
	config_unref(new);
}
END_TEST

START_TEST(a_renamed_service_keeps_its_listener)
{
	expect(A, "service z { listen *:80; handler echo }",
	       "service z: added\n"
	       "service a: removed\n");
}
END_TEST

START_TEST(a_listener_that_changes_its_service_stays_open)
{
	expect("service a { listen *:80 *:90; handler echo }\n" B,
	       "service a { listen *:80; handler echo }\n"
	       "service b { listen *:81 *:90; handler echo }\n",
	       "service a: changed: listen *:80 *:90 -> *:80\n"
	       "service b: changed: listen *:81 -> *:81 *:90\n");
}
END_TEST

/* ------------------------------------------------------------------------- what is no change ---- */

START_TEST(the_same_is_nothing)
{
	struct config *config = load(A B);

	expect_plan(config_ref(config), config, "nothing changes\n");
	expect(A B, A B, "nothing changes\n");
}
END_TEST

START_TEST(form_comments_and_order_are_no_change)
{
	expect("service a { listen *:80, unix:/x; handler full { count 6; color red }\n"
	       "connections 7 }\n" B,
	       "# a comment\n" B
	       "service a {\n\tconnections 7 # seven\n\tlisten unix:/x\n\tlisten \"*:80\"\n"
	       "handler full {\n color red\n count 6\n }\n}\n",
	       "nothing changes\n");
}
END_TEST

START_TEST(a_default_that_is_written_out_is_no_change)
{
	expect(A,
	       "log stderr\nshutdown-delay 0\ncontrol { mode 600 }\n"
	       "service a { listen *:80; handler echo; connections 1; backlog 4096\n"
	       "timeout { idle 75000ms; drain 30s }; socket { mode 660 }; overflow wait\n"
	       "limit { nofile inherit }; umask 22; workers 6; no-new-privileges on }",
	       "nothing changes\n");
	expect_changes("handler full", "handler full { count 4; inner { depth 3 }; names a b }",
		       NULL);
	expect_changes("handler echo; workers 2..9", "handler echo; workers 2..9; spare 1..4",
		       NULL);
}
END_TEST

START_TEST(where_the_user_is_written_is_no_change)
{
	expect("user anna\n" A, "service a { listen *:80; handler echo; user anna }",
	       "nothing changes\n");
}
END_TEST

START_TEST(another_name_for_the_same_address_is_no_change)
{
	expect("service a { listen *:80; handler echo }", "service a { listen 80; handler echo }",
	       "nothing changes\n");
	expect("service a { listen two.example:80; handler echo }",
	       "service a { listen [2001:db8::1]:80 192.0.2.1:80; handler echo }",
	       "nothing changes\n");
}
END_TEST

START_TEST(a_path_means_the_same_however_it_is_written)
{
	expect_changes("handler web { root www }", "handler web { root /conf/www }", NULL);
}
END_TEST

/* ---------------------------------------------------------------------------- what is one ---- */

START_TEST(changes_are_told_in_the_words_of_the_file)
{
	expect_changes("handler echo; connections 512",
		       "handler echo; connections 1024; timeout { idle 30s; park 0 }",
		       "connections 512 -> 1024; timeout { idle } 75s -> 30s; "
		       "timeout { park } 1s -> 0");
	expect_changes("handler echo; chroot /srv", "handler echo; limit { core unlimited }",
		       "chroot /srv -> (not set); limit { core } inherit -> unlimited");
	expect_changes("handler echo; workers 3", "handler echo; workers 2..8",
		       "workers 3 -> 2..8; spare (not set) -> 1..4");
}
END_TEST

START_TEST(another_handler_is_one_change)
{
	expect_changes("handler echo", "handler full", "handler echo -> full");
	expect_changes("handler web { root /a }", "handler full { path /a }",
		       "handler web -> full; connections 40 -> 1");
}
END_TEST

START_TEST(the_handlers_block_is_compared)
{
	expect_changes("handler web { root /srv/a }", "handler web { root /srv/b }",
		       "handler web { root } /srv/a -> /srv/b");
	expect_changes("handler full { flag no; inner { label x }; path /a }",
		       "handler full { size 1M; color blue; names b a }",
		       "handler full { flag } no -> yes; handler full { size } 64k -> 1M; "
		       "handler full { path } /a -> (not set); "
		       "handler full { color } green -> blue; handler full { names } a b -> b a; "
		       "handler full { inner { label } } x -> (not set)");
}
END_TEST

START_TEST(labelled_blocks_are_compared_by_their_labels)
{
	expect_changes("handler full { route x { target a }; route y { target b } }",
		       "handler full { route x { target a }; route y { target c; weight 2 } }",
		       "handler full { route y { weight } } 1 -> 2; "
		       "handler full { route y { target } } b -> c");
	expect_changes("handler full { route x { target a } }",
		       "handler full { route w { target z }; route x { target b } }",
		       "handler full { route } x -> w x; "
		       "handler full { route x { target } } a -> b");
	expect_changes("handler full { route x { target a } }", "handler full",
		       "handler full { route } x -> (not set)");
	/* The first that fits may win: their order counts. */
	expect_changes("handler full { route x { target a }; route y { target b } }",
		       "handler full { route y { target b }; route x { target a } }",
		       "handler full { route } x y -> y x");
}
END_TEST

START_TEST(blocks_in_blocks_are_compared_within_theirs)
{
	expect_changes("handler full { route a { target x; stop s { wait 2s } }\n"
		       " route b { target y; stop s { wait 2s }; road { width 2 } } }",
		       "handler full { route a { target x; stop s { wait 2s } }\n"
		       " route b { target y; stop s { wait 3s; open no }; road { width 4 } } }",
		       "handler full { route b { road { width } } } 2 -> 4; "
		       "handler full { route b { stop s { open } } } (not set) -> no; "
		       "handler full { route b { stop s { wait } } } 2s -> 3s");
	expect_changes("handler full { route a { target x; stop s { wait 2s } } }",
		       "handler full { route a { target x } }",
		       "handler full { route a { stop } } s -> (not set)");
}
END_TEST

/* Each value of one side is looked for among those of the other. */
START_TEST(thousands_of_blocks_with_other_labels_are_compared_at_once)
{
	enum { BLOCKS = 4000, BYTES = 1 << 20 };
	char *text[2];
	struct config *config[2];
	struct plan *plan;

	for (int side = 0; side < 2; side++) {
		char *to = text[side] = malloc(BYTES);

		to += sprintf(to, "service a { listen *:1; handler full {\n");
		for (int i = 0; i < BLOCKS; i++)
			to += sprintf(to, "route %c%d { target x; stop s { open no }; sign a }\n",
				      "ab"[side], i);
		sprintf(to, "} }\n");
		config[side] = fixture_load(text[side], &errors);
		ck_assert_ptr_nonnull(config[side]);
	}
	plan = plan_new(config[0], config[1]);
	ck_assert_ptr_nonnull(plan);
	ck_assert_str_eq(plan->service[0].changes, "handler full { route } changed");
	plan_free(plan);
	for (int side = 0; side < 2; side++) {
		config_unref(config[side]);
		free(text[side]);
	}
}
END_TEST

START_TEST(a_switch_that_is_not_written_is_neither)
{
	expect_changes("handler full", "handler full { often no }",
		       "handler full { often } (not set) -> no");
	expect_changes("handler full { often on }", "handler full { often off }",
		       "handler full { often } yes -> no");
}
END_TEST

START_TEST(lines_are_compared_as_lines)
{
	expect_changes("handler full { pair a b; pair c d }", "handler full { pair a b; pair c e }",
		       "handler full { pair } a b; c d -> a b; c e");
	expect_changes("handler full { route x { target a; sign a b } }",
		       "handler full { route x { target a; sign a; sign b } }",
		       "handler full { route x { sign } } a b -> a; b");
	expect_changes("handler full { route x { target a; sign 'a;' b } }",
		       "handler full { route x { target a; sign a; sign b } }",
		       "handler full { route x { sign } } \"a;\" b -> a; b");
}
END_TEST

START_TEST(another_output_is_a_change)
{
	expect_changes("handler full { output a }", "handler full { output b }",
		       "handler full { output } /conf/a -> /conf/b");
}
END_TEST

START_TEST(blocks_of_the_same_label_are_compared_in_their_order)
{
	expect_changes("handler full { route { target a }; route { target b } }",
		       "handler full { route { target a }; route { target c } }",
		       "handler full { route { target } } b -> c");
	expect_changes("handler full { route { target a } }",
		       "handler full { route { target a }; route { target c } }",
		       "handler full { route } \"\" -> \"\" \"\"");
}
END_TEST

START_TEST(a_value_that_nobody_can_read_is_only_named)
{
	char old[1024] = "handler full { word \"", new[1024];

	memset(old + strlen(old), 'x', 250);
	strcpy(new, old);
	strcat(old, "y\" }");
	strcat(new, "z\" }");
	expect_changes(old, new, "handler full { word } changed");
}
END_TEST

START_TEST(a_fact_stays_a_line)
{
	expect_changes("handler full { word x; route \"a\\nb\" { target c } }",
		       "handler full { word \"y\\nz\"; route \"a\\nb\" { target d } }",
		       "handler full { word } x -> \"y\\nz\"; "
		       "handler full { route a?b { target } } c -> d");
	expect("service a { listen \"unix:/x\\ny\"; handler echo }",
	       "service a { listen *:80; handler echo }",
	       "service a: changed: listen unix:/x?y -> *:80\n"
	       "listener *:80: opened\n"
	       "listener unix:/x?y: closed\n");
}
END_TEST

START_TEST(the_top_level_has_lines_of_its_own)
{
	expect("pidfile /run/a\n" A,
	       "log syslog debug\ncontrol { path /run/c; group staff }\nshutdown-delay 5s\n" A,
	       "service a: unchanged, its workers stay\n"
	       "log: changed: stderr info -> syslog:daemon debug\n"
	       "pidfile: changed: /run/a -> (not set)\n"
	       "control { path }: changed: (not set) -> /run/c\n"
	       "control { group }: changed: (not set) -> staff (gid 50)\n"
	       "shutdown-delay: changed: 0 -> 5s\n");
}
END_TEST

/* ------------------------------------------------------------------- what the system answers ---- */

static int other_listen(const struct listen_name *name, struct address *address_r, size_t max,
			const char **reason_r)
{
	(void)name;
	(void)max;
	*reason_r = "";
	return address_parse(&address_r[0], "192.0.2.99:80") < 0 ? -1 : 1;
}

static int other_owner(const char *user, uid_t *uid_r, char *reason_r)
{
	(void)user;
	(void)reason_r;
	*uid_r = 2002;
	return 0;
}

static int other_ids(const char *user, const char *group, struct conf_ids *ids_r, gid_t **group_r,
		     char *reason_r)
{
	if (fixture_ids(user, group, ids_r, group_r, reason_r) < 0)
		return -1;
	ids_r->groups = 1;
	return other_owner(user, &ids_r->uid, reason_r);
}

static int swapped_ids(const char *user, const char *group, struct conf_ids *ids_r, gid_t **group_r,
		       char *reason_r)
{
	gid_t first;

	if (fixture_ids(user, group, ids_r, group_r, reason_r) < 0)
		return -1;
	first = (*group_r)[0];
	(*group_r)[0] = (*group_r)[1];
	(*group_r)[1] = first;
	return 0;
}

static int other_cpus(void)
{
	return 8;
}

static struct resolver_ops other_ops(void)
{
	struct resolver_ops ops = fixture_ops;

	ops.listen = other_listen;
	ops.owner = other_owner;
	ops.ids = other_ids;
	ops.cpus = other_cpus;
	return ops;
}

static void expect_other_answers(const char *text, const char *expected)
{
	const struct resolver_ops ops = other_ops();

	expect_plan(load(text), load_with(text, &ops), expected);
}

START_TEST(a_name_with_other_addresses_is_a_change)
{
	expect_other_answers("service a { listen two.example:80; handler echo; workers 1 }",
			     "service a: changed: listen 192.0.2.1:80 [2001:db8::1]:80 -> "
			     "192.0.2.99:80\n"
			     "listener 192.0.2.99:80: opened\n"
			     "listener 192.0.2.1:80: closed\n"
			     "listener [2001:db8::1]:80: closed\n");
}
END_TEST

#define HERE "service a { listen 192.0.2.99:80; handler echo; "

START_TEST(a_user_with_another_number_or_other_groups_is_a_change)
{
	expect_other_answers(HERE "workers 1; user anna }",
			     "service a: changed: user anna (uid 1001) -> anna (uid 2002); "
			     "group gid 100, groups 27 100 -> gid 100, groups 100\n");
	expect_other_answers(HERE "workers 1; socket { owner anna } }",
			     "service a: changed: socket { owner } anna (uid 1001) -> "
			     "anna (uid 2002)\n");
	expect_other_answers("control { path /run/c; owner anna }\n" HERE "workers 1 }",
			     "service a: unchanged, its workers stay\n"
			     "control { owner }: changed: anna (uid 1001) -> anna (uid 2002)\n");
}
END_TEST

START_TEST(groups_in_another_order_are_no_change)
{
	static const char text[] = "service a { listen *:80; handler echo; user anna }";
	struct resolver_ops ops = fixture_ops;

	ops.ids = swapped_ids;
	expect_plan(load(text), load_with(text, &ops), "nothing changes\n");
}
END_TEST

START_TEST(another_number_of_cpus_is_a_change_where_it_counts)
{
	expect_other_answers(HERE "}", "service a: changed: workers auto (6) -> auto (8)\n");
	expect_other_answers(HERE "workers 6 }", "nothing changes\n");
}
END_TEST

/* ------------------------------------------------------------------------------------ files ---- */

START_TEST(a_file_of_a_modules_block_that_was_written_to_is_a_change)
{
	static const char text[] = "service a { listen *:80; handler full { path mime } }\n" B;
	struct config *old = load(text);

	fixture_identity = "2";
	expect_plan(old, load(text),
		    "service a: changed: handler full { path }: the file /conf/mime was changed\n"
		    "service b: unchanged, its workers stay\n");
}
END_TEST

START_TEST(another_file_is_told_by_its_name)
{
	struct config *old = load("service a { listen *:80; handler full { path /a } }");

	fixture_identity = "2";
	expect_plan(old, load("service a { listen *:80; handler full { path /b } }"),
		    "service a: changed: handler full { path } /a -> /b\n");
}
END_TEST

START_TEST(a_file_that_a_command_names_is_a_change)
{
	static const char text[] =
		"service a { listen *:80; handler run { run /bin/sh -c /srv/script } }";
	static const char rooted[] =
		"service a { listen *:80; chroot /cage; handler run { run sh /srv/script } }";
	struct config *old = load(text);

	ck_assert_uint_eq(old->service[0]->files, 2);
	ck_assert_str_eq(old->service[0]->file[0].path, "/bin/sh");
	ck_assert_str_eq(old->service[0]->file[1].path, "/srv/script");
	fixture_identity = "2";
	expect_plan(old, load(text),
		    "service a: changed: handler run { run }: a file of /bin/sh -c /srv/script was "
		    "changed\n");
	/* What is run is run below the root. */
	old = load(rooted);
	ck_assert_uint_eq(old->service[0]->files, 1);
	ck_assert_str_eq(old->service[0]->file[0].path, "/cage/srv/script");
	expect_plan(old, load(rooted), "nothing changes\n");
}
END_TEST

/* What the checker saw is in the capture; the master looks at nothing. */
START_TEST(the_identity_of_files_survives_the_capture)
{
	static const char text[] = "service a { listen *:80; handler full { path /mime } }\n";
	struct config *old = load(text), *restored;
	int fd = memfd_create("capture", MFD_CLOEXEC);

	ck_assert_int_eq(config_capture(old, fd), 0);
	fixture_identity = "2";
	restored = config_restore(fd, fixture_modules, &errors);
	ck_assert_ptr_nonnull(restored);
	close(fd);
	ck_assert_uint_eq(restored->service[0]->files, 1);
	ck_assert_str_eq(restored->service[0]->file[0].path, "/mime");
	ck_assert_str_eq(restored->service[0]->file[0].identity, "1");
	expect_plan(old, config_ref(restored), "nothing changes\n");
	expect_plan(restored, load(text),
		    "service a: changed: handler full { path }: the file /mime was changed\n");
}
END_TEST

/* With the real resolver: the configuration and the files that it names lie in a folder. */
struct real {
	struct temp_folder folder;
	const char *conf;
};

static struct real real_init(const char *conf)
{
	static char path[512];
	struct real real;

	temp_folder_init(&real.folder);
	temp_write(&real.folder, "test.conf", conf);
	snprintf(path, sizeof(path), "%s", temp_path(&real.folder, "test.conf"));
	real.conf = path;
	return real;
}

static struct config *real_load(const struct real *real)
{
	struct config *config = config_load(real->conf, fixture_modules, &errors);

	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	return config;
}

/* Between the two loads `change` is done. Gives whether the plan has a change. */
static bool real_changes(struct real *real, void (*change)(const struct temp_folder *folder))
{
	struct config *old = real_load(real);
	char *text;
	bool changes;

	change(&real->folder);
	text = plan_of(old, real_load(real));
	changes = strcmp(text, "nothing changes\n") != 0;
	if (changes)
		ck_assert_msg(strstr(text, "/file was changed\n"), "%s", text);
	free(text);
	return changes;
}

static void leave(const struct temp_folder *folder)
{
	(void)folder;
}

static void write_longer(const struct temp_folder *folder)
{
	temp_write(folder, "file", "longer than before\n");
	temp_touch(folder, "file", 1000);
}

static void touch(const struct temp_folder *folder)
{
	temp_touch(folder, "file", 2000);
}

static void replace(const struct temp_folder *folder)
{
	temp_write(folder, "new", "longer than before\n");
	temp_touch(folder, "new", 2000);
	ck_assert_int_eq(rename(temp_path(folder, "new"), temp_path(folder, "file")), 0);
}

static void write_into_folder(const struct temp_folder *folder)
{
	temp_write(folder, "www/index.html", "new");
	temp_touch(folder, "www", 3000);
}

static void delete (const struct temp_folder *folder)
{
	ck_assert_int_eq(unlink(temp_path(folder, "file")), 0);
}

START_TEST(regular_files_count_and_folders_do_not)
{
	struct real real =
		real_init("service a { listen 127.0.0.1:7; handler full { path file } }\n"
			  "service b { listen 127.0.0.1:8; handler web { root www } }");

	temp_write(&real.folder, "file", "short\n");
	temp_touch(&real.folder, "file", 1000);
	temp_mkdir(&real.folder, "www");
	ck_assert(!real_changes(&real, leave));
	ck_assert(!real_changes(&real, write_into_folder));
	ck_assert(real_changes(&real, write_longer));
	ck_assert(real_changes(&real, touch));
	ck_assert(real_changes(&real, replace));
	ck_assert(real_changes(&real, delete));
	ck_assert(!real_changes(&real, leave));
	ck_assert(real_changes(&real, write_longer));
	temp_folder_cleanup(&real.folder);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("diff");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, the_first_start_adds_everything);
	tcase_add_test(tcase, services_come_go_and_stay);
	tcase_add_test(tcase, where_all_get_new_workers_nobody_is_said_to_stay);
	tcase_add_test(tcase, the_plan_has_both_sides_of_a_service);
	tcase_add_test(tcase, a_renamed_service_keeps_its_listener);
	tcase_add_test(tcase, a_listener_that_changes_its_service_stays_open);
	tcase_add_test(tcase, the_same_is_nothing);
	tcase_add_test(tcase, form_comments_and_order_are_no_change);
	tcase_add_test(tcase, a_default_that_is_written_out_is_no_change);
	tcase_add_test(tcase, where_the_user_is_written_is_no_change);
	tcase_add_test(tcase, another_name_for_the_same_address_is_no_change);
	tcase_add_test(tcase, a_path_means_the_same_however_it_is_written);
	tcase_add_test(tcase, changes_are_told_in_the_words_of_the_file);
	tcase_add_test(tcase, another_handler_is_one_change);
	tcase_add_test(tcase, the_handlers_block_is_compared);
	tcase_add_test(tcase, labelled_blocks_are_compared_by_their_labels);
	tcase_add_test(tcase, blocks_in_blocks_are_compared_within_theirs);
	tcase_add_test(tcase, thousands_of_blocks_with_other_labels_are_compared_at_once);
	tcase_add_test(tcase, a_switch_that_is_not_written_is_neither);
	tcase_add_test(tcase, lines_are_compared_as_lines);
	tcase_add_test(tcase, another_output_is_a_change);
	tcase_add_test(tcase, blocks_of_the_same_label_are_compared_in_their_order);
	tcase_add_test(tcase, a_value_that_nobody_can_read_is_only_named);
	tcase_add_test(tcase, a_fact_stays_a_line);
	tcase_add_test(tcase, the_top_level_has_lines_of_its_own);
	tcase_add_test(tcase, a_name_with_other_addresses_is_a_change);
	tcase_add_test(tcase, a_user_with_another_number_or_other_groups_is_a_change);
	tcase_add_test(tcase, groups_in_another_order_are_no_change);
	tcase_add_test(tcase, another_number_of_cpus_is_a_change_where_it_counts);
	tcase_add_test(tcase, a_file_of_a_modules_block_that_was_written_to_is_a_change);
	tcase_add_test(tcase, another_file_is_told_by_its_name);
	tcase_add_test(tcase, a_file_that_a_command_names_is_a_change);
	tcase_add_test(tcase, the_identity_of_files_survives_the_capture);
	tcase_add_test(tcase, regular_files_count_and_folders_do_not);
	return unit_main("diff", tcase);
}
