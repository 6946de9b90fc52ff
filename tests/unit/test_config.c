/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "config/cpus.h"

#include "bad_conf.h"
#include "conf_fixture.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static struct conf_errors errors;
static char folder[PATH_MAX / 2];

static void set_up(void)
{
	strcpy(folder, "/tmp/mu-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	unsetenv("MU_TEST_NOT_SET");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file in the test's folder; the path is good until the next call. */
static const char *write_file(const char *name, const char *text)
{
	static char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	return path;
}

static struct config *load(const char *text)
{
	return config_load(write_file("test.conf", text), fixture_modules, &errors);
}

static void make_folder(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void expect_no_errors(const struct config *config)
{
	if (!config)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(errors.total, 0);
}

static void expect_error(size_t i, const char *file, int line, const char *message)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	ck_assert_uint_gt(errors.total, i);
	ck_assert_str_eq(errors.error[i].at.file, path);
	ck_assert_int_eq(errors.error[i].at.line, line);
	ck_assert_msg(strstr(errors.error[i].message, message), "%s", errors.error[i].message);
}

/* ----------------------------------------------------------------------- bad configurations ---- */

/* Puts FILE where the file's own path is. */
static void hide_path(const char *message, const char *path, char *out, size_t size)
{
	const char *found = strstr(message, path);

	if (found)
		snprintf(out, size, "%.*sFILE%s", (int)(found - message), message,
			 found + strlen(path));
	else
		snprintf(out, size, "%s", message);
}

static bool matches(const char *message, const char *wanted)
{
	size_t len = strlen(wanted);

	if (wanted[len - 1] == '*')
		return strncmp(message, wanted, len - 1) == 0;
	return strcmp(message, wanted) == 0;
}

START_TEST(a_bad_configuration_is_told_what_and_where)
{
	const struct bad_conf *bad = &bad_confs[_i];
	const char *path = write_file("test.conf", bad->text);
	struct config *config = config_load(path, fixture_modules, &errors);
	const struct conf_error *error = &errors.error[0];
	char message[1024];

	ck_assert_msg(!config, "accepted: %s", bad->text);
	ck_assert_uint_gt(errors.total, 0);
	hide_path(error->message, path, message, sizeof(message));
	ck_assert_msg(matches(message, bad->message), "said: %s\nnot: %s\nof: %s", message,
		      bad->message, bad->text);
	ck_assert_msg(error->at.line == bad->line && error->at.column == bad->column,
		      "%d:%d, not %d:%d: %s", error->at.line, error->at.column, bad->line,
		      bad->column, bad->text);
	ck_assert_msg(errors.total == (bad->total ? bad->total : 1), "%zu errors: %s", errors.total,
		      bad->text);
	ck_assert_str_eq(error->at.file, path);
	if (bad->line > 0)
		ck_assert_ptr_nonnull(error->line);
}
END_TEST

START_TEST(all_errors_come_at_once_sorted_up_to_twenty)
{
	char text[4096], *p = text;

	p += sprintf(p, "service a {\nhandler ecko\nlisten *:0\n}\n");
	for (int i = 0; i < 30; i++)
		p += sprintf(p, "zebra%d\n", i);
	ck_assert_ptr_null(load(text));
	ck_assert_uint_eq(errors.total, 32);
	expect_error(0, "test.conf", 2, "unknown handler");
	expect_error(1, "test.conf", 3, "a port is a number");
	expect_error(2, "test.conf", 5, "unknown directive `zebra0`");
	expect_error(19, "test.conf", 22, "unknown directive `zebra17`");
}
END_TEST

START_TEST(errors_are_shown_with_their_line_and_a_caret)
{
	char *text = NULL, expected[PATH_MAX];
	const char *path;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	path = write_file("test.conf", "service a {\r\n\tlisten \"\xc3\xa4\" , *:0\r\n"
				       "\thandler echo\r\n}\n");
	ck_assert_ptr_null(config_load(path, fixture_modules, &errors));
	ck_assert_uint_eq(errors.total, 2);
	conf_errors_print(&errors, out);
	fclose(out);
	snprintf(expected, sizeof(expected),
		 "%s:2:16: cannot listen on `*:0`: a port is a number from 1 to 65535\n"
		 "    \tlisten \"\xc3\xa4\" , *:0\n"
		 "    \t             ^\n",
		 path);
	ck_assert_msg(strstr(text, expected), "%s", text);
	free(text);
}
END_TEST

START_TEST(a_long_line_is_shown_around_the_error)
{
	char conf[3000] = "service a { listen *:80; handler echo; chroot \"", *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	const char *caret;

	memset(conf + strlen(conf), 'x', 2000);
	strcat(conf, "\"y }");
	ck_assert_ptr_null(load(conf));
	ck_assert_uint_eq(errors.total, 1);
	conf_errors_print(&errors, out);
	fclose(out);
	ck_assert_uint_lt(len, 1000);
	/* The caret stands below the offending y. */
	caret = strchr(text, '^');
	ck_assert_ptr_nonnull(caret);
	ck_assert_int_eq(strchr(strchr(text, '\n') + 1, 'y') - (strchr(text, '\n') + 1),
			 caret - (strrchr(text, ' ') + 1) +
				 (strrchr(text, ' ') - strchr(strchr(text, '\n') + 1, '\n')));
	free(text);
}
END_TEST

START_TEST(outputs_are_listed_once_each_with_their_place)
{
	struct config *config = load("service a { listen *:1\nhandler full {\n"
				     "route a { target x; record /nowhere.b }\noutput /nowhere.a\n"
				     "route b { target x; record /nowhere.a }\n"
				     "route c { target x; record /nowhere.c }\n} }\n"
				     "service b { listen *:2; handler echo }\n");
	const struct service_conf *service;

	ck_assert_ptr_nonnull(config);
	service = config->service[0];
	ck_assert_uint_eq(service->outputs, 3);
	ck_assert_str_eq(service->output[0].path, "/nowhere.b");
	ck_assert_str_eq(service->output[0].directive, "record");
	ck_assert_int_eq(service->output[0].at.line, 3);
	ck_assert_int_eq(service->output[0].at.column, 28);
	ck_assert_str_eq(service->output[1].path, "/nowhere.a");
	ck_assert_int_eq(service->output[1].at.line, 5);
	ck_assert_str_eq(service->output[2].path, "/nowhere.c");
	ck_assert_uint_eq(config->service[1]->outputs, 0);
	/* It was only looked at. */
	ck_assert_int_eq(service->files, 0);
	config_unref(config);
}
END_TEST

START_TEST(an_output_must_be_a_file_that_can_be_written)
{
	char text[PATH_MAX + 200];

	snprintf(text, sizeof(text),
		 "service a { listen *:1; handler full {\n output %s/x\n"
		 "route a { target x; record . }; route b { target x; record no/such/x } } }",
		 folder);
	ck_assert_ptr_null(load(text));
	ck_assert_uint_eq(errors.total, 2);
	expect_error(0, "test.conf", 3, "is a folder, not a file");
	ck_assert_ptr_nonnull(strstr(errors.error[1].message, "No such file or directory"));
	/* Nothing is made by looking. */
	snprintf(text, sizeof(text), "%s/x", folder);
	ck_assert_int_eq(access(text, F_OK), -1);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_error)
{
	ck_assert_ptr_null(config_load("/no/such/file.conf", fixture_modules, &errors));
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_str_eq(errors.error[0].message,
			 "cannot open `/no/such/file.conf`: No such file or directory");
	conf_errors_cleanup(&errors);
	ck_assert_ptr_null(config_load("/tmp", fixture_modules, &errors));
	ck_assert_str_eq(errors.error[0].message, "`/tmp` is a folder, not a regular file");
}
END_TEST

START_TEST(a_file_that_is_too_large_is_an_error)
{
	const char *path = write_file("test.conf", "");

	ck_assert_int_eq(truncate(path, (1 << 20) + 1), 0);
	ck_assert_ptr_null(config_load(path, fixture_modules, &errors));
	ck_assert_uint_eq(errors.total, 1);
	ck_assert_ptr_nonnull(strstr(errors.error[0].message, "is larger than 1024 KiB"));
}
END_TEST

START_TEST(too_many_directives_are_an_error)
{
	char *text = malloc(200000), *p = text;

	for (int i = 0; i < 50001; i++)
		p = stpcpy(p, "x;\n");
	ck_assert_ptr_null(load(text));
	ck_assert_uint_eq(errors.total, 1);
	expect_error(0, "test.conf", 50001, "more than 50000 directives");
	free(text);
}
END_TEST

START_TEST(words_have_a_largest_total)
{
	char value[8001], *text = calloc(1, 1 << 16), *p = text;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	setenv("MU_TEST_BIG", value, 1);
	for (int i = 0; i < 2200; i++)
		p = stpcpy(p, "x ${MU_TEST_BIG}\n");
	ck_assert_ptr_null(load(text));
	ck_assert_uint_eq(errors.total, 1);
	expect_error(0, "test.conf", 2097, "all words together are more than 16 MiB");
	unsetenv("MU_TEST_BIG");
	free(text);
}
END_TEST

/* ---------------------------------------------------------------------------------- includes ---- */

START_TEST(includes_are_sorted_and_relative_to_the_including_file)
{
	struct config *config;

	make_folder("conf.d");
	make_folder("conf.d/folder.conf");
	make_folder("more");
	write_file("conf.d/b.conf", "service b { listen 127.0.0.1:7002; handler echo }");
	write_file("conf.d/a.conf", "service a { include ../more/a.inc }");
	write_file("conf.d/.hidden.conf", "nonsense");
	write_file("conf.d/c.conf~", "nonsense");
	write_file("more/a.inc", "listen 127.0.0.1:7001\nhandler web { root www }");
	config = load("include conf.d/*.conf, none.d/*.conf no-such-*\n"
		      "service c { listen 127.0.0.1:7003; handler echo }");
	expect_no_errors(config);
	ck_assert_uint_eq(config->services, 3);
	ck_assert_str_eq(config->service[0]->name, "a");
	ck_assert_str_eq(config->service[1]->name, "b");
	ck_assert_str_eq(config->service[2]->name, "c");
	ck_assert_ptr_nonnull(strstr(config->service[0]->listen[0].at.file, "/more/a.inc"));
	config_unref(config);
}
END_TEST

START_TEST(errors_in_included_files_have_their_own_place)
{
	write_file("a.inc", "service a {\n  lisen *:80\n listen *:81\n handler echo }");
	ck_assert_ptr_null(load("usr x\ninclude a.inc\n"));
	ck_assert_uint_eq(errors.total, 2);
	expect_error(0, "test.conf", 1, "unknown directive `usr`");
	expect_error(1, "a.inc", 2, "unknown directive `lisen`");
	ck_assert_str_eq(errors.error[1].line, "  lisen *:80");
}
END_TEST

START_TEST(a_loop_of_includes_is_noticed)
{
	write_file("a.inc", "\ninclude b.inc");
	write_file("b.inc", "include ./a.inc");
	ck_assert_ptr_null(load("include a.inc"));
	ck_assert_uint_eq(errors.total, 1);
	expect_error(0, "b.inc", 1, "includes itself by way of this file");
	conf_errors_cleanup(&errors);
	ck_assert_ptr_null(load("include test.conf"));
	expect_error(0, "test.conf", 1, "includes itself");
}
END_TEST

START_TEST(includes_have_a_depth)
{
	char name[32], text[64];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "%d.inc", i);
		snprintf(text, sizeof(text), "include %d.inc", i + 1);
		write_file(name, text);
	}
	ck_assert_ptr_null(load("include 0.inc"));
	expect_error(0, "7.inc", 1, "files include one another more than 8 deep");
}
END_TEST

