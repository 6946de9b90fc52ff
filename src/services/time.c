/* SPDX-License-Identifier: MIT */
/*
 * The time service, RFC 868: the seconds since 1900-01-01 00:00 UTC as 32 bits in network order. The
 * number wraps in 2036, as the RFC's own does.
 */
#include "musterd/module.h"

enum { BYTES = 4 };
static const uint32_t from_1900_to_1970 = 2208988800U;

static int serve(struct mu_conn *conn, void *state)
{
	uint32_t seconds = (uint32_t)mu_time(mu_worker_of(conn)) + from_1900_to_1970;
	unsigned char data[BYTES];

	(void)state;
	for (int i = 0; i < BYTES; i++)
		data[i] = (unsigned char)(seconds >> (24 - 8 * i));
	mu_write(conn, data, sizeof(data));
	return MU_DONE;
}

const struct mu_module mu_time_module = {
	.abi = MU_ABI,
	.name = "time",
	.help = "sends the time as a 32-bit number (RFC 868)",
	.serve = serve,
};
