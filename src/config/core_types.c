/* SPDX-License-Identifier: MIT */
/* The types that are the core's alone, see enum conf_type. Those of modules too are in types.c. */
#include "config/schema.h"

#include "config/lexer.h"
#include "config/parser.h"
#include "config/suggest.h"
#include "config/value.h"

#include <string.h>

/* ------------------------------------------------------------------------ words and numbers ---- */

static void parse_placed(const struct schema *schema, const struct mu_directive *directive,
			 const struct conf_node *node, void *field)
{
	struct conf_words *words = field;
	size_t more = node->words - 1;
	const char **word;
	struct conf_place *at;

	(void)directive;
	if (more == 0) {
		conf_error(schema->context, &node->at, "`%s` needs an address: *:8080, unix:/path",
			   node->word[0]);
		return;
	}
	word = schema_grow(schema, words->word, words->n, more, sizeof(*word));
	at = schema_grow(schema, words->at, words->n, more, sizeof(*at));
	if (!word || !at)
		return;
	memcpy(word + words->n, node->word + 1, more * sizeof(*word));
	memcpy(at + words->n, node->word_at + 1, more * sizeof(*at));
	*words = (struct conf_words){ words->n + more, word, at };
}

static void print_placed(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct conf_words *placed = field;
	struct mu_words words = { placed->n, placed->word };

	schema_type(MU_WORDS)->print(directive, &words, out);
}

static void parse_mode(const struct schema *schema, const struct mu_directive *directive,
		       const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "octal permissions: 0660");
	const char *wrong = word ? value_mode(word, field) : NULL;

	(void)directive;
	if (wrong)
		schema_fail_value(schema, node, wrong);
}

static void print_mode(const struct mu_directive *directive, const void *field, FILE *out)
{
	(void)directive;
	fprintf(out, "%04llo", (unsigned long long)*(const int64_t *)field);
}

static void parse_limit(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "a size, or inherit");

	if (word && strcmp(word, "inherit") == 0)
		*(int64_t *)field = CONF_INHERIT;
	else if (word && strcmp(word, "unlimited") == 0 && directive->max == 0)
		*(int64_t *)field = CONF_UNLIMITED;
	else if (word)
		schema_type(MU_SIZE)->parse(schema, directive, node, field);
}

static void print_limit(const struct mu_directive *directive, const void *field, FILE *out)
{
	int64_t value = *(const int64_t *)field;

	if (value == CONF_INHERIT)
		fputs("inherit", out);
	else if (value == CONF_UNLIMITED)
		fputs("unlimited", out);
	else
		schema_type(MU_SIZE)->print(directive, field, out);
}

static void parse_range(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, void *field)
{
	const char *word = schema_word(schema, node, "a range: 1..4"), *wrong;
	struct conf_range range = { .given = true };

	if (!word)
		return;
	wrong = value_range(word, &range.min, &range.max);
	if (wrong)
		schema_fail_value(schema, node, wrong);
	else if (schema_in_range(schema, directive, node, range.min, value_int_text) &&
		 schema_in_range(schema, directive, node, range.max, value_int_text))
		*(struct conf_range *)field = range;
}

static void fail_nobody(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node)
{
	conf_error(schema->context, &node->word_at[1],
		   "`%s %s` would serve nobody; `%s 0..N` starts them on demand", directive->name,
		   node->word[1], directive->name);
}

static void parse_count(const struct schema *schema, const struct mu_directive *directive,
			const struct conf_node *node, void *field)
{
	static const char wanted[] = "a number, a range as 2..16, or auto";
	const char *word = schema_word(schema, node, wanted);
	struct conf_range *range = field;
	int64_t value;

	if (!word)
		return;
	if (strcmp(word, "auto") == 0) {
		*range = (struct conf_range){ .automatic = true, .given = true };
	} else if (strstr(word, "..")) {
		parse_range(schema, directive, node, field);
		if (range->given && !range->automatic && range->max == 0)
			fail_nobody(schema, directive, node);
	} else if (value_int(word, &value)) {
		schema_fail_value(schema, node, wanted);
	} else if (value == 0) {
		fail_nobody(schema, directive, node);
	} else if (schema_in_range(schema, directive, node, value, value_int_text)) {
		*range = (struct conf_range){ .min = value, .max = value, .given = true };
	}
}