START_TEST(a_broken_include_does_not_hide_other_errors)
{
	write_file("a.inc", "service a {");
	ck_assert_ptr_null(load("include a.inc\nlog \"x\n"));
	ck_assert_uint_eq(errors.total, 2);
	expect_error(0, "test.conf", 2, "is not closed");
	expect_error(1, "a.inc", 1, "is not closed");
}
END_TEST

/* ------------------------------------------------------------------------- what it comes to ---- */

START_TEST(a_handler_says_how_many_connections_unless_the_service_does)
{
	struct config *config = load("service a { listen *:80; handler web { root /tmp } }\n"
				     "service b { listen *:81; handler web { root /tmp }\n"
				     " connections 1 }");

	expect_no_errors(config);
	ck_assert_int_eq(config->service[0]->connections, 40);
	ck_assert_int_eq(config->service[1]->connections, 1);
	config_unref(config);
	ck_assert_ptr_null(load("service a { listen *:80; handler echo; connections 0 }"));
	expect_error(0, "test.conf", 1, "connections");
}
END_TEST

START_TEST(a_small_service_has_sensible_defaults)
{
	struct config *config = load("service a { listen 127.0.0.1:7007; handler echo }");
	const struct service_conf *service;
	char text[ADDRESS_TEXT_MAX];

	expect_no_errors(config);
	ck_assert_int_eq(config->log.kind, LOG_TO_STDERR);
	ck_assert_int_eq(config->log.level, LOG_INFO);
	ck_assert_ptr_null(config->pidfile);
	ck_assert_uint_eq(config->services, 1);
	service = config->service[0];
	ck_assert_str_eq(service->name, "a");
	ck_assert_int_eq(service->at.line, 1);
	ck_assert_uint_eq(service->listens, 1);
	ck_assert_uint_eq(service->listen[0].addresses, 1);
	ck_assert_str_eq(address_text(&service->listen[0].address[0], text), "127.0.0.1:7007");
	ck_assert_int_eq(service->backlog, 4096);
	ck_assert_int_eq(service->socket_mode, 0660);
	ck_assert_uint_eq(service->socket_owner, (uid_t)-1);
	ck_assert_uint_eq(service->socket_group, (gid_t)-1);
	ck_assert_ptr_eq(service->module, &fixture_echo);
	ck_assert_int_eq(service->workers_min, service->workers_max);
	ck_assert_int_eq(service->workers_min, cpus_usable());
	ck_assert_int_eq(service->connections, 1);
	ck_assert_int_eq(service->header_ms, 10000);
	ck_assert_int_eq(service->idle_ms, 75000);
	ck_assert_int_eq(service->request_ms, 0);
	ck_assert_int_eq(service->drain_ms, 30000);
	ck_assert_int_eq(service->park_ms, 1000);
	ck_assert(!service->ids.change);
	ck_assert_ptr_null(service->chroot);
	ck_assert_int_eq(service->umask, 022);
	ck_assert(service->no_new_privileges);
	ck_assert_int_eq(service->nofile, CONF_INHERIT);
	ck_assert_int_eq(service->core, CONF_INHERIT);
	ck_assert_int_eq(service->as, CONF_INHERIT);
	config_unref(config);
}
END_TEST

