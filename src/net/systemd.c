/* SPDX-License-Identifier: MIT */
/*
 * The systemd protocols, as systemd.h says. They are a datagram and a few variables, stable by
 * systemd's own promise, and not worth a library in the address space of a root process.
 */
#include "net/systemd.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, NOTIFY_MAX = 4096 };

/* Decimal digits only: strtoull would take blanks, signs and the rest of the line. */
static int parse_number(const char *text, uint64_t max, uint64_t *number_r)
{
	uint64_t number = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		unsigned digit = (unsigned char)*text - (unsigned)'0';

		if (digit > 9 || number > (max - digit) / 10)
			return -1;
		number = number * 10 + digit;
	}
	*number_r = number;
	return 0;
}

/*
 * *mine_r: the variable is our pid. Where it is missing: `missing`. -1 if it is not a pid.
 */
static int read_pid(const char *variable, bool missing, bool *mine_r)
{
	const char *text = getenv(variable);
	uint64_t pid;

	*mine_r = missing;
	if (!text)
		return 0;
	if (parse_number(text, INT_MAX, &pid) < 0 || pid == 0) {
		log_err("%s=%s is not a process id", variable, text);
		errno = EINVAL;
		return -1;
	}
	*mine_r = (pid_t)pid == getpid();
	return 0;
}

/* ------------------------------------------------------------------------ notifications ---- */

/* Trouble here is no reason not to serve: it leaves notify at -1. */
static void open_notify(struct systemd *systemd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len;

	if (!path)
		return;
	len = strlen(path);
	if ((*path != '/' && *path != '@') || !path[1] || len >= sizeof(un.sun_path)) {
		log_debug("NOTIFY_SOCKET=%s is no address that we know", path);
		return;
	}
	memcpy(un.sun_path, path, len);
	if (*path == '@')
		un.sun_path[0] = '\0';
	else
		len++;
	systemd->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (systemd->notify >= 0 &&
	    connect(systemd->notify, (const struct sockaddr *)&un,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return;
	log_debug("cannot connect to NOTIFY_SOCKET=%s: %s", path, strerror(errno));
	fd_close(&systemd->notify);
}

static int read_watchdog(struct systemd *systemd)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t usec;
	bool mine;

	if (!text)
		return 0;
	if (parse_number(text, INT64_MAX, &usec) < 0 || usec == 0) {
		log_err("WATCHDOG_USEC=%s is not a number of microseconds", text);
		errno = EINVAL;
		return -1;
	}
	if (read_pid("WATCHDOG_PID", true, &mine) < 0)
		return -1;
	if (mine)
		systemd->watchdog_ms = usec < 1000 ? 1 : (int64_t)(usec / 1000);
	return 0;
}

bool systemd_notify(const struct systemd *systemd, const char *format, ...)
{
	char message[NOTIFY_MAX];
	va_list args;
	ssize_t sent;
	int len;

	if (systemd->notify < 0)
		return false;
	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (len <= 0 || (size_t)len >= sizeof(message)) {
		log_debug("a notification of %d bytes is not sent", len);
		return false;
	}
	do
		sent = send(systemd->notify, message, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent != len)
		log_debug("systemd was not notified: %s", strerror(errno));
	return sent == len;
}

bool systemd_notify_reloading(const struct systemd *systemd)
{
	return systemd_notify(systemd, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_us());
}

/* ----------------------------------------------------------------------- passed sockets ---- */

/*
 * The array and what it points to are one piece of memory. Names are separated by ':', one for each
 * descriptor, or the variable is missing.
 */
static int split_names(struct systemd *systemd, const char *names)
{
	size_t room = names ? strlen(names) + 1 : 0;
	char *copy, *next;
	size_t n = 0;

	systemd->name = calloc(1, systemd->fds * sizeof(*systemd->name) + room);
	if (!systemd->name)
		return -1;
	if (!names) {
		while (n < systemd->fds)
			systemd->name[n++] = "unknown";
		return 0;
	}
	copy = (char *)(systemd->name + systemd->fds);
	memcpy(copy, names, room);
	for (next = copy; next && n < systemd->fds; n++) {
		systemd->name[n] = strsep(&next, ":");
		if (!*systemd->name[n])
			systemd->name[n] = "unknown";
	}
	if (!next && n == systemd->fds)
		return 0;
	log_err("LISTEN_FDNAMES=%s does not name LISTEN_FDS=%zu descriptors", names, systemd->fds);
	errno = EINVAL;
	return -1;
}

static int read_listen(struct systemd *systemd)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t fds;
	bool mine;

	if (read_pid("LISTEN_PID", false, &mine) < 0)
		return -1;
	if (!mine || !text)
		return 0;
	if (parse_number(text, INT_MAX - FIRST_FD, &fds) < 0 || fds == 0) {
		log_err("LISTEN_FDS=%s is not a number of descriptors", text);
		errno = EINVAL;
		return -1;
	}
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)fds; fd++) {
		if (fd_set_cloexec(fd, true) < 0) {
			log_err("LISTEN_FDS=%s: descriptor %d: %s", text, fd, strerror(errno));
			return -1;
		}
	}
	systemd->fds = (size_t)fds;
	return split_names(systemd, getenv("LISTEN_FDNAMES"));
}

int systemd_init(struct systemd *systemd)
{
	int result;

	memset(systemd, 0, sizeof(*systemd));
	systemd->notify = -1;
	result = read_listen(systemd);
	/* What we start must not take the descriptors for its own. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (result < 0 || read_watchdog(systemd) < 0) {
		int saved = errno;

		systemd_cleanup(systemd);
		errno = saved;
		return -1;
	}
	open_notify(systemd);
	return 0;
}

void systemd_cleanup(struct systemd *systemd)
{
	fd_close(&systemd->notify);
	free(systemd->name);
	memset(systemd, 0, sizeof(*systemd));
	systemd->notify = -1;
}
