/* SPDX-License-Identifier: MIT */
/*
 * The log of this process: one target, one descriptor, one write per line. It is the one piece of
 * state that is not handed around: a process has one log as it has one standard error.
 * A line: "<N>" when the journal reads us, or the local time where nobody adds one; then level, name, text.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

enum log_kind { LOG_TO_STDERR = 0, LOG_TO_FILE = 1, LOG_TO_SYSLOG = 2 };

struct log_target {
	enum log_kind kind;
	const char *path; /* LOG_TO_FILE */
	int facility;     /* LOG_TO_SYSLOG: LOG_DAEMON ... */
	int level;        /* LOG_ERR ... LOG_DEBUG: what is less urgent is dropped */
};

/*
 * Opens the target without changing the log in use, and without waiting for a reader of a FIFO.
 * Descriptor (CLOEXEC), or -1 with errno; and that in words: static text, or good until the next one.
 */
int log_open_target(const struct log_target *target);
const char *log_open_error(int error);

/*
 * Makes fd (given: the log closes it in time) the log in use. The path is copied: nothing of target is
 * kept. Before the first call lines go to standard error at level info.
 */
void log_use(const struct log_target *target, int fd);

/* A target without its path as one number that a record can carry; and its use by who received it. */
int64_t log_target_encode(const struct log_target *target);
void log_use_encoded(int64_t code, int fd);

/* The target in use, without its path. */
void log_target_in_use(struct log_target *target_r);
/* The descriptor in use: to be kept in a child, or handed to a worker. */
int log_fd(void);
/* Another descriptor for the same target (after a rotation). fd is given. */
void log_replace_fd(int fd);

/*
 * What stands in front of every line: "master", "www 2". Copied. Lines that could not be written until
 * now are those of who we were, and are not counted.
 */
void log_set_name(const char *name);
/*
 * From now on the last line of level error or worse is kept in buffer (borrowed; NULL: no more), its
 * text alone, cut to less than size: what this process complained of, for whoever shares the memory.
 */
void log_keep_errors(char *buffer, size_t size);
/* True when lines of this level are written: to save the work of making one. */
int log_wants(int level);

/*
 * A line that cannot be written, because the disk is full or because nobody empties a pipe for a second, is
 * counted; the next one that can be says so first.
 * errno is kept. Newlines and control bytes in the text are shown as \n, \x1b: one line stays one.
 */
void log_line(int level, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
void log_vline(int level, const char *format, va_list args)
	__attribute__((__format__(__printf__, 2, 0)));

/* For messages: "1 worker", "2 workers". */
static inline const char *plural(long n)
{
	return n == 1 ? "" : "s";
}

#define log_err(...)     log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

#endif
