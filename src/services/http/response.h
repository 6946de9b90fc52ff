/* SPDX-License-Identifier: MIT */
/*
 * Responses: a ready file, its 304, or a status with a small page. All of them write; what they do
 * not do is read, count requests, or end the connection.
 */
#ifndef SERVICES_HTTP_RESPONSE_H
#define SERVICES_HTTP_RESPONSE_H

#include "services/http/date.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stdint.h>

struct file;

/* What becomes of the connection, as the client is told. */
enum response_end {
	RESPONSE_KEEP = 0,   /* HTTP/1.1: nothing needs to be said */
	RESPONSE_KEEP_ALIVE, /* HTTP/1.0: "Connection: keep-alive" */
	RESPONSE_CLOSE       /* "Connection: close", and the end follows at once */
};

/* How to answer one request. */
struct response {
	struct mu_conn *conn;
	const char *date;   /* DATE_LEN bytes: of now */
	const char *server; /* "Server: musterd\r\n", or "" */
	int64_t now;        /* the same second as date */
	enum response_end end;
	bool without_content; /* the request was HEAD */
};

/*
 * 200 with the file. The caller holds a reference. May yield. 0 or -1: the connection cannot go on
 * (a file that shrank as it was sent has been logged).
 */
int response_file(const struct response *response, struct file *file);
/* 304 for the file. May yield. 0 or -1. */
int response_not_modified(const struct response *response, struct file *file);

/*
 * A response of its own, with a page that names the status where it has content. fields: further
 * header lines, each with CRLF. May yield. 0 or -1.
 */
int response_status(const struct response *response, int status, const char *fields);
/* The same with a text of its own in place of the page. */
int response_text(const struct response *response, int status, const char *fields,
		  const char *text);
/* As response_status without ever waiting: for the client whose time limit ran out. */
void response_last_words(const struct response *response, int status);

/* "Not Found"; "Unknown" for what we never send. */
const char *response_reason(int status);

#endif
