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
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	NOTIFY_MAX = 4096,
	UNSENT_MAX = 4096 /* systemd is deaf, and what we say is not worth more memory */
};

struct notice {
	TAILQ_ENTRY(notice) link;
	size_t len;
	char text[];
};

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

/* It has closed its socket, and ours stays connected to that one: nothing will ever be heard. */
static void give_up(struct systemd *systemd)
{
	log_notice("nobody listens at NOTIFY_SOCKET any more: it is told nothing from now on");
	fd_close(&systemd->probe);
	fd_close(&systemd->notify);
}

/* 1: sent; 0: there is no room now; -1: it cannot be sent (logged). */
static int try_send(struct systemd *systemd, const char *text, size_t len, int fd)
{
	if (systemd->notify < 0)
		return -1;
	if (fd_send(systemd->notify, text, len, &fd, fd >= 0) == 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS)
		return 0;
	if (errno == ECONNREFUSED)
		give_up(systemd);
	else
		log_debug("systemd was not notified: %s", strerror(errno));
	return -1;
}

static bool queue(struct systemd *systemd, const char *text, size_t len)
{
	struct notice *notice = NULL;

	if (systemd->waiting < UNSENT_MAX)
		notice = malloc(sizeof(*notice) + len);
	if (!notice)
		return false;
	notice->len = len;
	memcpy(notice->text, text, len);
	TAILQ_INSERT_TAIL(&systemd->unsent, notice, link);
	systemd->waiting++;
	return true;
}

static void drop_first(struct systemd *systemd)
{
	struct notice *notice = TAILQ_FIRST(&systemd->unsent);

	TAILQ_REMOVE(&systemd->unsent, notice, link);
	systemd->waiting--;
	free(notice);
}

bool systemd_flush(struct systemd *systemd)
{
	const struct notice *notice;

	/* The analyser does not see that TAILQ_REMOVE changes what TAILQ_FIRST gives. */
	while ((notice = TAILQ_FIRST(&systemd->unsent))) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (try_send(systemd, notice->text, notice->len, -1) == 0)
			return true;
		drop_first(systemd);
	}
	return false;
}

bool systemd_notify(struct systemd *systemd, const char *format, ...)
{
	char message[NOTIFY_MAX];
	va_list args;
	int len, sent;

	if (systemd->notify < 0)
		return false;
	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (len <= 0 || (size_t)len >= sizeof(message)) {
		log_debug("a notification of %d bytes is not sent", len);
		return false;
	}
	sent = systemd_flush(systemd) ? 0 : try_send(systemd, message, (size_t)len, -1);
	return sent ? sent > 0 : queue(systemd, message, (size_t)len);
}

bool systemd_notify_reloading(struct systemd *systemd)
{
	return systemd_notify(systemd, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_us());
}

/* ---------------------------------------------------------------------- descriptors stored ---- */

static void read_store(struct systemd *systemd)
{
	const char *text = getenv("FDSTORE");
	uint64_t most;

	systemd->store = -1;
	if (text && parse_number(text, INT_MAX, &most) == 0)
		systemd->store = (int64_t)most;
	else if (text)
		log_warning("FDSTORE=%s is not a number of descriptors", text);
}

static bool send_along(struct systemd *systemd, int fd, const char *text)
{
	return !systemd_flush(systemd) && try_send(systemd, text, strlen(text), fd) > 0;
}

/*
 * Before systemd 254 nobody says whether anything is kept. So it is given one end of a pair: where that is not kept the
 * other end sees a hang-up. Once we know, that end is closed, and systemd forgets what has hung up (hence no FDPOLL=0).
 */
static void begin_probe(struct systemd *systemd)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return;
	if (send_along(systemd, ends[1], "FDSTORE=1\nFDNAME=" SYSTEMD_PROBE))
		systemd->probe = ends[0];
	else
		fd_close(&ends[0]);
	fd_close(&ends[1]);
	systemd->probe_read = false;
}

/*
 * It may be in a message that is not read yet: then we do not know. Who has read it closes what it does not keep only a
 * moment later, so it is settled when the next look shows the same.
 */
static void look_at_probe(struct systemd *systemd)
{
	bool open, was_read = systemd->probe_read;
	int unread = 0;
	char byte;

	if (systemd->probe < 0 || ioctl(systemd->notify, SIOCOUTQ, &unread) < 0)
		return;
	open = recv(systemd->probe, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
	systemd->probe_read = !unread;
	if (open && (unread || !was_read))
		return;
	systemd->store = open ? INT64_MAX : 0;
	fd_close(&systemd->probe);
}

bool systemd_begin_store(struct systemd *systemd)
{
	if (systemd->notify < 0)
		return false;
	if (systemd->store < 0 && systemd->probe < 0)
		begin_probe(systemd);
	return systemd->notify >= 0 && systemd->store != 0;
}

bool systemd_store(struct systemd *systemd, int fd, const char *name)
{
	char text[NOTIFY_MAX];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return send_along(systemd, fd, text);
}

void systemd_unstore(struct systemd *systemd, const char *name)
{
	systemd_notify(systemd, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

bool systemd_keeps(struct systemd *systemd)
{
	look_at_probe(systemd);
	if (systemd->probe >= 0)
		return systemd->probe_read;
	return systemd->notify >= 0 && systemd->store > 0;
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
	if (parse_number(text, INT_MAX - SYSTEMD_FIRST_FD, &fds) < 0 || fds == 0) {
		log_err("LISTEN_FDS=%s is not a number of descriptors", text);
		errno = EINVAL;
		return -1;
	}
	for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)fds; fd++) {
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
	systemd->notify = systemd->probe = -1;
	TAILQ_INIT(&systemd->unsent);
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
	read_store(systemd);
	return 0;
}

void systemd_cleanup(struct systemd *systemd)
{
	while (!TAILQ_EMPTY(&systemd->unsent))
		drop_first(systemd);
	fd_close(&systemd->probe);
	fd_close(&systemd->notify);
	free(systemd->name);
	memset(systemd, 0, sizeof(*systemd));
	systemd->notify = systemd->probe = -1;
	TAILQ_INIT(&systemd->unsent);
}
