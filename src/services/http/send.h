/* SPDX-License-Identifier: MIT */
/*
 * Content from a file's descriptor: straight from the kernel's page cache into the connection, and
 * only for as long as the file is still what the head said it was.
 */
#ifndef SERVICES_HTTP_SEND_H
#define SERVICES_HTTP_SEND_H

#include "services/http/file.h"

#include "musterd/module.h"

/*
 * Sends len bytes from offset on, both within the file's size; file->fd is open, and the caller
 * holds a reference. last: nothing of this response follows. May yield. 0 or -1: the connection
 * cannot go on. A file that was written to or cut short meanwhile has been logged. What was written
 * is added to *sent, also when it was not all.
 */
int send_content(struct mu_conn *conn, const struct file *file, int64_t offset, int64_t len,
		 bool last, int64_t *sent);

#endif
