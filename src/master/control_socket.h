/* SPDX-License-Identifier: MIT */
/*
 * The Unix socket at which a master is asked, as something that a reload prepares, and makes true or discards: bound,
 * then listening, then the running one, which is control.h's, as who connects to it is.
 */
#ifndef MASTER_CONTROL_SOCKET_H
#define MASTER_CONTROL_SOCKET_H

#include "config/config.h"
#include "net/listener.h"

#include <stdbool.h>

enum { CONTROL_BACKLOG = 256 };

/* What clients connect to: the running one, or one that a reload prepares. */
struct control_socket {
	struct listener listener; /* fd -1: there is none */
	struct listener_options options;
	bool kept;    /* prepared: the running one stays */
	bool renewed; /* and has the new options already */
};

/* No socket. */
struct control_socket control_socket_none(void);

/*
 * Binds the socket that the configuration asks for, if it is not the running one; nobody sees it before it listens. 0, or -1
 * with *error_r malloc'd (NULL: no memory) and nothing to undo.
 */
int control_socket_open(struct control_socket *new_r, const struct control_socket *running,
			const struct conf_control *conf, char **error_r);
/* The last step that may fail: it listens; a kept one gets its mode and owner. 0 or -1 as above. */
int control_socket_listen(struct control_socket *new, struct control_socket *running,
			  char **error_r);
/* Undoes what was begun. None is fine. */
void control_socket_discard(struct control_socket *new, struct control_socket *running);

/*
 * One that listens already (its descriptor is given) and is as the configuration has it. 0, or -1 with *error_r malloc'd,
 * and the descriptor is still the caller's.
 */
int control_socket_adopt(struct control_socket *socket, int fd, const struct conf_control *conf,
			 char **error_r);

#endif
