/* SPDX-License-Identifier: MIT */
/*
 * A relay: each client is connected to another server, and the bytes go both ways, each on a coroutine of its own.
 * An end of the stream is passed on by itself, so that a client which sends, ends, and then reads its answer is
 * served as it would be without us.
 *
 *     handler module relay { to www.example.org:80; connect 5s }
 *
 * Build: cc -shared -fPIC -O2 $(pkg-config --cflags musterd) -o relay.so relay.c
 */
#include <musterd/module.h>

#include <errno.h>
#include <string.h>

struct config {
	const char *to;
	int64_t connect_ms;
};

static const struct mu_directive directives[] = {
	{ .name = "to",
	  .type = MU_STRING,
	  .offset = offsetof(struct config, to),
	  .required = true,
	  .help = "the server: HOST:PORT or unix:/PATH" },
	{ .name = "connect",
	  .type = MU_TIME,
	  .offset = offsetof(struct config, connect_ms),
	  .dflt = "10s",
	  .help = "how long a connection to it may take to be made" },
	{ .name = NULL },
};

static int start(struct mu_worker *worker, const void *config, void **state)
{
	(void)worker;
	*state = (void *)(uintptr_t)config; /* lives as long as the worker */
	return 0;
}

/* Until one side has finished or fails. The other is told in both cases. */
static int pass(struct mu_conn *from, struct mu_conn *to)
{
	const char *data;
	ssize_t n;

	while ((n = mu_fill(from)) > 0) {
		size_t len = mu_buffered(from, &data);

		if (mu_write(to, data, len) < 0)
			return -1;
		mu_consume(from, len);
	}
	mu_shutdown(to);
	return n < 0 ? -1 : 0;
}

static void upwards(struct mu_conn *conn, void *server)
{
	pass(conn, server);
}

static int serve(struct mu_conn *conn, void *state)
{
	const struct config *config = state;
	struct mu_conn *server = mu_connect(conn, config->to, config->connect_ms);

	if (!server) {
		mu_log(conn, MU_WARNING, "cannot connect to %s: %s", config->to, strerror(errno));
		return MU_DONE;
	}
	if (mu_go(conn, upwards, server) < 0)
		mu_log(conn, MU_WARNING, "no memory for a relay");
	else if (pass(server, conn) < 0)
		mu_cancel(conn); /* nobody is left to answer what the client may still send */
	return MU_DONE;          /* once `upwards` has ended as well: serve waits for its tasks */
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "relay",
	.help = "connects each client to another server",
	.flags = MU_NAMES,
	.directives = directives,
	.config_size = sizeof(struct config),
	.start = start,
	.serve = serve,
	.connections = 256,
};
