/* SPDX-License-Identifier: MIT */
#include "config/capture.h"

#include "conf_fixture.h"
#include "exact_copy.h"
#include "unit.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static struct conf_errors errors;

static const char text[] =
	"user anna\nlog syslog notice\n"
	"service a { listen two.example:80 unix:/x systemd:s; handler full { inner { depth 5 } }\n"
	" socket { owner anna; group staff }; chroot /srv; workers auto }\n"
	"service b { listen *:81; handler echo; workers 1..3 }\n";

static void tear_down(void)
{
	conf_errors_cleanup(&errors);
}

static struct config *load(void)
{
	struct config *config = fixture_load(text, &errors);

	ck_assert_ptr_nonnull(config);
	return config;
}

static char *encode(const struct config *config, size_t *len_r)
{
	struct capture capture = { config->path, config->root, config->resolved };
	char *data = capture_encode(&capture, len_r);

	ck_assert_ptr_nonnull(data);
	return data;
}

/* The fixture's answers are for names that this machine does not know. */
START_TEST(a_restored_configuration_is_the_same_without_asking_anybody)
{
	struct config *config = load(), *restored;
	const struct service_conf *a;
	int fd = memfd_create("capture", MFD_CLOEXEC);
	char name[ADDRESS_TEXT_MAX];

	ck_assert_int_eq(config_capture(config, fd), 0);
	restored = config_restore(fd, fixture_modules, &errors);
	if (!restored)
		conf_errors_print(&errors, stderr);
	ck_assert_ptr_nonnull(restored);
	config_unref(config);
	close(fd);
	ck_assert_str_eq(restored->path, FIXTURE_NAME);
	ck_assert_int_eq(restored->log.kind, LOG_TO_SYSLOG);
	ck_assert_uint_eq(restored->services, 2);
	a = restored->service[0];
	ck_assert_str_eq(a->at.file, FIXTURE_NAME);
	ck_assert_int_eq(a->at.line, 3);
	ck_assert_uint_eq(a->listens, 3);
	ck_assert_uint_eq(a->listen[0].addresses, 2);
	ck_assert_str_eq(address_text(&a->listen[0].address[0], name), "192.0.2.1:80");
	ck_assert_str_eq(a->listen[2].systemd_name, "s");
	ck_assert_int_eq(a->workers_max, 6);
	ck_assert_uint_eq(a->ids.uid, 1001);
	ck_assert_uint_eq(a->ids.gid, 100);
	ck_assert_uint_eq(a->ids.groups, 2);
	ck_assert_uint_eq(a->ids.group[1], 27);
	ck_assert_uint_eq(a->socket_owner, 1001);
	ck_assert_uint_eq(a->socket_group, 50);
	ck_assert_ptr_eq(a->module, &fixture_full);
	ck_assert_str_eq(a->handler->child->child->word[1], "5");
	config_unref(restored);
}
END_TEST

START_TEST(a_restored_configuration_can_be_captured_again)
{
	struct config *config = load(), *restored;
	size_t len, again_len;
	char *data = encode(config, &len), *again;

	restored = load_capture(data, len, fixture_modules, &errors);
	ck_assert_ptr_nonnull(restored);
	again = encode(restored, &again_len);
	ck_assert_uint_eq(again_len, len);
	ck_assert_mem_eq(again, data, len);
	free(data);
	free(again);
	config_unref(config);
	config_unref(restored);
}
END_TEST

START_TEST(a_module_that_is_gone_is_an_error)
{
	const struct mu_module *const modules[] = { &fixture_echo, NULL };
	struct config *config = load();
	size_t len;
	char *data = encode(config, &len);

	ck_assert_ptr_null(load_capture(data, len, modules, &errors));
	ck_assert_ptr_nonnull(strstr(errors.error[0].message, "unknown handler `full`"));
	ck_assert_int_eq(errors.error[0].at.line, 3);
	free(data);
	config_unref(config);
}
END_TEST

START_TEST(a_block_that_its_module_does_not_know_any_more_is_an_error)
{
	const struct mu_module other = { .abi = MU_ABI,
					 .name = "full",
					 .directives = fixture_web_directives,
					 .config_size = sizeof(const char *) };
	const struct mu_module *const modules[] = { &other, &fixture_echo, NULL };
	struct config *config = load();
	size_t len;
	char *data = encode(config, &len);

	ck_assert_ptr_null(load_capture(data, len, modules, &errors));
	ck_assert_ptr_nonnull(strstr(errors.error[0].message, "`handler full` has no `root`"));
	ck_assert_ptr_nonnull(strstr(errors.error[1].message, "unknown directive `inner`"));
	free(data);
	config_unref(config);
}
END_TEST

static void must_fail(const char *data, size_t len)
{
	char *copy = exact_copy(data, len);

	ck_assert_ptr_null(load_capture(copy, len, fixture_modules, &errors));
	ck_assert_uint_gt(errors.total, 0);
	conf_errors_cleanup(&errors);
	free(copy);
}

