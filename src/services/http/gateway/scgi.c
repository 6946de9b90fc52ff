/* SPDX-License-Identifier: MIT */
/*
 * SCGI: a netstring of variables, of which CONTENT_LENGTH is the first, then content as it is; the
 * reply is that of a CGI program, and the connection ends with it.
 */
#include "services/http/gateway/application.h"

static int write_head(struct relay *relay)
{
	return application_write_head(relay, packet_scgi);
}

const struct relay_kind scgi_kind = {
	.protocol = "SCGI",
	.reply = REPLY_CGI,
	.needs_length = true,
	.begin = application_begin,
	.write_head = write_head,
};
