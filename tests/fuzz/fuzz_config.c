/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the configuration: the input is a configuration's text, and then a capture. Nothing is
 * asked of the system. What loads must survive capture and print: the capture of what was restored is
 * the same capture, and what is printed loads and prints the same again. Between a configuration and itself,
 * or what is made of it, nothing changes.
 */
#include "config/capture.h"
#include "config/diff.h"
#include "conf_fixture.h"
#include "fuzz.h"

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	config_print(config, out);
	if (fclose(out) != 0)
		abort();
	return text;
}

static char *encode(const struct config *config, size_t *len_r)
{
	struct capture capture = { config->path, config->root, config->resolved };
	char *bytes = capture_encode(&capture, len_r);

	if (!bytes)
		abort();
	return bytes;
}

static void must_be_same(const struct config *old, const struct config *new)
{
	struct plan *plan = plan_new(old, new);
	char *text = plan ? plan_text(plan, false) : NULL;

	if (!text || strcmp(text, "nothing changes\n") != 0) {
		fprintf(stderr, "%s", text ? text : "no plan\n");
		abort();
	}
	free(text);
	plan_free(plan);
}

/* From nothing, or to another one: whatever it says, it must come to an end. */
static void must_plan(const struct config *config)
{
	static const char other_text[] = "service other { listen *:1; handler full }";
	struct conf_errors errors = { .total = 0 };
	struct config *other = fixture_load(other_text, &errors);
	struct plan *plan = plan_new(NULL, config), *away = plan_new(config, other);

	if (!plan || plan->nothing || !away || away->nothing)
		abort();
	free(plan_text(plan, true));
	free(plan_text(away, false));
	plan_free(plan);
	plan_free(away);
	config_unref(other);
}

static void must_restore(const struct config *config)
{
	struct conf_errors errors = { .total = 0 };
	size_t len, again_len;
	char *bytes = encode(config, &len), *again;
	struct config *restored = load_capture(bytes, len, fixture_modules, &errors);

	if (!restored)
		abort();
	again = encode(restored, &again_len);
	if (again_len != len || memcmp(bytes, again, len) != 0)
		abort();
	must_be_same(config, restored);
	free(again);
	free(bytes);
	config_unref(restored);
}

/* Twice, because the places in the comments are those of the printed text from the second time on. */
static void must_print(const struct config *config)
{
	struct conf_errors errors = { .total = 0 };
	char *first = print(config), *second, *third;
	struct config *again = fixture_load(first, &errors);

	if (!again) {
		conf_errors_print(&errors, stderr);
		abort();
	}
	second = print(again);
	must_be_same(config, again);
	config_unref(again);
	again = fixture_load(second, &errors);
	if (!again)
		abort();
	third = print(again);
	config_unref(again);
	if (strcmp(second, third) != 0)
		abort();
	free(first);
	free(second);
	free(third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = { .total = 0 };
	struct config *config = load_text(FIXTURE_NAME, (const char *)data, size, fixture_modules,
					  &fixture_ops, &errors);
	FILE *null;

	if (!config == (errors.total == 0))
		abort();
	if (config) {
		must_be_same(config, config);
		must_plan(config);
		must_restore(config);
		must_print(config);
		config_unref(config);
	}
	null = fmemopen(NULL, 1 << 16, "w");
	if (null) {
		conf_errors_print(&errors, null);
		fclose(null);
	}
	conf_errors_cleanup(&errors);

	config = load_capture(data, size, fixture_modules, &errors);
	if (!config == (errors.total == 0))
		abort();
	if (config)
		must_be_same(config, config);
	config_unref(config);
	conf_errors_cleanup(&errors);
	return 0;
}
