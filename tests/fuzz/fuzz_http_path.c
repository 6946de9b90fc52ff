/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for paths: what comes out names nothing above, beside or hidden, and cleaning it
 * again changes nothing.
 */
#include "services/http/path.h"

#include "fuzz.h"

#include <limits.h>
#include <string.h>

static void must_be_safe(const char *path, size_t len)
{
	must(len > 0 && len < PATH_MAX && path[0] == '/' && path[len] == '\0');
	must(strlen(path) == len);
	must(!strstr(path, "//"));
	for (const char *p = path; (p = strstr(p, "/.")); p++)
		must(p == path && !strncmp(p, "/.well-known", 12) && (!p[12] || p[12] == '/'));
}

static void must_be_stable(const char *path, size_t len)
{
	static char encoded[3 * PATH_MAX], again[PATH_MAX];
	size_t encoded_len = path_encode(path, len, encoded), again_len;

	must(path_clean(encoded, encoded_len, again, sizeof again, &again_len) == 0);
	must(again_len == len && !memcmp(again, path, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[PATH_MAX];
	const char *path = (const char *)data;
	size_t len = 0;
	int status;

	/* The parser lets nothing else through. */
	if ((size && path[0] != '/') || memchr(path, '\0', size))
		return 0;
	status = path_clean(path, size, out, sizeof out, &len);
	must(status == 0 || status == PATH_NO_FILE || status == 400 || status == 404);
	if (status == PATH_NO_FILE)
		must(len > 0 && out[0] == '/' && out[len] == '\0' && !strstr(out, "/../") &&
		     !strstr(out, "//"));
	if (path_is_clean(path, size))
		must(status == 0 && len == size && !memcmp(out, path, len));
	if (status == 0) {
		must_be_safe(out, len);
		must_be_stable(out, len);
	}
	return 0;
}
