/* SPDX-License-Identifier: MIT */
/*
 * What a gateway passes on of the heads of messages: the head that a request has on its way to a
 * server, and the field lines of the reply that go to the client. Fields that are about one
 * connection end here (RFC 9110 section 7.6.1), in both directions; who the client is, is told by
 * us alone, unless the client is a proxy that is trusted. How content is framed is content.c's,
 * status lines are relay_reply.c's. Pure functions: they read a head that request.c or reply.c has
 * accepted, and write into a buffer.
 */
#ifndef SERVICES_HTTP_GATEWAY_FIELDS_H
#define SERVICES_HTTP_GATEWAY_FIELDS_H

#include "services/access.h"
#include "services/http/request.h"

#include "musterd/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum fields_host {
	FIELDS_HOST_CLIENT = 0, /* what the client asked for; without one the server's */
	FIELDS_HOST_SERVER,     /* the server's own address */
	FIELDS_HOST_TEXT
};

/* By which fields a server is told of the client. */
enum fields_forwarded {
	FIELDS_FORWARDED_BOTH = 0,
	FIELDS_FORWARDED_X,        /* X-Forwarded-For, -Proto, -Host, -Port */
	FIELDS_FORWARDED_STANDARD, /* Forwarded, RFC 7239 */
	FIELDS_FORWARDED_NONE      /* nothing is told, and nothing passed on */
};

/* What the configuration says; all of it borrowed. */
struct fields_rules {
	enum fields_host host;
	const char *host_text; /* FIELDS_HOST_TEXT */
	enum fields_forwarded forwarded;
	struct access *trusted; /* proxies that are believed; NULL: none is */
	const char *via;        /* our name in Via; NULL: it is not said */
	bool upgrade;           /* the client may ask for another protocol */
	/* NAME VALUE: in place of all that the client sends of that name; "" takes it away */
	struct mu_lines set;
	struct mu_words hide; /* names of a reply's fields that the client does not see */
	struct mu_words pass; /* names that it does, though they are left out otherwise */
};

/* A request on its way to one server. */
struct fields_request {
	const struct fields_rules *rules;
	const struct request *request;
	const char *data; /* what its slices are of: the head */
	/*
	 * The path to ask for, decoded and clean, as it was made of the one that the client sent (a
	 * prefix that was taken away, `try`); NULL: the target as it was sent.
	 */
	const char *path;
	size_t path_len;
	const char *server;                  /* its authority for Host: "127.0.0.1:3000" */
	const struct sockaddr_storage *peer; /* as mu_peer_address gives it */
	const struct sockaddr_storage *local;
	bool https; /* the client's connection is secured */
	bool close; /* the server is told that this is the last request of its connection */
};

/* Who asks is a proxy that is believed. */
bool fields_trusts(const struct fields_rules *rules, const struct sockaddr_storage *peer);

/*
 * Fields by which proxies tell who the client is (Forwarded, X-Forwarded-..., X-Real-IP), with `_`
 * for `-` too: not to be believed but from a trusted one.
 */
bool fields_are_about_client(const char *name, size_t len);
/* X-Forwarded- anything: likewise, for there are more of them than those. */
bool fields_are_forwarded(const char *name, size_t len);

/* The method as it was sent, whether known or not. data: the request's first byte. */
struct slice fields_method(const struct request *request, const char *data);

/* The client can take trailers: `TE: trailers` (RFC 9110 section 6.5.1). */
bool fields_takes_trailers(const struct request *request, const char *data);

/*
 * The request asks for another protocol, and the rules allow it: at least one that is not h2c or
 * TLS, by which a client would leave what we look at. The head that is written then has Upgrade.
 */
bool fields_upgrades(const struct fields_rules *rules, const struct request *request,
		     const char *data);

/*
 * An OPTIONS that has gone as far as it may (Max-Forwards: 0, RFC 9110 section 7.6.2): it is for us
 * to answer. One that may go further is written with one less.
 */
bool fields_ends_here(const struct request *request, const char *data);

/*
 * Writes the whole head, from the request line to the empty line. Content is announced as the
 * client did: by its length, or as chunked. Its length; 0: it does not fit into size bytes.
 */
size_t fields_write_request(const struct fields_request *what, char *out, size_t size);

/* What a reply is to lose or keep; the last two are found, the others the caller's. */
struct fields_reply {
	const struct fields_rules *rules;
	bool upgraded; /* a 101: Upgrade stays */
	bool trailers; /* the client gets them: Trailer stays */
	bool program;  /* of a program: Status is for us */
	bool no_length; /* a status that has no content: Content-Length goes (RFC 9110 section 8.6) */
	bool date, server; /* such a line is among what was written */
};

/*
 * Writes the lines of a reply that go to the client, each with CRLF, without an empty line at the
 * end. from: the first line, end: behind the last one or the empty line. Connection and, but for a
 * 101, Upgrade are not among them. The length, 0 being possible; -1: they do not fit, or Connection
 * names more than anybody means.
 */
ssize_t fields_write_reply(struct fields_reply *reply, const char *from, const char *end, char *out,
			   size_t size);

#endif
