/* SPDX-License-Identifier: MIT */
/*
 * The access log of one worker: lines are gathered and written a second later, or when there are
 * many. What a line says stands in access_line.h. Opening, reopening and rotating the file is the
 * master's work; the descriptor stays the same number.
 */
#ifndef SERVICES_HTTP_ACCESS_LOG_H
#define SERVICES_HTTP_ACCESS_LOG_H

#include "services/http/access_line.h"

struct access_log;
struct mu_worker;

/*
 * To be called in prepare, where the time zone's file can be read. fd: open for appending;
 * borrowed. NULL with ENOMEM.
 */
struct access_log *access_log_new(struct mu_worker *worker, int fd, enum access_format format);
/* Writes what is left. */
void access_log_free(struct access_log *log);

/*
 * Adds a line. It is written at the latest when the module's wake hook calls access_log_flush,
 * which is asked for with mu_wake_after. Does not yield.
 */
void access_log_add(struct access_log *log, const struct access_entry *entry);

/*
 * Writes all lines, to a file in one write(2): those of several workers do not mix. What cannot be
 * written (a full disk, a pipe that nobody empties) is given up and counted in the service's log,
 * once a minute. Never waits for anybody but the disk. Does not yield.
 */
void access_log_flush(struct access_log *log);

#endif