START_TEST(everything_written_arrives)
{
	struct config *config = fixture_load(
		"log syslog:local3 warning; pidfile run/pid; user anna\n"
		"service a {\n"
		" listen two.example:80, unix:/run/a.sock systemd:web; listen [::1]:81\n"
		" backlog 9; socket { mode 600; owner anna; group staff }\n"
		" handler full { count 8 }; workers 3..9; spare 2..3; connections 77\n"
		" timeout { header 1s; idle 2s; request 3s; drain 4s; park 5ms }\n"
		" group staff; chroot ../srv; umask 27; no-new-privileges no\n"
		" limit { nofile 64; core unlimited; as 1G } }",
		&errors);
	const struct service_conf *a;
	char text[ADDRESS_TEXT_MAX];

	expect_no_errors(config);
	a = config->service[0];
	ck_assert_int_eq(config->log.kind, LOG_TO_SYSLOG);
	ck_assert_int_eq(config->log.facility, LOG_LOCAL3);
	ck_assert_int_eq(config->log.level, LOG_WARNING);
	ck_assert_str_eq(config->pidfile, "/conf/run/pid");
	ck_assert_uint_eq(a->listens, 4);
	ck_assert_uint_eq(a->listen[0].addresses, 2);
	ck_assert_str_eq(address_text(&a->listen[0].address[1], text), "[2001:db8::1]:80");
	ck_assert_int_eq(a->listen[1].kind, LISTEN_UNIX);
	ck_assert_str_eq(a->listen[2].systemd_name, "web");
	ck_assert_str_eq(a->listen[3].text, "[::1]:81");
	ck_assert_int_eq(a->listen[3].at.column, 62);
	ck_assert_int_eq(a->backlog, 9);
	ck_assert_int_eq(a->socket_mode, 0600);
	ck_assert_uint_eq(a->socket_owner, 1001);
	ck_assert_uint_eq(a->socket_group, 50);
	ck_assert_int_eq(a->workers_min, 3);
	ck_assert_int_eq(a->workers_max, 9);
	ck_assert_int_eq(a->spare_min, 2);
	ck_assert_int_eq(a->spare_max, 3);
	ck_assert_int_eq(a->connections, 77);
	ck_assert_int_eq(a->header_ms, 1000);
	ck_assert_int_eq(a->idle_ms, 2000);
	ck_assert_int_eq(a->request_ms, 3000);
	ck_assert_int_eq(a->drain_ms, 4000);
	ck_assert_int_eq(a->park_ms, 5);
	ck_assert(a->ids.change);
	ck_assert_str_eq(a->ids.user, "anna");
	ck_assert_uint_eq(a->ids.uid, 1001);
	ck_assert_uint_eq(a->ids.gid, 50);
	ck_assert_uint_eq(a->ids.groups, 2);
	ck_assert_uint_eq(a->ids.group[1], 27);
	ck_assert_str_eq(a->chroot, "/conf/../srv");
	ck_assert_int_eq(a->umask, 027);
	ck_assert(!a->no_new_privileges);
	ck_assert_int_eq(a->nofile, 64);
	ck_assert_int_eq(a->core, CONF_UNLIMITED);
	ck_assert_int_eq(a->as, 1 << 30);
	config_unref(config);
}
END_TEST

