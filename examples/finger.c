/* SPDX-License-Identifier: MIT */
/*
 * A Finger server, RFC 1288: a folder holds a file for each user, named as the user, with what is to be told.
 * Nothing outside the folder can be asked for: a name has no slash, and links are not followed.
 *
 *     handler module finger { plans /srv/finger; list yes }
 *
 * Build: cc -shared -fPIC -O2 $(pkg-config --cflags musterd) -o finger.so finger.c
 */
#include <musterd/module.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LEN = 64, QUERY_LEN = 512, PLAN_SIZE = 64 * 1024 };

struct config {
	const char *plans;
	bool list;
};

static const struct mu_directive directives[] = {
	{ "plans", MU_PATH, offsetof(struct config, plans), .required = true,
	  .help = "the folder of the users' files" },
	{ "list", MU_BOOL, offsetof(struct config, list), "no",
	  .help = "an empty query is answered with the names of all users" },
	{ .name = NULL },
};

struct finger {
	bool list;
	int folder;
};

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void check(void *config, struct mu_report *report)
{
	const struct config *conf = config;
	int fd = open_folder(conf->plans);

	if (fd < 0)
		mu_error(report, "plans", "%s: %s", conf->plans, strerror(errno));
	else
		close(fd);
}

/* Before a chroot, so that the folder may lie outside of it. */
static int prepare(struct mu_worker *worker, const void *config, void **state_r)
{
	const struct config *conf = config;
	struct finger *finger = malloc(sizeof(*finger));

	if (!finger)
		return -1;
	*finger = (struct finger){ conf->list, open_folder(conf->plans) };
	*state_r = finger;
	if (finger->folder < 0)
		mu_worker_log(worker, MU_ERR, "%s: %s", conf->plans, strerror(errno));
	return finger->folder < 0 ? -1 : 0;
}

static void stop(void *state)
{
	struct finger *finger = state;

	close(finger->folder);
	free(finger);
}

/* What can be the name of a user, and of nothing else in a folder: no slash, and not hidden. */
static bool is_name(const char *text)
{
	size_t n =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= NAME_LEN && !text[n] && text[0] != '.';
}

/* Lines end with CR LF on the way (RFC 1288 2.2); what could steer a terminal is left out. */
static void send_text(struct mu_conn *conn, int fd)
{
	char in[2048], out[2 * sizeof(in)];
	ssize_t n, sent = 0;

	while (sent < PLAN_SIZE && (n = read(fd, in, sizeof(in))) > 0) {
		size_t len = 0;

		for (ssize_t i = 0; i < n; i++) {
			if (in[i] == '\n')
				out[len++] = '\r';
			if (!iscntrl((unsigned char)in[i]) || in[i] == '\n' || in[i] == '\t')
				out[len++] = in[i];
		}
		if (mu_write(conn, out, len) < 0)
			return;
		sent += n;
	}
}

static void tell_user(struct mu_conn *conn, const struct finger *finger, const char *name)
{
	struct stat st;
	int fd = -1;

	/* O_NONBLOCK: a pipe that somebody put there does not hold us up. */
	if (is_name(name))
		fd = openat(finger->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (mu_printf(conn, "Login: %s\r\nPlan:\r\n", name) == 0)
			send_text(conn, fd);
	} else {
		mu_printf(conn, "%s: no such user.\r\n", is_name(name) ? name : "finger");
	}
	if (fd >= 0)
		close(fd);
}

static void tell_all(struct mu_conn *conn, const struct finger *finger)
{
	/* Opened anew: the position of finger->folder would be shared with those who are served beside us. */
	int fd = openat(finger->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		mu_log(conn, MU_ERR, "cannot list the users: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_type != DT_DIR && is_name(entry->d_name) &&
		    mu_printf(conn, "%s\r\n", entry->d_name) < 0)
			break;
	closedir(dir);
}

/* {Q1} of RFC 1288 2.3 is [/W] [user]; {Q2}, user@host, asks us to ask another server. */
static void answer(struct mu_conn *conn, const struct finger *finger, char *query)
{
	const char *blank = " \t\r\n";
	char *rest, *word = strtok_r(query, blank, &rest);

	if (word && strcasecmp(word, "/W") == 0) /* tell more: there is no more */
		word = strtok_r(NULL, blank, &rest);
	if (word && strchr(word, '@'))
		mu_printf(conn, "Finger forwarding service denied.\r\n");
	else if (word)
		tell_user(conn, finger, word);
	else if (finger->list)
		tell_all(conn, finger);
	else
		mu_printf(conn, "Finger online user list denied.\r\n");
}

static int serve(struct mu_conn *conn, void *state)
{
	char query[QUERY_LEN + 1], *line;
	ssize_t n;

	mu_set_limit(conn, MU_HEADER);
	n = mu_readline(conn, &line);
	if (n > QUERY_LEN || (n < 0 && errno == ENOBUFS)) {
		mu_printf(conn, "That is too long for a query.\r\n");
		mu_linger(conn); /* closing with bytes unread would destroy the answer */
	} else if (n > 0) {
		memcpy(query, line, (size_t)n);
		query[n] = '\0';
		mu_set_limit(conn, MU_REQUEST);
		mu_count_request(conn);
		answer(conn, state, query);
	}
	return MU_DONE;
}

const struct mu_module musterd_module = {
	.abi = MU_ABI,
	.name = "finger",
	.help = "tells about users, from a folder of files (RFC 1288)",
	.flags = MU_CLIENT_FIRST | MU_REQUESTS,
	.directives = directives,
	.config_size = sizeof(struct config),
	.check = check,
	.prepare = prepare,
	.serve = serve,
	.stop = stop,
	.connections = 64,
};
