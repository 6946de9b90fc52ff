/* SPDX-License-Identifier: MIT */
/* Fuzz target for requests of the control socket: what is taken is a known request with arguments in bounds. */
#include "master/control_request.h"

#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request;
	char reason[REQUEST_REASON_MAX] = "";

	if (!control_request_parse(&request, (const char *)data, size, reason)) {
		must(*reason && strlen(reason) < sizeof(reason) && !strpbrk(reason, "\n\r\033"));
		return 0;
	}
	must(size <= REQUEST_LINE_MAX && !memchr(data, '\n', size) && !memchr(data, '\0', size));
	must(request.kind < REQUEST_KINDS);
	must(strlen(request.service) < size && !strpbrk(request.service, " \t\r\n"));
	must(abs(request.workers) <= REQUEST_WORKERS_MAX);
	must(!request.absolute || request.workers >= 0);
	if (request.kind == REQUEST_WORKERS)
		must(*request.service && (request.absolute || request.workers));
	else
		must(!request.workers && !request.absolute);
	return 0;
}
