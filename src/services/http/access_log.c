/* SPDX-License-Identifier: MIT */
/* The access log; see access_log.h. */
#include "services/http/access_log.h"

#include "services/http/nanoseconds.h"

#include "musterd/module.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	GATHERED = 262144, /* bytes that are enough for a write to a file */
	/* A pipe holds 65536 (pipe(7)) and is not waited for: its reader has time in between. */
	GATHERED_PIPE = 16384,
	FLUSH_AFTER = 1000 /* milliseconds */
};

struct access_log {
	struct mu_worker *worker;
	int fd;
	enum access_format format;
	struct access_date date;
	int64_t wall;   /* CLOCK_REALTIME minus CLOCK_MONOTONIC, in nanoseconds */
	bool torn;      /* what was written last ends within a line, */
	dev_t torn_dev; /* in this file */
	ino_t torn_ino;
	uint64_t lost;                             /* lines, and not told yet */
	int error;                                 /* why */
	int64_t tell_at;                           /* not before, mu_now_ms */
	size_t enough;                             /* GATHERED or GATHERED_PIPE */
	size_t len;                                /* of the lines, which begin at text + 1 */
	char text[1 + GATHERED + ACCESS_LINE_MAX]; /* in front: the newline that ends a torn line */
};

struct access_log *access_log_new(struct mu_worker *worker, int fd, enum access_format format)
{
	struct access_log *log = malloc(sizeof *log);

	if (!log)
		return NULL;
	/* Not cleared as a whole: pages that are not needed are not touched. */
	log->worker = worker;
	log->fd = fd;
	log->format = format;
	log->date.second = INT64_MIN;
	log->wall = 0;
	log->torn = false;
	log->lost = 0;
	log->error = 0;
	log->tell_at = INT64_MIN;
	log->enough = GATHERED_PIPE; /* until a write shows that it is a file */
	log->len = 0;
	log->text[0] = '\n';
	tzset();
	return log;
}

/* ---- writing ---- */

/* Up to PIPE_BUF bytes: so many go into a pipe at once or not at all. Whole lines, if one fits. */
static size_t piece_of(const char *data, size_t len)
{
	const char *end;

	if (len <= PIPE_BUF)
		return len;
	end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end + 1 - data) : PIPE_BUF;
}

/* Whether a pipe takes PIPE_BUF bytes, or an error, at once. */
static bool has_room(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, 0) > 0;
}

/* How much was written; less than len: errno says why. */
static size_t write_lines(int fd, bool regular, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t piece = regular ? len - done : piece_of(data + done, len - done);
		ssize_t n;

		if (!regular && !has_room(fd)) {
			errno = EAGAIN;
			break;
		}
		n = write(fd, data + done, piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static void give_up(struct access_log *log, const char *data, size_t len)
{
	log->error = errno;
	for (const char *end = data + len; data < end; data++)
		log->lost += *data == '\n';
}

static void tell_losses(struct access_log *log)
{
	mu_worker_log(log->worker, MU_ERR, "access log: %" PRIu64 " lines lost: %s", log->lost,
		      strerror(log->error));
	log->lost = 0;
}

static void write_all(struct access_log *log)
{
	struct stat st = { 0 };
	const char *data = log->text + 1;
	size_t len = log->len, done;
	bool is_regular;

	fstat(log->fd, &st);
	is_regular = S_ISREG(st.st_mode);
	/* Not at the beginning of another file. */
	if (log->torn && st.st_dev == log->torn_dev && st.st_ino == log->torn_ino) {
		data--;
		len++;
	}
	done = write_lines(log->fd, is_regular, data, len);
	if (done > 0) {
		log->torn = data[done - 1] != '\n';
		log->torn_dev = st.st_dev;
		log->torn_ino = st.st_ino;
	}
	if (done < len)
		give_up(log, data + done, len - done);
	log->len = 0;
	log->enough = is_regular ? GATHERED : GATHERED_PIPE;
}

void access_log_flush(struct access_log *log)
{
	int64_t now = mu_now_ms(log->worker);

	if (log->len)
		write_all(log);
	if (log->lost && now >= log->tell_at) {
		tell_losses(log);
		log->tell_at = now + 60000;
	}
}

void access_log_free(struct access_log *log)
{
	if (!log)
		return;
	access_log_flush(log);
	if (log->lost)
		tell_losses(log);
	free(log);
}

/* ---- adding ---- */

/* Brings the date up to now, which is all that a line without times of its own tells. */
static void settle_date(struct access_log *log)
{
	struct timespec now;

	/* Exact to some milliseconds, for a third of what the exact one costs. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != log->date.second)
		access_date_set(&log->date, now.tv_sec);
}

/* Brings the date up to the second of the entry; the millisecond. */
static int settle_millisecond(struct access_log *log, int64_t t_end)
{
	int64_t wall = t_end + log->wall;

	if (wall / NANOSECONDS != log->date.second) {
		/* Looked at once a second, for the clock may be set. */
		log->wall = nanoseconds_now(CLOCK_REALTIME) - nanoseconds_now(CLOCK_MONOTONIC);
		wall = t_end + log->wall;
		access_date_set(&log->date, wall / NANOSECONDS);
	}
	return (int)(wall % NANOSECONDS / 1000000);
}

void access_log_add(struct access_log *log, const struct access_entry *entry)
{
	int millisecond = 0;

	if (log->format == ACCESS_JSON)
		millisecond = settle_millisecond(log, entry->t_end);
	else
		settle_date(log);
	if (!log->len)
		mu_wake_after(log->worker, FLUSH_AFTER);
	log->len +=
		access_line(log->format, entry, &log->date, millisecond, log->text + 1 + log->len);
	if (log->len >= log->enough)
		access_log_flush(log);
}
