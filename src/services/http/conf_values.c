/* SPDX-License-Identifier: MIT */
/* What cannot be meant by a directive of a website's block; see conf_check.h. */
#include "services/http/conf_check.h"

#include "services/access.h"
#include "services/http/octet.h"
#include "services/http/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Digits alone, within the range; else 0. */
static int number(const char *word, int min, int max)
{
	int value;

	if (strlen(word) != 3 || strspn(word, "0123456789") != 3)
		return 0;
	value = atoi(word);
	return value >= min && value <= max ? value : 0;
}

bool check_has_control(const char *text, const char *but)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' || *text == 0x7f) && !strchr(but, *text))
			return true;
	return false;
}

const char *check_request_path(const char *path)
{
	if (path[0] != '/')
		return "a path begins with /";
	if (strchr(path, '?'))
		return "a path has no query";
	if (strchr(path, '%'))
		return "a path is written decoded: %20 as a blank, in quotes";
	if (strchr(path, '*'))
		return "a * has no place here: /static/ holds for all below it, *.php for an "
		       "ending";
	if (strstr(path, "//"))
		return "it has an empty segment, which no request has left when it is looked up";
	if (strstr(path, "/../") || strstr(path, "/./") || strcmp(strrchr(path, '/'), "/..") == 0 ||
	    strcmp(strrchr(path, '/'), "/.") == 0)
		return "it has a dot segment, which no request has left when it is looked up";
	return check_has_control(path, "") ? "it has a control byte" : NULL;
}

/* ---------------------------------------------------------------------------- what is sent ---- */

static void check_root(struct check *check, const char *root)
{
	struct stat st;

	if (root && stat(root, &st) < 0)
		FAIL(check, "root", "cannot use %s: %s", root, strerror(errno));
	else if (root && !S_ISDIR(st.st_mode))
		FAIL(check, "root", "%s is not a folder", root);
}

static void check_index(struct check *check, const struct mu_words *index)
{
	for (size_t i = 0; i < index->n; i++)
		if (!*index->word[i] || strchr(index->word[i], '/'))
			FAIL_WORD(check, index->word[i], "\"%s\" is no file name", index->word[i]);
}

/* Of the configuration's choice: not those that are nothing without a header field of their own. */
static bool is_error(const char *word)
{
	int status = number(word, 400, 599);

	return status && status != 401 && status != 405 && status != 407 && status != 426;
}

static bool is_answerable(const char *word)
{
	return strcmp(word, "200") == 0 || strcmp(word, "204") == 0 || is_error(word);
}

static void check_try(struct check *check, const struct mu_words *try)
{
	for (size_t i = 0; i < try->n; i++) {
		const char *word = try->word[i], *wrong;

		if (word[0] == '=' && (i + 1 < try->n || !number(word + 1, 400, 599)))
			FAIL_WORD(check, word,
				  "`%s`: a status of 400 to 599 can be the last word: =404", word);
		else if (word[0] == '=' && !is_error(word + 1))
			FAIL_WORD(check, word,
				  "`%s` is no status that can be answered: =403, =404, =410, =503 "
				  "...",
				  word);
		else if (word[0] == '=' && i == 0)
			FAIL_WORD(check, word, "nothing is tried: write `answer %s`", word + 1);
		else if (word[0] != '=' && (wrong = template_check_path(word)))
			FAIL_WORD(check, word, "`%s` cannot be tried: %s", word, wrong);
	}
}

/* True: there is a line to be looked at. */
static bool check_once(struct check *check, const struct mu_lines *lines, const char *name)
{
	for (size_t i = 1; i < lines->n; i++)
		FAIL_WORD(check, lines->line[i].word[0], "`%s` is given twice in one block", name);
	return lines->n > 0;
}

