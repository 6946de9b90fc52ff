/* SPDX-License-Identifier: MIT */
/*
 * What cannot be meant in the block of a website: each mistake is said at its place, with what to
 * write in its stead. See conf.h. What stands in a block is checked in conf_values.c.
 */
#include "services/http/conf_check.h"

#include "services/http/gateway/conf_check.h"
#include "services/http/host.h"
#include "services/http/rules.h"
#include "services/http/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A label, with what makes it equal to another. */
struct label {
	int kind; /* enum layer_kind */
	const char *text;
	size_t len, turn; /* the place in the file's order */
	const char *word;
};

static int compare_texts(const struct label *one, const struct label *other)
{
	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	if (one->len != other->len)
		return one->len < other->len ? -1 : 1;
	/* Hosts are the same in any case, paths are not. */
	if (one->kind == LAYER_BASE)
		return strncasecmp(one->text, other->text, one->len);
	return memcmp(one->text, other->text, one->len);
}

static int compare_labels(const void *a, const void *b)
{
	const struct label *one = a, *other = b;
	int order = compare_texts(one, other);

	if (order)
		return order;
	return one->turn < other->turn ? -1 : 1;
}

static void check_twice(struct check *check, struct label *label, size_t n, const char *what)
{
	qsort(label, n, sizeof *label, compare_labels);
	for (size_t i = 1; i < n; i++)
		if (compare_texts(&label[i - 1], &label[i]) == 0)
			FAIL_WORD(check, label[i].word, "%s `%s` is there already, as `%s`", what,
				  label[i].word, label[i - 1].word);
}

/* What nginx has and we do not. NULL: neither. */
static const char *check_foreign(const char *label)
{
	if (label[0] == '~')
		return "regular expressions are not known here";
	if (label[0] == '^')
		return "every location that matches holds, the longer prefix after the shorter";
	if (label[0] == '@')
		return "there are no named locations; see `try` and `error-page`";
	return NULL;
}

static void check_label(struct check *check, const char *label, enum layer_kind kind,
			const char *text)
{
	static const char forms[] = "/PREFIX, *SUFFIX or =/PATH";
	const char *wrong = check_foreign(label);

	if (!*label)
		FAIL(check, NULL, "a location needs a path: %s", forms);
	else if (wrong)
		FAIL_WORD(check, label, "location `%s`: %s; write %s", label, wrong, forms);
	else if ((kind == LAYER_PREFIX && label[0] != '/') || (kind == LAYER_EXACT && !*text))
		FAIL_WORD(check, label, "`%s` is no location: %s", label, forms);
	else if (kind == LAYER_SUFFIX &&
		 (!*text || strpbrk(text, "*?%") || check_has_control(text, "")))
		FAIL_WORD(check, label,
			  "`%s` is no suffix: one * and what paths end with, as in *.php", label);
	else if (kind != LAYER_SUFFIX && (wrong = check_request_path(text)))
		FAIL_WORD(check, label, "location `%s`: %s", label, wrong);
}

/* The first prefix that has a root of its own; NULL: there is none. */
static const char *other_root(const struct mu_blocks *locations)
{
	for (size_t i = 0; i < locations->n; i++) {
		const struct location_conf *conf = locations->item[i];

		if (conf->rules.root && locations->label[i][0] == '/')
			return locations->label[i];
	}
	return NULL;
}

/*
 * An ending holds after every prefix: what lies below the root of any of them, a folder that clients may write to
 * perhaps, would be run.
 */
static void check_script_root(struct check *check, const struct location_conf *conf,
			      const char *label, const char *other)
{
	const struct mu_blocks *block = &conf->gateway.kind[GATEWAY_FASTCGI];

	if (other && label[0] == '*' && block->n && !conf->rules.root &&
	    ((const struct gateway_conf *)block->item[0])->file)
		FAIL(check, NULL,
		     "`location %s` has no `root` of its own, and would run what lies below that "
		     "of `location %s` too: write the root that the scripts are in",
		     label, other);
}