START_TEST(a_service_takes_over_the_user_but_a_group_only_with_it)
{
	struct config *config =
		fixture_load("user anna; group staff\n"
			     "service a { listen *:1; handler echo }\n"
			     "service b { listen *:2; handler echo; user anna }\n"
			     "service c { listen *:3; handler echo; group staff }\n",
			     &errors);

	expect_no_errors(config);
	ck_assert_uint_eq(config->service[0]->ids.gid, 50);
	ck_assert_uint_eq(config->service[1]->ids.gid, 100);
	ck_assert_uint_eq(config->service[2]->ids.uid, 1001);
	ck_assert_uint_eq(config->service[2]->ids.gid, 50);
	config_unref(config);
}
END_TEST

START_TEST(a_pool_that_can_grow_has_spare_workers)
{
	static const struct {
		const char *workers;
		int min, max, spare_min, spare_max;
	} pools[] = {
		{ "workers 2..16", 2, 16, 1, 4 },
		{ "workers 0..8", 0, 8, 0, 4 },
		{ "workers 1..2", 1, 2, 1, 2 },
		{ "workers 3", 3, 3, 0, 0 },
		{ "workers 3..3", 3, 3, 0, 0 },
		{ "workers auto", 6, 6, 0, 0 },
		{ "workers 2..16; spare 3..5", 2, 16, 3, 5 },
	};

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		char text[128];
		struct config *config;

		snprintf(text, sizeof(text), "service a { listen *:1; handler echo; %s }",
			 pools[i].workers);
		config = fixture_load(text, &errors);
		expect_no_errors(config);
		ck_assert_int_eq(config->service[0]->workers_min, pools[i].min);
		ck_assert_int_eq(config->service[0]->workers_max, pools[i].max);
		ck_assert_int_eq(config->service[0]->spare_min, pools[i].spare_min);
		ck_assert_int_eq(config->service[0]->spare_max, pools[i].spare_max);
		config_unref(config);
	}
}
END_TEST

