/* SPDX-License-Identifier: MIT */
/*
 * The names under which our listeners rest in the service manager's descriptor store. What must be known of one after a
 * restart, and cannot be asked of the socket, is in its name. Handing over and taking back is the caller's
 * (master/listeners.h), the protocol systemd.h's.
 *
 *     musterd-SOCKET-DEVICE-INODE-ADDRESS        musterd-48123-0-0-127.0.0.1_8080
 *
 * SOCKET is the inode of the socket itself, so that no other descriptor can have the name by accident, be it one of a
 * unit called musterd-www.socket; DEVICE and INODE are those of a Unix socket's file. The rest is for people. Another
 * version of the program reads the name: its form stays.
 */
#ifndef NET_FDSTORE_H
#define NET_FDSTORE_H

#include "net/listener.h"

#include <stdbool.h>

#define FDSTORE_NAME_MAX 256 /* systemd takes 255 characters */

/* Makes the name of an open listener of ours. 0, or -1 with errno. */
int fdstore_name(const struct listener *listener, char name_r[FDSTORE_NAME_MAX]);
/*
 * Whether a descriptor that was passed to us by this name is a listener that we have stored; what is known of its
 * file: 0 and 0, there is none.
 */
bool fdstore_is_ours(int fd, const char *name, dev_t *dev_r, ino_t *ino_r);

#endif
