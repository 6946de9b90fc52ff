/* SPDX-License-Identifier: MIT */
/*
 * Load for an echo service: clients (16 unless told otherwise), each a process that connects, sends 64
 * bytes, reads them back, closes, over and over. Every byte is checked; the bytes differ from connection
 * to connection. Any failure ends the run with status 1.
 *
 * echo_load PORT SECONDS [CLIENTS]; prints one JSON line.
 */
#include "bench.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { BYTES = 64, CLIENTS_MAX = 1024, TIMEOUT_S = 10, SOURCES = 50 };

struct tally {
	unsigned long connections;
	char failure[128]; /* "" while all is well */
};

static void fill(unsigned char *data, unsigned client, unsigned long round)
{
	uint64_t x = ((uint64_t)client << 40) + round + 1;

	for (int i = 0; i < BYTES; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		data[i] = (unsigned char)(x >> 56);
	}
}

static bool read_back(int fd, const unsigned char *sent)
{
	unsigned char got[BYTES + 1];
	size_t have = 0;

	while (have < BYTES) {
		ssize_t n = recv(fd, got + have, sizeof(got) - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return have == BYTES && memcmp(got, sent, BYTES) == 0;
}

static bool one_connection(int port, unsigned client, struct tally *tally)
{
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	unsigned char data[BYTES];
	unsigned source = client * SOURCES + (unsigned)(tally->connections % SOURCES);
	int fd = bench_connect(port, source);
	bool ok;

	if (fd < 0) {
		snprintf(tally->failure, sizeof(tally->failure), "connect: %m");
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	fill(data, client, tally->connections);
	ok = send(fd, data, BYTES, MSG_NOSIGNAL) == BYTES && read_back(fd, data);
	close(fd);
	if (ok)
		tally->connections++;
	else
		snprintf(tally->failure, sizeof(tally->failure),
			 "connection %lu: not the bytes that were sent, or an early end",
			 tally->connections + 1);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned clients = argc > 3 ? (unsigned)atoi(argv[3]) : 16;
	unsigned long connections = 0;
	struct tally *tally;
	int port, status = 0;
	double begin, end, seconds;

	if (argc < 3 || clients < 1 || clients > CLIENTS_MAX)
		errx(64, "usage: echo_load PORT SECONDS [CLIENTS]");
	port = atoi(argv[1]);
	seconds = atof(argv[2]);
	tally = mmap(NULL, clients * sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		err(1, "mmap");
	begin = bench_now();
	for (unsigned i = 0; i < clients; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			while (bench_now() < begin + seconds)
				if (!one_connection(port, i, &tally[i]))
					_exit(1);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		continue;
	end = bench_now();
	for (unsigned i = 0; i < clients; i++) {
		connections += tally[i].connections;
		if (tally[i].failure[0]) {
			warnx("client %u: %s", i, tally[i].failure);
			status = 1;
		}
	}
	printf("{\"connections\": %lu, \"seconds\": %.3f, \"rate\": %.0f}\n", connections,
	       end - begin, (double)connections / (end - begin));
	return status;
}
