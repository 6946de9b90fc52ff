/* SPDX-License-Identifier: MIT */
/*
 * The handler `program`: a pool of programs that accept by themselves, each under a worker of its own. The worker
 * passes its listeners on as systemd does (sd_listen_fds(3)), has a socket for what the program tells it
 * (sd_notify(3)), writes what it prints to the log, and ends it. It never accepts.
 *
 * What is to be done when is life.c's; which program and how, command.c's. The worker is READY when the
 * program is, and ends with it.
 */
#include "services/program/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DATAGRAMS_AT_ONCE = 32, /* between them the program's end and its limits have their turn */
	FAILED = -1             /* of serve */
};

struct program {
	const struct program_conf *conf;
	struct mu_worker *worker;
	struct command command;
	int notify; /* our end; -1 */
	/* Variables of its environment. */
	char notify_socket[sizeof("NOTIFY_SOCKET=") +
			   sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char watchdog_usec[64];

	/* While it runs. */
	struct mu_conn *conn; /* NULL: not yet */
	struct mu_child *child;
	struct life life;
	pid_t main_pid;  /* another one of its processes, to which signals go; 0: the child */
	pid_t foreign;   /* the last one that it claimed, and that is none of its */
	int error;       /* the last one that it reported */
	bool has_status; /* it has said something of itself */
	bool ended;
	int status;
};

/* ---- what it says ---- */

/* Abstract, so there is nothing to clean up, and a chroot does not matter. The kernel picks a free name. */
static int open_notify(struct program *program)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(address);
	int yes = 1;

