/* SPDX-License-Identifier: MIT */
/*
 * The log, as log.h says. Every target is one descriptor: a file, standard error, or a datagram socket
 * connected to /dev/log (spoken by hand, because a worker in a chroot cannot open it again and
 * syslog(3) hides its descriptor).
 */
#include "base/log.h"

#include "base/fd.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, PATIENCE_MS = 1000 };

static struct {
	enum log_kind kind;
	int fd, level, facility;
	char name[64];
	char *kept; /* the last error; NULL: nobody wants it */
	size_t kept_size;
	unsigned long lost; /* lines since the last one that was written */
	int error;          /* why */
	bool torn;          /* that file ends with a piece of ours */
	dev_t torn_dev;
	ino_t torn_ino;
} current = { .kind = LOG_TO_STDERR, .fd = STDERR_FILENO, .level = LOG_INFO };

static const char *const level_names[] = { "emerg",   "alert",  "crit", "error",
					   "warning", "notice", "info", "debug" };

static int open_syslog(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fd_close(&fd);
	return fd;
}

int log_open_target(const struct log_target *target)
{
	switch (target->kind) {
	case LOG_TO_FILE:
		return open(target->path,
			    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			    0640);
	case LOG_TO_SYSLOG:
		return open_syslog();
	case LOG_TO_STDERR:
		break;
	}
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

const char *log_open_error(int error)
{
	return error == ENXIO ? "nobody reads from it" : strerror(error);
}

/* systemd says in JOURNAL_STREAM which device and inode its stream has (sd-daemon(3)). */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(fd, &st) < 0)
		return false;
	return st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

void log_replace_fd(int fd)
{
	if (current.fd != STDERR_FILENO && current.fd != fd)
		close(current.fd);
	current.fd = fd;
}

void log_use(const struct log_target *target, int fd)
{
	current.kind = target->kind;
	current.level = target->level;
	current.facility = target->facility;
	log_replace_fd(fd);
}

int64_t log_target_encode(const struct log_target *target)
{
	return (int64_t)target->kind | (int64_t)target->level << 8 |
	       (int64_t)target->facility << 16;
}

void log_use_encoded(int64_t code, int fd)
{
	struct log_target target = { .kind = (enum log_kind)(code & 0xff),
				     .level = (int)(code >> 8 & 0xff),
				     .facility = (int)(code >> 16 & 0xffff) };

	log_use(&target, fd);
}

void log_target_in_use(struct log_target *target_r)
{
	*target_r = (struct log_target){ .kind = current.kind,
					 .facility = current.facility,
					 .level = current.level };
}

int log_fd(void)
{
	return current.fd;
}

void log_set_name(const char *name)
{
	strlcpy(current.name, name, sizeof(current.name));
	current.lost = 0;
	current.torn = false;
}

void log_keep_errors(char *buffer, size_t size)
{
	current.kept = size ? buffer : NULL;
	current.kept_size = size;
}

int log_wants(int level)
{
	return level <= current.level;
}

/* One line is one line: what a client can put into a log must not look like another line. */
static size_t escape(char *out, size_t room, const char *text)
{
	size_t used = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p && used + 5 < room; p++) {
		if (*p >= ' ' && *p != 0x7f)
			out[used++] = (char)*p;
		else if (*p == '\t')
			out[used++] = ' ';
		else
			used += (size_t)snprintf(out + used, 5, *p == '\n' ? "\\n" : "\\x%02x", *p);
	}
	return used;
}

static size_t write_prefix(char *line, size_t room, int level)
{
	const char *gap = current.name[0] ? ": " : "";
	time_t now;
	struct tm tm;
	char when[32];
	int n;

	if (current.kind == LOG_TO_SYSLOG) {
		n = snprintf(line, room, "<%d>musterd[%d]: %s%s", current.facility | level,
			     (int)getpid(), current.name, gap);
		return (size_t)n;
	}
	if (current.kind == LOG_TO_STDERR && is_journal(current.fd)) {
		n = snprintf(line, room, "<%d>%s%s", level, current.name, gap);
		return (size_t)n;
	}
	now = time(NULL);
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	n = snprintf(line, room, "%s %s %s[%d]: ", when, level_names[level],
		     current.name[0] ? current.name : "musterd", (int)getpid());
	return (size_t)n;
}

/* Who has lost a line already does not wait again. */
static bool has_room(void)
{
	struct pollfd pfd = { .fd = current.fd, .events = POLLOUT };
	int n;

	do
		n = poll(&pfd, 1, current.lost ? 0 : PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = EAGAIN;
	return n > 0;
}

/* How much of the line was written; less than len: errno says why. */
static size_t put(const char *line, size_t len)
{
	size_t done = 0;

	while (done < len && has_room()) {
		ssize_t n = write(current.fd, line + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* The syslog daemon was restarted: its socket is a new one. */
static bool reopen_syslog(void)
{
	int fd = current.kind == LOG_TO_SYSLOG ? open_syslog() : -1;

	if (fd >= 0)
		log_replace_fd(fd);
	return fd >= 0;
}

static void note_tear(bool torn)
{
	struct stat st = { 0 };

	current.torn = torn && fstat(current.fd, &st) == 0;
	current.torn_dev = st.st_dev;
	current.torn_ino = st.st_ino;
}

static bool is_torn(void)
{
	struct stat st;

	return current.torn && fstat(current.fd, &st) == 0 && st.st_dev == current.torn_dev &&
	       st.st_ino == current.torn_ino;
}

/* The byte before the line is free. False, and counted: not all of it was written. */
static bool emit(char *line, size_t len)
{
	size_t done;
	int error;

	if (is_torn()) {
		*--line = '\n';
		len++;
	}
	done = put(line, len);
	error = errno;
	if (done == 0 && reopen_syslog()) {
		done = put(line, len);
		error = errno;
	}
	if (done > 0)
		note_tear(done < len && line[done - 1] != '\n');
	if (done == len)
		return true;
	current.lost++;
	current.error = error;
	return false;
}

static bool write_line(char *line, size_t room, int level, const char *text)
{
	size_t len = 1;

	len += write_prefix(line + len, room - len, level);
	len += escape(line + len, room - len - 1, text);
	if (current.kind != LOG_TO_SYSLOG)
		line[len++] = '\n';
	return emit(line + 1, len - 1);
}

/* When that cannot be written either, it is counted in the place of the line that was to follow. */
static bool tell_losses(void)
{
	char text[160], line[320];

	snprintf(text, sizeof(text), "%lu line%s missing here: %s", current.lost,
		 current.lost == 1 ? " is" : "s are",
		 current.error == EAGAIN ? "nobody took them in time" : strerror(current.error));
	if (!write_line(line, sizeof(line), LOG_ERR, text))
		return false;
	current.lost = 0;
	return true;
}

void log_vline(int level, const char *format, va_list args)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 160];
	int saved = errno;

	if (level < LOG_EMERG || level > LOG_DEBUG || !log_wants(level))
		return;
	vsnprintf(text, sizeof(text), format, args);
	if (level <= LOG_ERR && current.kept)
		current.kept[escape(current.kept, current.kept_size, text)] = '\0';
	if (!current.lost || tell_losses())
		write_line(line, sizeof(line), level, text);
	errno = saved;
}

void log_line(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vline(level, format, args);
	va_end(args);
}
