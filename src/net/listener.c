/* SPDX-License-Identifier: MIT */
/*
 * Listeners, as listener.h says. Most of the text here is about Unix sockets, which leave a file behind:
 *
 * - The file is made with its final mode (umask) under its final name. A temporary name and rename(2)
 *   would replace a stale file in one step, but getsockname(2) would show the temporary name for ever.
 *   A socket that is bound and does not listen refuses connections, so the time between bind and chown
 *   opens nothing.
 * - While a socket is bound, it keeps its file's inode in use, so device and inode number say reliably
 *   whether a file is ours; listener_close looks before it closes.
 * - Two servers may find the same stale file at once. The one that loses finds in listener_listen that
 *   the file is no longer its own.
 */
#include "net/listener.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ADVICE_MAX = 256 };

/* --------------------------------------------------------------------------- errors ---- */

static int unprivileged_port_start(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int start = 1024;

	if (!file)
		return start;
	if (fscanf(file, "%d", &start) != 1)
		start = 1024;
	fclose(file);
	return start;
}

static void inet_advice(int code, const struct address *address, char advice[ADVICE_MAX])
{
	bool ipv6 = address->u.sa.sa_family == AF_INET6;
	int port = ntohs(ipv6 ? address->u.in6.sin6_port : address->u.in.sin_port);
	int start;

	switch (code) {
	case EADDRINUSE:
		snprintf(advice, ADVICE_MAX, "is another server running? `ss -ltnp` shows it");
		break;
	case EACCES:
	case EPERM:
		start = unprivileged_port_start();
		if (port < start)
			snprintf(advice, ADVICE_MAX,
				 "ports below %d need root or CAP_NET_BIND_SERVICE", start);
		else
			snprintf(advice, ADVICE_MAX,
				 "a security policy of this machine forbids it (SELinux, AppArmor, "
				 "a systemd unit's SocketBindDeny=)");
		break;
	case EADDRNOTAVAIL:
		snprintf(advice, ADVICE_MAX,
			 "no interface of this machine has the address (`ip address` lists them)");
		break;
	case EINVAL:
	case ENODEV:
		if (ipv6)
			snprintf(
				advice, ADVICE_MAX,
				"the interface after %% is missing or gone (`ip link` lists them)");
		break;
	case EAFNOSUPPORT:
		snprintf(advice, ADVICE_MAX, "%s",
			 ipv6 ? "this machine has IPv6 switched off: name an IPv4 address"
			      : "this machine has IPv4 switched off: name an IPv6 address");
		break;
	default:
		break;
	}
}

static int folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path ? (int)(slash - path) : 1;
}

static void unix_advice(int code, const struct address *address, char advice[ADVICE_MAX])
{
	const char *path = address->u.un.sun_path;

	switch (code) {
	case EADDRINUSE:
		snprintf(advice, ADVICE_MAX, "is another server running? `ss -lxp` shows it");
		break;
	case ENOENT:
		snprintf(advice, ADVICE_MAX,
			 "the folder %.*s does not exist: make it, or have systemd make it "
			 "(RuntimeDirectory=)",
			 folder_len(path), path);
		break;
	case ENOTDIR:
		snprintf(advice, ADVICE_MAX, "%.*s is not a folder", folder_len(path), path);
		break;
	case EACCES:
	case EPERM:
		snprintf(advice, ADVICE_MAX, "we may not make files in %.*s", folder_len(path),
			 path);
		break;
	case EEXIST:
		snprintf(advice, ADVICE_MAX,
			 "there is a file that is no socket: remove it or name another path");
		break;
	default:
		break;
	}
}

/* Says "cannot VERB ADDRESS: what: what to do" and gives -1, with the code as errno. */
static int fail(char **error_r, const char *verb, const struct address *address, int code)
{
	char text[ADDRESS_TEXT_MAX], advice[ADVICE_MAX] = "";

	if (code == EMFILE || code == ENFILE)
		snprintf(advice, sizeof(advice),
			 "raise the limit of open files (LimitNOFILE= of the unit, `ulimit -n`)");
	else if (address->u.sa.sa_family == AF_UNIX)
		unix_advice(code, address, advice);
	else
		inet_advice(code, address, advice);
	if (asprintf(error_r, "cannot %s %s: %s%s%s", verb, address_text(address, text),
		     strerror(code), advice[0] ? ": " : "", advice) < 0)
		*error_r = NULL;
	errno = code;
	return -1;
}

/* ------------------------------------------------------------------------ Unix sockets ---- */

