/* SPDX-License-Identifier: MIT */
/* Fuzz target for what programs tell their service manager: whatever comes, the status is one clean line. */
#include "services/program/notify.h"

#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notify notify;
	size_t len;

	notify_parse(&notify, (const char *)data, size);
	len = strnlen(notify.status, sizeof(notify.status));
	must(len < sizeof(notify.status) && len <= size);
	must(notify.has_status || len == 0);
	for (size_t i = 0; i < len; i++)
		must((unsigned char)notify.status[i] >= ' ' && notify.status[i] != 0x7f);
	must(notify.main_pid >= 0 && notify.error >= 0);
	return 0;
}
