/* SPDX-License-Identifier: MIT */
/*
 * What a client of the control socket asks, and whether it may: the pure part. Sockets and clients are
 * control.c's, what a request does is command.c's.
 *
 *     status | plan | help | reload | upgrade | stop | reopen
 *     workers SERVICE +N|-N|N | pause SERVICE | resume SERVICE
 */
#ifndef MASTER_CONTROL_REQUEST_H
#define MASTER_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum {
	REQUEST_LINE_MAX = 256, /* bytes of a request, its newline included */
	REQUEST_REASON_MAX = 256,
	REQUEST_WORKERS_MAX = 65535
};

enum control_request_kind {
	REQUEST_STATUS,
	REQUEST_PLAN,
	REQUEST_HELP,
	REQUEST_RELOAD,
	REQUEST_UPGRADE,
	REQUEST_STOP,
	REQUEST_REOPEN,
	REQUEST_WORKERS,
	REQUEST_PAUSE,
	REQUEST_RESUME,
	REQUEST_KINDS
};

struct control_request {
	enum control_request_kind kind;
	char service[REQUEST_LINE_MAX]; /* "": the request takes none */
	int workers;                    /* of REQUEST_WORKERS */
	bool absolute;                  /* as many; else so many more (fewer when negative) */
};

/*
 * Takes a line of len bytes apart, without its newline; a carriage return before that is fine. Any bytes may come.
 * False: reason says what is wrong and what is right.
 */
bool control_request_parse(struct control_request *request_r, const char *line, size_t len,
			   char reason[REQUEST_REASON_MAX]);
const char *control_request_name(enum control_request_kind kind);
/* Whoever can connect may ask it: it changes nothing, starts nothing and shows no line of a configuration. */
bool control_request_is_query(enum control_request_kind kind);
/* One line for each request. */
void control_request_help(FILE *out);

/* Who asks, as the kernel says. */
struct control_peer {
	pid_t pid; /* 0: of another pid namespace */
	uid_t uid;
	gid_t gid;
	const gid_t *group; /* supplementary ones */
	size_t groups;
};

/*
 * May ask everything: root, the master's own user, the configured owner ((uid_t)-1: none) and the members of
 * the configured group ((gid_t)-1: none).
 */
bool control_request_is_allowed(const struct control_peer *peer, uid_t own, uid_t owner,
				gid_t group);

#endif
