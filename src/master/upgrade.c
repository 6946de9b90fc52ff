/* SPDX-License-Identifier: MIT */
/*
 * Upgrade in place, as upgrade.h says: finding and checking the installed program, and becoming it. What the
 * state is made of is saving.c's, what the new program makes of it resume.c's.
 */
#include "master/upgrade.h"

#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "master/saved.h"
#include "master/spawn.h"
#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

enum {
	CHECK_LIMIT_MS = 30000, /* a name service that does not answer */
	OUTPUT_MAX = 32 << 10,  /* of the checker */
	LINES_MAX = 80,         /* of it in the log */
	EXIT_NOT_RUN = 127      /* of the child that was to run it */
};

static bool reload_is_idle(const struct master *master)
{
	const struct reload *reload = &master->reload;

	return reload->phase == RELOAD_NONE && !reload->next && !reload->next_plan;
}

/* ------------------------------------------------------------------------------- outcomes ---- */

/* With what it has started; itself perhaps not in its session yet. */
static void kill_checker(const struct upgrade *upgrade)
{
	kill(-upgrade->checker, SIGKILL);
	kill(upgrade->checker, SIGKILL);
}

static void conclude(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	deadline_clear(&master->loop.deadlines, &upgrade->limit);
	fd_close(&upgrade->output);
	free(upgrade->more);
	upgrade->more = NULL;
	config_unref(upgrade->before);
	upgrade->before = NULL;
	upgrade->timed_out = false;
	upgrade->ticket = 0;
	upgrade->phase = UPGRADE_NONE;
}

__attribute__((__format__(__printf__, 2, 3))) static void refuse(struct master *master,
								 const char *format, ...)
{
	struct upgrade *upgrade = &master->upgrade;
	char reason[1024], *text;
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	/* A checker that still runs is reaped as a stranger. */
	if (upgrade->checker > 0)
		kill_checker(upgrade);
	upgrade->checker = 0;
	log_err("upgrade refused, the running program goes on: %s", reason);
	systemd_notify(&master->systemd, "STATUS=Upgrade refused: %s", reason);
	if (asprintf(&text, "%s%s", reason, upgrade->more ? upgrade->more : "") < 0)
		text = NULL;
	control_answer(master, upgrade->ticket, false, text ? text : reason);
	free(text);
	conclude(master);
}

/* ------------------------------------------------------------------------------ the checker ---- */

/* What a program is run with, in place of us or to be asked: our state behind a descriptor. */
struct handover {
	const struct program *program;
	const char *option;
	struct saved *saved;
	int state;
};

static int keep_at_exec(int fd, void *arg)
{
	(void)arg;
	return fd_set_cloexec(fd, false);
}

static int close_at_exec(int fd, void *arg)
{
	(void)arg;
	return fd_set_cloexec(fd, true);
}

/* Writes the state as it is now. 0, or -1 with errno. */
static int handover_init(struct handover *handover, struct master *master, const char *option)
{
	size_t len;
	char *bytes;

	*handover = (struct handover){ .program = master->options->program,
				       .option = option,
				       .state = -1 };
	handover->saved = master_save(master);
	if (!handover->saved)
		return -1;
	bytes = saved_encode(handover->saved, &len);
	handover->state = memfd_create("musterd state", MFD_CLOEXEC);
	if (bytes && handover->state >= 0 && fd_write_all(handover->state, bytes, len) == 0) {
		free(bytes);
		return 0;
	}
	free(bytes);
	return -1;
}

static void handover_cleanup(struct handover *handover)
{
	saved_discard(handover->saved);
	fd_close(&handover->state);
}

/* Comes back only when it failed. */
static void handover_run(const struct handover *handover)
{
	char **argv = program_arguments(handover->program, handover->option, handover->state);

	if (!argv)
		return;
	fd_set_cloexec(handover->state, false);
	execve(handover->program->path, argv, environ);
	free(argv);
}

struct check {
	const struct handover *handover;
	int output;
};

/* In the child. */
static int checker_main(void *arg)
{
	const struct check *check = arg;
	const struct saved *saved = check->handover->saved;

	dup2(check->output, STDOUT_FILENO);
	dup2(check->output, STDERR_FILENO);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < saved->configs; i++)
		fd_set_cloexec(saved->config[i].capture, false);
	handover_run(check->handover);
	dprintf(STDERR_FILENO, "%s\n", strerror(errno));
	return EXIT_NOT_RUN;
}

