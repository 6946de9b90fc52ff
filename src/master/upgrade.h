/* SPDX-License-Identifier: MIT */
/*
 * Upgrade in place: the installed program takes over this process, with its id, listeners and workers.
 *
 *     upgrade_request -> checking: the installed program is run on a copy of our state and on the configuration
 *     -> it can take over, and no reload is under way -> execve with our state -> resume.c in the new program
 *     -> rolling: a reload that replaces all workers -> its outcome is the upgrade's
 *
 * Up to the execve nothing has happened if anything is wrong but a line in the log. The state's format is saved.h.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include "master/deadlines.h"
#include "master/program.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct config;
struct master;
struct master_options;
struct saved;

enum upgrade_phase {
	UPGRADE_NONE,
	UPGRADE_CHECKING, /* the installed program runs, to say whether it can */
	UPGRADE_CHECKED,  /* it can: waits for the end of a reload */
	UPGRADE_ROLLING   /* we are the new program: a reload replaces the workers */
};

struct upgrade {
	enum upgrade_phase phase;
	unsigned ticket; /* of the one under way */
	unsigned queued; /* of the one that follows it; 0: none */
	pid_t checker;
	int output; /* memfd with what the checker says */
	char *more; /* of it: the lines behind the first, each behind a newline; malloc'd or NULL */
	struct deadline limit; /* of the checker */
	bool timed_out;        /* it was killed for that */
	struct program_file file;
	char successor[64];    /* version of the program that was checked */
	struct config *before; /* counted: in force when it was asked for */
};

/* --------------------------------------------------------------------- in the running master ---- */

void upgrade_init(struct master *master);
void upgrade_cleanup(struct master *master);
/* Asks for one; it begins when no reload is under way. Its ticket. */
unsigned upgrade_request(struct master *master);
/* The checker has ended. */
void upgrade_checked(struct master *master, const siginfo_t *info);
/* Goes on as far as it can; does not return if the new program took over. */
void upgrade_settle(struct master *master);
/* We are the program that took over: replaces the workers. */
void upgrade_roll(struct master *master);

/* saving.c: the state as it is now, with memfds for the configurations (saved_discard). NULL with errno. */
struct saved *master_save(struct master *master);
/* Closes what master_save opened. NULL is fine. */
void saved_discard(struct saved *saved);

/* ------------------------------------------------------------------------ in the new program ---- */

/* What the checker says if it can take over: its version, the version of the state that it writes. */
#define UPGRADE_CAN "musterd %s (state %d) can take over"
/* Before the reason why its workers could not be replaced, for who asked for the upgrade. */
#define UPGRADE_HALF                                                                          \
	"the new program has taken over, but goes on with the workers and the configuration " \
	"that it found, until a reload succeeds: "

/* resume.c: the state in this memfd. NULL with the reason. */
#define RESUME_REASON_MAX 512
struct saved *resume_read(int fd, char reason[RESUME_REASON_MAX]);
/* Makes an initialised master the one whose state that is. 0, or -1 (logged): there is no way on. */
int master_adopt(struct master *master, const struct saved *saved);

#endif
