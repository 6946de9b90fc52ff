/* SPDX-License-Identifier: MIT */
/* The root folder; see root.h. The one place that knows openat2. */
#include "services/http/root.h"

#ifdef HAVE_CONFIG_H
#include "autoconf.h"
#endif

#include "services/http/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LINUX_OPENAT2_H
#include <linux/openat2.h>
#endif

/* O_NONBLOCK: opening a pipe would wait for its writer. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

#if defined(HAVE_LINUX_OPENAT2_H) && defined(SYS_openat2)
static int open_beneath(int folder, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: something was renamed meanwhile and the kernel is not sure about a "..". */
	for (int attempt = 0; attempt < 8; attempt++) {
		fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}
#else
static int open_beneath(int folder, const char *name, int flags)
{
	(void)folder;
	(void)name;
	(void)flags;
	errno = ENOSYS;
	return -1;
}
#endif

static int open_folder(struct root *root)
{
	struct stat st;
	int fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -1;
	}
	root->fd = fd;
	root->dev = st.st_dev;
	root->ino = st.st_ino;
	return 0;
}

int root_open(struct root *root, const char *path, bool follow_links)
{
	int fd;

	*root = (struct root){ .path = path, .fd = -1, .is_open = follow_links };
	if (open_folder(root) < 0)
		return -1;
	if (follow_links)
		return 0;
	/* ENOSYS: before Linux 5.6, or RestrictSUIDSGID= of systemd. EPERM: a container's seccomp filter. */
	fd = open_beneath(root->fd, ".", OPEN_FLAGS);
	if (fd >= 0)
		close(fd);
	else
		root->by_hand = errno == ENOSYS || errno == EPERM;
	return 0;
}

void root_close(struct root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

void root_settle(struct root *root)
{
	struct stat st;

	root->follows =
		stat(root->path, &st) == 0 && st.st_dev == root->dev && st.st_ino == root->ino;
}

bool root_refresh(struct root *root, int64_t now)
{
	struct stat st;
	int old = root->fd;

	if (!root->follows || root->checked == now)
		return false;
	root->checked = now;
	/* A path that is gone for a moment is no reason to let go of the folder we have. */
	if (stat(root->path, &st) < 0 || (st.st_dev == root->dev && st.st_ino == root->ino))
		return false;
	if (open_folder(root) < 0)
		return false;
	close(old);
	root->generation++;
	return true;
}

static int open_name(const struct root *root, const char *name, int flags)
{
	if (root->is_open)
		return openat(root->fd, *name ? name : ".", flags);
	if (root->by_hand)
		return walk_beneath(root->fd, name, flags);
	return open_beneath(root->fd, *name ? name : ".", flags);
}

int root_open_file(const struct root *root, const char *name)
{
	return open_name(root, name, OPEN_FLAGS);
}

int root_look(const struct root *root, const char *name, struct stat *st_r)
{
	int fd = open_name(root, name, O_PATH | O_CLOEXEC), result, saved;

	if (fd < 0)
		return -1;
	result = fstat(fd, st_r);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int root_stat(const struct root *root, const char *name, struct stat *st)
{
	return fstatat(root->fd, *name ? name : ".", st, 0);
}
