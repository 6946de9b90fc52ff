/* SPDX-License-Identifier: MIT */
/*
 * One request as one line of an access log. Text in, text out: nothing is allocated, written or
 * kept. What clients sent is escaped, so that a line is always one line of printable ASCII (common,
 * combined) or one valid JSON object in UTF-8, whatever they sent.
 */
#ifndef SERVICES_HTTP_ACCESS_LINE_H
#define SERVICES_HTTP_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

struct mu_conn;
struct request;

/* In the order of the words of the directive: common|combined|json. */
enum access_format { ACCESS_COMMON = 0, ACCESS_COMBINED = 1, ACCESS_JSON = 2 };

enum {
	/* So many bytes of a value are written, escapes included; "..." stands for the others. */
	ACCESS_VALUE_MAX = 8192,
	/*
	 * No line is longer: the client's values (method, target, Referer, User-Agent, Host) and
	 * the rest.
	 */
	ACCESS_LINE_MAX = 6 * (ACCESS_VALUE_MAX + 3) + 1024
};

/* A request that was answered, or as much of it as was understood. All is borrowed. */
struct access_entry {
	struct mu_conn *conn;
	const struct request *request;
	/*
	 * What the request's slices are of. data_len is only looked at when the request was refused
	 * before its first line was understood: so many bytes had come, and the first line of them
	 * is shown.
	 */
	const char *data;
	size_t data_len;
	const char *encoding; /* "gzip", ...; NULL: the content was sent as it is */
	int status;
	int64_t bytes; /* of content that were written, without the head */
	/*
	 * CLOCK_MONOTONIC, nanoseconds: the first bytes of the request were there, those of the
	 * answer were written (0: none were), all was written or the client was gone.
	 */
	int64_t t_start, t_first, t_end;
	uint64_t count; /* of requests on this connection, this one included */
};

/* One second as text, in the local time zone. A second of INT64_MIN: none yet. */
struct access_date {
	int64_t second;
	char common[26]; /* 22/Nov/2026:18:00:53 +0100 */
	char iso[19];    /* 2026-11-22T18:00:53 */
	char zone[6];    /* +01:00 */
};

/* second: since 1970. tzset(3) was called before, when the zone's file could be read. */
void access_date_set(struct access_date *date, int64_t second);

/*
 * Writes the line with its newline, no NUL; its length. date: of the second in which the request
 * ended, `millisecond` of it. out has room for ACCESS_LINE_MAX bytes.
 */
size_t access_line(enum access_format format, const struct access_entry *entry,
		   const struct access_date *date, int millisecond, char *out);

#endif