static void check_redirect(struct check *check, const struct rules_conf *conf)
{
	const struct mu_words *redirect = conf->redirect.line;
	const char *status, *target, *wrong;

	if (!check_once(check, &conf->redirect, "redirect"))
		return;
	status = redirect->n > 1 ? redirect->word[0] : "302";
	target = redirect->word[redirect->n - 1];
	if (redirect->n == 1 && number(target, 100, 999))
		FAIL_WORD(check, target, "`redirect %s` lacks where to: redirect %s /TARGET",
			  target, target);
	else if (!number(status, 301, 303) && !number(status, 307, 308))
		FAIL_WORD(check, status, "`%s` is no status of a redirect: 301, 302, 303, 307, 308",
			  status);
	else if ((wrong = template_check_url(target)))
		FAIL_WORD(check, target, "`%s` is no target: %s", target, wrong);
	if (conf->try.n)
		FAIL_WORD(check, conf->try.word[0], "`try` looks for a file, `redirect` does not");
}

static void check_answer(struct check *check, const struct rules_conf *conf)
{
	const struct mu_words *answer = conf->answer.line;
	const char *status, *text;

	if (!check_once(check, &conf->answer, "answer"))
		return;
	status = answer->word[0];
	text = answer->n > 1 ? answer->word[1] : "";
	if (number(status, 300, 399))
		FAIL_WORD(check, status, "write `redirect %s TARGET`", status);
	else if (!is_answerable(status))
		FAIL_WORD(
			check, status,
			"`%s` is no status that can be answered: 200, 204, 403, 404, 410, 503 ...",
			status);
	else if (answer->n > 1 && strcmp(status, "204") == 0)
		FAIL_WORD(check, text, "204 is an answer without content");
	else if (check_has_control(text, "\t\n"))
		FAIL_WORD(check, text, "the text has a control byte");
	if (conf->redirect.n)
		FAIL_WORD(check, status, "`answer` and `redirect` exclude one another");
	if (conf->try.n)
		FAIL_WORD(check, conf->try.word[0], "`try` looks for a file, `answer` does not");
}

static void check_access(struct check *check, const struct mu_words *words)
{
	char error[ACCESS_ERROR_MAX];

	for (size_t i = 0; i < words->n; i++)
		if (!access_check(words->word[i], error))
			FAIL_WORD(check, words->word[i], "%s", error);
}

/* ------------------------------------------------------------------------------------ headers ---- */

/* Fields that say what is so, and are made where it is known. */
static const char *reserved_field(const char *name)
{
	static const struct {
		const char *name, *instead;
	} reserved[] = {
		{ "Accept-Ranges" },
		{ "Allow" },
		{ "Connection" },
		{ "Content-Encoding" },
		{ "Content-Length" },
		{ "Content-Range" },
		{ "Content-Type", "`mime-types` and `charset` say what is sent" },
		{ "Date" },
		{ "ETag" },
		{ "Expires", "write `expires TIME`" },
		{ "Host" },
		{ "Keep-Alive" },
		{ "Last-Modified" },
		{ "Location", "write `redirect`" },
		{ "Proxy-Connection" },
		{ "Server", "write `server-header no` to leave it out" },
		{ "TE" },
		{ "Trailer" },
		{ "Transfer-Encoding" },
		{ "Upgrade" },
		{ "WWW-Authenticate" },
		{ "X-Content-Type-Options", "write `nosniff`" },
	};

	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (strcasecmp(reserved[i].name, name) == 0)
			return reserved[i].instead ? reserved[i].instead
						   : "it is made with each response";
	return NULL;
}

static void check_header_name(struct check *check, const char *name)
{
	const char *end = name + strlen(name), *wrong = reserved_field(name);

	if (wrong)
		FAIL_WORD(check, name, "`%s` cannot be given as a header: %s", name, wrong);
	else if (end > name && end[-1] == ':')
		FAIL_WORD(check, name, "the name of a header is written without the colon");
	else if (!*name || octets_skip(name, end, OCTET_TOKEN) != end)
		FAIL_WORD(check, name,
			  "`%s` is no name of a header: letters, digits and - as in Cache-Control",
			  name);
}

