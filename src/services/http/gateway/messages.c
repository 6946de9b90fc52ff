/* SPDX-License-Identifier: MIT */
/* Lines of an application for the log, see messages.h. */
#include "services/http/gateway/messages.h"

void messages_end(struct messages *messages)
{
	if (messages->len && messages->line[messages->len - 1] == '\r')
		messages->len--;
	if (messages->len)
		mu_log(messages->conn, MU_NOTICE, "%s: %.*s", messages->name, (int)messages->len,
		       messages->line);
	messages->len = 0;
}

void messages_add(struct messages *messages, const char *data, size_t len)
{
	static const char nul[] = "\\x00";

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n') {
			messages_end(messages);
			continue;
		}
		if (sizeof messages->line - messages->len < sizeof nul - 1)
			messages_end(messages);
		/* The log makes other control bytes visible; this one would end its text. */
		if (data[i])
			messages->line[messages->len++] = data[i];
		else
			for (size_t j = 0; j < sizeof nul - 1; j++)
				messages->line[messages->len++] = nul[j];
	}
}
