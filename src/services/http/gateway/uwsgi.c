/* SPDX-License-Identifier: MIT */
/*
 * The protocol of uWSGI: one packet of variables, then content as it is, of the length that
 * CONTENT_LENGTH says; the reply is that of an HTTP server, and the connection ends with it.
 */
#include "services/http/gateway/application.h"

static int write_head(struct relay *relay)
{
	return application_write_head(relay, packet_uwsgi);
}

const struct relay_kind uwsgi_kind = {
	.protocol = "uwsgi",
	.reply = REPLY_HTTP,
	.needs_length = true,
	.begin = application_begin,
	.write_head = write_head,
};
