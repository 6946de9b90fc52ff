/* SPDX-License-Identifier: MIT */
/* The scoreboard, as scoreboard.h says. */
#include "base/scoreboard.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int board_init(struct board *board, size_t slots)
{
	size_t size = slots * sizeof(struct slot);
	void *map;
	int fd = memfd_create("musterd scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		fd_close(&fd);
		return -1;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		fd_close(&fd);
		return -1;
	}
	board->fd = fd;
	board->slots = slots;
	board->slot = map;
	return 0;
}

int board_adopt(struct board *board, int fd, size_t slots)
{
	const int needed = F_SEAL_SHRINK | F_SEAL_GROW;
	size_t size = slots * sizeof(struct slot);
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *map;

	if (seals < 0 || fstat(fd, &st) < 0)
		return -1;
	if ((seals & needed) != needed || st.st_size < 0 || (size_t)st.st_size != size) {
		errno = EINVAL;
		return -1;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	*board = (struct board){ .fd = fd, .slots = slots, .slot = map };
	return 0;
}

void board_cleanup(struct board *board)
{
	if (board->slot)
		munmap(board->slot, board->slots * sizeof(struct slot));
	fd_close(&board->fd);
	board->slot = NULL;
	board->slots = 0;
}

void slot_peer_set(struct slot_peer *peer, const struct sockaddr *address)
{
	struct slot_peer p = { .family = address->sa_family };

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;
		p.port = ntohs(in->sin_port);
		memcpy(p.address, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;
		p.port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			p.family = AF_INET;
			memcpy(p.address, in6->sin6_addr.s6_addr + 12, 4);
		} else {
			memcpy(p.address, &in6->sin6_addr, 16);
		}
	}
	*peer = p;
}

const char *slot_peer_text(const struct slot_peer *peer, char buffer[SLOT_PEER_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "";

	switch (peer->family) {
	case AF_INET:
		inet_ntop(AF_INET, peer->address, host, sizeof(host));
		snprintf(buffer, SLOT_PEER_TEXT_MAX, "%s:%u", host, peer->port);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, peer->address, host, sizeof(host));
		snprintf(buffer, SLOT_PEER_TEXT_MAX, "[%s]:%u", host, peer->port);
		break;
	case AF_UNIX:
		snprintf(buffer, SLOT_PEER_TEXT_MAX, "unix");
		break;
	default:
		snprintf(buffer, SLOT_PEER_TEXT_MAX, "-");
	}
	return buffer;
}

const char *slot_state_name(uint32_t state)
{
	static const char *const names[] = {
		[SLOT_FREE] = "free", [SLOT_STARTING] = "starting", [SLOT_READY] = "ready",
		[SLOT_IDLE] = "idle", [SLOT_BUSY] = "busy",         [SLOT_DRAINING] = "draining",
		[SLOT_GONE] = "gone",
	};

	return state < sizeof(names) / sizeof(*names) ? names[state] : "unknown";
}
