/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/script.h"

#include "services/http/scope.h"

#include "fake_conn.h"
#include "temp_folder.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static struct temp_folder folder;
static struct root root;
static struct settings settings;
static struct gateway_conf conf;
static struct gateway gateway;
static struct script_memo memo;
static struct layer layer;
static struct script script;
static struct mu_worker worker;
static struct mu_conn conn;

static const char *const index_words[] = { "index.html", "index.php" };
static const struct mu_words indexes = { 2, index_words };

static void setup(void)
{
	temp_folder_init(&folder);
	temp_mkdir(&folder, "www");
	temp_mkdir(&folder, "www/sub");
	temp_mkdir(&folder, "www/sub/empty");
	temp_mkdir(&folder, "www/folder.php");
	temp_write(&folder, "www/a.php", "");
	temp_write(&folder, "www/picture.jpg", "");
	temp_write(&folder, "www/sub/index.php", "");
	temp_write(&folder, "secret.php", "");
	ck_assert_int_eq(symlink("../secret.php", temp_path(&folder, "www/out.php")), 0);
	ck_assert_int_eq(symlink("a.php", temp_path(&folder, "www/link.php")), 0);
	ck_assert_int_eq(mkfifo(temp_path(&folder, "www/pipe.php"), 0644), 0);
	ck_assert_int_eq(root_open(&root, strdup(temp_path(&folder, "www")), false), 0);
	worker = (struct mu_worker){ 0 };
	fake_conn_init(&conn, &worker);
	conf = (struct gateway_conf){ .file = true };
	memo = (struct script_memo){ 0 };
	gateway = (struct gateway){ .kind = GATEWAY_FASTCGI,
				    .conf = &conf,
				    .memo = &memo,
				    .name = "app",
				    .split = ".php" };
	layer = (struct layer){
		.kind = LAYER_PREFIX, .text = "/cgi", .len = 4, .gateway = &gateway
	};
	settings = (struct settings){ .root = &root,
				      .index = &indexes,
				      .gateway = &gateway,
				      .layers = 1,
				      .layer = { &layer } };
}

static void teardown(void)
{
	fake_conn_cleanup(&conn);
	free((char *)(uintptr_t)root.path);
	root_close(&root);
	temp_folder_cleanup(&folder);
}

static int find(const char *path)
{
	return script_find(&script, &conn, &gateway, &settings, path, strlen(path));
}

/* "PATH|len|FILE", the file below the folder; or the status. */
static const char *found(const char *path)
{
	static char text[512];
	size_t len = strlen(folder.path);
	int status = find(path);

	if (status) {
		snprintf(text, sizeof text, "%d", status);
		return text;
	}
	if (script.file)
		ck_assert_int_eq(strncmp(script.file, folder.path, len), 0);
	snprintf(text, sizeof text, "%.*s|%zu|%s", (int)script.path_len, script.path, script.len,
		 script.file ? script.file + len : "");
	return text;
}

static const struct {
	const char *path, *found;
} rows[] = {
	{ "/a.php", "/a.php|6|/www/a.php" },
	{ "/a.php/", "/a.php/|6|/www/a.php" },
	{ "/a.php/b/c", "/a.php/b/c|6|/www/a.php" },
	{ "/a.php/b.php", "/a.php/b.php|6|/www/a.php" },
	{ "/link.php", "/link.php|9|/www/link.php" },
	{ "/sub/", "/sub/index.php|14|/www/sub/index.php" },
	{ "/sub/index.php/x", "/sub/index.php/x|14|/www/sub/index.php" },
	{ "/", "404" },
	{ "/sub", "404" },
	{ "/sub/empty/", "404" },
	{ "/none.php", "404" },
	{ "/none/a.php", "404" },
	{ "/picture.jpg", "404" },
	{ "/picture.jpg/x.php", "404" },
	{ "/folder.php", "404" },
	{ "/out.php", "403" },
	{ "/pipe.php", "403" },
};

START_TEST(scripts_of_fastcgi)
{
	ck_assert_str_eq(found(rows[_i].path), rows[_i].found);
}
END_TEST

START_TEST(without_split_the_whole_path_is_the_script)
{
	gateway.split = NULL;
	ck_assert_str_eq(found("/picture.jpg"), "/picture.jpg|12|/www/picture.jpg");
	ck_assert_str_eq(found("/a.php/b"), "404");
	ck_assert_str_eq(script.root, root.path);
}
END_TEST

START_TEST(a_prefix_that_is_no_part_of_the_name)
{
	settings.strip = "/app";
	settings.strip_len = 4;
	ck_assert_str_eq(found("/app/a.php/b"), "/app/a.php/b|10|/www/a.php");
	ck_assert_str_eq(found("/app/sub/"), "/app/sub/index.php|18|/www/sub/index.php");
}
END_TEST