/* Memory for what a program says that may say anything, for ever: writing more is an error there. -1 with errno. */
static int make_output(void)
{
	int fd = memfd_create("musterd output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, OUTPUT_MAX) < 0 ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0))
		fd_close(&fd);
	return fd;
}

static pid_t spawn_checker(struct master *master, const struct handover *handover)
{
	struct check check = { .handover = handover, .output = master->upgrade.output };
	const struct saved *saved = handover->saved;
	int *keep = calloc(saved->configs + 2, sizeof(*keep));
	size_t n = 0;
	pid_t pid = -1;

	if (!keep)
		return -1;
	for (; n < saved->configs; n++)
		keep[n] = saved->config[n].capture;
	keep[n++] = handover->state;
	keep[n++] = check.output;
	pid = spawn(checker_main, &check, keep, n, true);
	free(keep);
	return pid;
}

static void on_check_limit(void *owner, int64_t now)
{
	struct master *master = owner;

	(void)now;
	master->upgrade.timed_out = true;
	kill_checker(&master->upgrade);
}

static void begin(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;
	const struct program *program = master->options->program;
	struct handover handover;

	upgrade->ticket = upgrade->queued;
	upgrade->queued = 0;
	if (!program || !program->path) {
		refuse(master, "it is not known where the program is installed");
		return;
	}
	if (program_look(program->path, &upgrade->file) < 0) {
		refuse(master, "%s: %s", program->path, strerror(errno));
		return;
	}
	upgrade->phase = UPGRADE_CHECKING;
	upgrade->output = make_output();
	if (handover_init(&handover, master, PROGRAM_CHECK) == 0 && upgrade->output >= 0)
		upgrade->checker = spawn_checker(master, &handover);
	if (upgrade->checker > 0)
		deadline_set(&master->loop.deadlines, &upgrade->limit,
			     master->loop.now + CHECK_LIMIT_MS);
	else
		refuse(master, "cannot run %s: %s", program->path, strerror(errno));
	handover_cleanup(&handover);
}

/* -------------------------------------------------------------------------- what it answered ---- */

/* All that it said: malloc'd text, or NULL. */
static char *read_output(const struct upgrade *upgrade)
{
	char *said = calloc(1, OUTPUT_MAX + 1);

	if (said && pread(upgrade->output, said, OUTPUT_MAX, 0) >= 0)
		return said;
	free(said);
	return NULL;
}

/* Gives the first line that it said, which the refusal will hold, and keeps and logs the others. */
static void take_output(struct upgrade *upgrade, const char *path, char *first, size_t size)
{
	char *said = read_output(upgrade), *line, *rest = said;
	int lines = 0;
	size_t len;
	FILE *more = open_memstream(&upgrade->more, &len);

	first[0] = '\0';
	while (more && lines < LINES_MAX && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (!lines++) {
			snprintf(first, size, "%s", line);
			continue;
		}
		log_err("%s: %s", path, line);
		fprintf(more, "\n%s", line);
	}
	if (more)
		fclose(more);
	free(said);
}

/* True if it says in a line that it can take over. Others (of a loader, of a library) do not matter. */
static bool says_that_it_can(struct upgrade *upgrade)
{
	char *said = read_output(upgrade), *line, *rest = said, expected[256];
	bool can = false;
	int version;

	while (!can && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "musterd %63s (state %d)", upgrade->successor, &version) != 2)
			continue;
		snprintf(expected, sizeof(expected), UPGRADE_CAN, upgrade->successor, version);
		can = strcmp(line, expected) == 0;
	}
	free(said);
	return can;
}

static void refuse_after_check(struct master *master, const siginfo_t *info)
{
	struct upgrade *upgrade = &master->upgrade;
	const char *path = master->options->program->path;
	char said[512];

	take_output(upgrade, path, said, sizeof(said));
	if (upgrade->timed_out)
		refuse(master, "%s gave no answer in %d s", path, CHECK_LIMIT_MS / 1000);
	else if (info->si_code != CLD_EXITED)
		refuse(master, "%s was killed by SIG%s", path, sigabbrev_np(info->si_status));
	else if (info->si_status == EX_CONFIG)
		refuse(master, "%s cannot use the configuration: %s", path, said);
	else if (info->si_status == EX_DATAERR)
		refuse(master, "%s cannot take over: %s", path, said);
	else if (info->si_status == EXIT_NOT_RUN)
		refuse(master, "%s cannot be run: %s", path, said);
	else if (info->si_status)
		refuse(master, "%s exited with status %d%s%s", path, info->si_status,
		       said[0] ? ": " : "", said);
	else
		refuse(master, "%s does not say that it can take over: is it a musterd?", path);
}