static void check_headers(struct check *check, const struct mu_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		const char *const *word = lines->line[i].word;

		check_header_name(check, word[0]);
		if (check_has_control(word[1], "\t"))
			FAIL_WORD(check, word[1],
				  "the value of a header is one line, without control bytes");
		if (lines->line[i].n > 2 && strcmp(word[2], "always") != 0)
			FAIL_WORD(check, word[2],
				  "`always` (on errors too) can follow the value, not `%s`; "
				  "quote a value that has blanks",
				  word[2]);
	}
}

static void check_error_page(struct check *check, const struct mu_words *words)
{
	const char *page = words->word[words->n - 1], *wrong;

	for (size_t i = 0; i + 1 < words->n; i++)
		if (words->word[i][0] == '=')
			FAIL_WORD(check, words->word[i],
				  "`%s`: a page is sent with the status of the error; "
				  "`try \"{path}\" /page.html` is sent with 200",
				  words->word[i]);
		else if (!number(words->word[i], 400, 599))
			FAIL_WORD(check, words->word[i],
				  "`%s` is no status of an error: 400 to 599", words->word[i]);
	if (number(page, 100, 599))
		FAIL_WORD(check, page, "`error-page` lacks the page: error-page %s /%s.html", page,
			  page);
	else if (strstr(page, "://"))
		FAIL_WORD(check, page, "a page of this site is wanted, as /404.html");
	else if ((wrong = check_request_path(page)))
		FAIL_WORD(check, page, "`%s` is no page: %s", page, wrong);
}

/* ------------------------------------------------------------------------------- small values ---- */

bool expires_parse(const char *word, int64_t *seconds_r)
{
	static const struct {
		const char *unit;
		int64_t seconds, max;
	} units[] = { { "s", 1, 315360000 },
		      { "min", 60, 5256000 },
		      { "h", 3600, 87600 },
		      { "d", 86400, 3650 } };
	size_t digits = strspn(word, "0123456789");
	int64_t value;

	*seconds_r = EXPIRES_NONE;
	if (strcmp(word, "no") == 0 || strcmp(word, "off") == 0)
		return true;
	if (!digits || digits > 9)
		return false;
	value = atoll(word);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(word + digits, units[i].unit) == 0 && value <= units[i].max) {
			*seconds_r = value * units[i].seconds;
			return true;
		}
	if (word[digits] || value)
		return false;
	*seconds_r = 0;
	return true;
}

const char *charset_parse(const char *word)
{
	return strcmp(word, "no") == 0 || strcmp(word, "off") == 0 ? NULL : word;
}

static void check_small(struct check *check, const struct rules_conf *conf)
{
	const char *charset = conf->charset;
	int64_t seconds;

	if (conf->expires && !expires_parse(conf->expires, &seconds))
		FAIL_WORD(check, conf->expires,
			  "`expires` wants a time (10min, 12h, 365d, at most 3650d), 0 or no, "
			  "not `%s`",
			  conf->expires);
	if (charset && (!*charset || strlen(charset) > 40 ||
			*octets_skip(charset, charset + strlen(charset), OCTET_TOKEN)))
		FAIL_WORD(check, charset, "`%s` is no name of an encoding: utf-8, iso-8859-1, no",
			  charset);
}

void check_rules(struct check *check, const struct rules_conf *conf)
{
	check_root(check, conf->root);
	check_index(check, &conf->index);
	check_try(check, &conf->try);
	check_redirect(check, conf);
	check_answer(check, conf);
	check_access(check, &conf->allow);
	check_access(check, &conf->deny);
	check_headers(check, &conf->header);
	for (size_t i = 0; i < conf->error_page.n; i++)
		check_error_page(check, &conf->error_page.line[i]);
	check_small(check, conf);
}