static void print_range(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct conf_range *range = field;

	if (range->automatic)
		fputs("auto", out);
	else if (range->min == range->max && (int)directive->type == CONF_COUNT)
		fprintf(out, "%lld", (long long)range->min);
	else
		fprintf(out, "%lld..%lld", (long long)range->min, (long long)range->max);
}

static bool is_range_unset(const struct mu_directive *directive, const void *field)
{
	(void)directive;
	return !((const struct conf_range *)field)->given;
}

static void note_count(const void *field, FILE *out)
{
	const struct conf_range *range = field;

	if (range->automatic)
		fprintf(out, ", here %lld", (long long)range->max);
}

/* ---------------------------------------------------------------------------------- the log ---- */

static const struct {
	const char *name;
	int value;
} facilities[] = {
	{ "daemon", LOG_DAEMON }, { "user", LOG_USER },     { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 }, { "auth", LOG_AUTH },     { "cron", LOG_CRON },
	{ "mail", LOG_MAIL },     { "news", LOG_NEWS },     { "ftp", LOG_FTP },
};

enum { FACILITIES = sizeof(facilities) / sizeof(facilities[0]) };

static bool parse_facility(const char *name, struct log_target *log)
{
	log->kind = LOG_TO_SYSLOG;
	for (int i = 0; i < FACILITIES; i++)
		if (strcmp(facilities[i].name, name) == 0) {
			log->facility = facilities[i].value;
			return true;
		}
	return false;
}

static bool parse_log_target(const struct schema *schema, const struct conf_node *node,
			     struct log_target *log)
{
	const char *word = node->word[1];

	if (strcmp(word, "stderr") == 0) {
		log->kind = LOG_TO_STDERR;
	} else if (strcmp(word, "syslog") == 0) {
		parse_facility("daemon", log);
	} else if (strncmp(word, "syslog:", 7) == 0) {
		if (!parse_facility(word + 7, log)) {
			conf_error(schema->context, &node->word_at[1],
				   "unknown syslog facility `%s`: daemon, user, local0 to local7, "
				   "auth, cron, mail, news, ftp",
				   word + 7);
			return false;
		}
	} else if (!strpbrk(word, "/.")) {
		/* A misspelt target, a level alone, stdout: not what somebody calls a log file. */
		schema_fail_value(
			schema, node,
			"stderr, syslog, syslog:FACILITY or a file, in this folder ./NAME");
		return false;
	} else {
		log->kind = LOG_TO_FILE;
		log->path = conf_path(schema->context, &node->word_at[1], word);
	}
	return true;
}

static const char *const levels[] = { [LOG_ERR] = "error",
				      [LOG_WARNING] = "warning",
				      [LOG_NOTICE] = "notice",
				      [LOG_INFO] = "info",
				      [LOG_DEBUG] = "debug" };

static int parse_level(const char *word)
{
	for (int level = LOG_ERR; level <= LOG_DEBUG; level++)
		if (strcmp(word, levels[level]) == 0)
			return level;
	if (strcmp(word, "err") == 0)
		return LOG_ERR;
	return strcmp(word, "warn") == 0 ? LOG_WARNING : -1;
}

static void parse_log(const struct schema *schema, const struct mu_directive *directive,
		      const struct conf_node *node, void *field)
{
	struct log_target log = { .level = LOG_INFO };

	(void)directive;
	if (node->words < 2) {
		conf_error(schema->context, &node->at,
			   "`log` needs a target: stderr, syslog, syslog:FACILITY or a file");
	} else if (node->words > 3) {
		conf_error(schema->context, &node->word_at[3],
			   "`log` takes a target and a level, nothing more");
	} else if (parse_log_target(schema, node, &log)) {
		if (node->words == 3)
			log.level = parse_level(node->word[2]);
		if (log.level < 0)
			conf_error(schema->context, &node->word_at[2],
				   "unknown level `%s`: error, warning, notice, info, debug",
				   node->word[2]);
		else
			*(struct log_target *)field = log;
	}
}

