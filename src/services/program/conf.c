/* SPDX-License-Identifier: MIT */
/* The directives of the handler `program`, as conf.h says. */
#include "services/program/conf.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

#define AT(member) offsetof(struct program_conf, member)

const struct mu_directive program_directives[] = {
	COMMAND_DIRECTIVES(struct program_conf, command),
	{ "ready", MU_LINES, AT(ready), .max = 2,
	  .help = "when it serves: notify (where nothing is said), on-start, or after TIME" },
	{ "watchdog", MU_TIME, AT(watchdog_ms), "0", 0, DAY_MS,
	  .help = "it must give a sign of life (WATCHDOG=1) so often; 0: need not" },
	{ "stop-signal", MU_STRING, AT(stop_signal), "TERM",
	  .help = "the signal that makes it finish" },
	{ "output", MU_ENUM, AT(output), "lines", .words = "lines|raw",
	  .help = "how what it prints comes into the log" },
	{ "nonblocking", MU_BOOL, AT(nonblocking), "no",
	  .help = "its sockets have O_NONBLOCK, so accept(2) does not wait" },
	{ NULL },
};

/* 250ms, 10s, 5min, 2h, 1d, as in the rest of the file. -1: it is none of these. */
static int64_t milliseconds(const char *text)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 },
		      { "s", 1000 },
		      { "min", 60 * 1000 },
		      { "h", 60 * 60 * 1000 },
		      { "d", DAY_MS } };
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(end, units[i].name) == 0)
			return value <= DAY_MS / units[i].ms ? value * units[i].ms : -1;
	return value == 0 && !*end ? 0 : -1;
}

static void check_ready(struct program_conf *conf, struct mu_report *report)
{
	const struct mu_words *line = conf->ready.line;
	const char *how;

	conf->life.ready = LIFE_BY_NOTIFY;
	if (!conf->ready.n)
		return;
	how = line->word[0];
	if (conf->ready.n > 1) {
		mu_error_word(report, line[1].word[0], "`ready` is given twice");
	} else if (strcmp(how, "after") == 0 && line->n == 2) {
		conf->life.ready = LIFE_AFTER;
		conf->life.after_ms = milliseconds(line->word[1]);
		if (conf->life.after_ms < 0)
			mu_error_word(report, line->word[1],
				      "`ready after` wants a time of up to a day: 250ms, 10s, "
				      "5min, not `%s`",
				      line->word[1]);
	} else if (strcmp(how, "on-start") == 0 && line->n == 1) {
		conf->life.ready = LIFE_ON_START;
	} else if (strcmp(how, "notify") != 0 || line->n != 1) {
		mu_error_word(report, how, "`ready` wants notify, on-start, or after TIME");
	}
}

/* With or without SIG, as kill(1) takes it. 0: there is none of the name. */
static int signal_number(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int number = 1; number < NSIG; number++) {
		const char *known = sigabbrev_np(number);

		if (known && strcasecmp(known, name) == 0)
			return number;
	}
	return 0;
}

static void check_signal(struct program_conf *conf, struct mu_report *report)
{
	conf->signal = signal_number(conf->stop_signal);
	if (!conf->signal)
		mu_error(report, "stop-signal",
			 "`stop-signal` wants the name of a signal: TERM, INT, QUIT, not `%s`",
			 conf->stop_signal);
	else if (conf->signal == SIGSTOP || conf->signal == SIGTSTP || conf->signal == SIGTTIN ||
		 conf->signal == SIGTTOU || conf->signal == SIGCONT)
		mu_error(report, "stop-signal", "`stop-signal %s` ends nothing", conf->stop_signal);
}

static bool is_ours(const char *variable)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					     "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES" };
	size_t len = strcspn(variable, "=");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], variable, len) == 0)
			return true;
	return false;
}

static void check_words(const struct mu_words *words, struct mu_report *report)
{
	for (size_t i = 0; i < words->n; i++)
		if (is_ours(words->word[i]))
			mu_error_word(report, words->word[i],
				      "%.*s is set by musterd for each program",
				      (int)strcspn(words->word[i], "="), words->word[i]);
}

void program_check(void *config, struct mu_report *report)
{
	struct program_conf *conf = config;

	command_check(&conf->command, report);
	check_words(&conf->command.env, report);
	check_words(&conf->command.pass_env, report);
	check_ready(conf, report);
	check_signal(conf, report);
	conf->life.watchdog_ms = conf->watchdog_ms;
	conf->life.kill_after_ms = conf->command.kill_after_ms;
}