START_TEST(addresses_that_do_not_meet_are_fine)
{
	struct config *config = fixture_load(
		"service a { listen 127.0.0.1:80 127.0.0.2:80 [::1]:80 *:81 unix:/x; handler echo "
		"}\n"
		"service b { listen [::]:82 0.0.0.0:82 unix:/y systemd:a; handler echo }",
		&errors);

	expect_no_errors(config);
	config_unref(config);
}
END_TEST

START_TEST(only_root_changes_users)
{
	const char *path =
		write_file("test.conf", "service a { listen 127.0.0.1:7007; handler echo\n"
					"user root }");
	bool root = geteuid() == 0;
	struct config *config;

	ck_assert_int_eq(chmod(folder, 0755), 0);
	if (root)
		ck_assert_int_eq(seteuid(65534), 0);
	config = config_load(path, fixture_modules, &errors);
	if (root)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.total, 1);
	expect_error(0, "test.conf", 2, "user `root`: only root can change to it");
}
END_TEST

/* As a file in a package says who it is for, so it must do when that is who starts it. */
START_TEST(staying_who_we_are_needs_no_root)
{
	char text[128];
	bool root = geteuid() == 0;
	struct config *config;
	const char *path;

	snprintf(text, sizeof(text),
		 "service a { listen 127.0.0.1:7007; handler echo; user %u; group %u }",
		 root ? 65534 : geteuid(), getegid());
	path = write_file("test.conf", text);
	ck_assert_int_eq(chmod(folder, 0755), 0);
	if (root)
		ck_assert_int_eq(seteuid(65534), 0);
	config = config_load(path, fixture_modules, &errors);
	if (root)
		ck_assert_int_eq(seteuid(0), 0);
	expect_no_errors(config);
	ck_assert(!config->service[0]->ids.change);
	config_unref(config);
}
END_TEST

