/* SPDX-License-Identifier: MIT */
/* Included before saved_fields.c in the test build that is one version ahead: a value that this version does not have. */
#define MUSTERD_STATE_NEXT                                                               \
	{                                                                                \
		NUMBER, offsetof(struct saved_worker, round), 0, UINT_MAX, STATE_VERSION \
	}