static bool has_file(const struct address *address)
{
	return address->u.sa.sa_family == AF_UNIX && address->u.un.sun_path[0] == '/';
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether somebody answers behind a socket file: 1, 0, or -1 when that cannot be known. */
static int probe(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -1;
	if (connect(fd, &address->u.sa, address->len) == 0)
		result = 1;
	else if (errno == EAGAIN || errno == EPROTOTYPE)
		result = 1; /* its backlog is full; or it is a datagram socket */
	else if (errno == ECONNREFUSED || errno == ENOENT)
		result = 0;
	else
		result = -1;
	fd_close(&fd);
	return result;
}

/*
 * Makes room for bind(2). The O_PATH descriptor keeps the inode number from being used again while we
 * look. 0, or -1 with errno: EADDRINUSE for a live socket, EEXIST for another file.
 */
static int remove_stale(const struct address *address)
{
	const char *path = address->u.un.sun_path;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat found, now;
	int live, result = -1;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &found) < 0)
		goto out;
	if (!S_ISSOCK(found.st_mode)) {
		errno = EEXIST;
		goto out;
	}
	live = probe(address);
	if (live < 0)
		goto out;
	if (live || lstat(path, &now) < 0 || !is_same_file(&found, &now)) {
		errno = EADDRINUSE;
		goto out;
	}
	result = unlink(path);
out:
	fd_close(&fd);
	return result;
}

/* The mode first: of a file that has another owner only root with CAP_FOWNER could change it. */
static int set_mode(int file, const struct stat *st, mode_t mode)
{
	char link[64];

	if (st->st_uid != geteuid() && fchownat(file, "", geteuid(), (gid_t)-1, AT_EMPTY_PATH) < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	return chmod(link, mode);
}

/* Owner and mode of the socket's file, held by an O_PATH descriptor so that it is that file. */
static int set_access(int file, const struct listener_options *options)
{
	uid_t owner = options->owner;
	struct stat st;

	if (fstat(file, &st) < 0)
		return -1;
	/* A default ACL of the folder overrules the umask, and a reload may ask for another mode. */
	if ((st.st_mode & 07777) != (options->mode & 0777)) {
		if (set_mode(file, &st, options->mode & 0777) < 0)
			return -1;
		if (owner == (uid_t)-1 && st.st_uid != geteuid())
			owner = st.st_uid;
	}
	if (owner == (uid_t)-1 && options->group == (gid_t)-1)
		return 0;
	return fchownat(file, "", owner, options->group, AT_EMPTY_PATH);
}

static int fail_access(char **error_r, const struct address *address, int code)
{
	char text[ADDRESS_TEXT_MAX];

	if (asprintf(error_r, "cannot set owner and mode of %s: %s%s", address_text(address, text),
		     strerror(code),
		     code == EPERM ? ": only root may give a socket to another owner or group"
				   : "") < 0)
		*error_r = NULL;
	errno = code;
	return -1;
}

static int bind_file(struct listener *listener, const struct listener_options *options,
		     char **error_r)
{
	const struct address *address = &listener->address;
	int result, file;
	mode_t before;
	struct stat st;

	if (remove_stale(address) < 0)
		return fail(error_r, "bind", address, errno);
	before = umask(~options->mode & 0777);
	result = bind(listener->fd, &address->u.sa, address->len);
	umask(before);
	if (result < 0)
		return fail(error_r, "bind", address, errno);
	file = open(address->u.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fd_close(&file);
		return fail(error_r, "bind", address, EADDRINUSE);
	}
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	result = set_access(file, options);
	if (result < 0)
		fail_access(error_r, address, errno);
	fd_close(&file);
	return result;
}

/* An O_PATH descriptor of the file that we made, or -1 when it is there no more. */
static int open_own_file(const struct listener *listener)
{
	int fd = open(listener->address.u.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || st.st_dev != listener->dev || st.st_ino != listener->ino)
		fd_close(&fd);
	return fd;
}

bool listener_has_file(const struct listener *listener)
{
	int file = listener->ino ? open_own_file(listener) : -1;
	bool has = file >= 0;

	fd_close(&file);
	return has;
}

/* ------------------------------------------------------------------------- TCP sockets ---- */

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/* What accepted sockets inherit. */
static int set_stream_options(int fd, int family)
{
	if (family == AF_UNIX)
		return 0;
	return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static int bind_inet(struct listener *listener, char **error_r)
{
	struct address *address = &listener->address;
	int family = address->u.sa.sa_family;
	int fd = listener->fd;

	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 || set_stream_options(fd, family) < 0 ||
	    (family == AF_INET6 &&
	     set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->dual ? 0 : 1) < 0) ||
	    bind(fd, &address->u.sa, address->len) < 0)
		return fail(error_r, "bind", address, errno);
	/* Port 0 has become a real one. */
	if (getsockname(fd, &address->u.sa, &address->len) < 0)
		return fail(error_r, "bind", address, errno);
	return 0;
}

