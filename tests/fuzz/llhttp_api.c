/* SPDX-License-Identifier: MIT */
/* What surrounds the state machine of llhttp; see llhttp_source.c. */
#define LLHTTP_STRICT_MODE 1
#include "api.c"
#include "http.c"
