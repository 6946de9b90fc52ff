/* SPDX-License-Identifier: MIT */
/* The pid file, as pidfile.h says. Not libbsd's: that waits for the number of a live one. */
#include "master/pidfile.h"

#include "base/fd.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_pid(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return (pid_t)strtonum(text, 1, 1 << 30, NULL);
}

static bool is_still(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

/* Opens and locks; tries again when the file was removed by its former owner in between. */
static int open_locked(const char *path, pid_t *other_r)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EWOULDBLOCK) {
				*other_r = read_pid(fd);
				errno = EEXIST;
			}
			fd_close(&fd);
			return -1;
		}
		if (is_still(fd, path))
			return fd;
		fd_close(&fd);
	}
}

int pidfile_take(struct pidfile *pidfile, const char *path, pid_t *other_r)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	*other_r = 0;
	*pidfile = PIDFILE_NONE;
	pidfile->path = strdup(path);
	if (!pidfile->path)
		return -1;
	pidfile->fd = open_locked(path, other_r);
	if (pidfile->fd < 0) {
		free(pidfile->path);
		pidfile->path = NULL;
		return -1;
	}
	if (ftruncate(pidfile->fd, 0) < 0 || fd_write_all(pidfile->fd, text, (size_t)len) < 0) {
		int saved = errno;

		pidfile_remove_own(pidfile);
		errno = saved;
		return -1;
	}
	return 0;
}

void pidfile_remove_own(struct pidfile *pidfile)
{
	if (pidfile->fd < 0)
		return;
	if (is_still(pidfile->fd, pidfile->path))
		unlink(pidfile->path);
	fd_close(&pidfile->fd);
	free(pidfile->path);
	pidfile->path = NULL;
}
