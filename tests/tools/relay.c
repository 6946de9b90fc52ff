/* SPDX-License-Identifier: MIT */
/*
 * The program with a module of the tests' own: `handler relay { to ADDRESS }` connects each client to that address, and
 * carries bytes both ways until both have ended. src/main.c finds the list here in place of that of src/services.
 */
#include "services/builtin.h"

#include <errno.h>
#include <string.h>

struct relay_conf {
	const char *to;
	int64_t time;
};

static const struct mu_directive directives[] = {
	{ "to", MU_STRING, offsetof(struct relay_conf, to), .required = true,
	  .help = "where clients are connected to" },
	{ "time", MU_TIME, offsetof(struct relay_conf, time), "10s",
	  .help = "how long a connection may take" },
	{ NULL },
};

static int prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	(void)worker;
	*state_r = (void *)(uintptr_t)config;
	return 0;
}

static void pump(struct mu_conn *from, struct mu_conn *to)
{
	char data[8192];
	ssize_t n;

	while ((n = mu_read(from, data, sizeof(data))) > 0)
		if (mu_write(to, data, (size_t)n) < 0)
			return;
	if (n == 0)
		mu_shutdown(to);
}

static void pump_back(struct mu_conn *conn, void *other)
{
	pump(other, conn);
}

static int serve(struct mu_conn *conn, void *state)
{
	const struct relay_conf *conf = state;
	struct mu_conn *other = mu_connect(conn, conf->to, conf->time);

	if (!other) {
		mu_log(conn, MU_NOTICE, "no connection to %s: %s", conf->to,
		       strerrorname_np(errno));
		return MU_DONE;
	}
	if (mu_go(conn, pump_back, other) < 0)
		return MU_DONE;
	pump(conn, other);
	mu_join(conn);
	mu_count_request(conn);
	return MU_DONE;
}

static const struct mu_module relay = {
	.abi = MU_ABI,
	.name = "relay",
	.help = "connects clients to an address",
	.flags = MU_NAMES,
	.directives = directives,
	.config_size = sizeof(struct relay_conf),
	.prepare = prepare,
	.serve = serve,
};

const struct mu_module *const builtin_modules[] = { &relay, &mu_echo, NULL };