START_TEST(a_user_brings_the_groups_it_is_in)
{
	const struct passwd *user = getpwuid(geteuid());
	struct config *config;
	const struct conf_ids *ids;
	gid_t groups[256];
	int n = 256;
	char text[256];

	ck_assert_ptr_nonnull(user);
	ck_assert_int_gt(getgrouplist(user->pw_name, getegid(), groups, &n), 0);
	snprintf(text, sizeof(text),
		 "service a { listen 127.0.0.1:7007; handler echo; user %s; group %u }",
		 user->pw_name, getegid());
	config = load(text);
	expect_no_errors(config);
	ids = &config->service[0]->ids;
	ck_assert_uint_eq(ids->uid, geteuid());
	ck_assert_uint_eq(ids->gid, getegid());
	ck_assert_uint_eq(ids->groups, (size_t)n);
	ck_assert_mem_eq(ids->group, groups, (size_t)n * sizeof(groups[0]));
	config_unref(config);
}
END_TEST

START_TEST(the_modules_block_is_filled_for_the_worker)
{
	struct config *config =
		fixture_load("service a { listen *:1; handler full { count 8; names x } }\n"
			     "service b { listen *:2; handler echo }",
			     &errors);
	struct arena *arena = arena_new(4096);
	struct fixture_config *full;

	expect_no_errors(config);
	full = config_module_block(config->service[0], config->service[0]->module, arena, &errors);
	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(full->count, 8);
	ck_assert_uint_eq(full->names.n, 1);
	ck_assert_ptr_nonnull(config_module_block(config->service[1], config->service[1]->module,
						  arena, &errors));
	ck_assert_uint_eq(errors.total, 0);
	arena_free(arena);
	config_unref(config);
}
END_TEST

START_TEST(a_configuration_is_counted)
{
	struct config *config = fixture_load("service a { listen *:1; handler echo }", &errors);

	expect_no_errors(config);
	ck_assert_ptr_eq(config_ref(config), config);
	config_unref(config);
	ck_assert_str_eq(config->service[0]->name, "a");
	config_unref(config);
	config_unref(NULL);
}
END_TEST

START_TEST(a_relative_path_becomes_an_absolute_one)
{
	char before[PATH_MAX];
	struct config *config;

	write_file("test.conf", "service a { listen *:7001; handler web { root www } }");
	ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
	ck_assert_int_eq(chdir(folder), 0);
	config = config_load("./test.conf", fixture_modules, &errors);
	ck_assert_int_eq(chdir(before), 0);
	expect_no_errors(config);
	ck_assert_int_eq(config->path[0], '/');
	ck_assert_ptr_nonnull(strstr(config->path, "/test.conf"));
	config_unref(config);
}
END_TEST

/* ------------------------------------------------------------------------- the control socket ---- */

