/* SPDX-License-Identifier: MIT */
#include "services/http/exchange.h"

#include <string.h>

int exchange_keep_head(struct exchange *x)
{
	char *head;

	if (!x->pending)
		return 0;
	head = mu_alloc(x->conn, x->request.head_len);
	if (!head)
		return -1;
	x->data = memcpy(head, x->data, x->request.head_len);
	mu_consume(x->conn, x->pending);
	x->pending = 0;
	return 0;
}
