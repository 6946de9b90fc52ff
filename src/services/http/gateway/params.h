/* SPDX-License-Identifier: MIT */
/*
 * The variables by which an application is told of a request: CGI/1.1 (RFC 3875 section 4.1), and
 * what servers of FastCGI, uwsgi and SCGI expect beside it. One after the other, so that each
 * gateway writes them in its own form. Pure functions; which file a path leads to is found by
 * script.c.
 */
#ifndef SERVICES_HTTP_GATEWAY_PARAMS_H
#define SERVICES_HTTP_GATEWAY_PARAMS_H

#include "services/http/request.h"

#include "musterd/module.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum params_kind {
	PARAMS_CGI = 0,
	PARAMS_FASTCGI,
	PARAMS_UWSGI,
	PARAMS_SCGI /* CONTENT_LENGTH comes first, whatever it is, then SCGI */
};

enum { PARAMS_LENGTH_UNKNOWN = -1 };

/* A request and what it led to. All of it borrowed. */
struct params_source {
	enum params_kind kind;
	const struct request *request;
	const char *data; /* what its slices are of: the head */
	int64_t length;   /* of the content; PARAMS_LENGTH_UNKNOWN: not with PARAMS_SCGI */
	const char *path; /* decoded and clean */
	size_t path_len;
	size_t script_len;                   /* of path, see script.h: the rest is PATH_INFO */
	const char *file;                    /* that the script is, absolute; NULL: there is none */
	const char *root;                    /* DOCUMENT_ROOT; NULL: there is none */
	const struct sockaddr_storage *peer; /* as mu_peer_address gives it */
	const struct sockaddr_storage *local;
	const char *software; /* "musterd/1.0" */
	bool https;           /* the client's connection is secured */
	/* Who asks is a proxy that is believed: what it says of its client is passed on. */
	bool trusted;
	struct mu_lines set; /* NAME VALUE: in place of ours; "" leaves it out */
};

struct param {
	const char *name, *value; /* not NUL-terminated */
	size_t name_len, value_len;
};

/* Where the iterator stands. */
struct params {
	const struct params_source *source;
	int step;
	size_t line;    /* of source->set */
	const char *at; /* in the head */
	uint64_t twice; /* bits of names, of lines that may have the name of another */
	char *buffer;   /* of the caller's */
	size_t size;
	char small[INET6_ADDRSTRLEN]; /* an address or a number */
};

/*
 * How much of a path is the script: up to and including the first `ending` (".php") that is
 * followed by a slash or by nothing. len where there is none.
 */
size_t params_split(const char *path, size_t len, const char *ending);

/* What is never exceeded by all that params_next says of a source. */
struct params_most {
	size_t pairs;
	size_t bytes;  /* of their names and values */
	size_t buffer; /* for params_init */
};

struct params_most params_most(const struct params_source *source);

/* The buffer is for what has to be put together; params_most has its size. */
void params_init(struct params *params, const struct params_source *source, char *buffer,
		 size_t size);

/*
 * 1: *param_r is the next one, valid until the next call. 0: that was all. -1: it does not fit into
 * the buffer.
 */
int params_next(struct params *params, struct param *param_r);

#endif
