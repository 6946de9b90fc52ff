/* SPDX-License-Identifier: MIT */
/* What applications are told, see application.h. */
#include "services/http/gateway/application.h"

#include "autoconf.h"

#include <string.h>

/* Where the path was found it does not stay. */
static const char *copy_path(struct exchange *x)
{
	char *path = mu_alloc(x->conn, x->found.len + 1);

	return path ? memcpy(path, x->found.path, x->found.len) : NULL;
}

int application_begin(struct relay *relay)
{
	struct exchange *x = relay->x;
	struct application *application = mu_alloc(x->conn, sizeof *application);
	const char *path = copy_path(x);

	if (!application || !path)
		return 503;
	relay->found = application;
	mu_peer_address(x->conn, &application->peer);
	mu_local_address(x->conn, &application->local);
	return script_find(&application->script, x->conn, relay->gateway, &x->found.settings, path,
			   x->found.len);
}

static enum params_kind kind_of(const struct gateway *gateway)
{
	switch (gateway->kind) {
	case GATEWAY_FASTCGI:
		return PARAMS_FASTCGI;
	case GATEWAY_UWSGI:
		return PARAMS_UWSGI;
	case GATEWAY_SCGI:
		return PARAMS_SCGI;
	default:
		return PARAMS_CGI;
	}
}

struct params_source application_source(const struct relay *relay)
{
	const struct application *application = relay->found;
	const struct script *script = &application->script;

	return (struct params_source){
		.kind = kind_of(relay->gateway),
		.request = &relay->x->request,
		.data = relay->x->data,
		.length = relay->length,
		.path = script->path,
		.path_len = script->path_len,
		.script_len = script->len,
		.file = script->file,
		.root = script->root,
		.peer = &application->peer,
		.local = &application->local,
		.software = "musterd/" PACKAGE_VERSION,
		.trusted = fields_trusts(&relay->gateway->fields, &application->peer),
		.set = relay->gateway->conf->param,
	};
}

int application_write_head(struct relay *relay, size_t (*write)(const struct params_source *source,
								char *out, size_t size))
{
	const struct params_source source = application_source(relay);
	const size_t size = packet_size(&source);

	relay->head = relay_room(relay, size);
	if (!relay->head)
		return 503;
	relay->head_len = write(&source, relay->head, size);
	if (relay->head_len)
		return 0;
	mu_log(relay->x->conn, MU_INFO, "request refused with 431: its header is too long for %s",
	       relay->kind->protocol);
	return 431;
}