START_TEST(a_truncated_capture_is_refused_wherever_it_ends)
{
	struct config *config = load();
	size_t len;
	char *data = encode(config, &len);

	for (size_t cut = 0; cut < len; cut++) {
		uint32_t total = (uint32_t)cut;

		must_fail(data, cut);
		/* The same with a length that fits. */
		if (cut >= 3 * sizeof(total)) {
			char *copy = malloc(cut);

			memcpy(copy, data, cut);
			memcpy(copy + 2 * sizeof(total), &total, sizeof(total));
			must_fail(copy, cut);
			free(copy);
		}
	}
	free(data);
	config_unref(config);
}
END_TEST

START_TEST(bytes_behind_the_end_are_refused)
{
	struct config *config = load();
	size_t len;
	char *data = encode(config, &len), *longer = calloc(1, len + 4);
	uint32_t total = (uint32_t)len + 4;

	memcpy(longer, data, len);
	must_fail(longer, len + 4);
	memcpy(longer + 2 * sizeof(total), &total, sizeof(total));
	must_fail(longer, len + 4);
	free(longer);
	free(data);
	config_unref(config);
}
END_TEST

/* Every aligned or unaligned word of it becomes something else: an error or a configuration, never harm. */
START_TEST(a_changed_capture_does_no_harm)
{
	static const uint32_t values[] = { 0,          1,          0x7fffffff, 0x80000000,
					   0xfffffffe, 0xffffffff, 1000 };
	struct config *config = load();
	size_t len, refused = 0, tried = 0;
	char *data = encode(config, &len);

	for (size_t at = 0; at + 4 <= len; at++)
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			char *copy = malloc(len);
			struct config *restored;

			memcpy(copy, data, len);
			memcpy(copy + at, &values[i], sizeof(values[i]));
			restored = load_capture(copy, len, fixture_modules, &errors);
			ck_assert((restored == NULL) == (errors.total > 0));
			tried++;
			refused += restored == NULL;
			config_unref(restored);
			conf_errors_cleanup(&errors);
			free(copy);
		}
	/* Only places and a few free texts can change without being noticed. */
	ck_assert_uint_gt(refused, tried / 2);
	free(data);
	config_unref(config);
}
END_TEST

START_TEST(another_version_is_named)
{
	struct config *config = load();
	size_t len;
	char *data = encode(config, &len);

	data[4] = 9;
	ck_assert_ptr_null(load_capture(data, len, fixture_modules, &errors));
	ck_assert_str_eq(errors.error[0].message,
			 "the captured configuration has version 9; this musterd reads 2");
	free(data);
	config_unref(config);
}
END_TEST

START_TEST(answers_that_belong_to_another_tree_are_refused)
{
	struct config *config = load();
	struct config *other = fixture_load("service b { listen *:81; handler echo }", &errors);
	struct capture mixed = { config->path, config->root, other->resolved };
	size_t len;
	char *data = capture_encode(&mixed, &len);

	ck_assert_ptr_null(load_capture(data, len, fixture_modules, &errors));
	ck_assert_ptr_nonnull(strstr(errors.error[0].message, "the captured answers do not fit"));
	free(data);
	config_unref(config);
	config_unref(other);
}
END_TEST

START_TEST(a_tree_that_is_too_deep_is_refused)
{
	struct conf_place at = { NULL, 1, 1 };
	const char *word = "x";
	struct conf_node nodes[64] = { { .words = 1 } };
	struct capture capture = { "/x", nodes, NULL };
	size_t len;
	char *data;

	for (int i = 0; i < 64; i++)
		nodes[i] = (struct conf_node){ .words = 1,
					       .word = &word,
					       .word_at = &at,
					       .has_block = true,
					       .child = i < 63 ? &nodes[i + 1] : NULL };
	data = capture_encode(&capture, &len);
	ck_assert_ptr_null(load_capture(data, len, fixture_modules, &errors));
	ck_assert_str_eq(errors.error[0].message, "the captured configuration is damaged");
	free(data);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_read_is_an_error)
{
	ck_assert_ptr_null(config_restore(-1, fixture_modules, &errors));
	ck_assert_ptr_nonnull(strstr(errors.error[0].message, "Bad file descriptor"));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("capture");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_test(tcase, a_restored_configuration_is_the_same_without_asking_anybody);
	tcase_add_test(tcase, a_restored_configuration_can_be_captured_again);
	tcase_add_test(tcase, a_module_that_is_gone_is_an_error);
	tcase_add_test(tcase, a_block_that_its_module_does_not_know_any_more_is_an_error);
	tcase_add_test(tcase, a_truncated_capture_is_refused_wherever_it_ends);
	tcase_add_test(tcase, bytes_behind_the_end_are_refused);
	tcase_add_test(tcase, a_changed_capture_does_no_harm);
	tcase_add_test(tcase, another_version_is_named);
	tcase_add_test(tcase, answers_that_belong_to_another_tree_are_refused);
	tcase_add_test(tcase, a_tree_that_is_too_deep_is_refused);
	tcase_add_test(tcase, a_descriptor_that_cannot_be_read_is_an_error);
	return unit_main("capture", tcase);
}
