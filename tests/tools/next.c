/* SPDX-License-Identifier: MIT */
/*
 * Part of a musterd whose state is one version ahead, for tests/system/test_upgrade.py: what it writes has more in
 * each record than this version knows, and records that this version does not know. The linker puts
 * it between the program and saved_encode (--wrap).
 */
#include "saved_fixture.h"

char *__real_saved_encode(const struct saved *saved, size_t *len_r);
char *__wrap_saved_encode(const struct saved *saved, size_t *len_r);

char *__wrap_saved_encode(const struct saved *saved, size_t *len_r)
{
	size_t len;
	char *bytes = __real_saved_encode(saved, &len), *longer;

	if (!bytes)
		return NULL;
	longer = fixture_longer(bytes, len, len_r);
	free(bytes);
	return longer;
}
