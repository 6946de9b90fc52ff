/* SPDX-License-Identifier: MIT */
/* The records between master and worker, as contract.h says. */
#include "base/contract.h"

#include "base/fd.h"

#include <errno.h>

int record_send(int sock, enum record_type type, uint32_t flags, int64_t value, int fd)
{
	struct record record = {
		.version = RECORD_VERSION, .type = (uint16_t)type, .flags = flags, .value = value
	};

	return fd_send(sock, &record, sizeof(record), &fd, fd >= 0);
}

int record_receive(int sock, struct record *record, int *fd_r)
{
	size_t nfds = 1;
	ssize_t n;

	*fd_r = -1;
	n = fd_receive(sock, record, sizeof(*record), fd_r, &nfds);
	/* It died with records of ours unread, which is said once, and before its own last ones. */
	if (n < 0 && errno == ECONNRESET) {
		nfds = 1;
		n = fd_receive(sock, record, sizeof(*record), fd_r, &nfds);
	}
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -1;
	if (n != sizeof(*record) || record->version != RECORD_VERSION ||
	    record->type < RECORD_READY || record->type > RECORD_TRACE) {
		fd_close(fd_r);
		errno = EPROTO;
		return -1;
	}
	return 1;
}
