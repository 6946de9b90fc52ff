/* SPDX-License-Identifier: MIT */
/* The name server in a child, as fake_dns.h says. */
#include "fake_dns.h"

#include "base/clock.h"

#include "unit.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_MAX = 65535, LATE_MAX = 64, HEAD = 12 };

/* An answer that is not sent yet. */
struct late {
	int64_t at; /* 0: free */
	struct sockaddr_in to;
	size_t len;
	unsigned char data[512];
};

struct server {
	const struct fake_record *record;
	struct fake_counts *counts;
	int udp, tcp;
	struct late late[LATE_MAX];
};

struct question {
	char name[NS_MAXDNAME];
	int type;
	size_t end; /* of it in the message */
};

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static bool read_question(const unsigned char *message, size_t len, struct question *question)
{
	int n = len > HEAD ? dn_expand(message, message + len, message + HEAD, question->name,
				       sizeof(question->name))
			   : -1;

	if (n < 0 || HEAD + (size_t)n + 4 > len)
		return false;
	question->type = message[HEAD + n] << 8 | message[HEAD + n + 1];
	question->end = HEAD + (size_t)n + 4;
	return true;
}

static bool is_same(const struct fake_record *record, const struct question *question)
{
	return record->type == question->type && strcasecmp(record->name, question->name) == 0;
}

static size_t put_data(unsigned char *at, const struct fake_record *record)
{
	int n;

	switch (record->type) {
	case ns_t_a:
		return inet_pton(AF_INET, record->data, at) == 1 ? 4 : 0;
	case ns_t_aaaa:
		return inet_pton(AF_INET6, record->data, at) == 1 ? 16 : 0;
	default:
		n = dn_comp(record->data, at, NS_MAXDNAME, NULL, NULL);
		return n < 0 ? 0 : (size_t)n;
	}
}

/* The question's message becomes the answer's. Its length. */
static size_t make_answer(const struct server *server, unsigned char *message,
			  const struct question *question, unsigned rcode)
{
	size_t len = question->end;
	unsigned n = 0;
	bool exists = false;

	for (const struct fake_record *record = server->record; record->name; record++) {
		exists |= strcasecmp(record->name, question->name) == 0;
		if (!record->data || !is_same(record, question) || rcode)
			continue;
		put16(message + len, 0xc000 | HEAD);
		put16(message + len + 2, (unsigned)record->type);
		put16(message + len + 4, ns_c_in);
		put16(message + len + 6, 0);
		put16(message + len + 8, 60);
		put16(message + len + 10, (unsigned)put_data(message + len + 12, record));
		len += 12u + (unsigned)(message[len + 10] << 8 | message[len + 11]);
		n++;
	}
	message[2] = 0x84 | (message[2] & 1);
	message[3] = (unsigned char)(0x80 | (rcode    ? rcode
					     : exists ? 0u
						      : (unsigned)ns_r_nxdomain));
	put16(message + 6, n);
	put16(message + 8, 0);
	put16(message + 10, 0);
	return len;
}

