/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket on which the running master takes requests. A client sends one
 * line and gets one reply, whose first line is a word (ok, refused, or error for what is no request) and whose
 * end is the end of file. The reply is the outcome, so a client may wait long for it.
 *
 * Clients are untrusted: there are at most CONTROL_CLIENTS of them, each has a limit of time to send its
 * line and to read its answer, and the kernel says who it is. Nothing here blocks. What a request means is
 * control_request.h's, what it does command.c's, the socket before it is the running one control_socket.h's.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include "config/config.h"
#include "master/loop.h"
#include "master/control_request.h"
#include "master/control_socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct master;

enum {
	CONTROL_CLIENTS = 32,
	CONTROL_PATIENCE_MS = 10000, /* for a client's request, and for each piece of its answer */
};

enum control_phase {
	CONTROL_FREE = 0,
	CONTROL_READING, /* its request */
	CONTROL_WAITING, /* for an outcome */
	CONTROL_ANSWERING
};

struct control_client {
	struct master *master;
	enum control_phase phase;
	int fd;
	struct source source;
	struct deadline limit;
	pid_t pid;
	uid_t uid;
	bool allowed;    /* to ask more than queries */
	unsigned ticket; /* that it waits for; 0: for the end of the master */
	char line[REQUEST_LINE_MAX + 1];
	size_t got;
	char *answer; /* malloc'd */
	size_t len, sent;
};

/* An answer that came before who asked had its ticket. */
struct control_early {
	bool asking;
	unsigned ticket;
	bool ok;
	char *text; /* malloc'd */
};

struct control {
	struct control_socket socket;
	struct source source;
	struct deadline again; /* accepts again: there was no descriptor for a client */
	struct control_client client[CONTROL_CLIENTS];
	struct control_early early;
};

void control_init(struct master *master);
/*
 * Closes the socket, answers who waits for the master's end, and those who wait in vain. The former get their end of file by that of the
 * process.
 */
void control_cleanup(struct master *master);

/*
 * Part of a reload: what it has prepared becomes the running socket (*new is none then); clients of the old one are answered.
 */
void control_commit(struct master *master, struct control_socket *new);
/*
 * Answers all clients who wait for this ticket; text: lines. Also from within the function that gives the
 * ticket out.
 */
void control_answer(struct master *master, unsigned ticket, bool ok, const char *text);

struct saved_client;
struct saved_control;
/* After an upgrade: a client of the program that was; its descriptor is given. */
void control_adopt(struct master *master, const struct saved_client *saved);
/*
 * And the socket (its descriptor is given), as the running configuration has it. 0, or -1 with *error_r malloc'd,
 * and the descriptor is still the caller's.
 */
int control_adopt_socket(struct master *master, const struct saved_control *saved,
			 const struct conf_control *conf, char **error_r);

/* --- command.c --- */

enum control_word { CONTROL_OK, CONTROL_REFUSED, CONTROL_ERROR };

/* What came of a request. */
struct control_outcome {
	enum control_word word;
	FILE *text;      /* lines; the caller's */
	bool waits;      /* the outcome comes later: */
	unsigned ticket; /* under this ticket; 0: it is the end of the master */
};

void command_run(struct master *master, const struct control_request *request,
		 struct control_outcome *outcome);

#endif
