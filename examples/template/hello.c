/* SPDX-License-Identifier: MIT */
/*
 * Begin here: a module that greets each line it is sent. What a handler can call, and what else a module can have, is
 * in <musterd/module.h> and musterd-module(3). README says how to build and run it.
 */
#include <musterd/module.h>

/* What stands between the braces of `handler module hello { }`: a struct, and a table that fills it. */
struct config {
	const char *greeting;
};

static const struct mu_directive directives[] = {
	{ "greeting", MU_STRING, offsetof(struct config, greeting), "Hello",
	  .help = "the word of welcome" },
	{ .name = NULL },
};

/* Called once in each worker, before any client. What *state points to is given to serve. */
static int start(struct mu_worker *worker, const void *config, void **state)
{
	(void)worker;
	*state = (void *)config;
	return 0;
}

/* Called for each client. When it returns the connection is closed. */
static int serve(struct mu_conn *conn, void *state)
{
	const struct config *config = state;
	char *line;
	ssize_t n;

	while ((n = mu_readline(conn, &line)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (mu_printf(conn, "%s, %.*s!\n", config->greeting, (int)n, line) < 0)
			break;
		mu_count_request(conn);
	}
	return MU_DONE;
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "hello",
	.help = "greets each line",
	.flags = MU_CLIENT_FIRST,
	.directives = directives,
	.config_size = sizeof(struct config),
	.start = start,
	.serve = serve,
	.connections = 64,
};
