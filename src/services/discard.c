/* SPDX-License-Identifier: MIT */
/* The discard service, RFC 863: takes what comes and says nothing. */
#include "musterd/module.h"

static int serve(struct mu_conn *conn, void *state)
{
	char data[8192];

	(void)state;
	while (mu_read(conn, data, sizeof(data)) > 0)
		;
	return MU_DONE;
}

const struct mu_module mu_discard = {
	.abi = MU_ABI,
	.name = "discard",
	.help = "reads and drops what it gets (RFC 863)",
	.flags = MU_CLIENT_FIRST,
	.serve = serve,
};