void upgrade_checked(struct master *master, const siginfo_t *info)
{
	struct upgrade *upgrade = &master->upgrade;

	upgrade->checker = 0;
	deadline_clear(&master->loop.deadlines, &upgrade->limit);
	if (info->si_code == CLD_EXITED && info->si_status == 0 && says_that_it_can(upgrade))
		upgrade->phase = UPGRADE_CHECKED;
	else
		refuse_after_check(master, info);
}

/* ---------------------------------------------------------------------------- becoming it ---- */

/*
 * All that must go on has its descriptor in the state; everything else is closed by the kernel. What arrives
 * meanwhile waits: signals are blocked, records stay in the sockets.
 */
static void become(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;
	const struct program *program = master->options->program;
	struct program_file now;
	struct handover handover;

	if (program_look(program->path, &now) < 0 || !program_is_same(&now, &upgrade->file)) {
		refuse(master, "%s was changed while it was checked: ask again", program->path);
		return;
	}
	reap_tell_rest(master);
	if (handover_init(&handover, master, PROGRAM_RESUME) == 0 &&
	    saved_each_fd(handover.saved, keep_at_exec, NULL) == 0) {
		log_info("upgrade: %s, version %s, takes over", program->path, upgrade->successor);
		handover_run(&handover);
	}
	refuse(master, "cannot run %s: %s", program->path, strerror(errno));
	if (handover.saved)
		saved_each_fd(handover.saved, close_at_exec, NULL);
	handover_cleanup(&handover);
}

/* Whoever asked for the upgrade is told what comes of this reload. */
void upgrade_roll(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	upgrade->phase = UPGRADE_ROLLING;
	upgrade->before = config_ref(master->config);
	if (reload_request_roll(master))
		master->reload.next = upgrade->ticket;
}

static void watch_roll(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;
	const struct saved_master *from = master->resumed->master;
	char versions[160];

	/* Neither waiting nor under way. */
	if (master->reload.next == upgrade->ticket || master->reload.ticket == upgrade->ticket)
		return;
	snprintf(versions, sizeof(versions), "musterd %s (state %d) took over from %s (state %d)",
		 master->options->version, state_version, from->version, (int)from->state_version);
	if (master->config != upgrade->before)
		log_notice("upgraded: %s", versions);
	else
		log_err("upgraded, but for the workers: %s, and goes on with the workers and the "
			"configuration that it found, until a reload succeeds",
			versions);
	conclude(master);
}

/* ----------------------------------------------------------------------------- from outside ---- */

void upgrade_init(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	*upgrade = (struct upgrade){ .output = -1 };
	deadline_init(&upgrade->limit, on_check_limit, master);
}

void upgrade_cleanup(struct master *master)
{
	free(master->upgrade.more);
	fd_close(&master->upgrade.output);
	config_unref(master->upgrade.before);
	saved_free(master->resumed);
}

unsigned upgrade_request(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	if (is_stopping(master)) {
		log_notice("no upgrade: the master is about to stop");
		return 0;
	}
	if (!upgrade->queued)
		upgrade->queued = ++master->tickets;
	if (upgrade->phase != UPGRADE_NONE)
		log_notice("an upgrade is under way: the next one follows it");
	else if (!reload_is_idle(master))
		log_notice("a reload is under way: the upgrade follows it");
	return upgrade->queued;
}

static void forget(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	if (upgrade->phase == UPGRADE_CHECKING || upgrade->phase == UPGRADE_CHECKED)
		refuse(master, "it is about to stop");
	if (upgrade->queued)
		control_answer(master, upgrade->queued, false, "the master is about to stop");
	upgrade->queued = 0;
}

void upgrade_settle(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	if (upgrade->phase == UPGRADE_ROLLING)
		watch_roll(master);
	if (is_stopping(master))
		forget(master);
	if (master->phase != MASTER_RUNNING || !reload_is_idle(master))
		return;
	if (upgrade->phase == UPGRADE_CHECKED)
		become(master);
	else if (upgrade->phase == UPGRADE_NONE && upgrade->queued)
		begin(master);
}
