/* SPDX-License-Identifier: MIT */
/*
 * A place to drop files. An upload that was cut off goes on where it ended; a file is there once all of it is.
 *     PUT name size      FROM offset; then the client sends the bytes from there on: OK, they are on the disk
 *     GET name [offset]  SIZE size, then the bytes from there on
 * What cannot be done is answered with ERROR and a reason, and the connection ends. No file is ever replaced.
 *     handler module filedrop { folder /srv/drop; size 1G };  workers 2..16;  timeout { request 1h }
 *
 * A disk can be slow, and who waits for it holds up the whole worker: so that serves one client at a time, unless
 * `connections` says otherwise. What nobody finishes stays, as .NAME.SIZE: find -name '.*' -mtime +7 -delete.
 *
 * Build: cc -shared -fPIC -O2 $(pkg-config --cflags musterd) -o filedrop.so filedrop.c
 */
#define _GNU_SOURCE
#include <musterd/module.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LEN = 200 };

struct config {
	const char *folder;
	int64_t size;
};

static const struct mu_directive directives[] = {
	{ "folder", MU_PATH, offsetof(struct config, folder), .required = true,
	  .help = "where the files are" },
	{ "size", MU_SIZE, offsetof(struct config, size), "1G", .help = "of the largest file" },
	{ .name = NULL },
};

struct drop {
	int folder;
	int64_t size;
};

/* Before a chroot, so that the folder may lie outside of it. */
static int prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	const struct config *conf = config;
	struct drop *drop = *state_r = malloc(sizeof(*drop));

	if (!drop)
		return -1;
	drop->size = conf->size;
	drop->folder = open(conf->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (drop->folder < 0)
		mu_worker_log(worker, MU_ERR, "%s: %s", conf->folder, strerror(errno));
	return drop->folder < 0 ? -1 : 0;
}

/* No slash, and not hidden: what is unfinished is. */
static bool is_name(const char *text)
{
	size_t n =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= NAME_LEN && !text[n] && text[0] != '.';
}

/* What there is of an upload: open, and ours alone while it is. -1 with errno. */
static int open_part(int folder, const char *part, struct stat *st)
{
	int fd = openat(folder, part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	struct stat named;

	if (fd < 0)
		return -1;
	/* Who had the lock before us may have finished, and it has another name now. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, st) == 0 &&
	    fstatat(folder, part, &named, 0) == 0 && named.st_ino == st->st_ino)
		return fd;
	close(fd);
	errno = EBUSY;
	return -1;
}

/* This and the next three: NULL, or what is wrong. */
static const char *receive(struct mu_conn *conn, int fd, off_t at, off_t end)
{
	while (at < end) {
		const char *data;
		ssize_t n;

		/* Who sends fast never makes us wait: the others have their turn all the same. */
		if (!mu_buffered(conn, &data) && (mu_sleep(conn, 0) < 0 || mu_fill(conn) <= 0))
			return "cut off";
		n = (ssize_t)mu_buffered(conn, &data);
		n = pwrite(fd, data, (size_t)(n < end - at ? n : end - at), at);
		if (n < 0)
			return strerror(errno);
		mu_consume(conn, (size_t)n);
		at += n;
	}
	return NULL;
}

static const char *put(struct mu_conn *conn, struct drop *drop, const char *name, off_t size)
{
	const char *problem;
	char part[NAME_LEN + 24];
	struct stat st;
	int fd;

	if (faccessat(drop->folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return "there is a file of this name";
	if (size < 0 || size > drop->size)
		return "too large";
	/* With its size: what is left of one upload is not to become the beginning of another. */
	snprintf(part, sizeof(part), ".%s.%lld", name, (long long)size);
	fd = open_part(drop->folder, part, &st);
	if (fd < 0)
		return strerror(errno);
	mu_printf(conn, "FROM %lld\n", (long long)st.st_size);
	problem = receive(conn, fd, st.st_size, size);
	if (!problem && (fsync(fd) < 0 ||
			 renameat2(drop->folder, part, drop->folder, name, RENAME_NOREPLACE) < 0 ||
			 fsync(drop->folder) < 0))
		problem = strerror(errno);
	close(fd);
	if (!problem)
		mu_printf(conn, "OK\n");
	return problem;
}

static const char *get(struct mu_conn *conn, struct drop *drop, const char *name, off_t from)
{
	int fd = openat(drop->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *problem = NULL;
	struct stat st;

	if (fd < 0)
		return "there is no such file";
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || from < 0 || from > st.st_size)
		problem = "there is not so much of it";
	else if (mu_printf(conn, "SIZE %lld\n", (long long)st.st_size) < 0 ||
		 mu_sendfile(conn, fd, from, (size_t)(st.st_size - from)) < 0)
		problem = "cut off";
	close(fd);
	return problem;
}

static const char *obey(struct mu_conn *conn, struct drop *drop, const char *line)
{
	char command[8], name[NAME_LEN + 2];
	long long number = 0;
	int n = sscanf(line, "%7s %201s %lld", command, name, &number);

	if (n >= 2 && !is_name(name))
		return "that cannot be the name of a file";
	if (n == 3 && strcmp(command, "PUT") == 0)
		return put(conn, drop, name, number);
	if (n >= 2 && strcmp(command, "GET") == 0)
		return get(conn, drop, name, number);
	return "PUT name size, or GET name [offset], please";
}

static int serve(struct mu_conn *conn, void *state)
{
	char *given, line[NAME_LEN + 64];
	const char *problem = NULL;
	ssize_t n = 0;

	while (!problem && (n = mu_readline(conn, &given)) > 0) {
		snprintf(line, sizeof(line), "%.*s", (int)n,
			 given); /* given is gone with the next read */
		mu_set_limit(conn, MU_REQUEST);
		problem = obey(conn, state, line);
		mu_set_limit(conn, MU_IDLE);
		mu_count_request(conn);
		if (mu_draining(conn))
			break;
	}
	if (!problem && n < 0 && errno == ENOBUFS)
		problem = "too long a line";
	if (problem && mu_printf(conn, "ERROR %s\n", problem) == 0)
		mu_linger(conn); /* a close with bytes unread would destroy it */
	return MU_DONE;
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "filedrop",
	.help = "takes files, also in several goes, and gives them back",
	.flags = MU_CLIENT_FIRST,
	.directives = directives,
	.config_size = sizeof(struct config),
	.prepare = prepare,
	.serve = serve,
	.stop = free, /* the folder closes with the process */
};