START_TEST(a_link_that_leads_out_is_said)
{
	ck_assert_int_eq(find("/out.php"), 403);
	ck_assert_ptr_nonnull(strstr(worker.log, "/www/out.php is refused: it lies outside"));
}
END_TEST

START_TEST(a_script_is_looked_for_once_a_second)
{
	worker.time = 7;
	ck_assert_int_eq(find("/a.php"), 0);
	ck_assert_int_eq(unlink(temp_path(&folder, "www/a.php")), 0);
	ck_assert_str_eq(found("/a.php/x"), "/a.php/x|6|/www/a.php");
	ck_assert_int_eq(find("/sub/"), 0);
	ck_assert_int_eq(find("/a.php"), 404);
	ck_assert_int_eq(find("/sub/index.php"), 0);
	ck_assert_int_eq(unlink(temp_path(&folder, "www/sub/index.php")), 0);
	ck_assert_int_eq(find("/sub/index.php"), 0);
	worker.time = 8;
	ck_assert_int_eq(find("/sub/index.php"), 404);
}
END_TEST

START_TEST(a_root_that_became_another_has_other_scripts)
{
	temp_mkdir(&folder, "next");
	temp_write(&folder, "next/b.php", "");
	root_settle(&root);
	worker.time = 7;
	ck_assert_int_eq(find("/a.php"), 0);
	ck_assert_int_eq(find("/b.php"), 404);
	ck_assert_int_eq(rename(temp_path(&folder, "www"), temp_path(&folder, "old")), 0);
	ck_assert_int_eq(rename(temp_path(&folder, "next"), temp_path(&folder, "www")), 0);
	worker.time = 8;
	ck_assert_int_eq(find("/b.php"), 0);
	ck_assert_int_eq(find("/a.php"), 404);
}
END_TEST

START_TEST(without_file_nothing_is_looked_for)
{
	conf.file = false;
	ck_assert_str_eq(found("/none.php/b"), "/none.php/b|9|/www/none.php");
	ck_assert_str_eq(found("/picture.jpg"), "404");
	ck_assert_str_eq(found("/none/"), "/none/index.php|15|/www/none/index.php");
	gateway.split = NULL;
	ck_assert_str_eq(found("/none"), "/none|5|/www/none");
	ck_assert_str_eq(found("/none/"), "/none/|6|/www/none/");
	gateway.split = ".php";
	settings.root = NULL;
	ck_assert_str_eq(found("/none.php/b"), "/none.php/b|9|");
	ck_assert_ptr_null(script.root);
}
END_TEST

START_TEST(a_file_needs_a_root)
{
	settings.root = NULL;
	ck_assert_int_eq(find("/a.php"), 500);
	ck_assert_ptr_nonnull(strstr(worker.log, "no `root`"));
}
END_TEST

START_TEST(a_root_that_is_everything)
{
	struct root top = root;

	top.path = "/";
	settings.root = &top;
	conf.file = false;
	ck_assert_int_eq(find("/a.php"), 0);
	ck_assert_str_eq(script.file, "/a.php");
}
END_TEST

START_TEST(a_program_is_its_location)
{
	gateway.kind = GATEWAY_CGI;
	gateway.program = "/usr/bin/true";
	ck_assert_int_eq(find("/cgi/a/b"), 0);
	ck_assert_uint_eq(script.len, 4);
	ck_assert_str_eq(script.file, "/usr/bin/true");
	ck_assert_int_eq(find("/cgi"), 0);
	ck_assert_uint_eq(script.len, 4);
	layer.kind = LAYER_SUFFIX;
	ck_assert_int_eq(find("/x/y.cgi"), 0);
	ck_assert_uint_eq(script.len, 8);
	settings.layers = 0;
	ck_assert_int_eq(find("/x"), 0);
	ck_assert_uint_eq(script.len, 2);
}
END_TEST

START_TEST(an_application_is_told_where_it_is_mounted)
{
	gateway.kind = GATEWAY_UWSGI;
	ck_assert_str_eq(found("/app/x"), "/app/x|0|");
	settings.strip = "/app";
	settings.strip_len = 4;
	ck_assert_str_eq(found("/app/x"), "/app/x|4|");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_script");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, scripts_of_fastcgi, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tcase, without_split_the_whole_path_is_the_script);
	tcase_add_test(tcase, a_prefix_that_is_no_part_of_the_name);
	tcase_add_test(tcase, a_link_that_leads_out_is_said);
	tcase_add_test(tcase, a_script_is_looked_for_once_a_second);
	tcase_add_test(tcase, a_root_that_became_another_has_other_scripts);
	tcase_add_test(tcase, without_file_nothing_is_looked_for);
	tcase_add_test(tcase, a_file_needs_a_root);
	tcase_add_test(tcase, a_root_that_is_everything);
	tcase_add_test(tcase, a_program_is_its_location);
	tcase_add_test(tcase, an_application_is_told_where_it_is_mounted);
	return unit_main("gateway_script", tcase);
}
