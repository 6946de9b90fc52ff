/* SPDX-License-Identifier: MIT */
/*
 * The children of a connection, as musterd/module.h says: started by base/launch.c, waited for by their pidfd, reaped by
 * nobody else. Each belongs to one serve and ends with it at the latest.
 */
#include "runtime/child.h"

#include "base/fd.h"
#include "base/launch.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a worker waits for the death of what it has killed: the kernel has to free its memory. */
enum { DEATH_MS = 500 };

/* The standard descriptors of a child that is being made. */
struct streams {
	int given[3];    /* what the child has as 0, 1, 2 */
	int ours[3];     /* our end of a pipe to it; -1: there is none, or it has been handed on */
	bool is_pipe[3]; /* given[i] is ours to be closed */
	bool is_logged[3];
};

static bool is_logged(int fd)
{
	struct log_target target;

	if (fd == MU_RAW) {
		log_target_in_use(&target);
		return target.kind == LOG_TO_SYSLOG;
	}
	return fd == MU_LOG;
}

static void streams_close(struct streams *streams)
{
	for (int i = 0; i < 3; i++) {
		if (streams->is_pipe[i])
			fd_close(&streams->given[i]);
		fd_close(&streams->ours[i]);
	}
}

/* The worker's descriptor of /dev/null. */
static int null_fd(struct mu_worker *worker)
{
	if (worker->null < 0)
		worker->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return worker->null;
}

static int open_pipe(struct streams *streams, int i)
{
	int ends[2], mine = i == 0 ? 1 : 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	streams->ours[i] = ends[mine];
	streams->given[i] = ends[!mine];
	streams->is_pipe[i] = true;
	/* A new pipe has no other flags. */
	return fcntl(ends[mine], F_SETFL, O_NONBLOCK);
}

/* What `wanted`, a descriptor or MU_..., is for the i-th one. 0 or -1 with errno. */
static int open_stream(struct mu_worker *worker, struct streams *streams, int i, int wanted)
{
	streams->is_logged[i] = i > 0 && is_logged(wanted);
	/* One pipe for both, so that their lines stay in order. */
	if (i == 2 && streams->is_logged[1] && streams->is_logged[2]) {
		streams->given[2] = streams->given[1];
		return 0;
	}
	if (wanted == MU_PIPE || streams->is_logged[i])
		return open_pipe(streams, i);
	if (wanted == MU_NULL)
		streams->given[i] = null_fd(worker);
	else if (wanted == MU_RAW && i > 0)
		/* cppcheck-suppress arrayIndexOutOfBoundsCond; i is 1 or 2 */
		streams->given[i] = log_fd();
	else if (wanted >= 0)
		streams->given[i] = wanted;
	else
		errno = EINVAL;
	return streams->given[i] < 0 ? -1 : 0;
}

/* Our ends become connections. 0 or -1 with errno. */
static int hand_on(struct child *child, struct streams *streams)
{
	struct mu_conn **seen[3] = { &child->seen.in, &child->seen.out, &child->seen.err };

	for (int i = 0; i < 3; i++) {
		int fd = streams->ours[i];
		struct mu_conn *conn;

		if (fd < 0)
			continue;
		streams->ours[i] = -1;
		if (streams->is_logged[i])
			conn = child->logged[i - 1] = child_log_begin(child, fd);
		else
			conn = *seen[i] = conn_open_other(child->client, fd, true);
		if (!conn)
			return -1;
	}
	return 0;
}

static void close_connections(struct child *child)
{
	struct mu_conn *seen[3] = { child->seen.in, child->seen.out, child->seen.err };

	child_log_end(child->logged[0]);
	child_log_end(child->logged[1]);
	for (int i = 0; i < 3; i++)
		if (seen[i])
			mu_close(seen[i]);
	child->seen = (struct mu_child){ .pid = 0 };
}

/* ---- its end ---- */

