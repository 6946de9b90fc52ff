/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the configuration share: two small modules, one with a directive of every type, and a
 * resolver that knows a few made-up names and asks nobody. Used by the unit tests and the fuzz target.
 */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include "config/load.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------- modules ---- */

struct fixture_stop {
	int open;
	int64_t wait;
};

struct fixture_route {
	int64_t weight;
	const char *target;
	int fast;
	struct mu_lines sign;
	struct {
		int64_t width;
	} road;
	struct mu_blocks stop;
	const char *record;
};

struct fixture_config {
	bool flag;
	int64_t count, size, time;
	const char *word, *path;
	int color;
	struct mu_words names;
	struct {
		int64_t depth;
		const char *label;
	} inner;
	struct mu_blocks route;
	int often;
	struct mu_lines pair;
	const char *output;
};

static const struct mu_directive fixture_inner[] = {
	{ "depth", MU_INT, 0, "3", 1, 9, .help = "how deep" },
	{ "label", MU_STRING, sizeof(int64_t), .help = "what it is called" },
	{ NULL },
};

static const struct mu_directive fixture_stop[] = {
	{ "open", MU_SWITCH, offsetof(struct fixture_stop, open), .help = "yes or no" },
	{ "wait", MU_TIME, offsetof(struct fixture_stop, wait), "1min", .help = "how long" },
	{ NULL },
};

static const struct mu_directive fixture_road[] = {
	{ "width", MU_INT, 0, "2", 1, 9, .help = "in lanes" },
	{ NULL },
};

static const struct mu_directive fixture_route[] = {
	{ "fast", MU_SWITCH, offsetof(struct fixture_route, fast), .help = "yes or no" },
	{ "sign", MU_LINES, offsetof(struct fixture_route, sign), .help = "what it says" },
	{ "road", MU_BLOCK, offsetof(struct fixture_route, road), .block = fixture_road },
	{ "stop", MU_BLOCKS, offsetof(struct fixture_route, stop), .block = fixture_stop,
	  .block_size = sizeof(struct fixture_stop), .bare = true },
	{ "record", MU_OUTPUT, offsetof(struct fixture_route, record), .help = "a file" },
	{ "weight", MU_INT, offsetof(struct fixture_route, weight), "1", 1, 100,
	  .help = "its share" },
	{ "target", MU_STRING, offsetof(struct fixture_route, target), .required = true,
	  .help = "where it leads" },
	{ NULL },
};

static const struct mu_directive fixture_directives[] = {
	{ "flag", MU_BOOL, offsetof(struct fixture_config, flag), "yes", .help = "yes or no" },
	{ "count", MU_INT, offsetof(struct fixture_config, count), "4", 0, 100, .help = "even" },
	{ "size", MU_SIZE, offsetof(struct fixture_config, size), "64k", 1, INT64_C(1) << 40 },
	{ "time", MU_TIME, offsetof(struct fixture_config, time), "90s" },
	{ "word", MU_STRING, offsetof(struct fixture_config, word), "\"two words\"" },
	{ "path", MU_PATH, offsetof(struct fixture_config, path) },
	{ "color", MU_ENUM, offsetof(struct fixture_config, color), "green",
	  .words = "red|green|blue" },
	{ "names", MU_WORDS, offsetof(struct fixture_config, names), "a, b" },
	{ "inner", MU_BLOCK, offsetof(struct fixture_config, inner), .block = fixture_inner },
	{ "route", MU_BLOCKS, offsetof(struct fixture_config, route), .block = fixture_route,
	  .block_size = sizeof(struct fixture_route) },
	{ "often", MU_SWITCH, offsetof(struct fixture_config, often), .help = "yes or no" },
	{ "pair", MU_LINES, offsetof(struct fixture_config, pair), "x y", 2, 3,
	  .help = "two words and perhaps a third" },
	{ "output", MU_OUTPUT, offsetof(struct fixture_config, output), .help = "a file" },
	{ NULL },
};

static void fixture_check_route(const struct fixture_route *route, struct mu_report *report)
{
	for (size_t i = 0; i < route->stop.n; i++) {
		const struct fixture_stop *stop = route->stop.item[i];

		if (stop->wait == 13)
			mu_error_at(report, stop, "wait", "an unlucky wait");
		if (stop->wait == 14)
			mu_error_at(report, stop, NULL, "a stop to pass by");
		if (stop->wait == 15)
			mu_error_at(report, stop, "open", "a stop to wait at");
	}
	if (route->road.width == 9)
		mu_error_at(report, route, "width", "too wide");
	if (route->weight == 13)
		mu_error_at(report, route, "wait", "the route does not say");
	for (size_t i = 0; i < route->sign.n; i++)
		for (size_t j = 0; j < route->sign.line[i].n; j++)
			if (strcmp(route->sign.line[i].word[j], "halt") == 0)
				mu_error_word(report, route->sign.line[i].word[j], "go on");
}

static void fixture_check(void *config, struct mu_report *report)
{
	struct fixture_config *full = config;

	for (size_t i = 0; i < full->route.n; i++) {
		fixture_check_route(full->route.item[i], report);
		if (strcmp(full->route.label[i], "away") == 0)
			mu_error_word(report, full->route.label[i], "stay here");
	}
	if (full->size == 14)
		mu_error_word(report, full->word, "not this word");
	if (full->count % 2)
		mu_error(report, "count", "the count %d is odd", (int)full->count);
	if (full->color == 0 && full->inner.depth == 9)
		mu_error(report, "depth", "red is never 9 deep");
	if (full->size == 13)
		mu_error(report, NULL, "an unlucky configuration");
}

static const struct mu_directive fixture_web_directives[] = {
	{ "root", MU_PATH, 0, .required = true, .help = "the folder that is served" },
	{ NULL },
};