static void check_locations(struct check *outer, const struct mu_blocks *locations,
			    const struct mu_blocks *upstreams)
{
	struct label *label = calloc(locations->n + 1, sizeof *label);
	const char *other = other_root(locations);

	if (!label) {
		FAIL(outer, NULL, "no memory for %zu locations", locations->n);
		return;
	}
	for (size_t i = 0; i < locations->n; i++) {
		const struct location_conf *conf = locations->item[i];
		struct check check = { .report = outer->report, .item = conf };
		enum layer_kind kind;

		label[i].word = locations->label[i];
		label[i].turn = i;
		kind = layer_parse(label[i].word, &label[i].text, &label[i].len);
		label[i].kind = (int)kind;
		check_label(&check, label[i].word, kind, label[i].text);
		check_rules(&check, &conf->rules);
		gateway_check(&check, &conf->gateway, &conf->rules, upstreams);
		check_script_root(&check, conf, label[i].word, other);
		if (conf->strip_prefix && kind != LAYER_PREFIX)
			FAIL(&check, "strip-prefix",
			     "`strip-prefix` is for a location that is a prefix, not for `%s`",
			     label[i].word);
		outer->failed = outer->failed || check.failed;
	}
	check_twice(outer, label, locations->n, "location");
	free(label);
}

static void check_name(struct check *check, struct label *label, const char *name, size_t turn)
{
	const char *wrong = host_check(name);

	*label = (struct label){
		.kind = LAYER_BASE, .text = name, .len = strlen(name), .turn = turn, .word = name
	};
	if (wrong && !*name)
		FAIL(check, NULL, "%s", wrong);
	else if (wrong)
		FAIL_WORD(check, name, "host `%s`: %s", name, wrong);
}

static void check_hosts(struct check *outer, const struct mu_blocks *hosts,
			const struct mu_blocks *upstreams)
{
	struct label *label;
	size_t n = 0;

	for (size_t i = 0; i < hosts->n; i++)
		n += 1 + ((const struct host_conf *)hosts->item[i])->alias.n;
	label = calloc(n + 1, sizeof *label);
	if (!label) {
		FAIL(outer, NULL, "no memory for %zu hosts", n);
		return;
	}
	n = 0;
	for (size_t i = 0; i < hosts->n; i++) {
		const struct host_conf *conf = hosts->item[i];
		struct check check = { .report = outer->report, .item = conf };

		check_name(&check, &label[n], hosts->label[i], n);
		n++;
		for (size_t j = 0; j < conf->alias.n; j++, n++)
			check_name(&check, &label[n], conf->alias.word[j], n);
		check_rules(&check, &conf->rules);
		check_locations(&check, &conf->location, upstreams);
		outer->failed = outer->failed || check.failed;
	}
	check_twice(outer, label, n, "host");
	free(label);
}

static bool does_something(const struct rules_conf *conf)
{
	return conf->root || conf->redirect.n || conf->answer.n;
}

static bool location_does_something(const struct location_conf *conf)
{
	return does_something(&conf->rules) || gateway_is_written(&conf->gateway);
}

/* Who asks for what is in no host and no location is to be told something. */
static void check_default(struct check *check, const struct site_conf *conf)
{
	bool answered = does_something(&conf->rules);

	for (size_t i = 0; i < conf->location.n; i++)
		if (strcmp(conf->location.label[i], "/") == 0 &&
		    location_does_something(conf->location.item[i]))
			answered = true;
	if (answered)
		return;
	if (conf->host.n)
		mu_error(check->report, NULL,
			 "`http` has no `root` of its own for requests that are for none of its "
			 "hosts: write a `root`, a `redirect` or `answer 404`");
	else
		mu_error(check->report, NULL,
			 "`http` has no `root`: the folder whose files are served");
	check->failed = true;
}

/* One that is named is meant; the usual one may be missing. */
static void check_mime_types(struct check *check, const char *path)
{
	struct stat st;

	if (strcmp(path, CONF_MIME_TYPES) != 0 && stat(path, &st) < 0)
		FAIL(check, "mime-types", "cannot use %s: %s", path, strerror(errno));
}

void conf_check(void *config, struct mu_report *report)
{
	const struct site_conf *conf = config;
	struct check check = { .report = report };
	const char *wrong = conf->health ? check_request_path(conf->health) : NULL;

	check_rules(&check, &conf->rules);
	check_mime_types(&check, conf->mime_types);
	if (wrong)
		FAIL_WORD(&check, conf->health, "\"%s\" is no path of a request: %s", conf->health,
			  wrong);
	gateway_check_upstreams(&check, &conf->upstream);
	check_locations(&check, &conf->location, &conf->upstream);
	check_hosts(&check, &conf->host, &conf->upstream);
	check_default(&check, conf);
	if (!check.failed)
		rules_check(conf, report);
}
