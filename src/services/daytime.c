/* SPDX-License-Identifier: MIT */
/* The daytime service, RFC 867: the local time as one line of text. */
#include "musterd/module.h"

#include <time.h>

static int serve(struct mu_conn *conn, void *state)
{
	time_t now = (time_t)mu_time(mu_worker_of(conn));
	char text[64];
	struct tm tm;
	size_t len;

	(void)state;
	localtime_r(&now, &tm);
	/* The form that RFC 867 shows first: "Tuesday, February 22, 1982 17:37:43-PST". */
	len = strftime(text, sizeof(text), "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &tm);
	mu_write(conn, text, len);
	return MU_DONE;
}

const struct mu_module mu_daytime = {
	.abi = MU_ABI,
	.name = "daytime",
	.help = "sends the local time as text (RFC 867)",
	.serve = serve,
};