static void print_log(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct log_target *log = field;
	int i = 0;

	(void)directive;
	if (log->kind == LOG_TO_SYSLOG) {
		while (i < FACILITIES - 1 && facilities[i].value != log->facility)
			i++;
		fprintf(out, "syslog:%s", facilities[i].name);
	} else if (log->kind == LOG_TO_FILE) {
		lexer_quote(log->path, out);
	} else {
		fputs("stderr", out);
	}
	fprintf(out, " %s", levels[log->level]);
}

/* ------------------------------------------------------------------------------ the handler ---- */

/* Loading is for whoever may do that: check.c. */
static void parse_object(const struct schema *schema, const struct conf_node *node,
			 struct conf_handler *handler)
{
	const char *asked = node->words > 2 ? node->word[2] : "";

	if (node->words > 3)
		conf_error(schema->context, &node->word_at[3],
			   "`handler module` takes one name; quote a path that has blanks");
	else if (!*asked)
		conf_error(schema->context, &node->at,
			   "`handler module` needs the name of a module, or the path of its file");
	else if (!strchr(asked, '/'))
		*handler = (struct conf_handler){ NULL, node, asked };
	else if (strncmp(asked, "./", 2) == 0 && asked[2])
		*handler = (struct conf_handler){
			NULL, node, conf_path(schema->context, &node->word_at[2], asked + 2)
		};
	else
		*handler = (struct conf_handler){
			NULL, node, conf_path(schema->context, &node->word_at[2], asked)
		};
}

static void parse_handler(const struct schema *schema, const struct mu_directive *directive,
			  const struct conf_node *node, void *field)
{
	const struct mu_module *const *module = schema->modules;
	const char *name;

	(void)directive;
	if (node->words > 1 && strcmp(node->word[1], "module") == 0) {
		parse_object(schema, node, field);
		return;
	}
	if (node->words < 2) {
		conf_error(schema->context, &node->at, "`handler` needs the name of a handler");
		return;
	}
	name = node->word[1];
	while (*module && strcmp((*module)->name, name) != 0)
		module++;
	if (!*module) {
		suggest_handler(schema, node);
		return;
	}
	if (!(*module)->directives && (node->words > 2 || node->child))
		conf_error(schema->context, node->words > 2 ? &node->word_at[2] : &node->child->at,
			   "the handler `%s` has no directives of its own", name);
	else if (node->words > 2)
		conf_error(schema->context, &node->word_at[2],
			   "what `handler %s` is told stands in its block: handler %s { ... }",
			   name, name);
	else
		*(struct conf_handler *)field = (struct conf_handler){ *module, node, NULL };
}

static void print_handler(const struct mu_directive *directive, const void *field, FILE *out)
{
	const struct conf_handler *handler = field;

	(void)directive;
	if (!handler->asked) {
		fputs(handler->module->name, out);
		return;
	}
	fputs("module ", out);
	lexer_quote(handler->asked, out);
}

static bool is_handler_unset(const struct mu_directive *directive, const void *field)
{
	(void)directive;
	return !((const struct conf_handler *)field)->module;
}

const struct schema_type *schema_core_type(int type)
{
	static const struct schema_type types[CONF_TYPES_END] = {
		[CONF_ITEMS] = { .value = "NAME { ... }", .has_block = true, .repeats = true },
		[CONF_PLACED] = { parse_placed, print_placed, .value = "WORD ...",
				  .repeats = true },
		[CONF_MODE] = { parse_mode, print_mode, .value = "OCTAL" },
		[CONF_LIMIT] = { parse_limit, print_limit, .value = "SIZE|unlimited|inherit" },
		[CONF_RANGE] = { parse_range, print_range, is_range_unset, .value = "N..M" },
		[CONF_COUNT] = { parse_count, print_range, is_range_unset, note_count,
				 .value = "N|N..M|auto" },
		[CONF_LOG] = { parse_log, print_log, .value = "TARGET [LEVEL]" },
		[CONF_HANDLER] = { parse_handler, print_handler, is_handler_unset,
				   .value = "NAME { ... }", .has_block = true },
	};

	return type >= CONF_ITEMS && type < CONF_TYPES_END ? &types[type] : NULL;
}