/* What is found in test.conf, below the test's folder unless `expected` is absolute; NULL: `error`. */
static void expect_control_path(const char *text, const char *expected, int error)
{
	char *path, full[PATH_MAX];

	write_file("test.conf", text);
	snprintf(full, sizeof(full), "%s/test.conf", folder);
	errno = 0;
	path = config_control_path(full);
	if (!expected) {
		ck_assert_msg(!path, "found %s in: %s", path, text);
		ck_assert_msg(errno == error, "%s: %s", strerror(errno), text);
		return;
	}
	ck_assert_msg(path, "%s: %s", strerror(errno), text);
	snprintf(full, sizeof(full), "%s%s%s", *expected == '/' ? "" : folder,
		 *expected == '/' ? "" : "/", expected);
	ck_assert_str_eq(path, full);
	free(path);
}

START_TEST(the_control_path_means_what_it_means_in_a_load)
{
	struct config *config = load("control { mode 600; path run/ours/ctl }\n"
				     "service a { listen *:7001; handler echo }");
	char *path;

	ck_assert_ptr_null(config); /* There is no folder run; the master makes ours. */
	make_folder("run");
	conf_errors_cleanup(&errors);
	config = load("control { mode 600; path run/ours/ctl }\n"
		      "service a { listen *:7001; handler echo }");
	expect_no_errors(config);
	path = config_control_path(config->path);
	ck_assert_ptr_nonnull(path);
	ck_assert_str_eq(path, config->control.path);
	free(path);
	config_unref(config);
}
END_TEST

START_TEST(the_control_path_is_found_in_a_broken_file)
{
	static const char *const around[][2] = {
		{ "", "" },
		{ "service a { listen nowhere:x; handler ecko; zebra 7 }\n", "" },
		{ "", "\nlog\nuser nobody-of-this-name" },
		{ "pidfile ${MU_TEST_NOT_SET}\n", "" },
		{ "log \"stderr\n", "" },
		{ "}\n", "" },
		{ "service a {\nlisten *:80\n", "\nservice b { listen *:81 }" },
		{ "service a { timeout {\n", "" },
		{ "service a { handler \"x }\n", "\n}" },
		{ "control { mode 600 }\n", "" },
		{ "include missing.conf\ninclude test.conf\n", "" },
		{ "", "\nservice a {" },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		snprintf(text, sizeof(text), "%scontrol { path /run/ctl; mode 9 }%s", around[i][0],
			 around[i][1]);
		expect_control_path(text, "/run/ctl", 0);
	}
	expect_control_path("service a {\ncontrol {\n path /run/ctl\n", "/run/ctl", 0);
}
END_TEST

START_TEST(the_control_path_may_be_in_another_file_or_a_variable)
{
	make_folder("conf.d");
	write_file("conf.d/control.conf", "control { path ctl }");
	write_file("conf.d/zebra.conf", "service {");
	expect_control_path("include conf.d/*.conf", "conf.d/ctl", 0);
	setenv("MU_TEST_FOLDER", "/run/here", 1);
	expect_control_path("control { path ${MU_TEST_FOLDER}/ctl }", "/run/here/ctl", 0);
	expect_control_path("control { path ${MU_TEST_NOT_SET:-/run/there}/ctl }", "/run/there/ctl",
			    0);
	unsetenv("MU_TEST_FOLDER");
}
END_TEST

