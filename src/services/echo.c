/* SPDX-License-Identifier: MIT */
/* The echo service, RFC 862: what comes goes back. */
#include "musterd/module.h"

static int serve(struct mu_conn *conn, void *state)
{
	char data[8192];
	ssize_t n;

	(void)state;
	while ((n = mu_read(conn, data, sizeof(data))) > 0)
		if (mu_write(conn, data, (size_t)n) < 0)
			break;
	return MU_DONE;
}

const struct mu_module mu_echo = {
	.abi = MU_ABI,
	.name = "echo",
	.help = "sends back what it gets (RFC 862)",
	.flags = MU_CLIENT_FIRST,
	.serve = serve,
};
