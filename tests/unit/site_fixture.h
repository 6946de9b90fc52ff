/* SPDX-License-Identifier: MIT */
/*
 * The block of a website, written as an administrator writes it and read by the real reader, for the tests of
 * what becomes of it. The first line of the block is line 4 of the file.
 */
#ifndef TESTS_SITE_FIXTURE_H
#define TESTS_SITE_FIXTURE_H

#include "services/http/conf.h"

#include "conf_fixture.h"

enum { SITE_FIXTURE_LINE = 4 };

static const struct mu_module site_module = {
	.abi = MU_ABI,
	.name = "http",
	.directives = conf_directives,
	.config_size = sizeof(struct site_conf),
	.check = conf_check,
};

static const struct mu_module *const site_modules[] = { &site_module, NULL };

/* NULL with errors. */
static inline struct config *site_load(const char *block, struct conf_errors *errors)
{
	static const char frame[] =
		"service a {\nlisten 127.0.0.1:7007\nhandler http {\n%s\n}\n}\n";
	struct config *config;
	char *text;
	int len = asprintf(&text, frame, block);

	ck_assert_int_gt(len, 0);
	config = load_text(FIXTURE_NAME, text, (size_t)len, site_modules, &fixture_ops, errors);
	free(text);
	return config;
}

/* What the directives filled. */
static inline const struct site_conf *site_conf_of(struct config *config,
						   struct conf_errors *errors)
{
	const struct site_conf *conf = config_module_block(
		config->service[0], config->service[0]->module, config->arena, errors);

	ck_assert_ptr_nonnull(conf);
	return conf;
}

#endif
