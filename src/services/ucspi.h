/* SPDX-License-Identifier: MIT */
/*
 * What a program is told about its connection by its environment: PROTO and the variables of the UNIX client-server
 * program interface (UCSPI), as tcpserver and unixserver set them, and REMOTE_... as xinetd and systemd do.
 */
#ifndef SERVICES_UCSPI_H
#define SERVICES_UCSPI_H

#include "musterd/module.h"

enum { UCSPI_VARIABLES = 20, UCSPI_TEXT = 4096 };

struct ucspi {
	const char *variable[UCSPI_VARIABLES]; /* "NAME=VALUE", within text */
	size_t n;
	size_t used;
	char text[UCSPI_TEXT];
};

/* The addresses of both ends. Before mu_detach. */
void ucspi_init(struct ucspi *ucspi, struct mu_conn *conn);
/* The name of the client, if it has one. May yield. */
void ucspi_look_up(struct ucspi *ucspi, struct mu_conn *conn);
/* Who the client is, where it is a Unix socket. fd: the connection's. */
void ucspi_add_credentials(struct ucspi *ucspi, int fd);

#endif
