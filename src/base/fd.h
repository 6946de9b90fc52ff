/* SPDX-License-Identifier: MIT */
/* File descriptors: the few things done to them in more than one place. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Closes *fd unless it is -1 and makes it -1; errno is kept. */
void fd_close(int *fd);
int fd_set_nonblocking(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/*
 * Closes every descriptor from 3 on that is not among keep[0..n), which is sorted in place. CLOEXEC does nothing at fork, so a
 * child that goes on without exec calls this first: otherwise it holds its siblings' sockets open.
 */
void fd_close_all_but(int *keep, size_t n);

/* Writes all of it to a blocking descriptor, or fails. */
int fd_write_all(int fd, const void *data, size_t len);

/*
 * All of a regular file or memfd, read from its beginning; its length in *len_r. malloc'd, with a byte of room
 * behind. NULL with errno: EFBIG if it is longer than max, EINVAL if it is something else.
 */
char *fd_read_all(int fd, size_t max, size_t *len_r);

/* Sends a message of len bytes with up to 4 descriptors (SCM_RIGHTS) over a Unix socket. 0 or -1. */
int fd_send(int socket, const void *data, size_t len, const int *fds, size_t nfds);
/*
 * Receives one; *nfds: room in fds on entry, received on return (CLOEXEC; those without room are
 * closed). Length, 0 at the end, -1. Does not wait (MSG_DONTWAIT).
 */
ssize_t fd_receive(int socket, void *data, size_t len, int *fds, size_t *nfds);

#endif