START_TEST(no_control_path_says_why)
{
	expect_control_path("", NULL, ENOENT);
	expect_control_path("control { mode 600 }\nservice a { zebra 7 }", NULL, ENOENT);
	/* In a block that is whole it is something else's. */
	expect_control_path("service a { handler full { control { path /x } } }", NULL, ENOENT);
	expect_control_path("control { path ${MU_TEST_NOT_SET}/ctl }", NULL, EINVAL);
	expect_control_path("control { path }", NULL, EINVAL);
	expect_control_path("control { path '' }", NULL, EINVAL);
	expect_control_path("control { path /run/a /run/b }", NULL, EINVAL);
	expect_control_path("include missing.conf", NULL, EINVAL);
	ck_assert_ptr_null(config_control_path("/no/such/file.conf"));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(config_control_path(folder));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(the_control_path_of_a_relative_file_is_absolute)
{
	char before[PATH_MAX], here[PATH_MAX - 8], expected[PATH_MAX], *path;

	write_file("test.conf", "control { path ctl }");
	ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	path = config_control_path("test.conf");
	ck_assert_int_eq(chdir(before), 0);
	ck_assert_ptr_nonnull(path);
	snprintf(expected, sizeof(expected), "%s/ctl", here);
	ck_assert_str_eq(path, expected);
	free(path);
}
END_TEST

/* -------------------------------------------------------------------------------------- CPUs ---- */

START_TEST(a_quota_is_the_smallest_on_the_way_up)
{
	make_folder("proc");
	make_folder("proc/self");
	make_folder("sys");
	make_folder("sys/fs");
	make_folder("sys/fs/cgroup");
	ck_assert_int_eq(cpus_quota(folder), 0);
	write_file("proc/self/cgroup", "0::/a/b\n");
	ck_assert_int_eq(cpus_quota(folder), 0);
	make_folder("sys/fs/cgroup/a");
	make_folder("sys/fs/cgroup/a/b");
	write_file("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	ck_assert_int_eq(cpus_quota(folder), 0);
	write_file("sys/fs/cgroup/a/cpu.max", "250000 100000\n");
	ck_assert_int_eq(cpus_quota(folder), 3);
	write_file("sys/fs/cgroup/cpu.max", "50000 100000\n");
	ck_assert_int_eq(cpus_quota(folder), 1);
	/* Version 1, and a group that is not mounted here. */
	write_file("sys/fs/cgroup/cpu.max", "max 100000\n");
	write_file("proc/self/cgroup", "3:memory:/x\n2:cpu,cpuacct:/docker/1\n");
	make_folder("sys/fs/cgroup/cpu");
	write_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	write_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(cpus_quota(folder), 0);
	write_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n");
	ck_assert_int_eq(cpus_quota(folder), 4);
	ck_assert_int_ge(cpus_usable(), 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("config");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_bad_configuration_is_told_what_and_where, 0,
			    sizeof(bad_confs) / sizeof(bad_confs[0]));
	tcase_add_test(tcase, all_errors_come_at_once_sorted_up_to_twenty);
	tcase_add_test(tcase, errors_are_shown_with_their_line_and_a_caret);
	tcase_add_test(tcase, a_long_line_is_shown_around_the_error);
	tcase_add_test(tcase, outputs_are_listed_once_each_with_their_place);
	tcase_add_test(tcase, an_output_must_be_a_file_that_can_be_written);
	tcase_add_test(tcase, a_file_that_is_not_there_is_an_error);
	tcase_add_test(tcase, a_file_that_is_too_large_is_an_error);
	tcase_add_test(tcase, too_many_directives_are_an_error);
	tcase_add_test(tcase, words_have_a_largest_total);
	tcase_add_test(tcase, includes_are_sorted_and_relative_to_the_including_file);
	tcase_add_test(tcase, errors_in_included_files_have_their_own_place);
	tcase_add_test(tcase, a_loop_of_includes_is_noticed);
	tcase_add_test(tcase, includes_have_a_depth);
	tcase_add_test(tcase, a_broken_include_does_not_hide_other_errors);
	tcase_add_test(tcase, a_handler_says_how_many_connections_unless_the_service_does);
	tcase_add_test(tcase, a_small_service_has_sensible_defaults);
	tcase_add_test(tcase, everything_written_arrives);
	tcase_add_test(tcase, a_service_takes_over_the_user_but_a_group_only_with_it);
	tcase_add_test(tcase, a_pool_that_can_grow_has_spare_workers);
	tcase_add_test(tcase, addresses_that_do_not_meet_are_fine);
	tcase_add_test(tcase, only_root_changes_users);
	tcase_add_test(tcase, staying_who_we_are_needs_no_root);
	tcase_add_test(tcase, a_user_brings_the_groups_it_is_in);
	tcase_add_test(tcase, the_modules_block_is_filled_for_the_worker);
	tcase_add_test(tcase, a_configuration_is_counted);
	tcase_add_test(tcase, a_relative_path_becomes_an_absolute_one);
	tcase_add_test(tcase, the_control_path_means_what_it_means_in_a_load);
	tcase_add_test(tcase, the_control_path_is_found_in_a_broken_file);
	tcase_add_test(tcase, the_control_path_may_be_in_another_file_or_a_variable);
	tcase_add_test(tcase, no_control_path_says_why);
	tcase_add_test(tcase, the_control_path_of_a_relative_file_is_absolute);
	tcase_add_test(tcase, a_quota_is_the_smallest_on_the_way_up);
	return unit_main("config", tcase);
}