/* Whether it has ended; then it is no zombie any more, and its last lines are logged. */
static bool reap(struct child *child)
{
	siginfo_t info = { .si_pid = 0 };
	pid_t pid;

	if (!child->runs)
		return true;
	/* As long as it has not been waited for the number of its group is its own. */
	if (child->is_told &&
	    waitid(P_PID, (id_t)child->seen.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid)
		kill(-child->seen.pid, SIGKILL);
	do
		pid = waitpid(child->seen.pid, &child->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	child->runs = false;
	fd_close(&child->pidfd);
	/* Whoever it has left behind may hold the pipe: that holds up nobody. */
	child_log_end(child->logged[0]);
	child_log_end(child->logged[1]);
	return true;
}

/* Serve is over, and the child is not. */
static void end(struct at_end *self)
{
	struct child *child = (struct child *)(void *)((char *)self - offsetof(struct child, end));
	struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };

	mu_signal_child(&child->seen, SIGKILL, true);
	if (!reap(child)) {
		poll(&fd, 1, DEATH_MS);
		if (!reap(child))
			mu_log(child->client, MU_WARNING,
			       "%s, process %d, was killed but does not end", child->name,
			       (int)child->seen.pid);
	}
	fd_close(&child->pidfd);
	child_log_end(child->logged[0]);
	child_log_end(child->logged[1]);
}

/* ---- its beginning ---- */

static int start(struct child *child, const struct mu_command *command,
		 const struct streams *streams)
{
	const struct mu_worker *worker = child->client->worker;
	size_t fds = 3 + command->listens;
	int *fd = calloc(fds, sizeof(*fd)), result, saved;
	struct launch what = {
		.file = command->file,
		.argv = command->argv,
		.env = command->env,
		.folder = command->folder,
		.fd = fd,
		.fds = fds,
		.listen_name = command->listen_name ? command->listen_name : "unknown",
		.files = worker->program_files,
	};
	const char *step;

	if (!fd)
		return -1;
	memcpy(fd, streams->given, sizeof(streams->given));
	if (command->listens)
		memcpy(fd + 3, command->listen, command->listens * sizeof(*fd));
	result = launch(&what, &child->seen.pid, &child->pidfd, &step);
	saved = errno;
	if (result < 0)
		mu_log(child->client, MU_DEBUG, "cannot run %s: %s (%s)", command->file,
		       strerror(saved), step);
	free(fd);
	errno = saved;
	return result;
}

static int spawn(struct child *child, const struct mu_command *command, struct streams *streams)
{
	const int wanted[3] = { command->in, command->out, command->err };

	for (int i = 0; i < 3; i++)
		if (open_stream(child->client->worker, streams, i, wanted[i]) < 0)
			return -1;
	if (hand_on(child, streams) < 0 || start(child, command, streams) < 0)
		return -1;
	child->runs = true;
	return 0;
}

struct mu_child *mu_spawn(struct mu_conn *conn, const struct mu_command *command)
{
	struct streams streams = { { -1, -1, -1 }, { -1, -1, -1 }, { false }, { false } };
	struct child *child = mu_alloc(conn, sizeof(*child));
	int result, saved;

	if (command->listens > LAUNCH_DESCRIPTORS_MAX - 3) {
		errno = EMFILE;
		return NULL;
	}
	if (!child)
		return NULL;
	child->end.run = end;
	child->client = conn_client(conn);
	child->name = command->name;
	child->pidfd = -1;
	if (conn_at_end(conn, &child->end) < 0)
		return NULL;
	result = spawn(child, command, &streams);
	saved = errno;
	streams_close(&streams);
	if (result < 0)
		close_connections(child);
	errno = saved;
	return result < 0 ? NULL : &child->seen;
}

/* ---- meanwhile ---- */

int mu_wait_child(struct mu_conn *conn, struct mu_child *seen, int64_t ms, int *status_r)
{
	struct child *child = (struct child *)seen;
	int waited = 1, error = 0;

	while (child->runs && waited > 0) {
		waited = conn_wait_fd(conn, child->pidfd, MU_READABLE, ms);
		error = errno;
		if (reap(child))
			break;
	}
	/* Also where waiting is over: what has ended has ended. */
	if (reap(child)) {
		*status_r = child->status;
		return 1;
	}
	errno = error;
	return waited < 0 ? -1 : 0;
}

void mu_signal_child(struct mu_child *seen, int signal, bool group)
{
	struct child *child = (struct child *)seen;
	int saved = errno;

	/* It is unreaped, so the number is still its own, even if it has ended. */
	if (!child->runs)
		return;
	if (group)
		kill(-seen->pid, signal);
	child->is_told |= group && (signal == SIGTERM || signal == SIGKILL);
	/* It may have left its group. */
	if (!group || getpgid(seen->pid) != seen->pid)
		kill(seen->pid, signal);
	errno = saved;
}
