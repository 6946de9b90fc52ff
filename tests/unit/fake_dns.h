/* SPDX-License-Identifier: MIT */
/*
 * A name server on 127.0.0.1, in a forked child, over UDP and TCP: answers by a table of the test's. What is not
 * in the table does not exist.
 */
#ifndef TESTS_FAKE_DNS_H
#define TESTS_FAKE_DNS_H

#include <stdatomic.h>
#include <sys/types.h>

enum fake_how {
	FAKE_ANSWER = 0,
	FAKE_SILENCE,    /* no answer */
	FAKE_FAILURE,    /* SERVFAIL */
	FAKE_REFUSAL,    /* REFUSED */
	FAKE_TRUNCATION, /* cut over UDP, whole over TCP */
	FAKE_LIES,       /* another id, then another question, then the answer */
	FAKE_GARBAGE     /* a head that promises what is not there, then silence */
};

/* Several of one name and type: several addresses; `how` and `late_ms` are those of the first. */
struct fake_record {
	const char *name;
	int type;         /* ns_t_a, ns_t_aaaa, ns_t_ptr */
	const char *data; /* address or name; NULL: the name has no such record */
	enum fake_how how;
	int late_ms;
};

struct fake_counts {
	atomic_int udp, tcp; /* questions */
};

struct fake_dns {
	pid_t pid;
	char servers[32];           /* for names_source */
	struct fake_counts *counts; /* shared with the child */
};

/* The table is ended by a NULL name. port 0: one that is free. */
void fake_dns_start(struct fake_dns *dns, const struct fake_record *record, int port);
void fake_dns_stop(struct fake_dns *dns);

#endif
