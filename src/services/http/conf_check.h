/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of the check of a configuration share: conf_check.c blocks, conf_values.c
 * what is in them.
 */
#ifndef SERVICES_HTTP_CONF_CHECK_H
#define SERVICES_HTTP_CONF_CHECK_H

#include "services/http/conf.h"

/* Where the directives being checked stand. */
struct check {
	struct mu_report *report;
	const void *item; /* of the host or location; NULL: the handler's own block */
	bool failed;
};

#define FAIL_WORD(check, word, ...) \
	((check)->failed = true, mu_error_word((check)->report, word, __VA_ARGS__))

#define FAIL(check, directive, ...)                                                          \
	((check)->failed = true,                                                             \
	 (check)->item ? mu_error_at((check)->report, (check)->item, directive, __VA_ARGS__) \
		       : mu_error((check)->report, directive, __VA_ARGS__))

/* The directives of one block. */
void check_rules(struct check *check, const struct rules_conf *conf);
/*
 * What is wrong with a path of a request as it is compared, decoded and without query; NULL:
 * nothing.
 */
const char *check_request_path(const char *path);
/* A control byte, other than those in `but`. */
bool check_has_control(const char *text, const char *but);

#endif
