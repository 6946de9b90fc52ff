/* SPDX-License-Identifier: MIT */
/*
 * Responses: a ready file or parts of it, its 304, and whatever is not a file: a status with a
 * small page, a text, a page that was made. All of them write; what they do not do is read,
 * count requests, or end the connection.
 */
#ifndef SERVICES_HTTP_RESPONSE_H
#define SERVICES_HTTP_RESPONSE_H

#include "services/http/date.h"
#include "services/http/range.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct file;

/* What becomes of the connection, as the client is told. */
enum response_end {
	RESPONSE_KEEP = 0,   /* HTTP/1.1: nothing needs to be said */
	RESPONSE_KEEP_ALIVE, /* HTTP/1.0: "Connection: keep-alive" */
	RESPONSE_CLOSE,      /* "Connection: close", and the end follows at once */
	RESPONSE_UPGRADE     /* "Connection: upgrade": from now on it is another protocol's */
};

/* How to answer one request, and what was answered. */
struct response {
	struct mu_conn *conn;
	const char *date;   /* DATE_LEN bytes: of now */
	const char *server; /* "Server: musterd\r\n", or "" */
	/*
	 * Further header lines, each with CRLF, or "": of what is not a file, for those of a
	 * file are in its head. May be replaced between two calls, and not be changed while one
	 * of them waits.
	 */
	const char *fields;
	int64_t now; /* the same second as date */
	enum response_end end;
	bool without_content; /* the request was HEAD */
	bool timed;           /* first_byte is wanted */

	/* Set by each of the calls, for the access log. */
	int status;
	int64_t bytes; /* of content that went out; of a response that failed: at least so many */
	/*
	 * If timed: when it was ready to be sent, or the first of it had been; nanoseconds,
	 * CLOCK_MONOTONIC. 0: all of it was sent at once, just now.
	 */
	int64_t first_byte;
};

/*
 * The file. ranges: as condition_ranges says. 0: the whole, with 200. 1: that part, with 206;
 * more: all of them in a multipart/byteranges (RFC 9110 section 15.3.7). -1: none of it, 416
 * with its page; who has a page of his own for that sends it himself, with
 * response_unsatisfied_range. The caller holds a reference. May yield. 0 or -1: the connection
 * cannot go on (a file that changed as it was sent has been logged).
 */
int response_file(struct response *response, struct file *file, const struct range *range,
		  int ranges);
/* 304 for the file. May yield. 0 or -1. */
int response_not_modified(struct response *response, struct file *file);

/*
 * The content of a file as the page of an error: without what holds for the file itself, its
 * validators, its cache lifetime, its ranges. The file is one without Content-Encoding, for
 * nothing is said of Vary. fields: see response_status. May yield. 0 or -1.
 */
int response_error_file(struct response *response, int status, const char *fields,
			struct file *file);

/*
 * A response of its own, with a page that names the status where it has content. fields: lines
 * of this answer (Allow, Location), each with CRLF, or "". May yield. 0 or -1.
 */
int response_status(struct response *response, int status, const char *fields);
/* The same with a text of its own in place of the page. */
int response_text(struct response *response, int status, const char *fields, const char *text);
/*
 * The same with content of any type, "text/html; charset=utf-8". NULL: without any, as 204 and 304
 * are (RFC 9110 sections 8.6, 15.3.5 and 15.4.5).
 */
int response_content(struct response *response, int status, const char *type, const char *fields,
		     const char *content, size_t len);
/*
 * For a response whose head somebody else has made, a server behind us: the lines that are ours to add, from Date
 * to the empty line. date, server: there is such a line already. Writes at most RESPONSE_OWN_MAX bytes and
 * those of response->fields; how many.
 */
enum { RESPONSE_OWN_MAX = 256 };
size_t response_own_lines(const struct response *response, bool date, bool server, char *out);
/*
 * Such a response is about to be written; then it is, by one or more calls, with pieces (at most 8) of its head and
 * content. more: something follows at once. last: nothing does. The caller counts the bytes of content. response_write
 * may yield: 0 or -1.
 */
void response_begin(struct response *response, int status);
int response_write(struct response *response, const struct iovec *piece, int n, bool more,
		   bool last);

/* As response_status without ever waiting: for the client whose time limit ran out. */
void response_last_words(struct response *response, int status);

/*
 * The field of a 416 for a file of so many bytes, with CRLF (RFC 9110 section 14.4). out is
 * returned.
 */
enum { RESPONSE_RANGE_MAX = 64 };
const char *response_unsatisfied_range(int64_t size, char out[RESPONSE_RANGE_MAX]);

/* "Not Found"; "Unknown" for what is not registered. */
const char *response_reason(int status);

#endif
