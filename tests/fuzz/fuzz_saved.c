/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the state of a running master: what is read must hold together, and be written and read again
 * as the same bytes; what is not read has a reason.
 */
#include "master/saved.h"

#include "fuzz.h"

#include <string.h>

static int is_a_descriptor(int fd, void *arg)
{
	(void)arg;
	return fd <= 2;
}

static void must_hold_together(const struct saved *saved)
{
	if (saved->masters != 1 || saved->controls > 1 ||
	    (size_t)saved->master->config >= saved->configs ||
	    saved_each_fd(saved, is_a_descriptor, NULL))
		abort();
	for (size_t i = 0; i < saved->pools; i++) {
		if ((size_t)saved->pool[i].config >= saved->configs || !saved->pool[i].service)
			abort();
	}
	for (size_t i = 0; i < saved->uses; i++) {
		if ((size_t)saved->use[i].pool >= saved->pools ||
		    (size_t)saved->use[i].listener >= saved->listeners)
			abort();
	}
	for (size_t i = 0; i < saved->workers; i++) {
		const struct saved_worker *worker = &saved->worker[i];

		if ((size_t)worker->pool >= saved->pools || worker->number < 1 ||
		    worker->number > saved->pool[worker->pool].slots || !worker->because)
			abort();
	}
}

static void must_come_back(const struct saved *saved)
{
	char reason[SAVED_REASON_MAX];
	size_t len, again_len;
	char *bytes = saved_encode(saved, &len), *again;
	struct saved *second = bytes ? saved_decode(bytes, len, reason) : NULL;

	if (!second)
		abort();
	again = saved_encode(second, &again_len);
	if (!again || again_len != len || memcmp(bytes, again, len) != 0)
		abort();
	saved_free(second);
	free(bytes);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[SAVED_REASON_MAX] = "";
	struct saved *saved = saved_decode(data, size, reason);

	if (!saved == !reason[0])
		abort();
	if (!saved)
		return 0;
	must_hold_together(saved);
	must_come_back(saved);
	saved_free(saved);
	return 0;
}
