/* SPDX-License-Identifier: MIT */
/* From a path that leads to a gateway to the relay of its kind; see gateway.h. */
#include "services/http/gateway/gateway.h"

#include "services/http/gateway/fields.h"
#include "services/http/gateway/relay.h"

#include <string.h>

static const struct relay_kind *const kinds[GATEWAY_KINDS] = {
	[GATEWAY_PROXY] = &proxy_kind, [GATEWAY_FASTCGI] = &fastcgi_kind,
	[GATEWAY_UWSGI] = &uwsgi_kind, [GATEWAY_SCGI] = &scgi_kind,
	[GATEWAY_CGI] = &cgi_kind,
};

/*
 * What is asked for: the path that was found, without the prefix that `strip-prefix` takes away,
 * and with a NUL behind it: where it was found it does not stay.
 */
static int set_path(struct relay *relay)
{
	struct exchange *x = relay->x;
	size_t len;
	const char *name = settings_name(&x->found.settings, x->found.path, x->found.len, &len);
	char *path = mu_alloc(x->conn, len + 2);

	if (!path)
		return -1;
	path[0] = '/';
	memcpy(path + 1, name, len);
	relay->path = path;
	relay->path_len = len + 1;
	relay->is_stripped = len + 1 < x->found.len;
	return 0;
}

/* Nobody reads the content: what follows the head is not the next request. */
static int answer_unread(struct exchange *x, int status)
{
	if (x->request.chunked || x->request.length) {
		x->unread = true;
		exchange_close(x);
	}
	return answer_status(x, status, "");
}

int gateway_answer(struct exchange *x)
{
	struct relay relay = { .x = x, .gateway = x->found.settings.gateway };

	x->unlogged |= !x->found.settings.log;
	if (fields_ends_here(&x->request, x->data))
		return answer_unread(x, 204);
	relay.kind = kinds[relay.gateway->kind];
	if (set_path(&relay) < 0)
		return answer_unread(x, 503);
	return relay_run(&relay);
}
