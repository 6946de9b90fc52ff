/* SPDX-License-Identifier: MIT */
/*
 * The character generator, RFC 864: lines of 72 of the 95 printable characters, each line beginning
 * one character later, until the client closes. What the client sends is not read.
 */
#include "musterd/module.h"

#include <string.h>

enum { FIRST = ' ', PRINTABLE = 95, WIDTH = 72, LINE = WIDTH + 2, LINES = PRINTABLE };

static int start(struct mu_worker *worker, const void *config, void **state)
{
	static char pattern[LINES * LINE];

	(void)worker;
	(void)config;
	for (int line = 0; line < LINES; line++) {
		char *p = pattern + line * LINE;

		for (int i = 0; i < WIDTH; i++)
			*p++ = (char)(FIRST + (line + i) % PRINTABLE);
		memcpy(p, "\r\n", 2);
	}
	*state = pattern;
	return 0;
}

static int serve(struct mu_conn *conn, void *state)
{
	while (mu_write(conn, state, LINES * LINE) == 0 && !mu_draining(conn))
		;
	return MU_DONE;
}

const struct mu_module mu_chargen = {
	.abi = MU_ABI,
	.name = "chargen",
	.help = "sends printable characters without end (RFC 864)",
	.start = start,
	.serve = serve,
};
