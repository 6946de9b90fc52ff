/* SPDX-License-Identifier: MIT */
/*
 * The targets of `redirect` and the paths of `try`: texts with placeholders in braces, which stand
 * for parts of a request:
 *
 *     {host}   the host asked for, without port
 *     {path}   the path, decoded and cleaned
 *     {rest}   what of the path follows the prefix of the location
 *     {query}  the query as sent, with its "?"; nothing where there is none. Only in a redirect
 *     {uri}    {path}{query}. Only in a redirect
 *
 * A text is checked once, with the configuration, and interpreted as it is used: nothing is
 * allocated. What the client sent cannot leave its place: in a redirect it is percent-encoded and
 * never becomes a part of the host, in a path it makes no dot file and no dot segment. Pure
 * functions.
 */
#ifndef SERVICES_HTTP_TEMPLATE_H
#define SERVICES_HTTP_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

struct template_values {
	const char *host; /* as sent, with or without port */
	size_t host_len;
	const char *path; /* as path_clean gives it */
	size_t path_len;
	const char *query; /* with its "?", or empty */
	size_t query_len;
	size_t prefix_len; /* how many bytes of path come before {rest}; may be more than it has */
};

/*
 * What is wrong with the target of a redirect or with a path of `try`, and what to write; NULL:
 * nothing.
 */
const char *template_check_url(const char *text);
const char *template_check_path(const char *text);

/*
 * The target of a redirect, ready for a header. As snprintf: writes at most size bytes with the NUL
 * and gives the length that all of it has; size 0: out may be NULL. 0: {host} was asked for, and
 * the request names none.
 */
size_t template_url(const char *text, const struct template_values *values, char *out, size_t size);

/*
 * A path to be looked for, clean and with a leading slash. Its length without the NUL; 0: it does
 * not fit, or is none that is served (a dot file, {host} where the request names none).
 */
size_t template_path(const char *text, const struct template_values *values, char *out,
		     size_t size);

#endif
