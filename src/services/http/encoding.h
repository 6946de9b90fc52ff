/* SPDX-License-Identifier: MIT */
/*
 * Which of the representations of a file a client would rather have: Accept-Encoding (RFC 9110
 * section 12.5.3).
 */
#ifndef SERVICES_HTTP_ENCODING_H
#define SERVICES_HTTP_ENCODING_H

#include <stddef.h>

/* The content codings in which files are kept, each one better than those before it. */
enum encoding { ENCODING_IDENTITY = 0, ENCODING_GZIP, ENCODING_BR, ENCODING_ZSTD, ENCODINGS };

/* "*", for what is not named. */
enum { ENCODING_ANY = ENCODINGS };

/* The weights (q) that a client gives to each coding. */
struct accepted {
	int weight[ENCODING_ANY + 1];
};

/* Nothing is named. */
void encoding_init(struct accepted *accepted);

/* Adds what an Accept-Encoding value says; an element that is not valid is passed over. */
void encoding_read(struct accepted *accepted, const char *value, size_t len);

/*
 * The best of what is there by its weights; of equal ones the better coding. available: bits
 * 1 << enum encoding; identity is always there. identity that is not named has less weight than all
 * that is, and it is also the answer when nothing is acceptable: better something than 406 (which
 * section 12.5.3 leaves to us).
 */
int encoding_choose(const struct accepted *accepted, unsigned available);

/* As in Content-Encoding: "identity", "gzip", "br", "zstd". */
const char *encoding_name(enum encoding encoding);

#endif
