/* SPDX-License-Identifier: MIT */
/* What connect.c and peer.c share: time limits, waiting for an epoll descriptor, a worker without names. */
#ifndef RUNTIME_CONNECT_H
#define RUNTIME_CONNECT_H

#include "runtime/runtime.h"

/* clock_ms() in so many milliseconds; 0 (never) for 0 and less. */
int64_t connect_deadline(int64_t milliseconds);
/*
 * In serve: 1: the epoll descriptor has something. 0: `due` has come (clock_ms(); 0: never). -1 with ETIME (the
 * deadline, or 0: none), ETIMEDOUT, ECANCELED.
 */
int connect_wait(struct mu_conn *conn, int epoll, int64_t due, int64_t deadline);
/* True where names can be asked for; else ENOENT, and the log says why, once. */
bool connect_has_names(struct mu_conn *conn);

#endif
