/* SPDX-License-Identifier: MIT */
/*
 * The head of a request in the form of each protocol of applications: all variables of params.h,
 * packed. Pure functions that write into memory of the caller's.
 */
#ifndef SERVICES_HTTP_GATEWAY_PACKET_H
#define SERVICES_HTTP_GATEWAY_PACKET_H

#include "services/http/gateway/params.h"

#include <stdbool.h>
#include <stddef.h>

/* Memory that is enough for any one of the functions below, which use all of it. */
size_t packet_size(const struct params_source *source);

/*
 * Each returns how many bytes of `out`, from its first one, are to be sent; 0: more than the
 * protocol has room for. size: as packet_size says.
 */

/* FastCGI: BEGIN_REQUEST and PARAMS. keep: the connection is to stay open afterwards. */
size_t packet_fastcgi(const struct params_source *source, bool keep, char *out, size_t size);
/* uwsgi: a packet of the kind that a web server sends, "modifier" 0. */
size_t packet_uwsgi(const struct params_source *source, char *out, size_t size);
/* SCGI: a netstring. */
size_t packet_scgi(const struct params_source *source, char *out, size_t size);

/*
 * CGI: an environment for execve(2), within `out`, which is aligned for pointers. PATH is `path`
 * where the source does not set it. NULL: it does not fit, which is a fault of packet_size.
 */
const char *const *packet_environment(const struct params_source *source, const char *path,
				      char *out, size_t size);

#endif
