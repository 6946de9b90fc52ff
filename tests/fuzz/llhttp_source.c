/* SPDX-License-Identifier: MIT */
/*
 * llhttp, the parser of Node.js, in its strict mode: compiled from the sources where configure found them
 * (Debian: node-llhttp), none of which are part of this tree. For fuzz_http_llhttp.c. The rest is in llhttp_api.c,
 * for the two declare the same functions differently.
 */
#define LLHTTP_STRICT_MODE 1
#include "llhttp.c"