	program->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (program->notify < 0 ||
	    setsockopt(program->notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0 ||
	    bind(program->notify, (struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
	    getsockname(program->notify, (struct sockaddr *)&address, &len) < 0) {
		mu_worker_log(program->worker, MU_ERR, "cannot open a socket to be notified: %s",
			      strerror(errno));
		return -1;
	}
	snprintf(program->notify_socket, sizeof(program->notify_socket), "NOTIFY_SOCKET=@%.*s",
		 (int)(len - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
	return 0;
}

/* Is this process one of the program's now? Its group cannot be another's before the child is waited for. */
static bool is_one_of_it(const struct program *program, pid_t pid)
{
	return !program->ended && getpgid(pid) == program->child->pid;
}

static void take_main_pid(struct program *program, pid_t pid)
{
	if (pid == program->main_pid || (pid == program->child->pid && !program->main_pid))
		return;
	if (!is_one_of_it(program, pid)) {
		/* It may say so with each sign of life. */
		if (pid == program->foreign)
			return;
		program->foreign = pid;
		mu_worker_log(program->worker, MU_WARNING,
			      "MAINPID=%d is none of the processes of %s (pid %d): it must stay in "
			      "the foreground, and in its process group",
			      (int)pid, program->command.file, (int)program->child->pid);
		return;
	}
	program->main_pid = pid == program->child->pid ? 0 : pid;
	mu_measure(program->worker, pid);
}

static void take_error(struct program *program, int error)
{
	if (error == program->error)
		return;
	program->error = error;
	mu_worker_log(program->worker, MU_WARNING, "%s (pid %d) reports ERRNO=%d (%s)",
		      program->command.file, (int)program->child->pid, error, strerror(error));
}

static void take_notify(struct program *program, const struct notify *notify)
{
	if (notify->main_pid)
		take_main_pid(program, notify->main_pid);
	if (notify->error)
		take_error(program, notify->error);
	if (notify->has_status)
		mu_set_status(program->worker, notify->status);
	program->has_status |= notify->has_status;
	life_notified(&program->life, notify, mu_now_ms(program->worker));
	mu_notify(program->conn);
}

/* Anybody on the machine can write to the socket. */
static bool may_notify(struct msghdr *message)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct ucred sender;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(&sender, CMSG_DATA(control), sizeof(sender));
	return sender.uid == 0 || sender.uid == getuid();
}

/* False: there is none. There is no room for descriptors, so the kernel closes what is sent along. */
static bool take_datagram(struct program *program)
{
	char data[NOTIFY_BYTES_MAX];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec piece = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(program->notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct notify notify;

	if (n < 0)
		return errno == EINTR;
	if (message.msg_flags & MSG_TRUNC || !may_notify(&message)) {
		mu_worker_log(program->worker, MU_DEBUG, "passed over a notification of %s",
			      message.msg_flags & MSG_TRUNC ? "more than 4096 bytes"
							    : "another user");
		return true;
	}
	notify_parse(&notify, data, (size_t)n);
	take_notify(program, &notify);
	return true;
}

static void take_datagrams(struct program *program)
{
	for (int i = 0; i < DATAGRAMS_AT_ONCE && take_datagram(program); i++)
		;
}

static void listen_to_it(struct mu_conn *conn, void *arg)
{
	struct program *program = arg;

	while (mu_wait_fd(conn, program->notify, MU_READABLE, -1) > 0)
		take_datagrams(program);
}

/*
 * What it has started and left behind would go on with the listeners, beside its successor. It can be found as
 * long as the child has ended and has not been waited for: until then the number of its group is its own.
 */
static void wait_for_its_end(struct mu_conn *conn, void *arg)
{
	struct program *program = arg;
	int pidfd = (int)syscall(SYS_pidfd_open, program->child->pid, 0);

	if (pidfd >= 0) {
		if (mu_wait_fd(conn, pidfd, MU_READABLE, -1) > 0)
			mu_signal_child(program->child, SIGKILL, true);
		close(pidfd);
	}
	if (mu_wait_child(conn, program->child, -1, &program->status) <= 0)
		return;
	program->ended = true;
	mu_notify(conn);
}

/* ---- its start ---- */

/*
 * O_NONBLOCK belongs to the socket, so whoever has it sees the same: nobody but such programs has it. It is never
 * switched off here: others that run may rely on it, having switched it on themselves.
 */
static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || flags & O_NONBLOCK)
		return flags < 0 ? -1 : 0;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int *take_listeners(struct program *program)
{
	size_t n = mu_listeners(program->worker);
	int *listen = mu_alloc(program->conn, (n + 1) * sizeof(*listen));

	for (size_t i = 0; listen && i < n; i++) {
		listen[i] = mu_listener(program->worker, i);
		if (program->conf->nonblocking && set_nonblocking(listen[i]) < 0)
			return NULL;
	}
	return listen;
}

static const char *const *make_env(struct program *program)
{
	const char *const extra[] = { program->notify_socket, program->watchdog_usec };

	return command_env(&program->command, program->conn, extra,
			   program->conf->watchdog_ms ? 2 : 1);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int start_it(struct program *program)
{
	int output = program->conf->output ? MU_RAW : MU_LOG;
	struct mu_command command = {
		.file = program->command.file,
		.argv = program->command.argv,
		.env = make_env(program),
		.folder = program->conf->command.folder,
		.name = base_name(program->command.argv[0]),
		.in = MU_NULL,
		.out = output,
		.err = output,
		.listen = take_listeners(program),
		.listens = mu_listeners(program->worker),
		.listen_name = mu_service_name(program->worker),
	};

	if (command.env && command.listen)
		program->child = mu_spawn(program->conn, &command);
	if (!program->child) {
		command_log_failure(&program->command, program->conn, errno);
		return -1;
	}
	mu_worker_log(program->worker, MU_DEBUG, "started %s (pid %d)", command.file,
		      (int)program->child->pid);
	life_begin(&program->life, &program->conf->life, mu_now_ms(program->worker));
	mu_measure(program->worker, program->child->pid);
	return 0;
}

/* ---- its end ---- */

/* One that is stopped would not hear it. */
static void signal_it(const struct program *program, int signal)
{
	if (program->main_pid && is_one_of_it(program, program->main_pid)) {
		kill(program->main_pid, signal);
		kill(program->main_pid, SIGCONT);
	} else {
		mu_signal_child(program->child, signal, false);
		mu_signal_child(program->child, SIGCONT, false);
	}
}

static void log_it(const struct program *program, enum mu_level level, const char *what,
		   const char *more)
{
	mu_worker_log(program->worker, level, "%s (pid %d) %s%s", program->command.file,
		      (int)program->child->pid, what, more);
}

/* What serve returns. */
static int tell_end(const struct program *program)
{
	bool well = WIFEXITED(program->status) && WEXITSTATUS(program->status) == 0;
	char text[COMMAND_STATUS_MAX];

	command_status_text(program->status, text);
	switch (program->life.phase) {
	case LIFE_STARTING:
		log_it(program, MU_ERR,
		       well ? "ended before it was ready, and must stay in the foreground: "
			    : "ended before it was ready: ",
		       text);
		return FAILED;
	case LIFE_SERVING:
		log_it(program, well ? MU_NOTICE : MU_ERR, "ended by itself: ", text);
		return well ? MU_DONE : FAILED;
	case LIFE_STOPPING:
	case LIFE_DYING:
		break;
	}
	if (WIFSIGNALED(program->status))
		well = WTERMSIG(program->status) == program->conf->signal;
	log_it(program, well ? MU_DEBUG : MU_NOTICE, "has finished: ", text);
	return program->life.watchdog_bit ? FAILED : MU_DONE;
}

/* No wait is allowed any more. What is left of it dies when serve has returned. */
static int cut_off(const struct program *program)
{
	log_it(program, MU_WARNING,
	       program->life.phase == LIFE_STOPPING
		       ? "did not finish within the drain limit: it is killed"
		       : "has not ended in time: it is killed",
	       "");
	mu_signal_child(program->child, SIGKILL, true);
	return program->life.watchdog_bit ? FAILED : MU_DONE;
}

/* ---- its life ---- */

static void act(struct program *program, enum life_action action)
{
	switch (action) {
	case LIFE_READY:
		if (!program->has_status)
			mu_set_status(program->worker, "");
		mu_ready(program->conn);
		break;
	case LIFE_STOP:
		signal_it(program, program->conf->signal);
		break;
	case LIFE_ABORT:
		log_it(program, MU_ERR,
		       program->life.triggered ? "asked for its end (WATCHDOG=trigger): "
					       : "gave no sign of life (WATCHDOG=1) in time: ",
		       "sending SIGABRT");
		signal_it(program, SIGABRT);
		break;
	case LIFE_KILL:
		log_it(program, MU_WARNING, "has not ended: ", "sending SIGKILL");
		mu_signal_child(program->child, SIGKILL, true);
		break;
	case LIFE_WAIT:
		break;
	}
}

static int look_after(struct program *program)
{
	struct mu_conn *conn = program->conn;
	int64_t now, again_at;
	enum life_action action;

	while (!program->ended) {
		/* After a stop of ours (SIGSTOP, a frozen machine) the time is over before that was heard. */
		take_datagrams(program);
		now = mu_now_ms(program->worker);
		action = life_next(&program->life, mu_draining(conn), now, &again_at);
		act(program, action);
		if (action == LIFE_WAIT && mu_wait_notify(conn, !again_at        ? -1
								: again_at > now ? again_at - now
										 : 0) < 0)
			return cut_off(program);
	}
	return tell_end(program);
}

static int serve(struct mu_conn *conn, void *state)
{
	struct program *program = state;
	int result = FAILED;

	program->conn = conn;
	if (start_it(program) < 0)
		return FAILED;
	if (mu_go(conn, listen_to_it, program) < 0 || mu_go(conn, wait_for_its_end, program) < 0)
		log_it(program, MU_ERR, "cannot be looked after: ", strerror(errno));
	else
		result = look_after(program);
	mu_cancel(conn);
	return result;
}

/* ---- the worker's ---- */

static void wake_up(void *state)
{
	struct program *program = state;

	if (program->conn)
		mu_notify(program->conn);
}

static void stop(void *state)
{
	struct program *program = state;

	if (program->notify >= 0)
		close(program->notify);
	command_cleanup(&program->command);
	free(program);
}

static int start(struct mu_worker *worker, const void *config, void **state)
{
	const struct program_conf *conf = config;
	struct program *program = calloc(1, sizeof(*program));

	if (!program)
		return -1;
	program->conf = conf;
	program->worker = worker;
	program->notify = -1;
	if (command_init(&program->command, &conf->command, worker) < 0) {
		free(program);
		return -1;
	}
	if (open_notify(program) < 0) {
		stop(program);
		return -1;
	}
	snprintf(program->watchdog_usec, sizeof(program->watchdog_usec), "WATCHDOG_USEC=%" PRId64,
		 conf->watchdog_ms * 1000);
	if (conf->life.ready == LIFE_BY_NOTIFY)
		mu_set_status(worker, "it has not said READY=1");
	*state = program;
	return 0;
}

const struct mu_module mu_program = {
	.abi = MU_ABI,
	.name = "program",
	.help = "runs programs that accept by themselves (socket activation)",
	.flags = MU_TENDS,
	.directives = program_directives,
	.config_size = sizeof(struct program_conf),
	.check = program_check,
	.start = start,
	.serve = serve,
	.stop = stop,
	.drain = wake_up,
};
