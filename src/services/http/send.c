/* SPDX-License-Identifier: MIT */
/* Content from descriptors; see send.h. */
#include "services/http/send.h"

#include <errno.h>
#include <unistd.h>

enum {
	/* A client as fast as we are must not keep the others waiting for a whole film. */
	WHOLE_MAX = 2 * 1024 * 1024, /* goes at once */
	TURN = 256 * 1024,           /* what is larger in such turns */
	/*
	 * So little is copied: parts of a response gather in one packet, which sendfile cannot
	 * tell.
	 */
	COPIED_MAX = 8192
};

static int give_up(struct mu_conn *conn, const struct file *file)
{
	mu_log(conn, MU_WARNING, "%s was changed while it was sent: connection closed", file->text);
	return -1;
}

static int copy_content(struct mu_conn *conn, const struct file *file, int64_t offset, size_t len,
			bool last, int64_t *sent)
{
	char data[COPIED_MAX];
	struct iovec piece = { .iov_base = data, .iov_len = len };
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(file->fd, data + have, len - have, offset + (int64_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			mu_log(conn, MU_ERR, "cannot read %s: %m", file->text);
			return -1;
		}
		if (n == 0)
			return give_up(conn, file);
		have += (size_t)n;
	}
	if (file_is_rewritten(file))
		return give_up(conn, file);
	if (mu_writev(conn, &piece, 1, last ? 0 : MU_MORE) < 0)
		return -1;
	*sent += (int64_t)len;
	return 0;
}

/*
 * The file is looked at after whatever may have taken time, before the next bytes go: so the last
 * of them follow only if all are of one content, and a client that was given others sees the end
 * too early.
 */
static int send_from_cache(struct mu_conn *conn, const struct file *file, int64_t offset,
			   int64_t len, int64_t *sent)
{
	const int64_t most = len <= WHOLE_MAX ? WHOLE_MAX : TURN;

	while (len) {
		size_t turn = (size_t)(len < most ? len : most);
		ssize_t n = mu_try_sendfile(conn, file->fd, offset, turn);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n > 0) {
			offset += n;
			len -= n;
			*sent += n;
		}
		if (n == (ssize_t)turn && len && mu_sleep(conn, 0) < 0)
			return -1;
		if (n && len && mu_wait_room(conn) < 0)
			return -1;
		if (n == 0 || file_is_rewritten(file))
			return give_up(conn, file);
	}
	return 0;
}

int send_content(struct mu_conn *conn, const struct file *file, int64_t offset, int64_t len,
		 bool last, int64_t *sent)
{
	if (len <= COPIED_MAX)
		return copy_content(conn, file, offset, (size_t)len, last, sent);
	return send_from_cache(conn, file, offset, len, sent);
}