/* ----------------------------------------------------------------------------- all ---- */

static void forget(struct listener *listener)
{
	memset(listener, 0, sizeof(*listener));
	listener->fd = -1;
}

int listener_bind(struct listener *listener, const struct address *address,
		  const struct listener_options *options, char **error_r)
{
	int result;

	forget(listener);
	listener->address = *address;
	listener->fd =
		socket(address->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return fail(error_r, "open a socket for", address, errno);
	if (has_file(address))
		result = bind_file(listener, options, error_r);
	else if (address->u.sa.sa_family == AF_UNIX)
		result = bind(listener->fd, &address->u.sa, address->len) == 0
				 ? 0
				 : fail(error_r, "bind", address, errno);
	else
		result = bind_inet(listener, error_r);
	if (result < 0)
		listener_close(listener);
	return result;
}

/* Who has the file where nobody is named: a reload that takes a name out takes the access away as well. */
static struct listener_options as_created(const struct listener *listener,
					  const struct listener_options *options)
{
	const char *path = listener->address.u.un.sun_path;
	struct listener_options full = *options;
	char folder[sizeof(listener->address.u.un.sun_path)];
	struct stat st;

	if (full.owner == (uid_t)-1)
		full.owner = geteuid();
	if (full.group != (gid_t)-1)
		return full;
	snprintf(folder, sizeof(folder), "%.*s", folder_len(path), path);
	full.group = stat(folder, &st) == 0 && st.st_mode & S_ISGID ? st.st_gid : getegid();
	return full;
}

static int renew_access(struct listener *listener, const struct listener_options *options,
			char **error_r)
{
	struct listener_options full = as_created(listener, options);
	int file = open_own_file(listener);
	int result;

	if (file < 0) {
		char text[ADDRESS_TEXT_MAX];

		if (asprintf(error_r,
			     "cannot listen on %s: the socket's file was removed or replaced after "
			     "we made it: is another server running? If not, a restart makes it "
			     "anew",
			     address_text(&listener->address, text)) < 0)
			*error_r = NULL;
		return -1;
	}
	result = set_access(file, &full);
	if (result < 0)
		fail_access(error_r, &listener->address, errno);
	fd_close(&file);
	return result;
}

int listener_listen(struct listener *listener, const struct listener_options *options,
		    char **error_r)
{
	const struct address *address = &listener->address;

	if (listener->ino && renew_access(listener, options, error_r) < 0)
		return -1;
	if (address->u.sa.sa_family != AF_UNIX &&
	    set_option(listener->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept) < 0)
		return fail(error_r, "listen on", address, errno);
	if (listen(listener->fd, options->backlog) < 0 ||
	    (!options->tended && fd_set_nonblocking(listener->fd, true) < 0))
		return fail(error_r, "listen on", address, errno);
	listener->listening = true;
	return 0;
}

static int get_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, level, option, &value, &len) < 0 ? -1 : value;
}

static const char *why_not_adopted(int fd)
{
	int family = get_option(fd, SOL_SOCKET, SO_DOMAIN);

	if (family < 0)
		return errno == ENOTSOCK ? "it is not a socket (a FIFO or a file?)"
					 : strerror(errno);
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return "it is neither an IPv4, an IPv6 nor a Unix socket";
	if (get_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return "it is not a stream socket: the unit needs ListenStream=";
	if (get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		return "it does not listen: the unit needs Accept=no";
	return NULL;
}

int listener_adopt(struct listener *listener, int fd, char **error_r)
{
	struct address *address = &listener->address;
	const char *why = why_not_adopted(fd);

	forget(listener);
	address->len = sizeof(address->u);
	if (!why &&
	    (getsockname(fd, &address->u.sa, &address->len) < 0 || fd_set_cloexec(fd, true) < 0 ||
	     set_stream_options(fd, address->u.sa.sa_family) < 0))
		why = strerror(errno);
	if (why) {
		if (asprintf(error_r, "cannot use the passed descriptor %d: %s", fd, why) < 0)
			*error_r = NULL;
		forget(listener);
		return -1;
	}
	address->dual = address->u.sa.sa_family == AF_INET6 &&
			IN6_IS_ADDR_UNSPECIFIED(&address->u.in6.sin6_addr) &&
			get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
	listener->fd = fd;
	listener->listening = true;
	listener->adopted = true;
	return 0;
}

void listener_close(struct listener *listener)
{
	int saved = errno;
	int file = listener->ino ? open_own_file(listener) : -1;

	if (file >= 0)
		unlink(listener->address.u.un.sun_path);
	fd_close(&file);
	fd_close(&listener->fd);
	forget(listener);
	errno = saved;
}