static void send_to(const struct server *server, const unsigned char *message, size_t len,
		    const struct sockaddr_in *to)
{
	sendto(server->udp, message, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void send_late(struct server *server, const unsigned char *message, size_t len,
		      const struct sockaddr_in *to, int ms)
{
	for (size_t i = 0; i < LATE_MAX; i++) {
		struct late *late = &server->late[i];

		if (late->at)
			continue;
		late->at = clock_ms() + ms;
		late->to = *to;
		late->len = len < sizeof(late->data) ? len : sizeof(late->data);
		memcpy(late->data, message, late->len);
		return;
	}
}

static void lie(const struct server *server, const unsigned char *message, size_t len,
		const struct sockaddr_in *to)
{
	unsigned char lying[MESSAGE_MAX];

	memcpy(lying, message, len);
	lying[0] ^= 0x55;
	send_to(server, lying, len, to);
	lying[0] ^= 0x55;
	/* The first letter of the name. */
	lying[HEAD + 1] = lying[HEAD + 1] == 'x' ? 'y' : 'x';
	send_to(server, lying, len, to);
}

static const struct fake_record *find(const struct server *server, const struct question *question)
{
	const struct fake_record *record = server->record;

	while (record->name && !is_same(record, question))
		record++;
	return record;
}

static void serve_udp(struct server *server)
{
	unsigned char message[MESSAGE_MAX];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(server->udp, message, sizeof(message), 0, (struct sockaddr *)&from,
			     &from_len);
	const struct fake_record *record;
	struct question question;
	size_t len;

	if (n <= 0 || !read_question(message, (size_t)n, &question))
		return;
	atomic_fetch_add(&server->counts->udp, 1);
	record = find(server, &question);
	len = make_answer(server, message, &question,
			  record->how == FAKE_FAILURE   ? ns_r_servfail
			  : record->how == FAKE_REFUSAL ? ns_r_refused
							: 0);
	if (record->how == FAKE_SILENCE)
		return;
	if (record->how == FAKE_LIES)
		lie(server, message, len, &from);
	if (record->how == FAKE_TRUNCATION) {
		message[2] |= 2;
		put16(message + 6, 0);
		len = question.end;
	}
	if (record->how == FAKE_GARBAGE) {
		put16(message + 6, 9999);
		len = HEAD + 1;
	}
	if (record->late_ms)
		send_late(server, message, len, &from, record->late_ms);
	else
		send_to(server, message, len, &from);
}

static void serve_tcp(const struct server *server)
{
	int fd = accept(server->tcp, NULL, NULL);
	unsigned char head[2], message[MESSAGE_MAX];
	struct question question;

	while (recv(fd, head, sizeof(head), MSG_WAITALL) == sizeof(head)) {
		ssize_t n = recv(fd, message, (size_t)(head[0] << 8 | head[1]), MSG_WAITALL);
		size_t len;

		if (n <= 0 || !read_question(message, (size_t)n, &question))
			break;
		atomic_fetch_add(&server->counts->tcp, 1);
		len = make_answer(server, message, &question, 0);
		put16(head, (unsigned)len);
		if (send(fd, head, sizeof(head), MSG_NOSIGNAL | MSG_MORE) < 0 ||
		    send(fd, message, len, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
}

static void run(struct server *server)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = server->udp, .events = POLLIN },
					 { .fd = server->tcp, .events = POLLIN } };
		int64_t now = clock_ms(), at = 0;

		for (size_t i = 0; i < LATE_MAX; i++) {
			struct late *late = &server->late[i];

			if (late->at && late->at <= now) {
				send_to(server, late->data, late->len, &late->to);
				late->at = 0;
			}
			at = clock_earlier(at, late->at);
		}
		if (poll(fds, 2, at ? (int)(at - now) : -1) <= 0)
			continue;
		if (fds[0].revents)
			serve_udp(server);
		if (fds[1].revents)
			serve_tcp(server);
	}
}

void fake_dns_start(struct fake_dns *dns, const struct fake_record *record, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct server server = { .record = record };
	pid_t parent = getpid();

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dns->counts = mmap(NULL, sizeof(*dns->counts), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(dns->counts != MAP_FAILED);
	server.counts = dns->counts;
	/* The same port for both: that of UDP may be taken for TCP, so more than one is tried. */
	for (int i = 0;; i++) {
		ck_assert_int_lt(i, 100);
		address.sin_port = htons((uint16_t)port);
		server.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(server.udp, (struct sockaddr *)&address, len), 0);
		ck_assert_int_eq(getsockname(server.udp, (struct sockaddr *)&address, &len), 0);
		if (bind(server.tcp, (struct sockaddr *)&address, len) == 0)
			break;
		close(server.udp);
		close(server.tcp);
	}
	ck_assert_int_eq(listen(server.tcp, 16), 0);
	snprintf(dns->servers, sizeof(dns->servers), "127.0.0.1:%d", ntohs(address.sin_port));
	dns->pid = fork();
	if (!dns->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			run(&server);
		_exit(0);
	}
	/* Not in the child: an assertion is a line in a file of Check's, which the parent may be reading by then. */
	ck_assert_int_ge(dns->pid, 0);
	close(server.udp);
	close(server.tcp);
}

void fake_dns_stop(struct fake_dns *dns)
{
	kill(dns->pid, SIGKILL);
	waitpid(dns->pid, NULL, 0);
	munmap(dns->counts, sizeof(*dns->counts));
}
