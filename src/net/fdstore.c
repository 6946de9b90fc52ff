/* SPDX-License-Identifier: MIT */
/* Names in the descriptor store, as fdstore.h says. */
#include "net/fdstore.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

int fdstore_name(const struct listener *listener, char name[FDSTORE_NAME_MAX])
{
	char text[ADDRESS_TEXT_MAX];
	struct stat st;

	if (fstat(listener->fd, &st) < 0)
		return -1;
	snprintf(name, FDSTORE_NAME_MAX, "musterd-%ju-%ju-%ju-%s", (uintmax_t)st.st_ino,
		 (uintmax_t)listener->dev, (uintmax_t)listener->ino,
		 address_text(&listener->address, text));
	/* LISTEN_FDNAMES is taken apart at colons; blanks are nothing for people who look at lists. */
	for (char *p = name; *p; p++) {
		if (*p <= ' ' || *p > '~' || *p == ':')
			*p = '_';
	}
	return 0;
}

bool fdstore_is_ours(int fd, const char *name, dev_t *dev_r, ino_t *ino_r)
{
	uintmax_t socket, dev, ino;
	struct stat st;
	int len = 0;

	if (sscanf(name, "musterd-%ju-%ju-%ju-%n", &socket, &dev, &ino, &len) != 3 || !len)
		return false;
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_ino != (ino_t)socket)
		return false;
	*dev_r = (dev_t)dev;
	*ino_r = (ino_t)ino;
	return true;
}
