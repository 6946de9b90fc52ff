/* SPDX-License-Identifier: MIT */
/* Requests of the control socket, as control_request.h says. */
#include "master/control_request.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <string.h>

static const struct {
	const char *name;
	const char *arguments; /* "": none */
	const char *help;
	bool query;
} known[REQUEST_KINDS] = {
	[REQUEST_STATUS] = { "status", "", "what runs, in lines of keys and values", true },
	[REQUEST_PLAN] = { "plan", "", "what a reload would change", false },
	[REQUEST_HELP] = { "help", "", "this", true },
	[REQUEST_RELOAD] = { "reload", "", "take the changed configuration over", false },
	[REQUEST_UPGRADE] = { "upgrade", "", "become the installed program, in place", false },
	[REQUEST_STOP] = { "stop", "", "finish what is in flight, and end", false },
	[REQUEST_REOPEN] = { "reopen", "", "open the log files anew", false },
	[REQUEST_WORKERS] = { "workers", " SERVICE +N|-N|N", "more, fewer or so many workers",
			      false },
	[REQUEST_PAUSE] = { "pause", " SERVICE", "accept no connections for now", false },
	[REQUEST_RESUME] = { "resume", " SERVICE", "accept connections again", false },
};

enum { WORDS_MAX = 4 };

const char *control_request_name(enum control_request_kind kind)
{
	return known[kind].name;
}

bool control_request_is_query(enum control_request_kind kind)
{
	return known[kind].query;
}

void control_request_help(FILE *out)
{
	char form[64];

	for (int kind = 0; kind < REQUEST_KINDS; kind++) {
		snprintf(form, sizeof(form), "%s%s", known[kind].name, known[kind].arguments);
		fprintf(out, "%-24s%s\n", form, known[kind].help);
	}
}

/* At most WORDS_MAX words of text, which is cut up. */
static int split(char *text, char *word[WORDS_MAX])
{
	int n = 0;
	char *one;

	while (n < WORDS_MAX && (one = strsep(&text, " \t"))) {
		if (*one)
			word[n++] = one;
	}
	return n;
}

static bool parse_workers(struct control_request *request, const char *word)
{
	const char *digits = word + strspn(word, "+-");
	const char *error = "none";
	long long n;

	/* strtonum takes signs and blanks of its own. */
	if (digits - word <= 1 && *digits && strspn(digits, "0123456789") == strlen(digits))
		n = strtonum(digits, 0, REQUEST_WORKERS_MAX, &error);
	if (error)
		return false;
	request->absolute = digits == word;
	request->workers = *word == '-' ? -(int)n : (int)n;
	return request->absolute || n > 0;
}

static bool parse_arguments(struct control_request *request, char **word, int words)
{
	switch (request->kind) {
	case REQUEST_WORKERS:
		if (words != 3 || !parse_workers(request, word[2]))
			return false;
		break;
	case REQUEST_PAUSE:
	case REQUEST_RESUME:
		if (words != 2)
			return false;
		break;
	default:
		return words == 1;
	}
	strlcpy(request->service, word[1], sizeof(request->service));
	return true;
}

bool control_request_parse(struct control_request *request, const char *line, size_t len,
			   char reason[REQUEST_REASON_MAX])
{
	char text[REQUEST_LINE_MAX], *word[WORDS_MAX];
	int words, kind = 0;

	*request = (struct control_request){ .kind = REQUEST_KINDS };
	if (len && line[len - 1] == '\r')
		len--;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' && line[i] != '\t') {
			snprintf(reason, REQUEST_REASON_MAX,
				 "a request is one line of text, like `help`");
			return false;
		}
	}
	if (len >= sizeof(text)) {
		snprintf(reason, REQUEST_REASON_MAX, "a request has at most %d bytes",
			 REQUEST_LINE_MAX);
		return false;
	}
	memcpy(text, line, len);
	text[len] = '\0';
	words = split(text, word);
	while (words && kind < REQUEST_KINDS && strcmp(word[0], known[kind].name) != 0)
		kind++;
	if (!words || kind == REQUEST_KINDS) {
		snprintf(reason, REQUEST_REASON_MAX, "no such request; `help` lists them");
		return false;
	}
	request->kind = (enum control_request_kind)kind;
	if (parse_arguments(request, word, words))
		return true;
	snprintf(reason, REQUEST_REASON_MAX, "the request is: %s%s", known[kind].name,
		 known[kind].arguments);
	return false;
}

bool control_request_is_allowed(const struct control_peer *peer, uid_t own, uid_t owner,
				gid_t group)
{
	if (peer->uid == 0 || peer->uid == own)
		return true;
	if (owner != (uid_t)-1 && peer->uid == owner)
		return true;
	if (group == (gid_t)-1)
		return false;
	for (size_t i = 0; i < peer->groups; i++) {
		if (peer->group[i] == group)
			return true;
	}
	return peer->gid == group;
}