static const struct mu_module fixture_full = {
	.abi = MU_ABI,
	.name = "full",
	.directives = fixture_directives,
	.config_size = sizeof(struct fixture_config),
	.check = fixture_check,
};

static const struct mu_module fixture_web = {
	.abi = MU_ABI,
	.name = "web",
	.directives = fixture_web_directives,
	.config_size = sizeof(const char *),
	.connections = 40,
};

static const struct mu_directive fixture_run_directives[] = {
	{ "run", MU_COMMAND, 0, .required = true, .help = "a program" },
	{ NULL },
};

static void fixture_run_check(void *config, struct mu_report *report)
{
	(void)config;
	if (mu_chroot(report) && strcmp(mu_chroot(report), "/forbidden") == 0)
		mu_error(report, "run", "not below %s", mu_chroot(report));
}

static const struct mu_module fixture_run = {
	.abi = MU_ABI,
	.name = "run",
	.directives = fixture_run_directives,
	.config_size = sizeof(struct mu_words),
	.check = fixture_run_check,
};

static const struct mu_module fixture_echo = { .abi = MU_ABI, .name = "echo" };

static const struct mu_module fixture_tender = { .abi = MU_ABI,
						 .name = "tender",
						 .flags = MU_TENDS };

static const struct mu_module *const fixture_modules[] = { &fixture_full,   &fixture_web,
							   &fixture_echo,   &fixture_run,
							   &fixture_tender, NULL };

/* ---------------------------------------------------------------------------------- resolver ---- */

static int fixture_fail(char *reason_r, const char *reason)
{
	snprintf(reason_r, RESOLVER_REASON_MAX, "%s", reason);
	return -1;
}

/* "two.example" has two addresses; other names have none; port names are unknown. */
static int fixture_listen(const struct listen_name *name, struct address *address_r, size_t max,
			  const char **reason_r)
{
	char text[ADDRESS_TEXT_MAX];

	*reason_r = "the name is not known";
	if (max < 2)
		return -1;
	if (name->kind == LISTEN_UNIX)
		snprintf(text, sizeof(text), "unix:%s", name->path);
	else if (!name->host)
		snprintf(text, sizeof(text), "*:%s", name->port);
	else if (strcmp(name->host, "two.example") == 0)
		snprintf(text, sizeof(text), "192.0.2.1:%s", name->port);
	else
		snprintf(text, sizeof(text), strchr(name->host, ':') ? "[%s]:%s" : "%s:%s",
			 name->host, name->port);
	if (address_parse(&address_r[0], text) < 0)
		return -1;
	if (!name->host || strcmp(name->host, "two.example") != 0)
		return 1;
	snprintf(text, sizeof(text), "[2001:db8::1]:%s", name->port);
	return address_parse(&address_r[1], text) < 0 ? -1 : 2;
}

static int fixture_owner(const char *user, uid_t *uid_r, char *reason_r)
{
	if (strcmp(user, "anna") != 0)
		return fixture_fail(reason_r, "there is no such user");
	*uid_r = 1001;
	return 0;
}

static int fixture_group(const char *group, gid_t *gid_r, char *reason_r)
{
	if (strcmp(group, "staff") != 0)
		return fixture_fail(reason_r, "there is no such group");
	*gid_r = 50;
	return 0;
}

static int fixture_ids(const char *user, const char *group, struct conf_ids *ids_r, gid_t **group_r,
		       char *reason_r)
{
	if (group && fixture_group(group, &ids_r->gid, reason_r) < 0)
		return -2;
	if (user && fixture_owner(user, &ids_r->uid, reason_r) < 0)
		return -1;
	if (!group)
		ids_r->gid = 100;
	*group_r = calloc(2, sizeof(**group_r));
	if (!*group_r)
		return fixture_fail(reason_r, "out of memory");
	(*group_r)[0] = ids_r->gid;
	(*group_r)[1] = 27;
	ids_r->groups = 2;
	ids_r->change = true;
	return 0;
}

static int fixture_cpus(void)
{
	return 6;
}

/* Whatever lies in /missing is. */
static int fixture_file(enum resolver_file what, const char *path, char *reason_r)
{
	(void)what;
	if (strncmp(path, "/missing", 8) == 0)
		return fixture_fail(reason_r, "No such file or directory");
	return 0;
}

/* What the files in a module's block are; "" makes them folders. A test may change it between two loads. */
static const char *fixture_identity = "1";

static void fixture_identify(const char *path, char *identity_r)
{
	(void)path;
	snprintf(identity_r, RESOLVER_IDENTITY_MAX, "%s", fixture_identity);
}

/* In the folder of modules lie full, web and echo, as they are built in. */
static const struct mu_module *fixture_module(const char *asked, char *path_r, char *reason_r)
{
	snprintf(path_r, PATH_MAX, "%s%s.so", asked[0] == '/' ? "" : "/modules/", asked);
	for (const struct mu_module *const *module = fixture_modules; *module; module++)
		if (strcmp((*module)->name, asked) == 0)
			return *module;
	fixture_fail(reason_r, "there is no such file");
	return NULL;
}

static const struct resolver_ops fixture_ops = {
	.listen = fixture_listen,
	.ids = fixture_ids,
	.owner = fixture_owner,
	.group = fixture_group,
	.cpus = fixture_cpus,
	.file = fixture_file,
	.identity = fixture_identify,
	.module = fixture_module,
};

/* The file's name in the tests: relative paths are taken from /conf. */
#define FIXTURE_NAME "/conf/test.conf"

static inline struct config *fixture_load(const char *text, struct conf_errors *errors)
{
	return load_text(FIXTURE_NAME, text, strlen(text), fixture_modules, &fixture_ops, errors);
}

#endif
