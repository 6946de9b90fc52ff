/* SPDX-License-Identifier: MIT */
/*
 * The client of a running master's control socket: sends one request, waits for the outcome, prints it.
 * What requests there are is the master's business, how a command line becomes one main.c's.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>

/* Exit statuses of the commands that ask a running master. */
enum client_status {
	CLIENT_OK = 0,
	CLIENT_REFUSED = 1,    /* the reasons were printed */
	CLIENT_USAGE = 2,      /* the request is none, or no socket is configured */
	CLIENT_NOT_RUNNING = 3 /* nobody answers, or the master died meanwhile */
};

struct client_options {
	const char *conf_path;
	const char *socket_path; /* NULL: as `control { path }` of the configuration says */
	const char *request;     /* one line without its end: "reload", "workers www +2" */
	bool at_once; /* the answer takes no time: not to get one means that nobody works there */
};

/* Details go to standard output when it is done, everything else to standard error. */
enum client_status client_run(const struct client_options *options);

#endif
